//! Products, what came in and went out of them, and what is left.

use sea_orm::sqlx::postgres::PgPool;

use crate::load::copy::Copy;
use crate::world::{Kind, MICROS, OPENING, OrderState, PURCHASE_LINES, World, id};

const MOVE: &str = "id, kind, product_id, from_location, to_location, warehouse_id, quantity, \
    unit_cost, value_minor, currency, moved_on, source_type, source_id, source_line_id, reason, \
    created_at";

pub async fn load(pool: &PgPool, world: &World) -> Result<(), String> {
    warehouse(pool, world).await?;
    products(pool, world).await?;
    let (gone, reserved) = outgoing(pool, world).await?;
    levels(pool, world, &gone, &reserved).await
}

async fn warehouse(pool: &PgPool, world: &World) -> Result<(), String> {
    let columns = "id, code, name, is_active, version, created_at, updated_at";
    let mut warehouses = Copy::begin(pool, "inventory.warehouses", columns).await?;
    let (id, at) = (world.warehouse_id(), world.catalogue.at(0));
    warehouses.row(format_args!("{id}\tMAIN\tMain warehouse\tt\t1\t{at}\t{at}"));
    warehouses.finish().await.map(drop)
}

/// A hundredth of the products are not active.
async fn products(pool: &PgPool, world: &World) -> Result<(), String> {
    let columns = "id, sku, name, description, barcode, unit, unit_decimals, tax_class, \
        is_active, version, created_at, updated_at";
    let mut products = Copy::begin(pool, "inventory.products", columns).await?;
    let mut moves = Copy::begin(pool, "inventory.stock_moves", MOVE).await?;
    let warehouse = world.warehouse_id();
    // The products that no purchase brought came by one receipt.
    let receipt = id(Kind::Receipt, world.purchases.ms(0), u64::from(u32::MAX), 1);
    for n in 0..world.scale.products {
        let (product, at) = (world.product_id(n), world.catalogue.at(n));
        let is_active = if n % 100 == 99 { 'f' } else { 't' };
        products.row(format_args!(
            "{product}\tSKU-{n:07}\tProduct {n}\tOne of many\t{:013}\tpcs\t0\tstandard\t\
             {is_active}\t1\t{at}\t{at}",
            4_000_000_000_000 + n
        ));
        products.flush().await?;
        let (unit_cost, value) = (world.cost_cents(n) * 10_000, world.cost_cents(n) * OPENING);
        let quantity = OPENING * MICROS;
        if world.is_purchased(n) {
            let (order, line) = (n / PURCHASE_LINES, n % PURCHASE_LINES);
            let (at, on) = (world.purchases.at(order), world.purchases.day(order));
            let id = world.purchase(Kind::OpeningMove, order, line);
            let source = world.purchase(Kind::Receipt, order, 0);
            let source_line = world.purchase(Kind::PurchaseOrderLine, order, line);
            moves.row(format_args!(
                "{id}\treceipt\t{product}\tsupplier\twarehouse\t{warehouse}\t{quantity}\t\
                 {unit_cost}\t{value}\tEUR\t{on}\tpurchase_receipt\t{source}\t{source_line}\t\
                 \\N\t{at}"
            ));
        } else {
            let (ms, at, on) =
                (world.purchases.ms(0), world.purchases.at(0), world.purchases.day(0));
            let id = id(Kind::OpeningMove, ms, n, 0xfff);
            moves.row(format_args!(
                "{id}\treceipt\t{product}\tadjustment\twarehouse\t{warehouse}\t{quantity}\t\
                 {unit_cost}\t{value}\tEUR\t{on}\tstock_receipt\t{receipt}\t{id}\t\
                 opening stock\t{at}"
            ));
        }
        moves.flush().await?;
    }
    products.finish().await?;
    moves.finish().await.map(drop)
}

/// What orders took and hold; returns both of each product, in units.
async fn outgoing(pool: &PgPool, world: &World) -> Result<(Vec<i64>, Vec<i64>), String> {
    let count = world.scale.products as usize;
    let (mut gone, mut reserved) = (vec![0; count], vec![0; count]);
    let mut moves = Copy::begin(pool, "inventory.stock_moves", MOVE).await?;
    let columns = "id, order_id, order_line_id, product_id, warehouse_id, quantity, remaining, \
        status, expires_at, note, version, created_at, updated_at";
    let mut reservations = Copy::begin(pool, "inventory.reservations", columns).await?;
    let warehouse = world.warehouse_id();
    for n in 0..world.all_orders() {
        let state = world.order_state(n);
        if state == OrderState::Draft {
            continue;
        }
        let (at, on) = (world.orders.at(n), world.orders.day(n));
        let order = world.of_order(Kind::Order, n, 0);
        for (place, line) in world.lines(n).iter().enumerate() {
            let place = place as u64;
            let product = world.product_id(line.product);
            let order_line = world.of_order(Kind::OrderLine, n, place);
            let reservation = world.of_order(Kind::Reservation, n, place);
            let quantity = line.quantity * MICROS;
            let (status, remaining) = match state {
                OrderState::Confirmed => ("active", quantity),
                OrderState::Cancelled => ("released", 0),
                _ => ("consumed", 0),
            };
            reservations.row(format_args!(
                "{reservation}\t{order}\t{order_line}\t{product}\t{warehouse}\t{quantity}\t\
                 {remaining}\t{status}\t\\N\t\\N\t2\t{at}\t{at}"
            ));
            match state {
                OrderState::Confirmed => reserved[line.product as usize] += line.quantity,
                OrderState::Completed => {
                    gone[line.product as usize] += line.quantity;
                    let id = world.of_order(Kind::Issue, n, place);
                    let shipment = world.of_order(Kind::Shipment, n, 0);
                    moves.row(format_args!(
                        "{id}\tissue\t{product}\twarehouse\tcustomer\t{warehouse}\t{quantity}\t\
                         \\N\t{}\tEUR\t{on}\tshipment\t{shipment}\t{order_line}\t\\N\t{at}",
                        line.cost,
                    ));
                }
                _ => {}
            }
        }
        reservations.flush().await?;
        moves.flush().await?;
    }
    moves.finish().await?;
    reservations.finish().await?;
    Ok((gone, reserved))
}

async fn levels(
    pool: &PgPool,
    world: &World,
    gone: &[i64],
    reserved: &[i64],
) -> Result<(), String> {
    let columns = "product_id, warehouse_id, id, on_hand, reserved, backordered, value_minor";
    let mut levels = Copy::begin(pool, "inventory.stock_levels", columns).await?;
    let warehouse = world.warehouse_id();
    for (n, (gone, reserved)) in (0..).zip(gone.iter().zip(reserved)) {
        let left = OPENING - gone;
        if left < *reserved {
            return Err(format!("too many orders for so few products: {gone} of one are sold"));
        }
        let (product, value) = (world.product_id(n), left * world.cost_cents(n));
        let id = id(Kind::StockLevel, world.catalogue.ms(n), n, 0);
        let (on_hand, reserved) = (left * MICROS, reserved * MICROS);
        levels.row(format_args!("{product}\t{warehouse}\t{id}\t{on_hand}\t{reserved}\t0\t{value}"));
        levels.flush().await?;
    }
    levels.finish().await.map(drop)
}
