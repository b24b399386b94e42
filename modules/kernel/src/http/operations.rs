//! The operations of a spec, found by method and path. What the documentation says
//! is what is enforced: the table is read from the spec itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::Method;
use serde_json::Value;

use crate::error::{Error, Result};

/// What the guard must know of an operation.
#[derive(Clone, Debug)]
pub struct Operation {
    pub id: Arc<str>,
    pub access: Access,
    pub needs_idempotency_key: bool,
    pub needs_if_match: bool,
    /// Whether the caller must have proved a moment ago who they are.
    pub needs_step_up: bool,
    /// Whether it may be called by whoever has the permission for part of the records alone: it
    /// keeps to those, or is about none of them.
    pub keeps_scope: bool,
    /// Whether it has a body.
    pub takes_body: bool,
    /// Whether its body is a file, which may be larger than other bodies.
    pub takes_file: bool,
    /// The query parameters it knows.
    pub query: Arc<[String]>,
}

/// Who may call an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// `x-permission: "none"`: no token needed.
    Public,
    /// `x-permission: "self"`: any token; the operation concerns its holder.
    SignedIn,
    /// `x-permission: "module.resource:action"`.
    Permission(Arc<str>),
}

/// Method and path to operation.
#[derive(Clone, Debug, Default)]
pub struct Operations(matchit::Router<BTreeMap<String, Operation>>);

impl Operations {
    /// Reads the table from a finished spec. An operation that states no permission is
    /// an error: access is denied by default, and that is noticed at start.
    pub fn from_spec(spec: &Value) -> Result<Self, String> {
        let mut reading = Reading::default();
        for (path, item) in spec["paths"].as_object().into_iter().flatten() {
            reading.add(path, item)?;
        }
        reading.end()
    }

    /// The operation, or 404, or 405 with the methods there are. HEAD is a GET without the body
    /// (RFC 9110, section 9.3.2).
    pub fn find(&self, method: &Method, path: &str) -> Result<&Operation> {
        let methods = self
            .0
            .at(path)
            .map_err(|_| Error::new(404, "no_such_path", format!("nothing is at {path}")))?
            .value;
        let name = if *method == Method::HEAD { "GET" } else { method.as_str() };
        methods.get(name).ok_or_else(|| {
            let mut allow: Vec<_> = methods.keys().map(String::as_str).collect();
            allow.extend(methods.contains_key("GET").then_some("HEAD"));
            allow.push("OPTIONS");
            Error::method_not_allowed(allow.join(", "))
        })
    }
}

/// Operations that are read one after the other; a path may come once for each method.
#[derive(Default)]
pub(super) struct Reading(BTreeMap<String, BTreeMap<String, Operation>>);

impl Reading {
    pub fn add(&mut self, path: &str, item: &Value) -> Result<(), String> {
        let methods = self.0.entry(path.to_owned()).or_default();
        for (method, operation) in item.as_object().into_iter().flatten() {
            let operation = read(operation).map_err(|e| format!("{method} {path} {e}"))?;
            methods.insert(method.to_ascii_uppercase(), operation);
        }
        Ok(())
    }

    pub fn end(self) -> Result<Operations, String> {
        let mut router = matchit::Router::new();
        for (path, methods) in self.0 {
            router.insert(path.as_str(), methods).map_err(|error| format!("{path}: {error}"))?;
        }
        Ok(Operations(router))
    }
}

fn read(operation: &Value) -> Result<Operation, String> {
    let id = operation["operationId"].as_str().ok_or("has no operation id")?;
    let access = match operation["x-permission"].as_str().ok_or("states no x-permission")? {
        "none" => Access::Public,
        "self" => Access::SignedIn,
        permission => Access::Permission(permission.into()),
    };
    let parameters = || operation["parameters"].as_array().into_iter().flatten();
    let needs_header = |name: &str| {
        parameters().any(|parameter| parameter["name"] == name && parameter["required"] == true)
    };
    let query = parameters()
        .filter(|parameter| parameter["in"] == "query")
        .filter_map(|parameter| parameter["name"].as_str().map(ToOwned::to_owned));
    Ok(Operation {
        id: id.into(),
        access,
        needs_idempotency_key: needs_header("Idempotency-Key"),
        needs_if_match: needs_header("If-Match"),
        needs_step_up: operation["x-step-up"] == true,
        keeps_scope: operation["x-scope"].is_string(),
        takes_body: operation["requestBody"].is_object(),
        takes_file: operation["requestBody"]["content"].get("text/csv").is_some(),
        query: query.collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_without_a_permission_is_refused() {
        let spec = |operation: Value| json!({ "paths": { "/a/{id}": { "get": operation } } });
        let open = spec(json!({ "operationId": "get_a" }));
        assert!(Operations::from_spec(&open).is_err());
        let closed = spec(json!({ "operationId": "get_a", "x-permission": "m.a:read" }));
        let operations = Operations::from_spec(&closed).expect("complete");
        let found = operations.find(&Method::GET, "/a/1").expect("listed");
        assert_eq!(found.access, Access::Permission("m.a:read".into()));
        assert!(operations.find(&Method::HEAD, "/a/1").is_ok());
        let refused = operations.find(&Method::PUT, "/a/1").expect_err("no PUT");
        assert_eq!(refused.status(), 405);
        let answer = refused.answer(&Method::OPTIONS);
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.headers().get("allow").expect("told"), "GET, HEAD, OPTIONS");
        assert_eq!(operations.find(&Method::GET, "/b").expect_err("no path").status(), 404);
    }
}
