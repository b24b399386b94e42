//! The trading company: its master data, made through the API, and what the rest of the
//! demo needs to know of it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use chrono::{Days, NaiveDate, Utc};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::catalogue::{
    Article, CUSTOMER_NAMES, CUSTOMER_TRADES, CUSTOMERS, PRODUCTS, RANGES, SUPPLIERS, WAREHOUSES,
    articles,
};
use super::client::Client;
use super::failure::{InStep, Result};
use super::plan::DAYS;
use super::reading::text;

/// Requests under way at a time, for documents that do not depend on each other.
pub(super) const CONCURRENCY: usize = 4;
/// Requests that [`Company::found`] makes, for the progress bar.
pub(super) const MASTER_DATA: usize = PRODUCTS + CUSTOMERS + SUPPLIERS + WAREHOUSES.len() + 2;

/// A company on the server.
pub(super) struct Company {
    pub client: Client,
    pub currency: String,
    /// Distinguishes the codes of this run: empty for the first one on a server.
    pub suffix: String,
    pub articles: Vec<Article>,
    /// Ids, in the order of the catalogue.
    pub products: Vec<String>,
    pub warehouses: Vec<String>,
    pub suppliers: Vec<String>,
    pub customers: Vec<String>,
    pub bar: ProgressBar,
    calendar: Calendar,
    made: Mutex<BTreeMap<&'static str, u32>>,
}

/// Which date a day of the plan is.
struct Calendar {
    start: NaiveDate,
    today: NaiveDate,
}

impl Calendar {
    /// Issued invoices have dates that never go back, so a history cannot begin before
    /// the last one on the server; what is left of the quarter is then compressed.
    fn date(&self, day: u32) -> NaiveDate {
        let span = (self.today - self.start).num_days().max(0) as u64;
        self.start + Days::new(span * u64::from(day) / u64::from(DAYS))
    }
}

impl Company {
    /// Creates warehouses, products, suppliers, a price list and customers.
    pub(super) async fn found(client: Client, bar: ProgressBar) -> Result<Company> {
        let balance = client.get("billing/trial-balance").await.step(|| "currency".into())?;
        let currency = text(&balance["difference"]["currency"])?;
        let today = Utc::now().date_naive();
        let start = last_issue(&client).await.step(|| "last invoice".into())?;
        let start = start.map_or(today - Days::new(u64::from(DAYS)), |last| {
            last.clamp(today - Days::new(u64::from(DAYS)), today)
        });
        let mut company = Company {
            suffix: String::new(),
            currency,
            articles: articles(),
            products: Vec::new(),
            warehouses: Vec::new(),
            suppliers: Vec::new(),
            customers: Vec::new(),
            bar,
            calendar: Calendar { start, today },
            made: Mutex::default(),
            client,
        };
        company.create_warehouses().await?;
        company.products = company.create_all("inventory/products", PRODUCTS, new_product).await?;
        company.suppliers =
            company.create_all("purchasing/suppliers", SUPPLIERS, new_supplier).await?;
        let price_list = company.create_price_list().await?;
        company.customers = company
            .create_all("sales/customers", CUSTOMERS, |company, i| {
                new_customer(company, i, &price_list)
            })
            .await?;
        Ok(company)
    }

    pub(super) fn date(&self, day: u32) -> NaiveDate {
        self.calendar.date(day)
    }

    pub(super) fn today(&self) -> NaiveDate {
        self.calendar.today
    }

    pub(super) fn start(&self) -> NaiveDate {
        self.calendar.start
    }

    /// Counts a document that was made.
    pub(super) fn count(&self, kind: &'static str) {
        if let Ok(mut made) = self.made.lock() {
            *made.entry(kind).or_default() += 1;
        }
    }

    /// How many documents of which kind were made so far.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, u32> {
        self.made.lock().map(|made| made.clone()).unwrap_or_default()
    }

    /// The warehouses come first: their codes say how often the demo has run here.
    async fn create_warehouses(&mut self) -> Result<()> {
        let taken = self.client.list("inventory/warehouses").await.step(|| "warehouses".into())?;
        let is_taken = |code: &str| taken.iter().any(|warehouse| warehouse["code"] == code);
        let mut run = 1;
        while is_taken(&format!("{}{}", WAREHOUSES[0].0, self.suffix)) {
            run += 1;
            self.suffix = format!("-{run}");
        }
        for (code, name) in WAREHOUSES {
            let code = format!("{code}{}", self.suffix);
            let body = json!({ "code": code, "name": format!("{name}{}", self.suffix) });
            let created = self.client.create("inventory/warehouses", body).await;
            let created = created.step(|| format!("warehouse {code}"))?;
            self.warehouses.push(text(&created["id"])?);
            self.bar.inc(1);
        }
        Ok(())
    }

    /// Creates `count` resources, several at a time; their ids come in order.
    async fn create_all(
        &self,
        path: &'static str,
        count: usize,
        body: impl Fn(&Company, usize) -> Value,
    ) -> Result<Vec<String>> {
        let body = &body;
        stream::iter(0..count)
            .map(async |i| {
                let body = body(self, i);
                let created = self.client.create(path, body).await;
                let created = created.step(|| format!("creating number {} of {path}", i + 1))?;
                self.bar.inc(1);
                text(&created["id"])
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// Prices for one, for ten and for fifty.
    async fn create_price_list(&self) -> Result<String> {
        let code = format!("LIST{}", self.suffix);
        let body = json!({
            "code": code, "name": format!("List prices{}", self.suffix), "currency": self.currency,
            "is_default": false,
        });
        let list = self.client.create("sales/price-lists", body).await;
        let list = list.step(|| format!("price list {code}"))?;
        self.bar.inc(1);
        let mut prices = Vec::new();
        for (article, product_id) in self.articles.iter().zip(&self.products) {
            for (min_quantity, percent) in [("1", 100), ("10", 94), ("50", 88)] {
                prices.push(json!({
                    "product_id": product_id, "min_quantity": min_quantity,
                    "unit_price": cents(article.price_cents() * percent / 100),
                }));
            }
        }
        let id = text(&list["id"])?;
        let path = format!("sales/price-lists/{id}/prices");
        let body = json!({ "prices": prices });
        let put = self.client.put(&path, &list["version"], body).await;
        put.step(|| format!("prices of {code}"))?;
        self.bar.inc(1);
        Ok(id)
    }
}

fn new_product(company: &Company, i: usize) -> Value {
    let article = &company.articles[i];
    json!({
        "sku": format!("{}{}", article.sku, company.suffix), "name": article.name,
        "unit": article.unit, "tax_class": article.tax_class,
    })
}

fn new_supplier(company: &Company, i: usize) -> Value {
    json!({
        "name": RANGES[i].supplier, "payment_terms_days": payment_terms_days(i),
        "currency": company.currency,
        "address": address(i, "50667", RANGES[i].city),
    })
}

fn new_customer(company: &Company, i: usize, price_list: &str) -> Value {
    let (name, postal_code, city) = CUSTOMER_NAMES[i / CUSTOMER_TRADES.len()];
    let trade = CUSTOMER_TRADES[i % CUSTOMER_TRADES.len()];
    // Every third one buys on a limit that a quarter does not reach.
    let credit_limit =
        i.is_multiple_of(3).then(|| json!({ "amount": "250000", "currency": company.currency }));
    json!({
        "name": format!("{name} {trade}"), "currency": company.currency,
        "payment_terms_days": payment_terms_days(i), "credit_limit": credit_limit,
        "billing_address": address(i, postal_code, city), "price_list_id": price_list,
    })
}

fn payment_terms_days(i: usize) -> u32 {
    if i.is_multiple_of(2) { 14 } else { 30 }
}

fn address(i: usize, postal_code: &str, city: &str) -> Value {
    json!({
        "line1": format!("Werkstrasse {}", i + 1), "postal_code": postal_code, "city": city,
        "country": "DE",
    })
}

/// The latest date an invoice or a credit note on this server carries.
async fn last_issue(client: &Client) -> Result<Option<NaiveDate>> {
    let mut last = None;
    for path in ["billing/invoices", "billing/credit-notes"] {
        for document in client.list(path).await? {
            let issued_on = document["issued_on"].as_str().and_then(|text| text.parse().ok());
            last = last.max(issued_on);
        }
    }
    Ok(last)
}

/// A decimal string of an amount in cents.
pub(super) fn cents(amount: u32) -> String {
    format!("{}.{:02}", amount / 100, amount % 100)
}
