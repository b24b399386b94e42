//! Taking shipped goods back.

use std::collections::{HashMap, HashSet};

use chrono::{Datelike, NaiveDate};
use contracts::events::{ReturnReceived, ReturnedLine};
use contracts::ids::{OrderId, OrderLineId, ProductId, ReturnId};
use contracts::inventory::{ArrivingLine, CheckFit, too_large};
use kernel::date::business_date;
use kernel::db::{Tx, query_all};
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter,
};

use crate::entities::order::OrderStatus;
use crate::entities::{goods_return, return_line};
use crate::error::{Error, Excess, LineFault};
use crate::routes::returns::{ListReturns, NewReturn, NewReturnLine, Return, ReturnLine};
use crate::service::document::Document;
use crate::service::draft::too_fine;
use crate::service::shipments::{not_before, unknown_line};
use crate::service::status::ORDER;
use crate::service::{Service, check_line_count, is_fine_enough};

impl Service {
    pub(crate) async fn list_returns(&self, query: ListReturns) -> Result<Page<Return>> {
        let mut select = goods_return::Entity::find();
        if let Some(order_id) = query.order_id {
            select = select.filter(goods_return::Column::OrderId.eq(order_id));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &goods_return::Model| row.id.uuid();
        let conn = self.db.read();
        let page: Page<goods_return::Model> =
            fetch(conn, select, goods_return::Column::Id, id_of, "returns", &request).await?;
        let mut lines = lines_of(conn, page.data.iter().map(|row| row.id)).await?;
        Ok(page.map(|row| {
            let lines = lines.remove(&row.id).unwrap_or_default();
            view(row, lines)
        }))
    }

    pub(crate) async fn goods_return(&self, id: ReturnId) -> Result<Return> {
        let conn = self.db.read();
        let row = goods_return::Entity::find_by_id(id).one(conn).await?;
        let row = row.ok_or_else(|| kernel::Error::not_found("return", id))?;
        let lines = lines_of(conn, [id]).await?.remove(&id).unwrap_or_default();
        Ok(view(row, lines))
    }

    pub(crate) async fn create_return(
        &self,
        ctx: &Ctx,
        order_id: OrderId,
        new: NewReturn,
    ) -> Result<Reply> {
        check_line_count(new.lines.len())?;
        let too_large = self.too_large(ctx, order_id, &new.lines).await?;
        let mut tx = self.db.begin_once(ctx).await?;
        let received_on = business_date(new.received_on, tx.now().date_naive(), "/received_on")?;
        let before = Document::lock(&tx, order_id).await?;
        if !matches!(before.order.status, OrderStatus::Confirmed | OrderStatus::Completed) {
            return Err(ORDER.illegal(before.order.status, "return"));
        }
        let mut after = before.clone();
        take_back(&mut after, &new.lines)?;
        check_fit(&new.lines, &too_large)?;
        if received_on < tx.now().date_naive() {
            let shipped = first_shipped(&tx, order_id).await?;
            let shipped = shipped
                .iter()
                .filter(|row| new.lines.iter().any(|line| line.order_line_id == row.order_line_id));
            if let Some(day) = shipped.map(|row| row.shipped_on).max() {
                not_before(received_on, day, "/received_on", "it was shipped")?;
            }
        }
        after.save(&mut tx, &before).await?;

        let row = goods_return::Model {
            id: ReturnId::new(),
            number: tx.next_number("RET", tx.now().year()).await?,
            order_id,
            reason: new.reason.into(),
            received_on,
            created_at: tx.now(),
        };
        insert(&tx, &row, &new.lines).await?;
        let mut event = ReturnReceived {
            return_id: row.id,
            number: row.number.clone(),
            order_id,
            received_on,
            lines: Vec::with_capacity(new.lines.len()),
        };
        let mut lines = Vec::with_capacity(new.lines.len());
        for line in &after.lines {
            for asked in new.lines.iter().filter(|asked| asked.order_line_id == line.id) {
                event.lines.push(ReturnedLine {
                    order_line_id: line.id,
                    product_id: line.product_id,
                    warehouse_id: after.order.warehouse_id,
                    quantity: asked.quantity.get(),
                    restock: asked.restock,
                });
                lines.push(ReturnLine {
                    order_line_id: line.id,
                    product_id: line.product_id,
                    sku: line.sku.clone(),
                    name: line.name.clone(),
                    unit: line.unit.clone(),
                    quantity: asked.quantity.get(),
                    restock: asked.restock,
                });
            }
        }
        tx.publish(order_id.uuid(), after.order.version, &event)?;
        let view = view(row, lines);
        tx.audit_new("return", view.id.uuid(), &view)?;
        let location = format!("/api/v1/orders/returns/{}", view.id);
        tx.reply(Reply::created_plain(&view, location)).await
    }

    /// The order lines of which more is to be restocked than stock can hold: inventory hears of
    /// a return once it stands, and could only fail. What else may be wrong is found later.
    async fn too_large(
        &self,
        ctx: &Ctx,
        order_id: OrderId,
        lines: &[NewReturnLine],
    ) -> Result<HashSet<OrderLineId>> {
        if !lines.iter().any(|line| line.restock) {
            return Ok(HashSet::new());
        }
        self.db.answer_repeat(ctx).await?;
        let order = match Document::read(&self.db, order_id).await {
            Err(error) if error.status() == 404 => return Ok(HashSet::new()),
            order => order?,
        };
        let products: HashMap<_, _> =
            order.lines.iter().map(|line| (line.id, line.product_id)).collect();
        let (ids, lines): (Vec<_>, Vec<_>) = lines
            .iter()
            .filter(|line| line.restock)
            .filter_map(|line| {
                let arriving = ArrivingLine {
                    product_id: *products.get(&line.order_line_id)?,
                    quantity: line.quantity.get(),
                    unit_cost: None,
                    order_line_id: Some(line.order_line_id),
                };
                Some((line.order_line_id, arriving))
            })
            .unzip();
        let request = CheckFit { warehouse_id: order.order.warehouse_id, lines };
        let found = too_large(&*self.inventory, ctx, request).await?;
        Ok(found.into_iter().filter_map(|index| ids.get(index).copied()).collect())
    }
}

/// Refuses to restock what stock cannot hold.
fn check_fit(lines: &[NewReturnLine], too_large: &HashSet<OrderLineId>) -> Result<(), Error> {
    let over = |line: &NewReturnLine| line.restock && too_large.contains(&line.order_line_id);
    let faults: Vec<_> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| over(line))
        .map(|(index, line)| LineFault {
            index,
            field: "quantity",
            code: "amount_overflow",
            message: format!("stock cannot hold {} more of it", line.quantity),
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::Lines(faults)) }
}

/// A line and the day on which something of it was shipped first.
#[derive(FromQueryResult)]
struct FirstShipped {
    order_line_id: OrderLineId,
    shipped_on: NaiveDate,
}

async fn first_shipped(tx: &Tx, order_id: OrderId) -> Result<Vec<FirstShipped>> {
    let sql = "SELECT l.order_line_id, MIN(s.shipped_on) AS shipped_on FROM shipments s \
               JOIN shipment_lines l ON l.shipment_id = s.id WHERE s.order_id = $1 \
               AND s.status IN ('shipped', 'delivered') AND s.shipped_on IS NOT NULL \
               GROUP BY l.order_line_id";
    Ok(query_all(&**tx, sql, vec![order_id.into()]).await?)
}

/// Counts what came back, all of it or nothing.
fn take_back(document: &mut Document, lines: &[NewReturnLine]) -> Result<(), Error> {
    let mut faults = Vec::new();
    let mut excesses = Vec::new();
    let mut seen = HashSet::with_capacity(lines.len());
    for (index, asked) in lines.iter().enumerate() {
        let id = asked.order_line_id;
        let quantity = asked.quantity.get();
        let Some(line) = document.line_mut(id) else {
            faults.push(unknown_line(index, id));
            continue;
        };
        if !seen.insert((id, asked.restock)) {
            faults.push(LineFault {
                index,
                field: "order_line_id",
                code: "duplicate_line",
                message: "the order line is listed twice with the same fate".to_owned(),
            });
        } else if !is_fine_enough(quantity.micros(), line.unit_decimals) {
            faults.push(too_fine(index, line.unit_decimals));
        } else if let Err(exceeds) = line.step(|counters| counters.take_back(quantity.micros())) {
            let available = exceeds.left;
            excesses.push(Excess { order_line_id: id, asked: quantity, available });
        }
    }
    if !faults.is_empty() {
        return Err(Error::Lines(faults));
    }
    if excesses.is_empty() { Ok(()) } else { Err(Error::ReturnExceedsShipped(excesses)) }
}

async fn insert(tx: &Tx, row: &goods_return::Model, lines: &[NewReturnLine]) -> Result<()> {
    let active = row.clone().into_active_model();
    goods_return::Entity::insert(active).exec_without_returning(&**tx).await?;
    let rows = lines.iter().map(|line| {
        let line = return_line::Model {
            return_id: row.id,
            order_line_id: line.order_line_id,
            restock: line.restock,
            quantity: line.quantity.get(),
        };
        line.into_active_model()
    });
    return_line::Entity::insert_many(rows).exec_without_returning(&**tx).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct LineRow {
    return_id: ReturnId,
    order_line_id: OrderLineId,
    product_id: ProductId,
    sku: String,
    name: String,
    unit: String,
    quantity: Quantity,
    restock: bool,
}

/// The lines of each of these returns, in the order of the order's.
async fn lines_of(
    conn: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = ReturnId>,
) -> Result<HashMap<ReturnId, Vec<ReturnLine>>> {
    let values: Vec<sea_orm::Value> = ids.into_iter().map(Into::into).collect();
    let mut lines: HashMap<_, Vec<_>> = HashMap::with_capacity(values.len());
    if values.is_empty() {
        return Ok(lines);
    }
    let marks: Vec<_> = (1..=values.len()).map(|i| format!("${i}")).collect();
    let sql = format!(
        "SELECT r.return_id, r.order_line_id, l.product_id, l.sku, l.name, l.unit, r.quantity, \
         r.restock FROM return_lines r JOIN order_lines l ON l.id = r.order_line_id \
         WHERE r.return_id IN ({}) ORDER BY l.position, r.restock DESC",
        marks.join(", ")
    );
    for row in query_all::<LineRow, _>(conn, sql, values).await? {
        lines.entry(row.return_id).or_default().push(ReturnLine {
            order_line_id: row.order_line_id,
            product_id: row.product_id,
            sku: row.sku,
            name: row.name,
            unit: row.unit,
            quantity: row.quantity,
            restock: row.restock,
        });
    }
    Ok(lines)
}

fn view(row: goods_return::Model, lines: Vec<ReturnLine>) -> Return {
    Return {
        id: row.id,
        number: row.number,
        order_id: row.order_id,
        reason: row.reason,
        received_on: row.received_on,
        lines,
        created_at: row.created_at,
    }
}
