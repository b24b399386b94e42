//! Sessions at the edges that HTTP cannot reach.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use contracts::auth::Auth;
use contracts::ids::SessionId;
use kernel::Ctx;
use kernel::config::JwtConfig;
use kernel::db::execute;
use kernel::token::{KeySource, PublicKey, TokenVerifier};
use uuid::Uuid;

use super::{Fixture, PASSWORD, everything, fixture, lines};
use crate::service::Service;

struct Keys(Arc<Service>);

#[async_trait]
impl KeySource for Keys {
    async fn verification_keys(&self) -> kernel::Result<Vec<PublicKey>> {
        self.0.public_keys().await
    }

    async fn ended_sessions(&self) -> kernel::Result<Vec<Uuid>> {
        Ok(self.0.ended_lately().await?.into_iter().map(SessionId::uuid).collect())
    }

    async fn key_token(&self, key_hash: &str) -> kernel::Result<String> {
        self.0.key_token(&Ctx::system("test"), key_hash).await
    }
}

fn verifier(fixture: &Fixture) -> TokenVerifier {
    let source = Arc::new(Keys(fixture.service.clone()));
    TokenVerifier::new(source, fixture.service.revocations.clone(), &JwtConfig::default())
}

async fn error_code(fixture: &Fixture, token: &str) -> String {
    fixture.refresh(token).await.expect_err("refused").code().to_owned()
}

#[tokio::test]
async fn an_access_token_says_who_it_is_and_what_they_may() {
    let fixture = fixture().await;
    let verifier = verifier(&fixture);
    let sales = fixture.role_id("sales").await;
    let ada = fixture.create_user("Ada", vec![sales]).await.expect("created");
    let tokens = fixture.sign_in("ADA", PASSWORD).await.expect("signed in");
    let claims = verifier.verify(&tokens.access_token).await.expect("valid");
    assert_eq!((claims.sub, claims.name.as_str()), (ada.uuid(), "Ada"));
    assert_eq!(claims.exp - claims.iat, 900);
    assert!(claims.permissions.contains(&"sales.*".to_owned()));
    assert!(!claims.permissions.contains(&"*".to_owned()));
    let other = super::fixture().await;
    let source = Arc::new(Keys(other.service.clone()));
    let foreign = TokenVerifier::new(source, Arc::default(), &JwtConfig::default());
    assert!(foreign.verify(&tokens.access_token).await.is_err());
}

#[tokio::test]
async fn what_has_ended_is_known_as_long_as_a_token_of_it_could_be_good() {
    let fixture = fixture().await;
    let tokens = fixture.sign_in("admin", PASSWORD).await.expect("signed in");
    let verifier = verifier(&fixture);
    verifier.verify(&tokens.access_token).await.expect("valid");
    let ended_ago = async |seconds: i64| {
        // A session that began like the first and ended then.
        let db = &fixture.service.db;
        let tx = db.begin(&Ctx::system("test")).await.expect("begun");
        let insert = "INSERT INTO sessions (id, user_id, expires_at, ended_at, end_reason, created_at) \
                     SELECT $1, user_id, expires_at, $2, 'signed_out', created_at FROM sessions LIMIT 1";
        let id = SessionId::new();
        let at = Utc::now() - TimeDelta::seconds(seconds);
        execute(&*tx, insert, vec![id.into(), at.into()]).await.expect("inserted");
        tx.commit().await.expect("committed");
        fixture.service.ended_lately().await.expect("read").contains(&id)
    };
    assert!(ended_ago(0).await);
    assert!(ended_ago(900).await);
    assert!(!ended_ago(1000).await);
}

#[tokio::test]
async fn a_lost_answer_can_be_had_again_but_a_used_one_ends_the_session() {
    let fixture = fixture().await;
    let first = fixture.sign_in("admin", PASSWORD).await.expect("signed in").refresh_token;
    let lost = fixture.refresh(&first).await.expect("exchanged").refresh_token;
    let second = fixture.refresh(&first).await.expect("exchanged again").refresh_token;
    assert_ne!(lost, second);
    let third = fixture.refresh(&second).await.expect("exchanged").refresh_token;
    // The answer to `first` has been used: whoever sends it now is somebody else.
    assert_eq!(error_code(&fixture, &first).await, "refresh_token_reused");
    for token in [&first, &lost, &second, &third] {
        assert_eq!(error_code(&fixture, token).await, "invalid_refresh_token");
    }
    let ended = "SELECT end_reason AS line FROM sessions";
    assert_eq!(lines(fixture.service.db.read(), ended).await, ["refresh_token_reused"]);
    fixture.assert_lawful().await;
}

#[tokio::test]
async fn of_an_answer_that_came_twice_one_goes_on() {
    // The thief is first, or second: whoever comes after the other ends it for both.
    for thief_is_first in [true, false] {
        let fixture = fixture().await;
        let stolen = fixture.sign_in("admin", PASSWORD).await.expect("signed in").refresh_token;
        let theirs = fixture.refresh(&stolen).await.expect("exchanged").refresh_token;
        let ours = fixture.refresh(&stolen).await.expect("exchanged again").refresh_token;
        let (first, second) = if thief_is_first { (theirs, ours) } else { (ours, theirs) };
        let next = fixture.refresh(&first).await.expect("exchanged").refresh_token;
        let next = fixture.refresh(&next).await.expect("exchanged").refresh_token;
        assert_eq!(error_code(&fixture, &second).await, "refresh_token_reused");
        assert_eq!(error_code(&fixture, &next).await, "invalid_refresh_token");
        fixture.assert_lawful().await;
    }
    // At the same moment as well.
    let fixture = fixture().await;
    let token = fixture.sign_in("admin", PASSWORD).await.expect("signed in").refresh_token;
    let one = fixture.refresh(&token).await.expect("exchanged").refresh_token;
    let other = fixture.refresh(&token).await.expect("exchanged again").refresh_token;
    let (one, other) = tokio::join!(fixture.refresh(&one), fixture.refresh(&other));
    let codes = [one, other].map(|outcome| outcome.map(|_| ()).map_err(|e| e.code().to_owned()));
    assert_eq!(codes.iter().filter(|code| code.is_ok()).count(), 1, "{codes:?}");
    assert!(codes.contains(&Err("refresh_token_reused".to_owned())), "{codes:?}");
    // Two pages that keep what came last are one client and go on.
    let token = fixture.sign_in("admin", PASSWORD).await.expect("signed in").refresh_token;
    let (one, other) = tokio::join!(fixture.refresh(&token), fixture.refresh(&token));
    let kept = other.and(one).expect("both").refresh_token;
    let (one, other) = tokio::join!(fixture.refresh(&kept), fixture.refresh(&kept));
    let kept = one.and(other).expect("both").refresh_token;
    fixture.refresh(&kept).await.expect("exchanged");
}

#[tokio::test]
async fn an_answer_is_not_lost_for_ever() {
    let fixture = fixture().await;
    let token = fixture.sign_in("admin", PASSWORD).await.expect("signed in").refresh_token;
    for _ in 0..4 {
        fixture.refresh(&token).await.expect("exchanged");
    }
    assert_eq!(error_code(&fixture, &token).await, "refresh_token_reused");
}

#[tokio::test]
async fn of_many_at_once_none_fails_and_the_laws_hold() {
    let fixture = fixture().await;
    let token = fixture.sign_in("admin", PASSWORD).await.expect("signed in").refresh_token;
    let refresh = || fixture.refresh(&token);
    let (a, b, c, d) = tokio::join!(refresh(), refresh(), refresh(), refresh());
    let mut tokens = Vec::new();
    for outcome in [a, b, c, d] {
        tokens.push(outcome.expect("exchanged").refresh_token);
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 4);
    fixture.assert_lawful().await;
}

#[tokio::test]
async fn a_disabled_user_is_signed_out_everywhere() {
    let fixture = fixture().await;
    let ada = fixture.create_user("ada", vec![]).await.expect("created");
    let tokens = fixture.sign_in("ada", PASSWORD).await.expect("signed in");
    fixture.service.disable_user(&everything(), ada).await.expect("disabled");
    assert_eq!(error_code(&fixture, &tokens.refresh_token).await, "invalid_refresh_token");
    let refusal = fixture.sign_in("ada", PASSWORD).await.expect_err("disabled");
    assert_eq!(refusal.code(), "invalid_credentials");
    fixture.assert_lawful().await;
}

#[tokio::test]
async fn a_password_moves_to_todays_cost_when_it_is_used() {
    let mut fixture = fixture().await;
    let cost = "SELECT substr(password_hash, 1, 23) AS line FROM users";
    assert_eq!(lines(fixture.service.db.read(), cost).await, ["$argon2id$v=19$m=8,t=1,"]);
    let service = Arc::get_mut(&mut fixture.service).expect("the only one");
    service.passwords = crate::service::passwords::Passwords::new(9, 1).expect("valid");
    fixture.sign_in("admin", PASSWORD).await.expect("signed in");
    assert_eq!(lines(fixture.service.db.read(), cost).await, ["$argon2id$v=19$m=9,t=1,"]);
    fixture.sign_in("admin", PASSWORD).await.expect("signed in");
}

#[tokio::test]
async fn what_has_expired_is_worth_nothing_and_is_deleted() {
    let fixture = fixture().await;
    let live = fixture.sign_in("admin", PASSWORD).await.expect("signed in").refresh_token;
    let live = fixture.refresh(&live).await.expect("exchanged").refresh_token;
    let expired = fixture.sign_in("admin", PASSWORD).await.expect("signed in").refresh_token;
    let hash = |text: &str| {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(text);
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    // A token never changes, so the old one is put in anew.
    let tx = fixture.tx().await;
    let long_ago = Utc::now() - TimeDelta::days(31);
    let copy = "INSERT INTO refresh_tokens (hash, session_id, expires_at, reissues, created_at) \
                SELECT 'old', session_id, $1, 0, created_at FROM refresh_tokens WHERE hash = $2";
    execute(&*tx, copy, vec![long_ago.into(), hash(&expired).into()]).await.expect("copied");
    let delete = "DELETE FROM refresh_tokens WHERE hash = $1";
    execute(&*tx, delete, vec![hash(&expired).into()]).await.expect("deleted");
    let rename = "INSERT INTO refresh_tokens SELECT $1, session_id, parent_hash, expires_at, \
                  rotated_at, reissues, created_at FROM refresh_tokens WHERE hash = 'old'";
    execute(&*tx, rename, vec![hash(&expired).into()]).await.expect("renamed");
    let age = "UPDATE sessions SET expires_at = $1 WHERE id IN \
               (SELECT session_id FROM refresh_tokens WHERE hash = 'old')";
    execute(&*tx, age, vec![long_ago.into()]).await.expect("aged");
    tx.commit().await.expect("committed");
    assert_eq!(error_code(&fixture, &expired).await, "invalid_refresh_token");

    let ctx = Ctx::system("test");
    for job in Service::jobs(&fixture.service) {
        job.run.run(&ctx).await.expect("runs");
    }
    let count = "SELECT CAST(COUNT(*) AS TEXT) AS line FROM sessions";
    assert_eq!(lines(fixture.service.db.read(), count).await, ["1"]);
    assert_eq!(error_code(&fixture, &expired).await, "invalid_refresh_token");
    fixture.refresh(&live).await.expect("still exchanged");
    fixture.assert_lawful().await;
}

/// With the key known and without asking anybody, as it is for every request but the first.
#[tokio::test]
async fn a_token_is_checked_in_less_than_50_microseconds() {
    const CHECKS: u32 = 10_000;
    let fixture = fixture().await;
    let verifier = verifier(&fixture);
    let token = fixture.sign_in("admin", PASSWORD).await.expect("signed in").access_token;
    verifier.verify(&token).await.expect("valid");
    let begun = std::time::Instant::now();
    for _ in 0..CHECKS {
        verifier.verify(&token).await.expect("valid");
    }
    let each = begun.elapsed() / CHECKS;
    println!("a token is checked in {each:?}");
    assert!(each < std::time::Duration::from_micros(50), "{each:?}");
}
