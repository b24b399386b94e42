//! Purchasing owns what we buy and from whom: suppliers, purchase orders and receipts. It
//! does not own stock and its value (inventory), suppliers' bills and what we owe (billing)
//! or products (inventory).

mod entities;
mod error;
mod events;
mod routes;
mod service;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use actix_web::web;
use contracts::billing::Billing;
use contracts::inventory::Inventory;
use kernel::db::{Db, Migrations, Script};
use kernel::module::ModuleDeps;
use kernel::{Module, Result};
use serde::{Deserialize, Serialize};

use crate::service::Service;

/// The module's name in paths, permissions and events.
pub const NAME: &str = "purchasing";

/// The module's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether somebody else must approve a purchase order than who entered or changed it.
    #[serde(default)]
    pub four_eyes: bool,
}

/// What the module needs of others.
pub struct Deps {
    pub module: ModuleDeps,
    /// What a product and a warehouse are.
    pub inventory: Arc<dyn Inventory>,
    /// Totals and taxes.
    pub billing: Arc<dyn Billing>,
}

/// The scripts of its schema.
pub const MIGRATIONS: Migrations = &[
    Script {
        number: 100,
        name: "purchasing",
        sql: include_str!("../../../migrations/purchasing/0100_tables.sql"),
    },
    Script {
        number: 101,
        name: "purchasing_triggers",
        sql: include_str!("../../../migrations/purchasing/0101_triggers.sql"),
    },
    Script {
        number: 102,
        name: "supplier_bank_accounts",
        sql: include_str!("../../../migrations/purchasing/0102_supplier_bank_accounts.sql"),
    },
];

/// Opens the module's data and hands out what it offers.
pub async fn build(config: Config, deps: Deps) -> Result<Module> {
    let service = Arc::new(open(config, deps).await?);
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
        // Nothing here happens by the clock.
        jobs: Vec::new(),
    })
}

async fn open(config: Config, deps: Deps) -> Result<Service> {
    Ok(Service {
        db: Db::open(NAME, MIGRATIONS, &deps.module).await?,
        config,
        company: deps.module.company,
        inventory: deps.inventory,
        billing: deps.billing,
    })
}
