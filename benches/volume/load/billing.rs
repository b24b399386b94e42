//! Invoices, credit notes, payments, bills, and the journal behind them.

use chrono::{Datelike, TimeDelta};
use kernel::money::{Percent, UnitPrice};
use kernel::quantity::Quantity;
use sea_orm::sqlx::postgres::PgPool;
use uuid::Uuid;

use crate::load::copy::{Copy, Series, number_series};
use crate::load::journal::{Journal, Payment, Payments};
use crate::load::seal::{
    CreditNoteContent, CreditNoteLineContent, InvoiceContent, InvoiceLineContent, seal,
};
use crate::world::{
    BillState, Fate, Kind, Line, MICROS, OPENING, PURCHASE_LINES, TAX_RATE, TERMS_DAYS, World, id,
};

pub async fn load(pool: &PgPool, world: &World) -> Result<(), String> {
    let mut payments = Payments::begin(pool).await?;
    let mut journal = Journal::begin(pool).await?;
    let bills = purchases(pool, world, &mut payments, &mut journal).await?;
    let credit_notes = sales(pool, world, &mut payments, &mut journal).await?;
    let drawn = [bills, credit_notes, payments.finish().await?, journal.finish(pool).await?];
    let invoices = world.orders.series("INV", world.issued());
    let drawn = drawn.iter().flat_map(Series::drawn).chain(invoices);
    number_series(pool, "billing.number_series", drawn).await
}

/// The copies of purchase orders, their goods and their bills.
async fn purchases(
    pool: &PgPool,
    world: &World,
    payments: &mut Payments,
    journal: &mut Journal,
) -> Result<Series, String> {
    let mut numbers = Series::new("BILL");
    let columns = "id, number, supplier_id, supplier_name, payment_terms_days, currency";
    let mut orders = Copy::begin(pool, "billing.purchase_orders", columns).await?;
    let columns = "id, purchase_order_id, position, product_id, sku, name, unit, ordered, \
        unit_price, tax_class, received, billed, overridden";
    let mut order_lines = Copy::begin(pool, "billing.purchase_order_lines", columns).await?;
    let columns = "purchase_order_line_id, quantity, value_minor, billed, relieved_minor";
    let mut goods = Copy::begin(pool, "billing.goods_received", columns).await?;
    let columns = "id, number, status, supplier_id, supplier_name, supplier_invoice_number, \
        purchase_order_id, purchase_order_number, billed_on, due_on, currency, rounding_mode, \
        net_minor, tax_minor, total_minor, applied_minor, exceptions, version, created_at, \
        updated_at";
    let mut bills = Copy::begin(pool, "billing.bills", columns).await?;
    let columns = "id, bill_id, position, purchase_order_line_id, product_id, sku, name, unit, \
        quantity, unit_price, tax_class, tax_rate, net_minor, tax_minor";
    let mut bill_lines = Copy::begin(pool, "billing.bill_lines", columns).await?;
    let quantity = OPENING * MICROS;
    opening(world, journal);
    for n in 0..world.purchase_orders() {
        let (at, on) = (world.purchases.at(n), world.purchases.day(n));
        let order = world.purchase(Kind::PurchaseOrder, n, 0);
        let bill = world.purchase(Kind::Bill, n, 0);
        let (po, number) = (world.purchases.number("PO", n), numbers.next(on.year()).0);
        let supplier = world.supplier_of(n);
        let supplier_id = world.supplier_id(supplier);
        let state = world.bill_state(n);
        let is_approved = state != BillState::Matched;
        orders.row(format_args!(
            "{order}\t{po}\t{supplier_id}\tSupplier {supplier}\t{TERMS_DAYS}\tEUR"
        ));
        let mut net = 0;
        for place in 0..PURCHASE_LINES {
            let line = world.purchase(Kind::PurchaseOrderLine, n, place);
            let product = world.product_of(n, place);
            let value = OPENING * world.cost_cents(product);
            let unit_price = world.cost_cents(product) * 10_000;
            let what = format!(
                "{}\tSKU-{product:07}\tProduct {product}\tpcs\t{quantity}\t{unit_price}\tstandard",
                world.product_id(product)
            );
            let position = place + 1;
            order_lines.row(format_args!(
                "{line}\t{order}\t{position}\t{what}\t{quantity}\t{quantity}\t0"
            ));
            let (billed, relieved) = if is_approved { (quantity, value) } else { (0, 0) };
            goods.row(format_args!("{line}\t{quantity}\t{value}\t{billed}\t{relieved}"));
            bill_lines.row(format_args!(
                "{}\t{bill}\t{position}\t{line}\t{what}\t{TAX_RATE}\t{value}\t{}",
                world.purchase(Kind::BillLine, n, place),
                value / 5
            ));
            net += value;
        }
        let (tax, total) = (net / 5, net + net / 5);
        let (status, applied) = match state {
            BillState::Matched => ("matched", 0),
            BillState::Approved => ("approved", 0),
            BillState::Settled => ("settled", total),
        };
        let due_on = on + TimeDelta::days(TERMS_DAYS);
        bills.row(format_args!(
            "{bill}\t{number}\t{status}\t{supplier_id}\tSupplier {supplier}\tR-{n}\t{order}\t{po}\t\
             {on}\t{due_on}\tEUR\tper_document\t{net}\t{tax}\t{total}\t{applied}\t[]\t2\t{at}\t{at}"
        ));
        let receipt = world.purchase(Kind::Receipt, n, 0);
        let received = [("1200", net), ("2100", -net)];
        journal.post(("receipt", receipt), (on, at), "Goods received", &received);
        if is_approved {
            let postings = [("2100", net), ("1300", tax), ("2000", -total)];
            let description = format!("Bill {number} for {po}");
            journal.post(("bill", bill), (on, at), &description, &postings);
        }
        if state == BillState::Settled {
            let at = at + TimeDelta::days(14);
            let ms = at.timestamp_millis();
            let payment = Payment {
                ids: (id(Kind::BillPayment, ms, n, 0), id(Kind::BillAllocation, ms, n, 0)),
                party: supplier_id,
                is_incoming: false,
                at,
                amount: total,
                applied: total,
                document: bill,
            };
            payments.add(payment, journal).await?;
        }
        for table in [&mut orders, &mut order_lines, &mut goods, &mut bills, &mut bill_lines] {
            table.flush().await?;
        }
        journal.flush().await?;
    }
    for table in [orders, order_lines, goods, bills, bill_lines] {
        table.finish().await?;
    }
    Ok(numbers)
}

/// What came in without a purchase order.
fn opening(world: &World, journal: &mut Journal) {
    let others = (0..world.scale.products).filter(|n| !world.is_purchased(*n));
    let value: i64 = others.map(|n| OPENING * world.cost_cents(n)).sum();
    let receipt = id(Kind::Receipt, world.purchases.ms(0), u64::from(u32::MAX), 1);
    let when = (world.purchases.day(0), world.purchases.at(0));
    let postings = [("1200", value), ("5200", -value)];
    journal.post(("stock_move", receipt), when, "Stock adjusted: opening stock", &postings);
}

/// The goods shipped, the invoices and what became of them.
async fn sales(
    pool: &PgPool,
    world: &World,
    payments: &mut Payments,
    journal: &mut Journal,
) -> Result<Series, String> {
    let mut invoices = Invoices::begin(pool).await?;
    let mut notes = CreditNotes::begin(pool).await?;
    for n in 0..world.scale.orders {
        let (at, on) = (world.orders.at(n), world.orders.day(n));
        let lines = world.lines(n);
        let cost: i64 = lines.iter().map(|line| line.cost).sum();
        let shipment = world.of_order(Kind::Shipment, n, 0);
        let shipped = [("5000", cost), ("1200", -cost)];
        journal.post(("shipment", shipment), (on, at), "Goods shipped", &shipped);
        if let Some(fate) = world.fate(n) {
            let net: i64 = lines.iter().map(|line| line.net).sum();
            let (tax, total) = (net / 5, net + net / 5);
            invoices.add(world, n, &lines, fate)?;
            let invoice = world.of_order(Kind::Invoice, n, 0);
            if fate != Fate::Draft {
                let postings = [("1100", total), ("4000", -net), ("2200", -tax)];
                let (number, order) = (world.orders.number("INV", n), world.orders.number("SO", n));
                let description = format!("Invoice {number} for {order}");
                journal.post(("invoice", invoice), (on, at), &description, &postings);
            }
            if fate == Fate::Credited {
                let (id, number) = notes.add(world, n, &lines)?;
                let postings = [("4000", net), ("2200", tax), ("1100", -total)];
                let invoice = world.orders.number("INV", n);
                let description = format!("Credit note {number} for {invoice}");
                let at = world.credited_at(n);
                let when = (at.date_naive(), at);
                journal.post(("credit_note", id), when, &description, &postings);
            }
            if let Some((amount, applied)) = world.paid(n, total) {
                let at = world.paid_at(n);
                let allocation = id(Kind::Allocation, at.timestamp_millis(), n, 0);
                let payment = Payment {
                    ids: (world.payment_id(n), allocation),
                    party: world.customer_id(world.customer_of(n)),
                    is_incoming: true,
                    at,
                    amount,
                    applied,
                    document: invoice,
                };
                payments.add(payment, journal).await?;
            }
        }
        invoices.flush().await?;
        notes.flush().await?;
        journal.flush().await?;
    }
    invoices.finish().await?;
    notes.finish().await
}

struct Invoices {
    documents: Copy,
    lines: Copy,
    /// Year and hash of the last one issued.
    last: (i32, String),
}

impl Invoices {
    async fn begin(pool: &PgPool) -> Result<Self, String> {
        let columns = "id, status, number, series, seq, order_id, order_number, shipment_id, \
            shipment_number, shipped_on, customer_id, customer, payment_terms_days, issued_on, \
            due_on, currency, prices_include_tax, rounding_mode, rounding, net_minor, tax_minor, \
            total_minor, applied_minor, credited_minor, credit_notes_minor, prev_hash, hash, \
            version, created_at, updated_at";
        let documents = Copy::begin(pool, "billing.invoices", columns).await?;
        let columns = "id, invoice_id, position, order_line_id, product_id, sku, name, unit, \
            quantity, unit_price, discount, tax_class, tax_rate, net_minor, tax_minor, \
            credited_quantity, credited_net_minor, credited_tax_minor";
        let lines = Copy::begin(pool, "billing.invoice_lines", columns).await?;
        Ok(Invoices { documents, lines, last: (0, String::new()) })
    }

    fn add(&mut self, world: &World, n: u64, lines: &[Line], fate: Fate) -> Result<(), String> {
        let id = world.of_order(Kind::Invoice, n, 0);
        let on = world.orders.day(n);
        let customer = world.customer_of(n);
        let net_minor: i64 = lines.iter().map(|line| line.net).sum();
        let contents = (0..).zip(lines).map(|(place, line)| InvoiceLineContent {
            id: world.of_order(Kind::InvoiceLine, n, place),
            position: place + 1,
            order_line_id: world.of_order(Kind::OrderLine, n, place),
            product_id: world.product_id(line.product),
            sku: format!("SKU-{:07}", line.product),
            name: format!("Product {}", line.product),
            unit: "pcs",
            quantity: Quantity::from_micros(line.quantity * MICROS),
            unit_price: UnitPrice::from_micros(line.price_cents * 10_000),
            discount: Percent::ZERO,
            tax_class: "standard",
            tax_rate: Percent::from_ppm(TAX_RATE),
            net_minor: line.net,
            tax_minor: line.tax,
        });
        let content = InvoiceContent {
            id,
            number: &world.orders.number("INV", n),
            issued_on: on,
            due_on: on + TimeDelta::days(TERMS_DAYS),
            order_id: world.of_order(Kind::Order, n, 0),
            order_number: &world.orders.number("SO", n),
            shipment_id: world.of_order(Kind::Shipment, n, 0),
            shipment_number: &world.orders.number("SH", n),
            shipped_on: on,
            customer_id: world.customer_id(customer),
            customer: &world.customer_json(customer, false),
            payment_terms_days: TERMS_DAYS,
            currency: "EUR",
            prices_include_tax: false,
            rounding_mode: "per_document",
            rounding: "half_up",
            net_minor,
            tax_minor: net_minor / 5,
            total_minor: net_minor + net_minor / 5,
            lines: contents.collect(),
        };
        self.document(world, n, &content, fate)?;
        let is_credited = fate == Fate::Credited;
        for (content, line) in content.lines.iter().zip(lines) {
            let quantity = line.quantity * MICROS;
            let credited = match is_credited {
                true => format!("{quantity}\t{}\t{}", line.net, line.tax),
                false => "0\t0\t0".to_owned(),
            };
            self.lines.row(format_args!(
                "{}\t{id}\t{}\t{}\t{}\t{}\t{}\tpcs\t{quantity}\t{}\t0\tstandard\t{TAX_RATE}\t{}\t\
                 {}\t{credited}",
                content.id,
                content.position,
                content.order_line_id,
                content.product_id,
                content.sku,
                content.name,
                content.unit_price.micros(),
                line.net,
                line.tax,
            ));
        }
        Ok(())
    }

    fn document(
        &mut self,
        world: &World,
        n: u64,
        content: &InvoiceContent<'_>,
        fate: Fate,
    ) -> Result<(), String> {
        let at = world.orders.at(n);
        let total = content.total_minor;
        let applied = world.paid(n, total).map_or(0, |(_, applied)| applied);
        let credited = if fate == Fate::Credited { total } else { 0 };
        let status = match fate {
            Fate::Draft => "draft",
            Fate::Open | Fate::HalfPaid => "issued",
            Fate::Credited | Fate::Paid | Fate::Overpaid => "settled",
        };
        let (mut identity, mut dates, mut hashes) =
            ("\\N\t\\N\t\\N".to_owned(), "\\N\t\\N".to_owned(), "\\N\t\\N".to_owned());
        if fate != Fate::Draft {
            let (year, first) = world.orders.year_of(n);
            // A chain for each year's series.
            let previous = if self.last.0 == year { self.last.1.as_str() } else { "" };
            let hash = seal(previous, content)?;
            identity = format!("{}\tINV-{year}\t{}", content.number, n - first + 1);
            dates = format!("{}\t{}", content.issued_on, content.due_on);
            hashes = format!("{previous}\t{hash}");
            self.last = (year, hash);
        }
        self.documents.row(format_args!(
            "{}\t{status}\t{identity}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{TERMS_DAYS}\t{dates}\tEUR\tf\t\
             per_document\thalf_up\t{}\t{}\t{total}\t{applied}\t{credited}\t{credited}\t{hashes}\t3\t\
             {at}\t{at}",
            content.id,
            content.order_id,
            content.order_number,
            content.shipment_id,
            content.shipment_number,
            content.shipped_on,
            content.customer_id,
            content.customer,
            content.net_minor,
            content.tax_minor,
        ));
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), String> {
        self.documents.flush().await?;
        self.lines.flush().await
    }

    async fn finish(self) -> Result<(), String> {
        self.documents.finish().await?;
        self.lines.finish().await.map(drop)
    }
}

struct CreditNotes {
    numbers: Series,
    documents: Copy,
    lines: Copy,
    /// Year and hash of the last one.
    last: (i32, String),
}

impl CreditNotes {
    async fn begin(pool: &PgPool) -> Result<Self, String> {
        let columns = "id, number, series, seq, invoice_id, invoice_number, order_id, \
            order_number, customer_id, customer, issued_on, reason, currency, \
            prices_include_tax, rounding_mode, net_minor, tax_minor, total_minor, \
            applied_minor, prev_hash, hash, created_at";
        let documents = Copy::begin(pool, "billing.credit_notes", columns).await?;
        let columns = "id, credit_note_id, position, invoice_line_id, quantity, net_minor, \
            tax_minor";
        let lines = Copy::begin(pool, "billing.credit_note_lines", columns).await?;
        Ok(CreditNotes { numbers: Series::new("CN"), documents, lines, last: (0, String::new()) })
    }

    /// Takes back the whole invoice.
    fn add(&mut self, world: &World, n: u64, lines: &[Line]) -> Result<(Uuid, String), String> {
        let (id, at) = (world.credit_note_id(n), world.credited_at(n));
        let on = at.date_naive();
        let (number, seq) = self.numbers.next(on.year());
        let customer = world.customer_of(n);
        let net_minor: i64 = lines.iter().map(|line| line.net).sum();
        let total_minor = net_minor + net_minor / 5;
        let contents = (0..).zip(lines).map(|(place, line)| CreditNoteLineContent {
            id: world.of_order(Kind::CreditNoteLine, n, place),
            position: place + 1,
            invoice_line_id: world.of_order(Kind::InvoiceLine, n, place),
            quantity: Quantity::from_micros(line.quantity * MICROS),
            net_minor: line.net,
            tax_minor: line.tax,
        });
        let content = CreditNoteContent {
            id,
            number: &number,
            issued_on: on,
            invoice_id: world.of_order(Kind::Invoice, n, 0),
            invoice_number: &world.orders.number("INV", n),
            order_id: world.of_order(Kind::Order, n, 0),
            order_number: &world.orders.number("SO", n),
            customer_id: world.customer_id(customer),
            customer: &world.customer_json(customer, false),
            reason: "never arrived",
            currency: "EUR",
            prices_include_tax: false,
            rounding_mode: "per_document",
            net_minor,
            tax_minor: net_minor / 5,
            total_minor,
            applied_minor: total_minor,
            lines: contents.collect(),
        };
        let year = on.year();
        let previous = if self.last.0 == year { self.last.1.as_str() } else { "" };
        let hash = seal(previous, &content)?;
        self.documents.row(format_args!(
            "{id}\t{number}\tCN-{year}\t{seq}\t{}\t{}\t{}\t{}\t{}\t{}\t{on}\t{}\tEUR\tf\t\
             per_document\t{net_minor}\t{}\t{total_minor}\t{total_minor}\t{previous}\t{hash}\t{at}",
            content.invoice_id,
            content.invoice_number,
            content.order_id,
            content.order_number,
            content.customer_id,
            content.customer,
            content.reason,
            content.tax_minor,
        ));
        for line in &content.lines {
            self.lines.row(format_args!(
                "{}\t{id}\t{}\t{}\t{}\t{}\t{}",
                line.id,
                line.position,
                line.invoice_line_id,
                line.quantity.micros(),
                line.net_minor,
                line.tax_minor,
            ));
        }
        self.last = (year, hash);
        Ok((id, number))
    }

    async fn flush(&mut self) -> Result<(), String> {
        self.documents.flush().await?;
        self.lines.flush().await
    }

    async fn finish(self) -> Result<Series, String> {
        self.documents.finish().await?;
        self.lines.finish().await?;
        Ok(self.numbers)
    }
}
