//! The server under load: the built binary as a child process, with default durability.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use crate::Topology;
use crate::postgres::Postgres;

const BINARY: &str = env!("CARGO_BIN_EXE_erp");
/// A gateway and six services, each a process of the binary.
const SPLIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/infra/dev/split.sh");
/// So many ports, one after the other.
const SPLIT_PORTS: u16 = 18;
/// Of the database's only administrator, for as long as the benchmark runs.
pub const PASSWORD: &str = "a password for the benchmark";
/// Longest start and longest stop.
const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The modules of which each has a connection string.
const MODULES: [&str; 6] = ["auth", "billing", "inventory", "orders", "purchasing", "sales"];

/// A directory for the database and the log, removed when dropped, and the database's
/// server if it has one.
pub struct DataDir {
    pub postgres: Option<Postgres>,
    /// Beside PostgreSQL, where it is installed.
    redis: Option<Redis>,
    path: PathBuf,
}

impl DataDir {
    pub fn new(with_postgres: bool) -> Result<DataDir, String> {
        let path = std::env::temp_dir().join(format!("erp-flows-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut dir = DataDir { postgres: None, redis: None, path };
        if with_postgres {
            dir.postgres = Some(Postgres::start(&dir.path.join("postgres"))?);
            dir.redis = Redis::start(&dir.path)?;
        }
        Ok(dir)
    }

    fn log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// What the server said last, for a failure.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(10)..].join("\n");
        format!("the server's last words:\n{last}")
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // It stops before its files go.
        drop(self.postgres.take());
        // Nothing is left to do about a directory that cannot be removed.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A Redis of its own, ended when dropped.
struct Redis {
    url: String,
    child: Child,
}

impl Redis {
    /// None where it is not installed.
    fn start(dir: &Path) -> Result<Option<Redis>, String> {
        let port = free_ports(1)?;
        let mut command = Command::new("redis-server");
        command
            .current_dir(dir)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        match command.spawn() {
            Ok(child) => Ok(Some(Redis { url: format!("redis://127.0.0.1:{port}"), child })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("redis-server: {error}")),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running system, stopped when dropped: the server, or the script that starts it split.
pub struct Server {
    child: Child,
    topology: Topology,
    pub base: String,
}

impl Server {
    /// Starts the server on these data; also tells how long it took to answer.
    pub async fn start(
        data_dir: &DataDir,
        topology: Topology,
    ) -> Result<(Server, Duration), String> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(data_dir.log())
            .map_err(|e| e.to_string())?;
        let begun = Instant::now();
        let (mut command, port) = match topology {
            Topology::One => {
                let port = free_ports(1)?;
                let mut command = command(BINARY, data_dir);
                command.args(["serve", "--bind", &format!("127.0.0.1:{port}")]);
                (command, port)
            }
            Topology::Split => {
                let port = free_ports(SPLIT_PORTS)?;
                let mut command = command(SPLIT, data_dir);
                command.env("ERP", BINARY).args(["--port", &port.to_string()]);
                (command, port)
            }
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(|e| e.to_string())?)
            .stderr(log)
            .spawn()
            .map_err(|e| format!("{command:?}: {e}"))?;
        let base = format!("http://127.0.0.1:{port}");
        let mut server = Server { child, topology, base };
        server.answer(data_dir, begun).await?;
        Ok((server, begun.elapsed()))
    }

    async fn answer(&mut self, data_dir: &DataDir, begun: Instant) -> Result<(), String> {
        let http = reqwest::Client::builder().no_proxy().build().map_err(|e| e.to_string())?;
        let url = format!("{}/health/ready", self.base);
        loop {
            let answer = http.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended: {status}\n{}", data_dir.log_tail()));
            }
            if begun.elapsed() > START_LIMIT {
                return Err(format!("the server does not answer\n{}", data_dir.log_tail()));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The processes that serve.
    fn parts(&self) -> Result<Vec<Part>, String> {
        let pid = self.child.id();
        if self.topology == Topology::One {
            return Ok(vec![Part { name: "erp".into(), pid }]);
        }
        let children = read(&format!("/proc/{pid}/task/{pid}/children"))?;
        let pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        Ok(pids.filter_map(Part::of_the_split).collect())
    }

    /// Resident memory of each.
    pub fn rss_mb(&self) -> Result<Vec<(String, f64)>, String> {
        self.parts()?.into_iter().map(|part| part.rss_mb().map(|mb| (part.name, mb))).collect()
    }

    /// Processor time it has used, on all cores.
    pub fn cpu(&self) -> Result<Duration, String> {
        self.parts()?.iter().map(Part::cpu).sum()
    }

    /// Asks it to stop, waits, and insists after [`STOP_LIMIT`].
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The signal goes by the shell's own kill: sending it from here needs unsafe code.
        let kill = format!("kill -TERM {}", self.child.id());
        let _ = Command::new("sh").args(["-c", &kill]).status();
        let begun = Instant::now();
        while begun.elapsed() < STOP_LIMIT {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                _ => return,
            }
        }
        eprintln!("flows: it did not stop within {} s", STOP_LIMIT.as_secs());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process of the system.
struct Part {
    /// What is mounted in it.
    name: String,
    pid: u32,
}

impl Part {
    /// None of what else the script runs.
    fn of_the_split(pid: u32) -> Option<Part> {
        let environment = read(&format!("/proc/{pid}/environ")).ok()?;
        let mounted = environment.split('\0').find_map(|v| v.strip_prefix("ERP__MODULES="))?;
        let name = mounted.trim_matches(['[', ']', '"']);
        Some(Part { name: if name.is_empty() { "gateway" } else { name }.to_owned(), pid })
    }

    fn rss_mb(&self) -> Result<f64, String> {
        let status = read(&format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        kib.map(|kib| kib * 1024.0 / 1e6).ok_or_else(|| format!("{} has no VmRSS", self.name))
    }

    fn cpu(&self) -> Result<Duration, String> {
        /// Linux counts in hundredths of a second, whatever the kernel's own clock.
        const TICK: Duration = Duration::from_millis(10);
        let stat = read(&format!("/proc/{}/stat", self.pid))?;
        // After the name in brackets, user and system time are the 12th and 13th field.
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        let ticks =
            fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok());
        Ok(TICK * ticks.sum::<u32>())
    }
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))
}

/// Connections of a module. Two cores do less the more sessions share them: of six modules
/// with 10 each, PostgreSQL took a fifth more processor time a sale.
const CONNECTIONS: u32 = 4;

/// The program on these data. It runs in their directory, so that no `config.toml` of the
/// caller's changes what is measured; variables do, if the caller sets them.
fn command(program: &str, data_dir: &DataDir) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(&data_dir.path)
        .arg("--data-dir")
        .arg(&data_dir.path)
        .env("ERP__AUTH__ADMIN_PASSWORD", PASSWORD)
        // All clients are one user.
        .env("ERP__RATE_LIMIT__USER_PER_S", "0")
        .env("ERP__TELEMETRY__LEVEL", "warn");
    if let Some(redis) = &data_dir.redis {
        command.env("ERP__REDIS__URL", &redis.url);
    }
    if let Some(postgres) = &data_dir.postgres {
        command.env("ERP__SQL__MAX_CONNECTIONS", CONNECTIONS.to_string());
        for module in MODULES {
            let name = format!("ERP__SQL__CONNECTION_STRINGS__{}_DB", module.to_uppercase());
            command.env(name, postgres.url("postgres"));
        }
    }
    command
}

/// What a commit survives, as the server is set.
pub fn durability(data_dir: &DataDir) -> Result<String, String> {
    if let Some(postgres) = &data_dir.postgres {
        let redis = if data_dir.redis.is_some() { "with" } else { "without" };
        let conditions = postgres.conditions();
        return Ok(format!("{conditions}; {CONNECTIONS} connections a module; {redis} Redis"));
    }
    let output =
        command(BINARY, data_dir).arg("check-config").output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("check-config: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let config: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    let synchronous = config["data"]["synchronous"].as_str().unwrap_or("unknown");
    Ok(format!("synchronous = {synchronous}"))
}

/// Size of the binary.
pub fn binary_mb() -> Result<f64, String> {
    let meta = std::fs::metadata(Path::new(BINARY)).map_err(|e| format!("{BINARY}: {e}"))?;
    Ok(meta.len() as f64 / 1e6)
}

/// The first of so many ports that were free a moment ago.
fn free_ports(count: u16) -> Result<u16, String> {
    for _ in 0..100 {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
        let first = listener.local_addr().map_err(|e| e.to_string())?.port();
        let Some(end) = first.checked_add(count) else { continue };
        let are_free = (first + 1..end).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        if are_free {
            return Ok(first);
        }
    }
    Err(format!("no {count} ports are free"))
}
