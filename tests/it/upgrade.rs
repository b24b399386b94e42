//! Today's migrations on what the previous version left behind: a company in the middle of
//! its work, in SQLite and in PostgreSQL.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use erp::gateway::MODULES;
use kernel::config::SqlConfig;
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use crate::cli::Dir;
use crate::flows::{Company, company, purchase_to_stock, quotation_to_cash};
use crate::harness::{Api, Server, text};
use crate::topology::Topology;

/// The version whose data are kept.
const PREVIOUS: &str = "0.1";

fn fixture(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fixtures.join(format!("version-{PREVIOUS}")).join(name)
}

/// What is finished, and of everything one that is not: the work a new version takes over.
async fn fill(api: &Api) {
    let company = company(api).await;
    for _ in 0..2 {
        quotation_to_cash(api, &company).await.expect("the flow");
        purchase_to_stock(api, &company).await.expect("the flow");
    }
    begin_work(api, &company).await;
}

/// A quotation that is sent, an order that is confirmed, a shipment that is packed, a
/// purchase that is on its way.
async fn begin_work(api: &Api, company: &Company) {
    let lines = json!([{"product_id": company.product_ids[0], "quantity": "3"}]);
    let sale = json!({
        "customer_id": company.customer_id, "warehouse_id": company.warehouse_id, "lines": lines
    });
    let quotation = api.post("/api/v1/sales/quotations", sale.clone()).await.ok();
    act(api, "sales/quotations", &quotation, "send").await;

    let order = api.post("/api/v1/orders/orders", sale.clone()).await.ok();
    act(api, "orders/orders", &order, "confirm").await;
    let order = api.post("/api/v1/orders/orders", sale).await.ok();
    act(api, "orders/orders", &order, "confirm").await;
    let path = format!("/api/v1/orders/orders/{}/shipments", text(&order["id"]));
    api.post(&path, json!({})).await.ok();

    let lines = json!([
        {"product_id": company.product_ids[1], "quantity": "20", "unit_price": "4.10"}
    ]);
    let purchase = json!({
        "supplier_id": company.supplier_id, "warehouse_id": company.warehouse_id, "lines": lines
    });
    let purchase = api.post("/api/v1/purchasing/purchase-orders", purchase).await.ok();
    let purchase = act(api, "purchasing/purchase-orders", &purchase, "approve").await;
    act(api, "purchasing/purchase-orders", &purchase, "send").await;
}

async fn act(api: &Api, resources: &str, resource: &Value, action: &str) -> Value {
    let path = format!("/api/v1/{resources}/{}/{action}", text(&resource["id"]));
    api.act(&path, resource).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes the data of this version anew; see CONTRIBUTING.md"]
async fn record_the_data_of_this_version() {
    let sql = test_support::sql(&MODULES).await;
    let server = Server::start_on(sql.clone(), Topology::OneProcess, &[]).await;
    fill(&server.api).await;
    server.assert_invariants().await;

    std::fs::create_dir_all(fixture("")).expect("a directory");
    match sql.connection_strings.values().next() {
        Some(url) => {
            // Statements instead of COPY: a test restores them through its own connection.
            let output = Command::new("pg_dump")
                .args(["--inserts", "--rows-per-insert=50", "--no-owner", "--no-privileges"])
                .arg(url.expose())
                .output()
                .expect("pg_dump runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            // What the client psql alone understands.
            let dump = String::from_utf8(output.stdout).expect("UTF-8");
            let lines: Vec<_> = dump.lines().filter(|line| !line.starts_with('\\')).collect();
            write(&fixture("postgres.sql.gz"), lines.join("\n").as_bytes());
        }
        None => {
            for module in MODULES {
                let copy = server.data_dir.join(format!("{module}.copy"));
                let file = server.data_dir.join(format!("{module}.db"));
                let db = Database::connect(format!("sqlite://{}", file.display())).await;
                let vacuum = format!("VACUUM INTO '{}'", copy.display());
                db.expect("the file opens").execute_unprepared(&vacuum).await.expect("copied");
                let bytes = std::fs::read(&copy).expect("a file");
                write(&fixture(&format!("{module}.db.gz")), &bytes);
            }
        }
    }
    server.stop().await;
}

/// The first of a list, or of those of it with a status.
async fn first(api: &Api, path: &str) -> Value {
    let page = api.get(&format!("/api/v1/{path}")).await.ok();
    assert!(page["data"][0].is_object(), "{path} has none: {page}");
    page["data"][0].clone()
}

/// Takes over the company: finishes what was begun, and does as much again.
async fn work_on(server: &Server) {
    let api = &server.api;
    server.assert_invariants().await;
    let products = api.get("/api/v1/inventory/products").await.ok();
    let products = products["data"].as_array().expect("products");
    let company = Company {
        warehouse_id: text(&first(api, "inventory/warehouses").await["id"]),
        product_ids: products.iter().map(|product| text(&product["id"])).collect(),
        customer_id: text(&first(api, "sales/customers").await["id"]),
        supplier_id: text(&first(api, "purchasing/suppliers").await["id"]),
    };
    assert_eq!(company.product_ids.len(), 3);

    let shipment = first(api, "orders/shipments?status=packed").await;
    act(api, "orders/shipments", &shipment, "ship").await;
    let order = first(api, "orders/orders?status=confirmed").await;
    let path = format!("/api/v1/orders/orders/{}/shipments", text(&order["id"]));
    let shipment = api.post(&path, json!({})).await.ok();
    act(api, "orders/shipments", &shipment, "ship").await;
    let purchase = first(api, "purchasing/purchase-orders?status=sent").await;
    let receipt = json!({"purchase_order_id": purchase["id"]});
    api.post("/api/v1/purchasing/receipts", receipt).await.ok();

    quotation_to_cash(api, &company).await.expect("the flow");
    purchase_to_stock(api, &company).await.expect("the flow");
    server.assert_invariants().await;
    let orders = api.get("/api/v1/orders/orders?status=completed").await.ok();
    // Two finished by the version before, two of its that were open, and a new one.
    assert_eq!(orders["data"].as_array().map(Vec::len), Some(5), "{orders:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_previous_version_are_migrated_and_worked_on() {
    let dir = Dir::new();
    for module in MODULES {
        let file = dir.0.join(format!("{module}.db"));
        std::fs::write(&file, read(&fixture(&format!("{module}.db.gz")))).expect("written");
    }
    let sql = SqlConfig { max_connections: 1, ..SqlConfig::default() };
    let settings = [("data.dir", json!(dir.0))];
    let server = Server::start_on(sql, Topology::OneProcess, &settings).await;
    work_on(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_previous_version_is_migrated_and_worked_on() {
    if !test_support::available("postgres") {
        return;
    }
    let url = test_support::shared().create_database(None).await;
    let dump = String::from_utf8(read(&fixture("postgres.sql.gz"))).expect("UTF-8");
    let conn = Database::connect(&url).await.expect("the database answers");
    conn.execute_unprepared(&dump).await.expect("restored");
    conn.close().await.expect("closed");
    let sql = test_support::config(&MODULES, &url);
    let server = Server::start_on(sql, Topology::OneProcess, &[]).await;
    work_on(&server).await;
    server.stop().await;
}

/// Compresses into the file.
fn write(path: &Path, bytes: &[u8]) {
    let file = std::fs::File::create(path).expect("a file");
    let gzip = Command::new("gzip").arg("-9n").stdin(Stdio::piped()).stdout(file).spawn();
    let mut gzip = gzip.expect("gzip runs");
    gzip.stdin.take().expect("piped").write_all(bytes).expect("written");
    assert!(gzip.wait().expect("it ends").success());
}

/// Decompresses the file.
fn read(path: &Path) -> Vec<u8> {
    let output = Command::new("gzip").arg("-dc").arg(path).output().expect("gzip runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
