//! Quotations over HTTP.

use chrono::{Days, NaiveDate, Utc};
use serde_json::{Value, json};

use super::assert_laws;
use super::prices::{price, product, retail, set};
use crate::flows::address;
use crate::harness::{Answer, Api, Server, text, with};

const QUOTATIONS: &str = "/api/v1/sales/quotations";
const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// What quotations are made of.
struct Shop {
    server: Server,
    customer: Value,
    warehouse: Value,
    /// 19.99, and 15.00 from 10; in whole pieces.
    chair: Value,
    /// 3.60, in grams of a kilogram.
    rice: Value,
    /// Without a price.
    table: Value,
}

impl Shop {
    async fn open() -> Shop {
        let server = Server::start().await;
        let api = &server.api;
        let warehouse = json!({"code": "MAIN", "name": "Main"});
        let warehouse = api.post("/api/v1/inventory/warehouses", warehouse).await.ok();
        let chair = product(api, "CHAIR", 0).await;
        let rice = product(api, "RICE", 3).await;
        let table = product(api, "TABLE", 0).await;
        let list = api.post("/api/v1/sales/price-lists", retail()).await.ok();
        let prices =
            [price(&chair, "1", "19.99"), price(&chair, "10", "15"), price(&rice, "0", "3.60")];
        set(api, &list, json!(prices)).await;
        let customer = json!({
            "name": "Ada", "billing_address": address(), "payment_terms_days": 14
        });
        let customer = api.post("/api/v1/sales/customers", customer).await.ok();
        Shop { server, customer, warehouse, chair, rice, table }
    }

    fn api(&self) -> &Api {
        &self.server.api
    }

    fn line(&self, product: &Value, quantity: &str) -> Value {
        json!({"product_id": product["id"], "quantity": quantity})
    }

    /// Three chairs and a pound of rice.
    fn new_quotation(&self) -> Value {
        json!({
            "customer_id": self.customer["id"], "warehouse_id": self.warehouse["id"],
            "lines": [self.line(&self.chair, "3"), self.line(&self.rice, "0.5")]
        })
    }

    async fn draft(&self) -> Value {
        self.api().post(QUOTATIONS, self.new_quotation()).await.ok()
    }

    async fn act(&self, quotation: &Value, action: &str) -> Answer {
        self.api().act(&format!("{}/{action}", path(quotation)), quotation).await
    }

    /// A quotation in this state.
    async fn in_state(&self, state: &str) -> Value {
        let draft = self.draft().await;
        let steps: &[&str] = match state {
            "draft" => &[],
            "sent" => &["send"],
            "accepted" | "converted" => &["send", "accept"],
            "rejected" => &["send", "reject"],
            "cancelled" => &["cancel"],
            other => panic!("no way to {other}"),
        };
        let mut quotation = draft;
        for step in steps {
            quotation = self.act(&quotation, step).await.ok();
        }
        if state == "converted" {
            self.server.settle().await;
            quotation = self.api().get(&path(&quotation)).await.ok();
        }
        assert_eq!(quotation["status"], state);
        quotation
    }
}

fn path(quotation: &Value) -> String {
    format!("{QUOTATIONS}/{}", text(&quotation["id"]))
}

fn euro(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

fn today() -> NaiveDate {
    Utc::now().date_naive()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_priced_totalled_and_valid_for_thirty_days() {
    let shop = Shop::open().await;
    let answer = shop.api().post(QUOTATIONS, shop.new_quotation()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.headers["etag"], "\"v1\"");
    let location = answer.headers["location"].to_str().expect("ASCII").to_owned();
    let draft = answer.ok();
    assert_eq!(location, path(&draft));
    assert!(text(&draft["number"]).starts_with("QU-20"));
    assert_eq!(draft["status"], "draft");
    assert_eq!(draft["quoted_on"], json!(today()));
    assert_eq!(draft["valid_until"], json!(today() + Days::new(30)));
    assert_eq!(draft["rounding_mode"], "per_document");
    assert_eq!(draft["prices_include_tax"], false);
    assert_eq!(draft["allowed_actions"], json!(["update", "send", "cancel"]));
    assert_eq!(draft["customer"]["number"], shop.customer["number"]);
    assert_eq!(draft["customer"]["payment_terms_days"], 14);
    assert_eq!(draft["customer"]["shipping_address"], address());
    let line = &draft["lines"][0];
    assert_eq!(line["sku"], "CHAIR");
    assert_eq!(line["unit_price"], "19.99");
    assert_eq!(line["price_list"], "RETAIL");
    assert_eq!(line["discount"], "0");
    assert_eq!(line["net"], euro("59.97"));
    assert_eq!(draft["lines"][1]["quantity"], "0.5");
    // 59.97 + 1.80 at 20 %.
    let totals = json!({
        "net": euro("61.77"), "tax": euro("12.35"), "total": euro("74.12"),
        "taxes": [{
            "tax_class": "standard", "rate": "20", "base": euro("61.77"), "tax": euro("12.35")
        }]
    });
    assert_eq!(draft["totals"], totals);
    assert_eq!(shop.api().get(&path(&draft)).await.ok(), draft);
    assert_laws(&shop.server).await;
    shop.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_may_say_its_price_and_discount_and_a_quotation_its_terms() {
    let shop = Shop::open().await;
    let mut new = shop.new_quotation();
    let (earlier, later) = (today() - Days::new(3), today() + Days::new(3));
    new["quoted_on"] = json!(earlier);
    new["valid_until"] = json!(later);
    new["currency"] = json!("EUR");
    new["prices_include_tax"] = json!(true);
    new["lines"] = json!([
        shop.line(&shop.chair, "10"),
        with(shop.line(&shop.table, "1"), "unit_price", json!("120")),
        with(shop.line(&shop.chair, "1"), "discount", json!("50")),
    ]);
    let draft = shop.api().post(QUOTATIONS, new).await.ok();
    assert_eq!((&draft["quoted_on"], &draft["valid_until"]), (&json!(earlier), &json!(later)));
    let lines = draft["lines"].as_array().expect("lines");
    let prices: Vec<_> = lines.iter().map(|line| line["unit_price"].clone()).collect();
    assert_eq!(prices, [json!("15.00"), json!("120.00"), json!("19.99")]);
    let lists: Vec<_> = lines.iter().map(|line| line["price_list"].clone()).collect();
    assert_eq!(lists, [json!("RETAIL"), Value::Null, json!("RETAIL")]);
    assert_eq!(lines[2]["discount"], "50");
    // 150.00 + 120.00 + 10.00 with 20 % in it.
    assert_eq!(draft["totals"]["total"], euro("280.00"));
    assert_eq!(draft["totals"]["net"], euro("233.33"));
    assert_laws(&shop.server).await;
    shop.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_quoted_is_refused_where_it_stands() {
    let shop = Shop::open().await;
    let api = shop.api();
    let idle = json!({"code": "IDLE", "name": "Idle"});
    let idle = api.post("/api/v1/inventory/warehouses", idle).await.ok();
    let idle_path = format!("/api/v1/inventory/warehouses/{}", text(&idle["id"]));
    api.patch(&idle_path, &idle, json!({"is_active": false})).await.ok();
    let gone = product(api, "GONE", 0).await;
    let gone_path = format!("/api/v1/inventory/products/{}", text(&gone["id"]));
    api.patch(&gone_path, &gone, json!({"is_active": false})).await.ok();

    let check = async |field: &str, value: Value, code: &str, pointer: &str| {
        let answer = api.post(QUOTATIONS, with(shop.new_quotation(), field, value)).await;
        answer.points_at(422, code, pointer);
    };
    check("customer_id", json!(NOBODY), "unknown_customer", "/customer_id").await;
    check("warehouse_id", json!(NOBODY), "unknown_warehouse", "/warehouse_id").await;
    check("warehouse_id", idle["id"].clone(), "warehouse_inactive", "/warehouse_id").await;
    check("currency", json!("USD"), "currency_not_supported", "/currency").await;
    check("quoted_on", json!(today() + Days::new(1)), "date_in_future", "/quoted_on").await;
    check("quoted_on", json!("1800-01-01"), "date_out_of_range", "/quoted_on").await;
    check("valid_until", json!("+99999-01-01"), "date_out_of_range", "/valid_until").await;
    let yesterday = json!(today() - Days::new(1));
    check("valid_until", yesterday, "valid_until_before_quoted_on", "/valid_until").await;
    let far = json!(today() + Days::new(3651));
    check("valid_until", far, "valid_until_too_late", "/valid_until").await;
    check("lines", json!([]), "no_lines", "/lines").await;
    let many = json!(vec![shop.line(&shop.chair, "1"); 1001]);
    check("lines", many, "too_many_lines", "/lines").await;
    let good = || shop.line(&shop.chair, "1");
    let line = |bad: Value| json!([good(), bad]);
    let unknown = line(json!({"product_id": NOBODY, "quantity": "1"}));
    check("lines", unknown, "unknown_product", "/lines/1/product_id").await;
    let inactive = line(shop.line(&gone, "1"));
    check("lines", inactive, "product_inactive", "/lines/1/product_id").await;
    let fine = line(shop.line(&shop.rice, "0.0005"));
    check("lines", fine, "quantity_too_fine", "/lines/1/quantity").await;
    let unpriced = line(shop.line(&shop.table, "1"));
    check("lines", unpriced, "no_price", "/lines/1/unit_price").await;
    check("lines", line(shop.line(&shop.chair, "0")), "invalid_body", "/lines/1/quantity").await;
    check("lines", line(shop.line(&shop.chair, "-1")), "invalid_body", "/lines/1/quantity").await;
    let above = line(with(good(), "discount", json!("100.01")));
    check("lines", above, "invalid_body", "/lines/1/discount").await;
    let huge = with(shop.line(&shop.chair, "999999999"), "unit_price", json!("999999999"));
    let answer = api.post(QUOTATIONS, with(shop.new_quotation(), "lines", line(huge))).await;
    answer.problem(422, "amount_overflow");

    let customer_path = format!("/api/v1/sales/customers/{}", text(&shop.customer["id"]));
    api.patch(&customer_path, &shop.customer, json!({"is_active": false})).await.ok();
    api.post(QUOTATIONS, shop.new_quotation()).await.problem(409, "customer_inactive");
    assert_eq!(api.get(QUOTATIONS).await.ok()["data"], json!([]));
    shop.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_changed_until_it_is_sent() {
    let shop = Shop::open().await;
    let api = shop.api();
    let draft = shop.draft().await;
    let second = json!({"code": "SECOND", "name": "Second"});
    let second = api.post("/api/v1/inventory/warehouses", second).await.ok();
    let until = today() + Days::new(60);
    let patch = json!({
        "warehouse_id": second["id"], "valid_until": until,
        "lines": [shop.line(&shop.chair, "10")]
    });
    let patched = api.patch(&path(&draft), &draft, patch).await.ok();
    assert_eq!(patched["version"], 2);
    assert_eq!(patched["warehouse_id"], second["id"]);
    assert_eq!(patched["valid_until"], json!(until));
    assert_eq!(patched["lines"].as_array().map(Vec::len), Some(1));
    assert_eq!(patched["totals"]["net"], euro("150.00"));
    assert_eq!(patched["number"], draft["number"]);
    // Only the way of reading the prices changes.
    let patch = json!({"prices_include_tax": true});
    let patched = api.patch(&path(&draft), &patched, patch).await.ok();
    assert_eq!(patched["totals"]["total"], euro("150.00"));
    assert_eq!(patched["totals"]["net"], euro("125.00"));
    assert_eq!(patched["lines"][0]["price_list"], "RETAIL");
    assert_eq!(api.get(&path(&draft)).await.ok(), patched);

    let check = async |patch: Value, code: &str, pointer: &str| {
        api.patch(&path(&draft), &patched, patch).await.points_at(422, code, pointer);
    };
    check(json!({"lines": []}), "no_lines", "/lines").await;
    check(json!({"warehouse_id": NOBODY}), "unknown_warehouse", "/warehouse_id").await;
    let unpriced = json!({"lines": [shop.line(&shop.table, "1")]});
    check(unpriced, "no_price", "/lines/0/unit_price").await;
    let before = json!({"valid_until": today() - Days::new(1)});
    check(before, "valid_until_before_quoted_on", "/valid_until").await;
    check(json!({"customer_id": NOBODY}), "invalid_body", "/customer_id").await;
    let stale = api.patch(&path(&draft), &draft, json!({"valid_until": until})).await;
    stale.problem(412, "stale_version");
    assert_eq!(api.get(&path(&draft)).await.ok(), patched);

    let sent = shop.act(&patched, "send").await.ok();
    let late = api.patch(&path(&draft), &sent, json!({"valid_until": until})).await;
    late.problem(409, "illegal_transition");
    assert_laws(&shop.server).await;
    shop.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_quotation_becomes_an_order() {
    let shop = Shop::open().await;
    let draft = shop.draft().await;
    let sent = shop.act(&draft, "send").await.ok();
    assert_eq!((&sent["status"], &sent["version"]), (&json!("sent"), &json!(2)));
    assert_eq!(sent["allowed_actions"], json!(["accept", "reject", "cancel"]));
    let accepted = shop.act(&sent, "accept").await;
    assert_eq!(accepted.headers["etag"], "\"v3\"");
    let accepted = accepted.ok();
    assert_eq!(accepted["status"], "accepted");
    assert_eq!(accepted["allowed_actions"], json!([]));
    shop.server.settle().await;
    let converted = shop.api().get(&path(&draft)).await.ok();
    assert_eq!((&converted["status"], &converted["version"]), (&json!("converted"), &json!(4)));
    let order = format!("/api/v1/orders/orders/{}", text(&converted["order_id"]));
    let order = shop.api().get(&order).await.ok();
    assert_eq!(order["number"], converted["order_number"]);
    assert_eq!(order["quotation_id"], draft["id"]);
    assert_eq!(order["totals"]["total"], converted["totals"]["total"]);
    assert_laws(&shop.server).await;
    shop.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_its_state_allows_can_be_done_with_a_quotation() {
    let shop = Shop::open().await;
    let actions = ["update", "send", "accept", "reject", "cancel"];
    let allowed: [(&str, &[&str]); 5] = [
        ("draft", &["update", "send", "cancel"]),
        ("sent", &["accept", "reject", "cancel"]),
        ("converted", &[]),
        ("rejected", &[]),
        ("cancelled", &[]),
    ];
    for (state, allowed) in allowed {
        for action in actions {
            let quotation = shop.in_state(state).await;
            assert_eq!(quotation["allowed_actions"], json!(allowed), "{state}");
            let answer = match action {
                "update" => {
                    let patch = json!({"valid_until": today() + Days::new(1)});
                    shop.api().patch(&path(&quotation), &quotation, patch).await
                }
                action => shop.act(&quotation, action).await,
            };
            if allowed.contains(&action) {
                answer.ok();
                continue;
            }
            let problem = answer.problem(409, "illegal_transition");
            let params = &problem["params"];
            assert_eq!(params["status"], state, "{action}");
            assert_eq!(params["allowed_actions"], json!(allowed), "{action}");
            assert_eq!(shop.api().get(&path(&quotation)).await.ok(), quotation);
        }
    }
    assert_laws(&shop.server).await;
    shop.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_meant_for_another_version_is_refused() {
    let shop = Shop::open().await;
    let draft = shop.draft().await;
    let sent = shop.act(&draft, "send").await.ok();
    for action in ["send", "accept", "reject", "cancel"] {
        let problem = shop.act(&draft, action).await.problem(412, "stale_version");
        assert_eq!(problem["params"]["current_version"], 2);
    }
    assert_eq!(shop.api().get(&path(&draft)).await.ok(), sent);
    shop.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quotation_that_is_over_is_not_sent() {
    let shop = Shop::open().await;
    let mut new = shop.new_quotation();
    new["quoted_on"] = json!(today() - Days::new(10));
    new["valid_until"] = json!(today() - Days::new(1));
    let draft = shop.api().post(QUOTATIONS, new).await.ok();
    assert_eq!(draft["allowed_actions"], json!(["update", "cancel"]));
    shop.act(&draft, "send").await.problem(409, "quotation_expired");
    let patch = json!({"valid_until": today()});
    let draft = shop.api().patch(&path(&draft), &draft, patch).await.ok();
    let sent = shop.act(&draft, "send").await.ok();
    shop.act(&sent, "accept").await.ok();
    shop.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quotations_are_listed_by_state_and_customer() {
    let shop = Shop::open().await;
    let api = shop.api();
    let draft = shop.draft().await;
    let sent = shop.in_state("sent").await;
    let found = async |query: &str| -> Vec<Value> {
        let page = api.get(&format!("{QUOTATIONS}?{query}")).await.ok();
        let data = page["data"].as_array().expect("a page").iter();
        data.map(|row| row["id"].clone()).collect()
    };
    assert_eq!(found("").await, [sent["id"].clone(), draft["id"].clone()]);
    assert_eq!(found("status=sent").await, [sent["id"].clone()]);
    assert_eq!(found("status=expired").await, Vec::<Value>::new());
    let of_customer = format!("customer_id={}&sort=created_at", text(&shop.customer["id"]));
    assert_eq!(found(&of_customer).await, [draft["id"].clone(), sent["id"].clone()]);
    assert_eq!(found(&format!("customer_id={NOBODY}")).await, Vec::<Value>::new());
    api.get(&format!("{QUOTATIONS}?status=lost")).await.points_at(400, "invalid_query", "?status");
    let page = api.get(&format!("{QUOTATIONS}?limit=1")).await.ok();
    assert_eq!(page["page"]["has_more"], true);
    let row = &page["data"][0];
    assert_eq!((&row["total"], row.get("lines")), (&sent["totals"]["total"], None));
    let next = text(&page["page"]["next_cursor"]);
    assert_eq!(found(&format!("limit=1&cursor={next}")).await, [draft["id"].clone()]);
    shop.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quotation_costs_as_many_statements_with_a_thousand_lines_as_with_one() {
    let shop = Shop::open().await;
    let mut found = Vec::new();
    for count in [1, 1000] {
        let new =
            with(shop.new_quotation(), "lines", json!(vec![shop.line(&shop.chair, "1"); count]));
        let draft = shop.api().post(QUOTATIONS, new).await;
        let create = draft.statements();
        let draft = draft.ok();
        let get = shop.api().get(&path(&draft)).await.statements();
        let sent = shop.act(&draft, "send").await;
        let send = sent.statements();
        let accept = shop.act(&sent.ok(), "accept").await;
        found.push([create, get, send, accept.statements()]);
        accept.ok();
    }
    assert_eq!(found[0], found[1]);
    shop.server.stop().await;
}
