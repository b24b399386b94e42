//! Sales, inventory and billing, as far as orders can tell: they answer from memory, can be
//! told to fail, and can be made to wait in the middle of an answer.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use async_trait::async_trait;
use contracts::billing::{Billing, CalculateTotals, LineTotals, RoundingMode, TaxTotal, Totals};
use contracts::common::TaxClass;
use contracts::ids::{CustomerId, OrderId, OrderLineId, ProductId, QuotationId, WarehouseId};
use contracts::inventory::{
    CheckFit, FindProducts, FindWarehouses, Fit, Inventory, ProductInfo, Release, Reserve,
    Reserved, ReservedLine, WarehouseInfo,
};
use contracts::sales::{
    CustomerInfo, FindCustomer, FindQuotation, HoldCredit, PriceLines, PricedLine,
    QuotationSnapshot, ReleaseCredit, Sales,
};
use kernel::money::{Currency, Money, Percent, Rounding, UnitPrice, line_net_exact, to_minor};
use kernel::quantity::Quantity;
use kernel::{Ctx, Error, Result};
use serde_json::json;
use tokio::sync::oneshot;

/// Where a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fails {
    /// It is refused, and nothing was done.
    Before,
    /// It is done, and then nobody hears of it.
    After,
}

/// A call that waits: it says that it has come, and goes on when told to.
pub(super) struct Pause {
    pub method: &'static str,
    pub arrived: oneshot::Sender<()>,
    pub go_on: oneshot::Receiver<()>,
}

/// What an order line holds in inventory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub reserved: i64,
    pub backordered: i64,
}

#[derive(Default)]
pub(super) struct State {
    pub products: Vec<ProductInfo>,
    pub warehouses: Vec<WarehouseInfo>,
    pub customers: Vec<CustomerInfo>,
    pub unpriced: HashSet<ProductId>,
    pub quotations: HashMap<QuotationId, QuotationSnapshot>,
    pub credit_limit_minor: i64,
    pub credit: HashMap<OrderId, i64>,
    pub available: HashMap<ProductId, i64>,
    /// Of which nothing more fits.
    pub full: HashSet<ProductId>,
    pub stock: HashMap<OrderId, HashMap<OrderLineId, (ProductId, Held)>>,
    pub fail: Option<(&'static str, Fails)>,
    pub pause: Option<Pause>,
    pub calls: Vec<&'static str>,
}

#[derive(Default)]
pub(super) struct Others(pub Mutex<State>);

impl Others {
    /// Notes the call, waits if it is to wait, and fails if it is to fail before it.
    async fn enter(&self, method: &'static str) -> Result<()> {
        let pause = {
            let mut state = self.0.lock().expect("whole");
            state.calls.push(method);
            match &state.pause {
                Some(pause) if pause.method == method => state.pause.take(),
                _ => None,
            }
        };
        if let Some(pause) = pause {
            pause.arrived.send(()).expect("somebody waits for it");
            pause.go_on.await.expect("somebody lets it go on");
        }
        self.fail(method, Fails::Before)
    }

    fn fail(&self, method: &'static str, when: Fails) -> Result<()> {
        match self.0.lock().expect("whole").fail {
            Some(fail) if fail == (method, when) => {
                Err(Error::unavailable("module_unavailable", "did not answer", 1))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Sales for Others {
    async fn customer(&self, _: &Ctx, request: FindCustomer) -> Result<CustomerInfo> {
        self.enter("customer").await?;
        let state = self.0.lock().expect("whole");
        let found = state.customers.iter().find(|customer| customer.id == request.id).cloned();
        found.ok_or_else(|| Error::invalid("unknown_customer", "/customer_id", "no such customer"))
    }

    async fn price_lines(&self, _: &Ctx, request: PriceLines) -> Result<Vec<Option<PricedLine>>> {
        self.enter("price_lines").await?;
        let state = self.0.lock().expect("whole");
        let price = |id: ProductId| {
            (!state.unpriced.contains(&id)).then(|| PricedLine {
                unit_price: UnitPrice::from_micros(2_500_000),
                price_list: "STANDARD".into(),
                min_quantity: Quantity::ZERO,
            })
        };
        Ok(request.lines.iter().map(|line| price(line.product_id)).collect())
    }

    async fn accepted_quotation(
        &self,
        _: &Ctx,
        request: FindQuotation,
    ) -> Result<QuotationSnapshot> {
        self.enter("accepted_quotation").await?;
        let state = self.0.lock().expect("whole");
        let found = state.quotations.get(&request.id).cloned();
        found.ok_or_else(|| Error::conflict("quotation_not_accepted", "it is not accepted"))
    }

    async fn hold_credit(&self, _: &Ctx, request: HoldCredit) -> Result<()> {
        self.enter("hold_credit").await?;
        {
            let mut state = self.0.lock().expect("whole");
            if request.amount.minor() > state.credit_limit_minor {
                return Err(Error::conflict("credit_limit_exceeded", "too much"));
            }
            // To the letter of the contract: what is held stays as it was held.
            state.credit.entry(request.order_id).or_insert(request.amount.minor());
        }
        self.fail("hold_credit", Fails::After)
    }

    async fn release_credit(&self, _: &Ctx, request: ReleaseCredit) -> Result<()> {
        self.enter("release_credit").await?;
        self.0.lock().expect("whole").credit.remove(&request.order_id);
        Ok(())
    }
}

#[async_trait]
impl Inventory for Others {
    async fn products(&self, _: &Ctx, request: FindProducts) -> Result<Vec<ProductInfo>> {
        self.enter("products").await?;
        let state = self.0.lock().expect("whole");
        let known = state.products.iter().filter(|product| request.ids.contains(&product.id));
        Ok(known.cloned().collect())
    }

    async fn warehouses(&self, _: &Ctx, request: FindWarehouses) -> Result<Vec<WarehouseInfo>> {
        self.enter("warehouses").await?;
        let state = self.0.lock().expect("whole");
        let known = state.warehouses.iter().filter(|warehouse| request.ids.contains(&warehouse.id));
        Ok(known.cloned().collect())
    }

    async fn reserve(&self, _: &Ctx, request: Reserve) -> Result<Reserved> {
        self.enter("reserve").await?;
        let reserved = self.0.lock().expect("whole").reserve(request)?;
        self.fail("reserve", Fails::After)?;
        Ok(reserved)
    }

    async fn release(&self, _: &Ctx, request: Release) -> Result<()> {
        self.enter("release").await?;
        self.0.lock().expect("whole").release(request.order_id);
        Ok(())
    }

    async fn check_fit(&self, _: &Ctx, request: CheckFit) -> Result<Fit> {
        self.enter("check_fit").await?;
        let state = self.0.lock().expect("whole");
        let lines = request.lines.iter().enumerate();
        let full = lines.filter(|(_, line)| state.full.contains(&line.product_id));
        Ok(Fit { too_large: full.map(|(index, _)| index).collect() })
    }
}

impl State {
    /// To the letter of the contract: what is held stays as it was held.
    fn reserve(&mut self, request: Reserve) -> Result<Reserved> {
        if let Some(held) = self.stock.get(&request.order_id) {
            let lines = held.iter().map(|(line_id, (_, held))| reserved_line(*line_id, *held));
            return Ok(Reserved { lines: lines.collect() });
        }
        let mut left = self.available.clone();
        let mut held = HashMap::new();
        let mut lines = Vec::new();
        for line in request.lines {
            let left = left.entry(line.product_id).or_default();
            let reserved = line.quantity.micros().min(*left);
            let backordered = line.quantity.micros() - reserved;
            if backordered > 0 && !request.allow_backorder {
                let params = json!({ "shortages": [{ "product_id": line.product_id }] });
                return Err(Error::conflict("insufficient_stock", "short").with_params(params));
            }
            *left -= reserved;
            let hold = Held { reserved, backordered };
            held.insert(line.line_id, (line.product_id, hold));
            lines.push(reserved_line(line.line_id, hold));
        }
        self.available = left;
        self.stock.insert(request.order_id, held);
        Ok(Reserved { lines })
    }

    pub(super) fn release(&mut self, id: OrderId) {
        for (product_id, held) in self.stock.remove(&id).unwrap_or_default().into_values() {
            *self.available.entry(product_id).or_default() += held.reserved;
        }
    }

    /// What inventory holds for a line.
    pub(super) fn held(&mut self, id: OrderId, line_id: OrderLineId) -> Option<&mut Held> {
        self.stock.get_mut(&id)?.get_mut(&line_id).map(|(_, held)| held)
    }
}

fn reserved_line(line_id: OrderLineId, held: Held) -> ReservedLine {
    ReservedLine {
        line_id,
        reserved: Quantity::from_micros(held.reserved),
        backordered: Quantity::from_micros(held.backordered),
        promised_on: None,
    }
}

#[async_trait]
impl Billing for Others {
    /// A fifth of each line's net, rounded on the line.
    async fn calculate_totals(&self, _: &Ctx, request: CalculateTotals) -> Result<Totals> {
        self.enter("calculate_totals").await?;
        let currency = request.currency;
        let money = |minor| Money::new(minor, currency);
        let rate = Percent::from_ppm(200_000);
        let mut lines = Vec::new();
        let (mut net, mut tax) = (0, 0);
        for line in &request.lines {
            let exact = line_net_exact(line.quantity, line.unit_price, line.discount);
            let line_net = exact
                .and_then(|exact| to_minor(exact, currency, Rounding::HalfUp))
                .ok_or_else(|| Error::invalid("amount_overflow", "/lines", "too much"))?;
            let line_tax = line_net / 5;
            net += line_net;
            tax += line_tax;
            lines.push(LineTotals {
                tax_rate: rate,
                net: money(line_net),
                tax: money(line_tax),
                total: money(line_net + line_tax),
            });
        }
        let taxes =
            vec![TaxTotal { tax_class: standard(), rate, base: money(net), tax: money(tax) }];
        Ok(Totals {
            rounding_mode: request.rounding_mode.unwrap_or(RoundingMode::PerLine),
            lines,
            taxes,
            net: money(net),
            tax: money(tax),
            total: money(net + tax),
        })
    }
}

fn standard() -> TaxClass {
    TaxClass::parse("standard").expect("a code")
}

pub(super) fn product(unit_decimals: u8) -> ProductInfo {
    let id = ProductId::new();
    ProductInfo {
        id,
        sku: format!("SKU-{id}"),
        name: "A thing".into(),
        unit: "pcs".into(),
        unit_decimals,
        tax_class: standard(),
        is_active: true,
        is_kit: false,
    }
}

pub(super) fn warehouse() -> WarehouseInfo {
    let id = WarehouseId::new();
    WarehouseInfo { id, code: "MAIN".into(), name: "Main".into(), is_active: true }
}

pub(super) fn customer() -> CustomerInfo {
    let address = json!({
        "line1": "1 Long Lane", "postal_code": "12345", "city": "Anytown", "country": "DE"
    });
    let address: contracts::common::Address = serde_json::from_value(address).expect("an address");
    CustomerInfo {
        id: CustomerId::new(),
        number: "CU-2026-000001".into(),
        name: "Ada".into(),
        is_active: true,
        currency: Currency::EUR,
        payment_terms_days: 30,
        billing_address: address.clone(),
        shipping_address: address,
    }
}
