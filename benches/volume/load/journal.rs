//! The journal, and payments that are posted to it.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use sea_orm::sqlx::postgres::PgPool;
use uuid::Uuid;

use crate::load::copy::{Copy, Series};
use crate::world::{Kind, id};

/// Payments and what they were applied to.
pub(super) struct Payments {
    numbers: Series,
    payments: Copy,
    allocations: Copy,
}

/// A payment: to or from whom, when, how much, and how much of it was applied to what.
pub(super) struct Payment {
    pub(super) ids: (Uuid, Uuid),
    pub(super) party: Uuid,
    pub(super) is_incoming: bool,
    pub(super) at: DateTime<Utc>,
    pub(super) amount: i64,
    pub(super) applied: i64,
    pub(super) document: Uuid,
}

impl Payments {
    pub(super) async fn begin(pool: &PgPool) -> Result<Self, String> {
        let columns = "id, number, direction, customer_id, supplier_id, method, received_on, \
            external_key, currency, amount_minor, applied_minor, version, created_at, updated_at";
        let payments = Copy::begin(pool, "billing.payments", columns).await?;
        let columns = "id, payment_id, invoice_id, bill_id, amount_minor, created_at";
        let allocations = Copy::begin(pool, "billing.payment_allocations", columns).await?;
        Ok(Payments { numbers: Series::new("PAY"), payments, allocations })
    }

    pub(super) async fn add(
        &mut self,
        payment: Payment,
        journal: &mut Journal,
    ) -> Result<(), String> {
        let Payment { ids: (id, allocation), party, is_incoming, at, amount, .. } = payment;
        let on = at.date_naive();
        let (number, _) = self.numbers.next(on.year());
        let (direction, receiver) = match is_incoming {
            true => ("incoming", format!("{party}\t\\N")),
            false => ("outgoing", format!("\\N\t{party}")),
        };
        let (applied, document) = (payment.applied, payment.document);
        self.payments.row(format_args!(
            "{id}\t{number}\t{direction}\t{receiver}\tbank_transfer\t{on}\tbank-{number}\tEUR\t\
             {amount}\t{applied}\t1\t{at}\t{at}"
        ));
        let target = match is_incoming {
            true => format!("{document}\t\\N"),
            false => format!("\\N\t{document}"),
        };
        self.allocations.row(format_args!("{allocation}\t{id}\t{target}\t{applied}\t{at}"));
        let (postings, verb) = match is_incoming {
            true => ([("1000", amount), ("1100", -amount)], "received"),
            false => ([("2000", amount), ("1000", -amount)], "sent"),
        };
        let description = format!("Payment {number} {verb}");
        journal.post(("payment", id), (on, at), &description, &postings);
        self.payments.flush().await?;
        self.allocations.flush().await
    }

    pub(super) async fn finish(self) -> Result<Series, String> {
        self.payments.finish().await?;
        self.allocations.finish().await?;
        Ok(self.numbers)
    }
}

/// Entries, their lines, and what accounts come to.
pub(super) struct Journal {
    numbers: Series,
    count: u64,
    entries: Copy,
    lines: Copy,
    balances: BTreeMap<&'static str, (i64, i64)>,
}

impl Journal {
    pub(super) async fn begin(pool: &PgPool) -> Result<Self, String> {
        let columns = "id, number, entry_on, source_type, source_id, description, currency, \
            created_at";
        let entries = Copy::begin(pool, "billing.journal_entries", columns).await?;
        let columns = "entry_id, position, account, debit_minor, credit_minor";
        let lines = Copy::begin(pool, "billing.journal_lines", columns).await?;
        let numbers = Series::new("JE");
        Ok(Journal { numbers, count: 0, entries, lines, balances: BTreeMap::new() })
    }

    pub(super) fn post(
        &mut self,
        (source_type, source_id): (&str, Uuid),
        (on, at): (NaiveDate, DateTime<Utc>),
        description: &str,
        postings: &[(&'static str, i64)],
    ) {
        self.count += 1;
        let id = id(Kind::Entry, at.timestamp_millis(), self.count, 0);
        let (number, _) = self.numbers.next(on.year());
        self.entries.row(format_args!(
            "{id}\t{number}\t{on}\t{source_type}\t{source_id}\t{description}\tEUR\t{at}"
        ));
        let postings = postings.iter().filter(|(_, amount)| *amount != 0);
        for ((account, amount), position) in postings.zip(1..) {
            let (debit, credit) = ((*amount).max(0), (-*amount).max(0));
            self.lines.row(format_args!("{id}\t{position}\t{account}\t{debit}\t{credit}"));
            let balance = self.balances.entry(account).or_default();
            balance.0 += debit;
            balance.1 += credit;
        }
    }

    pub(super) async fn flush(&mut self) -> Result<(), String> {
        self.entries.flush().await?;
        self.lines.flush().await
    }

    pub(super) async fn finish(self, pool: &PgPool) -> Result<Series, String> {
        self.entries.finish().await?;
        self.lines.finish().await?;
        for (account, (debit, credit)) in self.balances {
            let sql = "UPDATE billing.account_balances SET debit_minor = $1, credit_minor = $2 \
                WHERE account = $3";
            let update = sea_orm::sqlx::query(sql).bind(debit).bind(credit).bind(account);
            update.execute(pool).await.map_err(|e| e.to_string())?;
        }
        Ok(self.numbers)
    }
}
