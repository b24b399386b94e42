//! A PostgreSQL server that is thrown away.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Database};
use uuid::Uuid;

/// Longest start of a server.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A server on a free port of the loopback, with its data in a directory for temporary
/// files. Both are gone when this is dropped or the process ends, however it ends. The
/// superuser is `erp`, and nobody is asked for a password.
pub struct PostgresServer {
    port: u16,
    dir: PathBuf,
    /// Lives as long as its standard input, and then clears everything away.
    watch: Child,
}

impl PostgresServer {
    /// Starts one with these settings (`fsync=on`) beside the usual ones: what a test
    /// commits need not survive a power cut.
    pub fn start(settings: &[&str]) -> PostgresServer {
        let bin = binaries().expect("initdb is installed where Debian or PATH has it");
        let dir = std::env::temp_dir().join(format!("erp-postgres-{}", Uuid::now_v7()));
        std::fs::create_dir(&dir).expect("a directory");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        let port_setting = format!("port={port}");
        let mut lines = vec![
            port_setting.as_str(),
            "listen_addresses='127.0.0.1'",
            "unix_socket_directories=''",
            "max_connections=500",
            "fsync=off",
            "full_page_writes=off",
        ];
        // The last of two wins.
        lines.extend(settings);
        std::fs::write(dir.join("settings"), lines.join("\n") + "\n").expect("written");
        let script = format!(
            "set -e; cd {dir}; {bin}/initdb -D data -U erp -A trust -N >initdb.log 2>&1; \
             cat settings >>data/postgresql.conf; {start}; touch ready; cat >/dev/null || true; \
             {stop} || true; rm -rf {dir}",
            dir = dir.display(),
            bin = bin.display(),
            start = Self::start_command(&bin, &dir),
            stop = Self::stop_command(&bin, &dir),
        );
        let watch = shell(&dir, &script).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let server = PostgresServer { port, dir, watch: watch.expect("a shell") };
        let begun = Instant::now();
        while !server.dir.join("ready").exists() {
            assert!(begun.elapsed() < START_LIMIT, "see {}", server.dir.display());
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// The way to a database of it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://erp@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes a database, empty or as a copy of another, and returns the way to it.
    pub async fn create_database(&self, template: Option<&str>) -> String {
        let name = format!("test_{}", Uuid::now_v7().simple());
        let copied = template.map(|name| format!(" TEMPLATE {name}")).unwrap_or_default();
        let admin = Database::connect(self.url("postgres")).await.expect("the server answers");
        let sql = format!("CREATE DATABASE {name}{copied}");
        admin.execute_unprepared(&sql).await.expect("made");
        admin.close().await.expect("closed");
        self.url(&name)
    }

    /// Stops at once, as in a crash: whoever is connected is cut off, and nothing is written.
    pub fn crash(&self) {
        self.run(Self::stop_command);
    }

    /// Starts again what has crashed, where it was, and waits until it answers.
    pub fn restart(&self) {
        self.run(Self::start_command);
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("server.log")).expect("it writes one")
    }

    fn run(&self, command: fn(&Path, &Path) -> String) {
        let bin = binaries().expect("it was started from there");
        let mut shell = shell(&self.dir, &command(&bin, &self.dir));
        let status = shell.stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(status.expect("a shell").success(), "{}", self.log());
    }

    fn start_command(bin: &Path, dir: &Path) -> String {
        let (bin, dir) = (bin.display(), dir.display());
        format!("{bin}/pg_ctl -D {dir}/data -l {dir}/server.log -w start >/dev/null")
    }

    fn stop_command(bin: &Path, dir: &Path) -> String {
        let (bin, dir) = (bin.display(), dir.display());
        format!("{bin}/pg_ctl -D {dir}/data -m immediate stop >/dev/null 2>&1")
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}

/// A shell that runs this; PostgreSQL refuses to run as root.
fn shell(dir: &Path, script: &str) -> Command {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    let mut shell = if id.stdout.trim_ascii() == b"0" {
        let owned = Command::new("chown").arg("postgres").arg(dir).status().expect("chown runs");
        assert!(owned.success(), "the package makes the user postgres");
        let mut shell = Command::new("setpriv");
        shell.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh"]);
        shell
    } else {
        Command::new("sh")
    };
    shell.args(["-c", script]);
    shell
}

/// The newest installed version's.
pub(crate) fn binaries() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = versions.into_iter().rev().chain(std::env::split_paths(&path));
    places.into_iter().find(|place| place.join("initdb").exists())
}
