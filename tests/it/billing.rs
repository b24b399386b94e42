//! Black-box tests of billing.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::flows::{Company, company, eventually, purchase_to_stock, quotation_to_cash};
use crate::harness::{Answer, Api, Server, etag, text, with};

fn eur(amount: &str) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

/// A tax class of this rate.
async fn tax_class(api: &Api, rate: &str) -> String {
    let code = format!("t-{}", &Uuid::now_v7().simple().to_string()[20..]);
    let body = json!({"code": code, "name": "A rate", "rate": rate});
    text(&api.post("/api/v1/billing/tax-rates", body).await.ok()["code"])
}

#[tokio::test(flavor = "multi_thread")]
async fn tax_rates_begin_with_three_and_can_be_added_and_changed() {
    let server = Server::start().await;
    let api = &server.api;
    let path = "/api/v1/billing/tax-rates";
    let page = api.get(&format!("{path}?sort=created_at")).await.ok();
    let seeded: Vec<_> = page["data"]
        .as_array()
        .expect("rates")
        .iter()
        .map(|rate| (text(&rate["code"]), text(&rate["rate"])))
        .collect();
    let expected = [("standard", "20"), ("reduced", "10"), ("zero", "0")];
    assert_eq!(seeded, expected.map(|(code, rate)| (code.to_owned(), rate.to_owned())));

    let body = json!({"code": "books", "name": "Books", "rate": "5.5"});
    let created = api.post(path, body.clone()).await.ok();
    assert_eq!((&created["rate"], &created["version"]), (&json!("5.5"), &json!(1)));
    api.post(path, body.clone()).await.points_at(409, "tax_code_taken", "/code");
    for (field, value) in [
        ("rate", json!("100.0001")),
        ("rate", json!(5)),
        ("code", json!("")),
        ("name", json!(" ")),
        ("rate", json!("-1")),
    ] {
        let answer = api.post(path, with(body.clone(), field, value)).await;
        answer.points_at(422, "invalid_body", &format!("/{field}"));
    }
    let one = format!("{path}/{}", text(&created["id"]));
    let changed = api.patch(&one, &created, json!({"rate": "7", "name": "Print"})).await.ok();
    assert_eq!((&changed["rate"], &changed["name"]), (&json!("7"), &json!("Print")));
    let stale = api.patch(&one, &created, json!({"rate": "8"})).await.problem(412, "stale_version");
    assert_eq!(stale["params"]["current_version"], 2);
    assert_eq!(api.get(&one).await.ok(), changed);
    let found = api.get(&format!("{path}?code=books")).await.ok();
    assert_eq!(found["data"], json!([changed]));
    server.assert_invariants().await;
    server.stop().await;
}

/// Net, tax and total of lines (quantity, price, discount) at a rate.
async fn check_totals(
    api: &Api,
    (rate, mode, include): (&str, &str, bool),
    lines: &[(&str, &str, &str)],
    (net, tax, total): (&str, &str, &str),
) {
    let class = tax_class(api, rate).await;
    let lines: Vec<_> = lines
        .iter()
        .map(|(quantity, price, discount)| {
            json!({
                "quantity": quantity, "unit_price": price, "discount": discount,
                "tax_class": class
            })
        })
        .collect();
    let body = json!({
        "prices_include_tax": include, "rounding_mode": mode, "lines": lines, "currency": "EUR"
    });
    let totals = api.post("/api/v1/billing/totals", body).await.ok();
    let found = (&totals["net"], &totals["tax"], &totals["total"]);
    assert_eq!(found, (&eur(net), &eur(tax), &eur(total)), "{mode} {totals:#}");
    assert_eq!(totals["rounding_mode"], mode);
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_hold_the_golden_vectors() {
    let server = Server::start().await;
    let api = &server.api;
    let (doc, line) = ("per_document", "per_line");
    let one = [("16", "348.35", "4")];
    check_totals(api, ("22", doc, false), &one, ("5350.66", "1177.14", "6527.80")).await;
    check_totals(api, ("22", line, false), &one, ("5350.66", "1177.15", "6527.81")).await;
    let ten = [("10", "3.60", "0")];
    check_totals(api, ("5.5", doc, false), &[("1", "3.60", "0")], ("3.60", "0.20", "3.80")).await;
    check_totals(api, ("5.5", line, false), &ten, ("36.00", "1.98", "37.98")).await;
    let lines = [("1", "3.60", "0"); 10];
    check_totals(api, ("5.5", line, false), &lines, ("36.00", "2.00", "38.00")).await;
    let gross = [("1", "11.90", "0"), ("1", "2.80", "0")];
    check_totals(api, ("21", doc, true), &gross, ("12.15", "2.55", "14.70")).await;
    check_totals(api, ("21", line, true), &gross, ("12.14", "2.56", "14.70")).await;
    let two = [("1", "46.07", "20"), ("1", "9.21", "0")];
    check_totals(api, ("8.5", doc, false), &two, ("46.07", "3.92", "49.99")).await;
    check_totals(api, ("8.5", line, false), &two, ("46.07", "3.91", "49.98")).await;
    let two = [("1", "55.55", "0"), ("1", "11.11", "0")];
    check_totals(api, ("23", doc, false), &two, ("66.66", "15.33", "81.99")).await;
    check_totals(api, ("23", line, false), &two, ("66.66", "15.34", "82.00")).await;
    let two = [("10", "30.75", "5"), ("1", "70", "5")];
    check_totals(api, ("15", doc, false), &two, ("358.63", "53.79", "412.42")).await;
    check_totals(api, ("15", line, false), &two, ("358.63", "53.80", "412.43")).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_refuse_what_no_document_can_hold() {
    let server = Server::start().await;
    let api = &server.api;
    let path = "/api/v1/billing/totals";
    let line = json!({"quantity": "1", "unit_price": "1.00", "tax_class": "standard"});
    let body = json!({"lines": [line]});
    let totals = api.post(path, body.clone()).await.ok();
    assert_eq!(
        (&totals["total"], &totals["rounding_mode"]),
        (&eur("1.20"), &json!("per_document"))
    );
    let unknown = json!([line, with(line.clone(), "tax_class", json!("luxury"))]);
    api.post(path, with(body.clone(), "lines", unknown)).await.points_at(
        422,
        "unknown_tax_class",
        "/lines/1/tax_class",
    );
    api.post(path, with(body.clone(), "currency", json!("USD"))).await.points_at(
        422,
        "currency_not_supported",
        "/currency",
    );
    api.post(path, with(body.clone(), "currency", json!("XAU"))).await.points_at(
        422,
        "invalid_body",
        "/currency",
    );
    api.post(path, with(body.clone(), "lines", json!([])))
        .await
        .points_at(422, "no_lines", "/lines");
    api.post(path, with(body.clone(), "lines", json!(vec![line.clone(); 5001]))).await.points_at(
        422,
        "too_many_lines",
        "/lines",
    );
    let huge = with(
        with(line.clone(), "quantity", json!("999999999")),
        "unit_price",
        json!("999999999.999999"),
    );
    for include in [false, true] {
        let body = json!({"lines": vec![huge.clone(); 1000], "prices_include_tax": include});
        api.post(path, body).await.points_at(422, "amount_overflow", "/lines");
    }
    for (field, value) in [
        ("quantity", json!("1.0000001")),
        ("quantity", json!(1)),
        ("unit_price", json!("-1")),
        ("unit_price", json!("1e3")),
        ("discount", json!("101")),
    ] {
        let lines = json!([with(line.clone(), field, value)]);
        api.post(path, with(body.clone(), "lines", lines)).await.points_at(
            422,
            "invalid_body",
            &format!("/lines/0/{field}"),
        );
    }
    server.stop().await;
}

fn payment(customer_id: &str, amount: &str) -> Value {
    json!({
        "direction": "incoming", "customer_id": customer_id, "amount": eur(amount),
        "method": "bank_transfer"
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_repeated_under_its_key_is_made_once() {
    let server = Server::start().await;
    let api = &server.api;
    let (path, customer) = ("/api/v1/billing/payments", Uuid::now_v7().to_string());
    let body = payment(&customer, "12.34");
    let first = api.post_with_key(path, body.clone(), "a-key").await;
    assert_eq!(first.status, 201);
    let location = first.headers["location"].to_str().expect("ASCII").to_owned();
    let again = api.post_with_key(path, body.clone(), "a-key").await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.body, first.body);
    api.post_with_key(path, payment(&customer, "12.35"), "a-key")
        .await
        .problem(422, "idempotency_key_reused");
    assert_eq!(api.get(&location).await.ok(), first.body);
    let page = api.get(&format!("{path}?customer_id={customer}")).await.ok();
    assert_eq!(page["data"].as_array().expect("payments").len(), 1);
    assert_eq!(page["data"][0].get("allocations"), None);

    let keyed = with(body, "external_key", json!("psp_81723"));
    let found = api.post(path, keyed.clone()).await.ok();
    api.post(path, keyed).await.points_at(409, "external_key_taken", "/external_key");
    let page = api.get(&format!("{path}?external_key=psp_81723")).await.ok();
    assert_eq!(page["data"][0]["id"], found["id"]);
    let strange = with(payment(&customer, "1.00"), "method", json!("barter"));
    api.post(path, strange).await.points_at(422, "invalid_body", "/method");
    let fine = with(payment(&customer, "1.00"), "amount", eur("1.001"));
    api.post(path, fine).await.points_at(422, "invalid_body", "/amount");
    let nothing = payment(&customer, "0.00");
    api.post(path, nothing).await.points_at(422, "amount_not_positive", "/amount");
    let tomorrow = with(payment(&customer, "1.00"), "received_on", json!("9999-12-31"));
    api.post(path, tomorrow).await.points_at(422, "date_in_future", "/received_on");
    let nobody = json!({"direction": "incoming", "amount": eur("1.00"), "method": "cash"});
    api.post(path, nobody).await.points_at(422, "wrong_party", "/customer_id");
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_tell_what_was_paid() {
    let server = Server::start().await;
    let api = &server.api;
    let customer = Uuid::now_v7().to_string();
    let body = with(payment(&customer, "12.34"), "received_on", json!("2020-02-29"));
    let paid = api.post("/api/v1/billing/payments", body).await.ok();
    let balance = async |query: &str| {
        let balance = api.get(&format!("/api/v1/billing/trial-balance{query}")).await.ok();
        assert_eq!(balance["difference"], eur("0.00"));
        let accounts = balance["accounts"].as_array().expect("accounts").clone();
        let bank = accounts.iter().find(|account| account["code"] == "1000").expect("the bank");
        (balance["as_of"].clone(), bank["balance"].clone(), balance["total_debit"].clone())
    };
    let before = balance("?as_of=2020-02-28").await;
    assert_eq!(before, (json!("2020-02-28"), eur("0.00"), eur("0.00")));
    let after = balance("?as_of=2020-02-29").await;
    assert_eq!(after, (json!("2020-02-29"), eur("12.34"), eur("12.34")));
    assert_eq!(balance("").await.1, eur("12.34"));
    let accounts = api.get("/api/v1/billing/accounts").await.ok();
    let codes: Vec<_> =
        accounts["data"].as_array().expect("accounts").iter().map(|a| text(&a["code"])).collect();
    assert!(codes.is_sorted() && codes.len() >= 12, "{codes:?}");
    let entries = "/api/v1/billing/journal-entries";
    let found = api.get(&format!("{entries}?account=1000&source_type=payment")).await.ok();
    let entry = found["data"][0].clone();
    assert_eq!((&entry["source_id"], &entry["number"]), (&paid["id"], &json!("JE-2020-000001")));
    let sides: Vec<_> = entry["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| (text(&line["account"]), line["debit"].clone(), line["credit"].clone()))
        .collect();
    let expected = [("1000", "12.34", "0.00"), ("1100", "0.00", "12.34")];
    let expected = expected.map(|(code, d, c)| (code.to_owned(), eur(d), eur(c)));
    assert_eq!(sides, expected);
    assert_eq!(api.get(&format!("{entries}/{}", text(&entry["id"]))).await.ok(), entry);
    assert_eq!(api.get(&format!("{entries}?to=2020-02-28")).await.ok()["data"], json!([]));
    api.get(&format!("{entries}?from=yesterday")).await.points_at(400, "invalid_query", "?from");
    api.get(&format!("{entries}?to=-0001-01-01")).await.points_at(400, "invalid_query", "?to");
    let far = "/api/v1/billing/trial-balance?as_of=%2B12026-01-01";
    api.get(far).await.points_at(400, "invalid_query", "?as_of");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ageing_tells_who_owes_what_for_how_long() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let draft = drafted(api, &company, "1").await;
    let path = format!("/api/v1/billing/invoices/{}/issue", text(&draft["id"]));
    let invoice = api.act(&path, &draft).await.ok();
    let ageing = "/api/v1/billing/receivables-ageing";
    let report = api.get(ageing).await.ok();
    assert_eq!(report["totals"]["buckets"][0], json!({"up_to": 0, "amount": invoice["open"]}));
    assert_eq!(report["data"][0]["customer_id"], invoice["customer_id"]);
    assert_eq!(report["data"][0]["customer_name"], invoice["customer"]["name"]);

    // 365 days on all of it is overdue.
    let due_on: chrono::NaiveDate = text(&invoice["due_on"]).parse().expect("a day");
    let later = due_on + chrono::Days::new(365);
    let report = api.get(&format!("{ageing}?as_of={later}&buckets=364,365")).await.ok();
    let overdue = json!({"over": 364, "up_to": 365, "amount": invoice["open"]});
    assert_eq!(report["totals"]["buckets"][2], overdue);
    assert_eq!(report["totals"]["balance"], invoice["open"]);
    let yesterday = due_on - chrono::Days::new(400);
    let report = api.get(&format!("{ageing}?as_of={yesterday}")).await.ok();
    assert_eq!((&report["data"], &report["totals"]["balance"]), (&json!([]), &eur("0.00")));

    let payables = "/api/v1/billing/payables-ageing";
    assert_eq!(api.get(payables).await.ok()["totals"]["balance"], eur("0.00"));
    for path in [ageing, payables] {
        for buckets in ["", "30,30", "0", "30;60", "9999"] {
            let answer = api.get(&format!("{path}?buckets={buckets}")).await;
            answer.points_at(400, "invalid_query", "?buckets");
        }
        let answer = api.get(&format!("{path}?as_of=1066-10-14")).await;
        answer.points_at(400, "invalid_query", "?as_of");
        let answer = api.get(&format!("{path}?cursor=AAAA")).await;
        answer.points_at(400, "invalid_cursor", "?cursor");
    }
    server.assert_invariants().await;
    server.stop().await;
}

/// Orders and ships `quantity` of the first product; the draft of its invoice.
async fn drafted(api: &Api, company: &Company, quantity: &str) -> Value {
    let order = json!({
        "customer_id": company.customer_id, "warehouse_id": company.warehouse_id,
        "ordered_on": "2026-01-30",
        "lines": [{"product_id": company.product_ids[0], "quantity": quantity}]
    });
    let order = api.post("/api/v1/orders/orders", order).await.ok();
    let path = format!("/api/v1/orders/orders/{}", text(&order["id"]));
    api.act(&format!("{path}/confirm"), &order).await.ok();
    let shipped_on = json!({"shipped_on": "2026-01-30"});
    let shipment = api.post(&format!("{path}/shipments"), shipped_on).await.ok();
    let shipment_id = text(&shipment["id"]);
    api.act(&format!("/api/v1/orders/shipments/{shipment_id}/ship"), &shipment).await.ok();
    let drafts = format!("/api/v1/billing/invoices?shipment_id={shipment_id}");
    let drafts = eventually(api, &drafts, |page| page["data"][0].is_object()).await;
    drafts.expect("a draft")["data"][0].clone()
}

fn path_of(invoice: &Value) -> String {
    format!("/api/v1/billing/invoices/{}", text(&invoice["id"]))
}

async fn issued(api: &Api, company: &Company, quantity: &str) -> Value {
    let draft = drafted(api, company, quantity).await;
    api.act(&format!("{}/issue", path_of(&draft)), &draft).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_issued_with_or_without_a_day() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let draft = drafted(api, &company, "2").await;
    assert_eq!((&draft["status"], &draft["total"]), (&json!("draft"), &eur("47.76")));
    assert_eq!(draft.get("lines"), None, "lists leave lines out");
    let issue = format!("{}/issue", path_of(&draft));
    let post = |body: Option<(&str, &str)>| {
        let request = api
            .request(Method::POST, &issue)
            .header("Idempotency-Key", Uuid::now_v7().to_string())
            .header("If-Match", etag(&draft));
        match body {
            Some((kind, body)) => {
                api.send(request.header("Content-Type", kind).body(body.to_owned()))
            }
            None => api.send(request.body("{}")),
        }
    };
    let json_type = "application/json";
    // Nothing but null is no body: as good as none, had the version not changed.
    let stale_null = api
        .request(Method::POST, &issue)
        .header("Idempotency-Key", Uuid::now_v7().to_string())
        .header("If-Match", "\"v9\"")
        .header("Content-Type", json_type)
        .body("null");
    api.send(stale_null).await.problem(412, "stale_version");
    post(Some((json_type, "{"))).await.problem(400, "malformed_json");
    post(Some(("text/plain", "{}"))).await.problem(415, "unsupported_media_type");
    post(None).await.problem(415, "unsupported_media_type");
    post(Some((json_type, "{\"issued\": 1}"))).await.points_at(422, "invalid_body", "/issued");
    let future = "{\"issued_on\": \"9999-12-31\"}";
    post(Some((json_type, future))).await.points_at(422, "date_in_future", "/issued_on");
    let problem = post(Some((json_type, "{\"issued_on\": \"2026-01-29\"}"))).await.points_at(
        422,
        "issued_before_shipped",
        "/issued_on",
    );
    assert_eq!(problem["params"]["shipped_on"], "2026-01-30");
    let stale = with(draft.clone(), "version", json!(7));
    api.act(&issue, &stale).await.problem(412, "stale_version");
    let issued = post(Some((json_type, "{\"issued_on\": \"2026-01-31\"}"))).await.ok();
    assert_eq!(issued["number"], "INV-2026-000001");
    assert_eq!(
        (&issued["issued_on"], &issued["due_on"]),
        (&json!("2026-01-31"), &json!("2026-03-02"))
    );
    assert_eq!(api.get(&path_of(&issued)).await.ok(), issued);

    let second = drafted(api, &company, "1").await;
    let early = json!({"issued_on": "2026-01-30"});
    let problem = api
        .act_with(&format!("{}/issue", path_of(&second)), &second, early)
        .await
        .points_at(409, "date_before_last_issued", "/issued_on");
    assert_eq!(problem["params"]["last_issued_on"], "2026-01-31");
    let discarded = api.act(&format!("{}/discard", path_of(&second)), &second).await.ok();
    assert_eq!((&discarded["status"], &discarded["number"]), (&json!("discarded"), &Value::Null));
    let problem = api
        .act(&format!("{}/issue", path_of(&second)), &discarded)
        .await
        .problem(409, "illegal_transition");
    assert_eq!(problem["params"]["status"], "discarded");
    assert_eq!(discarded["allowed_actions"], json!(["redraft"]));
    let redraft = format!("{}/redraft", path_of(&second));
    api.act(&redraft, &second).await.problem(412, "stale_version");
    let anew = api.act(&redraft, &discarded).await.ok();
    assert_eq!((&anew["status"], &anew["total"]), (&json!("draft"), &second["total"]));
    api.act(&redraft, &anew).await.problem(409, "illegal_transition");
    api.act(&format!("{}/issue", path_of(&second)), &anew).await.ok();
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credit_note_takes_back_what_was_invoiced_and_no_more() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let invoice = issued(api, &company, "3").await;
    assert_eq!(invoice["total"], eur("71.64"));
    let credit = format!("{}/credit-notes", path_of(&invoice));
    let line = text(&invoice["lines"][0]["id"]);
    let of = |quantity: &str| {
        json!({
            "lines": [{"invoice_line_id": line, "quantity": quantity}], "reason": "came broken"
        })
    };
    let answer = api.post(&credit, of("1")).await;
    assert_eq!(answer.status, 201);
    let location = answer.headers["location"].to_str().expect("ASCII").to_owned();
    let note = answer.ok();
    assert_eq!((&note["total"], &note["applied"]), (&eur("23.88"), &eur("23.88")));
    assert_eq!(api.get(&location).await.ok(), note);
    let problem =
        api.post(&credit, of("2.5")).await.points_at(409, "over_credited", "/lines/0/quantity");
    assert_eq!(problem["params"]["left"], "2");
    api.post(&credit, of("0")).await.points_at(422, "invalid_body", "/lines/0/quantity");
    api.post(&credit, json!({"lines": []})).await.points_at(422, "invalid_body", "/reason");
    // The rest is paid, and then credited: the customer's money.
    let after = api.get(&path_of(&invoice)).await.ok();
    assert_eq!((&after["open"], &after["credited"]), (&eur("47.76"), &eur("23.88")));
    let allocations = json!([{"invoice_id": invoice["id"], "amount": eur("47.76")}]);
    let paid = with(payment(&company.customer_id, "47.76"), "allocations", allocations);
    api.post("/api/v1/billing/payments", paid).await.ok();
    let rest = api.post(&credit, json!({"reason": "all of it"})).await.ok();
    assert_eq!((&rest["applied"], &rest["unapplied"]), (&eur("0.00"), &eur("47.76")));
    api.post(&credit, json!({"reason": "more"})).await.problem(409, "nothing_to_credit");
    let page = format!("/api/v1/billing/credit-notes?invoice_id={}", text(&invoice["id"]));
    let page = api.get(&page).await.ok();
    assert_eq!(page["data"].as_array().expect("notes").len(), 2);
    let accounts = api.get("/api/v1/billing/accounts").await.ok();
    let receivable = accounts["data"].as_array().expect("accounts").iter();
    let receivable = receivable.clone().find(|a| a["code"] == "1100").expect("the account");
    assert_eq!(receivable["balance"], eur("-47.76"));
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dated_in_a_closed_period_is_told_through_when() {
    let server = Server::start().await;
    let api = &server.api;
    let locks = "/api/v1/billing/period-locks";
    let lock = json!({"through": "2020-01-31", "kind": "soft", "reason": "January is done"});
    let closed = api.post(locks, lock.clone()).await.ok();
    let again = api.post(locks, lock).await.points_at(409, "period_already_closed", "/through");
    assert_eq!(again["params"]["closed_through"], "2020-01-31");
    let future = json!({"through": "9999-12-31", "kind": "hard", "reason": "no"});
    api.post(locks, future).await.points_at(422, "period_not_over", "/through");
    let late =
        with(payment(&Uuid::now_v7().to_string(), "1.00"), "received_on", json!("2020-01-31"));
    let refused = api.post("/api/v1/billing/payments", late).await;
    let refused = refused.points_at(422, "period_closed", "/received_on");
    assert_eq!(refused["params"], json!({"closed_through": "2020-01-31", "kind": "soft"}));
    let path = format!("{locks}/{}", text(&closed["id"]));
    assert_eq!(api.get(&path).await.ok(), closed);
    let reopen = format!("{path}/reopen");
    let reason = json!({"reason": "one came late"});
    let stale = with(closed.clone(), "version", json!(7));
    api.act_with(&reopen, &stale, reason.clone()).await.problem(412, "stale_version");
    let reopened = api.act_with(&reopen, &closed, reason).await.ok();
    assert_eq!(api.get(&path).await.ok(), reopened);
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_allocated_later_and_never_beyond_what_is_open() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let invoice = issued(api, &company, "1").await;
    let paid =
        api.post("/api/v1/billing/payments", payment(&company.customer_id, "30.00")).await.ok();
    let path = format!("/api/v1/billing/payments/{}/allocations", text(&paid["id"]));
    let of = |amount: &str| json!({"allocations": [{"invoice_id": invoice["id"], "amount": eur(amount)}]});
    let problem = api.act_with(&path, &paid, of("23.89")).await.points_at(
        409,
        "over_allocated",
        "/allocations/0/amount",
    );
    assert_eq!(problem["params"]["open"], eur("23.88"));
    let problem = api.act_with(&path, &paid, of("30.01")).await.problem(409, "payment_exhausted");
    assert_eq!(problem["params"]["unapplied"], eur("30.00"));
    let after = api.act_with(&path, &paid, of("20.00")).await.ok();
    assert_eq!((&after["unapplied"], &after["version"]), (&eur("10.00"), &json!(2)));
    api.act_with(&path, &paid, of("1.00")).await.problem(412, "stale_version");
    let after = api.act_with(&path, &after, of("3.88")).await.ok();
    assert_eq!(after["allocations"].as_array().expect("allocations").len(), 2);
    assert_eq!(api.get(&path_of(&invoice)).await.ok()["status"], "settled");
    server.settle().await;
    let order = format!("/api/v1/orders/orders/{}", text(&invoice["order_id"]));
    assert_eq!(api.get(&order).await.ok()["payment_status"], "paid");
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_have_no_gap_however_many_issue_at_once() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let mut drafts = Vec::new();
    for _ in 0..8 {
        drafts.push(drafted(api, &company, "1").await);
    }
    // Each twice: one of the two finds it issued already.
    let issues = drafts.iter().chain(&drafts).map(|draft| {
        let (api, draft) = (api.clone(), draft.clone());
        tokio::spawn(async move { api.act(&format!("{}/issue", path_of(&draft)), &draft).await })
    });
    let issues: Vec<_> = issues.collect();
    let mut numbers = BTreeSet::new();
    let mut refused = 0;
    for issue in issues {
        let answer: Answer = issue.await.expect("no panic");
        if answer.status == 200 {
            numbers.insert(text(&answer.body["number"]));
        } else {
            answer.problem(412, "stale_version");
            refused += 1;
        }
    }
    assert_eq!((numbers.len(), refused), (8, 8));
    let last = numbers.last().expect("eight");
    assert!(last.ends_with("-000008"), "{last}");
    server.assert_invariants().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_payments_at_once_settle_an_invoice_exactly() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    // 5 × 19.90 and 20 %: 119.40, which takes eleven payments of 10.00 and no more.
    let invoice = issued(api, &company, "5").await;
    let allocations = json!([{"invoice_id": invoice["id"], "amount": eur("10.00")}]);
    let body = with(payment(&company.customer_id, "10.00"), "allocations", allocations);
    let payments = (0..20).map(|_| {
        let (api, body) = (api.clone(), body.clone());
        tokio::spawn(async move { api.post("/api/v1/billing/payments", body).await })
    });
    let payments: Vec<_> = payments.collect();
    let mut made = 0;
    for payment in payments {
        let answer: Answer = payment.await.expect("no panic");
        if answer.status == 201 {
            made += 1;
        } else {
            answer.problem(409, "over_allocated");
        }
    }
    assert_eq!(made, 11);
    assert_eq!(api.get(&path_of(&invoice)).await.ok()["open"], eur("9.40"));
    server.assert_invariants().await;
    server.stop().await;
}

/// An approved and sent purchase order of ten at 4.10; nothing received yet.
async fn purchase(server: &Server, company: &Company) -> Value {
    let api = &server.api;
    let order = json!({
        "supplier_id": company.supplier_id, "warehouse_id": company.warehouse_id,
        "lines": [{"product_id": company.product_ids[0], "quantity": "10", "unit_price": "4.10"}]
    });
    let order = api.post("/api/v1/purchasing/purchase-orders", order).await.ok();
    let path = format!("/api/v1/purchasing/purchase-orders/{}", text(&order["id"]));
    let order = api.act(&format!("{path}/approve"), &order).await.ok();
    let order = api.act(&format!("{path}/send"), &order).await.ok();
    server.settle().await;
    order
}

fn bill(order: &Value, number: &str, quantity: &str, price: &str) -> Value {
    json!({
        "supplier_id": order["supplier_id"], "supplier_invoice_number": number,
        "purchase_order_id": order["id"],
        "lines": [{
            "purchase_order_line_id": order["lines"][0]["id"], "quantity": quantity,
            "unit_price": price
        }]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_that_does_not_match_needs_a_reason() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = purchase(&server, &company).await;
    let path = "/api/v1/billing/bills";
    let entered = api.post(path, bill(&order, "R-1", "10", "4.20")).await.ok();
    assert_eq!(entered["status"], "exception");
    let reasons: Vec<_> = entered["exceptions"]
        .as_array()
        .expect("exceptions")
        .iter()
        .map(|exception| text(&exception["reason"]))
        .collect();
    assert_eq!(reasons, ["no_receipt", "price"]);
    api.post(path, bill(&order, "R-1", "1", "4.10")).await.points_at(
        409,
        "duplicate_bill",
        "/supplier_invoice_number",
    );
    let approve = format!("{path}/{}/approve", text(&entered["id"]));
    api.act(&approve, &entered).await.points_at(422, "reason_required", "@X-Reason");
    let with_reason = api
        .request(Method::POST, &approve)
        .header("Idempotency-Key", Uuid::now_v7().to_string())
        .header("If-Match", etag(&entered))
        .header("X-Reason", "price agreed by phone");
    let approved = api.send(with_reason).await.ok();
    assert_eq!(approved["override_reason"], "price agreed by phone");
    assert_eq!((&approved["status"], &approved["total"]), (&json!("approved"), &eur("50.40")));
    // The goods come after the bill.
    let receipt = json!({"purchase_order_id": order["id"]});
    api.post("/api/v1/purchasing/receipts", receipt).await.ok();
    server.assert_invariants().await;
    let accounts = api.get("/api/v1/billing/accounts").await.ok();
    let accounts = accounts["data"].as_array().expect("accounts").clone();
    let balance = |code: &str| {
        let account = accounts.iter().find(|a| a["code"] == code).expect("the account");
        account["balance"].clone()
    };
    assert_eq!((balance("2100"), balance("5100")), (eur("0.00"), eur("1.00")));
    assert_eq!(balance("2000"), eur("-50.40"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_bill_may_come_again() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    let order = purchase(&server, &company).await;
    api.post("/api/v1/purchasing/receipts", json!({"purchase_order_id": order["id"]})).await.ok();
    server.settle().await;
    let path = "/api/v1/billing/bills";
    let first = api.post(path, bill(&order, "R-1", "10", "4.10")).await.ok();
    assert_eq!(first["status"], "matched");
    let second = api.post(path, bill(&order, "R-2", "4", "4.10")).await.ok();
    assert_eq!(second["exceptions"][0]["expected"], "0");
    let rejected = api.act(&format!("{path}/{}/reject", text(&first["id"])), &first).await.ok();
    assert_eq!(
        (&rejected["status"], &rejected["allowed_actions"]),
        (&json!("rejected"), &json!([]))
    );
    let second = api.get(&format!("{path}/{}", text(&second["id"]))).await.ok();
    assert_eq!((&second["status"], &second["exceptions"]), (&json!("matched"), &json!([])));
    let again = api.post(path, bill(&order, "R-1", "6", "4.10")).await.ok();
    assert_eq!(again["status"], "matched");
    let page = format!("{path}?purchase_order_id={}&status=matched", text(&order["id"]));
    let page = api.get(&page).await.ok();
    assert_eq!(page["data"].as_array().expect("bills").len(), 2);
    server.assert_invariants().await;
    server.stop().await;
}

/// The journal of everything a company does ties to its stock: what inventory says its goods
/// are worth is the balance of the inventory account.
#[tokio::test(flavor = "multi_thread")]
async fn the_inventory_account_is_the_value_of_the_stock() {
    let server = Server::start().await;
    let api = &server.api;
    let company = company(api).await;
    quotation_to_cash(api, &company).await.expect("the flow");
    purchase_to_stock(api, &company).await.expect("the flow");
    quotation_to_cash(api, &company).await.expect("the flow");
    server.settle().await;
    let stock = api.get("/api/v1/inventory/stock?limit=200").await.ok();
    let cents = |amount: &Value| -> i64 {
        text(&amount["amount"]).replace('.', "").parse().expect("an amount")
    };
    let value: i64 =
        stock["data"].as_array().expect("stock").iter().map(|row| cents(&row["value"])).sum();
    let accounts = api.get("/api/v1/billing/accounts").await.ok();
    let accounts = accounts["data"].as_array().expect("accounts").clone();
    let inventory = accounts.iter().find(|a| a["code"] == "1200").expect("the account");
    assert_eq!(cents(&inventory["balance"]), value);
    assert!(value > 0);
    server.assert_invariants().await;
    server.stop().await;
}
