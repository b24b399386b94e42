//! What a credit note comes to.
//!
//! A credit note is worth what has been credited in all, rounded, less what was credited
//! before (domain rule R-4): roundings do not pile up, and the last note closes its invoice
//! to zero. Two things come before that rule, because they are what the customer sees: a
//! line credited in whole is credited at exactly what the invoice says, and no line at
//! more.

use std::collections::BTreeMap;

use contracts::billing::RoundingMode;
use contracts::common::TaxClass;
use kernel::money::{Percent, UnitPrice, line_net_exact};
use kernel::quantity::Quantity;

use crate::service::totals::{Line, NetTax, Overflow, Terms, allocate_capped, calculate};

/// A line of an invoice and what has been credited of it.
#[derive(Clone, Debug)]
pub(crate) struct InvoicedLine {
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    pub discount: Percent,
    pub tax_class: TaxClass,
    pub tax_rate: Percent,
    pub invoiced: NetTax,
    pub credited_quantity: Quantity,
    pub credited: NetTax,
}

/// `quantity` more of the line at `index`; above zero and not above what is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credit {
    pub index: usize,
    pub quantity: Quantity,
}

/// Net and tax of each credit, in their order. A line occurs at most once.
pub(crate) fn credit(
    terms: Terms,
    lines: &[InvoicedLine],
    credits: &[Credit],
) -> Result<Vec<NetTax>, Overflow> {
    let mut cumulative: Vec<_> = lines.iter().map(|line| line.credited_quantity).collect();
    for credit in credits {
        let sum = cumulative[credit.index].checked_add(credit.quantity);
        cumulative[credit.index] = sum.map_err(|_| Overflow)?;
    }
    let as_line = |index: usize| Line {
        quantity: cumulative[index],
        unit_price: lines[index].unit_price,
        discount: lines[index].discount,
        tax_class: &lines[index].tax_class,
        tax_rate: lines[index].tax_rate,
    };
    let mut shares = vec![NetTax::default(); credits.len()];
    if terms.rounding_mode == RoundingMode::PerLine {
        let own: Vec<_> = credits.iter().map(|credit| as_line(credit.index)).collect();
        let totals = calculate(terms, &own)?;
        for (position, (credit, total)) in credits.iter().zip(totals.lines).enumerate() {
            let before = lines[credit.index].credited;
            let target =
                NetTax { net: total.net.minor() - before.net, tax: total.tax.minor() - before.tax };
            let group = Group::new(lines, credits, &[position])?;
            shares[position] = group.share(terms, target)[0];
        }
        return Ok(shares);
    }

    let every: Vec<_> = (0..lines.len()).map(as_line).collect();
    let totals = calculate(terms, &every)?;
    for (rate, positions) in by_rate(lines, credits) {
        let of_rate = || totals.taxes.iter().filter(|total| total.rate == rate);
        let before = || lines.iter().filter(|line| line.tax_rate == rate);
        let net: i64 = of_rate().map(|total| total.base.minor()).sum();
        let tax: i64 = of_rate().map(|total| total.tax.minor()).sum();
        let net_before: i64 = before().map(|line| line.credited.net).sum();
        let tax_before: i64 = before().map(|line| line.credited.tax).sum();
        let target = NetTax { net: net - net_before, tax: tax - tax_before };
        let group = Group::new(lines, credits, &positions)?;
        for (position, share) in positions.iter().zip(group.share(terms, target)) {
            shares[*position] = share;
        }
    }
    Ok(shares)
}

/// Credits that are rounded together.
struct Group {
    /// What is left of each line.
    left: Vec<NetTax>,
    /// Whether the credit takes all that is left.
    closes: Vec<bool>,
    /// What each credit comes to, exactly.
    weights: Vec<i128>,
}

impl Group {
    fn new(
        lines: &[InvoicedLine],
        credits: &[Credit],
        positions: &[usize],
    ) -> Result<Self, Overflow> {
        let mut group = Group { left: Vec::new(), closes: Vec::new(), weights: Vec::new() };
        for position in positions {
            let credit = credits[*position];
            let line = &lines[credit.index];
            let open = line.quantity.checked_sub(line.credited_quantity).map_err(|_| Overflow)?;
            let exact = line_net_exact(credit.quantity, line.unit_price, line.discount);
            group.left.push(NetTax {
                net: line.invoiced.net - line.credited.net,
                tax: line.invoiced.tax - line.credited.tax,
            });
            group.closes.push(credit.quantity == open);
            group.weights.push(exact.ok_or(Overflow)?);
        }
        Ok(group)
    }

    /// Shares `target` among the credits. The caps of the lines come before it.
    fn share(&self, terms: Terms, target: NetTax) -> Vec<NetTax> {
        let nets_left: Vec<_> = self.left.iter().map(|left| left.net).collect();
        let taxes_left: Vec<_> = self.left.iter().map(|left| left.tax).collect();
        if !terms.prices_include_tax {
            let nets = self.split(target.net, &self.closed(&nets_left), &nets_left);
            let taxes = self.split(target.tax, &self.closed(&taxes_left), &taxes_left);
            let shares = nets.into_iter().zip(taxes);
            return shares.map(|(net, tax)| NetTax { net, tax }).collect();
        }
        // The gross is what grows with the quantity. The tax in it is rounded apart, so the
        // net between the two may shrink by a cent when a little more is credited: then that
        // cent of tax waits for the next note.
        let gross_left: Vec<_> = self.left.iter().map(|left| left.net + left.tax).collect();
        let gross = self.split(target.net + target.tax, &self.closed(&gross_left), &gross_left);
        let with_gross = || gross.iter().zip(&self.left);
        let least: Vec<_> = with_gross().map(|(gross, left)| (gross - left.net).max(0)).collect();
        let most: Vec<_> = with_gross().map(|(gross, left)| left.tax.min(*gross)).collect();
        let taxes = self.split(target.tax, &least, &most);
        let shares = gross.iter().zip(taxes);
        shares.map(|(gross, tax)| NetTax { net: gross - tax, tax }).collect()
    }

    /// The least a credit takes: all that is left where it closes its line, else nothing.
    fn closed(&self, left: &[i64]) -> Vec<i64> {
        let closes = self.closes.iter().zip(left);
        closes.map(|(closes, left)| if *closes { *left } else { 0 }).collect()
    }

    /// Splits `target`, as far as the bounds of the parts allow, by weight.
    fn split(&self, target: i64, least: &[i64], most: &[i64]) -> Vec<i64> {
        let target = target.clamp(least.iter().sum(), most.iter().sum());
        let room: Vec<_> = least.iter().zip(most).map(|(least, most)| most - least).collect();
        // A part without room takes no share of what is to be split.
        let weights: Vec<_> = self
            .weights
            .iter()
            .zip(&room)
            .map(|(weight, room)| if *room > 0 { *weight } else { 0 })
            .collect();
        let rest = allocate_capped(target - least.iter().sum::<i64>(), &weights, &room);
        least.iter().zip(rest).map(|(least, more)| least + more).collect()
    }
}

/// Positions of the credits by the rate of their lines: what is rounded together.
fn by_rate(lines: &[InvoicedLine], credits: &[Credit]) -> BTreeMap<Percent, Vec<usize>> {
    let mut rates: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (position, credit) in credits.iter().enumerate() {
        rates.entry(lines[credit.index].tax_rate).or_default().push(position);
    }
    rates
}
