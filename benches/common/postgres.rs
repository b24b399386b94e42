//! A PostgreSQL server for a benchmark, started from the installed binaries: its own, so that
//! nothing else is on it, and with the durability it has by default.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The default, 128 MB, is for the smallest of machines; the manual advises a quarter of the
/// memory, and this is that of a small server.
const SHARED_BUFFERS: &str = "1GB";
/// A pool for each of six modules, and the benchmark's own.
const MAX_CONNECTIONS: u16 = 200;
/// Longest start, `initdb` included, and longest stop.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A running server, stopped when dropped; its data stay. It also ends when this process
/// does, however that may be: a shell waits for the end of its standard input.
pub struct Postgres {
    dir: PathBuf,
    port: u16,
    version: String,
    postmaster: u32,
    watch: Child,
}

impl Postgres {
    /// Starts the cluster below `dir`, made if it is not there.
    pub fn start(dir: &Path) -> Result<Postgres, String> {
        let bin =
            binaries().ok_or("PostgreSQL is not installed (Debian: apt install postgresql)")?;
        std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let ready = dir.join("ready");
        if ready.exists() {
            std::fs::remove_file(&ready).map_err(|e| format!("{}: {e}", ready.display()))?;
        }
        let port = free_port()?;
        let options = format!(
            "-p {port} -c listen_addresses= -c unix_socket_directories={} \
             -c shared_buffers={SHARED_BUFFERS} -c max_connections={MAX_CONNECTIONS} \
             -c shared_preload_libraries=pg_stat_statements",
            dir.display()
        );
        let script = format!(
            "trap '' INT; set -e; cd {dir}; \
             test -d data || {bin}/initdb -D data -U erp -A trust -E UTF8 --no-locale \
             >initdb.log 2>&1; \
             {bin}/pg_ctl -D data -o '{options}' -l postgres.log -w start >/dev/null; \
             touch ready; cat >/dev/null || true; \
             {bin}/pg_ctl -D data -m fast stop >/dev/null",
            dir = dir.display(),
            bin = bin.display(),
        );
        let mut command = unprivileged(dir)?;
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut watch = command.spawn().map_err(|e| format!("a shell: {e}"))?;
        let begun = Instant::now();
        while !ready.exists() {
            let ended = watch.try_wait().map_err(|e| e.to_string())?.is_some();
            if ended || begun.elapsed() > START_LIMIT {
                return Err(format!("PostgreSQL did not start: see {}", dir.display()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let pid = dir.join("data/postmaster.pid");
        let pid = std::fs::read_to_string(&pid).map_err(|e| format!("{}: {e}", pid.display()))?;
        let pid = pid.lines().next().and_then(|line| line.trim().parse().ok());
        let postmaster = pid.ok_or("postmaster.pid holds no process")?;
        Ok(Postgres { dir: dir.to_owned(), port, version: version(&bin)?, postmaster, watch })
    }

    /// Where a database is, as its owner: on this machine, by its socket.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://erp@localhost:{}/{database}?host={}", self.port, self.dir.display())
    }

    /// Version and settings, for the conditions of a measurement.
    pub fn conditions(&self) -> String {
        format!(
            "{} by its socket, fsync = on, synchronous_commit = on, \
             shared_buffers = {SHARED_BUFFERS}, max_connections = {MAX_CONNECTIONS}, \
             statements counted, otherwise the defaults",
            self.version
        )
    }

    /// Processor time of all its processes, on all cores.
    pub fn cpu(&self) -> Duration {
        /// Linux counts in hundredths of a second, whatever the kernel's own clock.
        const TICK: Duration = Duration::from_millis(10);
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ticks: u32 = processes
            .filter_map(|process| {
                let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
                let pid: u32 = process.file_name().to_str()?.parse().ok()?;
                // After the name in brackets: state, parent and, as 12th to 15th, the time of
                // the process itself and of those children of it that have ended.
                let (_, fields) = stat.rsplit_once(") ")?;
                let fields: Vec<u32> = fields.split(' ').map(|f| f.parse().unwrap_or(0)).collect();
                let own = fields.get(11..13)?.iter().sum::<u32>();
                let ended = fields.get(13..15)?.iter().sum::<u32>();
                match (pid == self.postmaster, fields.get(1) == Some(&self.postmaster)) {
                    (true, _) => Some(own + ended),
                    (_, true) => Some(own),
                    _ => None,
                }
            })
            .sum();
        TICK * ticks
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The end of its input is what the shell waits for.
        drop(self.watch.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < STOP_LIMIT {
            match self.watch.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                _ => return,
            }
        }
        eprintln!("PostgreSQL did not stop within {} s", STOP_LIMIT.as_secs());
    }
}

/// A shell; PostgreSQL refuses to run as root.
fn unprivileged(dir: &Path) -> Result<Command, String> {
    let id = Command::new("id").arg("-u").output().map_err(|e| format!("id: {e}"))?;
    if id.stdout.trim_ascii() != b"0" {
        let mut shell = Command::new("sh");
        shell.arg("-c");
        return Ok(shell);
    }
    let chown = Command::new("chown").arg("postgres").arg(dir).status();
    if !chown.map_err(|e| format!("chown: {e}"))?.success() {
        return Err("there is no user postgres".into());
    }
    let mut shell = Command::new("setpriv");
    shell.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh", "-c"]);
    Ok(shell)
}

fn version(bin: &Path) -> Result<String, String> {
    let output = Command::new(bin.join("postgres")).arg("--version").output();
    let stdout = output.map_err(|e| format!("postgres: {e}"))?.stdout;
    // "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)"
    let text = String::from_utf8_lossy(&stdout);
    Ok(format!("PostgreSQL {}", text.split_whitespace().nth(2).unwrap_or("of unknown version")))
}

/// The newest installed version's.
fn binaries() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = versions.into_iter().rev().chain(std::env::split_paths(&path));
    places.into_iter().find(|place| place.join("initdb").exists())
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    Ok(listener.local_addr().map_err(|e| e.to_string())?.port())
}
