//! The database that tests run on.
//!
//! Without more ado it is SQLite. With `ERP_TEST_DATABASE=postgres` each test gets a
//! database of its own on a PostgreSQL server that the test process starts from the
//! installed binaries, and that ends with it.

#![allow(clippy::expect_used, reason = "in a test a panic is the finding")]

mod redis;
mod spelling;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use kernel::config::{Secret, SqlConfig};
use sea_orm::{ConnectionTrait, Database};
use uuid::Uuid;

pub use redis::{REDIS_PASSWORD, Redis};
pub use spelling::{spell, triggers, words};

/// Longest start of the server.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Where a test's data go: nowhere, which is to say into files, or into a new database.
pub async fn sql(modules: &[&str]) -> SqlConfig {
    let mut config = SqlConfig { max_connections: 5, ..SqlConfig::default() };
    match std::env::var("ERP_TEST_DATABASE").as_deref() {
        Err(_) | Ok("sqlite") => {}
        Ok("postgres") => {
            let url = Secret::new(new_database().await);
            for module in modules {
                config.connection_strings.insert(format!("{module}_db"), url.clone());
            }
        }
        Ok(other) => panic!("ERP_TEST_DATABASE is sqlite or postgres, not {other}"),
    }
    config
}

/// Everything in the database, in text.
pub fn dump(url: &Secret) -> Vec<u8> {
    let program = binaries().expect("the server was started from there").join("pg_dump");
    let output = Command::new(program).arg(url.expose()).output().expect("pg_dump runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

async fn new_database() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(Server::start);
    let name = format!("test_{}", Uuid::now_v7().simple());
    let admin = Database::connect(server.url("postgres")).await.expect("the server answers");
    admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("made");
    admin.close().await.expect("closed");
    server.url(&name)
}

/// A server that lives as long as its standard input, which is as long as this process.
struct Server {
    port: u16,
    _watch: Child,
}

impl Server {
    fn start() -> Server {
        let bin = binaries().expect("initdb is installed where Debian or PATH has it");
        let dir = std::env::temp_dir().join(format!("erp-postgres-{}", Uuid::now_v7()));
        std::fs::create_dir(&dir).expect("a directory");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        // What a test commits need not survive a power cut.
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
             -c max_connections=500 -c fsync=off -c full_page_writes=off"
        );
        let script = format!(
            "set -e; cd {dir}; {bin}/initdb -D data -U erp -A trust -N >initdb.log 2>&1; \
             {bin}/pg_ctl -D data -o '{options}' -l server.log -w start >/dev/null; \
             touch ready; cat >/dev/null || true; \
             {bin}/pg_ctl -D data -m immediate stop >/dev/null; rm -rf {dir}",
            dir = dir.display(),
            bin = bin.display(),
        );
        let mut command = unprivileged(&dir);
        let watch = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let server = Server { port, _watch: watch.expect("a shell") };
        let begun = Instant::now();
        while !dir.join("ready").exists() {
            assert!(begun.elapsed() < START_LIMIT, "see {}", dir.display());
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://erp@127.0.0.1:{}/{database}", self.port)
    }
}

/// A shell; PostgreSQL refuses to run as root.
fn unprivileged(dir: &Path) -> Command {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    if id.stdout.trim_ascii() != b"0" {
        let mut shell = Command::new("sh");
        shell.arg("-c");
        return shell;
    }
    let owned = Command::new("chown").arg("postgres").arg(dir).status().expect("chown runs");
    assert!(owned.success(), "the package makes the user postgres");
    let mut shell = Command::new("setpriv");
    shell.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh", "-c"]);
    shell
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
