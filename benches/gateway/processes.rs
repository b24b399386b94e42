//! The service and our gateway: the built binary, twice.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kernel::config::Secret;
use kernel::service::new_keys;
use reqwest::Client;
use serde_json::{Value, json};
use uuid::Uuid;

const BINARY: &str = env!("CARGO_BIN_EXE_erp");
pub const PASSWORD: &str = "a password for the benchmark";
const START_LIMIT: Duration = Duration::from_secs(30);

/// A directory for data and logs, removed when dropped.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Result<Dir, String> {
        let path = std::env::temp_dir().join(format!("erp-gateway-bench-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Dir(path))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // Nothing is left to do about a directory that cannot be removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that listens, ended when dropped.
pub struct Process(Child);

impl Process {
    /// Starts it and waits until it takes connections at `address`.
    pub fn start(mut command: Command, log: &Path, address: &str) -> Result<Process, String> {
        let file = File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
        let output = file.try_clone().map_err(|e| e.to_string())?;
        let child = command.stdin(Stdio::null()).stdout(output).stderr(file).spawn();
        let mut process = Process(child.map_err(|e| format!("{command:?}: {e}"))?);
        let begun = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            let is_gone = !matches!(process.0.try_wait(), Ok(None));
            if is_gone || begun.elapsed() > START_LIMIT {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                return Err(format!("{command:?} does not listen:\n{said}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(process)
    }

    pub fn rss_mb(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/status", self.0.id());
        let status = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        kib.map(|kib| kib * 1024.0 / 1e6).ok_or_else(|| format!("{path} has no VmRSS"))
    }
}

impl Drop for Process {
    /// Asked to first: nginx has workers, which would outlive it.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let until = Instant::now() + Duration::from_secs(5);
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An `erp` process.
pub struct Erp {
    pub address: String,
    process: Process,
}

impl Erp {
    /// The gateway before the service.
    pub fn gateway(dir: &Dir, service: &Service, http2: bool) -> Result<Erp, String> {
        let api = format!("http://{}", service.address);
        let variables = [
            ("ERP__MODULES", "[]".to_owned()),
            ("ERP__INTERNAL__KEY", service.key.expose().to_owned()),
            ("ERP__REMOTE__AUTH__URL", api.clone()),
            ("ERP__REMOTE__AUTH__INTERNAL_URL", format!("http://{}", service.internal)),
            ("ERP__REMOTE__AUTH__HTTP2", http2.to_string()),
            ("ERP__REMOTE__INVENTORY__URL", api),
            ("ERP__REMOTE__INVENTORY__INTERNAL_URL", String::new()),
            ("ERP__REMOTE__INVENTORY__HTTP2", http2.to_string()),
        ];
        Erp::start(dir, "gateway", &variables)
    }

    fn start(dir: &Dir, name: &str, variables: &[(&str, String)]) -> Result<Erp, String> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new(BINARY);
        command
            .current_dir(&dir.0)
            .args(["serve", "--bind", &address, "--data-dir"])
            .arg(dir.0.join(name))
            .env("ERP__AUTH__ADMIN_PASSWORD", PASSWORD)
            // All requests are one user's; they are counted all the same.
            .env("ERP__RATE_LIMIT__USER_PER_S", "1000000")
            .env("ERP__RATE_LIMIT__USER_BURST", "1000000")
            .env("ERP__TELEMETRY__LEVEL", "warn")
            .envs(variables.iter().map(|(name, value)| (name, value)));
        let log = dir.0.join(format!("{name}.log"));
        let process = Process::start(command, &log, &address)?;
        Ok(Erp { address, process })
    }

    pub fn rss_mb(&self) -> Result<f64, String> {
        self.process.rss_mb()
    }
}

/// All modules in one process, with something to ask for.
pub struct Service {
    pub address: String,
    pub internal: String,
    /// The gateway's own, by which the service knows it.
    key: Secret,
    pub data: PathBuf,
    pub asked: Asked,
    _erp: Erp,
}

impl Service {
    pub async fn start(dir: &Dir) -> Result<Service, String> {
        let internal = format!("127.0.0.1:{}", free_port()?);
        let (key, known_by) = new_keys()?;
        let variables = [
            ("ERP__INTERNAL__BIND", internal.clone()),
            ("ERP__INTERNAL__CALLERS__GATEWAY", known_by),
        ];
        let erp = Erp::start(dir, "service", &variables)?;
        let address = erp.address.clone();
        let asked = Asked::of(&address).await?;
        let data = dir.0.join("service");
        Ok(Service { address, internal, key, data, asked, _erp: erp })
    }
}

/// One resource of a system, by somebody who may read it.
pub struct Asked {
    token: String,
    path: String,
}

impl Asked {
    /// Makes it.
    pub async fn of(address: &str) -> Result<Asked, String> {
        let client = Client::builder().no_proxy().build().map_err(|e| e.to_string())?;
        let url = |path: &str| format!("http://{address}/api/v1{path}");
        let body = json!({"username": "admin", "password": PASSWORD});
        let token = text(&post(client.post(url("/auth/token")), body).await?["access_token"])?;
        let body = json!({"code": "MAIN", "name": "Main warehouse"});
        let request = client.post(url("/inventory/warehouses")).bearer_auth(&token);
        let id = text(&post(request, body).await?["id"])?;
        Ok(Asked { token, path: format!("/api/v1/inventory/warehouses/{id}") })
    }

    pub fn request(&self) -> String {
        self.written(&format!("authorization: Bearer {}\r\n", self.token))
    }

    pub fn request_of_a_stranger(&self) -> String {
        self.written("authorization: Bearer made.up.token\r\n")
    }

    fn written(&self, authorization: &str) -> String {
        format!(
            "GET {} HTTP/1.1\r\nhost: erp.example\r\nuser-agent: bench\r\naccept: */*\r\n\
             {authorization}\r\n",
            self.path
        )
    }
}

async fn post(request: reqwest::RequestBuilder, body: Value) -> Result<Value, String> {
    let request = request.header("idempotency-key", Uuid::now_v7().to_string()).json(&body);
    let answer = request.send().await.map_err(|e| e.to_string())?;
    let status = answer.status();
    let text = answer.text().await.map_err(|e| e.to_string())?;
    if !status.is_success() {
        return Err(format!("{status}: {text}"));
    }
    serde_json::from_str(&text).map_err(|e| e.to_string())
}

fn text(value: &Value) -> Result<String, String> {
    value.as_str().map(ToOwned::to_owned).ok_or_else(|| "an answer lacks a field".to_owned())
}

/// A port that was free a moment ago.
pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    Ok(listener.local_addr().map_err(|e| e.to_string())?.port())
}
