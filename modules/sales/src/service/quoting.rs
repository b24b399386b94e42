//! From what was asked for to lines with prices, taxes and totals. Everything here is
//! reading, in this module and in others, and is done before any transaction.

use chrono::NaiveDate;
use contracts::billing::{CalculateTotals, LineToTotal, RoundingMode, Totals};
use contracts::common::TaxClass;
use contracts::ids::{CustomerId, ProductId};
use contracts::inventory::ProductInfo;
use contracts::sales::{LineToPrice, PricedLine};
use kernel::money::{Currency, Percent, UnitPrice};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};

use crate::error::{Error, LineFault};
use crate::routes::quotations::NewQuotationLine;
use crate::service::Service;
use crate::service::products::{AskedLine, LinesAt};

/// Lines of a document.
const MAX_LINES: usize = 1000;

/// What holds for all lines of a quotation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub customer_id: CustomerId,
    pub currency: Currency,
    /// The day whose prices hold.
    pub on: NaiveDate,
    pub prices_include_tax: bool,
    /// Frozen once the quotation exists.
    pub rounding_mode: Option<RoundingMode>,
}

/// A line with its price, before it is totalled.
#[derive(Clone, Debug)]
pub(crate) struct PricedQuotationLine {
    pub product_id: ProductId,
    pub sku: String,
    pub name: String,
    pub unit: String,
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    pub price_list: Option<String>,
    pub discount: Percent,
    pub tax_class: TaxClass,
}

/// Lines and what they come to, `totals.lines` in the same order.
#[derive(Debug)]
pub(crate) struct Quoted {
    pub lines: Vec<PricedQuotationLine>,
    pub totals: Totals,
}

/// Refuses no lines and too many.
pub(crate) fn check_line_count(asked: usize) -> Result<(), Error> {
    match asked {
        0 => Err(Error::NoLines),
        1..=MAX_LINES => Ok(()),
        _ => Err(Error::TooManyLines { max: MAX_LINES, asked }),
    }
}

impl Service {
    /// Checks, prices and totals the lines asked for.
    pub(crate) async fn quote(
        &self,
        ctx: &Ctx,
        terms: Terms,
        asked: &[NewQuotationLine],
    ) -> Result<Quoted> {
        let lines: Vec<_> = asked
            .iter()
            .map(|line| AskedLine { product_id: line.product_id, quantity: line.quantity.get() })
            .collect();
        let at = LinesAt { list: "lines", quantity: "quantity", only_active: true };
        let products = self.products_of(ctx, &lines, at).await?;
        let to_price: Vec<_> = lines
            .iter()
            .map(|line| LineToPrice { product_id: line.product_id, quantity: line.quantity })
            .collect();
        let listed = if asked.iter().all(|line| line.unit_price.is_some()) {
            vec![None; asked.len()]
        } else {
            self.price(terms.customer_id, terms.currency, terms.on, &to_price).await?
        };
        let lines = put_prices(asked, products, listed)?;
        let totals = self.total(ctx, terms, &lines).await?;
        Ok(Quoted { lines, totals })
    }

    /// Totals lines that have their prices.
    pub(crate) async fn total(
        &self,
        ctx: &Ctx,
        terms: Terms,
        lines: &[PricedQuotationLine],
    ) -> Result<Totals> {
        let request = CalculateTotals {
            currency: terms.currency,
            prices_include_tax: terms.prices_include_tax,
            rounding_mode: terms.rounding_mode,
            lines: lines
                .iter()
                .map(|line| LineToTotal {
                    quantity: line.quantity,
                    unit_price: line.unit_price,
                    discount: line.discount,
                    tax_class: line.tax_class.clone(),
                })
                .collect(),
        };
        self.billing.calculate_totals(ctx, request).await
    }
}

/// The price given wins over the listed one; a line with neither is refused. The three
/// lists are in the same order.
fn put_prices(
    asked: &[NewQuotationLine],
    products: Vec<ProductInfo>,
    listed: Vec<Option<PricedLine>>,
) -> Result<Vec<PricedQuotationLine>, Error> {
    let mut lines = Vec::with_capacity(asked.len());
    let mut faults = Vec::new();
    for (index, ((line, product), listed)) in asked.iter().zip(products).zip(listed).enumerate() {
        let (unit_price, price_list) = match (line.unit_price, listed) {
            (Some(given), _) => (given, None),
            (None, Some(listed)) => (listed.unit_price, Some(listed.price_list)),
            (None, None) => {
                faults.push(LineFault {
                    pointer: format!("/lines/{index}/unit_price"),
                    code: "no_price",
                    message: format!("no price list has a price for {}: give one", product.sku),
                });
                continue;
            }
        };
        lines.push(PricedQuotationLine {
            product_id: product.id,
            sku: product.sku,
            name: product.name,
            unit: product.unit,
            quantity: line.quantity.get(),
            unit_price,
            price_list,
            discount: line.discount,
            tax_class: product.tax_class,
        });
    }
    if faults.is_empty() { Ok(lines) } else { Err(Error::Lines(faults)) }
}

#[cfg(test)]
mod tests {
    use kernel::text::Code;

    use super::*;

    #[test]
    fn a_price_given_wins_over_the_list_and_one_of_them_is_needed() {
        let product_id = ProductId::new();
        let check = |given: Option<&str>, listed: Option<&str>, expected: Result<_, &str>| {
            let asked = NewQuotationLine {
                product_id,
                quantity: "2".parse().expect("a quantity"),
                unit_price: given.map(|price| price.parse().expect("a price")),
                discount: Percent::ZERO,
            };
            let product = ProductInfo {
                id: product_id,
                sku: "A".into(),
                name: "A".into(),
                unit: "pcs".into(),
                unit_decimals: 0,
                tax_class: Code::parse("standard").expect("a code"),
                is_active: true,
                is_kit: false,
            };
            let listed = listed.map(|price| PricedLine {
                unit_price: price.parse().expect("a price"),
                price_list: "RETAIL".into(),
                min_quantity: Quantity::ZERO,
            });
            let found = put_prices(&[asked], vec![product], vec![listed])
                .map(|lines| (lines[0].unit_price.to_string(), lines[0].price_list.clone()))
                .map_err(|error| kernel::Error::from(error).code().to_owned());
            assert_eq!(found, expected.map_err(str::to_owned));
        };
        check(Some("3"), Some("4"), Ok(("3.00".into(), None)));
        check(Some("0"), None, Ok(("0.00".into(), None)));
        check(None, Some("4"), Ok(("4.00".into(), Some("RETAIL".into()))));
        check(None, None, Err("no_price"));
    }

    #[test]
    fn a_document_has_one_to_a_thousand_lines() {
        assert!(matches!(check_line_count(0), Err(Error::NoLines)));
        assert!(check_line_count(1).is_ok());
        assert!(check_line_count(1000).is_ok());
        assert!(matches!(check_line_count(1001), Err(Error::TooManyLines { .. })));
    }
}
