//! How somebody comes in, is kept out, and gets a new password.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PASSWORD, assert_laws, caller, refresh, role, role_named, sign_in, user, user_named};
use crate::harness::{ADMIN_PASSWORD, Answer, Api, Server, text};

const CHOSEN: &str = "nine patient herons";

async fn invite(api: &Api, name: &str, roles: &[&Value]) -> Answer {
    let role_ids: Vec<_> = roles.iter().map(|role| &role["id"]).collect();
    let body = json!({ "username": name, "name": name, "role_ids": role_ids });
    api.post("/api/v1/auth/users/invite", body).await
}

async fn use_link(api: &Api, token: &Value, password: &str) -> Answer {
    let body = json!({ "token": token, "new_password": password });
    api.with_token(None).post("/api/v1/auth/links/use", body).await
}

async fn ask_for_reset(api: &Api, name: &str) -> Answer {
    let body = json!({ "username": name });
    api.with_token(None).post("/api/v1/auth/password-resets", body).await
}

fn path(user: &Value) -> String {
    format!("/api/v1/auth/users/{}", text(&user["id"]))
}

#[actix_web::test]
async fn who_is_invited_chooses_a_password_once() {
    let server = Server::start().await;
    let api = &server.api;
    let auditor = role_named(api, "auditor").await;
    let answer = invite(api, "ada", &[&auditor]).await;
    assert_eq!(
        (answer.status, &answer.headers["cache-control"]),
        (201, &"no-store".parse().expect("ASCII"))
    );
    let invited = answer.ok();
    let (ada, link) = (&invited["user"], &invited["link"]);
    assert_eq!((&ada["status"], &ada["is_active"]), (&json!("invited"), &json!(false)));
    let token = &link["token"];
    assert!(!server.written().windows(43).any(|bytes| bytes == text(token).as_bytes()));

    invite(api, "ADA", &[]).await.points_at(409, "username_taken", "/username");
    sign_in(api, "ada", CHOSEN).await.problem(401, "invalid_credentials");
    api.act(&format!("{}/unlock", path(ada)), ada).await.problem(409, "user_is_invited");
    api.act(&format!("{}/lock", path(ada)), ada).await.problem(409, "user_is_invited");
    let active = api.patch(&path(ada), ada, json!({ "is_active": true })).await;
    active.points_at(422, "invalid_body", "/is_active");
    for (password, code) in
        [("ada", "invalid_body"), ("Password2026!", "common_password"), ("short", "invalid_body")]
    {
        use_link(api, token, password).await.points_at(422, code, "/new_password");
    }
    use_link(api, &json!("guessed"), CHOSEN).await.points_at(422, "invalid_link", "/token");
    assert_eq!(use_link(api, token, CHOSEN).await.status, 204);
    use_link(api, token, "another password").await.points_at(422, "invalid_link", "/token");
    let tokens = sign_in(api, "ada", CHOSEN).await.ok();
    caller(api, &tokens).get("/api/v1/auth/users").await.ok();
    assert_eq!(user_named(api, "ada").await["status"], "active");
    assert_laws(api).await;
}

#[actix_web::test]
async fn a_new_link_takes_the_place_of_the_old_and_each_expires() {
    let server = Server::start_with(&[("auth.reset_link_ttl_s", json!(1))]).await;
    let api = &server.api;
    let invited = invite(api, "ada", &[]).await.ok();
    let ada = &invited["user"];
    let second = api.post(&format!("{}/link", path(ada)), Value::Null).await.ok();
    use_link(api, &invited["link"]["token"], CHOSEN).await.problem(422, "invalid_link");
    assert_eq!(use_link(api, &second["token"], CHOSEN).await.status, 204);
    let reset = api.post(&format!("{}/link", path(ada)), Value::Null).await.ok();
    let expires_at: chrono::DateTime<chrono::Utc> =
        text(&reset["expires_at"]).parse().expect("a time");
    while chrono::Utc::now() <= expires_at {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    use_link(api, &reset["token"], "another password").await.problem(422, "invalid_link");
    sign_in(api, "ada", CHOSEN).await.ok();
}

#[actix_web::test]
async fn who_was_invited_stays_so_until_they_choose_a_password() {
    let server = Server::start().await;
    let api = &server.api;
    let invited = invite(api, "ada", &[]).await.ok();
    let ada = &invited["user"];
    let disabled = api.act(&format!("{}/disable", path(ada)), ada).await.ok();
    assert_eq!(disabled["status"], "disabled");
    use_link(api, &invited["link"]["token"], CHOSEN).await.problem(422, "invalid_link");
    let enabled = api.act(&format!("{}/enable", path(ada)), &disabled).await.ok();
    assert_eq!((&enabled["status"], &enabled["is_active"]), (&json!("invited"), &json!(false)));
    use_link(api, &invited["link"]["token"], CHOSEN).await.problem(422, "invalid_link");
    let link = api.post(&format!("{}/link", path(ada)), Value::Null).await.ok();
    assert_eq!(use_link(api, &link["token"], CHOSEN).await.status, 204);
    assert_eq!(user_named(api, "ada").await["status"], "active");
    sign_in(api, "ada", CHOSEN).await.ok();
    assert_laws(api).await;
}

#[actix_web::test]
async fn a_link_ends_with_the_password_it_was_for_and_with_whoever_is_kept_out() {
    let server = Server::start().await;
    let api = &server.api;
    let mut ada = user(api, "ada", &[]).await;
    let link = format!("{}/link", path(&ada));
    let old = api.post(&link, Value::Null).await.ok();
    let me = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    let change = json!({ "current_password": PASSWORD, "new_password": CHOSEN });
    assert_eq!(me.post("/api/v1/auth/me/password", change).await.status, 204);
    use_link(api, &old["token"], "another password").await.problem(422, "invalid_link");
    for (out, back) in [("lock", "unlock"), ("disable", "enable")] {
        let old = api.post(&link, Value::Null).await.ok();
        for action in [out, back] {
            ada = api.get(&path(&ada)).await.ok();
            ada = api.act(&format!("{}/{action}", path(&ada)), &ada).await.ok();
        }
        use_link(api, &old["token"], "another password").await.problem(422, "invalid_link");
    }
    sign_in(api, "ada", CHOSEN).await.ok();
}

#[actix_web::test]
async fn a_forgotten_password_is_replaced_by_a_link_and_every_session_ends() {
    let server = Server::start().await;
    let api = &server.api;
    let ada = user(api, "ada", &[]).await;
    let tokens = sign_in(api, "ada", PASSWORD).await.ok();
    let (known, unknown) = (ask_for_reset(api, "ADA").await, ask_for_reset(api, "nobody").await);
    for name in ["content-length", "x-db-statements"] {
        assert_eq!(known.headers.get(name), unknown.headers.get(name), "{name}");
    }
    assert_eq!((known.status, &known.body), (202, &Value::Null));
    assert_eq!((unknown.status, &unknown.body), (202, &Value::Null));
    let waiting =
        async || api.get("/api/v1/auth/users?reset_requested=true").await.ok()["data"].clone();
    while waiting().await[0]["username"] != "ada" {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let link = api.post(&format!("{}/link", path(&ada)), Value::Null).await.ok();
    assert_eq!(use_link(api, &link["token"], CHOSEN).await.status, 204);
    assert_eq!(waiting().await, json!([]));
    caller(api, &tokens).get("/api/v1/auth/me").await.problem(401, "session_ended");
    refresh(api, &tokens).await.problem(401, "invalid_refresh_token");
    sign_in(api, "ada", PASSWORD).await.problem(401, "invalid_credentials");
    sign_in(api, "ada", CHOSEN).await.ok();
    assert_laws(api).await;
}

#[actix_web::test]
async fn nobody_makes_a_link_to_whoever_may_more() {
    let server = Server::start().await;
    let api = &server.api;
    let manager = role(api, "user manager", json!(["auth.*"])).await;
    user(api, "eve", &[&manager]).await;
    let eve = caller(api, &sign_in(api, "eve", PASSWORD).await.ok());
    let admin = user_named(api, "admin").await;
    let refused = eve.post(&format!("{}/link", path(&admin)), Value::Null).await;
    assert_eq!(refused.problem(403, "cannot_grant")["params"]["permission"], "*");
    let ada = user(api, "ada", &[]).await;
    eve.post(&format!("{}/link", path(&ada)), Value::Null).await.ok();
    let administrator = role_named(api, "administrator").await;
    invite(&eve, "mallory", &[&administrator]).await.problem(403, "cannot_grant");
}

#[actix_web::test]
async fn nobody_changes_whoever_may_more() {
    let server = Server::start().await;
    let api = &server.api;
    let manager = role(api, "user manager", json!(["auth.user:update"])).await;
    let eve = user(api, "eve", &[&manager]).await;
    let tokens = sign_in(api, "eve", PASSWORD).await.ok();
    let as_eve = caller(api, &tokens);
    let administrator = role_named(api, "administrator").await;
    let boss = user(api, "boss", &[&administrator]).await;
    let mail = json!({ "email": "eve@example.com" });
    as_eve.patch(&path(&boss), &boss, mail.clone()).await.problem(403, "cannot_grant");
    let none = json!({ "role_ids": [] });
    let answer = as_eve.put(&format!("{}/roles", path(&boss)), &boss, none.clone()).await;
    answer.problem(403, "cannot_grant");
    // There are other operations to let somebody in or keep them out, with their own permissions.
    for is_active in [true, false] {
        let answer = as_eve.patch(&path(&boss), &boss, json!({ "is_active": is_active })).await;
        answer.points_at(422, "invalid_body", "/is_active");
    }
    let boss = as_eve.patch(&path(&boss), &boss, json!({ "name": "The boss" })).await.ok();
    assert_eq!(boss["name"], "The boss");
    // Of whoever may no more it is changed, by somebody who has just proved who they are.
    let ada = user(api, "ada", &[&manager]).await;
    let ada = as_eve.patch(&path(&ada), &ada, mail.clone()).await.ok();
    let ada = as_eve.put(&format!("{}/roles", path(&ada)), &ada, none.clone()).await.ok();
    let id = text(&as_eve.get("/api/v1/auth/me").await.ok()["session_id"]);
    super::age_session(&server, &id).await;
    let later = caller(api, &refresh(api, &tokens).await.ok());
    let other = json!({ "email": "mallory@example.com" });
    later.patch(&path(&ada), &ada, other.clone()).await.problem(401, "step_up_required");
    later.patch(&path(&ada), &ada, mail).await.ok();
    // Of themselves everybody may.
    let eve = later.patch(&path(&eve), &eve, other).await.ok();
    let fresh = caller(api, &sign_in(api, "eve", PASSWORD).await.ok());
    fresh.put(&format!("{}/roles", path(&eve)), &eve, none).await.ok();
}

#[actix_web::test]
async fn who_is_locked_or_disabled_stays_out_until_let_in_again() {
    let server = Server::start().await;
    let api = &server.api;
    let mut ada = user(api, "ada", &[]).await;
    for (out, status, back) in [("lock", "locked", "unlock"), ("disable", "disabled", "enable")] {
        let tokens = sign_in(api, "ada", PASSWORD).await.ok();
        let stale = ada.clone();
        ada = api.act(&format!("{}/{out}", path(&ada)), &ada).await.ok();
        assert_eq!((&ada["status"], &ada["is_active"]), (&json!(status), &json!(false)));
        api.act(&format!("{}/{out}", path(&ada)), &stale).await.problem(412, "stale_version");
        caller(api, &tokens).get("/api/v1/auth/me").await.problem(401, "session_ended");
        refresh(api, &tokens).await.problem(401, "invalid_refresh_token");
        sign_in(api, "ada", PASSWORD).await.problem(401, "invalid_credentials");
        let link = api.post(&format!("{}/link", path(&ada)), Value::Null).await;
        link.problem(409, "no_link_for_user");
        ada = api.act(&format!("{}/{back}", path(&ada)), &ada).await.ok();
        assert_eq!(ada["status"], "active");
    }
    sign_in(api, "ada", PASSWORD).await.ok();
    let admin = user_named(api, "admin").await;
    for out in ["lock", "disable"] {
        let answer = api.act(&format!("{}/{out}", path(&admin)), &admin).await;
        answer.problem(409, "last_administrator");
    }
    assert_laws(api).await;
}

#[actix_web::test]
async fn everybody_changes_their_own_name_and_nothing_else() {
    let server = Server::start().await;
    let api = &server.api;
    user(api, "ada", &[]).await;
    let ada = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    let me = ada.get("/api/v1/auth/me").await.ok();
    let change = json!({ "name": "Ada Lovelace", "email": "ada@example.com" });
    let changed = ada.patch("/api/v1/auth/me", &me, change).await.ok();
    assert_eq!((&changed["name"], &changed["version"]), (&json!("Ada Lovelace"), &json!(2)));
    ada.patch("/api/v1/auth/me", &me, json!({})).await.problem(412, "stale_version");
    // Not what would let them do more.
    for field in ["username", "is_active", "role_ids", "permissions", "password", "status", "hold"]
    {
        let answer = ada.patch("/api/v1/auth/me", &changed, json!({ field: ["*"] })).await;
        answer.points_at(422, "invalid_body", &format!("/{field}"));
    }
}

#[actix_web::test]
async fn what_is_easily_guessed_is_no_password() {
    let server = Server::start_with(&[("auth.password_min_chars", json!(12))]).await;
    let api = &server.api;
    let create = async |password: &str| {
        let body = json!({ "username": "ada", "name": "Ada", "password": password });
        api.post("/api/v1/auth/users", body).await
    };
    create("password12345").await.points_at(422, "common_password", "/password");
    create("PassWord!!!!!!").await.points_at(422, "common_password", "/password");
    create("elf herons").await.points_at(422, "password_too_short", "/password");
    create("zzzzzzzzzzzz").await.points_at(422, "common_password", "/password");
    create("            ").await.points_at(422, "common_password", "/password");
    let name = json!({ "username": "ada.lovelace", "name": "Ada", "password": "Ada.Lovelace99" });
    let answer = api.post("/api/v1/auth/users", name).await;
    answer.points_at(422, "password_is_username", "/password");
    for path in ["/api/v1/auth/users", "/api/v1/auth/users/invite"] {
        let mut hidden = json!({ "username": "a\u{200b}da", "name": "Ada" });
        if !path.ends_with("invite") {
            hidden["password"] = json!("twelve herons");
        }
        api.post(path, hidden).await.points_at(422, "invalid_body", "/username");
    }
    create("twelve herons").await.ok();
    let me = caller(api, &sign_in(api, "ada", "twelve herons").await.ok());
    let body = json!({ "current_password": "twelve herons", "new_password": "qwertyuiop123" });
    let answer = me.post("/api/v1/auth/me/password", body).await;
    answer.points_at(422, "common_password", "/new_password");
    // Nor is the one before a new one.
    let body = json!({ "current_password": "twelve herons", "new_password": "twelve herons" });
    let answer = me.post("/api/v1/auth/me/password", body).await;
    answer.points_at(422, "password_unchanged", "/new_password");
    let ada = user_named(api, "ada").await;
    let link = api.post(&format!("{}/link", path(&ada)), Value::Null).await.ok();
    let answer = use_link(api, &link["token"], "twelve herons").await;
    answer.points_at(422, "password_unchanged", "/new_password");
    assert_eq!(use_link(api, &link["token"], CHOSEN).await.status, 204);
}

#[actix_web::test]
async fn sessions_are_listed_with_address_and_device_and_ended_one_by_one() {
    let server = Server::start().await;
    let api = &server.api;
    let ada = user(api, "ada", &[]).await;
    let sign_in_with = async |device: &str| {
        let body = json!({ "username": "ada", "password": PASSWORD });
        let request = api.with_token(None).request(Method::POST, "/api/v1/auth/token");
        api.send(request.header("User-Agent", device).json(&body)).await.ok()
    };
    let (phone, laptop) = (sign_in_with("phone/1").await, sign_in_with("laptop/2").await);
    let on_laptop = caller(api, &laptop);
    let mine = "/api/v1/auth/me/sessions";
    let list = on_laptop.get(mine).await.ok();
    let list = list["data"].as_array().expect("a list").clone();
    let devices: Vec<_> = list.iter().map(|session| session["device"].clone()).collect();
    assert_eq!(devices, ["laptop/2", "phone/1"]);
    assert_eq!((&list[0]["is_current"], &list[1]["is_current"]), (&json!(true), &json!(false)));
    assert_eq!(list[0]["address"], "127.0.0.1");
    let on_phone = text(&list[1]["id"]);
    let admin_session = text(&api.get("/api/v1/auth/me").await.ok()["session_id"]);

    // Nobody ends what is not theirs.
    let other = on_laptop.post(&format!("{mine}/{admin_session}/revoke"), Value::Null).await;
    other.problem(404, "not_found");
    let revoked = on_laptop.post(&format!("{mine}/{on_phone}/revoke"), Value::Null).await;
    assert_eq!(revoked.status, 204);
    caller(api, &phone).get("/api/v1/auth/me").await.problem(401, "session_ended");
    refresh(api, &phone).await.problem(401, "invalid_refresh_token");

    let tablet = sign_in_with("tablet/3").await;
    assert_eq!(on_laptop.post(&format!("{mine}/revoke"), Value::Null).await.status, 204);
    caller(api, &tablet).get("/api/v1/auth/me").await.problem(401, "session_ended");
    on_laptop.get("/api/v1/auth/me").await.ok();

    // As an administrator.
    let theirs = format!("{}/sessions", path(&ada));
    on_laptop.get(&theirs).await.problem(403, "permission_denied");
    let list = api.get(&theirs).await.ok();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1));
    let one = format!("{theirs}/{}/revoke", text(&list["data"][0]["id"]));
    assert_eq!(api.post(&one, Value::Null).await.status, 204);
    on_laptop.get("/api/v1/auth/me").await.problem(401, "session_ended");
    let again = sign_in_with("laptop/2").await;
    assert_eq!(api.post(&format!("{theirs}/revoke"), Value::Null).await.status, 204);
    caller(api, &again).get("/api/v1/auth/me").await.problem(401, "session_ended");
    api.get("/api/v1/auth/me").await.ok();
    let wrong = format!("{theirs}/{admin_session}/revoke");
    api.post(&wrong, Value::Null).await.problem(404, "not_found");
    assert_laws(api).await;
}

#[actix_web::test]
async fn what_is_dangerous_needs_a_fresh_proof() {
    let server = Server::start().await;
    let api = &server.api;
    let tokens = sign_in(api, "admin", ADMIN_PASSWORD).await.ok();
    // An hour later.
    let id = text(&caller(api, &tokens).get("/api/v1/auth/me").await.ok()["session_id"]);
    super::age_session(&server, &id).await;
    let later = caller(api, &refresh(api, &tokens).await.ok());
    let new_role = json!({ "name": "clerk", "permissions": [] });
    let answer = later.post("/api/v1/auth/roles", new_role.clone()).await;
    let challenge = answer.headers["www-authenticate"].to_str().expect("ASCII").to_owned();
    assert!(challenge.contains("insufficient_user_authentication"), "{challenge}");
    answer.problem(401, "step_up_required");
    // All else goes on.
    later.get("/api/v1/auth/roles").await.ok();
    // Of money what comes in, and not what goes out.
    let payment = |direction: &str, party: &str| {
        json!({
            "direction": direction, party: uuid::Uuid::now_v7(), "method": "bank_transfer",
            "amount": { "amount": "1.00", "currency": "EUR" }
        })
    };
    let payments = "/api/v1/billing/payments";
    later.post(payments, payment("incoming", "customer_id")).await.ok();
    let out = payment("outgoing", "supplier_id");
    later.post(payments, out.clone()).await.problem(401, "step_up_required");
    // Nor is it changed where money goes, or what was closed opened again.
    let supplier = json!({ "name": "Ostsee AG", "address": crate::flows::address() });
    let supplier = later.post("/api/v1/purchasing/suppliers", supplier).await.ok();
    let accounts = format!("/api/v1/purchasing/suppliers/{}/bank-accounts", text(&supplier["id"]));
    let account = json!({ "holder_name": "Ostsee AG", "iban": "DE89370400440532013000" });
    later.post(&accounts, account.clone()).await.problem(401, "step_up_required");
    let lock = json!({ "through": "2020-01-31", "kind": "soft", "reason": "January is done" });
    let lock = later.post("/api/v1/billing/period-locks", lock).await.ok();
    let reopen = format!("/api/v1/billing/period-locks/{}/reopen", text(&lock["id"]));
    let reason = json!({ "reason": "one came late" });
    later.act_with(&reopen, &lock, reason.clone()).await.problem(401, "step_up_required");
    let step_up = async |password: &str| {
        let body = json!({ "password": password });
        later.post("/api/v1/auth/me/step-up", body).await
    };
    step_up("wrong").await.points_at(422, "wrong_password", "/password");
    let fresh = step_up(ADMIN_PASSWORD).await.ok();
    let fresh = caller(api, &fresh);
    fresh.post("/api/v1/auth/roles", new_role).await.ok();
    // It is let in; there is just no such supplier.
    fresh.post(payments, out).await.points_at(422, "unknown_party", "/supplier_id");
    let account = fresh.post(&accounts, account).await.ok();
    let path = format!("{accounts}/{}", text(&account["id"]));
    let change = json!({ "holder_name": "Ost AG" });
    later.patch(&path, &account, change.clone()).await.problem(401, "step_up_required");
    fresh.patch(&path, &account, change).await.ok();
    fresh.act_with(&reopen, &lock, reason).await.ok();
}
