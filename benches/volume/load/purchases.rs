//! Suppliers, purchase orders and their receipts.

use sea_orm::sqlx::postgres::PgPool;

use crate::load::copy::{Copy, number_series, or_null};
use crate::world::{
    BillState, Kind, MICROS, OPENING, PURCHASE_LINES, TAX_RATE, TERMS_DAYS, World, address,
};

pub async fn load(pool: &PgPool, world: &World) -> Result<(), String> {
    suppliers(pool, world).await?;
    documents(pool, world).await?;
    lines(pool, world).await?;
    let all = world.purchase_orders();
    let drawn = [("PO", all), ("GR", all)]
        .into_iter()
        .flat_map(|(prefix, count)| world.purchases.series(prefix, count))
        .chain([(format!("SU-{}", world.purchases.year_of(0).0), world.suppliers())]);
    number_series(pool, "purchasing.number_series", drawn).await
}

async fn suppliers(pool: &PgPool, world: &World) -> Result<(), String> {
    let columns = "id, number, name, currency, payment_terms_days, address, external_id, \
        is_active, version, created_at, updated_at";
    let mut suppliers = Copy::begin(pool, "purchasing.suppliers", columns).await?;
    let (year, at) = (world.purchases.year_of(0).0, world.purchases.at(0));
    for n in 0..world.suppliers() {
        let is_active = if n % 100 == 99 { 'f' } else { 't' };
        suppliers.row(format_args!(
            "{}\tSU-{year}-{:06}\tSupplier {n}\tEUR\t{TERMS_DAYS}\t{}\terp-{n}\t{is_active}\t1\t\
             {at}\t{at}",
            world.supplier_id(n),
            n + 1,
            address(n),
        ));
        suppliers.flush().await?;
    }
    suppliers.finish().await.map(drop)
}

async fn documents(pool: &PgPool, world: &World) -> Result<(), String> {
    let columns = "id, number, status, receipt_status, billing_status, supplier_id, \
        supplier_name, payment_terms_days, warehouse_id, ordered_on, currency, rounding_mode, \
        net_minor, tax_minor, total_minor, approved_at, sent_at, closed_at, is_closed_short, \
        version, created_at, updated_at";
    let mut orders = Copy::begin(pool, "purchasing.purchase_orders", columns).await?;
    let columns = "id, number, purchase_order_id, received_on, delivery_note, created_at";
    let mut receipts = Copy::begin(pool, "purchasing.receipts", columns).await?;
    let warehouse = world.warehouse_id();
    for n in 0..world.purchase_orders() {
        let id = world.purchase(Kind::PurchaseOrder, n, 0);
        let (at, on) = (world.purchases.at(n), world.purchases.day(n));
        let supplier = world.supplier_of(n);
        let billed = world.bill_state(n) != BillState::Matched;
        let (status, billing) = if billed { ("closed", "billed") } else { ("received", "none") };
        let net: i64 = (0..PURCHASE_LINES)
            .map(|line| OPENING * world.cost_cents(world.product_of(n, line)))
            .sum();
        orders.row(format_args!(
            "{id}\t{}\t{status}\tfull\t{billing}\t{}\tSupplier {supplier}\t{TERMS_DAYS}\t\
             {warehouse}\t{on}\tEUR\tper_document\t{net}\t{}\t{}\t{at}\t{at}\t{}\tf\t5\t{at}\t{at}",
            world.purchases.number("PO", n),
            world.supplier_id(supplier),
            net / 5,
            net + net / 5,
            or_null(billed.then_some(at)),
        ));
        receipts.row(format_args!(
            "{}\t{}\t{id}\t{on}\tDN-{n}\t{at}",
            world.purchase(Kind::Receipt, n, 0),
            world.purchases.number("GR", n),
        ));
        orders.flush().await?;
        receipts.flush().await?;
    }
    orders.finish().await?;
    receipts.finish().await.map(drop)
}

async fn lines(pool: &PgPool, world: &World) -> Result<(), String> {
    let columns = "id, purchase_order_id, position, product_id, sku, name, unit, unit_decimals, \
        unit_price, tax_class, tax_rate, net_minor, tax_minor, total_minor, ordered, received, \
        short_closed, on_bills";
    let mut lines = Copy::begin(pool, "purchasing.purchase_order_lines", columns).await?;
    let columns = "receipt_id, purchase_order_line_id, quantity";
    let mut received = Copy::begin(pool, "purchasing.receipt_lines", columns).await?;
    let columns = "bill_id, purchase_order_line_id, quantity";
    let mut billed = Copy::begin(pool, "purchasing.billed_lines", columns).await?;
    let quantity = OPENING * MICROS;
    for n in 0..world.purchase_orders() {
        let is_billed = world.bill_state(n) != BillState::Matched;
        let order = world.purchase(Kind::PurchaseOrder, n, 0);
        for place in 0..PURCHASE_LINES {
            let id = world.purchase(Kind::PurchaseOrderLine, n, place);
            let product = world.product_of(n, place);
            let (cost, net) = (world.cost_cents(product), OPENING * world.cost_cents(product));
            lines.row(format_args!(
                "{id}\t{order}\t{}\t{}\tSKU-{product:07}\tProduct {product}\tpcs\t0\t{}\tstandard\t\
                 {TAX_RATE}\t{net}\t{}\t{}\t{quantity}\t{quantity}\t0\t{}",
                place + 1,
                world.product_id(product),
                cost * 10_000,
                net / 5,
                net + net / 5,
                if is_billed { quantity } else { 0 },
            ));
            let receipt = world.purchase(Kind::Receipt, n, 0);
            received.row(format_args!("{receipt}\t{id}\t{quantity}"));
            if is_billed {
                let bill = world.purchase(Kind::Bill, n, 0);
                billed.row(format_args!("{bill}\t{id}\t{quantity}"));
            }
        }
        for table in [&mut lines, &mut received, &mut billed] {
            table.flush().await?;
        }
    }
    for table in [lines, received, billed] {
        table.finish().await?;
    }
    Ok(())
}
