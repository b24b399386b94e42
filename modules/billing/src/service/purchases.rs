//! What billing keeps of purchase orders and receipts, to match bills with and to account
//! for goods received and not invoiced.

use std::collections::{BTreeMap, HashMap};

use contracts::events::{PurchaseOrderApproved, ReceiptPosted, StockReceived};
use contracts::ids::{PurchaseOrderId, PurchaseOrderLineId};
use kernel::Result;
use kernel::db::{Column, Tx, Values, execute};
use kernel::events::Event;
use kernel::money::{Currency, Rounding};
use kernel::quantity::Quantity;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value,
};
use serde_json::json;

use crate::entities::bill::BillStatus;
use crate::entities::journal_entry::SourceType;
use crate::entities::{bill, bill_line, goods_received, purchase_order, purchase_order_line};
use crate::error::Error;
use crate::routes::bills::NewBillLine;
use crate::service::Service;
use crate::service::bills::{present, status_of};
use crate::service::grni::{Pricing, bill as bill_goods, receive};
use crate::service::journal::{Entry, account, is_posted, post};
use crate::service::matching::{Claim, Ordered, match_lines};

/// Exceptions matched anew at a time; more of one order wait for its next receipt.
const MAX_REMATCHED: u64 = 100;

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
        purchase_order::Entity::insert_many([row]).exec_without_returning(&*tx).await?;
        purchase_order_line::Entity::insert_many(lines).exec_without_returning(&*tx).await?;
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
    /// quantities before the next is looked at.
    pub(crate) async fn rematch(&self, tx: &mut Tx, id: PurchaseOrderId) -> Result<()> {
        let waiting = bill::Entity::find()
            .filter(bill::Column::PurchaseOrderId.eq(id))
            .filter(bill::Column::Status.eq(BillStatus::Exception))
            .order_by_asc(bill::Column::Id)
            .limit(MAX_REMATCHED)
            .lock_exclusive()
            .all(&**tx)
            .await?;
        if waiting.is_empty() {
            return Ok(());
        }
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
        if is_posted(&tx, source.0, source.1).await? {
            return tx.commit().await;
        }
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
            entry_on: told.received_on,
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

/// The lines of a purchase order, kept from others until this ends.
pub(crate) struct OrderLines(BTreeMap<PurchaseOrderLineId, purchase_order_line::Model>);

impl OrderLines {
    pub(crate) async fn lock(tx: &Tx, id: PurchaseOrderId) -> Result<Self> {
        let rows = purchase_order_line::Entity::find()
            .filter(purchase_order_line::Column::PurchaseOrderId.eq(id))
            .order_by_asc(purchase_order_line::Column::Id)
            .lock_exclusive()
            .all(&**tx)
            .await?;
        Ok(OrderLines(rows.into_iter().map(|row| (row.id, row)).collect()))
    }

    pub(crate) fn line(&self, id: PurchaseOrderLineId) -> Result<&purchase_order_line::Model> {
        self.0.get(&id).ok_or_else(|| {
            kernel::Error::internal(format!("purchase order line {id} is not of its order"))
        })
    }

    /// What a bill claims, each line of the order at most once.
    pub(crate) fn claims(
        &self,
        lines: &[NewBillLine],
    ) -> Result<Vec<(PurchaseOrderLineId, Claim)>, Error> {
        let mut seen = std::collections::HashSet::new();
        let claims = lines.iter().enumerate().map(|(position, line)| {
            let id = line.purchase_order_line_id;
            if !self.0.contains_key(&id) {
                return Err(Error::UnknownPurchaseOrderLine { position, id });
            }
            if !seen.insert(id) {
                let pointer = format!("/lines/{position}/purchase_order_line_id");
                return Err(Error::DuplicateLine { pointer });
            }
            let claim = Claim { quantity: line.quantity.get(), unit_price: line.unit_price };
            Ok((id, claim))
        });
        claims.collect()
    }

    /// The claims beside what they are to match.
    pub(crate) fn facts(&self, claims: &[(PurchaseOrderLineId, Claim)]) -> Vec<(Ordered, Claim)> {
        let facts = claims.iter().filter_map(|(id, claim)| {
            let line = self.0.get(id)?;
            let ordered = Ordered {
                unit_price: line.unit_price,
                received: line.received,
                billed: line.billed,
            };
            Some((ordered, *claim))
        });
        facts.collect()
    }

    /// Counts claims here, without writing them.
    fn take(&mut self, claims: &[(PurchaseOrderLineId, Claim)]) -> Result<(), Error> {
        for (id, claim) in claims {
            if let Some(line) = self.0.get_mut(id) {
                let billed = line.billed.checked_add(claim.quantity);
                line.billed = billed.map_err(|_| Error::AmountOverflow)?;
            }
        }
        Ok(())
    }

    async fn count_received(
        &self,
        tx: &Tx,
        received: &[(PurchaseOrderLineId, Quantity)],
    ) -> Result<()> {
        if received.iter().any(|(id, _)| !self.0.contains_key(id)) {
            // The order was approved before, so its copy is on its way: later again.
            return Err(kernel::Error::unavailable(
                "purchase_order_unknown",
                "a receipt came before its purchase order",
                1,
            ));
        }
        add(tx, "received = received + d.quantity", received.iter().copied()).await
    }

    /// Adds to what is billed; a CHECK refuses more than was received.
    pub(crate) async fn count_billed(
        &self,
        tx: &Tx,
        billed: impl Iterator<Item = (PurchaseOrderLineId, Quantity)>,
    ) -> Result<()> {
        add(tx, "billed = billed + d.quantity", summed(billed)?.into_iter()).await
    }

    /// Takes off what is billed.
    pub(crate) async fn free(
        &self,
        tx: &Tx,
        freed: impl Iterator<Item = (PurchaseOrderLineId, Quantity)>,
    ) -> Result<()> {
        add(tx, "billed = billed - d.quantity", freed).await
    }

    /// Adds to what is billed, and allows what of it exceeds the receipts.
    pub(crate) async fn override_billed(
        &self,
        tx: &Tx,
        billed: impl Iterator<Item = (PurchaseOrderLineId, Quantity)>,
    ) -> Result<()> {
        let sql = "billed = billed + d.quantity, overridden = overridden + \
            CASE WHEN billed + d.quantity > received + overridden \
            THEN billed + d.quantity - received - overridden ELSE 0 END";
        add(tx, sql, billed).await
    }
}

/// Updates the lines in the list `d(id, quantity)`, each of which occurs once.
async fn add(
    tx: &Tx,
    set: &str,
    quantities: impl Iterator<Item = (PurchaseOrderLineId, Quantity)>,
) -> Result<()> {
    let rows: Vec<_> = quantities
        .map(|(id, quantity)| vec![Value::from(id), Value::from(quantity.micros())])
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [("id", Column::Uuid), ("quantity", Column::BigInt)];
    let (sql, values) = Values::new(tx.get_database_backend(), "d", &columns, rows).statement(
        &format!("UPDATE purchase_order_lines SET {set} FROM d WHERE purchase_order_lines.id = d.id"),
    );
    execute(&**tx, sql, values).await?;
    Ok(())
}

/// Quantities summed by line.
fn summed(
    quantities: impl Iterator<Item = (PurchaseOrderLineId, Quantity)>,
) -> Result<Vec<(PurchaseOrderLineId, Quantity)>> {
    let mut sums: BTreeMap<_, Quantity> = BTreeMap::new();
    for (id, quantity) in quantities {
        let sum = sums.entry(id).or_default();
        *sum = sum.checked_add(quantity).map_err(kernel::Error::internal)?;
    }
    Ok(sums.into_iter().collect())
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

type Goods = BTreeMap<PurchaseOrderLineId, goods_received::Model>;

fn nothing_received(id: PurchaseOrderLineId) -> goods_received::Model {
    goods_received::Model {
        purchase_order_line_id: id,
        quantity: Quantity::ZERO,
        value_minor: 0,
        billed: Quantity::ZERO,
        relieved_minor: 0,
    }
}

async fn goods_of(tx: &Tx, ids: Vec<PurchaseOrderLineId>) -> Result<Goods> {
    let rows = goods_received::Entity::find()
        .filter(goods_received::Column::PurchaseOrderLineId.is_in(ids))
        .order_by_asc(goods_received::Column::PurchaseOrderLineId)
        .lock_exclusive()
        .all(&**tx)
        .await?;
    Ok(rows.into_iter().map(|row| (row.purchase_order_line_id, row)).collect())
}

async fn keep_goods(tx: &Tx, goods: Goods) -> Result<()> {
    use goods_received::Column;
    let on_conflict = OnConflict::column(Column::PurchaseOrderLineId)
        .update_columns([
            Column::Quantity,
            Column::ValueMinor,
            Column::Billed,
            Column::RelievedMinor,
        ])
        .to_owned();
    goods_received::Entity::insert_many(goods.into_values())
        .on_conflict(on_conflict)
        .exec_without_returning(&**tx)
        .await?;
    Ok(())
}

/// Bills goods; returns what goes off the account of goods received not invoiced.
pub(crate) async fn relieve(
    tx: &Tx,
    ordered: &OrderLines,
    billed: impl Iterator<Item = (PurchaseOrderLineId, Quantity)> + Clone,
    (currency, rounding): (Currency, Rounding),
) -> Result<i64> {
    let mut goods = goods_of(tx, billed.clone().map(|(id, _)| id).collect()).await?;
    let mut relief = 0_i64;
    for (id, quantity) in billed {
        let pricing = Pricing { unit_price: ordered.line(id)?.unit_price, currency, rounding };
        let goods = goods.entry(id).or_insert_with(|| nothing_received(id));
        let taken = bill_goods(goods, quantity, pricing).map_err(Error::from)?;
        relief = relief.checked_add(taken).ok_or(Error::AmountOverflow)?;
    }
    keep_goods(tx, goods).await?;
    Ok(relief)
}
