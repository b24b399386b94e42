//! The server killed at random moments under load: nothing is lost, nothing is applied
//! twice, and no law is broken.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use contracts::events::SUBSCRIPTIONS;
use erp::gateway::MODULES;
use sea_orm::{Database, DatabaseConnection, FromQueryResult, Statement};
use serde_json::json;
use uuid::Uuid;

use crate::flows::{Company, company, purchase_to_stock, quotation_to_cash};
use crate::harness::{ADMIN_PASSWORD, Api, text};

const KILLS: u32 = 20;
const CLIENTS: usize = 4;

/// The real executable on a free port.
pub struct Process {
    pub child: Child,
    pub base: String,
}

impl Process {
    pub fn start(data_dir: &Path) -> Process {
        Process::start_with(data_dir, &[])
    }

    /// With these variables in its environment.
    pub fn start_with(data_dir: &Path, variables: &[(&str, &str)]) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_erp"))
            .args(["serve", "--bind", "127.0.0.1:0", "--data-dir"])
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

    /// SIGKILL: no goodbye of any kind.
    fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn sign_in(base: &str) -> Api {
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
async fn settle(data_dir: &Path) {
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
async fn assert_every_event_applied_once(data_dir: &Path) -> usize {
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

async fn assert_laws(api: &Api) {
    for module in MODULES {
        let report = api.get(&format!("/api/v1/{module}/invariants")).await.ok();
        for law in report["laws"].as_array().expect("laws") {
            assert_eq!(law["violations"], 0, "{module}: {law}");
        }
    }
    let balance = api.get("/api/v1/billing/trial-balance").await.ok();
    assert_eq!(balance["difference"]["amount"], "0.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_twenty_times_at_random_nothing_is_lost_or_doubled() {
    let data_dir: PathBuf = std::env::temp_dir().join(format!("erp-crash-{}", Uuid::now_v7()));
    let first = Process::start(&data_dir);
    let company = company(&sign_in(&first.base).await).await;
    first.kill();

    let mut flows = 0;
    for kill in 0..KILLS {
        let process = Process::start(&data_dir);
        let api = sign_in(&process.base).await;
        let clients: Vec<_> =
            (0..CLIENTS).map(|i| tokio::spawn(load(api.clone(), company.clone(), i))).collect();
        // The low bits of a UUIDv7 are random: a moment between 50 and 850 ms from now.
        let moment = 50 + Uuid::now_v7().as_u128() as u64 % 800;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        process.kill();
        for client in clients {
            flows += client.await.expect("no panic").expect("no step fails while it lives");
        }

        let process = Process::start(&data_dir);
        settle(&data_dir).await;
        assert_laws(&sign_in(&process.base).await).await;
        let events = assert_every_event_applied_once(&data_dir).await;
        println!("kill {}: after {moment} ms, {flows} flows, {events} deliveries", kill + 1);
        process.kill();
    }
    assert!(flows > 0, "the load never completed a flow");
    std::fs::remove_dir_all(&data_dir).expect("removed");
}
