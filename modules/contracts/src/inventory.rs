//! What inventory promises: what a product is, and holding stock for an order.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use kernel::module::ServeContract;
use kernel::money::UnitPrice;
use kernel::quantity::Quantity;
use kernel::remote::{Remote, Repeat};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};

use crate::common::TaxClass;
use crate::ids::{OrderId, OrderLineId, ProductId, WarehouseId};

#[async_trait]
pub trait Inventory: Send + Sync {
    /// The products with these ids, in no order; an unknown id is left out. Reads only.
    async fn products(&self, ctx: &Ctx, request: FindProducts) -> Result<Vec<ProductInfo>>;

    /// The warehouses with these ids, in no order; an unknown id is left out. Reads only.
    async fn warehouses(&self, ctx: &Ctx, request: FindWarehouses) -> Result<Vec<WarehouseInfo>>;

    /// Holds stock for the lines of an order until `expires_at`; the event
    /// `orders.order.confirmed` makes the hold lasting. Lines of the same product and
    /// warehouse are summed before they are compared with what is available, and so are those
    /// of which kits are made. A kit is reserved and backordered whole.
    ///
    /// - Idempotent on `order_id`: what is held already is returned as it is.
    /// - Errors: 409 `insufficient_stock` with `params.shortages[{product_id, sku,
    ///   warehouse_id, asked, available}]` unless `allow_backorder`; 422
    ///   `unknown_product`, `unknown_warehouse`.
    async fn reserve(&self, ctx: &Ctx, request: Reserve) -> Result<Reserved>;

    /// Gives back what an order holds and has not shipped; nothing held is no error.
    async fn release(&self, ctx: &Ctx, request: Release) -> Result<()>;

    /// Whether goods that have arrived are more than stock can hold of them, one line after
    /// the other: whoever posts their arrival refuses it then. Nothing is held. Reads only.
    async fn check_fit(&self, ctx: &Ctx, request: CheckFit) -> Result<Fit>;
}

/// The lines that do not fit. None where inventory cannot be asked just now: the goods have
/// arrived, and what has arrived is seldom too much.
pub async fn too_large(
    inventory: &dyn Inventory,
    ctx: &Ctx,
    request: CheckFit,
) -> Result<Vec<usize>> {
    if request.lines.is_empty() {
        return Ok(Vec::new());
    }
    match inventory.check_fit(ctx, request).await {
        Ok(fit) => Ok(fit.too_large),
        // Not there, or of a version that does not know the question.
        Err(error) if matches!(error.status(), 404 | 503) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindProducts {
    pub ids: Vec<ProductId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProductInfo {
    pub id: ProductId,
    pub sku: String,
    pub name: String,
    /// Unit of measure, such as `pcs`.
    pub unit: String,
    /// Decimals a quantity of it may have, 0..=6.
    pub unit_decimals: u8,
    pub tax_class: TaxClass,
    pub is_active: bool,
    /// Whether it is sold whole and stocked in parts: nobody buys it.
    #[serde(default)]
    pub is_kit: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindWarehouses {
    pub ids: Vec<WarehouseId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WarehouseInfo {
    pub id: WarehouseId,
    pub code: String,
    pub name: String,
    pub is_active: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reserve {
    pub order_id: OrderId,
    pub expires_at: DateTime<Utc>,
    /// Whether what is short becomes a backorder instead of a refusal.
    pub allow_backorder: bool,
    pub lines: Vec<ReserveLine>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReserveLine {
    pub line_id: OrderLineId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
    pub quantity: Quantity,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reserved {
    /// In the order of the request.
    pub lines: Vec<ReservedLine>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReservedLine {
    pub line_id: OrderLineId,
    pub reserved: Quantity,
    pub backordered: Quantity,
    /// When all of what is backordered is to be there, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised_on: Option<NaiveDate>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Release {
    pub order_id: OrderId,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckFit {
    pub warehouse_id: WarehouseId,
    pub lines: Vec<ArrivingLine>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ArrivingLine {
    pub product_id: ProductId,
    pub quantity: Quantity,
    /// What a unit is taken in at, where it is bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_cost: Option<UnitPrice>,
    /// What it was sold under, where it comes back: of a kit its parts arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_line_id: Option<OrderLineId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fit {
    /// The lines that do not fit, by their place in the request: ascending, from 0.
    pub too_large: Vec<usize>,
}

#[async_trait]
impl Inventory for Remote {
    async fn products(&self, ctx: &Ctx, request: FindProducts) -> Result<Vec<ProductInfo>> {
        self.call("products", Repeat::Safe, ctx, &request).await
    }

    async fn warehouses(&self, ctx: &Ctx, request: FindWarehouses) -> Result<Vec<WarehouseInfo>> {
        self.call("warehouses", Repeat::Safe, ctx, &request).await
    }

    async fn reserve(&self, ctx: &Ctx, request: Reserve) -> Result<Reserved> {
        self.call("reserve", Repeat::Safe, ctx, &request).await
    }

    async fn release(&self, ctx: &Ctx, request: Release) -> Result<()> {
        self.call("release", Repeat::Safe, ctx, &request).await
    }

    async fn check_fit(&self, ctx: &Ctx, request: CheckFit) -> Result<Fit> {
        self.call("check_fit", Repeat::Safe, ctx, &request).await
    }
}

/// The far end of the remote client.
pub struct Served(pub Arc<dyn Inventory>);

#[async_trait]
impl ServeContract for Served {
    async fn serve(&self, method: &str, ctx: &Ctx, body: &[u8]) -> Result<Vec<u8>> {
        let it = &self.0;
        match method {
            "products" => crate::answer(&it.products(ctx, crate::request(body)?).await?),
            "warehouses" => crate::answer(&it.warehouses(ctx, crate::request(body)?).await?),
            "reserve" => crate::answer(&it.reserve(ctx, crate::request(body)?).await?),
            "release" => crate::answer(&it.release(ctx, crate::request(body)?).await?),
            "check_fit" => crate::answer(&it.check_fit(ctx, crate::request(body)?).await?),
            other => Err(crate::no_such_method("inventory", other)),
        }
    }
}
