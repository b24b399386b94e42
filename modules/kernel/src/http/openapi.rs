//! From the handlers to a finished OpenAPI document.
//!
//! A handler states what only it knows: its path, types, permission and own error
//! codes. What every operation has in common (headers, problem responses, security)
//! is added here, once.

use serde_json::{Map, Value, json};
use utoipa::openapi::{Info, OpenApi, Paths};

use crate::http::operations::Reading;
use crate::http::{Operations, Routes};
use crate::money::inline_scalars;

/// Problem responses: status, name of the component, when it comes.
const PROBLEMS: &[(&str, &str, &str)] = &[
    (
        "400",
        "BadRequest",
        "The request cannot be read: malformed JSON, an unknown parameter, a bad header.",
    ),
    ("401", "Unauthenticated", "No valid access token."),
    ("403", "Forbidden", "The caller lacks the permission."),
    ("404", "NotFound", "There is no such resource."),
    ("408", "RequestTimeout", "The body did not come in time."),
    ("409", "Conflict", "The state of a document, of stock or of credit forbids it."),
    ("412", "PreconditionFailed", "The resource has changed since the version in If-Match."),
    ("413", "ContentTooLarge", "The body is larger than 1 MiB."),
    ("415", "UnsupportedMediaType", "The body is not JSON, or it is encoded."),
    ("422", "Unprocessable", "The body breaks a rule; `errors` points at the fields."),
    ("428", "PreconditionRequired", "The If-Match header is missing."),
    ("429", "TooManyRequests", "The caller made too many requests: wait Retry-After seconds."),
    ("500", "InternalError", "Something failed on our side; nothing was changed."),
    ("503", "Unavailable", "Try again after Retry-After seconds."),
];

/// The spec of one module, as its handlers declare it.
pub fn module_spec(name: &str, routes: &dyn Fn(&mut Routes)) -> Value {
    let mut spec = OpenApi::new(Info::new(name, ""), Paths::new());
    routes(&mut Routes::describe(&mut spec));
    spec.paths.paths = std::mem::take(&mut spec.paths.paths)
        .into_iter()
        .map(|(path, item)| (full_path(name, &path), item))
        .collect();
    // utoipa's own types: serialising them cannot fail.
    finish_spec(name, serde_json::to_value(spec).unwrap_or_default())
}

/// The operations of one module, as its handlers declare them.
pub fn module_operations(name: &str, routes: &dyn Fn(&mut Routes)) -> Result<Operations, String> {
    let mut reading = Reading::default();
    let mut ended = Ok(());
    routes(&mut Routes::read(&mut |path, item| {
        let path = full_path(name, &path);
        let mut item = serde_json::to_value(item).unwrap_or_default();
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            finish_operation(&path, method, operation);
        }
        if ended.is_ok() {
            ended = reading.add(&path, &item);
        }
    }));
    ended?;
    reading.end()
}

fn full_path(name: &str, path: &str) -> String {
    format!("/api/v1/{name}{path}")
}

/// Adds to a spec what every operation has in common.
pub fn finish_spec(name: &str, mut spec: Value) -> Value {
    let mut has_tables = false;
    for (path, item) in spec["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            has_tables |= add_forms(operation);
            finish_operation(path, method, operation);
        }
    }
    spec["info"] = json!({
        "title": format!("erp {name}"),
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Errors are problem documents (RFC 9457) with a stable `code`. \
            Amounts and quantities are decimal strings. Lists page by cursor. \
            `x-permission` names what a caller needs; `x-error-codes` what it may be told.",
        "license": { "name": "MIT", "identifier": "MIT" },
    });
    let components = object(&mut spec["components"]);
    let responses = object(components.entry("responses").or_insert(json!({})));
    for (_, component, description) in PROBLEMS {
        responses.insert(
            (*component).to_owned(),
            json!({
                "description": description,
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" }
                } }
            }),
        );
    }
    components.insert(
        "securitySchemes".to_owned(),
        json!({
            "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            "password": {
                "type": "oauth2",
                "description": "Signs in with user name and password.",
                "flows": { "password": { "tokenUrl": "/api/v1/auth/token", "scopes": {} } }
            }
        }),
    );
    let schemas = object(components.entry("schemas").or_insert(json!({})));
    for (schema_name, schema) in problem_schemas() {
        schemas.insert(schema_name, schema);
    }
    if has_tables {
        for (schema_name, schema) in series_schemas() {
            schemas.insert(schema_name, schema);
        }
    }
    inline_scalars(&mut spec);
    spec["security"] = json!([{ "bearer": [] }, { "password": [] }]);
    spec
}

fn problem_schemas() -> Vec<(String, Value)> {
    use utoipa::{PartialSchema, ToSchema};
    let mut schemas = vec![
        (crate::Problem::name().into_owned(), crate::Problem::schema()),
        (crate::FieldError::name().into_owned(), crate::FieldError::schema()),
    ];
    schemas.sort_by(|a, b| a.0.cmp(&b.0));
    schemas
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default()))
        .collect()
}

/// The other forms of an answer that has rows (`x-forms`): CSV, and series for a chart.
fn add_forms(operation: &mut Value) -> bool {
    let marked = operation.as_object_mut().and_then(|o| o.remove("x-forms"));
    if marked.is_none() {
        return false;
    }
    let description = operation["description"].as_str().unwrap_or_default();
    let forms = "As `text/csv` (header `Accept`) all of it, whatever `limit` says; as \
                 `application/vnd.erp.series+json` a page in columns, for a chart.";
    operation["description"] = json!(format!("{description}\n\n{forms}").trim());
    let content = object(&mut operation["responses"]["200"]["content"]);
    content.insert("text/csv".to_owned(), json!({ "schema": { "type": "string" } }));
    let series = json!({ "schema": { "$ref": "#/components/schemas/Series" } });
    content.insert("application/vnd.erp.series+json".to_owned(), series);
    true
}

fn series_schemas() -> Vec<(String, Value)> {
    use utoipa::{PartialSchema, ToSchema};

    use crate::page::PageInfo;
    use crate::table::{OneSeries, Series};
    let schemas = [
        (Series::name().into_owned(), Series::schema()),
        (OneSeries::name().into_owned(), OneSeries::schema()),
        (PageInfo::name().into_owned(), PageInfo::schema()),
    ];
    schemas
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default()))
        .collect()
}

fn finish_operation(path: &str, method: &str, operation: &mut Value) {
    let is_public = operation["x-permission"] == "none";
    let has_body = operation.get("requestBody").is_some();
    let mutates = method != "get";
    let needs: Vec<String> = operation
        .as_object_mut()
        .and_then(|o| o.remove("x-needs"))
        .and_then(|needs| serde_json::from_value(needs).ok())
        .unwrap_or_default();
    let needs_if_match = needs.iter().any(|n| n == "if-match");
    let needs_key = needs.iter().any(|n| n == "idempotency-key");
    let needs_step_up = needs.iter().any(|n| n == "step-up");
    // Where the answer or the body is a secret, nothing of it is stored.
    let takes_key = method == "post" && !needs.iter().any(|n| n == "no-idempotency-key");

    if let Value::Null = operation["parameters"] {
        operation["parameters"] = json!([]);
    }
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        if needs_if_match {
            parameters.push(json!({
                "name": "If-Match", "in": "header", "required": true,
                "description": "The `ETag` the change was meant for, such as `\"v3\"`, or `*`.",
                "schema": { "type": "string", "pattern": "^(\\*|\"v[0-9]{1,18}\")$" },
                "example": "\"v1\""
            }));
        }
        if takes_key {
            parameters.push(json!({
                "name": "Idempotency-Key", "in": "header", "required": needs_key,
                "description": "Makes a repeat of this request return the first answer, for seven days.",
                "schema": { "type": "string", "pattern": "^[!-~]{1,255}$" },
                "example": "8f14e45f-ceea-467f-a0e6-6d1b2f0f3a51"
            }));
        }
    }

    let mut statuses = vec!["400", "429", "500", "503"];
    let mut codes = vec![
        "internal_error",
        "database_busy",
        "database_unavailable",
        "transaction_aborted",
        "invalid_query",
        "rate_limited",
    ];
    if !is_public {
        statuses.extend(["401", "403"]);
        codes.extend([
            "token_required",
            "invalid_token",
            "token_expired",
            "session_ended",
            "permission_denied",
            "csrf_token_required",
        ]);
    }
    if needs_step_up {
        codes.push("step_up_required");
        operation["x-step-up"] = json!(true);
    }
    if path.contains('{') {
        statuses.push("404");
        codes.push("not_found");
    }
    if mutates {
        statuses.push("409");
    }
    if needs_if_match {
        statuses.extend(["412", "428"]);
        codes.extend(["stale_version", "if_match_required", "invalid_if_match"]);
    }
    if needs_key {
        codes.push("idempotency_key_required");
    }
    if takes_key {
        statuses.push("422");
        codes.extend(["invalid_idempotency_key", "idempotency_key_reused"]);
    }
    if mutates {
        // One that takes no body refuses any.
        statuses.extend(["408", "413", "422"]);
        codes.extend(["malformed_json", "invalid_body", "body_too_large", "request_timeout"]);
    }
    if has_body {
        statuses.push("415");
        codes.push("unsupported_media_type");
    }
    let own: Vec<String> = operation
        .as_object_mut()
        .and_then(|o| o.remove("x-errors"))
        .and_then(|codes| serde_json::from_value(codes).ok())
        .unwrap_or_default();
    let mut codes: Vec<String> = codes.into_iter().map(str::to_owned).chain(own).collect();
    codes.sort();
    codes.dedup();
    operation["x-error-codes"] = json!(codes);

    let responses = object(&mut operation["responses"]);
    for (status, component, _) in PROBLEMS.iter().filter(|p| statuses.contains(&p.0)) {
        responses
            .entry(*status)
            .or_insert_with(|| json!({ "$ref": format!("#/components/responses/{component}") }));
    }
    for (status, response) in responses.iter_mut() {
        let described = response["description"].as_str().is_some_and(|text| !text.is_empty());
        if !described && response.get("$ref").is_none() {
            response["description"] = json!(match status.as_str() {
                "201" => "Created.",
                "202" => "Accepted.",
                "204" => "Done; there is nothing to return.",
                _ => "OK.",
            });
        }
    }
    if is_public {
        operation["security"] = json!([]);
    }
}

/// The object inside `value`, made if it was null.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made an object one line above"),
    }
}
