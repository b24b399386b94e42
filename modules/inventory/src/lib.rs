//! Inventory owns what there is and where: products, warehouses, stock moves, what is
//! on hand, what is reserved and what it cost. It does not own prices (sales), suppliers
//! (purchasing) or the books (billing).

mod entities;
mod error;
mod events;
mod routes;
mod service;

use std::sync::Arc;

use actix_web::web;
use contracts::inventory::{Inventory, Served};
use kernel::db::{Db, Migrations, Script};
use kernel::module::ModuleDeps;
use kernel::{Module, Result};
use serde::{Deserialize, Serialize};

use crate::service::Service;

/// The module's name in paths, permissions and events.
pub const NAME: &str = "inventory";

/// The module's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How often expired reservations are given back, in seconds; at least 1.
    pub expiry_interval_s: u64,
    /// The largest file that can be imported, in bytes.
    pub import_max_bytes: u64,
    /// How long the file of an export is kept, in days.
    pub export_kept_days: u16,
    /// Days after which goods of a purchase order without a date are expected.
    pub lead_time_days: u16,
}

/// What the module needs of others.
pub struct Deps {
    pub module: ModuleDeps,
}

/// The scripts of its schema.
pub const MIGRATIONS: Migrations = &[
    Script {
        number: 100,
        name: "inventory",
        sql: include_str!("../../../migrations/inventory/0100_tables.sql"),
    },
    Script {
        number: 101,
        name: "inventory_triggers",
        sql: include_str!("../../../migrations/inventory/0101_triggers.sql"),
    },
    Script {
        number: 102,
        name: "inventory_list_indexes",
        sql: include_str!("../../../migrations/inventory/0102_list_indexes.sql"),
    },
    Script {
        number: 103,
        name: "inventory_product_details",
        sql: include_str!("../../../migrations/inventory/0103_product_details.sql"),
    },
    Script {
        number: 104,
        name: "inventory_work_and_planning",
        sql: include_str!("../../../migrations/inventory/0104_work_and_planning.sql"),
    },
    Script {
        number: 105,
        name: "inventory_landed_costs",
        sql: include_str!("../../../migrations/inventory/0105_landed_costs.sql"),
    },
    Script {
        number: 106,
        name: "inventory_transfers",
        sql: include_str!("../../../migrations/inventory/0106_transfers.sql"),
    },
    Script {
        number: 107,
        name: "inventory_locations_and_lots",
        sql: include_str!("../../../migrations/inventory/0107_locations_and_lots.sql"),
    },
    Script {
        number: 108,
        name: "inventory_costing",
        sql: include_str!("../../../migrations/inventory/0108_costing.sql"),
    },
    Script {
        number: 109,
        name: "inventory_report_indexes",
        sql: include_str!("../../../migrations/inventory/0109_report_indexes.sql"),
    },
    Script {
        number: 110,
        name: "inventory_imports_and_exports",
        sql: include_str!("../../../migrations/inventory/0110_imports_and_exports.sql"),
    },
    Script {
        number: 111,
        name: "inventory_kits",
        sql: include_str!("../../../migrations/inventory/0111_kits.sql"),
    },
    Script {
        number: 112,
        name: "inventory_stock_periods",
        sql: include_str!("../../../migrations/inventory/0112_stock_periods.sql"),
    },
    Script {
        number: 113,
        name: "inventory_negative_stock",
        sql: include_str!("../../../migrations/inventory/0113_negative_stock.sql"),
    },
    Script {
        number: 114,
        name: "inventory_promises",
        sql: include_str!("../../../migrations/inventory/0114_promises.sql"),
    },
    Script {
        number: 115,
        name: "inventory_queue_and_counts",
        sql: include_str!("../../../migrations/inventory/0115_queue_and_counts.sql"),
    },
    Script {
        number: 116,
        name: "inventory_reversal_requests",
        sql: include_str!("../../../migrations/inventory/0116_reversal_requests.sql"),
    },
    Script {
        number: 117,
        name: "inventory_transfers_by_product",
        sql: include_str!("../../../migrations/inventory/0117_transfers_by_product.sql"),
    },
    Script {
        number: 118,
        name: "inventory_stock_count_lots",
        sql: include_str!("../../../migrations/inventory/0118_stock_count_lots.sql"),
    },
];

impl Config {
    /// What cannot be used of it, beyond its types: the setting, and why.
    pub fn check(&self) -> Result<(), (String, String)> {
        match self.expiry_interval_s {
            0 => Err(("inventory.expiry_interval_s".into(), "must be 1 or more".into())),
            _ => Ok(()),
        }
    }
}

/// Opens the module's data and hands out what it offers.
pub async fn build(config: Config, deps: Deps) -> Result<(Module, Arc<dyn Inventory>)> {
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
    config.check().map_err(|(key, why)| kernel::Error::internal(format!("{key}: {why}")))?;
    let db = Db::open(NAME, MIGRATIONS, &deps.module).await?;
    Ok(Service { db, config, company: deps.module.company })
}
