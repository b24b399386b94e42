//! E-mail addresses, checked only as far as it takes to be one.

use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// RFC 5321 allows a path of 256 characters, its angle brackets included.
const MAX_CHARS: usize = 254;

/// Something on both sides of one `@` and no white space. Whether mail arrives only
/// sending can tell, so nothing finer is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Email(String);

impl Email {
    /// The address, or what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split('@').collect();
        let ok = text.chars().count() <= MAX_CHARS
            && parts.len() == 2
            && parts.iter().all(|part| !part.is_empty())
            && text.chars().all(|c| c.is_ascii_graphic());
        if ok {
            Ok(Email(text.to_owned()))
        } else {
            Err(format!("must be an e-mail address of at most {MAX_CHARS} ASCII characters"))
        }
    }
}

impl Deref for Email {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Email> for String {
    fn from(email: Email) -> String {
        email.0
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Email::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for Email {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .max_length(Some(MAX_CHARS))
            .pattern(Some(r"^[!-?A-~]+@[!-?A-~]+$"))
            .into()
    }
}

impl ToSchema for Email {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_at_sign_with_something_on_both_sides() {
        let check = |text: &str, expected: bool| {
            assert_eq!(Email::parse(text).is_ok(), expected, "{text:?}");
        };
        check("ada@example.com", true);
        check("ada+erp@localhost", true);
        check("ada", false);
        check("@example.com", false);
        check("ada@", false);
        check("ada@b@c", false);
        check("a da@example.com", false);
        check(&format!("{}@example.com", "a".repeat(250)), false);
    }
}
