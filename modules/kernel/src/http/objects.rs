//! A struct is read from an object. serde would take a list as well, for the fields in their
//! order: what was put together wrongly would be read as something else, and without a word.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// Reads as what it wraps does, structs at any depth from objects alone. It is a deserializer, or
/// what one hands on.
pub(crate) struct Objects<X>(pub X);

/// What a deserializer tells what it has found.
struct Found<V> {
    visitor: V,
    is_struct: bool,
}

impl<V> Found<V> {
    fn anything(visitor: V) -> Self {
        Found { visitor, is_struct: false }
    }

    fn fields(visitor: V) -> Self {
        Found { visitor, is_struct: true }
    }
}

macro_rules! deserialize {
    ($($method:ident($($name:ident: $type:ty),*),)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($name,)* Found::anything(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Objects<D> {
    type Error = D::Error;

    deserialize! {
        deserialize_any(),
        deserialize_bool(),
        deserialize_i8(),
        deserialize_i16(),
        deserialize_i32(),
        deserialize_i64(),
        deserialize_i128(),
        deserialize_u8(),
        deserialize_u16(),
        deserialize_u32(),
        deserialize_u64(),
        deserialize_u128(),
        deserialize_f32(),
        deserialize_f64(),
        deserialize_char(),
        deserialize_str(),
        deserialize_string(),
        deserialize_bytes(),
        deserialize_byte_buf(),
        deserialize_option(),
        deserialize_unit(),
        deserialize_unit_struct(name: &'static str),
        deserialize_newtype_struct(name: &'static str),
        deserialize_seq(),
        deserialize_tuple(len: usize),
        deserialize_tuple_struct(name: &'static str, len: usize),
        deserialize_map(),
        deserialize_enum(name: &'static str, variants: &'static [&'static str]),
        deserialize_identifier(),
        deserialize_ignored_any(),
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, Found::fields(visitor))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! visit {
    ($($method:ident: $type:ty,)*) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Found<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    visit! {
        visit_bool: bool,
        visit_i8: i8,
        visit_i16: i16,
        visit_i32: i32,
        visit_i64: i64,
        visit_i128: i128,
        visit_u8: u8,
        visit_u16: u16,
        visit_u32: u32,
        visit_u64: u64,
        visit_u128: u128,
        visit_f32: f32,
        visit_f64: f64,
        visit_char: char,
        visit_str: &str,
        visit_borrowed_str: &'de str,
        visit_string: String,
        visit_bytes: &[u8],
        visit_borrowed_bytes: &'de [u8],
        visit_byte_buf: Vec<u8>,
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Objects(value))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Objects(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V::Value, A::Error> {
        match self.is_struct {
            true => Err(A::Error::custom("must be an object, is a list")),
            false => self.visitor.visit_seq(Objects(list)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Objects(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(Objects(data))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Objects<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Objects(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Objects(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        // Keys are texts.
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(Objects(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Objects<A> {
    type Error = A::Error;
    type Variant = Objects<A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self::Variant), A::Error> {
        self.0.variant_seed(seed).map(|(value, variant)| (value, Objects(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.0.newtype_variant_seed(Objects(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, Found::anything(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Found::fields(visitor))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use crate::http::{read_json, read_value};

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Place {
        city: String,
        country: Option<String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Way {
        Collected,
        Sent { to: Place },
        Split(Vec<Place>),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Parcel {
        from: Place,
        #[serde(default)]
        by: Option<Place>,
        way: Way,
        #[serde(default)]
        sizes: Vec<(u8, u8)>,
        #[serde(default)]
        notes: serde_json::Value,
    }

    #[test]
    fn a_list_is_no_struct_at_any_depth() {
        let check = |body: &str, pointer: &str| {
            let text = read_json::<Parcel>(body.as_bytes()).expect_err(body);
            assert_eq!(text.fields()[0].message, "must be an object, is a list", "{body}");
            let value = serde_json::from_str(body).expect(body);
            for error in [text, read_value::<Parcel>(value).expect_err(body)] {
                assert_eq!((error.status(), error.code()), (422, "invalid_body"), "{body}");
                let [field] = error.fields() else { panic!("{body}: one field") };
                assert_eq!((&*field.pointer, &*field.code), (pointer, "invalid_value"), "{body}");
            }
        };
        check(r#"[["Bonn", null], null, "collected"]"#, "");
        check(r#"{"from": ["Bonn", null], "way": "collected"}"#, "/from");
        check(r#"{"from": {"city": "Bonn"}, "by": ["Bonn", "DE"], "way": "collected"}"#, "/by");
        check(r#"{"from": {"city": "Bonn"}, "way": {"sent": [{"city": "Bonn"}]}}"#, "/way/sent");
        check(
            r#"{"from": {"city": "Bonn"}, "way": {"sent": {"to": ["B", "DE"]}}}"#,
            "/way/sent/to",
        );
        check(
            r#"{"from": {"city": "Bonn"}, "way": {"split": [{"city": "Bonn"}, ["B", null]]}}"#,
            "/way/split/1",
        );
    }

    #[test]
    fn everything_else_is_read_as_ever() {
        let body = r#"{
            "from": {"city": "Bonn", "country": "DE"},
            "by": null,
            "way": {"split": [{"city": "Köln"}]},
            "sizes": [[1, 2], [3, 4]],
            "notes": [1, 2.5, {"a": ["b"]}]
        }"#;
        let parcel: Parcel = read_json(body.as_bytes()).expect("it fits");
        assert_eq!(
            parcel,
            Parcel {
                from: Place { city: "Bonn".into(), country: Some("DE".into()) },
                by: None,
                way: Way::Split(vec![Place { city: "Köln".into(), country: None }]),
                sizes: vec![(1, 2), (3, 4)],
                notes: serde_json::json!([1, 2.5, {"a": ["b"]}]),
            }
        );
    }
}
