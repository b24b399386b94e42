//! Statements: profit and loss of a period, and the balance sheet as of a day.

use actix_web::get;
use actix_web::web::Data;
use chrono::NaiveDate;
use kernel::Result;
use kernel::http::{Query, Reply, Routes};
use kernel::money::MoneySum;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(get_profit_and_loss).service(get_balance_sheet);
}

/// An account in a statement.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatementLine {
    #[schema(example = "4000")]
    pub code: String,
    #[schema(example = "Revenue")]
    pub name: String,
    /// Above zero on the side where accounts of its kind usually are.
    pub amount: MoneySum,
}

/// Accounts of one kind, in the order of their codes, and their sum.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatementSection {
    pub accounts: Vec<StatementLine>,
    pub total: MoneySum,
}

/// What was earned and spent from the beginning of one day to the end of another.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProfitAndLoss {
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub income: StatementSection,
    pub expenses: StatementSection,
    /// The income less the expenses: below zero, a loss.
    pub result: MoneySum,
}

/// What the company has and what it owes at the end of a day. What it has is what it owes and
/// its equity, to the cent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BalanceSheet {
    pub as_of: NaiveDate,
    pub assets: StatementSection,
    pub liabilities: StatementSection,
    pub equity: Equity,
    /// What is owed and the equity.
    pub liabilities_and_equity: MoneySum,
    /// The assets less that: always nothing.
    pub difference: MoneySum,
}

/// What belongs to the owners.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Equity {
    pub accounts: Vec<StatementLine>,
    /// The results of all calendar years before that of the day.
    pub retained_earnings: MoneySum,
    /// The result of the calendar year of the day, until then.
    pub result_of_year: MoneySum,
    pub total: MoneySum,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Period {
    /// The first day that counts; that of the year of `to` where not given.
    pub from: Option<NaiveDate>,
    /// The last day that counts; today (UTC) where not given.
    pub to: Option<NaiveDate>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Day {
    /// The last day that counts; today (UTC) where not given.
    pub as_of: Option<NaiveDate>,
}

/// Get profit and loss
///
/// Income and expenses of a period by account. It is the change of the result between the
/// balance sheets of the day before it and of its last day, and reads what was posted in it.
/// - Errors: 400 `invalid_query` also where `to` is before `from`.
#[utoipa::path(
    tag = "Statements",
    params(Period),
    responses((status = 200, body = ProfitAndLoss)),
    extensions(("x-permission" = json!("billing.statement:read")))
)]
#[get("/profit-and-loss")]
async fn get_profit_and_loss(service: Data<Service>, query: Query<Period>) -> Result<Reply> {
    Ok(Reply::plain(&service.profit_and_loss(query.0).await?))
}

/// Get balance sheet
///
/// Assets, liabilities and equity by account. Years are not closed: what was earned so far is
/// in the equity, that of the year by itself. It reads the balances that are kept up, less what
/// is dated later, and what was posted in the year.
#[utoipa::path(
    tag = "Statements",
    params(Day),
    responses((status = 200, body = BalanceSheet)),
    extensions(("x-permission" = json!("billing.statement:read")))
)]
#[get("/balance-sheet")]
async fn get_balance_sheet(service: Data<Service>, query: Query<Day>) -> Result<Reply> {
    Ok(Reply::plain(&service.balance_sheet(query.0.as_of).await?))
}
