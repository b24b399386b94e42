//! Tokens in cookies, and what other pages can do with them: nothing.

use reqwest::Method;
use serde_json::{Value, json};

use super::sign_in;
use crate::harness::{ADMIN_PASSWORD, Answer, Api, Server, text};

/// A browser's jar: what it was told to keep.
#[derive(Clone, Default)]
struct Jar(Vec<(String, String)>);

impl Jar {
    fn keep(&mut self, answer: &Answer) {
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().expect("ASCII");
            assert!(cookie.contains("; Secure; SameSite=Strict"), "{cookie}");
            let (name, rest) = cookie.split_once('=').expect("a pair");
            assert_eq!(cookie.contains("HttpOnly"), !name.ends_with("csrf"), "{cookie}");
            let value = rest.split(';').next().unwrap_or_default();
            self.0.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn header(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    async fn send(
        &self,
        api: &Api,
        method: Method,
        path: &str,
        csrf: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut request =
            api.with_token(None).request(method, path).header("Cookie", self.header());
        if let Some(csrf) = csrf {
            request = request.header("X-CSRF-Token", csrf);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        api.send(request).await
    }
}

async fn sign_in_with_cookies(api: &Api) -> (Jar, String) {
    let body = json!({ "username": "admin", "password": ADMIN_PASSWORD, "cookie": true });
    let answer = api.with_token(None).post("/api/v1/auth/token", body).await;
    let mut jar = Jar::default();
    jar.keep(&answer);
    let body = answer.ok();
    assert_eq!(body["token_type"], "Cookie");
    assert!(body.get("access_token").is_none() && body.get("refresh_token").is_none());
    (jar, text(&body["csrf_token"]))
}

#[actix_web::test]
async fn a_page_signs_in_refreshes_and_signs_out_without_seeing_a_token() {
    let server = Server::start().await;
    let api = &server.api;
    let (mut jar, csrf) = sign_in_with_cookies(api).await;
    jar.send(api, Method::GET, "/api/v1/auth/me", None, None).await.ok();
    jar.send(api, Method::GET, "/api/v1/orders/orders", None, None).await.ok();
    let role = json!({ "name": "clerk", "permissions": [] });
    jar.send(api, Method::POST, "/api/v1/auth/roles", Some(&csrf), Some(role)).await.ok();

    let refresh = "/api/v1/auth/token/refresh";
    let answer = jar.send(api, Method::POST, refresh, None, Some(json!({}))).await;
    answer.problem(403, "csrf_token_required");
    let answer = jar.send(api, Method::POST, refresh, Some(&csrf), Some(json!({}))).await;
    jar.keep(&answer);
    let next = text(&answer.ok()["csrf_token"]);
    assert_ne!(csrf, next);
    let step_up = json!({ "password": ADMIN_PASSWORD });
    let path = "/api/v1/auth/me/step-up";
    let answer = jar.send(api, Method::POST, path, Some(&next), Some(step_up)).await;
    jar.keep(&answer);
    let body = answer.ok();
    assert_eq!((&body["token_type"], &body["csrf_token"]), (&json!("Cookie"), &json!(next)));
    assert!(body.get("access_token").is_none(), "{body}");
    let role = json!({ "name": "another clerk", "permissions": [] });
    jar.send(api, Method::POST, "/api/v1/auth/roles", Some(&next), Some(role)).await.ok();
    let revoke = "/api/v1/auth/token/revoke";
    jar.send(api, Method::POST, revoke, Some(&csrf), None)
        .await
        .problem(403, "csrf_token_required");
    let answer = jar.send(api, Method::POST, revoke, Some(&next), None).await;
    assert_eq!(answer.status, 204);
    let signed_in = jar.clone();
    jar.keep(&answer);
    assert!(jar.0.is_empty());
    let answer = signed_in.send(api, Method::GET, "/api/v1/auth/me", None, None).await;
    answer.problem(401, "session_ended");
}

#[actix_web::test]
async fn another_page_changes_nothing_with_our_cookies() {
    let server = Server::start().await;
    let api = &server.api;
    let (jar, _) = sign_in_with_cookies(api).await;
    let (_, csrf_of_another) = sign_in_with_cookies(api).await;
    let role = || Some(json!({ "name": "clerk", "permissions": [] }));
    let roles = "/api/v1/auth/roles";
    for csrf in [None, Some(""), Some("guessed"), Some(csrf_of_another.as_str())] {
        let answer = jar.send(api, Method::POST, roles, csrf, role()).await;
        answer.problem(403, "csrf_token_required");
    }
    // A token that was not made for a cookie is none there, nor is one among two.
    let tokens = sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
    let mut planted = Jar(vec![("__Host-erp-access".into(), text(&tokens["access_token"]))]);
    let answer = planted.send(api, Method::GET, "/api/v1/auth/me", None, None).await;
    answer.problem(401, "invalid_token");
    planted.0.extend(jar.0);
    let answer = planted.send(api, Method::GET, "/api/v1/auth/me", None, None).await;
    answer.problem(401, "token_required");
}
