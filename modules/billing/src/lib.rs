//! Billing owns what is owed and the books: tax rates, invoices, credit notes, payments,
//! suppliers' bills and the double-entry journal behind all of them. It does not own orders
//! (orders), stock (inventory) or who customers and suppliers are (sales, purchasing).

mod entities;
mod error;
mod events;
mod routes;
mod service;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use actix_web::web;
use contracts::billing::{Billing, RoundingMode, Served};
use kernel::db::{Db, Migrations, Script};
use kernel::module::ModuleDeps;
use kernel::money::Percent;
use kernel::{Module, Result};
use serde::{Deserialize, Serialize};

use crate::service::Service;

/// The module's name in paths, permissions and events.
pub const NAME: &str = "billing";

/// The module's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where tax is rounded: `per_document` or `per_line`. Frozen on each document.
    pub rounding_mode: RoundingMode,
    /// How far, in percent, a billed price may be from the ordered one before
    /// the bill is an exception.
    pub price_tolerance: Percent,
    /// Whether somebody else must approve a bill than who entered it.
    #[serde(default)]
    pub four_eyes: bool,
}

/// What the module needs of others.
pub struct Deps {
    pub module: ModuleDeps,
}

/// The scripts of its schema.
pub const MIGRATIONS: Migrations = &[
    Script {
        number: 100,
        name: "billing",
        sql: include_str!("../../../migrations/billing/0100_tables.sql"),
    },
    Script {
        number: 101,
        name: "billing_triggers",
        sql: include_str!("../../../migrations/billing/0101_triggers.sql"),
    },
    Script {
        number: 102,
        name: "billing_list_indexes",
        sql: include_str!("../../../migrations/billing/0102_list_indexes.sql"),
    },
    Script {
        number: 103,
        name: "account_balance_parts",
        sql: include_str!("../../../migrations/billing/0103_account_balance_parts.sql"),
    },
    Script {
        number: 104,
        name: "period_locks",
        sql: include_str!("../../../migrations/billing/0104_period_locks.sql"),
    },
    Script {
        number: 105,
        name: "redraft",
        sql: include_str!("../../../migrations/billing/0105_redraft.sql"),
    },
    Script {
        number: 106,
        name: "parties",
        sql: include_str!("../../../migrations/billing/0106_parties.sql"),
    },
    Script {
        number: 107,
        name: "reversals",
        sql: include_str!("../../../migrations/billing/0107_reversals.sql"),
    },
    Script {
        number: 108,
        name: "customer_credit",
        sql: include_str!("../../../migrations/billing/0108_customer_credit.sql"),
    },
    Script {
        number: 109,
        name: "refund_reversals",
        sql: include_str!("../../../migrations/billing/0109_refund_reversals.sql"),
    },
];

/// Opens the module's data and hands out what it offers.
pub async fn build(config: Config, deps: Deps) -> Result<(Module, Arc<dyn Billing>)> {
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
        // Nothing here happens by the clock.
        jobs: Vec::new(),
    };
    Ok((module, service))
}

async fn open(config: Config, deps: Deps) -> Result<Service> {
    let db = Db::open(NAME, MIGRATIONS, &deps.module).await?;
    let service = Service { db, config, company: deps.module.company };
    service.seed_tax_rates().await?;
    Ok(service)
}
