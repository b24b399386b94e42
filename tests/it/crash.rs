//! The server killed at random moments under load: nothing is lost, nothing is applied
//! twice, and no law is broken.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use contracts::events::SUBSCRIPTIONS;
use erp::gateway::MODULES;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, FromQueryResult, Statement};
use serde_json::json;
use uuid::Uuid;

use crate::flows::{Company, company, purchase_to_stock, quotation_to_cash};
use crate::harness::{ADMIN_PASSWORD, Api, text};
use crate::postgres::checks;

const KILLS: u32 = 20;
const CLIENTS: usize = 4;

pub const EXECUTABLE: &str = env!("CARGO_BIN_EXE_erp");

/// The real executable on a free port.
pub struct Process {
    pub child: Child,
    pub base: String,
}

impl Process {
    /// With its data in files there.
    pub fn start(data_dir: &Path) -> Process {
        Process::start_with(data_dir, &[])
    }

    /// With its data in the database at `url`, and what those share who have them there.
    pub fn start_on(url: &str, data_dir: &Path) -> Process {
        let variables = variables_of(url);
        let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let connections = ("ERP__SQL__MAX_CONNECTIONS", "5");
        Process::start_with(data_dir, &variables.chain([connections]).collect::<Vec<_>>())
    }

    /// With these variables in its environment.
    pub fn start_with(data_dir: &Path, variables: &[(&str, &str)]) -> Process {
        Process::start_at("127.0.0.1:0", data_dir, variables)
    }

    /// The same, at that address.
    pub fn start_at(bind: &str, data_dir: &Path, variables: &[(&str, &str)]) -> Process {
        Process::start_executable(EXECUTABLE, bind, data_dir, variables)
    }

    /// The same of another version.
    pub fn start_executable(
        executable: &str,
        bind: &str,
        data_dir: &Path,
        variables: &[(&str, &str)],
    ) -> Process {
        let mut child = Command::new(executable)
            .args(["serve", "--bind", bind, "--data-dir"])
            .arg(data_dir)
            .env("ERP__AUTH__ADMIN_PASSWORD", ADMIN_PASSWORD)
            .env("ERP__TELEMETRY__LEVEL", "error")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the executable starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let base = lines
            .find_map(|line| {
                let line = line.ok()?;
                let url = line.split("running at ").nth(1)?;
                Some(url.split(',').next()?.to_owned())
            })
            .expect("the server says where it listens");
        // What it logs from now on nobody reads; a thread keeps the pipe from filling.
        std::thread::spawn(move || lines.for_each(drop));
        Process { child, base }
    }

    /// Sends it a signal, as `-STOP`.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill is there");
        assert!(sent.success());
    }

    /// SIGTERM, and waits until it has ended as it should.
    pub async fn stop(mut self) {
        self.signal("-TERM");
        let ended = tokio::task::spawn_blocking(move || self.child.wait());
        assert!(ended.await.expect("joined").expect("it ends").success());
    }

    /// SIGKILL: no goodbye of any kind.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }
}

/// What says in the environment that the data are in the database at `url`, and where the
/// Redis is that belongs to it.
pub fn variables_of(url: &str) -> Vec<(String, String)> {
    let strings = MODULES.map(|module| {
        (format!("ERP__SQL__CONNECTION_STRINGS__{}_DB", module.to_uppercase()), url.to_owned())
    });
    let redis = test_support::redis_settings(url)
        .into_iter()
        .map(|(key, value)| (format!("ERP__{}", key.replace('.', "__").to_uppercase()), value));
    strings.into_iter().chain(redis).collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub async fn sign_in(base: &str) -> Api {
    let api = Api::new(base);
    let credentials = json!({"username": "admin", "password": ADMIN_PASSWORD});
    let answer = api.post("/api/v1/auth/token", credentials).await.ok();
    api.with_token(Some(&text(&answer["access_token"])))
}

/// Flows until the server is gone; a step that fails while it lives is a bug.
async fn load(api: Api, company: Company, kind: usize) -> Result<u32, String> {
    let mut done = 0;
    loop {
        let outcome = match kind % 2 {
            0 => quotation_to_cash(&api, &company).await.map(drop),
            _ => purchase_to_stock(&api, &company).await.map(drop),
        };
        match outcome {
            Ok(()) => done += 1,
            Err(error) if error.contains("error sending request") => return Ok(done),
            Err(error) if error.contains("connection") || error.contains("decod") => {
                return Ok(done);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn open(data_dir: &Path, module: &str) -> DatabaseConnection {
    let url = format!("sqlite://{}?mode=ro", data_dir.join(format!("{module}.db")).display());
    Database::connect(url).await.expect("the file opens")
}

#[derive(FromQueryResult)]
struct Told {
    id: Uuid,
    kind: String,
}

async fn told(db: &DatabaseConnection, sql: &str) -> Vec<Told> {
    let statement = Statement::from_string(sea_orm::DbBackend::Sqlite, sql);
    Told::find_by_statement(statement).all(db).await.expect("the query runs")
}

/// Waits until no outbox holds anything.
pub async fn settle(data_dir: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    for module in MODULES {
        let db = open(data_dir, module).await;
        loop {
            let sql = "SELECT e.id, o.subscriber || ' ' || e.type || COALESCE(o.last_error, '') \
                       AS kind FROM outbox o JOIN events e ON e.id = o.event_id";
            let left = told(&db, sql).await;
            if left.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "{module}: {} is not delivered", left[0].kind);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Every event is in the inbox of each module that hears it, and nothing else is.
pub async fn assert_every_event_applied_once(data_dir: &Path) -> usize {
    let mut expected: BTreeSet<(String, Uuid)> = BTreeSet::new();
    let mut applied: BTreeSet<(String, Uuid)> = BTreeSet::new();
    for module in MODULES {
        let db = open(data_dir, module).await;
        for event in told(&db, "SELECT id, type AS kind FROM events").await {
            let row = SUBSCRIPTIONS.iter().find(|(kind, _)| *kind == event.kind);
            for subscriber in row.map(|(_, subscribers)| *subscribers).unwrap_or_default() {
                expected.insert(((*subscriber).to_owned(), event.id));
            }
        }
        for event in told(&db, "SELECT event_id AS id, type AS kind FROM inbox").await {
            applied.insert((module.to_owned(), event.id));
        }
    }
    let lost: Vec<_> = expected.difference(&applied).collect();
    let invented: Vec<_> = applied.difference(&expected).collect();
    assert!(lost.is_empty() && invented.is_empty(), "lost {lost:?}, invented {invented:?}");
    expected.len()
}

pub async fn assert_laws(api: &Api) {
    for module in MODULES {
        let report = api.get(&format!("/api/v1/{module}/invariants")).await.ok();
        for law in report["laws"].as_array().expect("laws") {
            assert_eq!(law["violations"], 0, "{module}: {law}");
        }
    }
    let balance = api.get("/api/v1/billing/trial-balance").await.ok();
    assert_eq!(balance["difference"]["amount"], "0.00");
}

/// Where the server that is killed keeps its data.
enum Place {
    Files(PathBuf),
    /// In a database, and a directory with nothing of importance in it.
    Postgres(String, PathBuf),
}

impl Place {
    fn start(&self) -> Process {
        match self {
            Place::Files(dir) => Process::start(dir),
            Place::Postgres(url, dir) => Process::start_on(url, dir),
        }
    }

    /// Lets what the killed one held go at once, as if the time of its leases had passed.
    async fn bury(&self) {
        if let Place::Postgres(url, _) = self {
            let db = Database::connect(url).await.expect("the database answers");
            for module in MODULES {
                let sql = format!("UPDATE {module}.leases SET expires_at = '-infinity'");
                db.execute_unprepared(&sql).await.expect("let go");
            }
            db.close().await.expect("closed");
        }
    }

    /// Waits until every event is delivered; how many deliveries there were, each once.
    async fn settle(&self) -> usize {
        match self {
            Place::Files(dir) => {
                settle(dir).await;
                assert_every_event_applied_once(dir).await
            }
            Place::Postgres(url, _) => {
                let deadline = Instant::now() + Duration::from_secs(30);
                while checks::undelivered(url).await > 0 {
                    assert!(Instant::now() < deadline, "some events are never delivered");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                assert_eq!(checks::broken(url).await, [""; 0]);
                checks::deliveries(url).await as usize
            }
        }
    }
}

async fn kill_at_random(place: Place) {
    let mut process = place.start();
    let company = company(&sign_in(&process.base).await).await;
    let mut flows = 0;
    for kill in 0..KILLS {
        let api = sign_in(&process.base).await;
        let clients: Vec<_> =
            (0..CLIENTS).map(|i| tokio::spawn(load(api.clone(), company.clone(), i))).collect();
        // The low bits of a UUIDv7 are random: a moment between 50 and 850 ms from now.
        let moment = 50 + Uuid::now_v7().as_u128() as u64 % 800;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        process.kill();
        place.bury().await;
        for client in clients {
            flows += client.await.expect("no panic").expect("no step fails while it lives");
        }

        process = place.start();
        let events = place.settle().await;
        assert_laws(&sign_in(&process.base).await).await;
        println!("kill {}: after {moment} ms, {flows} flows, {events} deliveries", kill + 1);
    }
    process.kill();
    assert!(flows > 0, "the load never completed a flow");
    let (Place::Files(dir) | Place::Postgres(_, dir)) = place;
    std::fs::remove_dir_all(&dir).expect("removed");
}

fn new_dir() -> PathBuf {
    std::env::temp_dir().join(format!("erp-crash-{}", Uuid::now_v7()))
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_twenty_times_at_random_nothing_is_lost_or_doubled() {
    kill_at_random(Place::Files(new_dir())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_twenty_times_on_postgres_nothing_is_lost_or_doubled() {
    if test_support::available("postgres") {
        let url = test_support::shared().create_database(None).await;
        kill_at_random(Place::Postgres(url, new_dir())).await;
    }
}
