//! Sales owns whom we sell to and on what terms: customers and their credit, price lists,
//! quotations, and the ledger of what was sold at which margin. It does not own orders or
//! shipments (orders), invoices, payments and tax (billing) or products (inventory).

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
use contracts::sales::{Sales, Served};
use kernel::db::{Db, Migrations, Script};
use kernel::module::ModuleDeps;
use kernel::{Module, Result};
use serde::{Deserialize, Serialize};

use crate::service::Service;

/// The module's name in paths, permissions and events.
pub const NAME: &str = "sales";

/// The module's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How often expired quotations and credit holds are noticed, in seconds.
    pub expiry_interval_s: u64,
    /// How many days a quotation is valid if it does not say itself; 3650 at most count.
    pub quotation_validity_days: u16,
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
        name: "sales",
        sql: include_str!("../../../migrations/sales/0100_tables.sql"),
    },
    Script {
        number: 101,
        name: "sales_triggers",
        sql: include_str!("../../../migrations/sales/0101_triggers.sql"),
    },
    Script {
        number: 102,
        name: "sales_list_indexes",
        sql: include_str!("../../../migrations/sales/0102_list_indexes.sql"),
    },
    Script {
        number: 103,
        name: "sales_order_quantities",
        sql: include_str!("../../../migrations/sales/0103_order_quantities.sql"),
    },
];

/// Opens the module's data and hands out what it offers.
pub async fn build(config: Config, deps: Deps) -> Result<(Module, Arc<dyn Sales>)> {
    let service = Arc::new(open(config, deps).await?);
    let data = web::Data::from(service.clone());
    let module = Module {
        name: NAME,
        db: service.db.clone(),
        routes: Arc::new(move |routes| {
            routes.app_data(data.clone());
            routes::configure(routes);
        }),
        subscriber: service.clone(),
        contract: Arc::new(Served(service.clone())),
        jobs: Service::jobs(&service),
    };
    Ok((module, service))
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
