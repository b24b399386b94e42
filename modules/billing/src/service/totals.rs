//! The calculation of totals and taxes: exact until the one point where it rounds.
//!
//! Amounts in between are i128 in 10^-18 of the major unit, the product of quantity, price
//! and what a discount leaves, so that nothing is lost before that point (domain rule R-7).

use std::collections::BTreeMap;

use contracts::billing::{LineTotals, RoundingMode, TaxTotal, Totals};
use contracts::common::TaxClass;
use kernel::money::{
    Currency, Money, Percent, Rounding, UnitPrice, allocate, line_net_exact, round_div, to_minor,
};
use kernel::quantity::Quantity;

/// What a document lays down for all its lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub currency: Currency,
    pub rounding: Rounding,
    pub rounding_mode: RoundingMode,
    pub prices_include_tax: bool,
}

/// A line to be totalled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    pub discount: Percent,
    pub tax_class: &'a TaxClass,
    pub tax_rate: Percent,
}

/// Net and tax in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NetTax {
    pub net: i64,
    pub tax: i64,
}

/// An amount that no document can hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// Totals of a document with these lines.
///
/// - `PerDocument`: base and tax of each rate are rounded once, on the exact sum of its
///   lines, and shared among its tax classes and then among their lines by largest remainder, so
///   that neither the order nor the split of lines changes a total and the shares add up
///   (B-2).
/// - `PerLine`: each line's net is rounded, then its tax.
/// - Where prices include tax, what is rounded is the gross and the tax in it; the net is
///   their difference.
pub(crate) fn calculate(terms: Terms, lines: &[Line<'_>]) -> Result<Totals, Overflow> {
    let shares = match terms.rounding_mode {
        RoundingMode::PerDocument => per_document(terms, lines)?,
        RoundingMode::PerLine => per_line(terms, lines)?,
    };
    let mut taxes = Vec::new();
    let mut document = NetTax::default();
    for (tax_class, indexes) in by_class(lines, 0..lines.len()) {
        let sum = indexes.iter().try_fold(NetTax::default(), |sum, i| add(sum, shares[*i]))?;
        document = add(document, sum)?;
        taxes.push(TaxTotal {
            tax_class: tax_class.clone(),
            rate: lines[indexes[0]].tax_rate,
            base: money(terms, sum.net)?,
            tax: money(terms, sum.tax)?,
        });
    }
    let lines = lines.iter().zip(shares).map(|(line, share)| {
        Ok(LineTotals {
            tax_rate: line.tax_rate,
            net: money(terms, share.net)?,
            tax: money(terms, share.tax)?,
            total: total(terms, share)?,
        })
    });
    Ok(Totals {
        rounding_mode: terms.rounding_mode,
        lines: lines.collect::<Result<_, _>>()?,
        taxes,
        net: money(terms, document.net)?,
        tax: money(terms, document.tax)?,
        total: total(terms, document)?,
    })
}

/// Splits `amount` by `weights` without giving any part more than its cap.
///
/// The caps together are not below `amount`, and nothing is negative.
pub(crate) fn allocate_capped(amount: i64, weights: &[i128], caps: &[i64]) -> Vec<i64> {
    let mut shares = allocate(amount, weights);
    let mut excess = 0;
    for (share, cap) in shares.iter_mut().zip(caps) {
        excess += (*share - cap).max(0);
        *share = (*share).min(*cap);
    }
    for (share, cap) in shares.iter_mut().zip(caps) {
        let more = excess.min(cap - *share);
        *share += more;
        excess -= more;
    }
    shares
}

/// The given indexes of lines by tax class, in the order of the codes.
fn by_class<'a>(
    lines: &[Line<'a>],
    indexes: impl IntoIterator<Item = usize>,
) -> BTreeMap<&'a TaxClass, Vec<usize>> {
    let mut classes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for index in indexes {
        classes.entry(lines[index].tax_class).or_default().push(index);
    }
    classes
}

/// Indexes of the lines by rate.
fn by_rate(lines: &[Line<'_>]) -> BTreeMap<Percent, Vec<usize>> {
    let mut rates: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (index, line) in lines.iter().enumerate() {
        rates.entry(line.tax_rate).or_default().push(index);
    }
    rates
}

fn per_document(terms: Terms, lines: &[Line<'_>]) -> Result<Vec<NetTax>, Overflow> {
    let exact = lines.iter().map(exact).collect::<Result<Vec<_>, _>>()?;
    let mut shares = vec![NetTax::default(); lines.len()];
    for (rate, indexes) in by_rate(lines) {
        let classes = by_class(lines, indexes);
        let sums = classes.values().map(|indexes| sum(indexes.iter().map(|i| exact[*i])));
        let sums = sums.collect::<Result<Vec<_>, _>>()?;
        let whole = rounded(terms, sum(sums.iter().copied())?, rate)?;
        for (indexes, of_class) in classes.values().zip(split(terms, whole, &sums)) {
            let weights: Vec<_> = indexes.iter().map(|index| exact[*index]).collect();
            for (index, share) in indexes.iter().zip(split(terms, of_class, &weights)) {
                shares[*index] = share;
            }
        }
    }
    Ok(shares)
}

/// Net and tax of an exact amount, which is the gross where prices include tax.
fn rounded(terms: Terms, exact: i128, rate: Percent) -> Result<NetTax, Overflow> {
    let amount = to_minor(exact, terms.currency, terms.rounding).ok_or(Overflow)?;
    let tax = exact_tax(terms, exact, rate)?;
    Ok(NetTax { net: if terms.prices_include_tax { amount - tax } else { amount }, tax })
}

/// Shares `whole` by weight.
fn split(terms: Terms, whole: NetTax, weights: &[i128]) -> Vec<NetTax> {
    if !terms.prices_include_tax {
        let shares = allocate(whole.net, weights).into_iter().zip(allocate(whole.tax, weights));
        return shares.map(|(net, tax)| NetTax { net, tax }).collect();
    }
    let amounts = allocate(whole.net + whole.tax, weights);
    // Gross and tax are shared apart, and their remainders may favour different parts: no
    // part's tax may exceed its gross by that.
    let taxes = if amounts.iter().all(|gross| *gross >= 0) {
        allocate_capped(whole.tax, weights, &amounts)
    } else {
        allocate(whole.tax, weights)
    };
    let shares = amounts.into_iter().zip(taxes);
    shares.map(|(gross, tax)| NetTax { net: gross - tax, tax }).collect()
}

fn per_line(terms: Terms, lines: &[Line<'_>]) -> Result<Vec<NetTax>, Overflow> {
    let shares = lines.iter().map(|line| {
        let amount = to_minor(exact(line)?, terms.currency, terms.rounding).ok_or(Overflow)?;
        rounded(terms, i128::from(amount) * minor_unit(terms.currency), line.tax_rate)
    });
    shares.collect()
}

fn sum(mut amounts: impl Iterator<Item = i128>) -> Result<i128, Overflow> {
    amounts.try_fold(0_i128, i128::checked_add).ok_or(Overflow)
}

/// What the line comes to before any rounding, tax included if its price does.
fn exact(line: &Line<'_>) -> Result<i128, Overflow> {
    line_net_exact(line.quantity, line.unit_price, line.discount).ok_or(Overflow)
}

/// Tax on (or, where prices include it, in) an exact amount, rounded.
fn exact_tax(terms: Terms, exact: i128, rate: Percent) -> Result<i64, Overflow> {
    let whole = i128::from(Percent::HUNDRED.ppm());
    let rate = i128::from(rate.ppm());
    let parts = if terms.prices_include_tax { whole + rate } else { whole };
    // An amount that fits in `Money` is below 10^31 here, and the product below 10^37.
    let product = exact.checked_mul(rate).ok_or(Overflow)?;
    let tax = round_div(product, parts * minor_unit(terms.currency), terms.rounding);
    i64::try_from(tax).map_err(|_| Overflow)
}

/// The minor unit of a currency in 10^-18 of the major unit.
fn minor_unit(currency: Currency) -> i128 {
    10_i128.pow(18 - currency.exponent())
}

fn add(a: NetTax, b: NetTax) -> Result<NetTax, Overflow> {
    let net = a.net.checked_add(b.net).ok_or(Overflow)?;
    let tax = a.tax.checked_add(b.tax).ok_or(Overflow)?;
    Ok(NetTax { net, tax })
}

fn money(terms: Terms, minor: i64) -> Result<Money, Overflow> {
    Money::try_new(minor, terms.currency).map_err(|_| Overflow)
}

fn total(terms: Terms, sum: NetTax) -> Result<Money, Overflow> {
    money(terms, sum.net.checked_add(sum.tax).ok_or(Overflow)?)
}
