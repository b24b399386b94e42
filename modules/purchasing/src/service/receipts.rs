//! Receiving goods.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::Datelike;
use contracts::events::{ReceiptPosted, ReceivedLine};
use contracts::ids::{ProductId, PurchaseOrderId, PurchaseOrderLineId, ReceiptId};
use contracts::inventory::{ArrivingLine, CheckFit, too_large};
use kernel::date::business_date;
use kernel::db::{Tx, query_all};
use kernel::http::Reply;
use kernel::money::UnitPrice;
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter,
};

use crate::entities::purchase_order::PurchaseOrderStatus;
use crate::entities::{purchase_order, receipt, receipt_line};
use crate::error::{Error, Excess, LineFault};
use crate::routes::receipts::{ListReceipts, NewReceipt, NewReceiptLine, Receipt, ReceiptLine};
use crate::service::document::{Document, Growth, grow_lines};
use crate::service::draft::too_fine;
use crate::service::status::PURCHASE_ORDER;
use crate::service::{Service, check_line_count, dates, is_fine_enough};

impl Service {
    pub(crate) async fn list_receipts(&self, query: ListReceipts) -> Result<Page<Receipt>> {
        let mut select = receipt::Entity::find();
        if let Some(id) = query.purchase_order_id {
            select = select.filter(receipt::Column::PurchaseOrderId.eq(id));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &receipt::Model| row.id.uuid();
        let conn = self.db.read();
        let page: Page<receipt::Model> =
            fetch(conn, select, receipt::Column::Id, id_of, "receipts", &request).await?;
        let orders = orders_of(conn, page.data.iter().map(|row| row.purchase_order_id)).await?;
        let mut lines = lines_of(conn, page.data.iter().map(|row| row.id)).await?;
        let receipts = page.data.into_iter().map(|row| {
            let order = orders.get(&row.purchase_order_id).ok_or_else(|| orphan(&row))?;
            let lines = lines.remove(&row.id).unwrap_or_default();
            Ok(view(row, order, lines))
        });
        Ok(Page { data: receipts.collect::<Result<_>>()?, page: page.page })
    }

    pub(crate) async fn receipt(&self, id: ReceiptId) -> Result<Receipt> {
        let conn = self.db.read();
        let row = receipt::Entity::find_by_id(id).one(conn).await?;
        let row = row.ok_or_else(|| kernel::Error::not_found("receipt", id))?;
        let order = purchase_order::Entity::find_by_id(row.purchase_order_id).one(conn).await?;
        let order = order.ok_or_else(|| orphan(&row))?;
        let lines = lines_of(conn, [id]).await?.remove(&id).unwrap_or_default();
        Ok(view(row, &order, lines))
    }

    pub(crate) async fn create_receipt(&self, ctx: &Ctx, new: NewReceipt) -> Result<Reply> {
        if let Some(lines) = &new.lines {
            check_line_count(lines.len())?;
        }
        let id = new.purchase_order_id;
        let too_large = self.too_large(ctx, &new).await?;
        let mut tx = self.db.begin_once(ctx).await?;
        let received_on = business_date(new.received_on, tx.now().date_naive(), "/received_on")?;
        let before = Document::lock(&tx, id).await.map_err(|error| match error.status() {
            404 => Error::UnknownPurchaseOrder(id).into(),
            _ => error,
        })?;
        if before.order.status != PurchaseOrderStatus::Sent {
            return Err(PURCHASE_ORDER.illegal(before.order.status, "receive"));
        }
        dates::check_received(received_on, before.order.ordered_on)?;
        let growths = match &new.lines {
            Some(lines) => growths_of(&before, lines)?,
            None => everything_open(&before),
        };
        check_fit(&growths, &too_large, new.lines.is_some())?;
        let row = receipt::Model {
            id: ReceiptId::new(),
            number: tx.next_number("GR", tx.now().year()).await?,
            purchase_order_id: id,
            received_on,
            delivery_note: new.delivery_note.map(Into::into),
            created_at: tx.now(),
        };
        // The receipt before the order, which may be received by it and then takes no more.
        insert(&tx, &row, &growths).await?;
        receive(&tx, &before, &growths).await?;
        let mut after = before.clone();
        after.follow_lines(&tx).await?;
        after.save(&mut tx, &before).await?;

        let lines = receipt_lines(&after, &growths);
        tx.publish(id.uuid(), after.order.version, &posted(&row, &after, &lines))?;
        let view = view(row, &after.order, lines);
        tx.audit_new("receipt", view.id.uuid(), &view)?;
        let location = format!("/api/v1/purchasing/receipts/{}", view.id);
        tx.reply(Reply::created_plain(&view, location)).await
    }

    /// The lines of which more is said to have arrived than stock can hold: inventory hears of
    /// a receipt once it stands, and could only fail. What else may be wrong is found later.
    async fn too_large(&self, ctx: &Ctx, new: &NewReceipt) -> Result<HashSet<PurchaseOrderLineId>> {
        self.db.answer_repeat(ctx).await?;
        let order = match Document::read(self.db.read(), new.purchase_order_id).await {
            Ok(order) if order.order.status == PurchaseOrderStatus::Sent => order,
            Err(error) if error.status() != 404 => return Err(error),
            _ => return Ok(HashSet::new()),
        };
        let arrived = match &new.lines {
            Some(lines) => lines
                .iter()
                .map(|line| Growth {
                    line_id: line.purchase_order_line_id,
                    by: line.quantity.get(),
                })
                .collect(),
            None => everything_open(&order),
        };
        let by_id: HashMap<_, _> = order.lines.iter().map(|line| (line.id, line)).collect();
        let (ids, lines): (Vec<_>, Vec<_>) = arrived
            .iter()
            .filter_map(|arrived| {
                let line = by_id.get(&arrived.line_id)?;
                let arriving = ArrivingLine {
                    product_id: line.product_id,
                    quantity: arrived.by,
                    unit_cost: Some(line.unit_price),
                    order_line_id: None,
                };
                Some((line.id, arriving))
            })
            .unzip();
        let request = CheckFit { warehouse_id: order.order.warehouse_id, lines };
        let found = too_large(&*self.inventory, ctx, request).await?;
        Ok(found.into_iter().filter_map(|index| ids.get(index).copied()).collect())
    }
}

/// Refuses what stock cannot hold; `are_listed`: whether the request names the lines.
fn check_fit(
    growths: &[Growth],
    too_large: &HashSet<PurchaseOrderLineId>,
    are_listed: bool,
) -> Result<(), Error> {
    let over = growths.iter().enumerate().filter(|(_, growth)| too_large.contains(&growth.line_id));
    let faults: Vec<_> = over
        .map(|(index, growth)| LineFault {
            index,
            field: "quantity",
            code: "amount_overflow",
            message: format!("stock cannot hold {} more of it", growth.by),
        })
        .collect();
    match faults.is_empty() {
        true => Ok(()),
        false if are_listed => Err(Error::Lines(faults)),
        false => Err(Error::MoreThanStockHolds),
    }
}

/// What the request says arrived, or everything that is wrong with it.
fn growths_of(order: &Document, lines: &[NewReceiptLine]) -> Result<Vec<Growth>, Error> {
    let by_id: HashMap<_, _> = order.lines.iter().map(|line| (line.id, line)).collect();
    let mut faults = Vec::new();
    let mut seen = HashSet::with_capacity(lines.len());
    let mut growths = Vec::with_capacity(lines.len());
    for (index, asked) in lines.iter().enumerate() {
        let (line_id, by) = (asked.purchase_order_line_id, asked.quantity.get());
        let fault =
            |code, message| LineFault { index, field: "purchase_order_line_id", code, message };
        match by_id.get(&line_id) {
            None => faults.push(fault(
                "unknown_purchase_order_line",
                format!("the purchase order has no line {line_id}"),
            )),
            Some(_) if !seen.insert(line_id) => {
                faults.push(fault("duplicate_line", "the line is listed twice".to_owned()));
            }
            Some(line) if !is_fine_enough(by.micros(), line.unit_decimals) => {
                faults.push(too_fine(index, line.unit_decimals));
            }
            Some(_) => growths.push(Growth { line_id, by }),
        }
    }
    if faults.is_empty() { Ok(growths) } else { Err(Error::Lines(faults)) }
}

fn everything_open(order: &Document) -> Vec<Growth> {
    let open = order.lines.iter().filter(|line| line.open.is_positive());
    open.map(|line| Growth { line_id: line.id, by: line.open }).collect()
}

/// Counts what arrived, all of it or nothing: a line takes no more than is open.
async fn receive(tx: &Tx, order: &Document, growths: &[Growth]) -> Result<()> {
    let received = grow_lines(
        tx,
        order.order.id,
        growths,
        "received = received + v.quantity",
        "received + v.quantity <= ordered - short_closed",
    );
    if received.await? == growths.len() as u64 {
        return Ok(());
    }
    let open: HashMap<_, _> = order.lines.iter().map(|line| (line.id, line.open)).collect();
    let excess = growths.iter().filter_map(|growth| {
        let open = open.get(&growth.line_id).copied().unwrap_or_default();
        let line = Excess { purchase_order_line_id: growth.line_id, asked: growth.by, open };
        (growth.by > open).then_some(line)
    });
    Err(Error::OverReceipt(excess.collect()).into())
}

async fn insert(tx: &Tx, row: &receipt::Model, growths: &[Growth]) -> Result<()> {
    let active = row.clone().into_active_model();
    receipt::Entity::insert(active).exec_without_returning(&**tx).await?;
    let rows = growths.iter().map(|growth| {
        let line = receipt_line::Model {
            receipt_id: row.id,
            purchase_order_line_id: growth.line_id,
            quantity: growth.by,
        };
        line.into_active_model()
    });
    receipt_line::Entity::insert_many(rows).exec_without_returning(&**tx).await?;
    Ok(())
}

/// What arrived, in the order of the purchase order's lines.
fn receipt_lines(order: &Document, growths: &[Growth]) -> Vec<ReceiptLine> {
    let arrived: BTreeMap<_, _> =
        growths.iter().map(|growth| (growth.line_id, growth.by)).collect();
    let lines = order.lines.iter().filter_map(|line| {
        let quantity = *arrived.get(&line.id)?;
        Some(ReceiptLine {
            purchase_order_line_id: line.id,
            product_id: line.product_id,
            sku: line.sku.clone(),
            name: line.name.clone(),
            unit: line.unit.clone(),
            quantity,
            unit_cost: line.unit_price,
        })
    });
    lines.collect()
}

fn posted(row: &receipt::Model, order: &Document, lines: &[ReceiptLine]) -> ReceiptPosted {
    let lines = lines.iter().map(|line| ReceivedLine {
        purchase_order_line_id: line.purchase_order_line_id,
        product_id: line.product_id,
        quantity: line.quantity,
        unit_cost: line.unit_cost,
    });
    ReceiptPosted {
        receipt_id: row.id,
        number: row.number.clone(),
        purchase_order_id: order.order.id,
        warehouse_id: order.order.warehouse_id,
        received_on: row.received_on,
        currency: order.order.currency,
        lines: lines.collect(),
    }
}

#[derive(FromQueryResult)]
struct LineRow {
    receipt_id: ReceiptId,
    purchase_order_line_id: PurchaseOrderLineId,
    product_id: ProductId,
    sku: String,
    name: String,
    unit: String,
    quantity: Quantity,
    unit_price: UnitPrice,
}

/// The lines of each of these receipts, in the order of the purchase order's.
async fn lines_of(
    conn: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = ReceiptId>,
) -> Result<HashMap<ReceiptId, Vec<ReceiptLine>>> {
    let values: Vec<sea_orm::Value> = ids.into_iter().map(Into::into).collect();
    let mut lines: HashMap<_, Vec<_>> = HashMap::with_capacity(values.len());
    if values.is_empty() {
        return Ok(lines);
    }
    let marks: Vec<_> = (1..=values.len()).map(|i| format!("${i}")).collect();
    let sql = format!(
        "SELECT r.receipt_id, r.purchase_order_line_id, l.product_id, l.sku, l.name, l.unit, \
         r.quantity, l.unit_price FROM receipt_lines r \
         JOIN purchase_order_lines l ON l.id = r.purchase_order_line_id \
         WHERE r.receipt_id IN ({}) ORDER BY l.position",
        marks.join(", ")
    );
    for row in query_all::<LineRow, _>(conn, sql, values).await? {
        lines.entry(row.receipt_id).or_default().push(ReceiptLine {
            purchase_order_line_id: row.purchase_order_line_id,
            product_id: row.product_id,
            sku: row.sku,
            name: row.name,
            unit: row.unit,
            quantity: row.quantity,
            unit_cost: row.unit_price,
        });
    }
    Ok(lines)
}

async fn orders_of(
    conn: &impl ConnectionTrait,
    ids: impl Iterator<Item = PurchaseOrderId>,
) -> Result<HashMap<PurchaseOrderId, purchase_order::Model>> {
    let found = purchase_order::Entity::find()
        .filter(purchase_order::Column::Id.is_in(ids.collect::<HashSet<_>>()))
        .all(conn)
        .await?;
    Ok(found.into_iter().map(|order| (order.id, order)).collect())
}

fn orphan(row: &receipt::Model) -> kernel::Error {
    kernel::Error::internal(format!("receipt {} has no purchase order", row.number))
}

fn view(row: receipt::Model, order: &purchase_order::Model, lines: Vec<ReceiptLine>) -> Receipt {
    Receipt {
        id: row.id,
        number: row.number,
        purchase_order_id: order.id,
        purchase_order_number: order.number.clone(),
        supplier_id: order.supplier_id,
        warehouse_id: order.warehouse_id,
        received_on: row.received_on,
        delivery_note: row.delivery_note,
        currency: order.currency,
        lines,
        created_at: row.created_at,
    }
}
