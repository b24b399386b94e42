//! Text people type: bounded, trimmed, free of control characters.

use std::borrow::Cow;
use std::ops::Deref;

use sea_orm::Value;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

mod email;

pub use email::Email;

/// A string of `MIN` to `MAX` characters with no control character, no line
/// break, and no white space at either end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Text<const MIN: usize, const MAX: usize>(String);

/// A name or a title.
pub type Name = Text<1, 200>;
/// A short code people type and print: a SKU, a warehouse code.
pub type Code = Code64;
/// A note or a reason.
pub type Note = Text<1, 1000>;

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    /// The text, or what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let count = text.chars().count();
        if count < MIN || count > MAX {
            return Err(format!("must have {MIN} to {MAX} characters, has {count}"));
        }
        if text.chars().any(char::is_control) {
            return Err("must not contain control characters".into());
        }
        if text.trim() != text {
            return Err("must not begin or end with white space".into());
        }
        Ok(Text(text.to_owned()))
    }

    /// The inner string.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<const MIN: usize, const MAX: usize> Deref for Text<MIN, MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> From<Text<MIN, MAX>> for String {
    fn from(text: Text<MIN, MAX>) -> String {
        text.0
    }
}

impl<const MIN: usize, const MAX: usize> From<Text<MIN, MAX>> for Value {
    fn from(text: Text<MIN, MAX>) -> Value {
        text.0.into()
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Text::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl<const MIN: usize, const MAX: usize> PartialSchema for Text<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        string_schema(
            MIN,
            MAX,
            r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f\u2028\u2029]*[^\s\x00-\x1f\x7f-\x9f])?$",
        )
    }
}

impl<const MIN: usize, const MAX: usize> ToSchema for Text<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        format!("Text{MIN}To{MAX}").into()
    }
}

/// 1 to 64 of the characters `A-Z a-z 0-9 . _ / -`, beginning with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Code64(String);

impl Code64 {
    /// The code, or what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let ok = (1..=64).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c));
        if ok {
            Ok(Code64(text.to_owned()))
        } else {
            Err("must have 1 to 64 of A-Z a-z 0-9 . _ / - and begin with a letter or digit".into())
        }
    }
}

impl Deref for Code64 {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Code64> for String {
    fn from(code: Code64) -> String {
        code.0
    }
}

impl<'de> Deserialize<'de> for Code64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Code64::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for Code64 {
    fn schema() -> RefOr<Schema> {
        string_schema(1, 64, r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
    }
}

impl ToSchema for Code64 {
    fn name() -> Cow<'static, str> {
        "Code".into()
    }
}

fn string_schema(min: usize, max: usize, pattern: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .min_length(Some(min))
        .max_length(Some(max))
        .pattern(Some(pattern))
        .into()
}
