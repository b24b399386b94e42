//! A client that sells, one whole sale after the other, and notes how long each took.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::api::{Api, Problem, Result, text};
use crate::stock::Shop;

/// What a sale consists of, in order. The read is not part of it.
pub const STEPS: [&str; 11] = [
    "draft quotation",
    "send quotation",
    "accept quotation",
    "order from quotation",
    "confirm order",
    "pack shipment",
    "ship",
    "wait for invoice draft",
    "issue invoice",
    "take payment",
    "read product",
];
const READ: usize = STEPS.len() - 1;
/// Longest wait for the invoice that follows a shipment.
const INVOICE_LIMIT: Duration = Duration::from_secs(10);
/// How often a client asks for it.
const INVOICE_POLL: Duration = Duration::from_millis(4);

/// Durations in microseconds, and errors by code.
pub struct Figures {
    pub sale: Histogram<u64>,
    pub steps: Vec<Histogram<u64>>,
    /// Reads while nobody sells.
    pub quiet_reads: Histogram<u64>,
    pub errors: BTreeMap<String, Failures>,
}

/// How often something failed, and how it did the first time.
#[derive(Default)]
pub struct Failures {
    pub count: u64,
    pub example: String,
}

impl Figures {
    pub fn new() -> Self {
        Figures {
            sale: histogram(),
            steps: STEPS.iter().map(|_| histogram()).collect(),
            quiet_reads: histogram(),
            errors: BTreeMap::new(),
        }
    }

    pub fn add(&mut self, other: &Figures) {
        // Of the same shape: adding them cannot fail.
        let _ = self.sale.add(&other.sale);
        let _ = self.quiet_reads.add(&other.quiet_reads);
        for (sum, steps) in self.steps.iter_mut().zip(&other.steps) {
            let _ = sum.add(steps);
        }
        for (code, failures) in &other.errors {
            self.add_failures(code, failures.count, &failures.example);
        }
    }

    fn add_failures(&mut self, code: &str, count: u64, example: &str) {
        let failures = self.errors.entry(code.to_owned()).or_default();
        if failures.count == 0 {
            failures.example = example.to_owned();
        }
        failures.count += count;
    }

    /// Whole sales.
    pub fn flows(&self) -> u64 {
        self.sale.len()
    }

    pub fn read(&self) -> &Histogram<u64> {
        &self.steps[READ]
    }
}

/// Three digits are kept, whatever the length.
#[expect(clippy::expect_used, reason = "the number of digits is a constant in its range")]
fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("3 is between 0 and 5")
}

fn note(histogram: &mut Histogram<u64>, since: Instant) {
    // It grows with its values, so that none is beyond it.
    let _ = histogram.record(since.elapsed().as_micros() as u64);
}

/// Who sells.
pub struct Client {
    api: Api,
    shop: Arc<Shop>,
    random: u64,
    /// The order of the last whole sale.
    pub last_order: Option<String>,
    pub figures: Figures,
}

impl Client {
    pub fn new(api: Api, shop: Arc<Shop>, number: u64) -> Self {
        let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
        Client { api, shop, random, last_order: None, figures: Figures::new() }
    }

    /// Begins sales until `deadline` and finishes the last one.
    pub async fn sell_until(mut self, deadline: Instant) -> Self {
        while Instant::now() < deadline {
            let started = Instant::now();
            match self.sell().await {
                Ok(order) => {
                    note(&mut self.figures.sale, started);
                    self.last_order = Some(order);
                }
                Err(problem) => {
                    self.figures.add_failures(&problem.code, 1, &problem.detail);
                    // So that a server that refuses everything is not flooded.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            if let Some(took) = self.read().await {
                let _ = self.figures.steps[READ].record(took);
            }
        }
        self
    }

    /// Reads, one product after the other, until `deadline`.
    pub async fn read_until(mut self, deadline: Instant) -> Self {
        while Instant::now() < deadline {
            if let Some(took) = self.read().await {
                let _ = self.figures.quiet_reads.record(took);
            }
        }
        self
    }

    async fn sell(&mut self) -> Result<String> {
        let api = self.api.clone();
        let body = self.draw();
        let mut step = Stopwatch::start();
        let quotation = api.post("sales/quotations", &body).await?;
        step.done(&mut self.figures);
        let quotation = api.act("sales/quotations", &quotation, "send", None).await?;
        step.done(&mut self.figures);
        let quotation = api.act("sales/quotations", &quotation, "accept", None).await?;
        step.done(&mut self.figures);
        let body = json!({ "quotation_id": quotation["id"] });
        let order = api.post("orders/orders", &body).await?;
        step.done(&mut self.figures);
        let order = api.act("orders/orders", &order, "confirm", None).await?;
        step.done(&mut self.figures);
        let order_id = text(&order["id"])?;
        let path = format!("orders/orders/{order_id}/shipments");
        let shipment = api.post(&path, &json!({})).await?;
        step.done(&mut self.figures);
        let shipment = api.act("orders/shipments", &shipment, "ship", None).await?;
        step.done(&mut self.figures);
        let invoice = drafted_invoice(&api, &shipment).await?;
        step.done(&mut self.figures);
        let today = json!({});
        let invoice = api.act("billing/invoices", &invoice, "issue", Some(&today)).await?;
        step.done(&mut self.figures);
        let amount = &invoice["open"];
        let body = json!({
            "direction": "incoming", "customer_id": invoice["customer_id"], "amount": amount,
            "method": "bank_transfer",
            "allocations": [{ "invoice_id": invoice["id"], "amount": amount }],
        });
        api.post("billing/payments", &body).await?;
        step.done(&mut self.figures);
        Ok(order_id)
    }

    /// Reads a product, and returns how many microseconds that took.
    async fn read(&mut self) -> Option<u64> {
        let product = self.below(self.shop.products.len());
        let path = format!("inventory/products/{}", self.shop.products[product]);
        let started = Instant::now();
        match self.api.get(&path).await {
            Ok(_) => Some(started.elapsed().as_micros() as u64),
            Err(problem) => {
                self.figures.add_failures(&problem.code, 1, &problem.detail);
                None
            }
        }
    }

    /// Three different products for some customer.
    fn draw(&mut self) -> Value {
        let count = self.shop.products.len();
        let first = self.below(count);
        let lines: Vec<Value> = [0, 1 + self.below(40), 41 + self.below(40)]
            .into_iter()
            .map(|offset| {
                let product = &self.shop.products[(first + offset) % count];
                json!({ "product_id": product, "quantity": (1 + self.below(12)).to_string() })
            })
            .collect();
        let customer = self.below(self.shop.customers.len());
        json!({
            "customer_id": self.shop.customers[customer], "warehouse_id": self.shop.warehouse,
            "lines": lines,
        })
    }

    /// `xorshift64*` (Vigna 2016): the same sales in every run.
    fn below(&mut self, count: usize) -> usize {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % count
    }
}

/// Asks until billing has drafted the shipment's invoice.
async fn drafted_invoice(api: &Api, shipment: &Value) -> Result<Value> {
    let path = format!("billing/invoices?shipment_id={}", text(&shipment["id"])?);
    let deadline = Instant::now() + INVOICE_LIMIT;
    loop {
        tokio::time::sleep(INVOICE_POLL).await;
        let page = api.get(&path).await?;
        if let Some(invoice) = page["data"].get(0) {
            return Ok(invoice.clone());
        }
        if Instant::now() > deadline {
            return Err(Problem::new("no_invoice_drafted", "the invoice did not come"));
        }
    }
}

/// Notes how long each step took since the one before.
struct Stopwatch {
    step: usize,
    since: Instant,
}

impl Stopwatch {
    fn start() -> Self {
        Stopwatch { step: 0, since: Instant::now() }
    }

    fn done(&mut self, figures: &mut Figures) {
        note(&mut figures.steps[self.step], self.since);
        self.step += 1;
        self.since = Instant::now();
    }
}
