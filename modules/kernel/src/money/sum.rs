//! What amounts add up to in reports.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::Currency;

/// The sum of any number of amounts in one currency, as reports answer it: it may have more
/// digits than [`Money`](super::Money), and is never read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoneySum {
    minor: i128,
    currency: Currency,
}

impl MoneySum {
    /// The sum in minor units, taken as it is.
    pub fn new(minor: impl Into<i128>, currency: Currency) -> Self {
        Self { minor: minor.into(), currency }
    }

    /// The sum in minor units: cents for EUR, yen for JPY.
    pub const fn minor(self) -> i128 {
        self.minor
    }
}

impl Serialize for MoneySum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let exponent = self.currency.exponent();
        let sign = if self.minor < 0 { "-" } else { "" };
        let unit = 10_u128.pow(exponent);
        let (whole, rest) = (self.minor.unsigned_abs() / unit, self.minor.unsigned_abs() % unit);
        let amount = match exponent {
            0 => format!("{sign}{whole}"),
            width => format!("{sign}{whole}.{rest:0width$}", width = width as usize),
        };
        SumText { amount, currency: self.currency }.serialize(serializer)
    }
}

impl utoipa::PartialSchema for MoneySum {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        SumText::schema()
    }
}

impl ToSchema for MoneySum {}

/// Sum of amounts in one currency
///
/// `amount` is a decimal string with exactly the decimals of the currency.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({"amount": "12.34", "currency": "EUR"})))]
struct SumText {
    /// Decimal string; of more digits than a single amount can have
    #[schema(
        pattern = r"^-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,4})?$",
        max_length = 26,
        examples("12.34")
    )]
    amount: String,
    #[schema(inline)]
    currency: Currency,
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use utoipa::PartialSchema;

    use super::*;
    use crate::money::Money;

    #[test]
    fn a_sum_reads_as_an_amount_of_any_size() {
        let check = |minor: i128, currency: &str, amount: &str| {
            let currency = currency.parse().expect("a currency");
            let sum = json!(MoneySum::new(minor, currency));
            assert_eq!(sum, json!({ "amount": amount, "currency": currency }));
        };
        check(0, "EUR", "0.00");
        check(-5, "EUR", "-0.05");
        check(48_000_000_000_000_000_000, "EUR", "480000000000000000.00");
        check(-48_000_000_000_000_000_000, "JPY", "-48000000000000000000");
        check(12_345, "CLF", "1.2345");
        // Where an amount can say it, it says the same.
        assert_eq!(
            json!(MoneySum::new(-999, Currency::EUR)),
            json!(Money::new(-999, Currency::EUR))
        );
    }
    #[test]
    fn the_pattern_is_that_of_amounts_with_more_digits() {
        let of = |schema: serde_json::Value| schema["properties"]["amount"]["pattern"].to_string();
        let (sum, amount) = (of(json!(MoneySum::schema())), of(json!(Money::schema())));
        assert!(amount.contains("{0,12}"), "{amount}");
        assert_eq!(sum, amount.replace("{0,12}", "{0,19}"));
    }
}
