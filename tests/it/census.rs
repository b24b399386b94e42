//! What holds for every operation there is, asked of each of them.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Api, Server, text};
use crate::spec::operations;

/// A path with every parameter filled in with an id nothing has.
fn concrete(path: &str) -> String {
    path.split('/')
        .map(
            |segment| {
                if segment.starts_with('{') {
                    Uuid::now_v7().to_string()
                } else {
                    segment.to_owned()
                }
            },
        )
        .collect::<Vec<_>>()
        .join("/")
}

async fn spec(api: &Api) -> Value {
    api.get("/openapi.json").await.ok()
}

fn request(api: &Api, method: &str, path: &str) -> reqwest::RequestBuilder {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    api.request(method, &concrete(path))
        .header("Idempotency-Key", Uuid::now_v7().to_string())
        .header("If-Match", "\"v1\"")
}

fn has_body(operation: &Value) -> bool {
    operation["requestBody"].is_object()
}

fn takes_json(operation: &Value) -> bool {
    operation["requestBody"]["content"].as_object().is_some_and(|content| {
        content.keys().any(|kind| kind == "application/json" || kind.ends_with("+json"))
    }) && operation["operationId"] != "create_token"
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_refused_without_its_permission() {
    let server = Server::start().await;
    let user = json!({"username": "nobody", "name": "Nobody", "password": "twelve wet weasels"});
    server.api.post("/api/v1/auth/users", user).await.ok();
    let credentials = json!({"username": "nobody", "password": "twelve wet weasels"});
    let token = server.api.post("/api/v1/auth/token", credentials).await.ok();
    let nobody = server.api.with_token(Some(&text(&token["access_token"])));
    let stranger = server.api.with_token(None);
    let forger = server.api.with_token(Some("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."));

    let mut checked = 0;
    for (method, path, operation) in operations(&spec(&server.api).await) {
        let permission = operation["x-permission"].as_str().expect("a permission");
        if permission == "none" {
            continue;
        }
        let answer = stranger.send(request(&stranger, &method, &path)).await;
        answer.problem(401, "token_required");
        forger.send(request(&forger, &method, &path)).await.problem(401, "invalid_token");
        if permission != "self" {
            let problem = nobody
                .send(request(&nobody, &method, &path))
                .await
                .problem(403, "permission_denied");
            assert_eq!(problem["params"]["permission"], permission, "{method} {path}");
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} operations were checked");
    server.stop().await;
}

/// What anybody may call, signed in or not.
const PUBLIC: [&str; 11] = [
    "create_token",
    "finish_oidc_sign_in",
    "finish_passkey_sign_in",
    "get_jwks",
    "issue_oauth_token",
    "refresh_token",
    "request_password_reset",
    "revoke_oauth_token",
    "start_oidc_sign_in",
    "start_passkey_sign_in",
    "use_link",
];

/// Somebody whose one role is changed as the test goes on.
struct Holder {
    role: Value,
    tokens: Value,
}

impl Holder {
    async fn new(api: &Api, name: &str) -> Holder {
        let role = json!({"name": name, "permissions": []});
        let role = api.post("/api/v1/auth/roles", role).await.ok();
        let credentials = json!({"username": name, "password": "twelve wet weasels"});
        let mut user = credentials.clone();
        user["name"] = json!(name);
        user["role_ids"] = json!([role["id"]]);
        api.post("/api/v1/auth/users", user).await.ok();
        let tokens = api.with_token(None).post("/api/v1/auth/token", credentials).await.ok();
        Holder { role, tokens }
    }

    /// The same, with these permissions from now on.
    async fn holding(&mut self, api: &Api, permissions: &[&Value]) -> Api {
        let path = format!("/api/v1/auth/roles/{}", text(&self.role["id"]));
        let change = json!({"permissions": permissions});
        self.role = api.patch(&path, &self.role, change).await.ok();
        let refresh = json!({"refresh_token": self.tokens["refresh_token"]});
        let refreshed = api.with_token(None).post("/api/v1/auth/token/refresh", refresh).await;
        self.tokens = refreshed.ok();
        api.with_token(self.tokens["access_token"].as_str())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_allowed_with_its_permission_alone_and_refused_with_all_others() {
    let server = Server::start().await;
    let api = &server.api;
    let operations = operations(&spec(api).await);
    let known = api.get("/api/v1/auth/permissions").await.ok();
    let known = known["permissions"].as_array().expect("a list");
    let mut only = Holder::new(api, "only").await;
    let mut others = Holder::new(api, "others").await;
    let (mut public, mut own, mut guarded) = (Vec::new(), 0, 0);
    for (_, _, operation) in &operations {
        match operation["x-permission"].as_str().expect("a permission") {
            "none" => public.push(text(&operation["operationId"])),
            "self" => own += 1,
            permission => {
                assert!(known.contains(&json!(permission)), "{permission} cannot be granted");
                guarded += 1;
            }
        }
    }
    public.sort();
    assert_eq!(public, PUBLIC);
    for permission in known {
        let rest: Vec<&Value> = known.iter().filter(|other| *other != permission).collect();
        let only = only.holding(api, &[permission]).await;
        let others = others.holding(api, &rest).await;
        let asking = operations.iter().filter(|(_, _, o)| o["x-permission"] == *permission);
        for (method, path, _) in asking {
            let answer = only.send(request(&only, method, path)).await;
            // What it says of an id that nothing has and of no body is another matter.
            assert!(![401, 403].contains(&answer.status), "{method} {path} {:#}", answer.body);
            let refused = others.send(request(&others, method, path)).await;
            let problem = refused.problem(403, "permission_denied");
            assert_eq!(problem["params"]["permission"], *permission, "{method} {path}");
        }
    }
    println!(
        "{} operations: {} public, {own} for whoever is signed in, {guarded} by permission",
        operations.len(),
        public.len()
    );
    assert_eq!(public.len() + own + guarded, operations.len());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_refuses_what_it_does_not_know() {
    let server = Server::start().await;
    let api = &server.api;
    for (method, path, operation) in operations(&spec(api).await) {
        let url = format!("{}?no_such_parameter=1", concrete(&path));
        let verb = Method::from_bytes(method.as_bytes()).expect("a method");
        let unknown =
            api.request(verb, &url).header("Idempotency-Key", "k").header("If-Match", "\"v1\"");
        api.send(unknown).await.points_at(400, "invalid_query", "?no_such_parameter");

        if has_body(&operation) {
            let wrong_type =
                request(api, &method, &path).header("Content-Type", "text/plain").body("hello");
            api.send(wrong_type).await.problem(415, "unsupported_media_type");
        }
        if takes_json(&operation) {
            let json = |body: String| {
                request(api, &method, &path).header("Content-Type", "application/json").body(body)
            };
            api.send(json("{".into())).await.problem(400, "malformed_json");
            api.send(json("{} trailing".into())).await;
            let answer = api.send(json("{\"no_such_field\": 1}".into())).await;
            assert_eq!(answer.status, 422, "{method} {path} {:#}", answer.body);
            assert_eq!(answer.body["errors"][0]["pointer"], "/no_such_field", "{method} {path}");
            let answer = api.send(json("[1, 2, 3]".into())).await;
            assert_eq!(answer.status, 422, "{method} {path} {:#}", answer.body);
            let huge = format!("{{\"a\": \"{}\"}}", "x".repeat(2 * 1024 * 1024));
            api.send(json(huge)).await.problem(413, "body_too_large");
            let deep = format!("{{\"a\": {}", "[".repeat(100_000));
            let answer = api.send(json(deep)).await;
            assert!([400, 422].contains(&answer.status), "{method} {path}");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_on_one_resource_knows_when_there_is_none() {
    let server = Server::start().await;
    let api = &server.api;
    for (method, path, operation) in operations(&spec(api).await) {
        if !path.contains('{') || has_body(&operation) {
            continue;
        }
        let answer = api.send(request(api, &method, &path)).await;
        answer.problem(404, "not_found");
        let mangled = path
            .split('/')
            .map(|segment| if segment.starts_with('{') { "not-an-id" } else { segment })
            .collect::<Vec<_>>()
            .join("/");
        let verb = Method::from_bytes(method.as_bytes()).expect("a method");
        let mangled =
            api.request(verb, &mangled).header("Idempotency-Key", "k").header("If-Match", "*");
        api.send(mangled).await.problem(404, "not_found");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_needed_header_is_asked_for_and_every_bad_one_refused() {
    let server = Server::start().await;
    let api = &server.api;
    for (method, path, operation) in operations(&spec(api).await) {
        let needs = |name: &str| {
            operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|p| p["name"] == name && p["required"] == true)
        };
        let verb = Method::from_bytes(method.as_bytes()).expect("a method");
        let bare = || api.request(verb.clone(), &concrete(&path));
        if needs("If-Match") {
            let request = bare().header("Idempotency-Key", "k");
            api.send(request).await.points_at(428, "if_match_required", "@If-Match");
            for bad in ["v1", "1", "\"v1", "\"v1\" \"v2\"", "*, \"v1\""] {
                let request = bare().header("Idempotency-Key", "k").header("If-Match", bad);
                api.send(request).await.points_at(400, "invalid_if_match", "@If-Match");
            }
        }
        if needs("Idempotency-Key") {
            let request = bare().header("If-Match", "*");
            let answer = api.send(request).await;
            answer.points_at(400, "idempotency_key_required", "@Idempotency-Key");
            for key in ["k".repeat(256), "two words".to_owned()] {
                let request = bare().header("If-Match", "*").header("Idempotency-Key", key);
                let answer = api.send(request).await;
                answer.points_at(400, "invalid_idempotency_key", "@Idempotency-Key");
            }
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_pages_and_refuses_a_bad_cursor_or_limit() {
    let server = Server::start().await;
    let api = &server.api;
    let mut lists = 0;
    for (method, path, operation) in operations(&spec(api).await) {
        let takes = |name: &str| {
            operation["parameters"].as_array().into_iter().flatten().any(|p| p["name"] == name)
        };
        if method != "GET" || !takes("cursor") || path.contains('{') {
            continue;
        }
        lists += 1;
        let page = api.get(&format!("{path}?limit=1")).await.ok();
        assert!(page["data"].is_array() && page["page"]["has_more"].is_boolean(), "{path}");
        for bad in ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=1&limit=2"] {
            let answer = api.get(&format!("{path}?{bad}")).await;
            answer.problem(400, "invalid_query");
        }
        for bad in ["xyz", "AAAAAAAAAAAAAAAAAAAAAAAAAAA", "%00", "%F0%9F%92%A9"] {
            let answer = api.get(&format!("{path}?cursor={bad}")).await;
            answer.problem(400, "invalid_cursor");
        }
    }
    assert!(lists > 10, "{lists} lists were checked");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_asks_of_a_day_that_no_calendar_has() {
    let server = Server::start().await;
    let mut asked = 0;
    for (method, path, operation) in operations(&spec(&server.api).await) {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for parameter in parameters.iter().filter(|one| one["in"] == "query") {
            let ends = match parameter["schema"]["format"].as_str() {
                Some("date") => ["-262143-01-01", "0001-01-01", "+262142-12-31"].map(String::from),
                Some("date-time") => ["-262143-01-01", "0001-01-01", "+262142-12-31"]
                    .map(|day| format!("{day}T00:00:00Z")),
                _ => continue,
            };
            let name = text(&parameter["name"]);
            for end in ends {
                let query = format!("{path}?{name}={}", end.replace('+', "%2B"));
                let request = request(&server.api, &method, &query);
                let answer = server.api.send(request).await;
                answer.points_at(400, "invalid_query", &format!("?{name}"));
            }
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked}");
    server.stop().await;
}
