//! The table as other gateways would be given it.

use std::process::Command;

use serde_json::Value;
use test_support::available;

use crate::cli::{Dir, complaint, erp};

const SPLIT: [(&str, &str); 8] = [
    ("ERP__MODULES", "[\"auth\"]"),
    ("ERP__REMOTE__ORDERS__URL", "http://erp-orders.internal:8080, http://10.0.0.7:9000"),
    ("ERP__REMOTE__ORDERS__INTERNAL_URL", ""),
    ("ERP__REMOTE__SALES__URL", "http://127.0.0.1:9001/base/"),
    ("ERP__REMOTE__SALES__INTERNAL_URL", ""),
    ("ERP__REMOTE__SALES__HTTP2", "false"),
    ("ERP__REMOTE__BILLING__URL", "https://billing.example.net"),
    ("ERP__REMOTE__BILLING__INTERNAL_URL", ""),
];

fn export(format: &str, more: &[(&str, &str)]) -> Value {
    let dir = Dir::new();
    let output = erp(&dir, &["routes", "--format", format], &[&SPLIT[..], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn row<'a>(rows: &'a Value, key: &str, value: &str) -> &'a Value {
    let rows = rows.as_array().expect("rows");
    rows.iter().find(|row| row[key] == value).unwrap_or_else(|| panic!("no {key} {value}"))
}

#[test]
fn the_table_tells_what_is_where_and_what_is_not_as_usual() {
    let more = [
        ("ERP__GATEWAY__ROUTES__ORDERS__TIMEOUT_S", "7"),
        ("ERP__GATEWAY__ROUTES__SHOP__PREFIX", "/shop"),
        ("ERP__GATEWAY__ROUTES__SHOP__URL", "http://shop:1"),
    ];
    let table = export("json", &more);
    assert_eq!(table.as_array().map(Vec::len), Some(7));
    assert_eq!(row(&table, "module", "auth")["target"], "local");
    assert_eq!(row(&table, "module", "inventory")["target"], "none");
    let orders = row(&table, "module", "orders");
    assert_eq!((&orders["target"], &orders["timeout_s"]), (&"remote".into(), &7.into()));
    assert_eq!(orders["upstreams"].as_array().map(Vec::len), Some(2));
    assert_eq!((&orders["http2"], &orders["token"]), (&true.into(), &"by_operation".into()));
    let shop = row(&table, "module", "shop");
    assert_eq!((&shop["prefix"], &shop["token"]), (&"/shop".into(), &"required".into()));
    assert_eq!(row(&table, "module", "sales")["http2"], false);
}

#[test]
fn a_row_that_cannot_be_is_named() {
    let dir = Dir::new();
    let check = |env: &[(&str, &str)], expected: &[&str]| {
        let text = complaint(&erp(&dir, &["routes"], env));
        for part in expected {
            assert!(text.contains(part), "{text} does not say {part}");
        }
    };
    let url = ("ERP__REMOTE__ORDERS__URL", "ftp://orders");
    let internal = ("ERP__REMOTE__ORDERS__INTERNAL_URL", "");
    check(&[url, internal], &["remote.orders.url", "ftp://orders", url.0]);
    check(
        &[("ERP__GATEWAY__ROUTES__ORDERS__TIMEOUT_S", "0")],
        &["gateway.routes.orders.timeout_s"],
    );
    check(&[("ERP__GATEWAY__ROUTES__ORDERS__PREFIX", "/x")], &["gateway.routes.orders.prefix"]);
    check(&[("ERP__GATEWAY__ROUTES__X__PREFIX", "/x")], &["gateway.routes.x.url"]);
    let x = ("ERP__GATEWAY__ROUTES__X__URL", "http://x");
    for prefix in ["x", "/x/", "/", "/metrics", "/health/x", "/x?y"] {
        check(&[x, ("ERP__GATEWAY__ROUTES__X__PREFIX", prefix)], &["gateway.routes.x.prefix"]);
    }
    check(&[x, ("ERP__GATEWAY__ROUTES__X__PREFIX", "/api/v1/orders")], &["/api/v1/orders"]);
    check(&[("ERP__GATEWAY__CORS__ORIGINS", "[\"shop\"]")], &["gateway.cors.origins", "shop"]);
    check(&[("ERP__RATE_LIMIT__GATEWAYS", "[\"x\"]")], &["rate_limit.gateways"]);
}

#[test]
fn ocelot_is_given_its_routes() {
    let ocelot = export("ocelot", &[]);
    let orders = row(&ocelot["Routes"], "Key", "orders");
    assert_eq!(orders["UpstreamPathTemplate"], "/api/v1/orders/{everything}");
    assert_eq!(orders["DownstreamHostAndPorts"][0]["Host"], "erp-orders.internal");
    assert_eq!(orders["DownstreamHostAndPorts"][1]["Port"], 9000);
    assert_eq!(orders["DownstreamHttpVersion"], "2.0");
    let sales = row(&ocelot["Routes"], "Key", "sales");
    assert_eq!(sales["DownstreamPathTemplate"], "/base/api/v1/sales/{everything}");
    assert_eq!(sales["DownstreamScheme"], "http");
    let billing = row(&ocelot["Routes"], "Key", "billing");
    assert_eq!(billing["DownstreamScheme"], "https");
    assert_eq!(billing["DownstreamHostAndPorts"][0]["Port"], 443);
}

#[test]
fn the_platform_is_given_rules_of_apps() {
    let aca = export("aca", &[]);
    assert_eq!(aca["type"], "Microsoft.App/managedEnvironments/httpRouteConfigs");
    let rules = &aca["properties"]["rules"];
    let app = |module| row(rules, "description", module)["targets"][0]["containerApp"].clone();
    assert_eq!((app("orders"), app("sales")), ("erp-orders".into(), "sales".into()));
    let orders = row(rules, "description", "orders");
    assert_eq!(orders["routes"][0]["match"]["pathSeparatedPrefix"], "/api/v1/orders");
}

#[test]
fn envoy_takes_what_it_is_given() {
    let envoy = export("envoy", &[]);
    let clusters = &envoy["static_resources"]["clusters"];
    assert_eq!(clusters.as_array().map(Vec::len), Some(4), "what is nowhere is left out");
    if !available("envoy") {
        return;
    }
    let dir = Dir::new();
    let file = dir.0.join("envoy.json");
    let validate = |config: &Value| {
        std::fs::write(&file, config.to_string()).expect("written");
        let mut command = Command::new("envoy");
        command.args(["--mode", "validate", "-l", "error", "-c"]).arg(&file);
        command.output().expect("envoy runs")
    };
    let output = validate(&envoy);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // It would say so.
    let mut wrong = envoy;
    wrong["static_resources"]["clusters"][0]["lb_policy"] = "NO_SUCH".into();
    assert!(!validate(&wrong).status.success());
}
