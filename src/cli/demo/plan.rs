//! A quarter of trade, decided in advance: who orders what on which day and what becomes
//! of it. Knows its own stock, so that what it plans can be carried out.

mod planner;
#[cfg(test)]
mod tests;

pub(super) use planner::plan;

/// Days of history; their last is yesterday.
pub(super) const DAYS: u32 = 91;

/// The quarter: each document with its steps in the order of their days.
pub(super) struct Plan {
    /// Stock the company begins with: warehouse, product, quantity.
    pub opening: Vec<(usize, usize, u32)>,
    pub purchases: Vec<Purchase>,
    pub sales: Vec<Sale>,
}

pub(super) struct Line {
    pub product: usize,
    pub quantity: u32,
}

/// How much of what is open is shipped, received or paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Half,
    Rest,
}

pub(super) struct Sale {
    pub customer: usize,
    pub warehouse: usize,
    pub lines: Vec<Line>,
    pub allow_backorder: bool,
    pub steps: Vec<(u32, SaleStep)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SaleStep {
    /// A quotation is drawn up and sent.
    Quote,
    RejectQuotation,
    /// The quotation is accepted and its order confirmed.
    AcceptQuotation,
    /// Ordered and confirmed without a quotation.
    Order,
    CancelOrder,
    /// Goods leave and are invoiced.
    Ship(Part),
    /// What is not shipped is given up.
    CloseShort,
    /// Some of the first line comes back and is credited.
    Return {
        restock: bool,
    },
    Pay(Part),
}

pub(super) struct Purchase {
    pub supplier: usize,
    pub warehouse: usize,
    pub lines: Vec<Line>,
    /// Prices of the day, in percent of the catalogue's costs.
    pub price_percent: u32,
    pub steps: Vec<(u32, PurchaseStep)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PurchaseStep {
    Order,
    Receive(Part),
    /// The supplier bills; `too_much` first, which is found and rejected.
    Bill {
        too_much: bool,
    },
    Pay,
}

/// The smaller half of each quantity; `None` where that is nothing.
pub(super) fn half(quantity: u32) -> Option<u32> {
    Some(quantity / 2).filter(|half| *half > 0)
}

fn can_be_halved(lines: &[Line]) -> bool {
    lines.iter().any(|line| half(line.quantity).is_some())
}
