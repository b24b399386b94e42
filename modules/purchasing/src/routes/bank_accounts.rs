//! Bank accounts of suppliers: where the money goes that we owe them.

use actix_web::web::Data;
use actix_web::{get, patch, post};
use chrono::{DateTime, Utc};
use contracts::ids::SupplierId;
use kernel::http::{Json, Path, Query, Reply, Routes, Versioned, nullable};
use kernel::money::Currency;
use kernel::page::{Cursor, Limit, Page, PageRequest, Sort};
use kernel::text::{Name, Text};
use kernel::{Ctx, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::supplier_bank_account::SupplierBankAccountId;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes
        .service(list_supplier_bank_accounts)
        .service(get_supplier_bank_account)
        .service(create_supplier_bank_account)
        .service(update_supplier_bank_account);
}

/// A bank account of a supplier.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SupplierBankAccount {
    pub id: SupplierBankAccountId,
    pub supplier_id: SupplierId,
    /// Whose account it is at the bank.
    pub holder_name: String,
    /// Without spaces.
    #[schema(example = "DE89370400440532013000")]
    pub iban: Option<String>,
    pub account_number: Option<String>,
    /// The bank's national code: a routing number, a sort code.
    pub bank_code: Option<String>,
    #[schema(example = "COBADEFFXXX")]
    pub bic: Option<String>,
    pub currency: Currency,
    /// Whether the supplier is paid there unless somebody says otherwise.
    pub is_default: bool,
    /// Whether the supplier is paid there at all.
    pub is_active: bool,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Versioned for SupplierBankAccount {
    fn version(&self) -> i64 {
        self.version
    }
}

/// A bank account to be created: with an IBAN, or with an account number and the bank's code
/// or BIC.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSupplierBankAccount {
    pub holder_name: Name,
    /// Its check digits (ISO 13616) must be right. Spaces in it are left out.
    pub iban: Option<Text<15, 42>>,
    pub account_number: Option<Text<1, 34>>,
    /// The bank's national code; not beside an IBAN, which contains it.
    pub bank_code: Option<Text<1, 20>>,
    /// ISO 9362: 8 or 11 letters and digits.
    pub bic: Option<Text<8, 11>>,
    /// The supplier's currency if absent.
    pub currency: Option<Currency>,
    /// Takes the place of the default there is.
    #[serde(default)]
    pub is_default: bool,
}

/// Changes to a bank account: what is absent stays, null empties.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SupplierBankAccountPatch {
    #[schema(nullable = false)]
    pub holder_name: Option<Name>,
    #[serde(default, deserialize_with = "nullable")]
    pub iban: Option<Option<Text<15, 42>>>,
    #[serde(default, deserialize_with = "nullable")]
    pub account_number: Option<Option<Text<1, 34>>>,
    #[serde(default, deserialize_with = "nullable")]
    pub bank_code: Option<Option<Text<1, 20>>>,
    #[serde(default, deserialize_with = "nullable")]
    pub bic: Option<Option<Text<8, 11>>>,
    #[schema(nullable = false)]
    pub currency: Option<Currency>,
    /// Takes the place of the default there is.
    #[schema(nullable = false)]
    pub is_default: Option<bool>,
    #[schema(nullable = false)]
    pub is_active: Option<bool>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListSupplierBankAccounts {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
}

impl ListSupplierBankAccounts {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit, cursor: self.cursor.clone(), sort: self.sort }
    }
}

/// List bank accounts of supplier
///
/// Newest first unless `sort` says otherwise.
#[utoipa::path(
    tag = "Supplier bank accounts",
    params(("id" = SupplierId, Path), ListSupplierBankAccounts),
    responses((status = 200, body = Page<SupplierBankAccount>)),
    extensions(("x-permission" = json!("purchasing.supplier_bank_account:read")))
)]
#[get("/suppliers/{id}/bank-accounts")]
async fn list_supplier_bank_accounts(
    service: Data<Service>,
    id: Path<SupplierId>,
    query: Query<ListSupplierBankAccounts>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.list_bank_accounts(*id, query.0).await?))
}

/// Get bank account of supplier
#[utoipa::path(
    tag = "Supplier bank accounts",
    params(("id" = SupplierId, Path), ("account_id" = SupplierBankAccountId, Path)),
    responses((status = 200, body = SupplierBankAccount)),
    extensions(("x-permission" = json!("purchasing.supplier_bank_account:read")))
)]
#[get("/suppliers/{id}/bank-accounts/{account_id}")]
async fn get_supplier_bank_account(
    service: Data<Service>,
    ids: Path<(SupplierId, SupplierBankAccountId)>,
) -> Result<Reply> {
    Ok(Reply::ok(&service.bank_account(*ids).await?))
}

/// Create bank account of supplier
///
/// - Errors: 409 `bank_account_taken`; 422 `invalid_iban`, `invalid_bic`,
///   `bank_account_ambiguous`, `bank_account_incomplete`.
#[utoipa::path(
    tag = "Supplier bank accounts",
    params(("id" = SupplierId, Path)),
    request_body = NewSupplierBankAccount,
    responses((status = 201, body = SupplierBankAccount)),
    extensions(
        ("x-permission" = json!("purchasing.supplier_bank_account:create")),
        ("x-needs" = json!(["step-up"])),
        ("x-errors" = json!([
            "bank_account_taken", "invalid_iban", "invalid_bic", "bank_account_ambiguous",
            "bank_account_incomplete"
        ]))
    )
)]
#[post("/suppliers/{id}/bank-accounts")]
async fn create_supplier_bank_account(
    ctx: Ctx,
    service: Data<Service>,
    id: Path<SupplierId>,
    body: Json<NewSupplierBankAccount>,
) -> Result<Reply> {
    service.create_bank_account(&ctx, *id, body.0).await
}

/// Update bank account of supplier
///
/// A JSON merge patch (RFC 7396). One that is not active is no default any more.
/// - Errors: 409 `bank_account_taken`; 422 `invalid_iban`, `invalid_bic`,
///   `bank_account_ambiguous`, `bank_account_incomplete`, `default_inactive`.
#[utoipa::path(
    tag = "Supplier bank accounts",
    params(("id" = SupplierId, Path), ("account_id" = SupplierBankAccountId, Path)),
    request_body(
        content = SupplierBankAccountPatch, content_type = "application/merge-patch+json"
    ),
    responses((status = 200, body = SupplierBankAccount)),
    extensions(
        ("x-permission" = json!("purchasing.supplier_bank_account:update")),
        ("x-needs" = json!(["if-match", "step-up"])),
        ("x-errors" = json!([
            "bank_account_taken", "invalid_iban", "invalid_bic", "bank_account_ambiguous",
            "bank_account_incomplete", "default_inactive"
        ]))
    )
)]
#[patch("/suppliers/{id}/bank-accounts/{account_id}")]
async fn update_supplier_bank_account(
    ctx: Ctx,
    service: Data<Service>,
    ids: Path<(SupplierId, SupplierBankAccountId)>,
    body: Json<SupplierBankAccountPatch>,
) -> Result<Reply> {
    service.update_bank_account(&ctx, *ids, body.0).await
}
