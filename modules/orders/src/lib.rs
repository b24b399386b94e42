//! Orders owns what customers want of us: orders and where each unit of them is, the
//! shipments that take goods to them and the returns that bring goods back. It does not
//! own prices and credit (sales), stock (inventory) or invoices (billing).

mod entities;
mod error;
mod events;
mod routes;
mod service;

use std::sync::Arc;

use actix_web::web;
use contracts::billing::Billing;
use contracts::inventory::Inventory;
use contracts::sales::Sales;
use kernel::db::{Db, Migrations, Script};
use kernel::module::ModuleDeps;
use kernel::{Error, Module, Result};
use serde::{Deserialize, Serialize};

use crate::service::Service;

/// The module's name in paths, permissions and events.
pub const NAME: &str = "orders";

/// The module's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How long credit and stock are held for an order that is being confirmed, in
    /// seconds: 60 to 86 400. A confirmation takes far less; this is how long what a
    /// crashed one held is out of reach.
    pub hold_ttl_s: u64,
}

impl Config {
    /// What cannot be used of it, beyond its types: the setting, and why.
    pub fn check(&self) -> Result<(), (String, String)> {
        match self.hold_ttl_s {
            60..=86_400 => Ok(()),
            _ => Err(("orders.hold_ttl_s".into(), "must be 60 to 86400".into())),
        }
    }
}

/// What the module needs of others.
pub struct Deps {
    pub module: ModuleDeps,
    pub sales: Arc<dyn Sales>,
    pub inventory: Arc<dyn Inventory>,
    pub billing: Arc<dyn Billing>,
}

/// The scripts of its schema.
pub const MIGRATIONS: Migrations = &[
    Script {
        number: 100,
        name: "orders",
        sql: include_str!("../../../migrations/orders/0100_tables.sql"),
    },
    Script {
        number: 101,
        name: "orders_triggers",
        sql: include_str!("../../../migrations/orders/0101_triggers.sql"),
    },
    Script {
        number: 102,
        name: "orders_events_index",
        sql: include_str!("../../../migrations/orders/0102_events_index.sql"),
    },
    Script {
        number: 103,
        name: "orders_promises",
        sql: include_str!("../../../migrations/orders/0103_promises.sql"),
    },
    Script {
        number: 104,
        name: "orders_refunded",
        sql: include_str!("../../../migrations/orders/0104_refunded.sql"),
    },
];

/// Opens the module's data and hands out what it offers.
pub async fn build(config: Config, deps: Deps) -> Result<Module> {
    let service = Arc::new(service(config, deps).await?);
    let data = web::Data::from(service.clone());
    Ok(Module {
        name: NAME,
        db: service.db.clone(),
        routes: Arc::new(move |routes| {
            routes.app_data(data.clone());
            routes::configure(routes);
        }),
        subscriber: service.clone(),
        contract: service.clone(),
        jobs: Service::jobs(&service),
    })
}

async fn service(config: Config, deps: Deps) -> Result<Service> {
    config.check().map_err(|(key, why)| Error::internal(format!("{key}: {why}")))?;
    let db = Db::open(NAME, MIGRATIONS, &deps.module).await?;
    let Deps { sales, inventory, billing, .. } = deps;
    Ok(Service { db, config, sales, inventory, billing })
}
