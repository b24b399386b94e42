//! A module on a database of its own, and what is asked of it.

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::Responder;
use actix_web::body::to_bytes;
use actix_web::test::TestRequest;
use chrono::Utc;
use contracts::events::SUBSCRIPTIONS;
use contracts::ids::{OrderId, OrderLineId, ProductId, ShipmentId};
use kernel::config::{CompanyConfig, DataConfig, Synchronous};
use kernel::db::{evaluate, query_all};
use kernel::events::{Event, EventData, Subscriber};
use kernel::http::Reply;
use kernel::module::ModuleDeps;
use kernel::money::{Currency, Money, Rounding};
use kernel::quantity::Quantity;
use kernel::{Actor, Ctx, Result};
use sea_orm::FromQueryResult;
use serde_json::{Value, json};
use uuid::Uuid;

use super::others::{Held, Others, State, customer, product, warehouse};
use crate::routes::orders::{CancelLine, NewOrder, OrderPatch};
use crate::routes::returns::NewReturn;
use crate::routes::shipments::NewShipment;
use crate::service::{Service, laws};
use crate::{Config, Deps};

/// The module with everything around it; its data goes when it does.
pub(super) struct World {
    pub service: Service,
    pub others: Arc<Others>,
    dir: PathBuf,
}

/// One whole unit.
pub(super) const UNIT: i64 = 1_000_000;

impl World {
    /// Three products with 100 of each in stock, one warehouse, one customer with credit.
    pub(super) async fn new() -> Self {
        let others = Arc::new(Others::default());
        {
            let mut state = others.0.lock().expect("whole");
            state.products = vec![product(0), product(0), product(3)];
            state.available =
                state.products.iter().map(|product| (product.id, 100 * UNIT)).collect();
            state.warehouses = vec![warehouse()];
            state.customers = vec![customer()];
            state.credit_limit_minor = 1_000_000;
        }
        let dir = std::env::temp_dir().join(format!("erp-orders-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).expect("a directory for the data");
        let data = DataConfig {
            dir: dir.clone(),
            read_connections: 2,
            acquire_timeout_ms: 10_000,
            synchronous: Synchronous::Normal,
        };
        let company = CompanyConfig { currency: Currency::EUR, rounding: Rounding::HalfUp };
        let deps = Deps {
            module: ModuleDeps {
                data,
                sql: test_support::sql(&["orders"]).await,
                company,
                subscriptions: SUBSCRIPTIONS,
                cache: Default::default(),
                metrics: Default::default(),
            },
            sales: others.clone(),
            inventory: others.clone(),
            billing: others.clone(),
        };
        let config = Config { hold_ttl_s: 900 };
        let service = crate::service(config, deps).await.expect("the module opens");
        World { service, others, dir }
    }

    pub(super) fn others<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.others.0.lock().expect("whole"))
    }

    pub(super) fn product(&self, index: usize) -> ProductId {
        self.others(|others| others.products[index % 3].id)
    }

    /// An order for `quantities` of the products, in their order.
    pub(super) fn new_order(&self, quantities: &[i64], allow_backorder: bool) -> NewOrder {
        let (customer, warehouse) =
            self.others(|others| (others.customers[0].id, others.warehouses[0].id));
        let lines = self.new_lines(quantities);
        let order = json!({
            "customer_id": customer, "warehouse_id": warehouse, "lines": lines,
            "allow_backorder": allow_backorder
        });
        serde_json::from_value(order).expect("an order")
    }

    pub(super) fn new_lines(&self, quantities: &[i64]) -> Vec<Value> {
        let line = |(i, quantity): (usize, &i64)| json!({ "product_id": self.product(i), "quantity": quantity.to_string() });
        quantities.iter().enumerate().map(line).collect()
    }

    pub(super) async fn create(&self, quantities: &[i64], allow_backorder: bool) -> OrderId {
        let new = self.new_order(quantities, allow_backorder);
        let order = self.ok(self.service.create_order(&ctx(), new)).await;
        id(&order["id"])
    }

    pub(super) async fn confirmed(&self, quantities: &[i64], allow_backorder: bool) -> OrderId {
        let order = self.create(quantities, allow_backorder).await;
        self.ok(self.service.confirm_order(&ctx(), order)).await;
        order
    }

    pub(super) async fn pack(&self, order: OrderId, new: Value) -> Result<Reply> {
        let new: NewShipment = serde_json::from_value(new).expect("a shipment");
        self.service.create_shipment(&ctx(), order, new).await
    }

    /// Packs and ships everything reserved.
    pub(super) async fn ship_all(&self, order: OrderId) -> ShipmentId {
        let packed = body(self.pack(order, json!({})).await.expect("packed")).await;
        let shipment = id(&packed["id"]);
        self.ok(self.service.ship_shipment(&ctx(), shipment)).await;
        shipment
    }

    pub(super) async fn cancel_line(
        &self,
        order: OrderId,
        line: OrderLineId,
        quantity: i64,
    ) -> Result<Reply> {
        let request: CancelLine =
            serde_json::from_value(json!({ "quantity": quantity.to_string() })).expect("valid");
        self.service.cancel_order_line(&ctx(), order, line, request).await
    }

    pub(super) async fn patch(&self, order: OrderId, patch: Value) -> Result<Reply> {
        let patch: OrderPatch = serde_json::from_value(patch).expect("a patch");
        self.service.update_order(&ctx(), order, patch).await
    }

    pub(super) async fn take_back(&self, order: OrderId, lines: Value) -> Result<Reply> {
        let new = json!({ "lines": lines, "reason": "did not fit" });
        let new: NewReturn = serde_json::from_value(new).expect("a return");
        self.service.create_return(&ctx(), order, new).await
    }

    /// The answer of a success, after which no law is broken.
    pub(super) async fn ok(&self, call: impl Future<Output = Result<Reply>>) -> Value {
        let reply = call.await.expect("a success");
        self.assert_laws().await;
        body(reply).await
    }

    /// The order as JSON.
    pub(super) async fn order(&self, id: OrderId) -> Value {
        let order = self.service.order(id).await.expect("the order");
        serde_json::to_value(order).expect("JSON")
    }

    /// What a line has of `counter`, in whole units.
    pub(super) async fn counter(&self, id: OrderId, line: usize, counter: &str) -> Value {
        self.order(id).await["lines"][line]["counters"][counter].clone()
    }

    pub(super) async fn line(&self, order: OrderId, line: usize) -> OrderLineId {
        id(&self.order(order).await["lines"][line]["id"])
    }

    /// Delivers an event of another module.
    pub(super) async fn hear<T: EventData>(&self, data: &T) -> Result<()> {
        self.service.handle(&event(data)).await
    }

    pub(super) async fn assert_laws(&self) {
        let report = evaluate(self.service.db.read(), laws::LAWS).await.expect("the laws run");
        for law in report.laws {
            assert_eq!(law.violations, 0, "{}: {}", law.id, law.description);
        }
    }

    /// Which laws are broken.
    pub(super) async fn broken_laws(&self) -> Vec<&'static str> {
        let report = evaluate(self.service.db.read(), laws::LAWS).await.expect("the laws run");
        let broken = report.laws.into_iter().filter(|law| law.violations > 0);
        broken.map(|law| law.id).collect()
    }

    /// The types of the events published since the last `seen`, oldest first.
    pub(super) async fn published(&self, order: OrderId) -> Vec<String> {
        let told = self.told_after(0).await.into_iter();
        told.filter(|told| told.aggregate_id == order.uuid()).map(|told| told.kind).collect()
    }

    pub(super) async fn told_after(&self, seq: i64) -> Vec<Told> {
        let sql = "SELECT seq, type AS kind, aggregate_id, data FROM events WHERE seq > $1 \
                   ORDER BY seq";
        query_all(self.service.db.read(), sql, vec![seq.into()]).await.expect("the events")
    }

    /// Whether sales or inventory hold anything for the order.
    pub(super) fn holds(&self, order: OrderId) -> (bool, bool) {
        self.others(|o| (o.credit.contains_key(&order), o.stock.contains_key(&order)))
    }

    pub(super) fn held(&self, order: OrderId, line: OrderLineId) -> Held {
        self.others(|others| others.held(order, line).copied().unwrap_or_default())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The files may still be open: on Unix they go all the same.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// An event as published.
#[derive(Debug, FromQueryResult)]
pub(super) struct Told {
    pub seq: i64,
    pub kind: String,
    pub aggregate_id: Uuid,
    pub data: String,
}

pub(super) fn ctx() -> Ctx {
    Ctx::system("test")
}

pub(super) fn event<T: EventData>(data: &T) -> Event {
    Event {
        id: Uuid::now_v7(),
        kind: T::TYPE.into(),
        version: T::VERSION,
        occurred_at: Utc::now(),
        aggregate_id: Uuid::now_v7(),
        aggregate_version: 1,
        correlation_id: "test".into(),
        causation_id: None,
        previous: None,
        attempts: 0,
        traceparent: None,
        actor: Actor::system("test"),
        data: serde_json::to_value(data).expect("JSON"),
    }
}

/// What an answer says.
pub(super) async fn body(reply: Reply) -> Value {
    let response = reply.respond_to(&TestRequest::default().to_http_request());
    let bytes = to_bytes(response.into_body()).await.unwrap_or_default();
    serde_json::from_slice(&bytes).expect("JSON")
}

pub(super) fn id<T>(value: &Value) -> kernel::Id<T> {
    serde_json::from_value(value.clone()).expect("an id")
}

pub(super) fn units(n: i64) -> Quantity {
    Quantity::from_micros(n * UNIT)
}

pub(super) fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}
