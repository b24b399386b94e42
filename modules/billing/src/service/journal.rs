//! Posting: the one way into the journal.

use chrono::{Datelike, NaiveDate};
use contracts::ids::JournalEntryId;
use kernel::Result;
use kernel::db::{Column, Tx, Values, query_all, query_one};
use kernel::money::Currency;
use sea_orm::{ActiveEnum, ConnectionTrait, DbBackend, DbErr, FromQueryResult, RuntimeErr};
use uuid::Uuid;

use crate::entities::journal_entry::SourceType;
use crate::entities::{journal_entry, journal_line};
use crate::error::Error;
use crate::service::insert_all;
use crate::service::period_locks::{check_open, closed_meanwhile, open_day};

/// Parts of a balance where many post at the same time.
const PARTS: u8 = 16;

/// The most on either side of an account, in minor units: what a CHECK allows each part.
const MAX_SIDE: i64 = 4_000_000_000_000_000_000;

/// Codes of the accounts that rules post to; the chart is in the schema.
pub(crate) mod account {
    pub(crate) const BANK: &str = "1000";
    pub(crate) const RECEIVABLE: &str = "1100";
    pub(crate) const INVENTORY: &str = "1200";
    pub(crate) const INPUT_TAX: &str = "1300";
    pub(crate) const PAYABLE: &str = "2000";
    pub(crate) const RECEIVED_NOT_INVOICED: &str = "2100";
    pub(crate) const OUTPUT_TAX: &str = "2200";
    pub(crate) const REVENUE: &str = "4000";
    pub(crate) const COST_OF_GOODS_SOLD: &str = "5000";
    pub(crate) const PRICE_VARIANCE: &str = "5100";
    pub(crate) const INVENTORY_ADJUSTMENTS: &str = "5200";
}

/// An amount on an account: positive on the debit side, negative on the credit side.
pub(crate) type Posting = (&'static str, i64);

/// What is to be posted.
#[derive(Debug)]
pub(crate) struct Entry {
    pub source_type: SourceType,
    pub source_id: Uuid,
    pub entry_on: NaiveDate,
    /// The day of the source: earlier than `entry_on` where that day is closed.
    pub document_on: NaiveDate,
    pub description: String,
    pub currency: Currency,
    pub postings: Vec<Posting>,
}

/// An entry as it was written.
pub(crate) type Written = (journal_entry::Model, Vec<journal_line::Model>);

/// Writes an entry and carries the balances along. Postings of nothing are left out; an
/// entry of nothing else is not written and `None` returned. Of a day that is closed only who
/// may and says why posts something.
///
/// The lines go in before the entry: the database refuses an entry that does not balance.
pub(crate) async fn post(tx: &Tx, entry: Entry) -> Result<Option<Written>> {
    let exception_reason = match field_of(entry.source_type) {
        Some(field) => check_open(tx, entry.entry_on, field).await?,
        None => None,
    };
    let postings: Vec<_> = entry.postings.iter().filter(|(_, amount)| *amount != 0).collect();
    if postings.is_empty() {
        return Ok(None);
    }
    let id = JournalEntryId::new();
    let lines = postings.iter().zip(1..).map(|((account, amount), position)| journal_line::Model {
        entry_id: id,
        position,
        account: (*account).to_owned(),
        debit_minor: (*amount).max(0),
        credit_minor: (-*amount).max(0),
    });
    let lines: Vec<_> = lines.collect();
    insert_all(tx, lines.clone()).await?;
    let number = tx.next_number("JE", entry.entry_on.year()).await?;
    let row = journal_entry::Model {
        id,
        number,
        entry_on: entry.entry_on,
        document_on: (entry.document_on < entry.entry_on).then_some(entry.document_on),
        source_type: entry.source_type,
        source_id: entry.source_id,
        description: entry.description,
        exception_reason,
        currency: entry.currency,
        created_at: tx.now(),
    };
    insert_all(tx, [row.clone()]).await.map_err(closed_meanwhile)?;
    let full = || Error::AccountFull { pointer: amount_field_of(entry.source_type) };
    carry_balances(tx, id, &postings, full).await?;
    Ok(Some((row, lines)))
}

/// Where a caller says an amount that is posted as it is.
fn amount_field_of(source_type: SourceType) -> Option<&'static str> {
    matches!(source_type, SourceType::Payment | SourceType::Refund).then_some("/amount")
}

/// Where a caller says the day of a document that is posted on it, and on no other.
fn field_of(source_type: SourceType) -> Option<&'static str> {
    match source_type {
        SourceType::Invoice | SourceType::CreditNote => Some("/issued_on"),
        SourceType::Payment => Some("/received_on"),
        SourceType::PaymentReversal | SourceType::RefundReversal => Some("/reversed_on"),
        SourceType::Refund => Some("/refunded_on"),
        SourceType::Bill
        | SourceType::Shipment
        | SourceType::Receipt
        | SourceType::Return
        | SourceType::StockMove => None,
    }
}

/// The day on which to post what happened on `on`: the first open one. None if it has been
/// posted: a second telling changes nothing.
pub(crate) async fn day_to_post(
    tx: &Tx,
    (source_type, source_id): (SourceType, Uuid),
    on: NaiveDate,
) -> Result<Option<NaiveDate>> {
    #[derive(FromQueryResult)]
    struct Found {
        posted: i64,
        closed_through: Option<NaiveDate>,
    }
    let sql = "SELECT (SELECT COUNT(*) FROM journal_entries \
            WHERE source_type = $1 AND source_id = $2) AS posted, \
        (SELECT MAX(through) FROM period_locks WHERE status = 'closed') AS closed_through";
    let values = vec![source_type.to_value().into(), source_id.into()];
    let found: Option<Found> = query_one(&**tx, sql, values).await?;
    Ok(found.filter(|found| found.posted == 0).map(|found| open_day(on, found.closed_through)))
}

/// Adds to a part of each account's balance, the one the entry falls to: who posts at the same
/// time waits only if it is the same. Parts are taken in the order of their accounts. `full` is
/// the refusal of what an account has no room for.
async fn carry_balances(
    tx: &Tx,
    entry: JournalEntryId,
    postings: &[&Posting],
    full: impl Fn() -> Error,
) -> Result<()> {
    #[derive(FromQueryResult)]
    struct Carried {
        debit_minor: i64,
        credit_minor: i64,
    }
    let exceeds = |most| move |c: &Carried| c.debit_minor > most || c.credit_minor > most;
    let rows = postings.iter().map(|(account, amount)| {
        vec![(*account).into(), (*amount).max(0).into(), (-*amount).max(0).into()]
    });
    let columns =
        [("account", Column::Text), ("debit", Column::BigInt), ("credit", Column::BigInt)];
    let backend = tx.get_database_backend();
    let mut values = Values::new(backend, "posting", &columns, rows);
    let part = match backend {
        // One writes at a time.
        DbBackend::Sqlite => 0,
        _ => i64::from(entry.uuid().as_bytes()[15] % PARTS),
    };
    let part = values.bind(part);
    // An entry may post to one account twice, and an upsert may meet each row once.
    let (sql, values) = values.statement(&format!(
        "INSERT INTO account_balance_parts (account, part, debit_minor, credit_minor) \
         SELECT account, {part}, CAST(SUM(debit) AS BIGINT), CAST(SUM(credit) AS BIGINT) \
         FROM posting WHERE TRUE GROUP BY account ORDER BY account \
         ON CONFLICT (account, part) DO UPDATE SET \
         debit_minor = account_balance_parts.debit_minor + excluded.debit_minor, \
         credit_minor = account_balance_parts.credit_minor + excluded.credit_minor \
         RETURNING debit_minor, credit_minor"
    ));
    let parts: Result<Vec<Carried>, DbErr> = query_all(&**tx, sql, values).await;
    let parts = parts.map_err(|error| match is_check_violation(&error) {
        true => full().into(),
        false => kernel::Error::from(error),
    })?;
    // Only then can all parts together come to more.
    if parts.iter().any(exceeds(MAX_SIDE / i64::from(PARTS + 1))) {
        let sql = "SELECT debit_minor, credit_minor FROM account_totals";
        let totals: Vec<Carried> = query_all(&**tx, sql, Vec::new()).await?;
        if totals.iter().any(exceeds(MAX_SIDE)) {
            return Err(full().into());
        }
    }
    Ok(())
}

/// Whether a CHECK refused the row: SQLSTATE, SQLITE_CONSTRAINT_CHECK.
fn is_check_violation(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("23514" | "275"))
}
