//! One of several who do things at the same time, each with the same rights.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::command::{Command, Pick};
use crate::flows::Company;
use crate::harness::{Api, etag, text};

/// As many of each kind as an actor chooses from: few enough that several choose the same.
const IN_SIGHT: usize = 6;

const RESERVATIONS: &str = "/api/v1/inventory/reservations";
const MOVES: &str = "/api/v1/inventory/moves";
const ORDERS: &str = "/api/v1/orders/orders";
const SHIPMENTS: &str = "/api/v1/orders/shipments";
const INVOICES: &str = "/api/v1/billing/invoices";
const PAYMENTS: &str = "/api/v1/billing/payments";
const CREDITS: &str = "/api/v1/billing/credits";
const REFUNDS: &str = "/api/v1/billing/refunds";
const PURCHASES: &str = "/api/v1/purchasing/purchase-orders";
const BILLS: &str = "/api/v1/billing/bills";

/// How often which operation was answered with which status and code.
pub type Told = BTreeMap<(String, u16, String), usize>;

#[derive(Clone)]
pub struct Actor {
    pub api: Api,
    pub company: Arc<Company>,
    pub customer_ids: Arc<[String; 2]>,
    pub documented: Arc<Documented>,
    pub told: Arc<Mutex<Told>>,
}

/// The codes each operation may refuse with, by method and path, as the document says.
pub struct Documented(BTreeMap<String, BTreeSet<String>>);

impl Documented {
    pub fn of(spec: &Value) -> Documented {
        let mut codes = BTreeMap::new();
        for (path, operations) in spec["paths"].as_object().expect("paths") {
            for (method, operation) in operations.as_object().expect("operations") {
                let listed = operation["x-error-codes"].as_array().into_iter().flatten();
                let name = format!("{} {path}", method.to_uppercase());
                codes.insert(name, listed.map(text).collect());
            }
        }
        Documented(codes)
    }
}

impl Actor {
    pub async fn take(&self, command: Command) {
        match command {
            Command::Receive { item, units, cents } => {
                let lines = json!([{
                    "product_id": self.company.product_ids[item], "quantity": units.to_string(),
                    "unit_cost": decimal(cents)
                }]);
                let new = json!({
                    "warehouse_id": self.company.warehouse_id, "reason": "Found", "lines": lines
                });
                self.create("/api/v1/inventory/receipts", new).await;
            }
            Command::Adjust { item, units } => {
                let new = json!({
                    "warehouse_id": self.company.warehouse_id, "reason": "Count",
                    "product_id": self.company.product_ids[item], "quantity": units.to_string()
                });
                self.create("/api/v1/inventory/adjustments", new).await;
            }
            Command::Reverse { pick } => {
                let Some(found) = self.find(MOVES, "kind=adjustment", pick).await else { return };
                let body = Some(json!({"reason": "Mistake"}));
                self.act(&format!("{MOVES}/{{id}}/reverse"), &found, body).await;
            }
            Command::Reserve { item, units, is_short } => {
                let new = json!({
                    "warehouse_id": self.company.warehouse_id, "note": "Trade fair",
                    "product_id": self.company.product_ids[item], "quantity": units.to_string(),
                    "ttl_s": if is_short { 1 } else { 3600 }
                });
                self.create(RESERVATIONS, new).await;
            }
            Command::Release { pick } => {
                self.act_on(RESERVATIONS, "status=active", pick, "release", None).await;
            }
            Command::Draft { customer, lines, discount, allow_backorder } => {
                let mut lines = self.lines(&lines);
                for line in lines.as_array_mut().into_iter().flatten() {
                    line["discount"] = json!(discount.to_string());
                }
                let new = json!({
                    "customer_id": self.customer_ids[customer], "lines": lines,
                    "warehouse_id": self.company.warehouse_id, "allow_backorder": allow_backorder
                });
                self.create(ORDERS, new).await;
            }
            Command::Amend { pick, lines } => {
                let Some(order) = self.find(ORDERS, "status=draft", pick).await else { return };
                let body = Some(json!({"lines": self.lines(&lines)}));
                let path = format!("{ORDERS}/{{id}}");
                self.call(Method::PATCH, &path, Some(&order), body).await;
            }
            Command::Confirm { pick } => {
                self.act_on(ORDERS, "status=draft", pick, "confirm", None).await;
            }
            Command::Cancel { pick } => {
                self.act_on(ORDERS, "status=confirmed", pick, "cancel", None).await;
            }
            Command::CancelLine { pick, line, units } => {
                let Some((order, line)) = self.order_line("status=confirmed", pick, line).await
                else {
                    return;
                };
                let path = format!("{ORDERS}/{{id}}/lines/{{line_id}}/cancel");
                let body = Some(json!({"quantity": units.to_string()}));
                self.call_on_line(&path, &order, &line, body).await;
            }
            Command::CloseShort { pick } => {
                self.act_on(ORDERS, "status=confirmed", pick, "close-short", None).await;
            }
            Command::Pack { pick, some } => {
                let line = some.map_or(0, |(line, _)| line);
                let Some((order, line)) = self.order_line("status=confirmed", pick, line).await
                else {
                    return;
                };
                let body = match some {
                    None => json!({}),
                    Some((_, units)) => json!({"lines": [{
                        "order_line_id": line["id"], "quantity": units.to_string()
                    }]}),
                };
                self.act(&format!("{ORDERS}/{{id}}/shipments"), &order, Some(body)).await;
            }
            Command::Unpack { pick } => {
                self.act_on(SHIPMENTS, "status=packed", pick, "cancel", None).await;
            }
            Command::Ship { pick } => {
                self.act_on(SHIPMENTS, "status=packed", pick, "ship", None).await;
            }
            Command::Deliver { pick } => {
                self.act_on(SHIPMENTS, "status=shipped", pick, "deliver", None).await;
            }
            Command::TakeBack { pick, line, units, restock } => {
                let Some((order, line)) = self.order_line("status=completed", pick, line).await
                else {
                    return;
                };
                let body = json!({"reason": "Too green", "lines": [{
                    "order_line_id": line["id"], "quantity": units.to_string(), "restock": restock
                }]});
                self.act(&format!("{ORDERS}/{{id}}/returns"), &order, Some(body)).await;
            }
            Command::Issue { pick } => {
                self.act_on(INVOICES, "status=draft", pick, "issue", None).await;
            }
            Command::Discard { pick } => {
                self.act_on(INVOICES, "status=draft", pick, "discard", None).await;
            }
            Command::Redraft { pick } => {
                self.act_on(INVOICES, "status=discarded", pick, "redraft", None).await;
            }
            Command::Pay { pick, share, extra } => {
                let found = self.find(INVOICES, "status=issued", pick).await;
                let Some(invoice) = found else { return };
                let (amount, applied) = amounts(&invoice["open"], share, extra);
                let new = json!({
                    "direction": "incoming", "customer_id": invoice["customer_id"],
                    "method": "bank_transfer", "amount": eur(amount),
                    "allocations": [{"invoice_id": invoice["id"], "amount": eur(applied)}]
                });
                self.create(PAYMENTS, new).await;
            }
            Command::Allocate { pick, to, cents } => {
                let payment = self.find(PAYMENTS, "direction=incoming", pick).await;
                let invoice = self.find(INVOICES, "status=issued", to).await;
                let (Some(payment), Some(invoice)) = (payment, invoice) else { return };
                let body = json!({"allocations": [{
                    "invoice_id": invoice["id"], "amount": eur(cents)
                }]});
                self.act(&format!("{PAYMENTS}/{{id}}/allocations"), &payment, Some(body)).await;
            }
            Command::Credit { pick, line, units } => {
                let found = self.find(INVOICES, "status=issued", pick).await;
                let Some(invoice) = found else { return };
                let invoice = self.read(INVOICES, &invoice).await;
                let lines = invoice["lines"].as_array().expect("lines");
                let body = json!({"reason": "Dented", "lines": [{
                    "invoice_line_id": lines[line % lines.len()]["id"],
                    "quantity": units.to_string()
                }]});
                self.act(&format!("{INVOICES}/{{id}}/credit-notes"), &invoice, Some(body)).await;
            }
            Command::CreditAll { pick } => {
                let body = Some(json!({"reason": "All wrong"}));
                self.act_on(INVOICES, "status=issued", pick, "credit-notes", body).await;
            }
            Command::UseCredit { pick, to, cents } => {
                let credit = self.find(CREDITS, "", pick).await;
                let invoice = self.find(INVOICES, "status=issued", to).await;
                let (Some(credit), Some(invoice)) = (credit, invoice) else { return };
                if credit["credit_note_id"].is_string() {
                    let note = json!({"id": credit["credit_note_id"]});
                    let body = json!({"allocations": [{
                        "invoice_id": invoice["id"], "amount": eur(cents)
                    }]});
                    let path = "/api/v1/billing/credit-notes/{id}/allocations";
                    self.act(path, &note, Some(body)).await;
                }
            }
            Command::Refund { pick, cents } => {
                let Some(credit) = self.find(CREDITS, "", pick).await else { return };
                let new = json!({
                    "payment_id": credit["payment_id"], "credit_note_id": credit["credit_note_id"],
                    "amount": eur(cents), "method": "bank_transfer", "reason": "Asked for it"
                });
                self.create(REFUNDS, new).await;
            }
            Command::ReverseRefund { pick } => {
                let body = Some(json!({"reason": "The account was closed"}));
                self.act_on(REFUNDS, "", pick, "reverse", body).await;
            }
            Command::Buy { lines, cents } => {
                let mut lines = self.lines(&lines);
                for line in lines.as_array_mut().into_iter().flatten() {
                    line["unit_price"] = json!(decimal(cents));
                }
                let new = json!({
                    "supplier_id": self.company.supplier_id, "lines": lines,
                    "warehouse_id": self.company.warehouse_id
                });
                let mut order = self.create(PURCHASES, new).await;
                for action in ["approve", "send"] {
                    let Some(made) = order else { return };
                    order = self.act(&format!("{PURCHASES}/{{id}}/{action}"), &made, None).await;
                }
            }
            Command::TakeIn { pick, some } => {
                let Some(order) = self.find(PURCHASES, "status=sent", pick).await else { return };
                let mut new = json!({"purchase_order_id": order["id"]});
                if let Some((line, units)) = some {
                    let order = self.read(PURCHASES, &order).await;
                    let lines = order["lines"].as_array().expect("lines");
                    new["lines"] = json!([{
                        "purchase_order_line_id": lines[line % lines.len()]["id"],
                        "quantity": units.to_string()
                    }]);
                }
                self.create("/api/v1/purchasing/receipts", new).await;
            }
            Command::CancelPurchase { pick } => {
                self.act_on(PURCHASES, "status=sent", pick, "cancel", None).await;
            }
            Command::ClosePurchase { pick } => {
                self.act_on(PURCHASES, "status=sent", pick, "close", None).await;
            }
            Command::Bill { pick, line, units, is_dearer } => {
                let Some(order) = self.find(PURCHASES, "", pick).await else { return };
                let order = self.read(PURCHASES, &order).await;
                let lines = order["lines"].as_array().expect("lines");
                let line = &lines[line % lines.len()];
                let price = if is_dearer { json!("99.99") } else { line["unit_price"].clone() };
                let new = json!({
                    "supplier_id": self.company.supplier_id, "purchase_order_id": order["id"],
                    "supplier_invoice_number": Uuid::now_v7().to_string(), "lines": [{
                        "purchase_order_line_id": line["id"], "quantity": units.to_string(),
                        "unit_price": price
                    }]
                });
                self.create(BILLS, new).await;
            }
            Command::Approve { pick, has_reason } => {
                let Some(bill) = self.find(BILLS, "", pick).await else { return };
                let reason = has_reason.then_some("Agreed by telephone");
                let path = format!("{BILLS}/{{id}}/approve");
                self.call_with_reason(&path, &bill, reason).await;
            }
            Command::Reject { pick } => {
                self.act_on(BILLS, "status=exception", pick, "reject", None).await;
            }
            Command::PayBill { pick, share } => {
                let Some(bill) = self.find(BILLS, "status=approved", pick).await else { return };
                let (amount, applied) = amounts(&bill["open"], share, 0);
                let new = json!({
                    "direction": "outgoing", "supplier_id": bill["supplier_id"],
                    "method": "bank_transfer", "amount": eur(amount),
                    "allocations": [{"bill_id": bill["id"], "amount": eur(applied)}]
                });
                self.create(PAYMENTS, new).await;
            }
        }
    }

    fn lines(&self, items: &[(usize, i64)]) -> Value {
        let line = |(item, units): &(usize, i64)| {
            let product_id = &self.company.product_ids[*item];
            json!({"product_id": product_id, "quantity": units.to_string()})
        };
        items.iter().map(line).collect()
    }

    /// One of those in the list, as it was a moment ago.
    async fn find(&self, list: &str, meant: &str, pick: Pick) -> Option<Value> {
        let filter = if pick.is_multiple_of(4) { "" } else { meant };
        let page = self.api.get(&format!("{list}?limit={IN_SIGHT}&{filter}")).await.ok();
        let found = page["data"].as_array().expect("a page");
        (!found.is_empty()).then(|| found[usize::from(pick / 4) % found.len()].clone())
    }

    async fn read(&self, list: &str, found: &Value) -> Value {
        self.api.get(&format!("{list}/{}", text(&found["id"]))).await.ok()
    }

    async fn order_line(&self, meant: &str, pick: Pick, line: usize) -> Option<(Value, Value)> {
        let order = self.find(ORDERS, meant, pick).await?;
        let order = self.read(ORDERS, &order).await;
        let lines = order["lines"].as_array().expect("lines");
        let line = lines[line % lines.len()].clone();
        Some((order, line))
    }

    async fn create(&self, path: &str, new: Value) -> Option<Value> {
        self.call(Method::POST, path, None, Some(new)).await
    }

    async fn act_on(&self, list: &str, meant: &str, pick: Pick, action: &str, body: Option<Value>) {
        if let Some(found) = self.find(list, meant, pick).await {
            self.act(&format!("{list}/{{id}}/{action}"), &found, body).await;
        }
    }

    async fn act(&self, path: &str, resource: &Value, body: Option<Value>) -> Option<Value> {
        self.call(Method::POST, path, Some(resource), body).await
    }

    async fn call_on_line(&self, path: &str, order: &Value, line: &Value, body: Option<Value>) {
        let ids = [("{id}", text(&order["id"])), ("{line_id}", text(&line["id"]))];
        self.send(Method::POST, path, &ids, Some(order), body, None).await;
    }

    async fn call_with_reason(&self, path: &str, resource: &Value, reason: Option<&str>) {
        let ids = [("{id}", text(&resource["id"]))];
        self.send(Method::POST, path, &ids, Some(resource), None, reason).await;
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        resource: Option<&Value>,
        body: Option<Value>,
    ) -> Option<Value> {
        let id = resource.map(|resource| ("{id}", text(&resource["id"])));
        self.send(method, path, id.as_slice(), resource, body, None).await
    }

    /// Asks for an operation, meant for `resource` as it was seen. A refusal has to be one
    /// that is documented, and never our fault.
    async fn send(
        &self,
        method: Method,
        path: &str,
        ids: &[(&str, String)],
        resource: Option<&Value>,
        body: Option<Value>,
        reason: Option<&str>,
    ) -> Option<Value> {
        let operation = format!("{method} {path}");
        let path = ids.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id));
        let mut request = self.api.request(method.clone(), &path);
        if method == Method::POST {
            request = request.header("Idempotency-Key", Uuid::now_v7().to_string());
        }
        if let Some(resource) = resource.filter(|resource| resource["version"].is_number()) {
            request = request.header("If-Match", etag(resource));
        }
        if let Some(reason) = reason {
            request = request.header("X-Reason", reason);
        }
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = self.api.send(request).await;
        let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
        if answer.status >= 300 {
            let codes = self.documented.0.get(&operation);
            let codes = codes.unwrap_or_else(|| panic!("{operation} is not documented"));
            let is_fine = (400..500).contains(&answer.status) && codes.contains(&code);
            assert!(is_fine, "{operation} {body:?}: {} {:#}", answer.status, answer.body);
        }
        *self.told.lock().expect("whole").entry((operation, answer.status, code)).or_default() += 1;
        (answer.status < 300).then_some(answer.body)
    }
}

fn eur(cents: i64) -> Value {
    json!({"amount": decimal(cents), "currency": "EUR"})
}

fn decimal(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// An amount to pay, a share of what is open and something more, and how much of it to apply.
fn amounts(open: &Value, share: u8, extra: i64) -> (i64, i64) {
    let open: i64 = text(&open["amount"]).replace('.', "").parse().expect("cents");
    let applied = (open * i64::from(share) / 100).max(1);
    (applied + extra, applied)
}
