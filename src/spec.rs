//! The specs: one a module, and one of all.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use flate2::read::GzDecoder;
use kernel::Module;
use serde_json::{Value, json};

/// The spec of a module as its handlers say.
pub fn of(module: &Module) -> Value {
    kernel::http::module_spec(module.name, &*module.routes)
}

/// The specs of these modules and, as `erp`, the whole.
pub fn specs(modules: &[Module]) -> BTreeMap<String, Value> {
    let mut specs: BTreeMap<String, Value> =
        modules.iter().map(|module| (module.name.to_owned(), of(module))).collect();
    let whole = merge(&specs);
    specs.insert("erp".into(), whole);
    specs
}

/// One spec of many. Schemas of the same name and content are shared; where two modules
/// mean different things by one name, each gets its module's name before it.
pub fn merge(specs: &BTreeMap<String, Value>) -> Value {
    let ambiguous = ambiguous_schemas(specs);
    let mut whole = json!({});
    for (module, spec) in specs {
        let mut spec = spec.clone();
        let renamed: BTreeMap<String, String> = spec["components"]["schemas"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| ambiguous.contains(*name))
            .map(|(name, _)| (name.clone(), format!("{}{name}", capitalised(module))))
            .collect();
        rename_refs(&mut spec, &renamed);
        if let Some(schemas) = spec["components"]["schemas"].as_object_mut() {
            *schemas = std::mem::take(schemas)
                .into_iter()
                .map(|(name, schema)| (renamed.get(&name).cloned().unwrap_or(name), schema))
                .collect();
        }
        merge_into(&mut whole, spec);
    }
    whole["info"]["title"] = json!("erp");
    whole
}

fn ambiguous_schemas(specs: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let mut seen: BTreeMap<&String, &Value> = BTreeMap::new();
    let mut ambiguous = BTreeSet::new();
    // A schema that refers to an ambiguous one is ambiguous as well, but renaming by
    // content alone is enough for it: its references are rewritten module by module, and
    // so it must be told apart too. Repeat until nothing is added.
    loop {
        let before = ambiguous.len();
        seen.clear();
        for spec in specs.values() {
            for (name, schema) in spec["components"]["schemas"].as_object().into_iter().flatten() {
                let refers = ambiguous.iter().any(|other: &String| refers_to(schema, other));
                match seen.insert(name, schema) {
                    Some(other) if other != schema || refers => {
                        ambiguous.insert(name.clone());
                    }
                    _ => {}
                }
            }
        }
        if ambiguous.len() == before {
            return ambiguous;
        }
    }
}

fn refers_to(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, value)| {
            (key == "$ref" && value.as_str() == Some(&format!("#/components/schemas/{name}")))
                || refers_to(value, name)
        }),
        Value::Array(items) => items.iter().any(|item| refers_to(item, name)),
        _ => false,
    }
}

fn rename_refs(value: &mut Value, renamed: &BTreeMap<String, String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get_mut("$ref")
                && let Some(name) = target.strip_prefix("#/components/schemas/")
                && let Some(new) = renamed.get(name)
            {
                *target = format!("#/components/schemas/{new}");
            }
            map.values_mut().for_each(|value| rename_refs(value, renamed));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_refs(item, renamed)),
        _ => {}
    }
}

fn merge_into(whole: &mut Value, spec: Value) {
    match (whole, spec) {
        (Value::Object(whole), Value::Object(spec)) => {
            for (key, value) in spec {
                merge_into(whole.entry(key).or_insert(Value::Null), value);
            }
        }
        (whole, spec) => {
            if whole.is_null() {
                *whole = spec;
            }
        }
    }
}

fn capitalised(module: &str) -> String {
    let (first, rest) = module.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// Every permission that operations ask for, of all modules, in order, as build.rs found them.
pub fn permissions() -> Vec<String> {
    include_str!(concat!(env!("OUT_DIR"), "/permissions")).lines().map(str::to_owned).collect()
}

/// Those of them that some operation grants for a warehouse alone (`x-scope`).
pub fn by_warehouse() -> Vec<String> {
    include_str!(concat!(env!("OUT_DIR"), "/by_warehouse")).lines().map(str::to_owned).collect()
}

/// What is checked in under `openapi/`, as build.rs packs it. Tests compare the specs with what
/// the handlers say.
const BUILT: [(&str, &[u8]); 8] = [
    ("auth", include_bytes!(concat!(env!("OUT_DIR"), "/auth.json.gz"))),
    ("billing", include_bytes!(concat!(env!("OUT_DIR"), "/billing.json.gz"))),
    ("erp", include_bytes!(concat!(env!("OUT_DIR"), "/erp.json.gz"))),
    ("examples", include_bytes!(concat!(env!("OUT_DIR"), "/examples.json.gz"))),
    ("inventory", include_bytes!(concat!(env!("OUT_DIR"), "/inventory.json.gz"))),
    ("orders", include_bytes!(concat!(env!("OUT_DIR"), "/orders.json.gz"))),
    ("purchasing", include_bytes!(concat!(env!("OUT_DIR"), "/purchasing.json.gz"))),
    ("sales", include_bytes!(concat!(env!("OUT_DIR"), "/sales.json.gz"))),
];

/// The spec of a module, or of `erp`, as it was when this was built; nothing of another name.
pub fn built(name: &str) -> Value {
    let Some((_, packed)) = BUILT.iter().find(|(other, _)| *other == name) else {
        return Value::Null;
    };
    let mut text = String::new();
    // What build.rs has packed can be unpacked.
    let _ = GzDecoder::new(*packed).read_to_string(&mut text);
    serde_json::from_str(&text).unwrap_or_default()
}

/// The spec with its recorded examples put in: exchanges of a test that runs every operation,
/// by operation id.
pub fn with_examples(mut spec: Value) -> Value {
    let examples = built("examples");
    let paths = spec["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in paths.flat_map(|item| item.as_object_mut()).flat_map(|item| item.values_mut())
    {
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        let Some(example) = examples.get(&id) else {
            continue;
        };
        if let Some(request) = example.get("request") {
            set_example(&mut operation["requestBody"], request);
        }
        let status = example["status"].to_string();
        if let Some(response) = example.get("response") {
            set_example(&mut operation["responses"][status], response);
        }
    }
    spec
}

fn set_example(holder: &mut Value, example: &Value) {
    for (kind, content) in holder["content"].as_object_mut().into_iter().flatten() {
        // What was recorded is the JSON of it.
        let is_other = kind == "text/csv" || kind.contains("ndjson") || kind.contains("series");
        if !is_other {
            content["example"] = example.clone();
        }
    }
}
