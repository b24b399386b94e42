//! What billing keeps of purchase orders and receipts, to match bills with and to account
//! for goods received and not invoiced.

use std::collections::HashMap;

use contracts::events::{PurchaseOrderApproved, ReceiptPosted, StockReceived};
use contracts::ids::{BillId, PurchaseOrderId};
use kernel::Result;
use kernel::db::{Column, Tx, Values, execute, query_all};
use kernel::events::Event;
use kernel::money::{Currency, Rounding};
use kernel::quantity::Quantity;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde_json::json;

use crate::entities::bill::BillStatus;
use crate::entities::journal_entry::SourceType;
use crate::entities::{bill, bill_line, purchase_order, purchase_order_line};
use crate::error::Error;
use crate::service::bills::status_of;
use crate::service::goods::{goods_of, keep_goods, nothing_received};
use crate::service::grni::{Pricing, receive};
use crate::service::journal::{Entry, account, day_to_post};
use crate::service::matching::{Claim, match_lines};
use crate::service::order_lines::{OrderLines, summed};
use crate::service::presenting::present_bill as present;
use crate::service::{Service, insert_all};

/// Exceptions matched anew at a time; more of one order wait for its next receipt.
const MAX_REMATCHED: u64 = 100;

/// Exceptions of the order `$1`, first those that can match now: what each line asks for is
/// there, and its price, which no receipt changes, was right. Otherwise bills that never match
/// would hide one that does.
const WAITING: &str = "SELECT b.id FROM bills b \
    WHERE b.purchase_order_id = $1 AND b.status = 'exception' \
    ORDER BY CASE WHEN b.exceptions LIKE '%\"reason\":\"price\"%' OR EXISTS (\
        SELECT 1 FROM bill_lines l \
        JOIN purchase_order_lines o ON o.id = l.purchase_order_line_id \
        WHERE l.bill_id = b.id AND l.quantity > o.received - o.billed) \
    THEN 1 ELSE 0 END, b.id";

impl Service {
    /// Copies an order, once.
    pub(crate) async fn copy_purchase_order(
        &self,
        event: &Event,
        approved: PurchaseOrderApproved,
    ) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        let id = approved.purchase_order_id;
        if purchase_order::Entity::find_by_id(id).one(&*tx).await?.is_some() {
            return tx.commit().await;
        }
        self.check_currency(approved.currency, "/currency")?;
        tx.audit_new("purchase_order", id.uuid(), &approved)?;
        let row = purchase_order::Model {
            id,
            number: approved.number,
            supplier_id: approved.supplier_id,
            supplier_name: approved.supplier_name,
            payment_terms_days: approved.payment_terms_days.into(),
            currency: approved.currency,
        };
        let lines = approved.lines.into_iter().zip(1..).map(|(line, position)| {
            purchase_order_line::Model {
                id: line.purchase_order_line_id,
                purchase_order_id: id,
                position,
                product_id: line.product_id,
                sku: line.sku,
                name: line.name,
                unit: line.unit,
                ordered: line.quantity,
                unit_price: line.unit_price,
                tax_class: line.tax_class.into(),
                received: Quantity::ZERO,
                billed: Quantity::ZERO,
                overridden: Quantity::ZERO,
            }
        });
        let lines: Vec<_> = lines.collect();
        insert_all(&tx, [row]).await?;
        insert_all(&tx, lines).await?;
        tx.commit().await
    }

    /// Counts what may be billed, and matches the bills that waited for it.
    pub(crate) async fn note_receipt(&self, event: &Event, posted: ReceiptPosted) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        let id = posted.purchase_order_id;
        let received = posted.lines.iter().map(|l| (l.purchase_order_line_id, l.quantity));
        let received = summed(received)?;
        OrderLines::lock(&tx, id).await?.count_received(&tx, &received).await?;
        let change = json!({ "receipt": posted.number, "received": received });
        tx.audit_new("purchase_order", id.uuid(), &change)?;
        self.rematch(&mut tx, id).await?;
        tx.commit().await
    }

    /// Matches the exceptions of an order anew, the oldest first: each that matches takes its
    /// quantities before the next is looked at. The lines of the order are locked.
    pub(crate) async fn rematch(&self, tx: &mut Tx, id: PurchaseOrderId) -> Result<()> {
        #[derive(FromQueryResult)]
        struct Waiting {
            id: BillId,
        }
        let sql = format!("{WAITING} LIMIT {MAX_REMATCHED}");
        let waiting: Vec<Waiting> = query_all(&**tx, sql, vec![id.into()]).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        // Locked in the order of their ids, as everywhere.
        let waiting = bill::Entity::find()
            .filter(bill::Column::Id.is_in(waiting.iter().map(|bill| bill.id)))
            .order_by_asc(bill::Column::Id)
            .lock_exclusive()
            .all(&**tx)
            .await?;
        let mut lines: HashMap<_, Vec<_>> = HashMap::new();
        let found = bill_line::Entity::find()
            .filter(bill_line::Column::BillId.is_in(waiting.iter().map(|row| row.id)))
            .order_by_asc(bill_line::Column::Position)
            .all(&**tx)
            .await?;
        for line in found {
            let claim = Claim { quantity: line.quantity, unit_price: line.unit_price };
            lines.entry(line.bill_id).or_default().push((line.purchase_order_line_id, claim));
        }
        let mut ordered = OrderLines::lock(tx, id).await?;
        let (mut changed, mut taken) = (Vec::new(), Vec::new());
        for row in waiting {
            let claims = lines.remove(&row.id).unwrap_or_default();
            let exceptions = match_lines(&ordered.facts(&claims), self.config.price_tolerance);
            let after = bill::Model {
                status: status_of(&exceptions),
                exceptions: serde_json::to_string(&exceptions)?,
                version: row.version + 1,
                updated_at: tx.now(),
                ..row.clone()
            };
            if after.status == BillStatus::Matched {
                ordered.take(&claims)?;
                taken.extend(claims.iter().map(|(id, claim)| (*id, claim.quantity)));
            }
            if after.exceptions != row.exceptions {
                let (id, before) = (row.id.uuid(), present(row, None)?);
                tx.audit("bill", id, Some(&before), Some(&present(after.clone(), None)?))?;
                changed.push(after);
            }
        }
        ordered.count_billed(tx, taken.into_iter()).await?;
        write_matches(tx, changed).await
    }

    /// Goods are in stock at this value, and nobody has billed them: inventory against goods
    /// received not invoiced.
    pub(crate) async fn post_received(&self, event: &Event, told: StockReceived) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        let source = (SourceType::Receipt, told.receipt_id.uuid());
        let Some(entry_on) = day_to_post(&tx, source, told.received_on).await? else {
            return tx.commit().await;
        };
        self.check_currency(told.value.currency(), "/value")?;
        let ids: Vec<_> = told.lines.iter().map(|line| line.purchase_order_line_id).collect();
        let prices = purchase_order_line::Entity::find()
            .filter(purchase_order_line::Column::Id.is_in(ids.clone()))
            .all(&*tx)
            .await?;
        let prices: HashMap<_, _> = prices.into_iter().map(|l| (l.id, l.unit_price)).collect();
        let mut goods = goods_of(&tx, ids).await?;
        let (mut value, mut correction) = (0_i64, 0_i64);
        for line in told.lines {
            let id = line.purchase_order_line_id;
            let pricing = prices.get(&id).map(|unit_price| Pricing {
                unit_price: *unit_price,
                currency: self.company.currency,
                rounding: self.company.rounding,
            });
            let goods = goods.entry(id).or_insert_with(|| nothing_received(id));
            let corrected = receive(goods, line.quantity, line.value.minor(), pricing);
            let corrected = corrected.map_err(Error::from)?;
            correction = correction.checked_add(corrected).ok_or(Error::AmountOverflow)?;
            value = value.checked_add(line.value.minor()).ok_or(Error::AmountOverflow)?;
        }
        keep_goods(&tx, goods).await?;
        let entry = Entry {
            source_type: source.0,
            source_id: source.1,
            entry_on,
            document_on: told.received_on,
            description: "Goods received".into(),
            currency: self.company.currency,
            postings: vec![
                (account::INVENTORY, value),
                (account::RECEIVED_NOT_INVOICED, -value),
                (account::RECEIVED_NOT_INVOICED, correction),
                (account::PRICE_VARIANCE, -correction),
            ],
        };
        self.post_audited(&mut tx, entry).await?;
        tx.commit().await
    }

    /// How the goods of a bill are valued.
    pub(crate) fn pricing(&self, bill: &bill::Model) -> (Currency, Rounding) {
        (bill.currency, self.company.rounding)
    }
}

/// Writes what matching found, all bills in one statement.
async fn write_matches(tx: &Tx, changed: Vec<bill::Model>) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let rows = changed.into_iter().map(|row| {
        let is_matched = row.status == BillStatus::Matched;
        let status = if is_matched { "matched" } else { "exception" };
        vec![row.id.into(), status.into(), row.exceptions.into()]
    });
    let columns = [("id", Column::Uuid), ("status", Column::Text), ("found", Column::Text)];
    let mut values = Values::new(tx.get_database_backend(), "m", &columns, rows);
    let now = values.bind(tx.now());
    let (sql, values) = values.statement(&format!(
        "UPDATE bills SET status = m.status, exceptions = m.found, version = version + 1, \
         updated_at = {now} FROM m WHERE bills.id = m.id"
    ));
    execute(&**tx, sql, values).await?;
    Ok(())
}
