//! A warehouse at work: receipts, a stock take, promises to many at once, and a late cost.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::probe::{Probe, histogram};
use crate::report::{Bar, Report};

const API: &str = "/api/v1/inventory";
const LINES: usize = 5000;
const COUNTED: usize = 3500;
const CLIENTS: usize = 32;
/// How long many reserve at once.
const SPAN: Duration = Duration::from_secs(10);
/// How often somebody does who looks at what comes of it.
const PACE: Duration = Duration::from_millis(250);
/// Of a hot product there is so much that it runs out on a fast machine only.
const HOT: usize = 20_000;
/// Moves that a cost comes later than.
const LATER_MOVES: usize = 22_000;

/// A warehouse, and the products in it.
pub struct Shop {
    warehouse: Value,
    products: Vec<Value>,
}

impl Shop {
    pub async fn open(probe: &mut Probe) -> Result<Shop, String> {
        let warehouse = json!({ "code": "MAIN", "name": "Main" });
        let warehouse = probe.post(&format!("{API}/warehouses"), &warehouse).await?.body;
        let mut products = Vec::with_capacity(LINES + 2);
        let mut cursor = String::new();
        while products.len() < LINES + 2 {
            let path = format!("{API}/products?sort=created_at&limit=200{cursor}");
            let page = probe.get(&path).await?.body;
            let rows = page["data"].as_array().ok_or("no products")?;
            products.extend(rows.iter().map(|row| row["id"].clone()));
            let next = page["page"]["next_cursor"].as_str().ok_or("too few products")?;
            cursor = format!("&cursor={next}");
        }
        Ok(Shop { warehouse: warehouse["id"].clone(), products })
    }

    async fn receipt<'a>(
        &self,
        probe: &mut Probe,
        products: impl Iterator<Item = &'a Value>,
        quantity: &str,
    ) -> Result<(Value, u64), String> {
        let lines: Vec<_> = products
            .map(|id| json!({ "product_id": id, "quantity": quantity, "unit_cost": "2.50" }))
            .collect();
        let body = json!({ "warehouse_id": self.warehouse, "reason": "bench", "lines": lines });
        let done = probe.post(&format!("{API}/receipts"), &body).await?;
        Ok((done.body, done.micros))
    }

    pub async fn receive(&self, report: &mut Report, probe: &mut Probe) -> Result<(), String> {
        let mut times = histogram();
        for _ in 0..3 {
            let (_, micros) = self.receipt(probe, self.products[..LINES].iter(), "100").await?;
            times.saturating_record(micros);
        }
        report.times("receive 5000 lines", &times, 2000.0);
        Ok(())
    }

    /// A stock take from the list to the books.
    pub async fn count(&self, report: &mut Report, probe: &mut Probe) -> Result<(), String> {
        let roles = probe.get("/api/v1/auth/roles").await?.body;
        let roles = roles["data"].as_array().ok_or("no roles")?;
        let role = roles.iter().find(|role| role["name"] == "warehouse").ok_or("no such role")?;
        let password = "a password for the colleague";
        let user = json!({
            "username": "wilma", "name": "Wilma", "password": password, "role_ids": [role["id"]]
        });
        probe.post("/api/v1/auth/users", &user).await?;
        let mut colleague = probe.signed_in_as("wilma", password).await?;
        let begun = Instant::now();
        let listed = &self.products[..COUNTED];
        let body = json!({ "warehouse_id": self.warehouse, "product_ids": listed });
        let mut count = probe.post(&format!("{API}/stock-counts"), &body).await?.body;
        let path = format!("{API}/stock-counts/{}", count["id"].as_str().ok_or("no id")?);
        for some in listed.chunks(1000) {
            let lines: Vec<_> =
                some.iter().map(|id| json!({ "product_id": id, "quantity": "299" })).collect();
            let body = json!({ "lines": lines });
            count = probe.post(&format!("{path}/record"), &body).await?.body;
        }
        let count = probe.act(&format!("{path}/submit"), &count["version"]).await?.body;
        colleague.act(&format!("{path}/approve"), &count["version"]).await?;
        let took = begun.elapsed().as_secs_f64();
        report.figure("stock take of 3500 lines", took, "s", Some(Bar::Below(2.0)));
        Ok(())
    }

    /// Many promise at once: each of a product of its own, at a pace and as fast as they can,
    /// then all of the same one.
    pub async fn reserve(&self, report: &mut Report, probe: &mut Probe) -> Result<(), String> {
        for (name, pace) in [
            ("reserve, 32 clients, 4 a second each", Some(PACE)),
            ("reserve, 32 clients, each of its own", None),
        ] {
            let until = Instant::now() + SPAN;
            let clients = (0..CLIENTS).map(|n| {
                let products = self.products[..LINES].iter().skip(n).step_by(CLIENTS).cycle();
                self.reserving(probe.clone(), products, until, pace.map(|pace| (pace, n)))
            });
            let outcomes = try_join_all(clients).await?;
            let mut times = histogram();
            for (own, _) in &outcomes {
                times.add(own).map_err(|e| e.to_string())?;
            }
            report.times(name, &times, 5.0);
            let per_s = times.len() as f64 / SPAN.as_secs_f64();
            report.figure("of which a second", per_s, "/s", None);
        }
        let hot = &self.products[LINES..=LINES];
        self.receipt(probe, hot.iter(), &HOT.to_string()).await?;
        let begun = Instant::now();
        let clients = (0..CLIENTS)
            .map(|_| self.reserving(probe.clone(), hot.iter().cycle(), begun + SPAN, None));
        let outcomes = try_join_all(clients).await?;
        let done: u64 = outcomes.iter().map(|(times, _)| times.len()).sum();
        let refused: u64 = outcomes.iter().map(|(_, refused)| refused).sum();
        let per_s = done as f64 / begun.elapsed().as_secs_f64();
        let name = "reservations of one product, 32 clients";
        report.figure(name, per_s, "/s", Some(Bar::AtLeast(500.0)));
        report.figure("of which refused with 409", refused as f64, "", None);
        Ok(())
    }

    /// How long each reservation took, and how many were refused. Whatever else goes wrong ends
    /// the run.
    async fn reserving<'a>(
        &self,
        mut probe: Probe,
        products: impl Iterator<Item = &'a Value>,
        until: Instant,
        pace: Option<(Duration, usize)>,
    ) -> Result<(Histogram<u64>, u64), String> {
        let (mut times, mut refused) = (histogram(), 0);
        // Those who keep a pace do not all begin at the same moment.
        let mut ticks = pace.map(|(pace, n)| {
            let first = Instant::now() + pace * n as u32 / CLIENTS as u32;
            tokio::time::interval_at(first.into(), pace)
        });
        for product in products {
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            if Instant::now() > until {
                break;
            }
            let body = json!({
                "warehouse_id": self.warehouse, "product_id": product, "quantity": "1",
                "ttl_s": 3600, "note": "bench"
            });
            match probe.post(&format!("{API}/reservations"), &body).await {
                Ok(done) => times.saturating_record(done.micros),
                Err(error) if error.contains(" 409 ") => refused += 1,
                Err(error) => return Err(error),
            }
        }
        Ok((times, refused))
    }

    /// A cost of the first receipt of a product much has moved of since.
    pub async fn late_cost(&self, report: &mut Report, probe: &mut Probe) -> Result<(), String> {
        let product = &self.products[LINES + 1];
        let (first, _) = self.receipt(probe, [product].into_iter(), "1").await?;
        let mut left = LATER_MOVES;
        while left > 0 {
            let some = left.min(LINES);
            self.receipt(probe, std::iter::repeat_n(product, some), "1").await?;
            left -= some;
        }
        let body = json!({
            "source_id": first["id"], "amount": { "amount": "3.00", "currency": "EUR" },
            "basis": "value", "reason": "freight"
        });
        let mut times = histogram();
        for _ in 0..20 {
            let done = probe.post(&format!("{API}/landed-costs"), &body).await?;
            times.saturating_record(done.micros);
        }
        report.times("late cost before 22000 moves", &times, 50.0);
        Ok(())
    }
}
