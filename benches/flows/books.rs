//! Whether what was sold so fast is also in the books.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::{Api, Problem, Result};

const MODULES: [&str; 6] = ["auth", "billing", "inventory", "orders", "purchasing", "sales"];
/// Longest wait for the last events to be delivered.
const SETTLING: Duration = Duration::from_secs(60);

/// Waits until the last sales are through, then evaluates every law. Returns how many laws
/// hold; the error names what does not.
pub async fn check(api: &Api, last_orders: Vec<String>) -> std::result::Result<usize, String> {
    let deadline = Instant::now() + SETTLING;
    for id in last_orders {
        until(deadline, || settled_order(api, &id)).await.map_err(|e| format!("settling: {e}"))?;
    }
    let mut laws = 0;
    for module in MODULES {
        laws += until(deadline, || laws_of(api, module)).await.map_err(|e| format!("laws: {e}"))?;
    }
    until(deadline, || balance(api)).await.map_err(|e| format!("trial balance: {e}"))?;
    Ok(laws)
}

/// Repeats `check` until it holds; its last problem if it never does.
async fn until<T>(deadline: Instant, check: impl AsyncFn() -> Result<T>) -> Result<T> {
    loop {
        match check().await {
            Err(_) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            result => return result,
        }
    }
}

async fn settled_order(api: &Api, id: &str) -> Result<()> {
    let order = api.get(&format!("orders/orders/{id}")).await?;
    let status = (&order["status"], &order["billing_status"], &order["payment_status"]);
    if status == (&"completed".into(), &"billed".into(), &"paid".into()) {
        return Ok(());
    }
    Err(Problem::new("order_unsettled", format!("{} is {status:?}", order["number"])))
}

async fn laws_of(api: &Api, module: &str) -> Result<usize> {
    let report = api.get(&format!("{module}/invariants")).await?;
    let laws = report["laws"].as_array().cloned().unwrap_or_default();
    let broken: Vec<&Value> = laws.iter().filter(|law| law["violations"] != 0).collect();
    match broken.is_empty() && !laws.is_empty() {
        true => Ok(laws.len()),
        false => Err(Problem::new("laws_broken", format!("{module}: {broken:?}"))),
    }
}

async fn balance(api: &Api) -> Result<()> {
    let balance = api.get("billing/trial-balance").await?;
    let difference = balance["difference"]["amount"].as_str().unwrap_or("unknown");
    match difference.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
        true => Ok(()),
        false => Err(Problem::new("books_do_not_balance", difference)),
    }
}
