//! Customers, prices, quotations, and what orders and invoices mean to customers' credit.

use chrono::{DateTime, Datelike, Utc};
use sea_orm::sqlx::postgres::PgPool;
use uuid::Uuid;

use crate::load::copy::{Copy, Series, number_series, or_null};
use crate::world::{Fate, Kind, MICROS, OrderState, TAX_RATE, TERMS_DAYS, World, address, id};

/// What of a customer's credit is taken, in minor units.
#[derive(Clone, Copy, Default)]
struct Credit {
    owed: i64,
    uninvoiced: i64,
}

pub async fn load(pool: &PgPool, world: &World) -> Result<(), String> {
    prices(pool, world).await?;
    customers(pool, world).await?;
    let credit = exposures(pool, world).await?;
    credits(pool, world, &credit).await?;
    let quotations = quotations(pool, world).await?;
    facts(pool, world).await?;
    let customers = world.customers.series("CU", world.scale.customers);
    let drawn = customers.into_iter().chain(quotations.drawn());
    number_series(pool, "sales.number_series", drawn).await
}

async fn prices(pool: &PgPool, world: &World) -> Result<(), String> {
    let columns = "id, code, name, currency, is_default, version, created_at, updated_at";
    let mut lists = Copy::begin(pool, "sales.price_lists", columns).await?;
    let (list, at) = (world.price_list_id(), world.catalogue.at(0));
    lists.row(format_args!("{list}\tLIST\tList prices\tEUR\tt\t1\t{at}\t{at}"));
    lists.finish().await?;
    let columns = "id, price_list_id, product_id, min_quantity, unit_price";
    let mut prices = Copy::begin(pool, "sales.prices", columns).await?;
    for n in 0..world.scale.products {
        let (product, price) = (world.product_id(n), world.price_cents(n) * 10_000);
        let id = id(Kind::Price, world.catalogue.ms(n), n, 0);
        prices.row(format_args!("{id}\t{list}\t{product}\t{MICROS}\t{price}"));
        prices.flush().await?;
    }
    prices.finish().await.map(drop)
}

/// A hundredth of the customers are not active, a tenth come from elsewhere.
async fn customers(pool: &PgPool, world: &World) -> Result<(), String> {
    let columns = "id, number, name, currency, payment_terms_days, billing_address, \
        price_list_id, external_id, is_active, version, created_at, updated_at";
    let mut customers = Copy::begin(pool, "sales.customers", columns).await?;
    for n in 0..world.scale.customers {
        let (id, number) = (world.customer_id(n), world.customers.number("CU", n));
        let at = world.customers.at(n);
        let external = or_null((n % 10 == 0).then(|| format!("crm-{n}")));
        let is_active = if n % 100 == 99 { 'f' } else { 't' };
        customers.row(format_args!(
            "{id}\t{number}\tCustomer {n}\tEUR\t{TERMS_DAYS}\t{}\t{}\t{external}\t{is_active}\t1\t\
             {at}\t{at}",
            address(n),
            world.price_list_id(),
        ));
        customers.flush().await?;
    }
    customers.finish().await.map(drop)
}

/// What each order takes of its customer's credit, and each document adds to or takes off
/// what they owe; returns the sums by customer.
async fn exposures(pool: &PgPool, world: &World) -> Result<Vec<Credit>, String> {
    let mut credit = vec![Credit::default(); world.scale.customers as usize];
    let columns = "order_id, customer_id, state, amount_minor, invoiced_minor, updated_at";
    let mut exposures = Copy::begin(pool, "sales.credit_exposures", columns).await?;
    let columns = "source_event_id, customer_id, kind, document_id, amount_minor, occurred_on, \
        created_at";
    let mut entries = Copy::begin(pool, "sales.receivable_entries", columns).await?;
    for n in 0..world.all_orders() {
        let state = world.order_state(n);
        if state == OrderState::Draft {
            continue;
        }
        let at = world.orders.at(n);
        let order = world.of_order(Kind::Order, n, 0);
        let number = world.customer_of(n);
        let customer = world.customer_id(number);
        let total: i64 = world.lines(n).iter().map(|line| line.net + line.tax).sum();
        let fate = world.fate(n).filter(|fate| *fate != Fate::Draft);
        let invoiced = if fate.is_some() { total } else { 0 };
        let (word, uninvoiced) = match state {
            OrderState::Cancelled => ("released", 0),
            _ => ("committed", total - invoiced),
        };
        exposures.row(format_args!("{order}\t{customer}\t{word}\t{total}\t{invoiced}\t{at}"));
        let credit = &mut credit[number as usize];
        credit.uninvoiced += uninvoiced;
        let mut entry = |kind: &str, event: u64, document: Uuid, amount: i64, at: DateTime<Utc>| {
            credit.owed += amount;
            let event = world.of_order(Kind::Event, n, event);
            let on = at.date_naive();
            entries
                .row(format_args!("{event}\t{customer}\t{kind}\t{document}\t{amount}\t{on}\t{at}"));
        };
        if fate.is_some() {
            entry("invoice", 1, world.of_order(Kind::Invoice, n, 0), total, at);
        }
        if fate == Some(Fate::Credited) {
            entry("credit_note", 2, world.credit_note_id(n), -total, world.credited_at(n));
        }
        if let Some((amount, _)) = world.paid(n, total) {
            entry("payment", 3, world.payment_id(n), -amount, world.paid_at(n));
        }
        exposures.flush().await?;
        entries.flush().await?;
    }
    exposures.finish().await?;
    entries.finish().await?;
    Ok(credit)
}

async fn credits(pool: &PgPool, world: &World, credit: &[Credit]) -> Result<(), String> {
    let columns = "customer_id, open_receivables_minor, uninvoiced_minor";
    let mut rows = Copy::begin(pool, "sales.customer_credit", columns).await?;
    for (n, Credit { owed, uninvoiced }) in (0..).zip(credit) {
        rows.row(format_args!("{}\t{owed}\t{uninvoiced}", world.customer_id(n)));
        rows.flush().await?;
    }
    rows.finish().await.map(drop)
}

async fn quotations(pool: &PgPool, world: &World) -> Result<Series, String> {
    let mut numbers = Series::new("QU");
    let columns = "id, number, status, customer_id, customer, warehouse_id, quoted_on, \
        valid_until, currency, prices_include_tax, rounding_mode, net_minor, tax_minor, \
        total_minor, order_id, order_number, version, created_at, updated_at";
    let mut quotations = Copy::begin(pool, "sales.quotations", columns).await?;
    let columns = "id, quotation_id, position, product_id, sku, name, unit, quantity, \
        unit_price, price_list, discount, tax_class, tax_rate, net_minor, tax_minor, total_minor";
    let mut lines = Copy::begin(pool, "sales.quotation_lines", columns).await?;
    let columns = "quotation_id, tax_class, rate, base_minor, tax_minor";
    let mut taxes = Copy::begin(pool, "sales.quotation_taxes", columns).await?;
    let (warehouse, year_ahead) = (world.warehouse_id(), chrono::TimeDelta::days(400));
    for n in 0..world.quotations() {
        let order = n * 10;
        let id = world.quotation_id(n);
        let (at, on) = (world.orders.at(order), world.orders.day(order));
        let (number, _) = numbers.next(on.year());
        let customer = world.customer_of(order);
        let sold = (!world.is_unsold(n)).then(|| world.of_order(Kind::Order, order, 0));
        let order_number = sold.map(|_| world.orders.number("SO", order));
        let status = match (sold, n / 50 % 3) {
            (Some(_), _) => "converted",
            (None, 0) => "draft",
            (None, 1) => "sent",
            (None, _) => "rejected",
        };
        let net: i64 = world.lines(order).iter().map(|line| line.net).sum();
        let tax = net / 5;
        quotations.row(format_args!(
            "{id}\t{number}\t{status}\t{}\t{}\t{warehouse}\t{on}\t{}\tEUR\tf\tper_document\t{net}\t\
             {tax}\t{}\t{}\t{}\t3\t{at}\t{at}",
            world.customer_id(customer),
            world.customer_json(customer, true),
            on + year_ahead,
            net + tax,
            or_null(sold),
            or_null(order_number),
        ));
        taxes.row(format_args!("{id}\tstandard\t{TAX_RATE}\t{net}\t{tax}"));
        for (place, line) in (0..).zip(world.lines(order)) {
            lines.row(format_args!(
                "{}\t{id}\t{place}\t{}\tSKU-{:07}\tProduct {}\tpcs\t{}\t{}\tLIST\t0\tstandard\t\
                 {TAX_RATE}\t{}\t{}\t{}",
                world.of_order(Kind::QuotationLine, order, place),
                world.product_id(line.product),
                line.product,
                line.product,
                line.quantity * MICROS,
                line.price_cents * 10_000,
                line.net,
                line.tax,
                line.net + line.tax,
            ));
        }
        for table in [&mut quotations, &mut lines, &mut taxes] {
            table.flush().await?;
        }
    }
    for table in [quotations, lines, taxes] {
        table.finish().await?;
    }
    Ok(numbers)
}

/// Revenue and cost of what was shipped, and revenue of what was credited.
async fn facts(pool: &PgPool, world: &World) -> Result<(), String> {
    let columns = "id, kind, source_event_id, line, document_id, customer_id, order_id, \
        order_line_id, product_id, quantity, currency, net_minor, cost_minor, occurred_on, \
        created_at";
    let mut facts = Copy::begin(pool, "sales.sales_facts", columns).await?;
    for n in 0..world.scale.orders {
        let (at, on) = (world.orders.at(n), world.orders.day(n));
        let order = world.of_order(Kind::Order, n, 0);
        let customer = world.customer_id(world.customer_of(n));
        let credited = world.fate(n) == Some(Fate::Credited);
        let shipment = world.of_order(Kind::Shipment, n, 0);
        for (place, line) in (0..).zip(world.lines(n)) {
            let quantity = line.quantity * MICROS;
            let order_line = world.of_order(Kind::OrderLine, n, place);
            let product = world.product_id(line.product);
            let mut fact =
                |kind: &str, event: u64, document: Uuid, quantity, net, cost: Option<i64>, on| {
                    let id = world.of_order(Kind::Fact, n, place * 8 + event);
                    let source = world.of_order(Kind::Event, n, event);
                    facts.row(format_args!(
                        "{id}\t{kind}\t{source}\t{place}\t{document}\t{customer}\t{order}\t\
                     {order_line}\t{product}\t{quantity}\tEUR\t{net}\t{}\t{on}\t{at}",
                        or_null(cost)
                    ));
                };
            fact("shipped", 4, shipment, quantity, line.net, None, on);
            fact("cost", 5, shipment, quantity, 0, Some(line.cost), on);
            if credited {
                let (note, on) = (world.credit_note_id(n), world.credited_at(n).date_naive());
                fact("credited", 2, note, -quantity, -line.net, None, on);
            }
        }
        facts.flush().await?;
    }
    facts.finish().await.map(drop)
}
