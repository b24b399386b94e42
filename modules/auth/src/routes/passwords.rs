//! A password somebody chooses, and the rules for it.

use kernel::config::Secret;
use serde::{Deserialize, Deserializer};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

// NIST SP 800-63B: a lower bound on length and no rules of composition. The upper one
// only keeps a request small.
const MIN_CHARS: usize = 8;
const MAX_CHARS: usize = 128;

/// A new password: 8 to 128 characters of any kind.
#[derive(Clone, Debug)]
pub(crate) struct NewPassword(Secret);

impl NewPassword {
    /// The password, or what is wrong with it; never the password in the message.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let count = text.chars().count();
        if (MIN_CHARS..=MAX_CHARS).contains(&count) {
            Ok(NewPassword(Secret::new(text)))
        } else {
            Err(format!("must have {MIN_CHARS} to {MAX_CHARS} characters, has {count}"))
        }
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl<'de> Deserialize<'de> for NewPassword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        NewPassword::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for NewPassword {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .min_length(Some(MIN_CHARS))
            .max_length(Some(MAX_CHARS))
            .write_only(true)
            .into()
    }
}

impl ToSchema for NewPassword {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_8_to_128_characters_and_is_never_printed() {
        let check = |text: &str, expected: bool| {
            assert_eq!(NewPassword::parse(text).is_ok(), expected, "{} bytes", text.len());
        };
        check("1234567", false);
        check("12345678", true);
        check("ÄÖÜäöüß€", true);
        check(&"x".repeat(128), true);
        check(&"x".repeat(129), false);
        let password = NewPassword::parse("open sesame").expect("long enough");
        assert!(!format!("{password:?}").contains("sesame"));
        let refusal = serde_json::from_str::<NewPassword>("\"sesame\"").expect_err("too short");
        assert!(!refusal.to_string().contains("sesame"));
    }
}
