//! Accounts: the chart with its balances, and the trial balance.

use actix_web::get;
use actix_web::web::Data;
use chrono::NaiveDate;
use kernel::Result;
use kernel::http::{Query, Reply, Routes};
use kernel::money::MoneySum;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::entities::account::AccountKind;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_accounts).service(get_trial_balance);
}

/// An account of the books.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Account {
    #[schema(example = "1100")]
    pub code: String,
    #[schema(example = "Accounts receivable")]
    pub name: String,
    pub kind: AccountKind,
    /// Everything ever posted on the debit side.
    pub debit: MoneySum,
    /// Everything ever posted on the credit side.
    pub credit: MoneySum,
    /// `debit - credit`.
    pub balance: MoneySum,
}

/// The whole chart, in the order of the codes; it is not paged.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Chart {
    pub data: Vec<Account>,
}

/// An account in a trial balance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountBalance {
    pub code: String,
    pub name: String,
    pub debit: MoneySum,
    pub credit: MoneySum,
    /// `debit - credit`.
    pub balance: MoneySum,
}

/// Every account as of the end of a day. The difference is always nothing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrialBalance {
    pub as_of: NaiveDate,
    /// In the order of the codes.
    pub accounts: Vec<AccountBalance>,
    pub total_debit: MoneySum,
    pub total_credit: MoneySum,
    pub difference: MoneySum,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AsOf {
    /// The last day that counts; everything posted so far where not given.
    pub as_of: Option<NaiveDate>,
}

/// List accounts
///
/// The chart of accounts with the balance of each.
#[utoipa::path(
    tag = "Accounts",
    responses((status = 200, body = Chart)),
    extensions(("x-permission" = json!("billing.account:read")))
)]
#[get("/accounts")]
async fn list_accounts(service: Data<Service>) -> Result<Reply> {
    Ok(Reply::plain(&service.accounts().await?))
}

/// Get trial balance
///
/// Debit and credit of every account, and that they are equal.
#[utoipa::path(
    tag = "Accounts",
    params(AsOf),
    responses((status = 200, body = TrialBalance)),
    extensions(("x-permission" = json!("billing.account:read")))
)]
#[get("/trial-balance")]
async fn get_trial_balance(service: Data<Service>, query: Query<AsOf>) -> Result<Reply> {
    Ok(Reply::plain(&service.trial_balance(query.0.as_of).await?))
}
