//! A module with its own data, and short ways to say what happens to it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use contracts::events::{
    ApprovedLine, CancelledLine, ConfirmedLine, OrderCancelled, OrderConfirmed,
    OrderLinesCancelled, PurchaseOrderApproved, ReceiptPosted, ReceivedLine, ReturnReceived,
    ReturnedLine, SUBSCRIPTIONS, ShipmentShipped, ShippedLine,
};
use contracts::ids::{
    CustomerId, LocationId, OrderId, OrderLineId, ProductId, PurchaseOrderId, PurchaseOrderLineId,
    ReceiptId, ReturnId, ShipmentId, SupplierId, WarehouseId,
};
use contracts::inventory::{Reserve, ReserveLine, Reserved};
use kernel::config::{CompanyConfig, DataConfig, Synchronous};
use kernel::ctx::{REQUEST, RequestScope};
use kernel::db::{evaluate, query_all, query_one};
use kernel::events::{Event, EventData, Subscriber};
use kernel::module::ModuleDeps;
use kernel::money::{Currency, Rounding};
use kernel::quantity::Quantity;
use kernel::{Actor, Ctx, Result};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::entities::{location, product, stock_level, stock_move, warehouse};
use crate::service::{Service, laws};
use crate::{Config, Deps, open};

pub struct Bench {
    pub service: Arc<Service>,
    dir: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A quantity of whole units.
pub fn q(units: i64) -> Quantity {
    Quantity::from_units(units).expect("in range")
}

/// A request's content from JSON, as it would come over HTTP.
pub fn request<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("a valid request")
}

pub fn ctx() -> Ctx {
    Ctx::system("test")
}

/// An event as its publisher would send it.
pub fn event<T: EventData>(aggregate_id: Uuid, data: &T) -> Event {
    Event {
        id: Uuid::now_v7(),
        kind: T::TYPE.to_owned(),
        version: T::VERSION,
        occurred_at: Utc::now(),
        aggregate_id,
        aggregate_version: 3,
        correlation_id: "test".to_owned(),
        causation_id: None,
        previous: None,
        attempts: 0,
        traceparent: None,
        actor: Actor::system("test"),
        data: serde_json::to_value(data).expect("serialises"),
    }
}

pub fn in_an_hour() -> DateTime<Utc> {
    Utc::now() + Duration::hours(1)
}

/// A line of an order to reserve for.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub id: OrderLineId,
    pub product_id: ProductId,
    pub warehouse_id: WarehouseId,
}

/// The settings of a service that is tested by itself.
fn config(expiry_interval_s: u64) -> Config {
    Config {
        expiry_interval_s,
        import_max_bytes: 1024 * 1024,
        export_kept_days: 7,
        lead_time_days: 14,
    }
}

impl Bench {
    pub async fn new() -> Self {
        Bench::open(10).await.expect("opens")
    }

    pub async fn open(expiry_interval_s: u64) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("inventory-test-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).expect("a directory for the test");
        let module = ModuleDeps {
            sql: test_support::sql(&["inventory"]).await,
            data: DataConfig {
                dir: dir.clone(),
                // One, so that a pragma set by a test is in force for its next statement.
                read_connections: 1,
                acquire_timeout_ms: 10_000,
                synchronous: Synchronous::Normal,
            },
            company: CompanyConfig { currency: Currency::EUR, rounding: Rounding::HalfUp },
            subscriptions: SUBSCRIPTIONS,
            cache: Default::default(),
            metrics: Default::default(),
        };
        let opened = open(config(expiry_interval_s), Deps { module }).await;
        let service = opened.inspect_err(|_| drop(std::fs::remove_dir_all(&dir)))?;
        Ok(Bench { service: Arc::new(service), dir })
    }

    /// A product counted in pieces.
    pub async fn product(&self, sku: &str) -> ProductId {
        self.product_in(sku, 0).await
    }

    pub async fn product_in(&self, sku: &str, unit_decimals: u8) -> ProductId {
        let new = json!({
            "sku": sku, "name": sku, "unit": "pcs", "unit_decimals": unit_decimals,
            "tax_class": "standard"
        });
        self.service.create_product(&ctx(), request(new)).await.expect("created");
        self.find::<product::Model>(&format!("SELECT * FROM products WHERE sku = '{sku}'")).await.id
    }

    /// A product counted in pieces and valued in one of the ways there are, at 2.50 where that
    /// is a standard.
    pub async fn valued(&self, sku: &str, costing: &str) -> ProductId {
        self.made(sku, costing, "none").await
    }

    /// The same, tracked by lot, by serial number or not at all.
    pub async fn made(&self, sku: &str, costing: &str, tracking: &str) -> ProductId {
        let standard_cost = (costing == "standard").then_some("2.50");
        let new = json!({
            "sku": sku, "name": sku, "unit": "pcs", "tax_class": "standard", "costing": costing,
            "standard_cost": standard_cost, "tracking": tracking
        });
        self.service.create_product(&ctx(), request(new)).await.expect("created");
        self.find::<product::Model>(&format!("SELECT * FROM products WHERE sku = '{sku}'")).await.id
    }

    /// A location, later on the walk than those before it.
    /// A kit of so much of other products.
    pub async fn kit(&self, sku: &str, components: &[(ProductId, &str)]) -> ProductId {
        let id = self.product(sku).await;
        self.set_components(id, components).await.expect("made a kit");
        id
    }

    pub async fn set_components(
        &self,
        id: ProductId,
        components: &[(ProductId, &str)],
    ) -> Result<()> {
        let component = |(product_id, quantity): &(ProductId, &str)| json!({ "product_id": product_id, "quantity": quantity });
        let components: Vec<_> = components.iter().map(component).collect();
        let set = request(json!({ "components": components }));
        self.service.set_product_components(&ctx(), id, set).await.map(drop)
    }

    pub async fn place(&self, warehouse: WarehouseId, code: &str, kind: &str) -> LocationId {
        static ORDER: AtomicU64 = AtomicU64::new(1);
        let new = json!({
            "warehouse_id": warehouse, "code": code, "name": code, "kind": kind,
            "pick_order": ORDER.fetch_add(1, Ordering::Relaxed)
        });
        self.service.create_location(&ctx(), request(new)).await.expect("created");
        let sql = format!("SELECT * FROM locations WHERE code = '{code}'");
        self.find::<location::Model>(&sql).await.id
    }

    pub async fn warehouse(&self, code: &str) -> WarehouseId {
        let new = json!({ "code": code, "name": code });
        self.service.create_warehouse(&ctx(), request(new)).await.expect("created");
        let sql = format!("SELECT * FROM warehouses WHERE code = '{code}'");
        self.find::<warehouse::Model>(&sql).await.id
    }

    /// Says whether more may leave a warehouse than is there.
    pub async fn allow_negative(&self, id: WarehouseId, allows_negative: bool) -> Result<()> {
        let allow = request(json!({ "allows_negative": allows_negative }));
        self.service.allow_negative_stock(&ctx(), id, allow).await.map(drop)
    }

    /// Says whether more of a product may leave than is there.
    pub async fn set_negative(&self, id: ProductId, negative_stock: &str) -> Result<()> {
        let set = request(json!({ "negative_stock": negative_stock }));
        self.service.set_negative_stock(&ctx(), id, set).await.map(drop)
    }

    pub fn line(&self, product_id: ProductId, warehouse_id: WarehouseId) -> Line {
        Line { id: OrderLineId::new(), product_id, warehouse_id }
    }

    /// Takes in units at a unit cost, without a purchase order.
    pub async fn receive(&self, product: ProductId, to: WarehouseId, units: i64, cost: &str) {
        let new = json!({
            "warehouse_id": to, "reason": "test",
            "lines": [{ "product_id": product, "quantity": units.to_string(), "unit_cost": cost }]
        });
        self.service.receive_stock(&ctx(), request(new)).await.expect("received");
    }

    pub async fn adjust(
        &self,
        product: ProductId,
        warehouse: WarehouseId,
        quantity: &str,
    ) -> Result<()> {
        let new = json!({
            "warehouse_id": warehouse, "product_id": product, "quantity": quantity,
            "reason": "count"
        });
        self.service.adjust_stock(&ctx(), request(new)).await.map(drop)
    }

    /// Reserves units for the lines of an order, for an hour.
    pub async fn reserve(
        &self,
        order_id: OrderId,
        lines: &[(Line, i64)],
        allow_backorder: bool,
    ) -> Result<Reserved> {
        self.reserve_until(order_id, lines, allow_backorder, in_an_hour()).await
    }

    pub async fn reserve_until(
        &self,
        order_id: OrderId,
        lines: &[(Line, i64)],
        allow_backorder: bool,
        expires_at: DateTime<Utc>,
    ) -> Result<Reserved> {
        let lines = lines.iter().map(|(line, units)| ReserveLine {
            line_id: line.id,
            product_id: line.product_id,
            warehouse_id: line.warehouse_id,
            quantity: q(*units),
        });
        let lines = lines.collect();
        let request = Reserve { order_id, expires_at, allow_backorder, lines };
        self.service.reserve_for_order(&ctx(), request).await
    }

    pub async fn hear<T: EventData>(&self, aggregate_id: Uuid, data: &T) -> Result<()> {
        self.service.handle(&event(aggregate_id, data)).await
    }

    /// Confirms an order on what its lines reserved and backordered.
    pub async fn confirm(&self, order_id: OrderId, lines: &[(Line, i64, i64)]) -> Result<()> {
        let lines = lines.iter().map(|(line, reserved, backordered)| ConfirmedLine {
            line_id: line.id,
            product_id: line.product_id,
            warehouse_id: line.warehouse_id,
            reserved: q(*reserved),
            backordered: q(*backordered),
        });
        let confirmed = OrderConfirmed {
            order_id,
            number: "SO-2026-000001".into(),
            customer_id: CustomerId::new(),
            total: kernel::money::Money::zero(Currency::EUR),
            lines: lines.collect(),
        };
        self.hear(order_id.uuid(), &confirmed).await
    }

    pub async fn cancel(&self, order_id: OrderId) -> Result<()> {
        let customer_id = CustomerId::new();
        self.hear(order_id.uuid(), &OrderCancelled { order_id, customer_id }).await
    }

    /// Cancels parts of lines: what was reserved and what was backordered of each.
    pub async fn cancel_lines(&self, order_id: OrderId, lines: &[(Line, i64, i64)]) -> Result<()> {
        let lines = lines.iter().map(|(line, released, unbackordered)| CancelledLine {
            line_id: line.id,
            released: q(*released),
            unbackordered: q(*unbackordered),
        });
        let cancelled = OrderLinesCancelled {
            order_id,
            customer_id: CustomerId::new(),
            remaining_total: kernel::money::Money::zero(Currency::EUR),
            lines: lines.collect(),
        };
        self.hear(order_id.uuid(), &cancelled).await
    }

    pub async fn ship(&self, order_id: OrderId, lines: &[(Line, i64)]) -> Result<()> {
        self.hear(order_id.uuid(), &shipment(order_id, lines)).await
    }

    /// Takes back units, to the shelf or to be scrapped.
    pub async fn take_back(&self, order_id: OrderId, lines: &[(Line, i64, bool)]) -> Result<()> {
        let lines = lines.iter().map(|(line, units, restock)| ReturnedLine {
            order_line_id: line.id,
            product_id: line.product_id,
            warehouse_id: line.warehouse_id,
            quantity: q(*units),
            restock: *restock,
        });
        let returned = ReturnReceived {
            return_id: ReturnId::new(),
            number: "RT-2026-000001".into(),
            order_id,
            received_on: Utc::now().date_naive(),
            lines: lines.collect(),
        };
        self.hear(order_id.uuid(), &returned).await
    }

    /// Posts a purchase order's receipt of units at a unit cost.
    pub async fn purchase(&self, to: WarehouseId, lines: &[(ProductId, i64, &str)]) -> Result<()> {
        let receipt = receipt(to, lines);
        self.hear(receipt.purchase_order_id.uuid(), &receipt).await
    }

    pub async fn expire(&self) {
        self.service.expire_holds(&ctx(), Utc::now()).await.expect("expires");
    }

    /// On hand, reserved, backordered (in units) and value (in cents); below zero where more has
    /// left than was there.
    pub async fn level(&self, product: ProductId, warehouse: WarehouseId) -> (i64, i64, i64, i64) {
        let sql = "SELECT * FROM stock_levels WHERE product_id = $1 AND warehouse_id = $2";
        let values = vec![product.into(), warehouse.into()];
        let row: Option<stock_level::Model> =
            query_one(self.service.db.read(), sql, values).await.expect("reads");
        let units = |quantity: Quantity| quantity.micros() / Quantity::ONE.micros();
        row.map_or((0, 0, 0, 0), |row| {
            let on_hand = units(row.on_hand) - units(row.owed);
            let value_minor = row.value_minor - row.owed_minor;
            (on_hand, units(row.reserved), units(row.backordered), value_minor)
        })
    }

    pub async fn moves(&self) -> Vec<stock_move::Model> {
        let sql = "SELECT * FROM stock_moves ORDER BY id";
        query_all(self.service.db.read(), sql, vec![]).await.expect("reads")
    }

    /// The content of every event of one type published so far.
    pub async fn published<T: EventData>(&self) -> Vec<T> {
        #[derive(FromQueryResult)]
        struct Row {
            data: String,
        }
        let sql = "SELECT data FROM events WHERE type = $1 ORDER BY seq";
        let rows: Vec<Row> =
            query_all(self.service.db.read(), sql, vec![T::TYPE.into()]).await.expect("reads");
        rows.iter().map(|row| serde_json::from_str(&row.data).expect("an event")).collect()
    }

    /// The row a query finds.
    pub async fn find<T: FromQueryResult>(&self, sql: &str) -> T {
        query_one(self.service.db.read(), sql, vec![]).await.expect("reads").expect("a row")
    }

    /// Runs SQL past the service, as a mistake or a stranger might.
    pub async fn sql(&self, sql: &str) -> Result<(), sea_orm::DbErr> {
        let conn = self.service.db.read();
        let sql = test_support::spell(sql, conn);
        conn.execute_unprepared(&sql).await.map(drop)
    }

    /// As nobody should: past everything but the database itself.
    pub async fn write(&self, sql: &str) {
        let tx = self.service.db.begin(&Ctx::system("test")).await.expect("begins");
        tx.execute_unprepared(&test_support::spell(sql, &*tx)).await.expect(sql);
        tx.commit().await.expect("committed");
    }

    /// The laws that a statement breaks, which is undone again.
    pub async fn broken_by(&self, sql: &str) -> Vec<&'static str> {
        let tx = self.service.db.begin(&Ctx::system("test")).await.expect("begins");
        tx.execute_unprepared(&test_support::spell(sql, &*tx)).await.expect(sql);
        let reports = evaluate(&*tx, laws::LAWS).await.expect("evaluates");
        let broken = reports.laws.into_iter().filter(|law| law.violations != 0);
        broken.map(|law| law.id).collect()
    }

    /// The laws that are broken, with their counts.
    pub async fn broken_laws(&self) -> Vec<(&'static str, i64)> {
        let reports = evaluate(self.service.db.read(), laws::LAWS).await.expect("evaluates");
        let counts = reports.laws.into_iter().map(|law| (law.id, law.violations));
        counts.filter(|(_, violations)| *violations != 0).collect()
    }

    pub async fn assert_lawful(&self) {
        assert_eq!(self.broken_laws().await, []);
    }
}

pub fn shipment(order_id: OrderId, lines: &[(Line, i64)]) -> ShipmentShipped {
    let address = json!({ "line1": "Main St 1", "postal_code": "1", "city": "B", "country": "DE" });
    let lines = lines.iter().map(|(line, units)| ShippedLine {
        order_line_id: line.id,
        product_id: line.product_id,
        warehouse_id: line.warehouse_id,
        sku: "SKU".into(),
        name: "Name".into(),
        unit: "pcs".into(),
        quantity: q(*units),
        unit_price: "9.99".parse().expect("a price"),
        discount: kernel::money::Percent::ZERO,
        tax_class: request(json!("standard")),
    });
    ShipmentShipped {
        shipment_id: ShipmentId::new(),
        number: "SH-2026-000001".into(),
        order_id,
        order_number: "SO-2026-000001".into(),
        shipped_on: Utc::now().date_naive(),
        customer: request(json!({
            "id": CustomerId::new(), "number": "CU-2026-000001", "name": "Customer",
            "is_active": true, "currency": "EUR", "payment_terms_days": 30,
            "billing_address": address, "shipping_address": address
        })),
        currency: Currency::EUR,
        prices_include_tax: false,
        rounding_mode: contracts::billing::RoundingMode::PerDocument,
        lines: lines.collect(),
    }
}

pub fn receipt(to: WarehouseId, lines: &[(ProductId, i64, &str)]) -> ReceiptPosted {
    let lines = lines.iter().map(|(product_id, units, cost)| ReceivedLine {
        purchase_order_line_id: PurchaseOrderLineId::new(),
        product_id: *product_id,
        quantity: q(*units),
        unit_cost: cost.parse().expect("a price"),
    });
    ReceiptPosted {
        receipt_id: ReceiptId::new(),
        number: "GR-2026-000001".into(),
        purchase_order_id: PurchaseOrderId::new(),
        warehouse_id: to,
        received_on: Utc::now().date_naive(),
        currency: Currency::EUR,
        lines: lines.collect(),
    }
}

/// A purchase order of these lines, to come on this day.
pub fn ordered(
    to: WarehouseId,
    lines: &[(PurchaseOrderLineId, ProductId, i64)],
    expected_on: Option<NaiveDate>,
) -> PurchaseOrderApproved {
    let lines = lines.iter().map(|(id, product_id, units)| ApprovedLine {
        purchase_order_line_id: *id,
        product_id: *product_id,
        sku: "SKU".into(),
        name: "Name".into(),
        unit: "pcs".into(),
        quantity: q(*units),
        unit_price: "1".parse().expect("a price"),
        tax_class: request(json!("standard")),
    });
    PurchaseOrderApproved {
        purchase_order_id: PurchaseOrderId::new(),
        number: "PO-2026-000001".into(),
        supplier_id: SupplierId::new(),
        supplier_name: "Supplier".into(),
        payment_terms_days: 30,
        currency: Currency::EUR,
        lines: lines.collect(),
        warehouse_id: Some(to),
        expected_on,
    }
}

/// How many SQL statements some work costs.
pub async fn statements<F: Future>(work: F) -> (F::Output, u32) {
    let scope = Arc::new(RequestScope::new("counting".into()));
    let output = REQUEST.scope(scope.clone(), work).await;
    (output, scope.statements.load(Ordering::Relaxed))
}
