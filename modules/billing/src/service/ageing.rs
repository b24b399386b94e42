//! Ageing (domain rule B-10): its sum is the balance of the account of receivables or
//! payables, as of any day.
//!
//! What is open now is on the documents. As of a day in the past it is that, less what is
//! dated later, and with what has been applied since taken back: the report costs as much as
//! has come since. What came since is found by ids, which are made in the order of time:
//! nothing is dated in the future, so a document dated after a day, and what was applied to
//! or from it, has an id made after that day began. An allocation that was taken back counts
//! as never made; a payment that was counts until that day, as credit, and a refund that was,
//! as paid back.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate, Utc};
use contracts::ids::{CustomerId, SupplierId};
use kernel::Result;
use kernel::date::check_date;
use kernel::db::{Column, Values, query_all};
use kernel::money::{Currency, MoneySum};
use kernel::page::{Page, PageInfo, PageRequest};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use uuid::Uuid;

use crate::routes::ageing::{
    Ageing, AgeingBucket, AgeingQuery, CustomerAgeing, PayablesAgeing, ReceivablesAgeing,
    SupplierAgeing,
};
use crate::service::Service;
use crate::service::dates::first_id_of;

/// The bucket of what is not applied.
const CREDIT: i64 = -1;

/// Selects of (party, bucket, amount) that add up to what is open. `$1` is the day, `{bucket}`
/// computed from it and `due_on`, `{since}` the first id that can be of a later day.
struct Side {
    list: &'static str,
    /// What is open now.
    now: &'static str,
    /// What was open at the end of a day in the past.
    past: &'static str,
    /// Selects the name of the party `parties.id`.
    name: &'static str,
}

const RECEIVABLES: Side = Side {
    list: "receivables-ageing",
    now: "SELECT customer_id AS party, {bucket} AS bucket, \
            total_minor - applied_minor - credited_minor AS amount \
        FROM invoices WHERE status = 'issued' \
        UNION ALL SELECT customer_id, -1, applied_minor + refunded_minor - amount_minor \
        FROM payments WHERE applied_minor + refunded_minor < amount_minor \
            AND reversed_on IS NULL AND direction = 'incoming' \
        UNION ALL SELECT customer_id, -1, \
            c.applied_minor + COALESCE(u.applied_minor + u.refunded_minor, 0) - total_minor \
        FROM credit_notes c LEFT JOIN credit_note_uses u ON u.credit_note_id = c.id \
        WHERE c.applied_minor < total_minor",
    // Where only one of two documents is dated until then, what one takes off the other is
    // open, or credit.
    past: "SELECT customer_id AS party, {bucket} AS bucket, \
            total_minor - applied_minor - credited_minor AS amount \
        FROM invoices WHERE status = 'issued' AND issued_on <= $1 \
        UNION ALL SELECT customer_id, -1, applied_minor + refunded_minor - amount_minor \
        FROM payments WHERE applied_minor + refunded_minor < amount_minor \
            AND reversed_on IS NULL AND direction = 'incoming' AND received_on <= $1 \
        UNION ALL SELECT customer_id, -1, -amount_minor FROM payments \
        WHERE direction = 'incoming' AND received_on <= $1 AND reversed_on > $1 \
        UNION ALL SELECT customer_id, -1, \
            c.applied_minor + COALESCE(u.applied_minor + u.refunded_minor, 0) - total_minor \
        FROM credit_notes c LEFT JOIN credit_note_uses u ON u.credit_note_id = c.id \
        WHERE c.applied_minor < total_minor AND issued_on <= $1 \
        UNION ALL SELECT r.customer_id, -1, -r.amount_minor FROM refunds r \
        LEFT JOIN payments p ON p.id = r.payment_id \
        LEFT JOIN credit_notes c ON c.id = r.credit_note_id \
        WHERE r.id >= {since} AND r.refunded_on > $1 AND r.reversed_on IS NULL \
            AND COALESCE(p.received_on, c.issued_on) <= $1 \
        UNION ALL SELECT customer_id, -1, amount_minor FROM refunds \
        WHERE refunded_on <= $1 AND reversed_on > $1 \
        UNION ALL SELECT i.customer_id, CASE WHEN i.issued_on <= $1 THEN {bucket} ELSE -1 END, \
            CASE WHEN i.issued_on <= $1 THEN a.amount_minor ELSE -a.amount_minor END \
        FROM credit_allocations a JOIN credit_notes c ON c.id = a.credit_note_id \
        JOIN invoices i ON i.id = a.invoice_id \
        WHERE a.id >= {since} AND (c.issued_on <= $1) <> (i.issued_on <= $1) \
        UNION ALL SELECT i.customer_id, CASE WHEN i.issued_on <= $1 THEN {bucket} ELSE -1 END, \
            CASE WHEN i.issued_on <= $1 THEN a.amount_minor ELSE -a.amount_minor END \
        FROM settlements a JOIN payments p ON p.id = a.payment_id \
        JOIN invoices i ON i.id = a.invoice_id \
        WHERE a.id >= {since} AND (p.received_on <= $1) <> (i.issued_on <= $1) \
        UNION ALL SELECT i.customer_id, CASE WHEN i.issued_on <= $1 THEN {bucket} ELSE -1 END, \
            CASE WHEN i.issued_on <= $1 THEN c.applied_minor ELSE -c.applied_minor END \
        FROM credit_notes c JOIN invoices i ON i.id = c.invoice_id \
        WHERE c.id >= {since} AND (c.issued_on <= $1) <> (i.issued_on <= $1)",
    // The copy of the customer on the invoice is JSON.
    name: "SELECT customer FROM invoices WHERE customer_id = parties.id ORDER BY id DESC LIMIT 1",
};

// A bill counts from the day it was posted on; one approved before that was kept, from its own.
const PAYABLES: Side = Side {
    list: "payables-ageing",
    now: "SELECT supplier_id AS party, {bucket} AS bucket, \
            total_minor - applied_minor AS amount \
        FROM bills WHERE status = 'approved' \
        UNION ALL SELECT supplier_id, -1, applied_minor - amount_minor \
        FROM payments WHERE applied_minor + refunded_minor < amount_minor \
            AND reversed_on IS NULL AND direction = 'outgoing'",
    past: "SELECT supplier_id AS party, {bucket} AS bucket, \
            total_minor - applied_minor AS amount \
        FROM bills WHERE status = 'approved' AND COALESCE(posted_on, billed_on) <= $1 \
        UNION ALL SELECT supplier_id, -1, applied_minor - amount_minor \
        FROM payments WHERE applied_minor + refunded_minor < amount_minor \
            AND reversed_on IS NULL AND direction = 'outgoing' AND received_on <= $1 \
        UNION ALL SELECT supplier_id, -1, -amount_minor FROM payments \
        WHERE direction = 'outgoing' AND received_on <= $1 AND reversed_on > $1 \
        UNION ALL SELECT b.supplier_id, CASE WHEN b.posted_on <= $1 THEN {bucket} ELSE -1 END, \
            CASE WHEN b.posted_on <= $1 THEN a.amount_minor ELSE -a.amount_minor END \
        FROM settlements a JOIN payments p ON p.id = a.payment_id \
        JOIN (SELECT id, supplier_id, due_on, COALESCE(posted_on, billed_on) AS posted_on \
            FROM bills) b ON b.id = a.bill_id \
        WHERE a.id >= {since} AND (p.received_on <= $1) <> (b.posted_on <= $1)",
    name: "SELECT supplier_name FROM bills WHERE supplier_id = parties.id \
        ORDER BY id DESC LIMIT 1",
};

/// What a party, or all of them, have in a bucket.
#[derive(Debug, FromQueryResult)]
struct Sum {
    party: Option<Uuid>,
    bucket: i64,
    amount: i64,
}

#[derive(Debug, FromQueryResult)]
struct Named {
    id: Uuid,
    name: Option<String>,
}

/// The report before it is worded for one side.
struct Aged {
    as_of: NaiveDate,
    totals: Ageing,
    parties: Vec<(Uuid, Ageing)>,
    names: BTreeMap<Uuid, String>,
    page: PageInfo,
}

impl Service {
    pub(crate) async fn receivables_ageing(&self, query: AgeingQuery) -> Result<ReceivablesAgeing> {
        let mut aged = self.age(&RECEIVABLES, query).await?;
        let row = |(id, ageing): (Uuid, Ageing)| {
            let customer = aged.names.remove(&id);
            let customer: Option<serde_json::Value> =
                customer.map(|json| serde_json::from_str(&json)).transpose()?;
            let name = customer.and_then(|customer| Some(customer["name"].as_str()?.to_owned()));
            Ok(CustomerAgeing {
                customer_id: CustomerId::from_uuid(id),
                customer_name: name,
                ageing,
            })
        };
        let data = aged.parties.into_iter().map(row).collect::<Result<_>>()?;
        Ok(ReceivablesAgeing { as_of: aged.as_of, totals: aged.totals, data, page: aged.page })
    }

    pub(crate) async fn payables_ageing(&self, query: AgeingQuery) -> Result<PayablesAgeing> {
        let mut aged = self.age(&PAYABLES, query).await?;
        let row = |(id, ageing): (Uuid, Ageing)| {
            let supplier_name = aged.names.remove(&id);
            SupplierAgeing { supplier_id: SupplierId::from_uuid(id), supplier_name, ageing }
        };
        let data = aged.parties.into_iter().map(row).collect();
        Ok(PayablesAgeing { as_of: aged.as_of, totals: aged.totals, data, page: aged.page })
    }

    async fn age(&self, side: &Side, query: AgeingQuery) -> Result<Aged> {
        if let Some(as_of) = query.as_of {
            check_date(as_of, "?as_of")?;
        }
        let today = Utc::now().date_naive();
        let as_of = query.as_of.unwrap_or(today);
        // Nothing is dated in the future, so from today on nothing is to be undone.
        let items = if as_of < today { side.past } else { side.now };
        let request = query.page();
        let (sql, values) = sums(items, as_of, query.buckets.ends(), &request, side.list)?;
        let sums: Vec<Sum> = query_all(self.db.read(), sql, values).await?;
        let mut by_party: BTreeMap<Option<Uuid>, BTreeMap<i64, i64>> = BTreeMap::new();
        for Sum { party, bucket, amount } in sums {
            by_party.entry(party).or_default().insert(bucket, amount);
        }
        let ageing = |sums| ageing(&sums, query.buckets.ends(), self.company.currency);
        let totals = ageing(by_party.remove(&None).unwrap_or_default());
        let parties = by_party.into_iter().filter_map(|(id, sums)| Some((id?, ageing(sums))));
        let page = Page::cut(parties.collect(), |(id, _)| *id, side.list, &request);
        let ids = page.data.iter().map(|(id, _)| *id).collect();
        let names = names(self.db.read(), side, ids).await?;
        Ok(Aged { as_of, totals, parties: page.data, names, page: page.page })
    }
}

/// The statement that adds up a page of parties, and under no party all of them: one, so that
/// the two fit together.
fn sums(
    items: &str,
    as_of: NaiveDate,
    ends: &[u16],
    request: &PageRequest,
    list: &str,
) -> Result<(String, Vec<Value>)> {
    let mut values: Vec<Value> = vec![as_of.into()];
    let mut bind = |value: Value| {
        values.push(value);
        format!("${}", values.len())
    };
    let mut bucket = "CASE WHEN due_on >= $1 THEN 0".to_owned();
    for (place, days) in ends.iter().enumerate() {
        let earliest = as_of.checked_sub_days(Days::new(u64::from(*days))).unwrap_or(as_of);
        let earliest = bind(earliest.into());
        bucket.push_str(&format!(" WHEN due_on >= {earliest} THEN {}", place + 1));
    }
    bucket.push_str(&format!(" ELSE {} END", ends.len() + 1));
    let after = match request.after(list)? {
        Some(after) => format!("WHERE party > {}", bind(after.into())),
        None => String::new(),
    };
    let mut items = items.replace("{bucket}", &bucket);
    if items.contains("{since}") {
        items = items.replace("{since}", &bind(first_id_of(as_of).into()));
    }
    let limit = request.limit.rows() + 1;
    let sql = format!(
        "WITH items AS ({items}), \
         sums AS (SELECT party, bucket, SUM(amount) AS amount FROM items \
             GROUP BY party, bucket HAVING SUM(amount) <> 0), \
         listed AS (SELECT DISTINCT party FROM sums {after} ORDER BY party LIMIT {limit}) \
         SELECT s.party, CAST(s.bucket AS BIGINT) AS bucket, CAST(s.amount AS BIGINT) AS amount \
         FROM sums s JOIN listed l ON l.party = s.party \
         UNION ALL SELECT NULL, CAST(bucket AS BIGINT), CAST(SUM(amount) AS BIGINT) \
         FROM sums GROUP BY bucket"
    );
    Ok((sql, values))
}

fn ageing(sums: &BTreeMap<i64, i64>, ends: &[u16], currency: Currency) -> Ageing {
    let in_bucket = |place: i64| sums.get(&place).copied().unwrap_or_default();
    let starts = [None, Some(0)].into_iter().chain(ends.iter().copied().map(Some));
    let ends = [Some(0)].into_iter().chain(ends.iter().copied().map(Some)).chain([None]);
    let buckets = starts.zip(ends).zip(0..).map(|((over, up_to), place)| AgeingBucket {
        over,
        up_to,
        amount: MoneySum::new(in_bucket(place), currency),
    });
    Ageing {
        buckets: buckets.collect(),
        credit: MoneySum::new(-in_bucket(CREDIT), currency),
        balance: MoneySum::new(sums.values().copied().map(i128::from).sum::<i128>(), currency),
    }
}

/// What the parties of a page are called.
async fn names(
    conn: &impl ConnectionTrait,
    side: &Side,
    ids: Vec<Uuid>,
) -> Result<BTreeMap<Uuid, String>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = ids.into_iter().map(|id| vec![id.into()]);
    let columns = [("id", Column::Uuid)];
    let (sql, values) = Values::new(conn.get_database_backend(), "parties", &columns, rows)
        .statement(&format!("SELECT id, ({}) AS name FROM parties", side.name));
    let named: Vec<Named> = query_all(conn, sql, values).await?;
    Ok(named.into_iter().filter_map(|row| Some((row.id, row.name?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_have_their_ends_and_credit_is_apart() {
        let sums = BTreeMap::from([(CREDIT, -500), (0, 100), (1, 20), (2, 3)]);
        let ageing = ageing(&sums, &[30], Currency::EUR);
        let buckets: Vec<_> =
            ageing.buckets.iter().map(|b| (b.over, b.up_to, b.amount.minor())).collect();
        let expected = [(None, Some(0), 100), (Some(0), Some(30), 20), (Some(30), None, 3)];
        assert_eq!(buckets, expected);
        assert_eq!((ageing.credit.minor(), ageing.balance.minor()), (500, -377));
    }
}
