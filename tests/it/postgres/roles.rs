//! `erp migrate --create`: each module's role owns its schema and can reach nothing else.

use std::collections::BTreeMap;

use erp::gateway::MODULES;
use kernel::config::{Secret, SqlConfig};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use test_support::PostgresServer;

use super::{connect, encode, erp_with, said};
use crate::cli::{Dir, complaint};
use crate::flows::{company, purchase_to_stock, quotation_to_cash};
use crate::harness::Server;
use crate::topology::Topology;

/// Whoever quotes badly shows it here.
const ADMIN: (&str, &str) = ("the \"operator\"", "o'p\\s/#@%");

/// A server that asks everybody but its superuser for a password, with an admin as hosted
/// servers have them: no superuser.
struct Hosted {
    server: PostgresServer,
    dir: Dir,
}

impl Hosted {
    async fn start() -> Hosted {
        let dir = Dir::new();
        let rules = dir.0.join("pg_hba.conf");
        let text = "host all erp 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(&rules, text).expect("written");
        let server = PostgresServer::start(&[&format!("hba_file='{}'", rules.display())]);
        let superuser = connect(&server.url("postgres")).await;
        let sql = "CREATE ROLE \"the \"\"operator\"\"\" LOGIN CREATEDB CREATEROLE \
                   PASSWORD 'o''p\\s/#@%'";
        superuser.execute_unprepared(sql).await.expect("made");
        Hosted { server, dir }
    }

    fn url(&self, (user, password): (&str, &str), database: &str) -> String {
        let host = self.server.url("");
        let host = host.rsplit('@').next().expect("it names a host");
        format!("postgres://{}:{}@{host}{}", encode(user), encode(password), encode(database))
    }

    fn admin(&self) -> String {
        self.url(ADMIN, "postgres")
    }

    /// A role and a password for each module, and for each the database that `database` says.
    fn strings(&self, database: impl Fn(&str) -> String) -> BTreeMap<&'static str, String> {
        let url = |module| {
            let (user, password) = (format!("it's \"{module}\""), format!("{module}'s \\\"$1@/#%"));
            (module, self.url((&user, &password), &database(module)))
        };
        MODULES.into_iter().map(url).collect()
    }

    fn create(&self, strings: &BTreeMap<&'static str, String>) -> std::process::Output {
        let urls: Vec<_> = strings.iter().map(|(module, url)| (*module, url.as_str())).collect();
        let admin = self.admin();
        erp_with(&self.dir, &["migrate", "--create"], &urls, &[("ERP__SQL__ADMIN", &admin)])
    }
}

fn config(strings: &BTreeMap<&'static str, String>) -> SqlConfig {
    let named = |(module, url): (&&str, &String)| (format!("{module}_db"), Secret::new(url));
    SqlConfig {
        connection_strings: strings.iter().map(named).collect(),
        max_connections: 5,
        ..SqlConfig::default()
    }
}

/// The error says that the role may not.
#[track_caller]
fn assert_denied<T>(result: Result<T, DbErr>, what: &str) {
    let Err(error) = result else { panic!("{what} is allowed") };
    assert!(error.to_string().contains("permission denied"), "{what}: {error}");
}

/// Tries everything one module could want of another's schema in the same database.
async fn assert_kept_apart(own: &DatabaseConnection, module: &str, other: &str) {
    for attempt in [
        format!("SELECT * FROM {other}.audit_log"),
        format!("CREATE TABLE {module}.linked (id BIGINT REFERENCES {other}.audit_log (id))"),
        format!(
            "INSERT INTO {other}.inbox (event_id, type, applied_at) \
             VALUES (gen_random_uuid(), 'x', now())"
        ),
        format!("DELETE FROM {other}.outbox"),
        format!("CREATE TABLE {other}.planted (id BIGINT)"),
        "CREATE TABLE public.planted (id BIGINT)".to_owned(),
        "CREATE SCHEMA planted".to_owned(),
        "CREATE TEMPORARY TABLE planted (id BIGINT)".to_owned(),
    ] {
        assert_denied(own.execute_unprepared(&attempt).await, &format!("{module}: {attempt}"));
    }
}

/// What it may do at home, of which nothing else follows.
async fn assert_at_home(own: &DatabaseConnection) {
    for allowed in [
        "SELECT * FROM audit_log",
        "CREATE TABLE mine (id BIGINT PRIMARY KEY)",
        "INSERT INTO mine VALUES (1)",
        "DROP TABLE mine",
    ] {
        own.execute_unprepared(allowed).await.expect(allowed);
    }
}

async fn assert_a_company_works(strings: &BTreeMap<&'static str, String>) {
    let server = Server::start_on(config(strings), Topology::OneProcess, &[]).await;
    let company = company(&server.api).await;
    quotation_to_cash(&server.api, &company).await.expect("the flow");
    purchase_to_stock(&server.api, &company).await.expect("the flow");
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn six_schemas_of_a_database_are_kept_apart() {
    if !test_support::available("postgres") {
        return;
    }
    let hosted = Hosted::start().await;
    let strings = hosted.strings(|_| "the company's \"books\"".to_owned());
    let first = said(&hosted.create(&strings));
    assert!(first.contains("orders      ran 0001 common"), "{first}");
    let again = said(&hosted.create(&strings));
    assert!(again.contains("orders      is up to date"), "{again}");
    assert!(!first.contains("'s \\\"$1") && !first.contains(ADMIN.1), "{first}");

    for module in MODULES {
        let own = connect(&strings[module]).await;
        assert_at_home(&own).await;
        for other in MODULES.into_iter().filter(|other| *other != module) {
            assert_kept_apart(&own, module, other).await;
        }
        let reach = kernel::db::inspect(module, &config(&strings)).await.expect("it connects");
        let reach = reach.expect("it has a string");
        assert_eq!((reach.owns_schema, reach.others.as_slice()), (Some(true), &[] as &[String]));
    }
    assert_a_company_works(&strings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn six_databases_are_kept_apart() {
    if !test_support::available("postgres") {
        return;
    }
    let hosted = Hosted::start().await;
    let strings = hosted.strings(|module| format!("{module} \"db\""));
    said(&hosted.create(&strings));
    said(&hosted.create(&strings));

    for module in MODULES {
        assert_at_home(&connect(&strings[module]).await).await;
        for other in MODULES.into_iter().filter(|other| *other != module) {
            let (user, password) = (format!("it's \"{module}\""), format!("{module}'s \\\"$1@/#%"));
            let url = hosted.url((&user, &password), &format!("{other} \"db\""));
            assert_denied(sea_orm::Database::connect(url).await, &format!("{module} in {other}"));
        }
    }
    assert_a_company_works(&strings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_and_what_one_role_made_for_all_are_taken_over() {
    if !test_support::available("postgres") {
        return;
    }
    let hosted = Hosted::start().await;
    // As the tests at large run: one role for everything, here one that the admin belongs to.
    let superuser = connect(&hosted.server.url("postgres")).await;
    for sql in [
        "CREATE ROLE everything LOGIN PASSWORD 'one for all'",
        "GRANT everything TO \"the \"\"operator\"\"\"",
        "CREATE DATABASE books OWNER \"the \"\"operator\"\"\"",
        "GRANT CREATE ON DATABASE books TO everything",
    ] {
        superuser.execute_unprepared(sql).await.expect(sql);
    }
    let all = hosted.url(("everything", "one for all"), "books");
    let shared = MODULES.into_iter().map(|module| (module, all.clone())).collect();
    assert_a_company_works(&shared).await;

    let mut strings = hosted.strings(|_| "books".to_owned());
    said(&hosted.create(&strings));
    assert_denied(sea_orm::Database::connect(&all).await, "the role that made everything");
    let new = hosted.url(("it's \"orders\"", "new"), "books");
    strings.insert("orders", new);
    said(&hosted.create(&strings));
    for module in MODULES {
        assert_at_home(&connect(&strings[module]).await).await;
    }
    assert_a_company_works(&strings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_cannot_be_kept_apart_are_refused_by_name() {
    if !test_support::available("postgres") {
        return;
    }
    let hosted = Hosted::start().await;
    let check = |strings: &BTreeMap<&'static str, String>, expected: &[&str]| {
        let text = complaint(&hosted.create(strings));
        for part in expected {
            assert!(text.contains(part), "{text} does not say {part}");
        }
        assert!(!text.contains("internal_error") && !text.contains(ADMIN.1), "{text}");
    };
    let mut strings = hosted.strings(|_| "books".to_owned());
    strings.insert("sales", strings["orders"].clone());
    check(&strings, &["sales_db", "orders_db"]);
    strings.insert("sales", hosted.admin());
    check(&strings, &["sales_db", "admin"]);
    strings.insert("sales", hosted.url(("erp", "any"), "books"));
    check(&strings, &["role erp", "more"]);
    strings.insert("sales", "postgres://sales:any@elsewhere/books".to_owned());
    check(&strings, &["sales_db", "elsewhere"]);

    // An admin who may not.
    let strings = hosted.strings(|_| "books".to_owned());
    let superuser = connect(&hosted.server.url("postgres")).await;
    let sql = "ALTER ROLE \"the \"\"operator\"\"\" NOCREATEROLE";
    superuser.execute_unprepared(sql).await.expect("altered");
    check(&strings, &["sql.admin", "auth", "permission denied"]);
    assert!(!hosted.server.log().contains("auth's"), "{}", hosted.server.log());
}
