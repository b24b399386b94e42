//! What the tests work in.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::billing::{Billing, CalculateTotals, LineTotals, RoundingMode, TaxTotal, Totals};
use contracts::ids::{CustomerId, OrderId, ProductId, QuotationId, WarehouseId};
use contracts::inventory::{
    CheckFit, FindProducts, FindWarehouses, Fit, Inventory, ProductInfo, Release, Reserve,
    Reserved, WarehouseInfo,
};
use contracts::sales::{HoldCredit, Sales};
use kernel::config::{CompanyConfig, DataConfig, Synchronous};
use kernel::db::{evaluate, execute};
use kernel::events::{Event, EventData, Subscriber};
use kernel::module::ModuleDeps;
use kernel::money::{Currency, Money, Percent, Rounding, line_net_exact, round_div, to_minor};
use kernel::text::Code;
use kernel::{Actor, Ctx, Error, Result};
use sea_orm::{EntityTrait, QueryOrder, Value};
use serde_json::json;
use uuid::Uuid;

use crate::entities::{customer_credit, quotation};
use crate::service::{Service, laws};
use crate::{Config, Deps, open};

/// Every product and warehouse asked for is there, active, and products are counted.
struct Shelf;

#[async_trait]
impl Inventory for Shelf {
    async fn products(&self, _: &Ctx, request: FindProducts) -> Result<Vec<ProductInfo>> {
        Ok(request
            .ids
            .into_iter()
            .map(|id| ProductInfo {
                id,
                sku: format!("SKU-{id}"),
                name: "Chair".into(),
                unit: "pcs".into(),
                unit_decimals: 0,
                tax_class: Code::parse("standard").expect("a code"),
                is_active: true,
                is_kit: false,
            })
            .collect())
    }

    async fn warehouses(&self, _: &Ctx, request: FindWarehouses) -> Result<Vec<WarehouseInfo>> {
        let warehouses = request.ids.into_iter().map(|id| WarehouseInfo {
            id,
            code: "MAIN".into(),
            name: "Main".into(),
            is_active: true,
        });
        Ok(warehouses.collect())
    }

    async fn reserve(&self, _: &Ctx, _: Reserve) -> Result<Reserved> {
        Err(Error::internal("sales never reserves"))
    }

    async fn release(&self, _: &Ctx, _: Release) -> Result<()> {
        Err(Error::internal("sales never releases"))
    }

    async fn check_fit(&self, _: &Ctx, _: CheckFit) -> Result<Fit> {
        Err(Error::internal("nothing arrives at sales"))
    }
}

/// One tax of 20 %, rounded on each line.
#[derive(Default)]
pub(crate) struct Till {
    /// The rounding mode of each request.
    pub asked: Mutex<Vec<Option<RoundingMode>>>,
}

#[async_trait]
impl Billing for Till {
    async fn calculate_totals(&self, _: &Ctx, request: CalculateTotals) -> Result<Totals> {
        self.asked.lock().expect("whole").push(request.rounding_mode);
        let currency = request.currency;
        let money = |minor| Money::new(minor, currency);
        let mut lines = Vec::new();
        let (mut net_sum, mut tax_sum) = (0, 0);
        for line in &request.lines {
            let exact = line_net_exact(line.quantity, line.unit_price, line.discount)
                .expect("test amounts are small");
            let rounded = to_minor(exact, currency, Rounding::HalfUp).expect("small");
            let tax_of = |base: i64, per: i128| {
                i64::try_from(round_div(i128::from(base) * 20, per, Rounding::HalfUp))
                    .expect("small")
            };
            let (net, tax) = if request.prices_include_tax {
                let tax = tax_of(rounded, 120);
                (rounded - tax, tax)
            } else {
                (rounded, tax_of(rounded, 100))
            };
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
            taxes: vec![TaxTotal {
                tax_class: Code::parse("standard").expect("a code"),
                rate: Percent::from_ppm(200_000),
                base: money(net_sum),
                tax: money(tax_sum),
            }],
            net: money(net_sum),
            tax: money(tax_sum),
            total: money(net_sum + tax_sum),
        })
    }
}

/// A module of its own, gone when dropped.
pub(crate) struct World {
    pub service: Service,
    pub till: Arc<Till>,
    dir: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        // The files may still be open: on Unix they go all the same.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn euro(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

pub(crate) fn ctx() -> Ctx {
    Ctx::system("test")
}

pub(crate) fn soon() -> DateTime<Utc> {
    Utc::now() + TimeDelta::minutes(15)
}

pub(crate) fn today() -> NaiveDate {
    Utc::now().date_naive()
}

impl World {
    pub(crate) async fn new() -> World {
        let dir = std::env::temp_dir().join(format!("erp-sales-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).expect("a directory for the test");
        let module = ModuleDeps {
            sql: test_support::sql(&["sales"]).await,
            data: DataConfig {
                dir: dir.clone(),
                read_connections: 2,
                acquire_timeout_ms: 10_000,
                synchronous: Synchronous::Normal,
            },
            company: CompanyConfig { currency: Currency::EUR, rounding: Rounding::HalfUp },
            subscriptions: &[],
            cache: Default::default(),
            metrics: Default::default(),
        };
        let config = Config { expiry_interval_s: 10, quotation_validity_days: 30 };
        let till = Arc::new(Till::default());
        let deps = Deps { module, inventory: Arc::new(Shelf), billing: till.clone() };
        let service = open(config, deps).await.expect("the module opens");
        World { service, till, dir }
    }

    /// A customer with this credit limit in cents.
    pub(crate) async fn customer(&self, limit_minor: Option<i64>) -> CustomerId {
        let new = json!({
            "name": "Ada",
            "credit_limit": limit_minor.map(euro),
            "billing_address": {
                "line1": "Hafenstrasse 1", "postal_code": "20457", "city": "Hamburg",
                "country": "DE"
            }
        });
        let new = serde_json::from_value(new).expect("a customer");
        self.service.create_customer(&ctx(), new).await.expect("created");
        let newest = crate::entities::customer::Entity::find().all(self.service.db.read()).await;
        newest.expect("read").into_iter().map(|row| row.id).max().expect("there is one")
    }

    pub(crate) async fn credit(&self, customer: CustomerId) -> customer_credit::Model {
        let row = customer_credit::Entity::find_by_id(customer).one(self.service.db.read()).await;
        row.expect("read").expect("every customer has credit")
    }

    pub(crate) async fn hold(
        &self,
        order_id: OrderId,
        customer_id: CustomerId,
        minor: i64,
        expires_at: DateTime<Utc>,
    ) -> Result<()> {
        let request = HoldCredit { order_id, customer_id, amount: euro(minor), expires_at };
        self.service.hold_credit(&ctx(), request).await
    }

    /// Tells the module of an event.
    pub(crate) async fn tell<T: EventData>(&self, data: &T) -> Result<()> {
        self.service.handle(&event(data)).await
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

    /// A draft of these quantities at a price of 10.00 each, dated back by some days and
    /// valid for as many.
    pub(crate) async fn draft(
        &self,
        customer: CustomerId,
        quantities: &[&str],
        quoted_on: NaiveDate,
        valid_until: NaiveDate,
    ) -> QuotationId {
        let lines: Vec<_> = quantities
            .iter()
            .map(|quantity| {
                json!({"product_id": ProductId::new(), "quantity": quantity, "unit_price": "10"})
            })
            .collect();
        let new = json!({
            "customer_id": customer, "warehouse_id": WarehouseId::new(), "lines": lines,
            "quoted_on": quoted_on, "valid_until": valid_until
        });
        let new = serde_json::from_value(new).expect("a quotation");
        self.service.create_quotation(&ctx(), new).await.expect("drafted");
        self.quotation_ids().await.pop().expect("there is one")
    }

    /// Oldest first.
    pub(crate) async fn quotation_ids(&self) -> Vec<QuotationId> {
        let select = quotation::Entity::find().order_by_asc(quotation::Column::Id);
        let all = select.all(self.service.db.read()).await.expect("read");
        all.into_iter().map(|row| row.id).collect()
    }

    pub(crate) async fn quotation(&self, id: QuotationId) -> quotation::Model {
        let row = quotation::Entity::find_by_id(id).one(self.service.db.read()).await;
        row.expect("read").expect("the quotation is there")
    }
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
        data: serde_json::to_value(data).expect("events are JSON"),
    }
}
