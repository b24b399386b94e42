//! One purchase, from order to paid bill: each method is one thing somebody does.

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::company::{Company, cents};
use super::failure::{Failure, InStep, Result};
use super::plan::{Part, Purchase, PurchaseStep, half};
use super::reading::{find_line, string, text};

/// A purchase and the documents it has led to so far, as last seen.
pub(super) struct Buying<'a> {
    company: &'a Company,
    purchase: &'a Purchase,
    /// Makes the supplier's invoice numbers unique.
    index: usize,
    /// Steps that are done.
    done: usize,
    pub order: Value,
    pub receipt: Value,
    pub bill: Value,
    pub payment: Value,
}

impl<'a> Buying<'a> {
    pub(super) fn new(company: &'a Company, purchase: &'a Purchase, index: usize) -> Self {
        Buying {
            company,
            purchase,
            index,
            done: 0,
            order: Value::Null,
            receipt: Value::Null,
            bill: Value::Null,
            payment: Value::Null,
        }
    }

    /// Whether something of the purchase is due by `day`.
    pub(super) fn is_due(&self, day: u32) -> bool {
        self.purchase.steps.get(self.done).is_some_and(|(due, _)| *due <= day)
    }

    /// Does what is due by `day`.
    pub(super) async fn run(&mut self, day: u32) -> Result<()> {
        let date = self.company.date(day);
        while self.is_due(day) {
            let step = self.purchase.steps[self.done].1;
            self.take(step, date).await?;
            self.done += 1;
            self.company.bar.inc(1);
        }
        Ok(())
    }

    async fn take(&mut self, step: PurchaseStep, date: NaiveDate) -> Result<()> {
        match step {
            PurchaseStep::Order => {
                self.draft(date).await?;
                self.act("approve").await?;
                self.act("send").await
            }
            PurchaseStep::Receive(part) => {
                self.receive(part, date).await?;
                self.await_stock().await
            }
            PurchaseStep::Bill { too_much } => {
                if too_much {
                    self.enter_bill(10, date).await?;
                    self.reject().await?;
                }
                self.enter_bill(0, date).await?;
                self.approve().await
            }
            PurchaseStep::Pay => self.pay(date).await,
        }
    }

    pub(super) async fn draft(&mut self, date: NaiveDate) -> Result<()> {
        let company = self.company;
        let lines: Vec<Value> = self
            .purchase
            .lines
            .iter()
            .map(|line| {
                json!({
                    "product_id": company.products[line.product],
                    "quantity": line.quantity.to_string(), "unit_price": self.price(line.product, 0),
                })
            })
            .collect();
        let body = json!({
            "supplier_id": company.suppliers[self.purchase.supplier],
            "warehouse_id": company.warehouses[self.purchase.warehouse],
            "ordered_on": date, "lines": lines,
        });
        let drafted = company.client.create("purchasing/purchase-orders", body).await;
        self.order = drafted.step(|| "drafting a purchase order".into())?;
        company.count("purchase orders");
        Ok(())
    }

    /// `approve` or `send`.
    pub(super) async fn act(&mut self, action: &str) -> Result<()> {
        let number = string(&self.order["number"]).to_owned();
        let path = "purchasing/purchase-orders";
        let done = self.company.client.act(path, &self.order, action, None).await;
        self.order = done.step(|| format!("{action} purchase order {number}"))?;
        Ok(())
    }

    /// Receives half of the order or all that is open.
    pub(super) async fn receive(&mut self, part: Part, date: NaiveDate) -> Result<()> {
        let number = string(&self.order["number"]).to_owned();
        let mut body = json!({
            "purchase_order_id": self.order["id"], "received_on": date,
            "delivery_note": format!("LS-{}", 7000 + self.index),
        });
        if part == Part::Half {
            let halves: Vec<Value> = self
                .purchase
                .lines
                .iter()
                .filter_map(|line| {
                    let quantity = half(line.quantity)?;
                    let id = self.line_id(line.product)?;
                    Some(json!({ "purchase_order_line_id": id, "quantity": quantity.to_string() }))
                })
                .collect();
            body["lines"] = halves.into();
        }
        let received = self.company.client.create("purchasing/receipts", body).await;
        self.receipt = received.step(|| format!("receiving purchase order {number}"))?;
        self.company.count("receipts");
        Ok(())
    }

    /// Waits until the goods are in stock.
    pub(super) async fn await_stock(&mut self) -> Result<()> {
        let number = string(&self.receipt["number"]);
        let path = format!("inventory/moves?source_id={}", text(&self.receipt["id"])?);
        let arrived = |page: &Value| page["data"].get(0).map(|_| ());
        let arrived = self.company.client.wait("a stock move", &path, arrived).await;
        arrived.step(|| format!("stock of receipt {number}"))
    }

    /// The supplier's bill for everything ordered, `percent` dearer than agreed. A rejected
    /// one may come again under its number.
    pub(super) async fn enter_bill(&mut self, percent: u32, date: NaiveDate) -> Result<()> {
        let number = string(&self.order["number"]).to_owned();
        let lines: Vec<Value> = self
            .purchase
            .lines
            .iter()
            .map(|line| {
                json!({
                    "purchase_order_line_id": self.line_id(line.product),
                    "quantity": line.quantity.to_string(),
                    "unit_price": self.price(line.product, percent),
                })
            })
            .collect();
        let body = json!({
            "supplier_id": self.company.suppliers[self.purchase.supplier],
            "supplier_invoice_number": format!("RE-{}", 4100 + self.index),
            "purchase_order_id": self.order["id"], "billed_on": date, "lines": lines,
        });
        let step = || format!("bill for purchase order {number}");
        let client = &self.company.client;
        let entered = client.create_once_known("billing/bills", body, "unknown_purchase_order");
        self.bill = entered.await.step(step)?;
        self.company.count("bills");
        if percent == 0 {
            // Billing may hear of the goods a moment after the bill, and matches it then.
            let path = format!("billing/bills/{}", text(&self.bill["id"])?);
            let matched = |bill: &Value| (bill["status"] == "matched").then(|| bill.clone());
            self.bill = client.wait("a matching bill", &path, matched).await.step(step)?;
        } else if self.bill["status"] != "exception" {
            let detail = format!("it is too dear, and still {}", self.bill["status"]);
            return Err(Failure::new("unexpected_match", detail)).step(step);
        }
        Ok(())
    }

    async fn reject(&mut self) -> Result<()> {
        let number = string(&self.order["number"]).to_owned();
        let rejected = self.company.client.act("billing/bills", &self.bill, "reject", None).await;
        self.bill = rejected.step(|| format!("rejecting the bill for {number}"))?;
        Ok(())
    }

    pub(super) async fn approve(&mut self) -> Result<()> {
        let number = string(&self.order["number"]).to_owned();
        let approved = self.company.client.act("billing/bills", &self.bill, "approve", None).await;
        self.bill = approved.step(|| format!("approving the bill for {number}"))?;
        Ok(())
    }

    pub(super) async fn pay(&mut self, date: NaiveDate) -> Result<()> {
        let number = string(&self.order["number"]).to_owned();
        let amount = self.bill["open"].clone();
        let body = json!({
            "direction": "outgoing", "supplier_id": self.bill["supplier_id"], "amount": amount,
            "method": "bank_transfer", "received_on": date,
            "allocations": [{ "bill_id": self.bill["id"], "amount": amount }],
        });
        let paid = self.company.client.create("billing/payments", body).await;
        self.payment = paid.step(|| format!("paying the bill for {number}"))?;
        self.company.count("payments");
        Ok(())
    }

    /// What the product costs on this purchase, `percent` dearer than agreed.
    fn price(&self, product: usize, percent: u32) -> String {
        let agreed = self.company.articles[product].cost_cents * self.purchase.price_percent / 100;
        cents(agreed * (100 + percent) / 100)
    }

    fn line_id(&self, product: usize) -> Option<&Value> {
        find_line(&self.order, &self.company.products[product]).map(|line| &line["id"])
    }
}
