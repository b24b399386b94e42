//! One sale and one purchase in full, a line a step.

use serde_json::Value;

use super::buying::Buying;
use super::company::Company;
use super::failure::{Failure, InStep, Result};
use super::plan::{Line, Part, Purchase, Sale};
use super::reading::{amount_text, string, text};
use super::selling::Selling;

/// What is sold: product and quantity. The plan leaves it in stock.
pub(super) const SOLD: [(usize, u32); 3] = [(1, 5), (42, 12), (121, 3)];

/// From quotation to cash.
pub(super) async fn sell(company: &Company) -> Result<()> {
    print_line!("\nFrom quotation to cash");
    let sale = Sale {
        customer: 7,
        warehouse: 0,
        lines: SOLD.map(|(product, quantity)| Line { product, quantity }).into(),
        allow_backorder: false,
        steps: Vec::new(),
    };
    let today = company.today();
    let mut it = Selling::new(company, &sale);
    it.draft_quotation(today).await?;
    say("quotation drafted", &it.quotation, &it.quotation["totals"]["total"]);
    it.answer_quotation("send").await?;
    say("quotation sent", &it.quotation, &it.quotation["totals"]["total"]);
    it.answer_quotation("accept").await?;
    say("quotation accepted", &it.quotation, &it.quotation["totals"]["total"]);
    it.order_from_quotation(today).await?;
    say("order created", &it.order, &it.order["totals"]["total"]);
    it.act_on_order("confirm").await?;
    say("order confirmed", &it.order, &it.order["totals"]["total"]);
    it.pack(Part::Rest, today).await?;
    say("goods packed", &it.shipment, &Value::Null);
    it.ship().await?;
    say("goods shipped", &it.shipment, &Value::Null);
    it.deliver().await?;
    say("goods delivered", &it.shipment, &Value::Null);
    it.await_invoice().await?;
    say("invoice drafted", &it.invoice, &it.invoice["total"]);
    it.issue(today).await?;
    say("invoice issued", &it.invoice, &it.invoice["total"]);
    it.pay(Part::Rest, today).await?;
    say("payment received", &it.payment, &it.payment["amount"]);

    let path = format!("orders/orders/{}", text(&it.order["id"])?);
    let paid = |order: &Value| (order["payment_status"] == "paid").then(|| order.clone());
    let order = company.client.wait("the paid order", &path, paid).await;
    let order = order.step(|| format!("order {}", string(&it.order["number"])))?;
    say("order paid", &order, &order["paid"]);
    let path = format!("billing/invoices/{}", text(&it.invoice["id"])?);
    let invoice = company.client.get(&path).await?;
    say("invoice settled", &invoice, &invoice["open"]);
    must_be("invoice", &invoice, "status", "settled")?;
    must_be("order", &order, "status", "completed")?;
    must_be("order", &order, "billing_status", "billed")
}

/// From purchase order to paid bill. `index` follows those of the history.
pub(super) async fn buy(company: &Company, index: usize) -> Result<()> {
    print_line!("\nFrom purchase order to paid bill");
    let lines = [(160, 20), (165, 10)];
    let purchase = Purchase {
        supplier: company.articles[160].supplier,
        warehouse: 0,
        lines: lines.map(|(product, quantity)| Line { product, quantity }).into(),
        price_percent: 100,
        steps: Vec::new(),
    };
    let today = company.today();
    let mut it = Buying::new(company, &purchase, index);
    it.draft(today).await?;
    say("purchase order drafted", &it.order, &it.order["total"]);
    it.act("approve").await?;
    say("purchase order approved", &it.order, &it.order["total"]);
    it.act("send").await?;
    say("purchase order sent", &it.order, &it.order["total"]);
    it.receive(Part::Rest, today).await?;
    say("goods received", &it.receipt, &Value::Null);
    it.await_stock().await?;
    let product = text(&it.receipt["lines"][0]["product_id"])?;
    let path = format!("inventory/products/{product}/availability");
    let stock = company.client.get(&path).await?;
    let (on_hand, available) = (string(&stock["on_hand"]), string(&stock["available"]));
    print_line!("  {:<26} {on_hand} on hand, {available} available", "in stock");
    it.enter_bill(0, today).await?;
    say("bill entered", &it.bill, &it.bill["total"]);
    it.approve().await?;
    say("bill approved", &it.bill, &it.bill["total"]);
    it.pay(today).await?;
    say("payment made", &it.payment, &it.payment["amount"]);

    let path = format!("billing/bills/{}", text(&it.bill["id"])?);
    let bill = company.client.get(&path).await?;
    say("bill settled", &bill, &bill["open"]);
    let path = format!("purchasing/purchase-orders/{}", text(&it.order["id"])?);
    let closed = |order: &Value| (order["status"] == "closed").then(|| order.clone());
    let order = company.client.wait("the closed purchase order", &path, closed).await;
    let order = order.step(|| format!("purchase order {}", string(&it.order["number"])))?;
    say("purchase order closed", &order, &order["total"]);
    must_be("bill", &bill, "status", "settled")
}

/// What was done, which document, its status, its amount.
fn say(what: &str, document: &Value, amount: &Value) {
    let number = document["number"].as_str().unwrap_or("(no number yet)");
    let status = string(&document["status"]);
    print_line!("  {what:<26} {number:<18} {status:<12} {:>14}", amount_text(amount));
}

fn must_be(what: &str, document: &Value, field: &str, expected: &str) -> Result<()> {
    if document[field] == expected {
        return Ok(());
    }
    let number = string(&document["number"]);
    let detail = format!("{field} should be {expected}, and is {}", document[field]);
    Err(Failure::new("unexpected_state", detail)).step(|| format!("{what} {number}"))
}
