//! What a sale costs, from quotation to cash, on few orders and on many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::api::Api;
use crate::flow::{Client, Figures};
use crate::postgres::Postgres;
use crate::probe::histogram;
use crate::server::Server;
use crate::stock::Shop;
use crate::world::{World, mix};

const CLIENTS: u64 = 4;
/// Each round on each database; they take turns, so that what else the machine does falls on
/// both.
const ROUNDS: u64 = 3;
const ROUND: Duration = Duration::from_secs(8);
/// What is sold and to whom, spread over all there are.
const PRODUCTS: u64 = 5000;
const CUSTOMERS: u64 = 2000;

/// A database with its server, and what selling there took.
pub struct Market<'a> {
    server: &'a Server,
    shop: Arc<Shop>,
    pub sales: Histogram<u64>,
    pub cpu: Duration,
    pub errors: Vec<String>,
    sold: u64,
}

impl<'a> Market<'a> {
    pub fn new(server: &'a Server, world: &World) -> Self {
        // Every hundredth product and customer is not active.
        let active = |n: &u64| n % 100 != 99;
        let products = (0..PRODUCTS).map(|n| mix(n) % world.scale.products).filter(active);
        let customers = (0..CUSTOMERS).map(|n| mix(n) % world.scale.customers).filter(active);
        let shop = Shop {
            warehouse: world.warehouse_id().to_string(),
            products: products.map(|n| world.product_id(n).to_string()).collect(),
            customers: customers.map(|n| world.customer_id(n).to_string()).collect(),
        };
        Market {
            server,
            shop: Arc::new(shop),
            sales: histogram(),
            cpu: Duration::ZERO,
            errors: Vec::new(),
            sold: 0,
        }
    }

    /// Processor time of the server and of the database, in milliseconds a sale.
    pub fn cpu_ms(&self) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / self.sales.len().max(1) as f64
    }

    async fn sell(&mut self, postgres: &Postgres, counts: bool) -> Result<(), String> {
        let api = Api::sign_in(&self.server.base).await.map_err(|e| e.to_string())?;
        let cpu = || Ok::<_, String>(self.server.cpu()? + postgres.cpu());
        let before = cpu()?;
        let deadline = Instant::now() + ROUND;
        let mut running = JoinSet::new();
        for _ in 0..CLIENTS {
            self.sold += 1;
            let client = Client::new(api.clone(), self.shop.clone(), self.sold);
            running.spawn(client.sell_until(deadline));
        }
        let mut figures = Figures::new();
        while let Some(client) = running.join_next().await {
            figures.add(&client.map_err(|e| e.to_string())?.figures);
        }
        // Of what is told a moment later, too.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let spent = cpu()?.saturating_sub(before);
        for (code, failures) in &figures.errors {
            self.errors.push(format!("{} {code}: {}", failures.count, failures.example));
        }
        if counts {
            let _ = self.sales.add(&figures.sale);
            self.cpu += spent;
        }
        Ok(())
    }
}

/// Sells on both in turns; the first turn only warms them.
pub async fn compare(postgres: &Postgres, markets: &mut [Market<'_>]) -> Result<(), String> {
    for round in 0..=ROUNDS {
        for market in markets.iter_mut() {
            market.sell(postgres, round > 0).await?;
        }
    }
    Ok(())
}
