//! Draws the quarter, day by day.

use super::{DAYS, Line, Part, Plan, Purchase, PurchaseStep, Sale, SaleStep, can_be_halved};
use crate::cli::demo::catalogue::{Article, CUSTOMERS, SUPPLIERS, WAREHOUSES};
use crate::cli::demo::random::Random;

/// Any fixed number: every run plays the same quarter.
const SEED: u64 = 20_260_101;

/// The quarter of these products.
pub(in crate::cli::demo) fn plan(articles: &[Article]) -> Plan {
    let mut planner = Planner::new(articles);
    let mut quotes: Vec<Sale> = Vec::new();
    for day in 0..DAYS {
        planner.take_arrivals(day);
        if day % 7 >= 5 {
            continue; // nobody works
        }
        for supplier in (0..SUPPLIERS).filter(|supplier| *supplier as u32 % 5 == day % 7) {
            planner.reorder(day, supplier);
        }
        for _ in 0..planner.random.between(1, 3) {
            let mut sale = planner.draw_sale();
            if planner.random.chance(50) {
                let answered = next_workday(day + planner.random.between(0, 8));
                sale.steps = vec![(day, SaleStep::Quote), (answered, SaleStep::AcceptQuotation)];
            } else {
                sale.steps = vec![(day, SaleStep::Order)];
            }
            quotes.push(sale);
        }
        let (due, later): (Vec<Sale>, Vec<Sale>) =
            quotes.into_iter().partition(|sale| sale.steps.last().is_some_and(|s| s.0 <= day));
        quotes = later;
        for sale in due {
            planner.decide(day, sale);
        }
        if day % 14 == 3 && day < 70 {
            planner.sell_to_order(day);
        }
    }
    // Not answered yet: sent, and open.
    planner.sales.extend(quotes);
    planner.finish()
}

fn next_workday(day: u32) -> u32 {
    if day % 7 >= 5 { day + 7 - day % 7 } else { day }
}

/// How many of a product the company likes to have.
fn target(article: &Article) -> u32 {
    match article.cost_cents {
        0..500 => 400,
        500..2000 => 160,
        2000..5000 => 60,
        _ => 24,
    }
}

/// A few products are bought only for an order.
fn is_made_to_order(product: usize) -> bool {
    product % 40 == 39
}

struct Planner<'a> {
    articles: &'a [Article],
    random: Random,
    /// What may still be sold, by warehouse and product.
    available: Vec<Vec<u32>>,
    /// Ordered and not received: day, warehouse, product, quantity.
    incoming: Vec<(u32, usize, usize, u32)>,
    plan: Plan,
    sales: Vec<Sale>,
}

impl<'a> Planner<'a> {
    fn new(articles: &'a [Article]) -> Self {
        let mut random = Random::new(SEED);
        let mut available = vec![vec![0; articles.len()]; WAREHOUSES.len()];
        let mut opening = Vec::new();
        for (product, article) in articles.iter().enumerate() {
            for (warehouse, stock) in available.iter_mut().enumerate() {
                if is_kept(warehouse, product) {
                    stock[product] = target(article) * random.between(50, 100) / 100;
                    opening.push((warehouse, product, stock[product]));
                }
            }
        }
        let plan = Plan { opening, purchases: Vec::new(), sales: Vec::new() };
        Planner { articles, random, available, incoming: Vec::new(), plan, sales: Vec::new() }
    }

    fn finish(mut self) -> Plan {
        for sale in &mut self.sales {
            sale.steps.retain(|(day, _)| *day < DAYS);
        }
        for purchase in &mut self.plan.purchases {
            purchase.steps.retain(|(day, _)| *day < DAYS);
        }
        self.plan.sales = self.sales;
        self.plan
    }

    fn take_arrivals(&mut self, day: u32) {
        for (_, warehouse, product, quantity) in
            self.incoming.extract_if(.., |(arrives, ..)| *arrives <= day)
        {
            self.available[warehouse][product] += quantity;
        }
    }

    /// Buys what has run low of one supplier's products.
    fn reorder(&mut self, day: u32, supplier: usize) {
        for warehouse in 0..WAREHOUSES.len() {
            let mut lines = Vec::new();
            for (product, article) in self.articles.iter().enumerate() {
                if article.supplier != supplier || !is_kept(warehouse, product) {
                    continue;
                }
                let coming: u32 = self
                    .incoming
                    .iter()
                    .filter(|i| (i.1, i.2) == (warehouse, product))
                    .map(|i| i.3)
                    .sum();
                let have = self.available[warehouse][product] + coming;
                if have < target(article) / 2 {
                    lines.push(Line { product, quantity: target(article) - have });
                }
            }
            // One product alone waits for company, unless it is nearly gone.
            if lines.len() > 1
                || lines.iter().any(|line| self.available[warehouse][line.product] < 5)
            {
                let arrives = next_workday(day + self.random.between(3, 9));
                self.buy(day, supplier, warehouse, lines, arrives);
            }
        }
    }

    fn buy(&mut self, day: u32, supplier: usize, warehouse: usize, lines: Vec<Line>, arrives: u32) {
        let mut steps = vec![(day, PurchaseStep::Order)];
        let mut complete = arrives;
        if self.random.chance(25) && can_be_halved(&lines) {
            steps.push((arrives, PurchaseStep::Receive(Part::Half)));
            complete = next_workday(arrives + self.random.between(2, 5));
        }
        steps.push((complete, PurchaseStep::Receive(Part::Rest)));
        let billed = next_workday(complete + self.random.between(1, 4));
        let too_much = self.plan.purchases.len() % 12 == 5;
        steps.push((billed, PurchaseStep::Bill { too_much }));
        steps.push((next_workday(billed + self.random.between(10, 30)), PurchaseStep::Pay));
        for line in &lines {
            self.incoming.push((complete, warehouse, line.product, line.quantity));
        }
        let price_percent = self.random.between(96, 105);
        self.plan.purchases.push(Purchase { supplier, warehouse, lines, price_percent, steps });
    }

    /// Somebody wants something; whether it is there shows when it is ordered.
    fn draw_sale(&mut self) -> Sale {
        let warehouse = usize::from(self.random.chance(20));
        let wanted = self.random.between(1, 4) as usize;
        let mut lines: Vec<Line> = Vec::new();
        while lines.len() < wanted {
            // Some products sell much better than the others.
            let popular = self.random.chance(65);
            let product = match popular {
                true => self.random.below(self.articles.len() / 5) * 5,
                false => self.random.below(self.articles.len()),
            };
            let is_new = lines.iter().all(|line| line.product != product);
            if is_new && is_kept(warehouse, product) {
                let most = target(&self.articles[product]);
                let quantity = self.random.between(most / 12, most / 3);
                lines.push(Line { product, quantity });
            }
        }
        let customer = self.random.below(CUSTOMERS);
        Sale { customer, warehouse, lines, allow_backorder: false, steps: Vec::new() }
    }

    /// The customer answers: what they order is taken from the stock and takes its course.
    fn decide(&mut self, day: u32, mut sale: Sale) {
        let is_quoted = sale.steps.len() > 1;
        let stock = &mut self.available[sale.warehouse];
        let is_there = sale.lines.iter().all(|line| line.quantity <= stock[line.product]);
        if !is_there || (is_quoted && self.random.chance(30)) {
            if is_quoted {
                sale.steps[1].1 = SaleStep::RejectQuotation;
                self.sales.push(sale);
            }
            return; // who did not ask for a quotation has bought elsewhere
        }
        for line in &sale.lines {
            stock[line.product] -= line.quantity;
        }
        if self.random.chance(6) {
            let cancelled = next_workday(day + 1);
            sale.steps.push((cancelled, SaleStep::CancelOrder));
            for line in &sale.lines {
                // The day after: what happens on one day happens in no order.
                self.incoming.push((cancelled + 1, sale.warehouse, line.product, line.quantity));
            }
        } else {
            self.fulfil(day, &mut sale);
        }
        self.sales.push(sale);
    }

    fn fulfil(&mut self, day: u32, sale: &mut Sale) {
        let mut shipped = next_workday(day + self.random.between(0, 3));
        let mut is_closed_short = false;
        if self.random.chance(20) && can_be_halved(&sale.lines) {
            sale.steps.push((shipped, SaleStep::Ship(Part::Half)));
            shipped = next_workday(shipped + self.random.between(2, 6));
            is_closed_short = self.random.chance(15);
            let step = match is_closed_short {
                true => SaleStep::CloseShort,
                false => SaleStep::Ship(Part::Rest),
            };
            sale.steps.push((shipped, step));
        } else {
            sale.steps.push((shipped, SaleStep::Ship(Part::Rest)));
        }
        // Of an order closed short, the first line may never have left.
        if !is_closed_short && self.random.chance(9) {
            shipped = next_workday(shipped + self.random.between(2, 6));
            sale.steps.push((shipped, SaleStep::Return { restock: self.random.chance(70) }));
        }
        // Most pay in time; some in two parts; some late, which may be after the quarter.
        let paid = match self.random.chance(80) {
            true => self.random.between(4, 14),
            false => self.random.between(35, 60),
        };
        let mut paid = next_workday(shipped + paid);
        if self.random.chance(15) {
            sale.steps.push((paid, SaleStep::Pay(Part::Half)));
            paid = next_workday(paid + self.random.between(5, 25));
        }
        sale.steps.push((paid, SaleStep::Pay(Part::Rest)));
    }

    /// A sale of something that has to be bought first: the rest is shipped at once, the
    /// backorder when the purchase has come in.
    fn sell_to_order(&mut self, day: u32) {
        let mut sale = self.draw_sale();
        sale.warehouse = 0;
        sale.lines.retain(|line| self.available[0][line.product] >= line.quantity);
        if sale.lines.is_empty() {
            return;
        }
        for line in &sale.lines {
            self.available[0][line.product] -= line.quantity;
        }
        let product = (day as usize / 14) * 40 + 39;
        let quantity = self.random.between(4, 12);
        let supplier = self.articles[product].supplier;
        let arrives = next_workday(day + 6);
        let lines = vec![Line { product, quantity }];
        let mut steps =
            vec![(day, PurchaseStep::Order), (arrives, PurchaseStep::Receive(Part::Rest))];
        steps.push((next_workday(arrives + 2), PurchaseStep::Bill { too_much: false }));
        steps.push((next_workday(arrives + 20), PurchaseStep::Pay));
        self.plan.purchases.push(Purchase {
            supplier,
            warehouse: 0,
            lines,
            price_percent: 100,
            steps,
        });
        sale.lines.push(Line { product, quantity });
        sale.allow_backorder = true;
        sale.steps = vec![
            (day, SaleStep::Order),
            (next_workday(day + 1), SaleStep::Ship(Part::Rest)),
            (arrives, SaleStep::Ship(Part::Rest)),
            (next_workday(arrives + 12), SaleStep::Pay(Part::Rest)),
        ];
        self.sales.push(sale);
    }
}

/// The depot in the south keeps every third product.
fn is_kept(warehouse: usize, product: usize) -> bool {
    !is_made_to_order(product) && (warehouse == 0 || product.is_multiple_of(3))
}
