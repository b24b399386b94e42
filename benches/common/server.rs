//! The server that is measured: the built binary on one PostgreSQL database.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_erp");
const MODULES: [&str; 6] = ["AUTH", "BILLING", "INVENTORY", "ORDERS", "PURCHASING", "SALES"];
/// Of the database's only administrator, for as long as the benchmark runs.
pub const PASSWORD: &str = "a password for the benchmark";
/// Longest start and longest stop.
const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running server, stopped when dropped.
pub struct Server {
    child: Child,
    log: PathBuf,
    pub base: String,
}

impl Server {
    /// Starts the server on a database; it makes its schemas if they are not there. `dir` is
    /// where it keeps its log and nothing else.
    pub async fn start(dir: &Path, database_url: &str) -> Result<Server, String> {
        std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let log = dir.join("server.log");
        let file = File::options().create(true).append(true).open(&log);
        let file = file.map_err(|e| format!("{}: {e}", log.display()))?;
        let address = format!("127.0.0.1:{}", free_port()?);
        // It runs in its own directory, so that no config.toml of the caller's changes what
        // is measured.
        let mut command = Command::new(BINARY);
        command
            .current_dir(dir)
            .args(["serve", "--bind", &address, "--data-dir"])
            .arg(dir)
            .env("ERP__AUTH__ADMIN_PASSWORD", PASSWORD)
            // All clients are one user.
            .env("ERP__RATE_LIMIT__USER_PER_S", "0")
            .env("ERP__TELEMETRY__LEVEL", "warn");
        for module in MODULES {
            command.env(format!("ERP__SQL__CONNECTION_STRINGS__{module}_DB"), database_url);
        }
        command.stdin(Stdio::null());
        command.stdout(file.try_clone().map_err(|e| e.to_string())?).stderr(file);
        let child = command.spawn().map_err(|e| format!("{BINARY}: {e}"))?;
        let mut server = Server { child, log, base: format!("http://{address}") };
        server.answer().await?;
        Ok(server)
    }

    async fn answer(&mut self) -> Result<(), String> {
        let http = reqwest::Client::builder().no_proxy().build().map_err(|e| e.to_string())?;
        let url = format!("{}/health/live", self.base);
        let begun = Instant::now();
        loop {
            let answer = http.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended: {status}\n{}", self.log_tail()));
            }
            if begun.elapsed() > START_LIMIT {
                return Err(format!("the server does not answer\n{}", self.log_tail()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Processor time it has used, on all cores.
    pub fn cpu(&self) -> Result<Duration, String> {
        /// Linux counts in hundredths of a second, whatever the kernel's own clock.
        const TICK: Duration = Duration::from_millis(10);
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        // After the name in brackets, user and system time are the 12th and 13th field.
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        let ticks =
            fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok());
        Ok(TICK * ticks.sum::<u32>())
    }

    /// What it said last, for a failure.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(10)..].join("\n");
        format!("the server's last words:\n{last}")
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
        eprintln!("the server did not stop within {} s", STOP_LIMIT.as_secs());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    Ok(listener.local_addr().map_err(|e| e.to_string())?.port())
}
