//! Sales facts: revenue and cost of what was shipped, credited and returned.

use chrono::Utc;
use contracts::billing::RoundingMode;
use contracts::events::{
    CreditNoteIssued, CreditedLine, IssuedLine, OrderLineQuantity, ShipmentShipped, ShippedLine,
    StockIssued, StockReturned,
};
use contracts::ids::{
    CreditNoteId, CustomerId, InvoiceId, OrderId, OrderLineId, ProductId, ReturnId, ShipmentId,
    WarehouseId,
};
use contracts::sales::{FindCustomer, Sales};
use kernel::events::Subscriber;
use kernel::money::{Currency, Percent};
use kernel::quantity::Quantity;
use kernel::text::Code;
use sea_orm::{EntityTrait, QueryOrder};

use super::world::{World, ctx, euro, event, soon, today};
use crate::entities::sales_fact::{self, Kind};
use crate::routes::facts::SalesFact;

/// An order of two lines, of which things happen to the first.
pub(crate) struct Sold {
    pub customer_id: CustomerId,
    pub order_id: OrderId,
    pub lines: Vec<(OrderLineId, ProductId)>,
}

impl Sold {
    pub(crate) async fn new(world: &World) -> Sold {
        Sold {
            customer_id: world.customer(None).await,
            order_id: OrderId::new(),
            lines: (0..2).map(|_| (OrderLineId::new(), ProductId::new())).collect(),
        }
    }

    pub(crate) async fn shipped(&self, world: &World, includes_tax: bool) -> ShipmentShipped {
        let find = FindCustomer { id: self.customer_id };
        let customer = world.service.customer(&ctx(), find).await.expect("known");
        ShipmentShipped {
            shipment_id: ShipmentId::new(),
            number: "SH-2026-000001".into(),
            order_id: self.order_id,
            order_number: "SO-2026-000001".into(),
            shipped_on: today(),
            customer,
            currency: Currency::EUR,
            prices_include_tax: includes_tax,
            rounding_mode: RoundingMode::PerLine,
            lines: self
                .lines
                .iter()
                .map(|(order_line_id, product_id)| ShippedLine {
                    order_line_id: *order_line_id,
                    product_id: *product_id,
                    warehouse_id: WarehouseId::new(),
                    sku: "A".into(),
                    name: "A".into(),
                    unit: "pcs".into(),
                    quantity: units(3),
                    unit_price: "12.00".parse().expect("a price"),
                    discount: Percent::from_ppm(100_000),
                    tax_class: Code::parse("standard").expect("a code"),
                })
                .collect(),
        }
    }

    fn issued_lines(&self, quantity: i64, cost: i64) -> Vec<IssuedLine> {
        let (order_line_id, product_id) = self.lines[0];
        vec![IssuedLine { order_line_id, product_id, quantity: units(quantity), cost: euro(cost) }]
    }

    pub(crate) fn issued(&self, quantity: i64, cost: i64) -> StockIssued {
        StockIssued {
            shipment_id: ShipmentId::new(),
            order_id: self.order_id,
            issued_on: today(),
            lines: self.issued_lines(quantity, cost),
            cost: euro(cost),
        }
    }

    fn returned(&self, quantity: i64, cost: i64) -> StockReturned {
        StockReturned {
            return_id: ReturnId::new(),
            order_id: self.order_id,
            returned_on: today(),
            lines: self.issued_lines(quantity, cost),
            cost: euro(cost),
            scrapped: Vec::new(),
        }
    }

    pub(crate) fn credited(&self, quantity: i64, net: i64) -> CreditNoteIssued {
        CreditNoteIssued {
            credit_note_id: CreditNoteId::new(),
            number: "CN-2026-000001".into(),
            invoice_id: InvoiceId::new(),
            order_id: self.order_id,
            customer_id: self.customer_id,
            issued_on: today(),
            total: euro(net + net / 5),
            lines: vec![CreditedLine {
                line: OrderLineQuantity {
                    order_line_id: self.lines[0].0,
                    quantity: units(quantity),
                },
                net: euro(net),
            }],
        }
    }
}

fn units(units: i64) -> Quantity {
    Quantity::from_units(units).expect("a quantity")
}

async fn facts(world: &World) -> Vec<SalesFact> {
    let rows = sales_fact::Entity::find()
        .order_by_asc(sales_fact::Column::Id)
        .all(world.service.db.read())
        .await
        .expect("read");
    rows.into_iter().map(SalesFact::from).collect()
}

#[tokio::test]
async fn what_was_sold_costed_credited_and_returned_adds_up_to_the_margin() {
    let world = World::new().await;
    let sold = Sold::new(&world).await;
    world.tell(&sold.shipped(&world, false).await).await.expect("heard");
    world.tell(&sold.issued(3, 2_000)).await.expect("heard");
    world.tell(&sold.credited(1, 1_080)).await.expect("heard");
    world.tell(&sold.returned(1, 667)).await.expect("heard");
    let facts = facts(&world).await;
    let found: Vec<_> = facts
        .iter()
        .map(|f| (f.kind, f.quantity.to_string(), f.net.minor(), f.cost.map(|c| c.minor())))
        .collect();
    // 3 × 12.00 less 10 %.
    let expected = [
        (Kind::Shipped, "3".to_owned(), 3_240, None),
        (Kind::Shipped, "3".to_owned(), 3_240, None),
        (Kind::Cost, "3".to_owned(), 0, Some(2_000)),
        (Kind::Credited, "-1".to_owned(), -1_080, None),
        (Kind::Returned, "-1".to_owned(), 0, Some(-667)),
    ];
    assert_eq!(found, expected);
    let first = facts.iter().filter(|fact| fact.order_line_id == sold.lines[0].0);
    let margin: i64 = first.map(|fact| fact.margin.minor()).sum();
    assert_eq!(margin, 3_240 - 2_000 - 1_080 + 667);
    for fact in &facts {
        assert_eq!((fact.customer_id, fact.order_id), (sold.customer_id, sold.order_id));
        assert!(sold.lines.contains(&(fact.order_line_id, fact.product_id)));
        assert_eq!(
            (fact.occurred_on, fact.created_at.date_naive()),
            (today(), Utc::now().date_naive())
        );
    }
    assert!(world.broken_laws().await.is_empty());
}

/// What is scrapped is a loss in the books, and no cost of what was sold.
#[tokio::test]
async fn what_comes_back_to_be_scrapped_gives_back_its_cost_too() {
    let world = World::new().await;
    let sold = Sold::new(&world).await;
    world.tell(&sold.shipped(&world, false).await).await.expect("heard");
    world.tell(&sold.issued(3, 2_000)).await.expect("heard");
    let scrapped = sold.issued_lines(2, 1_333);
    let back = StockReturned { scrapped, ..sold.returned(1, 667) };
    world.tell(&back).await.expect("heard");
    let costs = facts(&world).await.into_iter().filter_map(|fact| fact.cost.map(|c| c.minor()));
    assert_eq!(costs.collect::<Vec<_>>(), [2_000, -667, -1_333]);
    assert!(world.broken_laws().await.is_empty());
}

#[tokio::test]
async fn tax_in_the_price_is_no_revenue() {
    let world = World::new().await;
    let sold = Sold::new(&world).await;
    world.tell(&sold.shipped(&world, true).await).await.expect("heard");
    // 32.40 with 20 % in it.
    assert_eq!(facts(&world).await[0].net, euro(2_700));
}

#[tokio::test]
async fn a_fact_told_twice_is_one_fact() {
    let world = World::new().await;
    let sold = Sold::new(&world).await;
    let event = event(&sold.shipped(&world, false).await);
    world.service.handle(&event).await.expect("heard");
    world.service.handle(&event).await.expect("heard before");
    assert_eq!(facts(&world).await.len(), 2);
}

#[tokio::test]
async fn cost_that_comes_before_the_shipment_is_of_the_customer_who_took_the_credit() {
    let world = World::new().await;
    let sold = Sold::new(&world).await;
    let issued = event(&sold.issued(3, 2_000));
    let refused = world.service.handle(&issued).await.expect_err("nobody knows the order");
    assert_eq!(refused.status(), 503);
    world.hold(sold.order_id, sold.customer_id, 100, soon()).await.expect("held");
    world.service.handle(&issued).await.expect("the relay tries again");
    assert_eq!(facts(&world).await[0].customer_id, sold.customer_id);
}

#[tokio::test]
async fn a_credit_note_waits_for_its_shipment() {
    let world = World::new().await;
    let sold = Sold::new(&world).await;
    let credited = event(&sold.credited(1, 1_080));
    world.service.handle(&credited).await.expect_err("nothing is known of the line");
    assert_eq!(world.credit(sold.customer_id).await.open_receivables_minor, 0);
    world.tell(&sold.shipped(&world, false).await).await.expect("heard");
    world.service.handle(&credited).await.expect("the relay tries again");
    assert_eq!(world.credit(sold.customer_id).await.open_receivables_minor, -1_296);
    assert_eq!(facts(&world).await.len(), 3);
}
