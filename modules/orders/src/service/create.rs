//! Making an order: of a quotation the customer accepted, or directly.

use chrono::{Datelike, NaiveDate, Utc};
use contracts::billing::{RoundingMode, Totals};
use contracts::events::{OrderCreated, QuotationAccepted};
use contracts::ids::{OrderId, QuotationId, WarehouseId};
use contracts::sales::{CustomerInfo, FindCustomer, FindQuotation, QuotationSnapshot};
use kernel::date::business_date;
use kernel::db::Tx;
use kernel::events::Event;
use kernel::http::Reply;
use kernel::money::Currency;
use kernel::{Ctx, Result};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QuerySelect, TryInsertResult,
};

use crate::entities::order::{self, BillingStatus, FulfilmentStatus, OrderStatus, PaymentStatus};
use crate::error::Error;
use crate::routes::orders::{NewOrder, Reference};
use crate::service::document::Document;
use crate::service::draft::{DraftLine, Pricing, insert_lines};
use crate::service::{Service, check_line_count};

/// Everything a draft is made of.
struct Draft {
    quotation_id: Option<QuotationId>,
    customer: CustomerInfo,
    warehouse_id: WarehouseId,
    customer_reference: Option<Reference>,
    ordered_on: NaiveDate,
    allow_backorder: bool,
    prices_include_tax: bool,
    currency: Currency,
    lines: Vec<DraftLine>,
    totals: Totals,
}

impl Service {
    pub(crate) async fn create_order(&self, ctx: &Ctx, new: NewOrder) -> Result<Reply> {
        match (new.quotation_id, new.customer_id) {
            (Some(quotation_id), None) => {
                check_nothing_else(&new)?;
                self.create_from_quotation(ctx, quotation_id).await
            }
            (None, Some(_)) => self.create_directly(ctx, new).await,
            _ => Err(Error::QuotationOrCustomer.into()),
        }
    }

    async fn create_directly(&self, ctx: &Ctx, new: NewOrder) -> Result<Reply> {
        let missing = |field| Error::Missing { field };
        let customer_id = new.customer_id.ok_or(Error::QuotationOrCustomer)?;
        let warehouse_id = new.warehouse_id.ok_or(missing("warehouse_id"))?;
        let lines = new.lines.ok_or(missing("lines"))?;
        check_line_count(lines.len())?;
        let ordered_on = business_date(new.ordered_on, Utc::now().date_naive(), "/ordered_on")?;
        self.db.answer_repeat(ctx).await?;
        let mut customer = self.sales.customer(ctx, FindCustomer { id: customer_id }).await?;
        if !customer.is_active {
            return Err(Error::InactiveCustomer { number: customer.number }.into());
        }
        if let Some(address) = new.shipping_address {
            customer.shipping_address = address;
        }
        let currency = customer.currency;
        self.check_warehouse(ctx, warehouse_id).await?;
        let pricing = Pricing { customer_id, currency, on: ordered_on };
        let lines = self.draft_lines(ctx, pricing, &lines).await?;
        let prices_include_tax = new.prices_include_tax.unwrap_or(false);
        let totals = self.total_draft(ctx, currency, prices_include_tax, None, &lines).await?;

        let mut tx = self.db.begin_once(ctx).await?;
        let draft = Draft {
            quotation_id: None,
            customer,
            warehouse_id,
            customer_reference: new.customer_reference,
            ordered_on,
            allow_backorder: new.allow_backorder.unwrap_or(false),
            prices_include_tax,
            currency,
            lines,
            totals,
        };
        let document = insert(&mut tx, draft)
            .await?
            .ok_or_else(|| kernel::Error::internal("an order without a quotation existed"))?;
        let warnings = find_warnings(&*tx, &document.order).await?;
        reply_created(tx, &document, warnings).await
    }

    async fn create_from_quotation(&self, ctx: &Ctx, id: QuotationId) -> Result<Reply> {
        self.db.answer_repeat(ctx).await?;
        let draft = match order_of_quotation(self.db.read(), id).await? {
            Some(_) => None,
            None => {
                let quotation = self.sales.accepted_quotation(ctx, FindQuotation { id }).await?;
                Some(self.draft_of_quotation(ctx, quotation).await?)
            }
        };
        let mut tx = self.db.begin_once(ctx).await?;
        let created = match draft {
            Some(draft) => insert(&mut tx, draft).await?,
            None => None,
        };
        let document = match created {
            Some(document) => document,
            // The event was faster: its draft is the one.
            None => {
                let order = order_of_quotation(&*tx, id).await?;
                let order = order.ok_or_else(|| kernel::Error::not_found("order of", id))?;
                Document::lock(&tx, order).await?
            }
        };
        reply_created(tx, &document, Vec::new()).await
    }

    /// Makes the draft of an accepted quotation, unless its order exists.
    pub(crate) async fn order_quotation(&self, event: &Event) -> Result<()> {
        let QuotationAccepted { quotation } = event.parse()?;
        let draft = match order_of_quotation(self.db.read(), quotation.id).await? {
            Some(_) => None,
            None => Some(self.draft_of_quotation(&event.ctx(), quotation).await?),
        };
        let Some(mut tx) = self.db.begin_event(event).await? else { return Ok(()) };
        if let Some(draft) = draft {
            insert(&mut tx, draft).await?;
        }
        tx.commit().await
    }

    async fn draft_of_quotation(&self, ctx: &Ctx, quotation: QuotationSnapshot) -> Result<Draft> {
        let lines = self.quoted_lines(ctx, quotation.lines).await?;
        let totals = self
            .total_draft(
                ctx,
                quotation.currency,
                quotation.prices_include_tax,
                Some(quotation.rounding_mode),
                &lines,
            )
            .await?;
        Ok(Draft {
            quotation_id: Some(quotation.id),
            customer: quotation.customer,
            warehouse_id: quotation.warehouse_id,
            customer_reference: None,
            ordered_on: Utc::now().date_naive(),
            allow_backorder: false,
            prices_include_tax: quotation.prices_include_tax,
            currency: quotation.currency,
            lines,
            totals,
        })
    }
}

/// With a quotation nothing else is given: its draft may exist already, and what was
/// given would be lost. A draft is changed by PATCH.
fn check_nothing_else(new: &NewOrder) -> Result<(), Error> {
    let given = [
        ("warehouse_id", new.warehouse_id.is_some()),
        ("customer_reference", new.customer_reference.is_some()),
        ("ordered_on", new.ordered_on.is_some()),
        ("allow_backorder", new.allow_backorder.is_some()),
        ("prices_include_tax", new.prices_include_tax.is_some()),
        ("shipping_address", new.shipping_address.is_some()),
        ("lines", new.lines.is_some()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((field, _)) => Err(Error::TakenFromQuotation { field }),
        None => Ok(()),
    }
}

/// Stores a draft and tells of it; `None` if its quotation has an order already.
async fn insert(tx: &mut Tx, draft: Draft) -> Result<Option<Document>> {
    if let Some(id) = draft.quotation_id
        && order_of_quotation(&**tx, id).await?.is_some()
    {
        return Ok(None);
    }
    let now = tx.now();
    let totals = &draft.totals;
    let order = order::Model {
        id: OrderId::new(),
        number: tx.next_number("SO", now.year()).await?,
        status: OrderStatus::Draft,
        fulfilment_status: FulfilmentStatus::None,
        billing_status: BillingStatus::None,
        payment_status: PaymentStatus::Unpaid,
        quotation_id: draft.quotation_id,
        customer_id: draft.customer.id,
        customer: serde_json::to_string(&draft.customer)?,
        warehouse_id: draft.warehouse_id,
        customer_reference: draft.customer_reference.map(Into::into),
        ordered_on: draft.ordered_on,
        allow_backorder: draft.allow_backorder,
        prices_include_tax: draft.prices_include_tax,
        currency: draft.currency,
        rounding_mode: rounding_mode_text(totals.rounding_mode).to_owned(),
        net_minor: totals.net.minor(),
        tax_minor: totals.tax.minor(),
        total_minor: totals.total.minor(),
        invoiced_minor: 0,
        credited_minor: 0,
        paid_minor: 0,
        refunded_minor: 0,
        confirmed_at: None,
        completed_at: None,
        cancelled_at: None,
        held_version: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let inserted = order::Entity::insert(order.clone().into_active_model())
        .on_conflict_do_nothing_on([order::Column::QuotationId])
        .exec_without_returning(&**tx)
        .await?;
    // Another transaction was faster between the look above and this row.
    if !matches!(inserted, TryInsertResult::Inserted(1)) {
        return Ok(None);
    }
    let (lines, taxes) = insert_lines(tx, order.id, draft.lines, totals)?;
    let document = Document { order, lines, taxes };
    document.remember(tx);
    let order = &document.order;
    tx.audit_new("order", order.id.uuid(), &document.view()?)?;
    let created = OrderCreated {
        order_id: order.id,
        number: order.number.clone(),
        quotation_id: order.quotation_id,
        customer_id: order.customer_id,
    };
    tx.publish(order.id.uuid(), order.version, &created)?;
    Ok(Some(document))
}

async fn reply_created(tx: Tx, document: &Document, warnings: Vec<&'static str>) -> Result<Reply> {
    let order = document.view_with(warnings)?;
    let location = format!("/api/v1/orders/orders/{}", order.id);
    tx.reply(Reply::created(&order, location)).await
}

async fn order_of_quotation(
    conn: &impl ConnectionTrait,
    id: QuotationId,
) -> Result<Option<OrderId>> {
    let found = order::Entity::find()
        .select_only()
        .column(order::Column::Id)
        .filter(order::Column::QuotationId.eq(id))
        .into_tuple()
        .one(conn)
        .await?;
    Ok(found)
}

/// What is worth telling the caller about an order that is no error.
pub(crate) async fn find_warnings(
    conn: &impl ConnectionTrait,
    order: &order::Model,
) -> Result<Vec<&'static str>> {
    let Some(reference) = &order.customer_reference else {
        return Ok(Vec::new());
    };
    let others = order::Entity::find()
        .filter(order::Column::CustomerId.eq(order.customer_id))
        .filter(order::Column::CustomerReference.eq(reference.as_str()))
        .filter(order::Column::Status.is_in([OrderStatus::Draft, OrderStatus::Confirmed]))
        .filter(order::Column::Id.ne(order.id))
        .count(conn)
        .await?;
    Ok(if others == 0 { Vec::new() } else { vec!["duplicate_customer_reference"] })
}

fn rounding_mode_text(mode: RoundingMode) -> &'static str {
    match mode {
        RoundingMode::PerDocument => "per_document",
        RoundingMode::PerLine => "per_line",
    }
}
