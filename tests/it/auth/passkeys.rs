//! Passkeys: with a device that is written out here, and with the one Chromium has.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::alter;
use super::{PASSWORD, assert_laws, caller, sign_in, user, user_named};
use crate::docs_page::{browser, driver};
use crate::harness::{Answer, Api, Server, text, with};

/// Where the pages are said to be that use them, and the host their keys belong to.
const ORIGIN: &str = "https://erp.example";
const RP_ID: &str = "erp.example";

/// For servers whose pages may use them.
pub fn settings() -> [(&'static str, Value); 2] {
    [("auth.passkeys.rp_id", json!(RP_ID)), ("auth.passkeys.origins", json!([ORIGIN]))]
}

/// A device with one key.
pub struct Device {
    key: SigningKey,
    id: [u8; 16],
    user: Value,
    counter: u32,
}

impl Device {
    pub fn new() -> Device {
        let seed = Sha256::digest(uuid::Uuid::now_v7());
        let key = SigningKey::from_slice(&seed).expect("a key");
        Device { key, id: *uuid::Uuid::now_v7().as_bytes(), user: Value::Null, counter: 0 }
    }

    /// What the device says each time of the host, of whether somebody was there and whether it
    /// looked who (`flags`), and of how often it was used.
    fn said(&mut self, rp_id: &str, flags: u8) -> Vec<u8> {
        self.counter += 1;
        let mut said = Sha256::digest(rp_id).to_vec();
        said.push(flags);
        said.extend(self.counter.to_be_bytes());
        said
    }

    fn client_data(kind: &str, options: &Value, origin: &str) -> String {
        json!({
            "type": kind, "challenge": options["challenge"], "origin": origin, "crossOrigin": false
        })
        .to_string()
    }

    /// Makes its key known, as `navigator.credentials.create` does.
    pub fn create(&mut self, options: &Value) -> Value {
        assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
        self.user = options["user"]["id"].clone();
        let client_data = Device::client_data("webauthn.create", options, ORIGIN);
        let mut said = self.said(RP_ID, 0x45);
        said.extend([0; 16]);
        said.extend((self.id.len() as u16).to_be_bytes());
        said.extend(self.id);
        let point = self.key.verifying_key().to_encoded_point(false);
        // COSE (RFC 9052): an EC2 key for ES256 on P-256.
        said.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        said.extend(point.x().expect("a point"));
        said.extend([0x22, 0x58, 0x20]);
        said.extend(point.y().expect("a point"));
        let mut attestation = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        attestation.push(said.len() as u8);
        attestation.extend(said);
        json!({
            "id": BASE64URL.encode(self.id), "rawId": BASE64URL.encode(self.id),
            "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": BASE64URL.encode(client_data),
                "attestationObject": BASE64URL.encode(attestation)
            }
        })
    }

    /// Answers a challenge, as `navigator.credentials.get` does.
    pub fn get(&mut self, options: &Value) -> Value {
        self.get_as(options, ORIGIN, RP_ID, 0x05)
    }

    fn get_as(&mut self, options: &Value, origin: &str, rp_id: &str, flags: u8) -> Value {
        let client_data = Device::client_data("webauthn.get", options, origin);
        let said = self.said(rp_id, flags);
        let signed = [said.as_slice(), &Sha256::digest(&client_data)].concat();
        let signature: Signature = self.key.sign(&signed);
        json!({
            "id": BASE64URL.encode(self.id), "rawId": BASE64URL.encode(self.id),
            "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": BASE64URL.encode(client_data),
                "authenticatorData": BASE64URL.encode(said),
                "signature": BASE64URL.encode(signature.to_der()),
                "userHandle": self.user
            }
        })
    }
}

/// Registers the device for whoever calls.
pub async fn register(api: &Api, device: &mut Device) -> Value {
    let started = api.post("/api/v1/auth/me/passkeys/start", Value::Null).await.ok();
    let credential = device.create(&started["options"]);
    let new = json!({
        "name": "phone", "ceremony": started["ceremony"], "credential": credential
    });
    api.post("/api/v1/auth/me/passkeys", new).await.ok()
}

pub async fn challenge(api: &Api) -> Value {
    api.with_token(None).post("/api/v1/auth/passkeys/start", Value::Null).await.ok()
}

pub async fn finish(api: &Api, started: &Value, credential: Value) -> Answer {
    let body = json!({ "ceremony": started["ceremony"], "credential": credential });
    api.with_token(None).post("/api/v1/auth/passkeys/finish", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_signs_in_and_steps_up_and_nothing_else_does() {
    let server = Server::start_with(&settings()).await;
    let api = &server.api;
    let ada = user(api, "ada", &[]).await;
    let here = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    let mut device = Device::new();
    let made = register(&here, &mut device).await;
    assert_eq!(made["name"], "phone");

    let started = challenge(api).await;
    let answer = device.get(&started["options"]);
    let tokens = finish(api, &started, answer.clone()).await.ok();
    let ada_again = caller(api, &tokens);
    assert_eq!(ada_again.get("/api/v1/auth/me").await.ok()["id"], ada["id"]);
    super::refresh(api, &tokens).await.ok();
    // Each challenge is answered once, right or wrong.
    finish(api, &started, answer).await.problem(401, "invalid_passkey");

    let wrong = async |change: &dyn Fn(&mut Device, &Value) -> Value, device: &mut Device| {
        let started = challenge(api).await;
        let answer = change(device, &started["options"]);
        finish(api, &started, answer).await.problem(401, "invalid_passkey");
        let right = device.get(&started["options"]);
        finish(api, &started, right).await.problem(401, "invalid_passkey");
    };
    wrong(&|d, o| d.get_as(o, "https://evil.example", RP_ID, 0x05), &mut device).await;
    wrong(&|d, o| d.get_as(o, "https://shop.erp.example", RP_ID, 0x05), &mut device).await;
    wrong(&|d, o| d.get_as(o, ORIGIN, "evil.example", 0x05), &mut device).await;
    // Present, but not looked at by the device.
    wrong(&|d, o| d.get_as(o, ORIGIN, RP_ID, 0x01), &mut device).await;
    let other = challenge(api).await;
    wrong(&|d, _| d.get(&other["options"]), &mut device).await;
    wrong(&|_, o| Device { user: json!("AAAA"), ..Device::new() }.get(o), &mut device).await;
    wrong(
        &|d, o| {
            let forged = Device { id: d.id, user: d.user.clone(), ..Device::new() };
            Device { counter: 1000, ..forged }.get(o)
        },
        &mut device,
    )
    .await;
    // A copy of the device is behind it.
    wrong(
        &|d, o| {
            let counter = std::mem::replace(&mut d.counter, 0);
            let answer = d.get(o);
            d.counter = counter;
            answer
        },
        &mut device,
    )
    .await;
    wrong(&|_, _| json!({}), &mut device).await;

    // Step-up: as oneself alone.
    let started = challenge(api).await;
    let proof = json!({
        "ceremony": started["ceremony"], "credential": device.get(&started["options"])
    });
    ada_again.post("/api/v1/auth/me/step-up/passkey", proof).await.ok();
    let started = challenge(api).await;
    let proof = json!({
        "ceremony": started["ceremony"], "credential": device.get(&started["options"])
    });
    let answer = api.post("/api/v1/auth/me/step-up/passkey", proof).await;
    answer.problem(401, "invalid_passkey");

    // A key is one person's, and a challenge too.
    let started = here.post("/api/v1/auth/me/passkeys/start", Value::Null).await.ok();
    let new = json!({
        "name": "again", "ceremony": started["ceremony"],
        "credential": device.create(&started["options"])
    });
    let answer = api.post("/api/v1/auth/me/passkeys", new.clone()).await;
    answer.points_at(422, "invalid_passkey", "/credential");
    let started = here.post("/api/v1/auth/me/passkeys/start", Value::Null).await.ok();
    let new = with(new, "ceremony", started["ceremony"].clone());
    let answer = here.post("/api/v1/auth/me/passkeys", new).await;
    answer.points_at(422, "invalid_passkey", "/credential");

    let path = format!("/api/v1/auth/me/passkeys/{}", text(&made["id"]));
    let renamed = json!({ "name": "old phone" });
    api.patch(&path, &made, renamed.clone()).await.problem(404, "not_found");
    let changed = here.patch(&path, &made, renamed.clone()).await.ok();
    assert_eq!((&changed["name"], &changed["version"]), (&json!("old phone"), &json!(2)));
    here.patch(&path, &made, renamed).await.problem(412, "stale_version");
    here.patch(&path, &changed, json!({ "name": "" })).await.points_at(
        422,
        "invalid_body",
        "/name",
    );
    let list = here.get("/api/v1/auth/me/passkeys").await.ok();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["data"][0]["name"], "old phone");
    assert!(list["data"][0]["last_used_at"].is_string(), "{list}");
    let delete = async |api: &Api| api.send(api.request(reqwest::Method::DELETE, &path)).await;
    delete(api).await.problem(404, "not_found");
    assert_eq!(delete(&here).await.status, 204);
    let started = challenge(api).await;
    let answer = device.get(&started["options"]);
    finish(api, &started, answer).await.problem(401, "invalid_passkey");
    assert_laws(api).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_opens_what_needs_two_factors_and_a_reset_takes_it_away() {
    let server = Server::start_with(&settings()).await;
    let api = &server.api;
    let strict = json!({
        "name": "strict", "permissions": ["inventory.*"], "requires_second_factor": true
    });
    let strict = api.post("/api/v1/auth/roles", strict).await.ok();
    user(api, "ada", &[&strict]).await;
    let here = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    here.get("/api/v1/inventory/products").await.problem(403, "permission_denied");
    let mut device = Device::new();
    register(&here, &mut device).await;
    // Beside the password: the session that began with that alone.
    let started = challenge(api).await;
    let proof = json!({
        "ceremony": started["ceremony"], "credential": device.get(&started["options"])
    });
    let both = here.post("/api/v1/auth/me/step-up/passkey", proof).await.ok();
    caller(api, &both).get("/api/v1/inventory/products").await.ok();
    // Instead of it.
    let started = challenge(api).await;
    let answer = device.get(&started["options"]);
    let strong = caller(api, &finish(api, &started, answer).await.ok());
    strong.get("/api/v1/inventory/products").await.ok();
    // The device is lost.
    let ada = user_named(api, "ada").await;
    let reset = format!("/api/v1/auth/users/{}/second-factor/reset", text(&ada["id"]));
    assert_eq!(api.post(&reset, Value::Null).await.status, 204);
    let started = challenge(api).await;
    let answer = device.get(&started["options"]);
    finish(api, &started, answer).await.problem(401, "invalid_passkey");
    api.post(&reset, Value::Null).await.problem(409, "no_second_factor");
    assert_laws(api).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_good_for_a_while_and_whoever_asks_the_same_is_let_in_once() {
    let server = Server::start_with(&settings()).await;
    let api = &server.api;
    user(api, "ada", &[]).await;
    let here = caller(api, &sign_in(api, "ada", PASSWORD).await.ok());
    let mut device = Device::new();
    register(&here, &mut device).await;

    let late = challenge(api).await;
    let long_ago = "UPDATE passkey_ceremonies SET expires_at = '2020-01-01 00:00:00+00:00'";
    alter(&server, "auth", &[(long_ago, long_ago)]).await;
    let answer = device.get(&late["options"]);
    finish(api, &late, answer).await.problem(401, "invalid_passkey");

    // The same answer twenty times at once.
    let started = challenge(api).await;
    let answer = device.get(&started["options"]);
    let all = (0..20).map(|_| finish(api, &started, answer.clone()));
    let all = futures_util::future::join_all(all).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1);

    // A device and its copy, at once.
    let challenges = [challenge(api).await, challenge(api).await];
    let counter = device.counter;
    let answers = challenges.iter().map(|started| {
        device.counter = counter;
        (started, device.get(&started["options"]))
    });
    let answers: Vec<_> = answers.collect();
    let all = answers.into_iter().map(|(started, answer)| finish(api, started, answer));
    let all = futures_util::future::join_all(all).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_laws(api).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_origin_there_are_none() {
    let server = Server::start().await;
    let api = &server.api;
    let answer = api.post("/api/v1/auth/passkeys/start", Value::Null).await;
    answer.problem(409, "passkeys_off");
    let answer = api.post("/api/v1/auth/me/passkeys/start", Value::Null).await;
    answer.problem(409, "passkeys_off");
    server.stop().await;
}

/// What a page does: a key for whoever has the token, and then a session by that alone.
const PAGE: &str = r#"
    const [token, done] = arguments;
    const post = async (path, body, bearer) => {
        const headers = { 'Content-Type': 'application/json' };
        if (bearer) headers.Authorization = 'Bearer ' + bearer;
        const sent = { method: 'POST', headers, body: body && JSON.stringify(body) };
        const answer = await fetch('/api/v1/auth' + path, sent);
        const said = await answer.json();
        if (!answer.ok) throw new Error(path + ' ' + JSON.stringify(said));
        return said;
    };
    (async () => {
        const begun = await post('/me/passkeys/start', null, token);
        const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(begun.options);
        const made = await navigator.credentials.create({ publicKey });
        await post('/me/passkeys', {
            name: 'browser', ceremony: begun.ceremony, credential: made.toJSON()
        }, token);
        const asked = await post('/passkeys/start');
        const request = PublicKeyCredential.parseRequestOptionsFromJSON(asked.options);
        const used = await navigator.credentials.get({ publicKey: request });
        return await post('/passkeys/finish', {
            ceremony: asked.ceremony, credential: used.toJSON()
        });
    })().then(done, error => done({ error: String(error) }));
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_made_and_used_in_a_real_browser() {
    let Some(driver) = driver() else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let origin = format!("http://localhost:{port}");
    let settings = [
        ("server.bind", json!(format!("127.0.0.1:{port}"))),
        ("auth.passkeys.rp_id", json!("localhost")),
        ("auth.passkeys.origins", json!([origin])),
    ];
    let server = Server::start_as(crate::topology::Topology::OneProcess, &settings).await;
    let api = &server.api;
    user(api, "ada", &[]).await;
    let tokens = sign_in(api, "ada", PASSWORD).await.ok();
    let page = browser(&driver).await;
    page.goto(&format!("{origin}/docs")).await.expect("the page");
    // WebDriver has a command for it (WebAuthn, section 11), of which the client knows nothing.
    let session = page.session_id().await.expect("answered").expect("a session");
    let url = format!("{}/session/{session}/webauthn/authenticator", driver.url);
    let device = json!({
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
        "hasUserVerification": true, "isUserVerified": true, "isUserConsenting": true
    });
    let client = reqwest::Client::new();
    let added = client.post(url).json(&device).send().await.expect("an answer");
    assert_eq!(added.status(), 200, "{:?}", added.text().await);

    let signed_in = page.execute_async(PAGE, vec![tokens["access_token"].clone()]).await;
    let signed_in = signed_in.expect("it runs");
    assert!(signed_in["access_token"].is_string(), "{signed_in}");
    let me = caller(api, &signed_in).get("/api/v1/auth/me").await.ok();
    assert_eq!(me["username"], "ada");
    page.close().await.expect("closed");
    assert_laws(api).await;
    server.stop().await;
}
