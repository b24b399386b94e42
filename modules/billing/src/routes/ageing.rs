//! Ageing: what customers owe and what we owe suppliers, by how long it has been due.

use actix_web::get;
use actix_web::web::Data;
use chrono::NaiveDate;
use contracts::ids::{CustomerId, SupplierId};
use kernel::Result;
use kernel::http::{Query, Reply, Routes};
use kernel::money::MoneySum;
use kernel::page::{Cursor, Limit, PageInfo, PageRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(get_receivables_ageing).service(get_payables_ageing);
}

/// What has been due for more than `over` days and for no more than `up_to`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AgeingBucket {
    /// Absent in the first bucket: what is not overdue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 30)]
    pub over: Option<u16>,
    /// Absent in the last bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 60)]
    pub up_to: Option<u16>,
    pub amount: MoneySum,
}

/// What is open, by age.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Ageing {
    /// From what is not overdue to what has been for longest.
    pub buckets: Vec<AgeingBucket>,
    /// Payments and credit notes that are not applied to anything.
    pub credit: MoneySum,
    /// The buckets less the credit.
    pub balance: MoneySum,
}

/// What a customer owes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomerAgeing {
    pub customer_id: CustomerId,
    /// As on the customer's newest invoice; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub customer_name: Option<String>,
    #[serde(flatten)]
    pub ageing: Ageing,
}

/// What customers owe as of the end of a day. The balance of `totals` is that of the account
/// of receivables on that day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceivablesAgeing {
    pub as_of: NaiveDate,
    /// Of all customers, whatever the page.
    pub totals: Ageing,
    /// Customers who owe something or have credit, in the order of their ids.
    pub data: Vec<CustomerAgeing>,
    pub page: PageInfo,
}

/// What we owe a supplier.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SupplierAgeing {
    pub supplier_id: SupplierId,
    /// As on the supplier's newest bill; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub supplier_name: Option<String>,
    #[serde(flatten)]
    pub ageing: Ageing,
}

/// What we owe as of the end of a day. The balance of `totals` is that of the account of
/// payables on that day, which is on its credit side.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PayablesAgeing {
    pub as_of: NaiveDate,
    /// Of all suppliers, whatever the page.
    pub totals: Ageing,
    /// Suppliers we owe something or have credit with, in the order of their ids.
    pub data: Vec<SupplierAgeing>,
    pub page: PageInfo,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AgeingQuery {
    /// The last day that counts; today (UTC) where not given.
    pub as_of: Option<NaiveDate>,
    /// Days overdue at which a bucket ends and the next begins, with commas between.
    #[serde(default)]
    #[param(value_type = String, pattern = "^[0-9]{1,4}(,[0-9]{1,4}){0,11}$", example = "30,60,90,120")]
    pub buckets: Buckets,
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
}

impl AgeingQuery {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit, cursor: self.cursor.clone(), ..Default::default() }
    }
}

/// Where buckets end: 1 to 12 numbers of days that grow, each 1 to 3660.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Buckets(Vec<u16>);

impl Buckets {
    const MOST: usize = 12;
    const LONGEST: u16 = 3660;

    pub(crate) fn ends(&self) -> &[u16] {
        &self.0
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Buckets(vec![30, 60, 90, 120])
    }
}

impl TryFrom<String> for Buckets {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "must be 1 to 12 growing numbers of days from 1 to 3660, such as 30,60";
        let ends: Option<Vec<u16>> = text.split(',').map(|days| days.parse().ok()).collect();
        let ends = ends.ok_or(WRONG)?;
        let grows = ends.windows(2).all(|pair| pair[0] < pair[1]);
        let fits = ends.iter().all(|days| (1..=Self::LONGEST).contains(days));
        if grows && fits && ends.len() <= Self::MOST { Ok(Buckets(ends)) } else { Err(WRONG) }
    }
}

/// Get receivables ageing
///
/// What each customer owes, by days overdue: an invoice that has been due for `n` days is in
/// the bucket with `over < n <= up_to`; one due on the day asked about, or later, is not
/// overdue. As of a day: what is dated until then, each payment and credit note applied to an
/// invoice from the day on which both are. As of today and later days it reads what is open;
/// of a day in the past it also looks at everything dated since.
#[utoipa::path(
    tag = "Ageing",
    params(AgeingQuery),
    responses((status = 200, body = ReceivablesAgeing)),
    extensions(("x-permission" = json!("billing.ageing:read")))
)]
#[get("/receivables-ageing")]
async fn get_receivables_ageing(
    service: Data<Service>,
    query: Query<AgeingQuery>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.receivables_ageing(query.0).await?))
}

/// Get payables ageing
///
/// What we owe each supplier for approved bills, by days overdue: as receivables, with the
/// day a bill is dated. Approving a bill puts it into the books on that day.
#[utoipa::path(
    tag = "Ageing",
    params(AgeingQuery),
    responses((status = 200, body = PayablesAgeing)),
    extensions(("x-permission" = json!("billing.ageing:read")))
)]
#[get("/payables-ageing")]
async fn get_payables_ageing(service: Data<Service>, query: Query<AgeingQuery>) -> Result<Reply> {
    Ok(Reply::plain(&service.payables_ageing(query.0).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_days_that_grow() {
        let check = |text: &str| Buckets::try_from(text.to_owned()).map(|buckets| buckets.0);
        assert_eq!(check("30,60"), Ok(vec![30, 60]));
        assert_eq!(check("1"), Ok(vec![1]));
        for wrong in
            ["", "0", "30,30", "60,30", "3661", "-1", "a", "1,", "1,2,3,4,5,6,7,8,9,10,11,12,13"]
        {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
