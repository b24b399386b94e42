//! The server that is asked: the built binary on SQLite files of its own.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use uuid::Uuid;

const BINARY: &str = env!("CARGO_BIN_EXE_erp");
/// Of the database's only administrator, for as long as the benchmark runs.
pub const PASSWORD: &str = "a password for the benchmark";
/// Longest start and longest stop.
const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// What a password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// As the settings have it.
    Usual,
    /// As little as there is: for ten thousand sessions in a minute.
    Least,
}

/// A running server, stopped when dropped, and its data with it.
pub struct Server {
    child: Child,
    dir: PathBuf,
    pub base: String,
}

impl Server {
    pub async fn start(cost: Cost) -> Result<Server, String> {
        let dir = std::env::temp_dir().join(format!("erp-access-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let log = File::create(dir.join("server.log")).map_err(|e| e.to_string())?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = port.map_err(|e| e.to_string())?;
        // It runs in its own directory, so that no config.toml of the caller's changes what is
        // measured. Everybody here has one address, and is one user.
        let mut command = Command::new(BINARY);
        command
            .current_dir(&dir)
            .args(["serve", "--bind", &address.to_string(), "--data-dir"])
            .arg(&dir)
            .env("ERP__AUTH__ADMIN_PASSWORD", PASSWORD)
            .env("ERP__RATE_LIMIT__ANONYMOUS_PER_S", "0")
            .env("ERP__RATE_LIMIT__USER_PER_S", "0")
            .env("ERP__TELEMETRY__LEVEL", "warn");
        if cost == Cost::Least {
            command.env("ERP__AUTH__ARGON2_MEMORY_KIB", "8");
            command.env("ERP__AUTH__ARGON2_ITERATIONS", "1");
        }
        command.stdin(Stdio::null());
        command.stdout(log.try_clone().map_err(|e| e.to_string())?).stderr(log);
        let child = command.spawn().map_err(|e| format!("{BINARY}: {e}"))?;
        let mut server = Server { child, dir, base: format!("http://{address}") };
        server.answer().await?;
        Ok(server)
    }

    async fn answer(&mut self) -> Result<(), String> {
        let http = reqwest::Client::builder().no_proxy().build().map_err(|e| e.to_string())?;
        let url = format!("{}/health/ready", self.base);
        let begun = Instant::now();
        loop {
            let answer = http.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            let log = || std::fs::read_to_string(self.dir.join("server.log")).unwrap_or_default();
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended: {status}\n{}", log()));
            }
            if begun.elapsed() > START_LIMIT {
                return Err(format!("the server does not answer\n{}", log()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Resident memory, in MB of 1 000 000 bytes.
    pub fn rss_mb(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        kib.map(|kib| kib * 1024.0 / 1e6).ok_or_else(|| format!("{path} has no VmRSS"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The signal goes by the shell's own kill: sending it from here needs unsafe code.
        let kill = format!("kill -TERM {}", self.child.id());
        let _ = Command::new("sh").args(["-c", &kill]).status();
        let begun = Instant::now();
        while begun.elapsed() < STOP_LIMIT && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Nothing is left to do about a directory that cannot be removed.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
