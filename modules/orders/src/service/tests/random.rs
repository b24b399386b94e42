//! Random commands, events and failures: after each of them no law is broken, and orders
//! and inventory agree about every line.

use contracts::events::{OrderCancelled, OrderConfirmed, OrderLinesCancelled, ShipmentShipped};
use contracts::ids::{OrderId, OrderLineId, ShipmentId};
use kernel::Result;
use kernel::events::EventData;
use kernel::http::Reply;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::hearing::{
    applied, broken, credited, filled, invoiced, paid, refund_reversed, refunded,
};
use super::others::{Fails, Held};
use super::world::{Told, UNIT, World, body, ctx, id};
use crate::routes::shipments::ListShipments;

/// One thing somebody does; the numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Create { quantities: Vec<i64>, allow_backorder: bool },
    Patch { order: usize, quantities: Vec<i64> },
    Confirm { order: usize, fail: Option<(&'static str, Fails)> },
    Cancel { order: usize },
    CancelLine { order: usize, line: usize, quantity: i64 },
    CloseShort { order: usize },
    PackAll { order: usize },
    Pack { order: usize, line: usize, quantity: i64 },
    Ship { shipment: usize },
    Deliver { shipment: usize },
    Unpack { shipment: usize },
    TakeBack { order: usize, line: usize, quantity: i64, restock: bool },
    Fill { order: usize, line: usize, quantity: i64 },
    Break { order: usize, line: usize, quantity: i64 },
    Invoice { order: usize, line: usize, quantity: i64 },
    Credit { order: usize, line: usize, quantity: i64 },
    Pay { order: usize, minor: i64 },
    Refund { order: usize, minor: i64 },
    ReverseRefund { order: usize, minor: i64 },
    UseCredit { from: usize, to: usize, minor: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let order = || 0..4usize;
    let line = || 0..3usize;
    let quantity = || 1..9i64;
    let quantities = || prop::collection::vec(1..12i64, 1..4);
    let fail = prop_oneof![
        3 => Just(None),
        1 => (prop_oneof![Just("hold_credit"), Just("reserve")],
              prop_oneof![Just(Fails::Before), Just(Fails::After)]).prop_map(Some),
    ];
    let on_line = || (order(), line(), quantity());
    prop_oneof![
        2 => (quantities(), any::<bool>())
            .prop_map(|(quantities, allow_backorder)| Step::Create { quantities, allow_backorder }),
        1 => (order(), quantities())
            .prop_map(|(order, quantities)| Step::Patch { order, quantities }),
        4 => (order(), fail).prop_map(|(order, fail)| Step::Confirm { order, fail }),
        1 => order().prop_map(|order| Step::Cancel { order }),
        2 => on_line().prop_map(|(order, line, quantity)| {
            Step::CancelLine { order, line, quantity }
        }),
        1 => order().prop_map(|order| Step::CloseShort { order }),
        2 => order().prop_map(|order| Step::PackAll { order }),
        3 => on_line().prop_map(|(order, line, quantity)| Step::Pack { order, line, quantity }),
        4 => (0..6usize).prop_map(|shipment| Step::Ship { shipment }),
        1 => (0..6usize).prop_map(|shipment| Step::Deliver { shipment }),
        1 => (0..6usize).prop_map(|shipment| Step::Unpack { shipment }),
        1 => (on_line(), any::<bool>()).prop_map(|((order, line, quantity), restock)| {
            Step::TakeBack { order, line, quantity, restock }
        }),
        2 => on_line().prop_map(|(order, line, quantity)| Step::Fill { order, line, quantity }),
        1 => on_line().prop_map(|(order, line, quantity)| Step::Break { order, line, quantity }),
        2 => on_line().prop_map(|(order, line, quantity)| Step::Invoice { order, line, quantity }),
        1 => on_line().prop_map(|(order, line, quantity)| Step::Credit { order, line, quantity }),
        1 => (order(), 1..5000i64).prop_map(|(order, minor)| Step::Pay { order, minor }),
        1 => (order(), 1..500i64).prop_map(|(order, minor)| Step::Refund { order, minor }),
        1 => (order(), 1..500i64).prop_map(|(order, minor)| Step::ReverseRefund { order, minor }),
        1 => (order(), order(), 1..500i64)
            .prop_map(|(from, to, minor)| Step::UseCredit { from, to, minor }),
    ]
}

/// What has been made so far.
#[derive(Default)]
struct Seen {
    orders: Vec<OrderId>,
    shipments: Vec<ShipmentId>,
    /// The last event inventory has heard.
    seq: i64,
}

impl Seen {
    fn order(&self, index: usize) -> Option<OrderId> {
        self.orders.get(index % self.orders.len().max(1)).copied()
    }

    fn shipment(&self, index: usize) -> Option<ShipmentId> {
        self.shipments.get(index % self.shipments.len().max(1)).copied()
    }
}

/// Takes a step. A refusal is as good as a success, as long as it has a reason.
async fn take(world: &World, seen: &mut Seen, step: Step) {
    let service = &world.service;
    let outcome: Option<Result<Reply>> = match step {
        Step::Create { quantities, allow_backorder } => {
            seen.orders.push(world.create(&quantities, allow_backorder).await);
            None
        }
        Step::Patch { order, quantities } => match seen.order(order) {
            Some(order) => {
                let lines = world.new_lines(&quantities);
                Some(world.patch(order, json!({ "lines": lines })).await)
            }
            None => None,
        },
        Step::Confirm { order, fail } => match seen.order(order) {
            Some(order) => {
                world.others(|others| others.fail = fail);
                let outcome = service.confirm_order(&ctx(), order).await;
                world.others(|others| others.fail = None);
                Some(outcome)
            }
            None => None,
        },
        Step::Cancel { order } => match seen.order(order) {
            Some(order) => Some(service.cancel_order(&ctx(), order).await),
            None => None,
        },
        Step::CancelLine { order, line, quantity } => {
            match find_line(world, seen, order, line).await {
                Some((order, line)) => Some(world.cancel_line(order, line, quantity).await),
                None => None,
            }
        }
        Step::CloseShort { order } => match seen.order(order) {
            Some(order) => Some(service.close_order_short(&ctx(), order).await),
            None => None,
        },
        Step::PackAll { order } => match seen.order(order) {
            Some(order) => pack(world, seen, order, json!({})).await,
            None => None,
        },
        Step::Pack { order, line, quantity } => match find_line(world, seen, order, line).await {
            Some((order, line)) => {
                let quantity = quantity.to_string();
                let lines = json!([{ "order_line_id": line, "quantity": quantity }]);
                pack(world, seen, order, json!({ "lines": lines })).await
            }
            None => None,
        },
        Step::Ship { shipment } => match seen.shipment(shipment) {
            Some(shipment) => Some(service.ship_shipment(&ctx(), shipment).await),
            None => None,
        },
        Step::Deliver { shipment } => match seen.shipment(shipment) {
            Some(shipment) => Some(service.deliver_shipment(&ctx(), shipment).await),
            None => None,
        },
        Step::Unpack { shipment } => match seen.shipment(shipment) {
            Some(shipment) => Some(service.cancel_shipment(&ctx(), shipment).await),
            None => None,
        },
        Step::TakeBack { order, line, quantity, restock } => {
            match find_line(world, seen, order, line).await {
                Some((order, line)) => {
                    let quantity = quantity.to_string();
                    let lines = json!([
                        { "order_line_id": line, "quantity": quantity, "restock": restock }
                    ]);
                    Some(world.take_back(order, lines).await)
                }
                None => None,
            }
        }
        Step::Fill { order, line, quantity } => {
            if let Some((order, line)) = find_line(world, seen, order, line).await {
                inventory_fills(world, order, line, quantity).await;
            }
            None
        }
        Step::Break { order, line, quantity } => {
            if let Some((order, line)) = find_line(world, seen, order, line).await {
                inventory_breaks(world, order, line, quantity).await;
            }
            None
        }
        Step::Invoice { order, line, quantity } => {
            if let Some((order, line)) = find_line(world, seen, order, line).await {
                // More than was shipped is refused, which is what is tested then.
                let _ = world.hear(&invoiced(order, line, quantity, quantity * 300)).await;
            }
            None
        }
        Step::Credit { order, line, quantity } => {
            if let Some((order, line)) = find_line(world, seen, order, line).await {
                let _ = world.hear(&credited(order, line, quantity, quantity * 300)).await;
            }
            None
        }
        Step::Pay { order, minor } => {
            if let Some(order) = seen.order(order) {
                world.hear(&paid(order, minor)).await.expect("payments always fit");
            }
            None
        }
        Step::Refund { order, minor } => {
            if let Some(order) = seen.order(order) {
                // More than was credited is refused, here and below.
                let _ = world.hear(&refunded(order, minor)).await;
            }
            None
        }
        Step::ReverseRefund { order, minor } => {
            if let Some(order) = seen.order(order) {
                let _ = world.hear(&refund_reversed(order, minor)).await;
            }
            None
        }
        Step::UseCredit { from, to, minor } => {
            if let (Some(from), Some(to)) = (seen.order(from), seen.order(to)) {
                let _ = world.hear(&applied(from, to, minor)).await;
            }
            None
        }
    };
    if let Some(Err(error)) = outcome {
        assert!(error.status() != 500, "{error:?}");
    }
}

async fn find_line(
    world: &World,
    seen: &Seen,
    order: usize,
    line: usize,
) -> Option<(OrderId, OrderLineId)> {
    let order = seen.order(order)?;
    let lines = world.order(order).await["lines"].as_array().cloned()?;
    Some((order, id(&lines[line % lines.len()]["id"])))
}

async fn pack(world: &World, seen: &mut Seen, order: OrderId, new: Value) -> Option<Result<Reply>> {
    match world.pack(order, new).await {
        Ok(reply) => {
            seen.shipments.push(id(&body(reply).await["id"]));
            None
        }
        refusal => Some(refusal),
    }
}

async fn inventory_fills(world: &World, order: OrderId, line: OrderLineId, quantity: i64) {
    let has_waited = world.others(|others| match others.held(order, line) {
        Some(held) if held.backordered >= quantity * UNIT => {
            held.backordered -= quantity * UNIT;
            held.reserved += quantity * UNIT;
            true
        }
        _ => false,
    });
    if has_waited {
        world.hear(&filled(order, line, quantity)).await.expect("applied");
    }
}

async fn inventory_breaks(world: &World, order: OrderId, line: OrderLineId, quantity: i64) {
    let was_reserved = world.others(|others| match others.held(order, line) {
        Some(held) if held.reserved >= quantity * UNIT => {
            held.reserved -= quantity * UNIT;
            held.backordered += quantity * UNIT;
            true
        }
        _ => false,
    });
    if was_reserved {
        world.hear(&broken(order, line, quantity)).await.expect("applied");
    }
}

/// Lets inventory and sales hear what was published.
async fn deliver(world: &World, seen: &mut Seen) {
    for told in world.told_after(seen.seq).await {
        seen.seq = told.seq;
        world.others(|others| match told.kind.as_str() {
            OrderConfirmed::TYPE => {
                let order: OrderConfirmed = parse(&told);
                for line in &order.lines {
                    let held = others.held(order.order_id, line.line_id).expect("held");
                    assert_eq!(held.reserved, line.reserved.micros());
                    assert_eq!(held.backordered, line.backordered.micros());
                }
            }
            OrderCancelled::TYPE => {
                let order: OrderCancelled = parse(&told);
                others.release(order.order_id);
                others.credit.remove(&order.order_id);
            }
            OrderLinesCancelled::TYPE => {
                let order: OrderLinesCancelled = parse(&told);
                assert!(!order.remaining_total.is_negative());
                for line in &order.lines {
                    let held = others.held(order.order_id, line.line_id).expect("held");
                    held.reserved -= line.released.micros();
                    held.backordered -= line.unbackordered.micros();
                }
            }
            ShipmentShipped::TYPE => {
                let shipment: ShipmentShipped = parse(&told);
                for line in &shipment.lines {
                    let held = others.held(shipment.order_id, line.order_line_id).expect("held");
                    held.reserved -= line.quantity.micros();
                }
            }
            _ => {}
        });
    }
}

fn parse<T: EventData>(told: &Told) -> T {
    serde_json::from_str(&told.data).expect("its content")
}

/// Orders and inventory say the same of every line, and only orders that stand hold credit
/// and stock.
async fn assert_agreed(world: &World, seen: &Seen) {
    for order in &seen.orders {
        let document = world.order(*order).await;
        let is_off = document["status"] == "draft" || document["status"] == "cancelled";
        assert_eq!(world.holds(*order), (!is_off, !is_off), "{document}");
        for line in document["lines"].as_array().expect("lines") {
            let micros = |counter: &str| {
                let text = line["counters"][counter].as_str().expect("a quantity");
                text.parse::<kernel::quantity::Quantity>().expect("a quantity").micros()
            };
            let expected =
                Held { reserved: micros("reserved"), backordered: micros("backordered") };
            assert_eq!(world.held(*order, id(&line["id"])), expected, "{document}");
        }
    }
}

async fn play(steps: Vec<Step>) {
    let world = World::new().await;
    let mut seen = Seen::default();
    // Little enough that some of it waits.
    world.others(|others| others.available.values_mut().for_each(|left| *left = 15 * UNIT));
    for quantities in [&[9, 5], &[8, 3], &[6, 6]] {
        seen.orders.push(world.confirmed(quantities, true).await);
    }
    deliver(&world, &mut seen).await;
    for step in steps {
        let told = format!("{step:?}");
        take(&world, &mut seen, step).await;
        deliver(&world, &mut seen).await;
        assert_eq!(world.broken_laws().await, [""; 0], "after {told}");
        assert_agreed(&world, &seen).await;
    }
    let page = world.service.list_shipments(ListShipments::default()).await;
    let shown = page.expect("the list").data.len();
    assert!(shown == seen.shipments.len().min(50), "every shipment is listed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..Default::default() })]
    #[test]
    fn no_sequence_of_commands_and_events_breaks_a_law(
        steps in prop::collection::vec(step(), 10..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(play(steps));
    }
}
