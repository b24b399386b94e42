//! Plays the plan day by day.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::buying::Buying;
use super::company::{CONCURRENCY, Company, cents};
use super::failure::{InStep, Result};
use super::plan::{DAYS, Plan};
use super::selling::Selling;

/// Requests that [`play`] makes progress by.
pub(super) fn steps(plan: &Plan) -> usize {
    let purchases: usize = plan.purchases.iter().map(|purchase| purchase.steps.len()).sum();
    let sales: usize = plan.sales.iter().map(|sale| sale.steps.len()).sum();
    purchases + sales + 2
}

/// Fills the warehouses and lives through the quarter. Days come one after the other, so
/// that dates never go back; on one day goods come in before any go out, and otherwise
/// what does not depend on each other is done at the same time.
pub(super) async fn play(company: &Company, plan: &Plan) -> Result<()> {
    open_stock(company, plan).await?;
    let mut purchases: Vec<Buying> = plan
        .purchases
        .iter()
        .enumerate()
        .map(|(index, purchase)| Buying::new(company, purchase, index))
        .collect();
    let mut sales: Vec<Selling> =
        plan.sales.iter().map(|sale| Selling::new(company, sale)).collect();
    for day in 0..DAYS {
        let due = purchases.iter_mut().filter(|purchase| purchase.is_due(day));
        stream::iter(due)
            .map(|purchase| purchase.run(day))
            .buffer_unordered(CONCURRENCY)
            .try_collect::<()>()
            .await?;
        let due = sales.iter_mut().filter(|sale| sale.is_due(day));
        stream::iter(due)
            .map(|sale| sale.run(day))
            .buffer_unordered(CONCURRENCY)
            .try_collect::<()>()
            .await?;
    }
    Ok(())
}

async fn open_stock(company: &Company, plan: &Plan) -> Result<()> {
    for (warehouse, warehouse_id) in company.warehouses.iter().enumerate() {
        let lines: Vec<Value> = plan
            .opening
            .iter()
            .filter(|(at, ..)| *at == warehouse)
            .map(|(_, product, quantity)| {
                json!({
                    "product_id": company.products[*product], "quantity": quantity.to_string(),
                    "unit_cost": cents(company.articles[*product].cost_cents),
                })
            })
            .collect();
        let body = json!({
            "warehouse_id": warehouse_id, "reason": "opening stock",
            "received_on": company.date(0), "lines": lines,
        });
        company.client.create("inventory/receipts", body).await.step(|| "opening stock".into())?;
        company.bar.inc(1);
    }
    Ok(())
}
