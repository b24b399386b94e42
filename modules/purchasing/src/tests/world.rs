//! What the tests work in.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::Utc;
use contracts::billing::{Billing, CalculateTotals, LineTotals, RoundingMode, Totals};
use contracts::events::{BillApproved, BilledLine};
use contracts::ids::{
    BillId, ProductId, PurchaseOrderId, PurchaseOrderLineId, SupplierId, WarehouseId,
};
use contracts::inventory::{
    CheckFit, FindProducts, FindWarehouses, Fit, Inventory, ProductInfo, Release, Reserve,
    Reserved, WarehouseInfo,
};
use kernel::config::{CompanyConfig, DataConfig, Synchronous};
use kernel::db::{evaluate, execute};
use kernel::events::{Event, EventData, Subscriber};
use kernel::http::Reply;
use kernel::module::ModuleDeps;
use kernel::money::{Currency, Money, Percent, Rounding, line_net_exact, round_div, to_minor};
use kernel::text::Code;
use kernel::{Actor, Ctx, Error, Result};
use sea_orm::{EntityTrait, QueryOrder, Value};
use serde_json::json;
use uuid::Uuid;

use crate::entities::{purchase_order, receipt, supplier};
use crate::routes::purchase_orders::types::PurchaseOrder;
use crate::service::{Service, laws};
use crate::{Config, Deps, open};

/// Every product and warehouse asked for is there, active but for those listed; a unit has
/// one decimal.
#[derive(Default)]
pub(crate) struct Shelf {
    pub unknown: Mutex<Vec<Uuid>>,
    pub inactive: Mutex<Vec<Uuid>>,
    /// Products of which nothing more fits.
    pub full: Mutex<Vec<Uuid>>,
    pub is_away: Mutex<bool>,
}

impl Shelf {
    fn is(&self, list: &Mutex<Vec<Uuid>>, id: Uuid) -> bool {
        list.lock().expect("whole").contains(&id)
    }
}

#[async_trait]
impl Inventory for Shelf {
    async fn products(&self, _: &Ctx, request: FindProducts) -> Result<Vec<ProductInfo>> {
        let known = request.ids.into_iter().filter(|id| !self.is(&self.unknown, id.uuid()));
        let products = known.map(|id| ProductInfo {
            id,
            sku: format!("SKU-{id}"),
            name: "Chair".into(),
            unit: "kg".into(),
            unit_decimals: 1,
            tax_class: Code::parse("standard").expect("a code"),
            is_active: !self.is(&self.inactive, id.uuid()),
            is_kit: false,
        });
        Ok(products.collect())
    }

    async fn warehouses(&self, _: &Ctx, request: FindWarehouses) -> Result<Vec<WarehouseInfo>> {
        let known = request.ids.into_iter().filter(|id| !self.is(&self.unknown, id.uuid()));
        let warehouses = known.map(|id| WarehouseInfo {
            id,
            code: "MAIN".into(),
            name: "Main".into(),
            is_active: !self.is(&self.inactive, id.uuid()),
        });
        Ok(warehouses.collect())
    }

    async fn reserve(&self, _: &Ctx, _: Reserve) -> Result<Reserved> {
        Err(Error::internal("purchasing never reserves"))
    }

    async fn release(&self, _: &Ctx, _: Release) -> Result<()> {
        Err(Error::internal("purchasing never releases"))
    }

    async fn check_fit(&self, _: &Ctx, request: CheckFit) -> Result<Fit> {
        if *self.is_away.lock().expect("whole") {
            return Err(Error::unavailable("module_unavailable", "inventory did not answer", 1));
        }
        let lines = request.lines.iter().enumerate();
        let full = lines.filter(|(_, line)| self.is(&self.full, line.product_id.uuid()));
        Ok(Fit { too_large: full.map(|(index, _)| index).collect() })
    }
}

/// One tax of 20 %, rounded on each line.
struct Till;

#[async_trait]
impl Billing for Till {
    async fn calculate_totals(&self, _: &Ctx, request: CalculateTotals) -> Result<Totals> {
        let money = |minor| Money::new(minor, request.currency);
        let mut lines = Vec::new();
        let (mut net_sum, mut tax_sum) = (0, 0);
        for line in &request.lines {
            let exact = line_net_exact(line.quantity, line.unit_price, line.discount)
                .expect("test amounts are small");
            let net = to_minor(exact, request.currency, Rounding::HalfUp).expect("small");
            let tax = round_div(i128::from(net) * 20, 100, Rounding::HalfUp);
            let tax = i64::try_from(tax).expect("small");
            net_sum += net;
            tax_sum += tax;
            lines.push(LineTotals {
                tax_rate: Percent::from_ppm(200_000),
                net: money(net),
                tax: money(tax),
                total: money(net + tax),
            });
        }
        Ok(Totals {
            rounding_mode: request.rounding_mode.unwrap_or(RoundingMode::PerLine),
            lines,
            taxes: Vec::new(),
            net: money(net_sum),
            tax: money(tax_sum),
            total: money(net_sum + tax_sum),
        })
    }
}

/// A module of its own, gone when dropped.
pub(crate) struct World {
    pub service: Service,
    pub shelf: Arc<Shelf>,
    pub supplier_id: SupplierId,
    dir: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        // The files may still be open: on Unix they go all the same.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn ctx() -> Ctx {
    Ctx::system("test")
}

impl World {
    /// With one supplier.
    pub(crate) async fn new() -> World {
        let dir = std::env::temp_dir().join(format!("erp-purchasing-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).expect("a directory for the test");
        let module = ModuleDeps {
            sql: test_support::sql(&["purchasing"]).await,
            data: DataConfig {
                dir: dir.clone(),
                read_connections: 2,
                acquire_timeout_ms: 10_000,
                synchronous: Synchronous::Normal,
            },
            company: CompanyConfig { currency: Currency::EUR, rounding: Rounding::HalfUp },
            subscriptions: contracts::events::SUBSCRIPTIONS,
            cache: Default::default(),
            metrics: Default::default(),
        };
        let shelf = Arc::new(Shelf::default());
        let deps = Deps { module, inventory: shelf.clone(), billing: Arc::new(Till) };
        let service = open(Config { four_eyes: false }, deps).await.expect("the module opens");
        let new = json!({
            "name": "Ada", "payment_terms_days": 14,
            "address": {
                "line1": "Hafenstrasse 1", "postal_code": "20457", "city": "Hamburg",
                "country": "DE"
            }
        });
        let new = serde_json::from_value(new).expect("a supplier");
        service.create_supplier(&ctx(), new).await.expect("created");
        let found = supplier::Entity::find().one(service.db.read()).await;
        let supplier_id = found.expect("read").expect("there is one").id;
        World { service, shelf, supplier_id, dir }
    }

    /// A draft of these quantities at a price of 1.25 each.
    pub(crate) async fn draft(&self, quantities: &[&str]) -> PurchaseOrder {
        let lines: Vec<_> = quantities
            .iter()
            .map(|quantity| {
                json!({"product_id": ProductId::new(), "quantity": quantity, "unit_price": "1.25"})
            })
            .collect();
        let new = json!({
            "supplier_id": self.supplier_id, "warehouse_id": WarehouseId::new(), "lines": lines
        });
        let new = serde_json::from_value(new).expect("a purchase order");
        self.service.create_purchase_order(&ctx(), new).await.expect("drafted");
        let id = self.order_ids().await.pop().expect("there is one");
        self.order(id).await
    }

    /// A draft that has been approved and sent.
    pub(crate) async fn sent(&self, quantities: &[&str]) -> PurchaseOrder {
        let draft = self.draft(quantities).await;
        self.service.approve_purchase_order(&ctx(), draft.id).await.expect("approved");
        self.service.send_purchase_order(&ctx(), draft.id).await.expect("sent");
        self.order(draft.id).await
    }

    /// Oldest first.
    pub(crate) async fn order_ids(&self) -> Vec<PurchaseOrderId> {
        let select = purchase_order::Entity::find().order_by_asc(purchase_order::Column::Id);
        let all = select.all(self.service.db.read()).await.expect("read");
        all.into_iter().map(|row| row.id).collect()
    }

    /// Oldest first.
    pub(crate) async fn receipts(&self) -> Vec<receipt::Model> {
        let select = receipt::Entity::find().order_by_asc(receipt::Column::Id);
        select.all(self.service.db.read()).await.expect("read")
    }

    pub(crate) async fn order(&self, id: PurchaseOrderId) -> PurchaseOrder {
        self.service.purchase_order(id).await.expect("the order is there")
    }

    /// Receives these quantities of these lines.
    pub(crate) async fn receive(
        &self,
        id: PurchaseOrderId,
        lines: &[(PurchaseOrderLineId, &str)],
    ) -> Result<Reply> {
        let lines: Vec<_> = lines
            .iter()
            .map(|(id, quantity)| json!({"purchase_order_line_id": id, "quantity": quantity}))
            .collect();
        let new = json!({"purchase_order_id": id, "lines": lines});
        let new = serde_json::from_value(new).expect("a receipt");
        self.service.create_receipt(&ctx(), new).await
    }

    /// Receives everything that is open.
    pub(crate) async fn receive_all(&self, id: PurchaseOrderId) -> Result<Reply> {
        let new = serde_json::from_value(json!({"purchase_order_id": id})).expect("a receipt");
        self.service.create_receipt(&ctx(), new).await
    }

    /// Tells the module of an event.
    pub(crate) async fn tell<T: EventData>(&self, data: &T) -> Result<()> {
        self.service.handle(&event(data)).await
    }

    /// Tells of an approved bill for these lines.
    pub(crate) async fn bill(
        &self,
        id: PurchaseOrderId,
        lines: &[(PurchaseOrderLineId, &str)],
    ) -> Result<()> {
        self.tell(&bill(id, lines)).await
    }

    /// Runs a statement as nobody should.
    pub(crate) async fn sql(&self, sql: &str, values: Vec<Value>) -> Result<u64> {
        let tx = self.service.db.begin(&ctx()).await?;
        let sql = test_support::spell(sql, &*tx);
        let touched = execute(&*tx, sql, values).await?;
        tx.commit().await?;
        Ok(touched)
    }

    /// The laws that are broken, by id.
    pub(crate) async fn broken_laws(&self) -> Vec<&'static str> {
        let reports = evaluate(self.service.db.read(), laws::LAWS).await.expect("evaluated");
        reports.laws.into_iter().filter(|law| law.violations != 0).map(|law| law.id).collect()
    }
}

pub(crate) fn bill(id: PurchaseOrderId, lines: &[(PurchaseOrderLineId, &str)]) -> BillApproved {
    let lines = lines.iter().map(|(line, quantity)| BilledLine {
        purchase_order_line_id: *line,
        quantity: quantity.parse().expect("a quantity"),
    });
    BillApproved { bill_id: BillId::new(), purchase_order_id: id, lines: lines.collect() }
}

pub(crate) fn event<T: EventData>(data: &T) -> Event {
    Event {
        id: Uuid::now_v7(),
        kind: T::TYPE.to_owned(),
        version: 1,
        occurred_at: Utc::now(),
        aggregate_id: Uuid::now_v7(),
        aggregate_version: 1,
        correlation_id: "test".into(),
        causation_id: None,
        previous: None,
        attempts: 0,
        traceparent: None,
        actor: Actor::system("test"),
        data: serde_json::to_value(data).expect("plain data"),
    }
}
