//! Connections secured by setting: who cannot be verified is refused, with the reason.

use std::path::{Path, PathBuf};
use std::process::Command;

use erp::gateway::MODULES;
use kernel::config::{SqlConfig, Tls};
use sea_orm::{DbBackend, FromQueryResult, Statement};
use serde_json::json;
use test_support::PostgresServer;

use super::{connect, erp_with};
use crate::cli::{Dir, complaint};
use crate::harness::Server;
use crate::topology::Topology;

fn openssl(dir: &Path, args: &[&str]) {
    let output = Command::new("openssl").args(args).current_dir(dir).output();
    let output = output.expect("openssl runs; the package postgresql brings it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// An authority of the test's own: `name.pem` and `name.key`.
fn authority(dir: &Path, name: &str) -> PathBuf {
    let (pem, key) = (format!("{name}.pem"), format!("{name}.key"));
    let subject = format!("/CN={name}");
    let own = ["-x509", "-days", "2", "-keyout", &key, "-out", &pem, "-subj", &subject];
    openssl(dir, &[&["req"] as &[_], &KEY, &own].concat());
    dir.join(pem)
}

/// A server whose certificate is of that authority and for `localhost` alone.
fn secured(dir: &Path, authority: &str) -> PostgresServer {
    std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost\n").expect("written");
    let request = ["-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"];
    openssl(dir, &[&["req"] as &[_], &KEY, &request].concat());
    let (pem, key) = (format!("{authority}.pem"), format!("{authority}.key"));
    openssl(
        dir,
        &[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            &pem,
            "-CAkey",
            &key,
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
            "-out",
            "server.pem",
        ],
    );
    // The server reads no key that others can. Where the tests run as root it is another user.
    let own = "chmod 600 server.key && { [ $(id -u) != 0 ] || chown postgres server.key; }";
    let owned = Command::new("sh").args(["-c", own]).current_dir(dir).status();
    assert!(owned.expect("a shell").success());
    let (pem, key) = (dir.join("server.pem"), dir.join("server.key"));
    PostgresServer::start(&[
        "ssl=on",
        &format!("ssl_cert_file='{}'", pem.display()),
        &format!("ssl_key_file='{}'", key.display()),
    ])
}

/// The server's address under another name, with a password that must not be seen.
fn at(server: &PostgresServer, host: &str, database: &str) -> String {
    server.url(database).replace("erp@127.0.0.1", &format!("erp:s3cret@{host}"))
}

#[derive(FromQueryResult)]
struct Secured {
    versions: String,
    plain: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_verified_is_talked_to_in_tls_alone() {
    if !test_support::available("postgres") {
        return;
    }
    let dir = Dir::new();
    let root = authority(&dir.0, "ours");
    let server = secured(&dir.0, "ours");
    let plain = server.create_database(None).await;
    let name = plain.rsplit('/').next().expect("its name is the last part");
    let sql = SqlConfig {
        tls: Tls::VerifyFull,
        tls_root_cert: root.clone(),
        ..test_support::config(&MODULES, &at(&server, "localhost", name))
    };
    let settings = [("sql.tls", json!("verify-full")), ("sql.tls_root_cert", json!(root))];
    let running = Server::start_on(sql.clone(), Topology::OneProcess, &settings).await;
    let found = format!(
        "SELECT string_agg(DISTINCT version, ' ') AS versions, \
         COUNT(*) FILTER (WHERE NOT ssl) AS plain FROM pg_stat_ssl JOIN pg_stat_activity \
         USING (pid) WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    );
    let observer = connect(&plain).await;
    let statement = Statement::from_string(DbBackend::Postgres, found);
    let found = Secured::find_by_statement(statement).one(&observer).await;
    let found = found.expect("the server answers").expect("a row");
    assert!(["TLSv1.3", "TLSv1.2"].contains(&found.versions.as_str()), "{}", found.versions);
    assert_eq!(found.plain, 0);
    running.stop().await;

    let reach = kernel::db::inspect("orders", &sql).await.expect("it connects");
    assert_eq!(reach.and_then(|reach| reach.tls), Some(found.versions));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_verified_is_refused_with_the_reason() {
    if !test_support::available("postgres") {
        return;
    }
    let dir = Dir::new();
    let (ours, theirs) = (authority(&dir.0, "ours"), authority(&dir.0, "theirs"));
    let (ours, theirs) = (ours.to_str().expect("UTF-8"), theirs.to_str().expect("UTF-8"));
    let server = secured(&dir.0, "ours");
    let bare = PostgresServer::start(&[]);
    let run = |url: &str, more: &[(&str, &str)]| {
        let env = [&[("ERP__MODULES", "[\"orders\"]")], more].concat();
        erp_with(&dir, &["migrate", "--check"], &[("orders", url)], &env)
    };
    let refused = |url: &str, more: &[(&str, &str)], reason: &str| {
        let text = complaint(&run(url, more));
        for part in ["orders_db", reason] {
            assert!(text.contains(part), "{text} does not say {part}");
        }
        assert!(!text.contains("internal_error") && !text.contains("s3cret"), "{text}");
    };
    let full = ("ERP__SQL__TLS", "verify-full");
    let root = |path| ("ERP__SQL__TLS_ROOT_CERT", path);
    let good = at(&server, "localhost", "postgres");

    // It answers whom it should: what is pending is all there is to complain of.
    let text = complaint(&run(&good, &[full, root(ours)]));
    assert!(text.contains("not up to date"), "{text}");
    let in_string = format!("{good}?sslmode=verify-full&sslrootcert={ours}");
    let text = complaint(&run(&in_string, &[]));
    assert!(text.contains("not up to date"), "{text}");

    refused(&good, &[full, root(theirs)], "UnknownIssuer");
    refused(&good, &[full], "UnknownIssuer");
    refused(&at(&server, "127.0.0.1", "postgres"), &[full, root(ours)], "not valid for name");
    refused(&at(&bare, "localhost", "postgres"), &[full, root(ours)], "does not support TLS");
    let require = ("ERP__SQL__TLS", "require");
    refused(&at(&bare, "localhost", "postgres"), &[require], "does not support TLS");
    refused(&format!("{good}?sslmode=disable"), &[full], "UnknownIssuer");
}
