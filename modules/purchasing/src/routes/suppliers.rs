//! Suppliers: whom we buy from, and on which terms.

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::{DateTime, Utc};
use contracts::common::Address;
use contracts::ids::SupplierId;
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned, nullable};
use kernel::money::Currency;
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::{Code, Email, Name, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_suppliers)
        .service(get_supplier)
        .service(create_supplier)
        .service(update_supplier);
}

/// A supplier.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Supplier {
    pub id: SupplierId,
    #[schema(example = "SU-2026-000001")]
    pub number: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_id: Option<String>,
    pub currency: Currency,
    /// Days from bill to due date.
    pub payment_terms_days: u16,
    pub address: Address,
    /// The supplier's key in another system, unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Only from active suppliers can more be ordered.
    pub is_active: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Supplier {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A supplier to be created.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSupplier {
    pub name: Name,
    pub email: Option<Email>,
    pub tax_id: Option<Text<1, 32>>,
    /// The company's currency if absent; so far no other is possible.
    pub currency: Option<Currency>,
    /// Days from bill to due date.
    #[serde(default = "default_payment_terms_days")]
    #[schema(maximum = 120, default = 30)]
    pub payment_terms_days: u16,
    pub address: Address,
    /// The supplier's key in another system, unique.
    pub external_id: Option<Text<1, 100>>,
}

fn default_payment_terms_days() -> u16 {
    30
}

/// Changes to a supplier: what is absent stays, null empties.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SupplierPatch {
    #[schema(nullable = false)]
    pub name: Option<Name>,
    #[serde(default, deserialize_with = "nullable")]
    pub email: Option<Option<Email>>,
    #[serde(default, deserialize_with = "nullable")]
    pub tax_id: Option<Option<Text<1, 32>>>,
    #[schema(nullable = false, maximum = 120)]
    pub payment_terms_days: Option<u16>,
    #[schema(nullable = false)]
    pub address: Option<Address>,
    #[serde(default, deserialize_with = "nullable")]
    pub external_id: Option<Option<Text<1, 100>>>,
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListSuppliers {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only the supplier with this number.
    pub number: Option<Code>,
    /// Only the supplier with this key in another system.
    pub external_id: Option<Text<1, 100>>,
    pub is_active: Option<bool>,
}

/// List suppliers
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Suppliers",
    params(ListSuppliers),
    responses((status = 200, body = Page<Supplier>)),
    extensions(("x-permission" = json!("purchasing.supplier:read")))
)]
#[get("/suppliers")]
async fn list_suppliers(service: Data<Service>, query: Query<ListSuppliers>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_suppliers(query.0).await?))
}

/// Get supplier
#[utoipa::path(
    tag = "Suppliers",
    params(("id" = SupplierId, Path)),
    responses((status = 200, body = Supplier)),
    extensions(("x-permission" = json!("purchasing.supplier:read")))
)]
#[get("/suppliers/{id}")]
async fn get_supplier(service: Data<Service>, id: Path<SupplierId>) -> Result<Reply> {
    let read = async || Ok(Reply::ok(&service.supplier(*id).await?));
    service.db.cached("supplier", id.uuid(), read).await
}

/// Create supplier
///
/// - Errors: 409 `external_id_taken`; 422 `currency_not_supported`,
///   `payment_terms_too_long`.
#[utoipa::path(
    tag = "Suppliers",
    request_body = NewSupplier,
    responses((status = 201, body = Supplier)),
    extensions(
        ("x-permission" = json!("purchasing.supplier:create")),
        ("x-errors" = json!([
            "external_id_taken", "currency_not_supported", "payment_terms_too_long"
        ]))
    )
)]
#[post("/suppliers")]
async fn create_supplier(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewSupplier>,
) -> Result<Reply> {
    service.create_supplier(&ctx, body.0).await
}

/// Update supplier
///
/// A JSON merge patch (RFC 7396). Orders already made keep the name and the terms they
/// were made with.
/// - Errors: 409 `external_id_taken`; 422 `payment_terms_too_long`.
#[utoipa::path(
    tag = "Suppliers",
    params(("id" = SupplierId, Path)),
    request_body(content = SupplierPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Supplier)),
    extensions(
        ("x-permission" = json!("purchasing.supplier:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["external_id_taken", "payment_terms_too_long"]))
    )
)]
#[patch("/suppliers/{id}")]
async fn update_supplier(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<SupplierId>,
    body: Json<SupplierPatch>,
) -> Result<Reply> {
    service.update_supplier(&ctx, *id, body.0).await
}
