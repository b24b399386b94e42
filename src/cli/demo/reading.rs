//! Reading what the API answers.

use kernel::money::Money;
use serde_json::Value;

use super::failure::{Failure, Result};

/// A text the API promises, such as an id.
pub(super) fn text(value: &Value) -> Result<String> {
    let text = value.as_str().map(ToOwned::to_owned);
    text.ok_or_else(|| {
        Failure::new("unexpected_answer", format!("a text was expected, not {value}"))
    })
}

/// A text to show; empty if it is none.
pub(super) fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `1234.50 EUR`; empty if there is no amount.
pub(super) fn amount_text(amount: &Value) -> String {
    match (amount["amount"].as_str(), amount["currency"].as_str()) {
        (Some(amount), Some(currency)) => format!("{amount} {currency}"),
        _ => String::new(),
    }
}

/// The line of a document that has this product.
pub(super) fn find_line<'v>(document: &'v Value, product_id: &str) -> Option<&'v Value> {
    document["lines"].as_array()?.iter().find(|line| line["product_id"] == product_id)
}

/// Whether a quantity or an amount is there and is nothing.
pub(super) fn is_zero(decimal: &Value) -> bool {
    let text = string(decimal);
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

/// An amount in an answer.
pub(super) fn money(value: &Value) -> Result<Money> {
    serde_json::from_value(value.clone()).map_err(|error| {
        Failure::new("unexpected_answer", format!("an amount was expected, not {value}: {error}"))
    })
}
