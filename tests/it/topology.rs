//! How the modules are spread over processes (here: listeners of one test).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use chrono::Utc;
use contracts::events::SUBSCRIPTIONS;
use erp::Running;
use erp::config::Config;
use erp::gateway::MODULES;
use figment::Figment;
use figment::providers::Serialized;
use kernel::Ctx;
use kernel::db::{Db, execute, query_all};
use kernel::service::new_keys;
use sea_orm::FromQueryResult;
use serde_json::json;
use uuid::Uuid;

use crate::daprd::Daprd;
use crate::sidecar::Sidecars;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// All modules in one process.
    OneProcess,
    /// A process for each module and a gateway before them, with HTTP between all.
    Separate,
    /// The same with a Dapr sidecar beside each, which calls and events go by.
    Sidecars,
    /// The same with real sidecars, each a `daprd`.
    Daprd,
    /// One module by itself, and five in one process that is also its gateway.
    Extracted,
}

/// Those that need nothing installed.
pub const TOPOLOGIES: [Topology; 4] =
    [Topology::OneProcess, Topology::Separate, Topology::Sidecars, Topology::Extracted];

/// Who runs by itself where one does: it is called, calls, hears and publishes.
const EXTRACTED: &str = "sales";

impl Topology {
    /// That of `ERP_TEST_TOPOLOGY`, in which the suite at large runs: `one`, `separate`,
    /// `sidecars`, `daprd` or `extracted`.
    pub fn of_suite() -> Topology {
        match std::env::var("ERP_TEST_TOPOLOGY").as_deref() {
            Err(_) | Ok("one") => Topology::OneProcess,
            Ok("separate") => Topology::Separate,
            Ok("sidecars") => Topology::Sidecars,
            Ok("daprd") => Topology::Daprd,
            Ok("extracted") => Topology::Extracted,
            Ok(other) => panic!("ERP_TEST_TOPOLOGY: there is no {other}"),
        }
    }

    /// The processes and what each mounts. Clients ask the last.
    fn processes(self) -> Vec<Vec<&'static str>> {
        let alone = MODULES.iter().map(|module| vec![*module]);
        match self {
            Topology::OneProcess => vec![MODULES.to_vec()],
            Topology::Separate | Topology::Sidecars | Topology::Daprd => {
                alone.chain([vec![]]).collect()
            }
            Topology::Extracted => {
                let rest = MODULES.into_iter().filter(|module| *module != EXTRACTED).collect();
                vec![vec![EXTRACTED], rest]
            }
        }
    }

    /// Starts all of it. The gateway, or the only process, is the last.
    pub async fn start(self, layers: &Figment) -> System {
        if self == Topology::OneProcess {
            return System {
                running: vec![run(layers).await],
                settings: vec![layers.clone()],
                beside: Beside::Nothing,
            };
        }
        let processes = self.processes();
        let ports = free_ports(3 * processes.len());
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let mut beside = match self {
            Topology::Sidecars => Beside::StandIn(Sidecars::start()),
            Topology::Daprd => Beside::Daprd(Daprd::new()),
            _ => Beside::Nothing,
        };
        let mut remote = BTreeMap::new();
        let mut callers = BTreeMap::new();
        let mut keys = Vec::new();
        for (modules, ports) in processes.iter().zip(ports.chunks(3)) {
            let (key, public) = new_keys().expect("random");
            keys.push(key);
            let url = format!("http://{}", at(ports[0]));
            // With sidecars nobody knows where anybody is.
            let internal_url = match &beside {
                Beside::Nothing => format!("http://{}", at(ports[1])),
                _ => String::new(),
            };
            if modules.is_empty() {
                callers.insert("gateway", public.clone());
            }
            for module in modules {
                callers.insert(*module, public.clone());
                remote.insert(*module, json!({ "url": url, "internal_url": internal_url }));
            }
        }
        let layers = layers
            .clone()
            // Connections of HTTP/2 between them are kept for some seconds.
            .merge(Serialized::default("server.shutdown_timeout_s", 1))
            .merge(Serialized::default("remote", &remote))
            .merge(Serialized::default("internal.callers", &callers));
        let (mut running, mut settings) = (Vec::new(), Vec::new());
        for ((modules, ports), key) in processes.iter().zip(ports.chunks(3)).zip(&keys) {
            let mut own = layers
                .clone()
                .merge(Serialized::default("modules", modules))
                .merge(Serialized::default("server.bind", at(ports[0])))
                .merge(Serialized::default("internal.key", key.expose()));
            let app_id = modules.first().copied().unwrap_or("gateway");
            let sidecar = match &mut beside {
                Beside::Nothing => None,
                Beside::StandIn(sidecars) => {
                    sidecars.attach(app_id, at(ports[2]));
                    Some(sidecars.url.clone())
                }
                Beside::Daprd(daprd) => {
                    Some(format!("http://{}", daprd.attach(app_id, at(ports[2]))))
                }
            };
            own = match sidecar {
                None => own.merge(Serialized::default("internal.bind", at(ports[1]))),
                Some(url) => own
                    .merge(Serialized::default("dapr.bind", at(ports[2])))
                    .merge(Serialized::default("dapr.url", url)),
            };
            running.push(run(&own).await);
            settings.push(own);
        }
        if let Beside::Daprd(daprd) = &beside {
            daprd.ready().await;
        }
        System { running, settings, beside }
    }
}

/// What runs, in a test's own process.
pub struct System {
    pub running: Vec<Running>,
    /// Of each of them, in the same order.
    settings: Vec<Figment>,
    beside: Beside,
}

/// What stands beside the processes.
enum Beside {
    Nothing,
    StandIn(Sidecars),
    Daprd(Daprd),
}

impl System {
    /// The data of every module.
    pub fn databases(&self) -> impl Iterator<Item = &Db> {
        self.running.iter().flat_map(Running::databases)
    }

    /// Stops the process of a module; returns what [`System::start`] starts again.
    pub async fn stop(&mut self, module: &str) -> Figment {
        let is_its = |running: &Running| running.databases().iter().any(|db| db.module() == module);
        let at = self.running.iter().position(is_its).expect("it runs");
        self.running.remove(at).stop().await;
        self.settings.remove(at)
    }

    pub async fn start(&mut self, settings: Figment) {
        self.running.insert(0, run(&settings).await);
        self.settings.insert(0, settings);
    }

    /// Parks the newest event of a type for a subscriber, which has it already.
    pub async fn park(&self, kind: &str, subscriber: &str) {
        let module = kind.split('.').next().expect("a module");
        let db = self.databases().find(|db| db.module() == module).expect("it runs here");
        let tx = db.begin(&Ctx::system("test")).await.expect("a transaction");
        let sql = "INSERT INTO outbox (event_id, subscriber, aggregate_id, attempts, \
                   next_attempt_at, parked_at, last_error) SELECT id, $2, aggregate_id, 20, $3, \
                   $3, 'the books of that day are closed' FROM events WHERE type = $1 \
                   ORDER BY seq DESC LIMIT 1";
        let values = vec![kind.into(), subscriber.into(), Utc::now().into()];
        assert_eq!(execute(&*tx, sql, values).await.expect("parked"), 1, "{kind}");
        tx.commit().await.expect("committed");
    }

    /// Events published and not yet applied by all who hear them.
    pub async fn undelivered(&self) -> i64 {
        let mut count = 0;
        for running in &self.running {
            count += running.undelivered().await.expect("the outbox can be counted");
        }
        match &self.beside {
            Beside::Nothing => count,
            Beside::StandIn(sidecars) => count + sidecars.undelivered() as i64,
            // The broker does not tell.
            Beside::Daprd(_) => count + self.unapplied().await as i64,
        }
    }

    /// Events that one who hears them has not applied.
    async fn unapplied(&self) -> usize {
        let mut heard = BTreeSet::new();
        let mut applied = BTreeSet::new();
        for db in self.databases() {
            let events: Vec<Told> =
                query_all(db.read(), "SELECT id, type FROM events", vec![]).await.expect("read");
            for Told { id, r#type } in events {
                let row = SUBSCRIPTIONS.iter().find(|(kind, _)| *kind == r#type);
                let names = row.map(|(_, names)| *names).unwrap_or_default();
                heard.extend(names.iter().map(|name| (*name, id)));
            }
            let sql = "SELECT event_id AS id, type FROM inbox";
            let inbox: Vec<Told> = query_all(db.read(), sql, vec![]).await.expect("read");
            applied.extend(inbox.into_iter().map(|told| (db.module(), told.id)));
        }
        heard.difference(&applied).count()
    }
}

#[derive(FromQueryResult)]
struct Told {
    id: Uuid,
    r#type: String,
}

/// A process with these settings.
pub async fn run(layers: &Figment) -> Running {
    let config = Config::load(layers).expect("test settings are valid");
    erp::start(config).await.expect("the server starts")
}

/// Ports nobody listens at, from below those that the system gives to connections, and no
/// port twice.
pub fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const RANGE: std::ops::Range<u16> = 20_000..32_000;
    // Another run of the tests at the same time begins elsewhere.
    let offset = std::process::id() as u16 % RANGE.len() as u16;
    let next = || NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(offset);
    std::iter::repeat_with(|| RANGE.start + next() % RANGE.len() as u16)
        .filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .take(count)
        .collect()
}
