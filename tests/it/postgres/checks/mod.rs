//! The laws of the domain once more, asked of the tables of all modules at once and in words
//! of their own: what the product says of itself is not taken for granted here.
//!
//! For PostgreSQL only, where one query reads every schema. What is asked for holds once
//! every event has been delivered.

mod ledger;
mod money;
mod orders;
mod stock;

use contracts::events::SUBSCRIPTIONS;
use erp::gateway::MODULES;
use sea_orm::{
    ConnectionTrait, Database, DatabaseConnection, DbBackend, FromQueryResult, Statement,
    TransactionTrait,
};
use serde_json::json;

use crate::flows::{company, purchase_to_stock, quotation_to_cash};
use crate::harness::{Server, text};

/// A law: a query for what breaks it (a column `broken`, a row each), and a change that does.
pub struct Check {
    pub law: &'static str,
    pub broken: &'static str,
    pub fault: &'static str,
}

#[derive(FromQueryResult)]
struct Broken {
    broken: Option<String>,
}

fn all() -> impl Iterator<Item = &'static Check> {
    [stock::CHECKS, orders::CHECKS, money::CHECKS, ledger::CHECKS].into_iter().flatten()
}

async fn ask(conn: &impl ConnectionTrait, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let rows = Broken::find_by_statement(statement).all(conn).await;
    let rows = rows.unwrap_or_else(|e| panic!("{e}: {sql}"));
    rows.into_iter().map(|row| row.broken.unwrap_or_default()).collect()
}

/// Everything that is wrong in the database at `url`, a line each.
pub async fn broken(url: &str) -> Vec<String> {
    let db = Database::connect(url).await.expect("the database answers");
    let mut found = Vec::new();
    for check in all() {
        let rows = ask(&db, check.broken).await;
        found.extend(rows.iter().map(|row| format!("{}: {row}", check.law)));
    }
    found.extend(misapplied(&db).await);
    found.extend(unchained(&db).await);
    db.close().await.expect("closed");
    found
}

/// Events that somebody who hears them has not applied, and the other way round (E-4).
async fn misapplied(db: &DatabaseConnection) -> Vec<String> {
    let hears = SUBSCRIPTIONS.iter().flat_map(|(event, subscribers)| {
        subscribers.iter().map(move |subscriber| format!("('{event}', '{subscriber}')"))
    });
    let hears = hears.collect::<Vec<_>>().join(", ");
    let union = |column: &str, table: &str| {
        let of =
            |module| format!("SELECT '{module}' AS module, {column} AS id FROM {module}.{table}");
        MODULES.map(of).join(" UNION ALL ")
    };
    let published =
        MODULES.map(|module| format!("SELECT id, type FROM {module}.events")).join(" UNION ALL ");
    let applied = union("event_id", "inbox");
    let sql = format!(
        "WITH due AS (SELECT h.subscriber AS module, e.id FROM ({published}) e \
             JOIN (VALUES {hears}) AS h (type, subscriber) USING (type)), \
         applied AS ({applied}) \
         SELECT 'E-4: ' || module || ' has not applied ' || id AS broken \
             FROM (SELECT * FROM due EXCEPT SELECT * FROM applied) lost \
         UNION ALL SELECT 'E-4: ' || module || ' has applied ' || id \
             FROM (SELECT * FROM applied EXCEPT SELECT * FROM due) invented"
    );
    ask(db, &sql).await
}

/// Rows of the audit logs that do not continue their chain.
async fn unchained(db: &DatabaseConnection) -> Vec<String> {
    let mut found = Vec::new();
    for module in MODULES {
        let sql = format!(
            "SELECT 'A-5: {module} ' || chain || '/' || seq AS broken FROM (\
                 SELECT *, LAG(seq, 1, 0::bigint) OVER w AS last, LAG(hash, 1, '') OVER w AS end \
                 FROM {module}.audit_log WINDOW w AS (PARTITION BY chain ORDER BY seq)) a \
             WHERE seq <> last + 1 OR prev_hash <> a.end"
        );
        found.extend(ask(db, &sql).await);
    }
    found
}

/// What a query selects as `broken`.
pub async fn lines(url: &str, sql: &str) -> Vec<String> {
    let db = Database::connect(url).await.expect("the database answers");
    let rows = ask(&db, sql).await;
    db.close().await.expect("closed");
    rows
}

/// The number a query selects as `n`.
pub async fn count(url: &str, sql: &str) -> i64 {
    let rows = lines(url, &format!("SELECT n::text AS broken FROM ({sql}) q")).await;
    rows[0].parse().expect("a number")
}

/// Deadlocks the server has seen in the database.
pub async fn deadlocks(url: &str) -> i64 {
    let sql = "SELECT deadlocks AS n FROM pg_stat_database WHERE datname = current_database()";
    count(url, sql).await
}

/// Events that were applied, each for every module that did.
pub async fn deliveries(url: &str) -> i64 {
    let of = MODULES.map(|module| format!("(SELECT COUNT(*) FROM {module}.inbox)"));
    count(url, &format!("SELECT {} AS n", of.join(" + "))).await
}

/// Events that are still to be delivered.
pub async fn undelivered(url: &str) -> i64 {
    let of = MODULES.map(|module| format!("(SELECT COUNT(*) FROM {module}.outbox)"));
    count(url, &format!("SELECT {} AS n", of.join(" + "))).await
}

/// No check of a table and no trigger is in the way of what follows in the transaction.
const DISARM: &str = "SET LOCAL session_replication_role = replica; \
    DO $$ DECLARE r record; BEGIN FOR r IN SELECT conname, conrelid::regclass AS t \
    FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 LOOP \
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.t, r.conname); END LOOP; END $$";

#[tokio::test(flavor = "multi_thread")]
async fn each_check_finds_a_fault_and_nothing_before_it() {
    if !test_support::available("postgres") {
        return;
    }
    let server = Server::start_on_postgres(&[]).await;
    busy(&server).await;
    server.assert_invariants().await;
    let url = server.database().expect("on PostgreSQL");
    assert_eq!(broken(&url).await, [""; 0]);
    server.stop().await;

    let db = Database::connect(&url).await.expect("the database answers");
    for check in all() {
        let tx = db.begin().await.expect("a transaction");
        tx.execute_unprepared(DISARM).await.expect("disarmed");
        let changed = tx.execute_unprepared(check.fault).await;
        let changed = changed.unwrap_or_else(|e| panic!("{e}: {}", check.fault)).rows_affected();
        assert!(changed > 0, "{} has nothing to break: {}", check.law, check.fault);
        assert!(!ask(&tx, check.broken).await.is_empty(), "{} missed {}", check.law, check.fault);
        tx.rollback().await.expect("undone");
    }
    let forgotten = "DELETE FROM billing.inbox WHERE event_id = \
                     (SELECT event_id FROM billing.inbox LIMIT 1)";
    db.execute_unprepared(forgotten).await.expect("the inbox may forget");
    assert_eq!(misapplied(&db).await.len(), 1);
    db.close().await.expect("closed");
}

/// A little of everything, so that there is something to break.
async fn busy(server: &Server) {
    let api = &server.api;
    let company = company(api).await;
    purchase_to_stock(api, &company).await.expect("the flow");
    let (order_id, invoice_id) = quotation_to_cash(api, &company).await.expect("the flow");
    let path = format!("/api/v1/billing/invoices/{invoice_id}/credit-notes");
    let note = api.post(&path, json!({"reason": "Broken in transit"})).await.ok();
    let back = json!({
        "credit_note_id": note["id"], "amount": {"amount": "1.00", "currency": "EUR"},
        "method": "cash", "reason": "Broken in transit"
    });
    api.post("/api/v1/billing/refunds", back.clone()).await.ok();
    let lost = api.post("/api/v1/billing/refunds", back).await.ok();
    let path = format!("/api/v1/billing/refunds/{}/reverse", text(&lost["id"]));
    api.post(&path, json!({"reason": "The account was closed"})).await.ok();
    let path = format!("/api/v1/orders/orders/{order_id}");
    let order = api.get(&path).await.ok();
    let back = json!({"reason": "Broken in transit", "lines": [{
        "order_line_id": order["lines"][0]["id"], "quantity": "1", "restock": true
    }]});
    api.post(&format!("{path}/returns"), back).await.ok();

    let new = json!({
        "customer_id": company.customer_id, "warehouse_id": company.warehouse_id,
        "lines": [{"product_id": company.product_ids[0], "quantity": "3"}]
    });
    for ending in ["confirm", "cancel"] {
        let order = api.post("/api/v1/orders/orders", new.clone()).await.ok();
        let path = format!("/api/v1/orders/orders/{}", text(&order["id"]));
        api.act(&format!("{path}/{ending}"), &order).await.ok();
    }
}
