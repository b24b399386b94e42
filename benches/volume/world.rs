//! The company that is loaded: every row follows from its number by arithmetic, so that
//! modules agree without asking each other and the same rows come out in every run.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;

/// How many rows there are of what the others follow from.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    pub products: u64,
    pub customers: u64,
    /// Shipped orders. A fiftieth more are drafts, confirmed or cancelled.
    pub orders: u64,
    /// Of those orders, the oldest.
    pub invoices: u64,
}

/// Units of each product that came in, before any were sold.
pub const OPENING: i64 = 1000;
pub const MICROS: i64 = 1_000_000;
/// Part per million: the standard rate that billing begins with.
pub const TAX_RATE: i64 = 200_000;
pub const TERMS_DAYS: i64 = 30;
/// Lines of a loaded purchase order.
pub const PURCHASE_LINES: u64 = 5;
/// So many days ago the first products were entered.
const CATALOGUE_BEGINS: i64 = 730;
/// Payments come so many days after the invoice, credit notes so many.
const PAID_AFTER: i64 = 20;
const CREDITED_AFTER: i64 = 10;

/// What a row is, as its id has it.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Kind {
    Warehouse = 1,
    Product,
    StockLevel,
    OpeningMove,
    Customer,
    PriceList,
    Price,
    Supplier,
    PurchaseOrder,
    PurchaseOrderLine,
    Receipt,
    Bill,
    BillLine,
    BillPayment,
    BillAllocation,
    Quotation,
    QuotationLine,
    Order,
    OrderLine,
    Event,
    Shipment,
    Issue,
    Reservation,
    Invoice,
    InvoiceLine,
    CreditNote,
    CreditNoteLine,
    Payment,
    Allocation,
    Entry,
    Fact,
}

/// Rows of one kind over a stretch of time, the first at its begin.
#[derive(Clone, Debug)]
pub struct Clock {
    begin_ms: i64,
    length_ms: i64,
    count: u64,
    /// For each year the number of its first row.
    years: Vec<(i32, u64)>,
}

impl Clock {
    fn new(begin: DateTime<Utc>, end: DateTime<Utc>, count: u64) -> Self {
        let begin_ms = begin.timestamp_millis();
        let length_ms = end.timestamp_millis() - begin_ms;
        let mut clock = Clock { begin_ms, length_ms, count, years: Vec::new() };
        let (mut n, mut years) = (0, Vec::new());
        while n < count {
            let year = clock.at(n).year();
            years.push((year, n));
            // The first of a later year, by halves.
            let (mut low, mut high) = (n, count);
            while low < high {
                let middle = (low + high) / 2;
                match clock.at(middle).year() > year {
                    true => high = middle,
                    false => low = middle + 1,
                }
            }
            n = low;
        }
        clock.years = years;
        clock
    }

    pub fn ms(&self, n: u64) -> i64 {
        let part = i128::from(self.length_ms) * i128::from(n) / i128::from(self.count.max(1));
        self.begin_ms + part as i64
    }

    pub fn at(&self, n: u64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.ms(n)).unwrap_or_default()
    }

    pub fn day(&self, n: u64) -> NaiveDate {
        self.at(n).date_naive()
    }

    /// The document number: counted by year.
    pub fn number(&self, prefix: &str, n: u64) -> String {
        let (year, first) = self.year_of(n);
        format!("{prefix}-{year}-{:06}", n - first + 1)
    }

    pub fn year_of(&self, n: u64) -> (i32, u64) {
        let later = self.years.partition_point(|(_, first)| *first <= n);
        self.years[later.saturating_sub(1)]
    }

    /// What the series of the first `count` rows have come to.
    pub fn series(&self, prefix: &str, count: u64) -> Vec<(String, u64)> {
        let ends = self.years.iter().skip(1).map(|(_, first)| *first).chain([self.count]);
        let drawn = self.years.iter().zip(ends).map(|((year, first), end)| {
            (format!("{prefix}-{year}"), end.min(count).saturating_sub(*first))
        });
        drawn.filter(|(_, last)| *last > 0).collect()
    }
}

/// A line of an order, as it was ordered, shipped and invoiced.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub product: u64,
    pub quantity: i64,
    pub price_cents: i64,
    pub net: i64,
    pub tax: i64,
    pub cost: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    Draft,
    Confirmed,
    Cancelled,
    /// Shipped, which completes it.
    Completed,
}

/// What became of an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Draft,
    Open,
    HalfPaid,
    Credited,
    Paid,
    /// With five euros too much.
    Overpaid,
}

pub const OVERPAID_BY: i64 = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BillState {
    Matched,
    Approved,
    Settled,
}

pub struct World {
    pub scale: Scale,
    pub now: DateTime<Utc>,
    pub catalogue: Clock,
    pub customers: Clock,
    pub purchases: Clock,
    pub orders: Clock,
}

impl World {
    /// As of an hour ago, so that nothing of it is dated after what is done with it.
    pub fn new(scale: Scale) -> World {
        World::at(scale, Utc::now() - TimeDelta::hours(1))
    }

    /// The world that was loaded with this warehouse.
    pub fn loaded(scale: Scale, warehouse: Uuid) -> World {
        let millis = (warehouse.as_u128() >> 80) as i64;
        let begin = DateTime::from_timestamp_millis(millis).unwrap_or_default();
        World::at(scale, begin + TimeDelta::days(CATALOGUE_BEGINS))
    }

    fn at(scale: Scale, now: DateTime<Utc>) -> World {
        let days_ago = |days| now - TimeDelta::days(days);
        World {
            scale,
            now,
            catalogue: Clock::new(days_ago(CATALOGUE_BEGINS), days_ago(500), scale.products),
            customers: Clock::new(days_ago(500), days_ago(470), scale.customers),
            purchases: Clock::new(days_ago(470), days_ago(370), scale.products / 50),
            orders: Clock::new(days_ago(365), now, scale.orders + scale.orders / 50),
        }
    }

    pub fn suppliers(&self) -> u64 {
        (self.scale.customers / 100).max(10)
    }

    /// A tenth of the products came by them, the others by a receipt without one.
    pub fn purchase_orders(&self) -> u64 {
        self.scale.products / 50
    }

    pub fn all_orders(&self) -> u64 {
        self.scale.orders + self.scale.orders / 50
    }

    /// Invoices that have a number; the newest are drafts.
    pub fn issued(&self) -> u64 {
        self.scale.invoices - self.scale.invoices / 100
    }

    /// A product's price; what it costs is three fifths of it.
    pub fn price_cents(&self, product: u64) -> i64 {
        200 + 5 * (product % 997) as i64
    }

    pub fn cost_cents(&self, product: u64) -> i64 {
        self.price_cents(product) / 5 * 3
    }

    pub fn customer_of(&self, order: u64) -> u64 {
        mix(order) % self.scale.customers
    }

    /// One to three lines, of different products.
    pub fn lines(&self, order: u64) -> Vec<Line> {
        let first = mix(order ^ 0x5eed) % self.scale.products;
        let lines = (0..1 + order % 3).map(|n| {
            let product = (first + n * 101) % self.scale.products;
            let quantity = 1 + ((order + n) % 5) as i64;
            let price_cents = self.price_cents(product);
            let net = quantity * price_cents;
            // A price is a multiple of five cents, so that a fifth of it is whole.
            let (tax, cost) = (net / 5, quantity * self.cost_cents(product));
            Line { product, quantity, price_cents, net, tax, cost }
        });
        lines.collect()
    }

    pub fn order_state(&self, order: u64) -> OrderState {
        match order.checked_sub(self.scale.orders).map(|n| n % 4) {
            None => OrderState::Completed,
            Some(0) => OrderState::Draft,
            Some(1) => OrderState::Cancelled,
            Some(_) => OrderState::Confirmed,
        }
    }

    /// What became of the order's invoice, if it has one.
    pub fn fate(&self, order: u64) -> Option<Fate> {
        let fate = match order % 100 {
            _ if order >= self.scale.invoices => return None,
            _ if order >= self.issued() => Fate::Draft,
            1..=4 => Fate::Open,
            5 => Fate::HalfPaid,
            6 => Fate::Credited,
            7 => Fate::Overpaid,
            _ => Fate::Paid,
        };
        let settled_at = match fate {
            Fate::Credited => self.credited_at(order),
            _ => self.paid_at(order),
        };
        // What is to come has not come.
        Some(if fate != Fate::Draft && settled_at > self.now { Fate::Open } else { fate })
    }

    pub fn paid_at(&self, order: u64) -> DateTime<Utc> {
        self.orders.at(order) + TimeDelta::days(PAID_AFTER)
    }

    pub fn credited_at(&self, order: u64) -> DateTime<Utc> {
        self.orders.at(order) + TimeDelta::days(CREDITED_AFTER)
    }

    /// What came for the order's invoice, and what of it was applied.
    pub fn paid(&self, order: u64, total: i64) -> Option<(i64, i64)> {
        match self.fate(order)? {
            Fate::HalfPaid => Some((total / 2, total / 2)),
            Fate::Paid => Some((total, total)),
            Fate::Overpaid => Some((total + OVERPAID_BY, total)),
            Fate::Draft | Fate::Open | Fate::Credited => None,
        }
    }

    pub fn product_of(&self, purchase_order: u64, line: u64) -> u64 {
        purchase_order * PURCHASE_LINES + line
    }

    pub fn bill_state(&self, purchase_order: u64) -> BillState {
        match purchase_order % 10 {
            0 => BillState::Matched,
            1 => BillState::Approved,
            _ => BillState::Settled,
        }
    }

    /// Whether the product came by a purchase order.
    pub fn is_purchased(&self, product: u64) -> bool {
        product < self.purchase_orders() * PURCHASE_LINES
    }
}

/// A version 7 id, later for a later moment, of a kind, a number and a place within it.
pub fn id(kind: Kind, ms: i64, n: u64, place: u64) -> Uuid {
    let high = ((ms as u64) << 16) | 0x7000 | (place & 0xfff);
    let low = (0b10 << 62) | ((kind as u64) << 50) | n;
    Uuid::from_u64_pair(high, low)
}

/// Scatters numbers: the finalizer of SplitMix64 (Steele et al. 2014).
pub fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The ids that rows of other tables name.
impl World {
    pub fn warehouse_id(&self) -> Uuid {
        id(Kind::Warehouse, self.catalogue.ms(0), 0, 0)
    }

    pub fn product_id(&self, n: u64) -> Uuid {
        id(Kind::Product, self.catalogue.ms(n), n, 0)
    }

    pub fn customer_id(&self, n: u64) -> Uuid {
        id(Kind::Customer, self.customers.ms(n), n, 0)
    }

    pub fn price_list_id(&self) -> Uuid {
        id(Kind::PriceList, self.catalogue.ms(0), 0, 0)
    }

    pub fn supplier_id(&self, n: u64) -> Uuid {
        id(Kind::Supplier, self.purchases.ms(0), n, 0)
    }

    pub fn supplier_of(&self, purchase_order: u64) -> u64 {
        mix(purchase_order) % self.suppliers()
    }

    /// The id of a row that belongs to a purchase order.
    pub fn purchase(&self, kind: Kind, n: u64, place: u64) -> Uuid {
        id(kind, self.purchases.ms(n), n, place)
    }

    /// The id of a row that belongs to an order.
    pub fn of_order(&self, kind: Kind, n: u64, place: u64) -> Uuid {
        id(kind, self.orders.ms(n), n, place)
    }

    pub fn payment_id(&self, n: u64) -> Uuid {
        id(Kind::Payment, self.paid_at(n).timestamp_millis(), n, 0)
    }

    pub fn credit_note_id(&self, n: u64) -> Uuid {
        id(Kind::CreditNote, self.credited_at(n).timestamp_millis(), n, 0)
    }

    /// A tenth of the shipped orders come from a quotation each.
    pub fn quotation_id(&self, n: u64) -> Uuid {
        self.of_order(Kind::Quotation, n * 10, 0)
    }

    pub fn quotations(&self) -> u64 {
        self.scale.orders / 10
    }

    pub fn quotation_of(&self, order: u64) -> Option<u64> {
        let is_one = order.is_multiple_of(10) && order < self.scale.orders;
        is_one.then_some(order / 10).filter(|n| !self.is_unsold(*n))
    }

    /// A fiftieth of the quotations led to nothing: sent, drafted, rejected.
    pub fn is_unsold(&self, quotation: u64) -> bool {
        quotation.is_multiple_of(50)
    }

    /// The address, name and number that documents copy.
    pub fn customer_json(&self, n: u64, full: bool) -> String {
        let (id, number) = (self.customer_id(n), self.customers.number("CU", n));
        let more = if full {
            format!(r#""is_active":true,"currency":"EUR","payment_terms_days":{TERMS_DAYS},"#)
        } else {
            String::new()
        };
        let address = address(n);
        let shipping =
            if full { format!(r#","shipping_address":{address}"#) } else { String::new() };
        format!(
            r#"{{"id":"{id}","number":"{number}","name":"Customer {n}",{more}"billing_address":{address}{shipping}}}"#
        )
    }
}

pub fn address(n: u64) -> String {
    format!(
        r#"{{"line1":"Werkstrasse {}","postal_code":"{:05}","city":"Kassel","country":"DE"}}"#,
        n % 200 + 1,
        n % 90_000 + 10_000
    )
}
