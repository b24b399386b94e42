//! The command line: what it prints, and one clear line when something is wrong.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use crate::crash::Process;

/// A directory of its own, removed when dropped.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Dir {
        let dir = std::env::temp_dir().join(format!("erp-cli-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).expect("a directory");
        Dir(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the executable in `dir`, so that no settings file of the checkout is read.
pub fn erp(dir: &Dir, args: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_erp"))
        .args(args)
        .current_dir(&dir.0)
        .envs(env.iter().copied())
        .output()
        .expect("the executable runs")
}

/// The only line on stderr of a command that failed.
#[track_caller]
pub fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let text = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn a_bad_setting_is_named_with_where_it_came_from() {
    let dir = Dir::new();
    let check = |args: &[&str], env: &[(&str, &str)], expected: &[&str]| {
        let text = complaint(&erp(&dir, args, env));
        for part in expected {
            assert!(text.contains(part), "{text} does not say {part}");
        }
    };
    check(&["serve", "--bind", "nowhere"], &[], &["server.bind"]);
    check(&["serve", "--config", "no-such.toml"], &[], &["no-such.toml"]);
    check(
        &["serve"],
        &[("ERP__DATA__READ_CONNECTIONS", "many")],
        &["data.read_connections", "ERP__DATA__READ_CONNECTIONS"],
    );
    check(&["serve"], &[("ERP__SERVER__BNID", "x")], &["bnid"]);
    check(&["serve"], &[("ERP__COMPANY__CURRENCY", "XYZ")], &["company.currency"]);
    check(&["serve"], &[("Jwt__SecretKey", "too short")], &["jwt.secret_key", "32"]);
    check(&["check-config"], &[("ERP__SALES__EXPIRY", "1")], &["expiry"]);
    check(&["serve"], &[("ERP__MODULES", "[\"sails\"]")], &["sails"]);
    std::fs::write(dir.0.join("config.toml"), "[server\n").expect("written");
    check(&["serve"], &[], &["config.toml"]);
}

#[test]
fn a_module_setting_that_serve_would_refuse_is_refused_by_all_who_look() {
    let dir = Dir::new();
    for (name, value, key) in [
        ("ERP__AUTH__ACCESS_TOKEN_TTL_S", "100000", "auth.access_token_ttl_s: must be 1 to 900"),
        ("ERP__AUTH__REFRESH_TOKEN_TTL_S", "0", "auth.refresh_token_ttl_s: must be 1 to"),
        ("ERP__AUTH__PASSWORD_MIN_CHARS", "1", "auth.password_min_chars: must be 8 to 128"),
        ("ERP__AUTH__ADMIN_PASSWORD", "short", "auth.admin_password: must have 8 to"),
        ("ERP__AUTH__ENCRYPTION_KEY", "zzz", "auth.encryption_key: must be 32 random bytes"),
        (
            "ERP__AUTH__SEGREGATION",
            "[[\"a\", \"b\"]]",
            "auth.segregation: there is no permission a",
        ),
        ("ERP__AUTH__ARGON2_MEMORY_KIB", "0", "auth.argon2_memory_kib, auth.argon2_iterations: "),
        (
            "ERP__AUTH__PASSKEYS__ORIGINS",
            "[\"https://a\"]",
            "auth.passkeys.rp_id: must name a host",
        ),
        ("ERP__INVENTORY__EXPIRY_INTERVAL_S", "0", "inventory.expiry_interval_s: must be 1"),
        ("ERP__ORDERS__HOLD_TTL_S", "59", "orders.hold_ttl_s: must be 60 to 86400"),
        ("ERP__SALES__QUOTATION_VALIDITY_DAYS", "99999", "sales.quotation_validity_days: "),
        ("ERP__SERVER__CLIENT_BODY_TIMEOUT_S", "0", "server.client_body_timeout_s: must be 1"),
        ("ERP__EVENTS__BATCH", "0", "events.batch: must be 1 to 1000"),
    ] {
        let env = [(name, value)];
        for args in [&["serve", "--bind", "127.0.0.1:0"] as &[_], &["check-config"]] {
            let text = complaint(&erp(&dir, args, &env));
            assert!(text.contains(key), "{args:?} {name}: {text}");
            let from = match key {
                _ if key.contains(", ") => "", // Of two nobody can say which it is.
                _ if key.starts_with("auth.passkeys") => "(the default)",
                _ => name,
            };
            assert!(text.contains(from), "{args:?} {name}: {text}");
        }
        let doctor = erp(&dir, &["doctor", "--bind", "127.0.0.1:0"], &env);
        let text =
            String::from_utf8_lossy(&doctor.stdout) + String::from_utf8_lossy(&doctor.stderr);
        assert!(!doctor.status.success() && text.contains(key), "doctor {name}: {text}");
    }
    // What is not mounted here is another's to check.
    let env = [("ERP__MODULES", "[\"sales\"]"), ("ERP__ORDERS__HOLD_TTL_S", "1")];
    assert!(erp(&dir, &["check-config"], &env).status.success());
}

#[test]
fn nobody_minds_a_reader_who_has_seen_enough() {
    let dir = Dir::new();
    for args in [&["check-config"] as &[_], &["completions", "bash"], &["routes"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_erp"));
        let output = command.args(args).current_dir(&dir.0).stdout(writer).output();
        let output = output.expect("the executable runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.is_empty(), "{args:?}: {text}");
    }
}

#[test]
fn whoever_signs_in_says_who_they_are_before_the_command_or_after_it() {
    let dir = Dir::new();
    let url = ["--url", "http://127.0.0.1:1"];
    for command in [&["audit", "verify"] as &[_], &["events", "list"]] {
        let text = complaint(&erp(&dir, &[command, &url].concat(), &[]));
        assert!(text.contains("give --password or ERP_DEMO_PASSWORD"), "{text}");
        // Nobody listens there: the password was taken.
        let text = complaint(&erp(&dir, &[command, &url, &["--password", "x"]].concat(), &[]));
        assert!(text.contains("signing in"), "{text}");
    }
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let dir = Dir::new();
    let file = dir.0.join("a-file");
    std::fs::write(&file, "").expect("written");
    let path = file.join("data");
    let args = ["serve", "--bind", "127.0.0.1:0", "--data-dir", path.to_str().expect("UTF-8")];
    let text = complaint(&erp(&dir, &args, &[]));
    assert!(text.contains("data.dir") && text.contains("a-file"), "{text}");
}

#[test]
fn a_port_in_use_is_named() {
    let dir = Dir::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let text = complaint(&erp(&dir, &["serve", "--bind", &address], &[]));
    assert!(text.contains("server.bind") && text.contains(&address), "{text}");
}

#[test]
fn the_routing_table_has_a_row_a_module() {
    let dir = Dir::new();
    let output = erp(&dir, &["routes", "--format", "json"], &[]);
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(rows.as_array().map(Vec::len), Some(6));
    assert_eq!(rows[0]["prefix"], "/api/v1/auth");
    assert_eq!(rows[0]["target"], "local");
}

#[test]
fn secrets_are_not_printed_with_the_settings() {
    let dir = Dir::new();
    let output = erp(&dir, &["check-config"], &[("ERP__REDIS__PASSWORD", "do not tell anyone")]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("***"), "{text}");
    assert!(!text.contains("do not tell"), "{text}");
}

#[test]
fn each_process_gets_a_key_of_its_own_and_knows_the_others() {
    let dir = Dir::new();
    let made = erp(&dir, &["service-keys", "--dir", "keys", "core=auth,billing,inventory"], &[]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let files: Vec<_> = ["core", "gateway", "orders", "purchasing", "sales"]
        .map(|name| dir.0.join(format!("keys/{name}.toml")))
        .into();
    assert_eq!(std::fs::read_dir(dir.0.join("keys")).expect("a directory").count(), files.len());
    let mut known = Vec::new();
    for file in &files {
        let mode = std::fs::metadata(file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let file = file.to_str().expect("UTF-8");
        let checked = erp(&dir, &["check-config", "--config", file], &[]);
        let settings: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
        assert_eq!(settings["internal"]["key"], "***");
        known.push(settings["internal"]["callers"].clone());
    }
    assert!(known.iter().all(|callers| *callers == known[0]));
    let callers = known[0].as_object().expect("callers");
    assert_eq!(callers.len(), 7, "{callers:?}");
    assert_eq!(callers["auth"], callers["billing"]);
    assert_ne!(callers["auth"], callers["orders"]);
    // Once more, nobody gets another.
    let before = std::fs::read(&files[0]).expect("read");
    assert!(
        erp(&dir, &["service-keys", "--dir", "keys", "core=auth,billing,inventory"], &[])
            .status
            .success()
    );
    assert_eq!(std::fs::read(&files[0]).expect("read"), before);
    let refused = erp(&dir, &["service-keys", "core=nobody"], &[]);
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && text.contains("nobody is none of auth"), "{text}");
}

#[test]
fn the_doctor_finds_what_is_missing() {
    let dir = Dir::new();
    let healthy = erp(&dir, &["doctor", "--bind", "127.0.0.1:0"], &[]);
    assert!(healthy.status.success(), "{}", String::from_utf8_lossy(&healthy.stdout));
    let alone = erp(&dir, &["doctor", "--bind", "127.0.0.1:0"], &[("ERP__MODULES", "[\"sales\"]")]);
    assert!(!alone.status.success());
    let text = String::from_utf8_lossy(&alone.stdout);
    assert!(text.contains("MISSING billing"), "{text}");
    // A port that nobody listens on.
    let redis = ("ERP__REDIS__URL", "redis://:s3cret@127.0.0.1:1");
    let lonely = erp(&dir, &["doctor", "--bind", "127.0.0.1:0"], &[redis]);
    let text = String::from_utf8_lossy(&lonely.stdout);
    assert!(
        !lonely.status.success() && text.contains("MISSING redis       127.0.0.1:1: "),
        "{text}"
    );
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn the_doctor_asks_redis() {
    let settings: Vec<_> = test_support::redis_settings("");
    if settings.is_empty() {
        return;
    }
    let named = settings
        .iter()
        .map(|(key, value)| (format!("ERP__{}", key.replace('.', "__").to_uppercase()), value));
    let named: Vec<_> = named.collect();
    let named: Vec<_> = named.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let output = erp(&Dir::new(), &["doctor", "--bind", "127.0.0.1:0"], &named);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("ok      redis       127.0.0.1:"), "{text}");
}

#[test]
fn health_is_what_the_server_of_these_settings_says() {
    let dir = Dir::new();
    let process = Process::start(&dir.0);
    let port = process.base.rsplit(':').next().expect("a port").to_owned();
    // Whoever listens everywhere is asked over loopback.
    for bind in ["127.0.0.1", "0.0.0.0"].map(|ip| format!("{ip}:{port}")) {
        for args in [&["health", "--bind", &bind] as &[_], &["health", "--live", "--bind", &bind]] {
            let output = erp(&dir, args, &[]);
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("\"status\":\"ok\""), "{text}");
        }
    }
    process.kill();
    let bind = format!("127.0.0.1:{port}");
    assert!(complaint(&erp(&dir, &["health", "--bind", &bind], &[])).contains(&bind));
}

#[test]
fn a_connection_string_is_named_and_not_repeated() {
    let dir = Dir::new();
    let check = |env: &[(&str, &str)], expected: &[&str]| {
        let text = complaint(&erp(&dir, &["serve"], env));
        for part in expected {
            assert!(text.contains(part), "{text} does not say {part}");
        }
        assert!(!text.contains("s3cret"), "{text}");
    };
    check(
        &[("Sql__ConnectionStrings__OrdersDb", "mysql://u:s3cret@h/d")],
        &["sql.connection_strings.orders_db", "Sql__ConnectionStrings__OrdersDb", "postgres://"],
    );
    check(
        &[("ERP__SQL__CONNECTION_STRINGS__ORDERS_DB", "postgres://u:s3#s3cret@h/d")],
        &["ERP__SQL__CONNECTION_STRINGS__ORDERS_DB", "percent-encoded"],
    );
    check(&[("SQL__CONNECTIONSTRINGS__ODRERSDB", "postgres://u:s3cret@h/d")], &["odrers_db"]);
    check(&[("ERP__SQL__ADMIN", "u:s3cret@h")], &["sql.admin", "ERP__SQL__ADMIN"]);
    check(&[("ERP__SQL__POOLS__ODRERS", "3")], &["sql.pools.odrers"]);
    check(&[("ERP__SQL__POOLS__ORDERS", "0")], &["sql.pools.orders"]);
    check(&[("ERP__SQL__TLS", "verify")], &["sql.tls", "verify-full"]);
    check(&[("ERP__SQL__TLS_ROOT_CERT", "no-such.pem")], &["tls_root_cert", "no-such.pem"]);

    let url = "postgres://u:s3cret@h/d";
    let output = erp(
        &dir,
        &["check-config"],
        &[("sql__connectionstrings__ordersdb", url), ("ERP__SQL__ADMIN", url)],
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("\"orders_db\": \"***\""), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn migrate_prepares_a_directory_and_says_what_it_did() {
    let dir = Dir::new();
    let run = |args: &[&str]| erp(&dir, &[&["migrate", "--data-dir", "books"], args].concat(), &[]);
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();

    let before = run(&["--check"]);
    assert!(complaint(&before).contains("6 schema(s) not up to date"));
    assert!(said(&before).contains("billing     pending: 0001 common"), "{}", said(&before));
    assert!(!dir.0.join("books").exists(), "a check changes nothing");

    let first = run(&[]);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert!(said(&first).contains("billing     ran 0001 common"), "{}", said(&first));
    assert!(dir.0.join("books/billing.db").exists());

    for args in [&[] as &[_], &["--check"]] {
        let again = run(args);
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        assert_eq!(said(&again).matches("is up to date").count(), 6, "{}", said(&again));
    }
    assert!(complaint(&run(&["--create"])).contains("sql.admin"));
}

#[test]
fn completions_are_printed_for_a_shell() {
    let dir = Dir::new();
    let output = erp(&dir, &["completions", "bash"], &[]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("check-config"));
}

#[test]
fn sigterm_ends_the_server_cleanly() {
    let dir = Dir::new();
    let mut process = Process::start(&dir.0);
    let pid = process.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    let deadline = Instant::now() + Duration::from_secs(15);
    let status = loop {
        match process.child.try_wait().expect("it can be waited for") {
            Some(status) => break status,
            None => assert!(Instant::now() < deadline, "the server does not stop"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success(), "{status}");
}
