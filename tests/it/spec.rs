//! The OpenAPI documents: up to date, complete, and true.

use std::collections::BTreeSet;

use erp::cli::documents;
use serde_json::{Map, Value};

/// Every operation of a document with its method and path.
pub fn operations(spec: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in spec["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            found.push((method.to_ascii_uppercase(), path.clone(), operation.clone()));
        }
    }
    found
}

async fn document(name: &str) -> Value {
    let documents = documents().await.expect("the documents are generated");
    serde_json::from_str(&documents[name]).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checked_in_documents_are_what_the_handlers_say() {
    for (name, text) in documents().await.expect("the documents are generated") {
        let path = format!("{}/openapi/{name}", env!("CARGO_MANIFEST_DIR"));
        let recorded = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(recorded == text, "openapi/{name} is out of date: run `cargo run -- openapi`");
    }
}

/// What an operation lacks of what every operation must have.
fn lint(method: &str, path: &str, operation: &Value) -> Vec<String> {
    let mut lacks = Vec::new();
    let mut need = |ok: bool, what: &str| {
        if !ok {
            lacks.push(format!("{method} {path}: {what}"));
        }
    };
    let text = |key: &str| operation[key].as_str().unwrap_or_default();
    need(!text("summary").is_empty(), "no summary");
    need(!text("summary").ends_with('.'), "the summary is a title: no full stop");
    need(!text("operationId").is_empty(), "no operation id");
    need(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "not one tag");
    need(!text("x-permission").is_empty(), "no permission");
    need(operation["x-error-codes"].as_array().is_some_and(|c| !c.is_empty()), "no error codes");
    // What nobody is to do who finds an open session.
    let is_dangerous = ["bank-accounts", "/payouts", "period-locks/{id}/reopen"]
        .iter()
        .any(|part| path.contains(part));
    let has_step_up = operation["x-step-up"] == true;
    need(method == "GET" || !is_dangerous || has_step_up, "no fresh proof of who asks");
    let empty = Map::new();
    let responses = operation["responses"].as_object().unwrap_or(&empty);
    let success = responses.iter().find(|(status, _)| status.starts_with('2'));
    need(success.is_some(), "no successful response");
    if let Some((_, response)) = success
        && let Some(content) = response["content"]["application/json"].as_object()
    {
        need(content.contains_key("schema"), "the response has no schema");
        let example = content.get("example");
        need(example.is_some(), "the response has no recorded example");
        // To which nothing could be added.
        need(!example.is_some_and(Value::is_array), "the response is a list");
    }
    for (media_type, content) in operation["requestBody"]["content"].as_object().unwrap_or(&empty) {
        need(content.get("schema").is_some(), "the request has no schema");
        need(content.get("example").is_some(), &format!("no recorded {media_type} example"));
    }
    lacks
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_documented_whole() {
    let spec = document("erp.json").await;
    let operations = operations(&spec);
    let lacks: Vec<_> = operations.iter().flat_map(|(m, p, o)| lint(m, p, o)).collect();
    assert!(lacks.is_empty(), "{}", lacks.join("\n"));
    let ids: BTreeSet<_> =
        operations.iter().map(|(_, _, o)| o["operationId"].to_string()).collect();
    assert_eq!(ids.len(), operations.len(), "operation ids are unique");
}

#[test]
fn an_operation_that_says_nothing_is_found_by_the_lint() {
    assert!(lint("GET", "/x", &serde_json::json!({})).len() >= 5);
    let nothing = serde_json::json!({});
    for path in ["/suppliers/{id}/bank-accounts", "/payouts", "/period-locks/{id}/reopen"] {
        let lacks = lint("POST", path, &nothing);
        assert!(lacks.iter().any(|lack| lack.ends_with("fresh proof of who asks")), "{lacks:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reference_leads_somewhere() {
    for (name, text) in documents().await.expect("the documents are generated") {
        let spec: Value = serde_json::from_str(&text).expect("JSON");
        let mut references = BTreeSet::new();
        collect_references(&spec, &mut references);
        for reference in references {
            let target = spec.pointer(reference.trim_start_matches('#'));
            assert!(target.is_some(), "{name}: {reference} leads nowhere");
        }
    }
}

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                found.insert(reference.to_owned());
            }
            map.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}
