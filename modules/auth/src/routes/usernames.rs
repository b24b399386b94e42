//! A name somebody signs in with.

use std::borrow::Cow;
use std::ops::Deref;

use kernel::text::Text;
use serde::{Deserialize, Deserializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::service::password_rules::is_invisible;

/// A new user name: of two that look the same nobody would know whose is whose, so there is
/// nothing in it that cannot be seen. Letters that look alike are not told apart.
#[derive(Clone, Debug)]
pub(crate) struct Username(Text<1, 64>);

impl Username {
    /// The name, or what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let name = Text::parse(text)?;
        match text.chars().any(is_invisible) {
            true => Err("must not contain characters that cannot be seen".into()),
            false => Ok(Username(name)),
        }
    }
}

impl Deref for Username {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Username> for String {
    fn from(name: Username) -> String {
        name.0.into()
    }
}

impl<'de> Deserialize<'de> for Username {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Username::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for Username {
    fn schema() -> RefOr<Schema> {
        Text::<1, 64>::schema()
    }
}

impl ToSchema for Username {
    fn name() -> Cow<'static, str> {
        Text::<1, 64>::name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_has_nothing_that_cannot_be_seen() {
        let check = |text: &str, expected: bool| {
            assert_eq!(Username::parse(text).is_ok(), expected, "{text:?}");
        };
        check("ada", true);
        check("Ada Lovelace", true);
        check("ada.lovelace@example.com", true);
        check("Ärger", true);
        check("अदा", true);
        for hidden in ['\u{ad}', '\u{200b}', '\u{202e}', '\u{2060}', '\u{3164}', '\u{feff}', '\t'] {
            check(&format!("a{hidden}da"), false);
            check(&format!("ada{hidden}"), false);
        }
        check("", false);
        check(&"x".repeat(65), false);
    }
}
