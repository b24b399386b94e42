//! Spells out scalars in the OpenAPI document.
//!
//! utoipa writes a `$ref` for every type it does not know itself, and for one that occurs only
//! among parameters never writes the component it points at (juhaku/utoipa#1388, open). Marking
//! each field `inline` was rejected: the one that is forgotten makes the document invalid.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use super::{Currency, Percent, UnitPrice};
use crate::id::Id;
use crate::page::{Cursor, Limit, Sort};
use crate::quantity::{PositiveQuantity, Quantity};
use crate::text::Code64;

/// Puts the schema of ids, codes, amounts and paging parameters in place of every
/// `$ref` to them and drops their components. What stands beside the `$ref`, such as the
/// description of the field, wins over what the type says.
pub fn inline_scalars(document: &mut Value) {
    let scalars = BTreeMap::from([
        scalar::<Id<()>>(),
        scalar::<Currency>(),
        scalar::<Code64>(),
        scalar::<Cursor>(),
        scalar::<Limit>(),
        scalar::<Percent>(),
        scalar::<PositiveQuantity>(),
        scalar::<Quantity>(),
        scalar::<Sort>(),
        scalar::<UnitPrice>(),
    ]);
    inline(document, &scalars);
    let components = document.pointer_mut("/components/schemas");
    if let Some(components) = components.and_then(Value::as_object_mut) {
        components.retain(|name, _| !scalars.contains_key(&location(name)));
    }
}

fn scalar<T: PartialSchema + ToSchema>() -> (String, Value) {
    (location(&T::name()), json!(T::schema()))
}

fn location(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

fn inline(node: &mut Value, scalars: &BTreeMap<String, Value>) {
    match node {
        Value::Object(fields) => {
            if let Some(Value::Object(schema)) = referenced(fields, scalars) {
                fields.remove("$ref");
                for (key, value) in schema {
                    fields.entry(key).or_insert_with(|| value.clone());
                }
            }
            fields.values_mut().for_each(|field| inline(field, scalars));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| inline(item, scalars)),
        _ => {}
    }
}

fn referenced<'a>(
    fields: &Map<String, Value>,
    scalars: &'a BTreeMap<String, Value>,
) -> Option<&'a Value> {
    scalars.get(fields.get("$ref")?.as_str()?)
}
