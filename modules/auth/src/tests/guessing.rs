//! A hundred thousand guesses at passwords.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use kernel::Ctx;
use kernel::config::Secret;

use super::{Fixture, PASSWORD, fixture, lines};
use crate::routes::tokens::TokenSet;
use crate::service::Service;
use crate::service::sessions::Credentials;

/// As many at a time as attackers have connections.
const AT_ONCE: usize = 16;

fn address(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + n))
}

async fn attempt(
    service: Arc<Service>,
    name: String,
    password: String,
    from: IpAddr,
) -> kernel::Result<TokenSet> {
    let mut ctx = Ctx::system("test");
    ctx.address = Some(from);
    let password = Secret::new(password);
    let credentials =
        Credentials { username: &name, password: &password, code: None, in_cookies: false };
    service.sign_in(&ctx, credentials).await
}

/// What became of so many guesses: how many were answered with which code.
async fn guess(
    fixture: &Fixture,
    many: u32,
    of: impl Fn(u32) -> (String, String, IpAddr),
) -> BTreeMap<String, u32> {
    let guesses = (0..many).map(|n| {
        let (name, password, from) = of(n);
        attempt(fixture.service.clone(), name, password, from)
    });
    let answers = stream::iter(guesses).buffer_unordered(AT_ONCE);
    let code = async |answer: kernel::Result<TokenSet>| match answer {
        Ok(_) => "guessed".to_owned(),
        Err(error) => error.code().to_owned(),
    };
    let mut said: BTreeMap<String, u32> = BTreeMap::new();
    let mut codes = std::pin::pin!(answers.then(code));
    while let Some(code) = codes.next().await {
        *said.entry(code).or_default() += 1;
    }
    assert!(
        said.keys()
            .all(|code| ["invalid_credentials", "too_many_attempts"].contains(&code.as_str())),
        "{said:?}"
    );
    assert_eq!(said.values().sum::<u32>(), many);
    said
}

/// Everything that signing in could leave behind.
async fn rows(fixture: &Fixture) -> Vec<String> {
    let counts = ["sessions", "refresh_tokens", "audit_log", "events"]
        .map(|table| format!("SELECT '{table} ' || COUNT(*) AS line FROM {table}"));
    lines(fixture.service.db.read(), &counts.join(" UNION ALL ")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_guesses_find_nothing_and_lock_nobody_out() {
    let fixture = fixture().await;
    for name in ["ada", "bob"] {
        fixture.create_user(name, vec![]).await.expect("created");
    }
    // Where Ada works.
    let office = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let ada = async |from: IpAddr| {
        attempt(fixture.service.clone(), "ada".into(), PASSWORD.into(), from).await
    };
    ada(office).await.expect("signed in");
    let before = rows(&fixture).await;

    // At one name, from three hundred networks.
    let said =
        guess(&fixture, 60_000, |n| ("ada".into(), format!("password {n}"), address(n % 300)))
            .await;
    let checked = said.get("invalid_credentials").copied().unwrap_or_default();
    // Twenty, those under way meanwhile, and then one in ever more seconds.
    assert!(checked < 100, "{checked} passwords of one name were compared");
    ada(office).await.expect("where she usually is she need not wait");

    // At every name, from one network.
    let said =
        guess(&fixture, 30_000, |n| (format!("name {n}"), "summer".into(), address(1_000_000)))
            .await;
    let checked = said.get("invalid_credentials").copied().unwrap_or_default();
    assert!(checked < 150, "{checked} names of one network were compared");

    // Few of each: what remains is what each network may.
    let said = guess(&fixture, 10_000, |n| {
        (format!("person {n}"), "summer".into(), address(2_000_000 + n % 1_000))
    })
    .await;
    assert_eq!(said.get("invalid_credentials"), Some(&10_000), "ten of each network");

    let elsewhere = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));
    let bob = attempt(fixture.service.clone(), "bob".into(), PASSWORD.into(), elsewhere).await;
    bob.expect("nobody guessed at him: he signs in from anywhere");
    ada(office).await.expect("and she where she was");
    // Three sign-ins, and of a hundred thousand guesses not a row.
    let after = rows(&fixture).await;
    let count = |rows: &[String], table: &str| -> i64 {
        let row = rows.iter().find_map(|row| row.strip_prefix(table)).expect("counted");
        row.trim().parse().expect("a number")
    };
    for (table, more) in [("sessions", 3), ("refresh_tokens", 3), ("audit_log", 3), ("events", 0)] {
        assert_eq!(count(&after, table) - count(&before, table), more, "{table}");
    }
    assert!(fixture.service.attempts.kept() <= 30_000, "{}", fixture.service.attempts.kept());
    fixture.assert_lawful().await;
}
