//! The ledger of sales facts: revenue from shipments and credit notes, cost from stock
//! issued and returned. Only ever added to.

use std::collections::HashMap;

use chrono::NaiveDate;
use contracts::billing::{CalculateTotals, LineToTotal};
use contracts::events::{
    CreditNoteIssued, IssuedLine, ShipmentShipped, StockIssued, StockReturned,
};
use contracts::ids::{CustomerId, OrderId, OrderLineId, ProductId};
use kernel::db::{Tx, query_all, query_one};
use kernel::events::Event;
use kernel::money::{AmountError, Money};
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::{Error, Result};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use crate::entities::sales_fact::{Column, Entity, FactId, Kind, Model};
use crate::routes::facts::{ListFacts, SalesFact};
use crate::service::Service;

/// What the facts of one event have in common.
struct Source {
    kind: Kind,
    document_id: Uuid,
    customer_id: CustomerId,
    order_id: OrderId,
    occurred_on: NaiveDate,
}

/// What each fact says by itself.
struct Line {
    order_line_id: OrderLineId,
    product_id: ProductId,
    quantity: Quantity,
    net: Money,
    cost: Option<Money>,
}

impl Service {
    pub(crate) async fn list_facts(&self, query: ListFacts) -> Result<Page<Model>> {
        let mut select = Entity::find();
        if let Some(kind) = query.kind {
            select = select.filter(Column::Kind.eq(kind));
        }
        if let Some(customer_id) = query.customer_id {
            select = select.filter(Column::CustomerId.eq(customer_id));
        }
        if let Some(product_id) = query.product_id {
            select = select.filter(Column::ProductId.eq(product_id));
        }
        if let Some(order_id) = query.order_id {
            select = select.filter(Column::OrderId.eq(order_id));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id.uuid();
        fetch(self.db.read(), select, Column::Id, id_of, "facts", &request).await
    }

    /// The net of each line is billing's, so that facts and invoices agree to the cent.
    pub(crate) async fn note_shipment(
        &self,
        event: &Event,
        shipped: ShipmentShipped,
    ) -> Result<()> {
        let request = CalculateTotals {
            currency: shipped.currency,
            prices_include_tax: shipped.prices_include_tax,
            rounding_mode: Some(shipped.rounding_mode),
            lines: shipped
                .lines
                .iter()
                .map(|line| LineToTotal {
                    quantity: line.quantity,
                    unit_price: line.unit_price,
                    discount: line.discount,
                    tax_class: line.tax_class.clone(),
                })
                .collect(),
        };
        let totals = self.billing.calculate_totals(&event.ctx(), request).await?;
        let Some(mut tx) = self.db.begin_event(event).await? else {
            return Ok(());
        };
        let source = Source {
            kind: Kind::Shipped,
            document_id: shipped.shipment_id.uuid(),
            customer_id: shipped.customer.id,
            order_id: shipped.order_id,
            occurred_on: shipped.shipped_on,
        };
        let lines = shipped.lines.iter().zip(&totals.lines).map(|(line, totals)| Line {
            order_line_id: line.order_line_id,
            product_id: line.product_id,
            quantity: line.quantity,
            net: totals.net,
            cost: None,
        });
        write(&mut tx, event, source, lines.collect()).await?;
        tx.commit().await
    }

    pub(crate) async fn note_cost(&self, event: &Event, issued: StockIssued) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else {
            return Ok(());
        };
        let source = Source {
            kind: Kind::Cost,
            document_id: issued.shipment_id.uuid(),
            customer_id: customer_of(&tx, issued.order_id).await?,
            order_id: issued.order_id,
            occurred_on: issued.issued_on,
        };
        let lines = issued.lines.iter().map(|line| cost(line, Ok, Ok));
        write(&mut tx, event, source, lines.collect::<Result<_, _>>().map_err(Error::internal)?)
            .await?;
        tx.commit().await
    }

    pub(crate) async fn note_returned_cost(
        &self,
        event: &Event,
        returned: StockReturned,
    ) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else {
            return Ok(());
        };
        let source = Source {
            kind: Kind::Returned,
            document_id: returned.return_id.uuid(),
            customer_id: customer_of(&tx, returned.order_id).await?,
            order_id: returned.order_id,
            occurred_on: returned.returned_on,
        };
        // What was scrapped is no cost of sales any more either: the books have it as a loss.
        let lines = returned.lines.iter().chain(&returned.scrapped);
        let lines = lines.map(|line| cost(line, Quantity::checked_neg, Money::checked_neg));
        write(&mut tx, event, source, lines.collect::<Result<_, _>>().map_err(Error::internal)?)
            .await?;
        tx.commit().await
    }

    /// The facts of a credit note, in the transaction that lowers what the customer owes.
    pub(crate) async fn credit_facts(
        &self,
        tx: &mut Tx,
        event: &Event,
        note: CreditNoteIssued,
    ) -> Result<()> {
        let products = products_of(tx, note.order_id).await?;
        let mut lines = Vec::with_capacity(note.lines.len());
        for credited in &note.lines {
            let order_line_id = credited.line.order_line_id;
            lines.push(Line {
                order_line_id,
                product_id: *products
                    .get(&order_line_id)
                    .ok_or_else(|| too_early(note.order_id))?,
                quantity: credited.line.quantity.checked_neg().map_err(Error::internal)?,
                net: credited.net.checked_neg().map_err(Error::internal)?,
                cost: None,
            });
        }
        let source = Source {
            kind: Kind::Credited,
            document_id: note.credit_note_id.uuid(),
            customer_id: note.customer_id,
            order_id: note.order_id,
            occurred_on: note.issued_on,
        };
        write(tx, event, source, lines).await
    }
}

fn cost(
    line: &IssuedLine,
    quantity: impl Fn(Quantity) -> Result<Quantity, AmountError>,
    cost: impl Fn(Money) -> Result<Money, AmountError>,
) -> Result<Line, AmountError> {
    Ok(Line {
        order_line_id: line.order_line_id,
        product_id: line.product_id,
        quantity: quantity(line.quantity)?,
        net: Money::zero(line.cost.currency()),
        cost: Some(cost(line.cost)?),
    })
}

async fn write(tx: &mut Tx, event: &Event, source: Source, lines: Vec<Line>) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let now = tx.now();
    let rows = lines.into_iter().zip(0_i64..).map(|(line, index)| Model {
        id: FactId::new(),
        kind: source.kind,
        source_event_id: event.id,
        line: index,
        document_id: source.document_id,
        customer_id: source.customer_id,
        order_id: source.order_id,
        order_line_id: line.order_line_id,
        product_id: line.product_id,
        quantity: line.quantity,
        currency: line.net.currency(),
        net_minor: line.net.minor(),
        cost_minor: line.cost.map(Money::minor),
        occurred_on: source.occurred_on,
        created_at: now,
    });
    let rows: Vec<_> = rows.collect();
    tx.insert_late(rows.iter().cloned().map(IntoActiveModel::into_active_model))?;
    tx.audit_new("sales_facts", source.document_id, &rows)
}

/// Whose order it is. Events of stock do not say, and may come before the shipment's own;
/// but no order ships that has not taken credit.
async fn customer_of(tx: &Tx, order_id: OrderId) -> Result<CustomerId> {
    #[derive(FromQueryResult)]
    struct Row {
        customer_id: CustomerId,
    }
    let sql = "SELECT customer_id FROM credit_exposures WHERE order_id = $1 \
               UNION SELECT customer_id FROM sales_facts WHERE order_id = $1";
    let row: Option<Row> = query_one(&**tx, sql, vec![order_id.into()]).await?;
    row.map(|row| row.customer_id).ok_or_else(|| too_early(order_id))
}

/// What each line of the order sold.
async fn products_of(tx: &Tx, order_id: OrderId) -> Result<HashMap<OrderLineId, ProductId>> {
    #[derive(FromQueryResult)]
    struct Row {
        order_line_id: OrderLineId,
        product_id: ProductId,
    }
    let sql = "SELECT DISTINCT order_line_id, product_id FROM sales_facts \
               WHERE order_id = $1 AND kind = 'shipped'";
    let rows: Vec<Row> = query_all(&**tx, sql, vec![order_id.into()]).await?;
    Ok(rows.into_iter().map(|row| (row.order_line_id, row.product_id)).collect())
}

/// Events of different modules are not ordered. The relay tries again.
fn too_early(order_id: OrderId) -> Error {
    let detail = format!("nothing is known yet of what order {order_id} shipped");
    Error::unavailable("shipment_not_heard_of", detail, 1)
}

impl From<Model> for SalesFact {
    fn from(row: Model) -> Self {
        let money = |minor| Money::new(minor, row.currency);
        SalesFact {
            id: row.id,
            kind: row.kind,
            customer_id: row.customer_id,
            order_id: row.order_id,
            order_line_id: row.order_line_id,
            product_id: row.product_id,
            document_id: row.document_id,
            quantity: row.quantity,
            net: money(row.net_minor),
            cost: row.cost_minor.map(money),
            margin: money(row.net_minor - row.cost_minor.unwrap_or_default()),
            occurred_on: row.occurred_on,
            created_at: row.created_at,
        }
    }
}
