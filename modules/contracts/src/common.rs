//! Types several modules share.

use kernel::text::{Code, Name, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A postal address. Documents keep a copy as it was when they were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    pub line1: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<Name>,
    pub postal_code: Text<1, 20>,
    pub city: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Name>,
    /// ISO 3166-1 alpha-2, upper case.
    pub country: Country,
}

/// A country code of two letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = String, pattern = "^[A-Z]{2}$", example = "DE")]
pub struct Country(String);

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        if code.len() == 2 && code.chars().all(|c| c.is_ascii_uppercase()) {
            Ok(Country(code))
        } else {
            Err(serde::de::Error::custom("must be two letters A-Z, such as DE"))
        }
    }
}

/// Which tax applies to a product: a code of billing's tax table, such as `standard`.
pub type TaxClass = Code;
