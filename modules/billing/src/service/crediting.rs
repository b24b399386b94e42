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
    if terms.rounding_mode == RoundingMode::PerLine {
        let own: Vec<_> = credits.iter().map(|credit| as_line(credit.index)).collect();
        let totals = calculate(terms, &own)?;
        let shares = credits.iter().zip(totals.lines).map(|(credit, total)| {
            let before = lines[credit.index].credited;
            NetTax { net: total.net.minor() - before.net, tax: total.tax.minor() - before.tax }
        });
        return Ok(shares.collect());
    }

    let every: Vec<_> = (0..lines.len()).map(as_line).collect();
    let totals = calculate(terms, &every)?;
    let mut shares = vec![NetTax::default(); credits.len()];
    for (tax_class, positions) in by_class(lines, credits) {
        let Some(total) = totals.taxes.iter().find(|total| total.tax_class == *tax_class) else {
            continue;
        };
        let of_class = || lines.iter().filter(|line| line.tax_class == *tax_class);
        let net_before: i64 = of_class().map(|line| line.credited.net).sum();
        let tax_before: i64 = of_class().map(|line| line.credited.tax).sum();
        let class = Class { lines, credits, positions: &positions };
        let nets = class.share(total.base.minor() - net_before, |amounts| amounts.net)?;
        let taxes = class.share(total.tax.minor() - tax_before, |amounts| amounts.tax)?;
        for ((position, net), tax) in positions.iter().zip(nets).zip(taxes) {
            shares[*position] = NetTax { net, tax };
        }
    }
    Ok(shares)
}

/// The credits of one tax class.
struct Class<'a> {
    lines: &'a [InvoicedLine],
    credits: &'a [Credit],
    positions: &'a [usize],
}

impl Class<'_> {
    /// Shares `target` among the credits: lines that are closed get what they have left, the
    /// others the rest.
    fn share(&self, target: i64, part: impl Fn(NetTax) -> i64) -> Result<Vec<i64>, Overflow> {
        let mut shares = Vec::with_capacity(self.positions.len());
        let (mut caps, mut weights) = (Vec::new(), Vec::new());
        for position in self.positions {
            let credit = self.credits[*position];
            let line = &self.lines[credit.index];
            let left = part(line.invoiced) - part(line.credited);
            let open = line.quantity.checked_sub(line.credited_quantity).map_err(|_| Overflow)?;
            if credit.quantity == open {
                shares.push(Some(left));
            } else {
                shares.push(None);
                caps.push(left);
                weights.push(
                    line_net_exact(credit.quantity, line.unit_price, line.discount)
                        .ok_or(Overflow)?,
                );
            }
        }
        let closed: i64 = shares.iter().flatten().sum();
        let rest = (target - closed).clamp(0, caps.iter().sum());
        let mut rest = allocate_capped(rest, &weights, &caps).into_iter();
        Ok(shares.into_iter().map(|s| s.or_else(|| rest.next()).unwrap_or_default()).collect())
    }
}

/// Positions of the credits by the tax class of their lines.
fn by_class<'a>(
    lines: &'a [InvoicedLine],
    credits: &[Credit],
) -> BTreeMap<&'a TaxClass, Vec<usize>> {
    let mut classes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (position, credit) in credits.iter().enumerate() {
        classes.entry(&lines[credit.index].tax_class).or_default().push(position);
    }
    classes
}
