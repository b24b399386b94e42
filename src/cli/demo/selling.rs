//! One sale, from quotation to cash: each method is one thing somebody does.

use chrono::{Days, NaiveDate};
use kernel::money::Money;
use serde_json::{Value, json};

use super::company::Company;
use super::failure::{InStep, Result};
use super::plan::{Part, Sale, SaleStep, half};
use super::reading::{find_line, is_zero, money, string, text};

/// A sale and the documents it has led to so far, as last seen.
pub(super) struct Selling<'a> {
    company: &'a Company,
    sale: &'a Sale,
    /// Steps that are done.
    done: usize,
    pub quotation: Value,
    pub order: Value,
    pub shipment: Value,
    pub invoice: Value,
    pub payment: Value,
    /// Ids of all invoices.
    invoices: Vec<String>,
}

impl<'a> Selling<'a> {
    pub(super) fn new(company: &'a Company, sale: &'a Sale) -> Self {
        Selling {
            company,
            sale,
            done: 0,
            quotation: Value::Null,
            order: Value::Null,
            shipment: Value::Null,
            invoice: Value::Null,
            payment: Value::Null,
            invoices: Vec::new(),
        }
    }

    /// Whether something of the sale is due by `day`.
    pub(super) fn is_due(&self, day: u32) -> bool {
        self.sale.steps.get(self.done).is_some_and(|(due, _)| *due <= day)
    }

    /// Does what is due by `day`.
    pub(super) async fn run(&mut self, day: u32) -> Result<()> {
        let date = self.company.date(day);
        while self.is_due(day) {
            let step = self.sale.steps[self.done].1;
            self.take(step, date).await?;
            self.done += 1;
            self.company.bar.inc(1);
        }
        Ok(())
    }

    async fn take(&mut self, step: SaleStep, date: NaiveDate) -> Result<()> {
        match step {
            SaleStep::Quote => {
                self.draft_quotation(date).await?;
                self.answer_quotation("send").await
            }
            SaleStep::RejectQuotation => self.answer_quotation("reject").await,
            SaleStep::AcceptQuotation => {
                self.answer_quotation("accept").await?;
                self.order_from_quotation(date).await?;
                self.act_on_order("confirm").await
            }
            SaleStep::Order => {
                self.order(date).await?;
                self.act_on_order("confirm").await
            }
            SaleStep::CancelOrder => self.act_on_order("cancel").await,
            SaleStep::CloseShort => self.act_on_order("close-short").await,
            SaleStep::Ship(part) => {
                self.pack(part, date).await?;
                self.ship().await?;
                self.await_invoice().await?;
                self.issue(date).await
            }
            SaleStep::Return { restock } => self.take_back(restock, date).await,
            SaleStep::Pay(part) => self.pay(part, date).await,
        }
    }

    /// Drafts the quotation. It stays valid beyond today: the server decides by its own
    /// clock whether it can still be accepted.
    pub(super) async fn draft_quotation(&mut self, date: NaiveDate) -> Result<()> {
        let company = self.company;
        let body = json!({
            "customer_id": company.customers[self.sale.customer],
            "warehouse_id": company.warehouses[self.sale.warehouse],
            "quoted_on": date, "valid_until": company.today() + Days::new(30),
            "lines": self.lines(),
        });
        let drafted = company.client.create("sales/quotations", body).await;
        self.quotation = drafted.step(|| "drafting a quotation".into())?;
        company.count("quotations");
        Ok(())
    }

    /// `send`, `accept` or `reject`.
    pub(super) async fn answer_quotation(&mut self, action: &str) -> Result<()> {
        let answered =
            self.company.client.act("sales/quotations", &self.quotation, action, None).await;
        let number = string(&self.quotation["number"]).to_owned();
        self.quotation = answered.step(|| format!("{action} quotation {number}"))?;
        Ok(())
    }

    /// The order takes everything from the quotation; only its date is set afterwards.
    pub(super) async fn order_from_quotation(&mut self, date: NaiveDate) -> Result<()> {
        let client = &self.company.client;
        let number = string(&self.quotation["number"]);
        let step = || format!("ordering from quotation {number}");
        let body = json!({ "quotation_id": self.quotation["id"] });
        self.order = client.create("orders/orders", body).await.step(step)?;
        self.company.count("orders");
        if self.order["ordered_on"] != json!(date) {
            let patch = json!({ "ordered_on": date });
            self.order = client.update("orders/orders", &self.order, patch).await.step(step)?;
        }
        Ok(())
    }

    async fn order(&mut self, date: NaiveDate) -> Result<()> {
        let body = json!({
            "customer_id": self.company.customers[self.sale.customer],
            "warehouse_id": self.company.warehouses[self.sale.warehouse],
            "ordered_on": date, "allow_backorder": self.sale.allow_backorder,
            "lines": self.lines(),
        });
        let ordered = self.company.client.create("orders/orders", body).await;
        self.order = ordered.step(|| "creating an order".into())?;
        self.company.count("orders");
        Ok(())
    }

    /// `confirm`, `cancel` or `close-short`.
    pub(super) async fn act_on_order(&mut self, action: &str) -> Result<()> {
        let number = string(&self.order["number"]).to_owned();
        let done = self.company.client.act("orders/orders", &self.order, action, None).await;
        self.order = done.step(|| format!("{action} order {number}"))?;
        Ok(())
    }

    /// Packs half of the order, or all that is reserved: after a purchase for it, that
    /// takes until the backorder is filled.
    pub(super) async fn pack(&mut self, part: Part, date: NaiveDate) -> Result<()> {
        let path = format!("orders/orders/{}", text(&self.order["id"])?);
        let number = string(&self.order["number"]).to_owned();
        let step = || format!("packing for order {number}");
        let reserved = |order: &Value| {
            let lines = order["lines"].as_array()?;
            let any = lines.iter().any(|line| !is_zero(&line["counters"]["reserved"]));
            any.then(|| order.clone())
        };
        self.order = self.company.client.wait("a reservation", &path, reserved).await.step(step)?;
        let mut body = json!({ "shipped_on": date, "carrier": "DHL" });
        if part == Part::Half {
            let halves: Vec<Value> = self
                .sale
                .lines
                .iter()
                .filter_map(|line| {
                    let quantity = half(line.quantity)?;
                    let order_line = find_line(&self.order, &self.company.products[line.product])?;
                    Some(json!({
                        "order_line_id": order_line["id"], "quantity": quantity.to_string()
                    }))
                })
                .collect();
            body["lines"] = halves.into();
        }
        let packed = self.company.client.create(&format!("{path}/shipments"), body).await;
        self.shipment = packed.step(step)?;
        Ok(())
    }

    pub(super) async fn ship(&mut self) -> Result<()> {
        self.act_on_shipment("ship").await?;
        self.company.count("shipments");
        Ok(())
    }

    pub(super) async fn deliver(&mut self) -> Result<()> {
        self.act_on_shipment("deliver").await
    }

    async fn act_on_shipment(&mut self, action: &str) -> Result<()> {
        let number = string(&self.shipment["number"]).to_owned();
        let done = self.company.client.act("orders/shipments", &self.shipment, action, None).await;
        self.shipment = done.step(|| format!("{action} shipment {number}"))?;
        Ok(())
    }

    /// Waits for the invoice that billing drafts for the shipment.
    pub(super) async fn await_invoice(&mut self) -> Result<()> {
        let number = string(&self.shipment["number"]);
        let path = format!("billing/invoices?shipment_id={}", text(&self.shipment["id"])?);
        let first = |page: &Value| page["data"].get(0).cloned();
        let drafted = self.company.client.wait("an invoice draft", &path, first).await;
        self.invoice = drafted.step(|| format!("invoice for shipment {number}"))?;
        Ok(())
    }

    pub(super) async fn issue(&mut self, date: NaiveDate) -> Result<()> {
        let body = Some(json!({ "issued_on": date }));
        let order = string(&self.order["number"]).to_owned();
        let issued =
            self.company.client.act("billing/invoices", &self.invoice, "issue", body).await;
        self.invoice = issued.step(|| format!("issuing the invoice for order {order}"))?;
        self.invoices.push(text(&self.invoice["id"])?);
        self.company.count("invoices");
        Ok(())
    }

    /// Pays what is open of all invoices, or half of it.
    pub(super) async fn pay(&mut self, part: Part, date: NaiveDate) -> Result<()> {
        let order = string(&self.order["number"]).to_owned();
        let step = || format!("payment for order {order}");
        let mut allocations = Vec::new();
        let mut sum: Option<Money> = None;
        for id in &self.invoices {
            let invoice = self.company.client.get(&format!("billing/invoices/{id}")).await;
            let open = money(&invoice.step(step)?["open"])?;
            let minor = if part == Part::Half { open.minor() / 2 } else { open.minor() };
            if minor > 0 {
                let amount = Money::new(minor, open.currency());
                allocations.push(json!({ "invoice_id": id, "amount": amount }));
                let total = sum.map_or(minor, |sum| sum.minor() + minor);
                sum = Some(Money::new(total, open.currency()));
            }
        }
        // All of it may have been credited.
        let Some(amount) = sum else { return Ok(()) };
        let body = json!({
            "direction": "incoming", "customer_id": self.order["customer"]["id"],
            "amount": amount, "method": "bank_transfer", "received_on": date,
            "allocations": allocations,
        });
        self.payment = self.company.client.create("billing/payments", body).await.step(step)?;
        self.company.count("payments");
        Ok(())
    }

    /// A third of the first line comes back and is credited.
    async fn take_back(&mut self, restock: bool, date: NaiveDate) -> Result<()> {
        let client = &self.company.client;
        let number = string(&self.order["number"]).to_owned();
        let line = &self.sale.lines[0];
        let product = &self.company.products[line.product];
        let quantity = (line.quantity / 3).max(1).to_string();
        let order_line = find_line(&self.order, product);
        let id = order_line.map(|line| line["id"].clone());
        let path = format!("orders/orders/{}/returns", text(&self.order["id"])?);
        let body = json!({
            "lines": [{ "order_line_id": id, "quantity": quantity, "restock": restock }],
            "reason": if restock { "ordered too many" } else { "damaged in transit" },
            "received_on": date,
        });
        client.create(&path, body).await.step(|| format!("return for order {number}"))?;
        self.company.count("returns");
        // Credited where it was invoiced: the last invoice has all or the larger half.
        let invoice_line = find_line(&self.invoice, product);
        let id = invoice_line.map(|line| line["id"].clone());
        let path = format!("billing/invoices/{}/credit-notes", text(&self.invoice["id"])?);
        let body = json!({
            "lines": [{ "invoice_line_id": id, "quantity": quantity }],
            "reason": "goods returned", "issued_on": date,
        });
        client.create(&path, body).await.step(|| format!("credit note for order {number}"))?;
        self.company.count("credit notes");
        Ok(())
    }

    fn lines(&self) -> Vec<Value> {
        let line = |line: &super::plan::Line| {
            json!({
                "product_id": self.company.products[line.product],
                "quantity": line.quantity.to_string(),
            })
        };
        self.sale.lines.iter().map(line).collect()
    }
}
