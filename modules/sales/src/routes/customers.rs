//! Customers: whom we sell to, on which terms, and how much they may owe.

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::{DateTime, Utc};
use contracts::common::Address;
use contracts::ids::{CustomerId, PriceListId};
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned, nullable};
use kernel::money::{Currency, Money};
use kernel::page::{Cursor, Limit, Page, Sort};
use kernel::text::{Code, Email, Name, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_customers)
        .service(get_customer)
        .service(create_customer)
        .service(update_customer);
}

/// A customer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Customer {
    pub id: CustomerId,
    #[schema(example = "CU-2026-000001")]
    pub number: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_id: Option<String>,
    pub currency: Currency,
    /// Days from invoice to due date.
    pub payment_terms_days: u16,
    pub billing_address: Address,
    /// The billing address if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Address>,
    /// The price list asked before the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_list_id: Option<PriceListId>,
    /// The customer's key in another system, unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Only active customers can be quoted, or given credit.
    pub is_active: bool,
    pub credit: CustomerCredit,
    /// Counts changes of the customer; what happens to `credit` is none.
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for Customer {
    fn version(&self) -> i64 {
        self.version
    }
}

/// What a customer may owe, and what that is taken up by.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomerCredit {
    /// Null for no limit.
    pub limit: Option<Money>,
    /// The sum of the next three.
    pub exposure: Money,
    /// Invoiced and not paid. Negative if the customer has paid more.
    pub open_receivables: Money,
    /// Confirmed orders, as far as they are not invoiced.
    pub uninvoiced_orders: Money,
    /// Orders being confirmed right now.
    pub holds: Money,
    /// What another order may come to. Null for no limit.
    pub available: Option<Money>,
}

/// A customer to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCustomer {
    pub name: Name,
    pub email: Option<Email>,
    pub tax_id: Option<Text<1, 32>>,
    /// The company's currency if absent; so far no other is possible.
    pub currency: Option<Currency>,
    /// Days from invoice to due date.
    #[serde(default = "default_payment_terms_days")]
    #[schema(maximum = 120, default = 30)]
    pub payment_terms_days: u16,
    /// Absent or null for no limit.
    pub credit_limit: Option<Money>,
    pub billing_address: Address,
    /// The billing address if absent.
    pub shipping_address: Option<Address>,
    /// The price list asked before the default one.
    pub price_list_id: Option<PriceListId>,
    /// The customer's key in another system, unique.
    pub external_id: Option<Text<1, 100>>,
}

fn default_payment_terms_days() -> u16 {
    30
}

/// Changes to a customer: what is absent stays, null empties.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomerPatch {
    #[schema(nullable = false)]
    pub name: Option<Name>,
    #[serde(default, deserialize_with = "nullable")]
    pub email: Option<Option<Email>>,
    #[serde(default, deserialize_with = "nullable")]
    pub tax_id: Option<Option<Text<1, 32>>>,
    #[schema(nullable = false, maximum = 120)]
    pub payment_terms_days: Option<u16>,
    /// Null for no limit.
    #[serde(default, deserialize_with = "nullable")]
    pub credit_limit: Option<Option<Money>>,
    #[schema(nullable = false)]
    pub billing_address: Option<Address>,
    #[serde(default, deserialize_with = "nullable")]
    pub shipping_address: Option<Option<Address>>,
    #[serde(default, deserialize_with = "nullable")]
    pub price_list_id: Option<Option<PriceListId>>,
    #[serde(default, deserialize_with = "nullable")]
    pub external_id: Option<Option<Text<1, 100>>>,
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListCustomers {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only the customer with this number.
    pub number: Option<Code>,
    /// Only the customer with this key in another system.
    pub external_id: Option<Text<1, 100>>,
    pub is_active: Option<bool>,
}

/// List customers
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Customers",
    params(ListCustomers),
    responses((status = 200, body = Page<Customer>)),
    extensions(("x-permission" = json!("sales.customer:read")))
)]
#[get("/customers")]
async fn list_customers(service: Data<Service>, query: Query<ListCustomers>) -> Result<Reply> {
    Ok(Reply::plain(&service.list_customers(query.0).await?))
}

/// Get customer
#[utoipa::path(
    tag = "Customers",
    params(("id" = CustomerId, Path)),
    responses((status = 200, body = Customer)),
    extensions(("x-permission" = json!("sales.customer:read")))
)]
#[get("/customers/{id}")]
async fn get_customer(service: Data<Service>, id: Path<CustomerId>) -> Result<Reply> {
    let read = async || Ok(Reply::ok(&service.customer_with_credit(*id).await?));
    service.db.cached("customer", id.uuid(), read).await
}

/// Create customer
///
/// - Errors: 409 `external_id_taken`; 422 `unknown_price_list`, `currency_not_supported`,
///   `negative_credit_limit`, `payment_terms_too_long`.
#[utoipa::path(
    tag = "Customers",
    request_body = NewCustomer,
    responses((status = 201, body = Customer)),
    extensions(
        ("x-permission" = json!("sales.customer:create")),
        ("x-errors" = json!(["external_id_taken", "unknown_price_list",
            "currency_not_supported", "negative_credit_limit", "payment_terms_too_long"]))
    )
)]
#[post("/customers")]
async fn create_customer(
    ctx: Ctx,
    service: Data<Service>,
    body: Json<NewCustomer>,
) -> Result<Reply> {
    service.create_customer(&ctx, body.0).await
}

/// Update customer
///
/// A JSON merge patch (RFC 7396). A lower credit limit takes nothing back from orders
/// already confirmed; it only refuses further ones.
/// - Errors: 409 `external_id_taken`; 422 `unknown_price_list`, `currency_not_supported`,
///   `negative_credit_limit`, `payment_terms_too_long`.
#[utoipa::path(
    tag = "Customers",
    params(("id" = CustomerId, Path)),
    request_body(content = CustomerPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Customer)),
    extensions(
        ("x-permission" = json!("sales.customer:update")),
        ("x-needs" = json!(["if-match"])),
        ("x-errors" = json!(["external_id_taken", "unknown_price_list",
            "currency_not_supported", "negative_credit_limit", "payment_terms_too_long"]))
    )
)]
#[patch("/customers/{id}")]
async fn update_customer(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<CustomerId>,
    body: Json<CustomerPatch>,
) -> Result<Reply> {
    service.update_customer(&ctx, *id, body.0).await
}
