//! Orders and their shipments.

use sea_orm::sqlx::postgres::PgPool;

use crate::load::copy::{Copy, number_series, or_null};
use crate::world::{Fate, Kind, MICROS, OrderState, TAX_RATE, World};

pub async fn load(pool: &PgPool, world: &World) -> Result<(), String> {
    documents(pool, world).await?;
    lines(pool, world).await?;
    let orders = world.orders.series("SO", world.all_orders());
    let shipments = world.orders.series("SH", world.scale.orders);
    number_series(pool, "orders.number_series", orders.into_iter().chain(shipments)).await
}

async fn documents(pool: &PgPool, world: &World) -> Result<(), String> {
    let columns = "id, number, status, fulfilment_status, billing_status, payment_status, \
        quotation_id, customer_id, customer, warehouse_id, ordered_on, allow_backorder, \
        prices_include_tax, currency, rounding_mode, net_minor, tax_minor, total_minor, \
        invoiced_minor, credited_minor, paid_minor, confirmed_at, completed_at, cancelled_at, \
        held_version, version, created_at, updated_at";
    let mut orders = Copy::begin(pool, "orders.orders", columns).await?;
    let columns = "order_id, tax_class, rate, base_minor, tax_minor";
    let mut taxes = Copy::begin(pool, "orders.order_taxes", columns).await?;
    let columns = "id, number, order_id, status, carrier, shipped_on, shipped_at, version, \
        created_at, updated_at";
    let mut shipments = Copy::begin(pool, "orders.shipments", columns).await?;
    let columns = "id, type, version, occurred_at, aggregate_id, aggregate_version, \
        correlation_id, actor, data";
    let mut events = Copy::begin(pool, "orders.events", columns).await?;
    let warehouse = world.warehouse_id();
    for n in 0..world.all_orders() {
        let (state, fate) = (world.order_state(n), world.fate(n));
        let id = world.of_order(Kind::Order, n, 0);
        let (number, at) = (world.orders.number("SO", n), world.orders.at(n));
        let on = world.orders.day(n);
        let customer = world.customer_of(n);
        let net: i64 = world.lines(n).iter().map(|line| line.net).sum();
        let tax = net / 5;
        let total = net + tax;
        let invoiced = fate.is_some_and(|fate| fate != Fate::Draft);
        let credited = fate == Some(Fate::Credited);
        let paid = world.paid(n, total).map_or(0, |(_, applied)| applied);
        let status = match state {
            OrderState::Draft => "draft\tnone",
            OrderState::Confirmed => "confirmed\tnone",
            OrderState::Cancelled => "cancelled\tnone",
            OrderState::Completed => "completed\tfulfilled",
        };
        let billing = if invoiced { "billed" } else { "none" };
        let payment = match fate {
            Some(Fate::HalfPaid) => "partial",
            Some(Fate::Credited | Fate::Paid | Fate::Overpaid) => "paid",
            _ => "unpaid",
        };
        let moment = |of: &[OrderState]| or_null(of.contains(&state).then_some(at));
        orders.row(format_args!(
            "{id}\t{number}\t{status}\t{billing}\t{payment}\t{}\t{}\t{}\t{warehouse}\t{on}\tf\tf\t\
             EUR\tper_document\t{net}\t{tax}\t{total}\t{}\t{}\t{paid}\t{}\t{}\t{}\t1\t2\t{at}\t{at}",
            or_null(world.quotation_of(n).map(|n| world.quotation_id(n))),
            world.customer_id(customer),
            world.customer_json(customer, true),
            if invoiced { total } else { 0 },
            if credited { total } else { 0 },
            moment(&[OrderState::Confirmed, OrderState::Completed]),
            moment(&[OrderState::Completed]),
            moment(&[OrderState::Cancelled]),
        ));
        taxes.row(format_args!("{id}\tstandard\t{TAX_RATE}\t{net}\t{tax}"));
        let event = world.of_order(Kind::Event, n, 0);
        events.row(format_args!(
            "{event}\torders.order.created\t1\t{at}\t{id}\t1\t{event}\t\
             {{\"kind\":\"system\",\"name\":\"volume\"}}\t{{\"number\":\"{number}\"}}"
        ));
        if state == OrderState::Completed {
            let (shipment, number) =
                (world.of_order(Kind::Shipment, n, 0), world.orders.number("SH", n));
            shipments.row(format_args!(
                "{shipment}\t{number}\t{id}\tshipped\tDHL\t{on}\t{at}\t2\t{at}\t{at}"
            ));
        }
        for table in [&mut orders, &mut taxes, &mut shipments, &mut events] {
            table.flush().await?;
        }
    }
    for table in [orders, taxes, shipments, events] {
        table.finish().await?;
    }
    Ok(())
}

async fn lines(pool: &PgPool, world: &World) -> Result<(), String> {
    let columns = "id, order_id, position, product_id, sku, name, unit, unit_decimals, \
        unit_price, discount, tax_class, tax_rate, net_minor, tax_minor, total_minor, ordered, \
        reserved, shipped, cancelled, invoiced, credited";
    let mut lines = Copy::begin(pool, "orders.order_lines", columns).await?;
    let columns = "shipment_id, order_line_id, quantity";
    let mut shipped_lines = Copy::begin(pool, "orders.shipment_lines", columns).await?;
    for n in 0..world.all_orders() {
        let (state, fate) = (world.order_state(n), world.fate(n));
        let order = world.of_order(Kind::Order, n, 0);
        for (place, line) in (0..).zip(world.lines(n)) {
            let id = world.of_order(Kind::OrderLine, n, place);
            let quantity = line.quantity * MICROS;
            let where_if = |is_there: bool| if is_there { quantity } else { 0 };
            lines.row(format_args!(
                "{id}\t{order}\t{}\t{}\tSKU-{:07}\tProduct {}\tpcs\t0\t{}\t0\tstandard\t{TAX_RATE}\t\
                 {}\t{}\t{}\t{quantity}\t{}\t{}\t{}\t{}\t{}",
                place + 1,
                world.product_id(line.product),
                line.product,
                line.product,
                line.price_cents * 10_000,
                line.net,
                line.tax,
                line.net + line.tax,
                where_if(state == OrderState::Confirmed),
                where_if(state == OrderState::Completed),
                where_if(state == OrderState::Cancelled),
                where_if(fate.is_some_and(|fate| fate != Fate::Draft)),
                where_if(fate == Some(Fate::Credited)),
            ));
            if state == OrderState::Completed {
                let shipment = world.of_order(Kind::Shipment, n, 0);
                shipped_lines.row(format_args!("{shipment}\t{id}\t{quantity}"));
            }
        }
        lines.flush().await?;
        shipped_lines.flush().await?;
    }
    lines.finish().await?;
    shipped_lines.finish().await.map(drop)
}
