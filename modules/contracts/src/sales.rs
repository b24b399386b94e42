//! What sales promises: who a customer is, what a thing costs them, what they have
//! accepted, and whether their credit covers an order.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use kernel::module::ServeContract;
use kernel::money::{Currency, Money, Percent, UnitPrice};
use kernel::quantity::Quantity;
use kernel::remote::{Remote, Repeat};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};

use crate::billing::RoundingMode;
use crate::common::{Address, TaxClass};
use crate::ids::{CustomerId, OrderId, ProductId, QuotationId, WarehouseId};

#[async_trait]
pub trait Sales: Send + Sync {
    /// A customer. Reads only. Errors: 422 `unknown_customer` (`/customer_id`).
    async fn customer(&self, ctx: &Ctx, request: FindCustomer) -> Result<CustomerInfo>;

    /// What each line costs this customer on that day, in the order of the request;
    /// `None` where no price list has the product. Reads only.
    async fn price_lines(&self, ctx: &Ctx, request: PriceLines) -> Result<Vec<Option<PricedLine>>>;

    /// An accepted (or already converted) quotation. Reads only. Errors: 422
    /// `unknown_quotation`, 409 `quotation_not_accepted`.
    async fn accepted_quotation(
        &self,
        ctx: &Ctx,
        request: FindQuotation,
    ) -> Result<QuotationSnapshot>;

    /// Holds credit for an order until `expires_at`; the event
    /// `orders.order.confirmed` makes the hold lasting.
    ///
    /// - Idempotent on `order_id`.
    /// - Errors: 409 `credit_limit_exceeded` with `params.{limit, exposure, asked}`.
    async fn hold_credit(&self, ctx: &Ctx, request: HoldCredit) -> Result<()>;

    /// Gives a hold back unless the order has been confirmed; no hold is no error.
    async fn release_credit(&self, ctx: &Ctx, request: ReleaseCredit) -> Result<()>;
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindCustomer {
    pub id: CustomerId,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CustomerInfo {
    pub id: CustomerId,
    pub number: String,
    pub name: String,
    pub is_active: bool,
    pub currency: Currency,
    /// Days from invoice to due date, 0..=120.
    pub payment_terms_days: u16,
    pub billing_address: Address,
    pub shipping_address: Address,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PriceLines {
    pub customer_id: CustomerId,
    pub currency: Currency,
    pub on: NaiveDate,
    pub lines: Vec<LineToPrice>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LineToPrice {
    pub product_id: ProductId,
    pub quantity: Quantity,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PricedLine {
    pub unit_price: UnitPrice,
    /// Code of the price list that won.
    pub price_list: String,
    /// The quantity from which this price holds.
    pub min_quantity: Quantity,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindQuotation {
    pub id: QuotationId,
}

/// A quotation as the customer accepted it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QuotationSnapshot {
    pub id: QuotationId,
    pub number: String,
    pub customer: CustomerInfo,
    pub currency: Currency,
    pub prices_include_tax: bool,
    pub rounding_mode: RoundingMode,
    pub warehouse_id: WarehouseId,
    pub lines: Vec<QuotedLine>,
    pub total: Money,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QuotedLine {
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    pub unit: String,
    pub tax_class: TaxClass,
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    pub discount: Percent,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HoldCredit {
    pub order_id: OrderId,
    pub customer_id: CustomerId,
    pub amount: Money,
    pub expires_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReleaseCredit {
    pub order_id: OrderId,
}

#[async_trait]
impl Sales for Remote {
    async fn customer(&self, ctx: &Ctx, request: FindCustomer) -> Result<CustomerInfo> {
        self.call("customer", Repeat::Safe, ctx, &request).await
    }

    async fn price_lines(&self, ctx: &Ctx, request: PriceLines) -> Result<Vec<Option<PricedLine>>> {
        self.call("price_lines", Repeat::Safe, ctx, &request).await
    }

    async fn accepted_quotation(
        &self,
        ctx: &Ctx,
        request: FindQuotation,
    ) -> Result<QuotationSnapshot> {
        self.call("accepted_quotation", Repeat::Safe, ctx, &request).await
    }

    async fn hold_credit(&self, ctx: &Ctx, request: HoldCredit) -> Result<()> {
        self.call("hold_credit", Repeat::Safe, ctx, &request).await
    }

    async fn release_credit(&self, ctx: &Ctx, request: ReleaseCredit) -> Result<()> {
        self.call("release_credit", Repeat::Safe, ctx, &request).await
    }
}

/// The far end of the remote client.
pub struct Served(pub Arc<dyn Sales>);

#[async_trait]
impl ServeContract for Served {
    async fn serve(&self, method: &str, ctx: &Ctx, body: &[u8]) -> Result<Vec<u8>> {
        let it = &self.0;
        match method {
            "customer" => crate::answer(&it.customer(ctx, crate::request(body)?).await?),
            "price_lines" => crate::answer(&it.price_lines(ctx, crate::request(body)?).await?),
            "accepted_quotation" => {
                crate::answer(&it.accepted_quotation(ctx, crate::request(body)?).await?)
            }
            "hold_credit" => crate::answer(&it.hold_credit(ctx, crate::request(body)?).await?),
            "release_credit" => {
                crate::answer(&it.release_credit(ctx, crate::request(body)?).await?)
            }
            other => Err(crate::no_such_method("sales", other)),
        }
    }
}
