//! Counting on documents what settles them, and telling who needs to know.

use kernel::Result;
use kernel::db::{Column, Tx, Values, execute};
use kernel::events::EventData;
use kernel::money::Money;
use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use crate::entities::bill::BillStatus;
use crate::entities::invoice::InvoiceStatus;
use crate::entities::{bill, invoice};
use crate::service::presenting::{present_bill, present_invoice};

/// What an invoice is open for.
pub(crate) fn open_of(row: &invoice::Model) -> Money {
    Money::new(row.total_minor - row.applied_minor - row.credited_minor, row.currency)
}

/// Counts what settles issued invoices; below zero, what does not any more. `event_of` words
/// the event of an invoice, as it is then, and its amount.
pub(crate) async fn settle_invoices<E: EventData>(
    tx: &mut Tx,
    amounts: Vec<(invoice::Model, i64)>,
    event_of: impl Fn(&invoice::Model, i64) -> E,
) -> Result<()> {
    let sql = "UPDATE invoices SET applied_minor = applied_minor + a.amount, status = \
        CASE WHEN total_minor = applied_minor + credited_minor + a.amount \
        THEN 'settled' ELSE 'issued' END, version = version + 1, updated_at = {now} \
        FROM a WHERE invoices.id = a.id";
    count(tx, sql, amounts.iter().map(|(row, amount)| (row.id.uuid(), *amount))).await?;
    for (before, amount) in amounts {
        let mut after = invoice::Model {
            applied_minor: before.applied_minor + amount,
            version: before.version + 1,
            updated_at: tx.now(),
            ..before.clone()
        };
        let is_settled = open_of(&after).minor() == 0;
        after.status = if is_settled { InvoiceStatus::Settled } else { InvoiceStatus::Issued };
        tx.publish(after.order_id.uuid(), after.version, &event_of(&after, amount))?;
        let (id, before) = (before.id.uuid(), present_invoice(before, None)?);
        tx.audit("invoice", id, Some(&before), Some(&present_invoice(after, None)?))?;
    }
    Ok(())
}

/// Counts what settles approved bills; below zero, what does not any more.
pub(crate) async fn settle_bills(tx: &mut Tx, amounts: Vec<(bill::Model, i64)>) -> Result<()> {
    let sql = "UPDATE bills SET applied_minor = applied_minor + a.amount, status = \
        CASE WHEN total_minor = applied_minor + a.amount \
        THEN 'settled' ELSE 'approved' END, version = version + 1, updated_at = {now} \
        FROM a WHERE bills.id = a.id";
    count(tx, sql, amounts.iter().map(|(row, amount)| (row.id.uuid(), *amount))).await?;
    for (before, amount) in amounts {
        let applied_minor = before.applied_minor + amount;
        let is_settled = applied_minor == before.total_minor;
        let after = bill::Model {
            applied_minor,
            status: if is_settled { BillStatus::Settled } else { BillStatus::Approved },
            version: before.version + 1,
            updated_at: tx.now(),
            ..before.clone()
        };
        let (id, before) = (before.id.uuid(), present_bill(before, None)?);
        tx.audit("bill", id, Some(&before), Some(&present_bill(after, None)?))?;
    }
    Ok(())
}

/// Runs `sql` over the list `a(id, amount)`.
async fn count(tx: &Tx, sql: &str, amounts: impl Iterator<Item = (Uuid, i64)>) -> Result<()> {
    let rows = amounts.map(|(id, amount)| vec![Value::from(id), Value::from(amount)]);
    let columns = [("id", Column::Uuid), ("amount", Column::BigInt)];
    let mut values = Values::new(tx.get_database_backend(), "a", &columns, rows);
    let now = values.bind(tx.now());
    let (sql, values) = values.statement(&sql.replace("{now}", &now));
    execute(&**tx, sql, values).await?;
    Ok(())
}
