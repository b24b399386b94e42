//! From recorded exchanges to the examples of the documents: one for each operation, with
//! ids, moments and secrets put into a form that is the same in every run.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use crate::harness::Exchange;

/// The day every example plays on.
const EXAMPLE_DAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 1, 15).expect("a day");

/// The examples by operation id: the first success of each.
pub fn examples(exchanges: &[Exchange], spec: &Value) -> Value {
    let mut normaliser = Normaliser::default();
    let mut examples = Map::new();
    for exchange in exchanges.iter().filter(|e| (200..300).contains(&e.status)) {
        let Some(id) = operation_id(spec, &exchange.method, &exchange.path) else {
            continue;
        };
        let sent = normaliser.value(&exchange.sent);
        let received = normaliser.value(&exchange.received);
        if examples.contains_key(&id) {
            continue;
        }
        let mut example = json!({ "status": exchange.status });
        if !sent.is_null() {
            example["request"] = sent;
        }
        // A file is no example: it would be all of it.
        if !received.is_null() && !received.is_string() {
            example["response"] = received;
        }
        examples.insert(id, example);
    }
    Value::Object(examples)
}

/// The operation of a request, by its path's template; fixed segments win.
pub fn operation_id(spec: &Value, method: &str, path: &str) -> Option<String> {
    let matching = spec["paths"].as_object()?.iter().filter(|(template, item)| {
        let (mut a, mut b) = (template.split('/'), path.split('/'));
        item.get(method.to_ascii_lowercase()).is_some()
            && loop {
                match (a.next(), b.next()) {
                    (None, None) => break true,
                    (Some(t), Some(s)) if t == s || t.starts_with('{') => {}
                    _ => break false,
                }
            }
    });
    let (_, item) = matching.min_by_key(|(template, _)| template.matches('{').count())?;
    Some(item[method.to_ascii_lowercase()]["operationId"].as_str()?.to_owned())
}

/// Gives each id it meets the next id of a fixed row.
#[derive(Default)]
pub struct Normaliser {
    ids: BTreeMap<String, String>,
}

impl Normaliser {
    pub fn value(&mut self, value: &Value) -> Value {
        match value {
            // Rows of the audit log are numbered in the order they came.
            Value::Object(map)
                if map.contains_key("chain") && map.get("id").is_some_and(Value::is_i64) =>
            {
                let mut map = map.clone();
                map.insert("id".into(), json!(1));
                map.remove("chain");
                let mut row = self.value(&Value::Object(map));
                row["chain"] = json!(0);
                row
            }
            Value::Object(map) => Value::Object(
                map.iter().map(|(key, value)| (key.clone(), self.field(key, value))).collect(),
            ),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::String(text) => Value::String(self.text(text)),
            other => other.clone(),
        }
    }

    /// The same, but ids not met before become one and the same: who met which first tells
    /// nothing.
    pub fn known(&mut self, value: &Value) -> Value {
        let known = self.ids.clone();
        let value = self.value(value);
        let ids = std::mem::replace(&mut self.ids, known);
        let new = ids.iter().filter(|(id, _)| !self.ids.contains_key(*id));
        let text = new.fold(value.to_string(), |text, (_, shown)| text.replace(shown, "new"));
        serde_json::from_str(&text).expect("JSON")
    }

    fn field(&mut self, key: &str, value: &Value) -> Value {
        let text = value.as_str().unwrap_or_default();
        match key {
            "token" | "csrf_token" if !text.is_empty() => {
                json!("kX3vQz1bT0mHcI2pBv5lXH1rYb0m4Jq0nDk3sYw8uE6")
            }
            "key" | "client_secret" if text.starts_with("erp_") => {
                json!("erp_kX3vQz1bT0mHcI2pBv5lXH1rYb0m4Jq0nDk3sYw8uE6")
            }
            "prefixes" => json!(["erp_kX3vQz1b"]),
            "kid" => json!("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
            "x" if text.len() == 43 => json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
            "secret" if text.starts_with("whsec_") => {
                json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwkX3vQz1bT0o=")
            }
            "secret" => json!("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
            "ceremony" if text.len() == 43 => {
                json!("mHcI2pBv5lXH1rYb0m4Jq0nDk3sYw8uE6tZcVfGaR7o")
            }
            // As long as a page, and different each time.
            "options" if value["challenge"].is_string() => json!({
                "challenge": "Xk9vQz1bT0mHcI2pBv5lXH1rYb0m4Jq0nDk3sYw8uE6",
                "userVerification": "required"
            }),
            "credential" if value["rawId"].is_string() => json!({
                "id": "AZNrLl1cehCPXjwfnzuKEQ", "rawId": "AZNrLl1cehCPXjwfnzuKEQ",
                "type": "public-key", "response": {}
            }),
            "authorization_url" => json!(
                "https://login.example/authorize?response_type=code&client_id=erp&scope=openid&.."
            ),
            "issuer" if text.starts_with("http://127.0.0.1:") => json!("https://login.example"),
            "flow" | "state" if text.len() == 43 => {
                json!("kX3vQz1bT0mHcI2pBv5lXH1rYb0m4Jq0nDk3sYw8uE6")
            }
            "code" if text.len() == 36 => json!("0.AXkA2f.."),
            "duration_ms" if value.is_i64() => json!(120),
            // A listener of the test's own.
            "url" if text.starts_with("http://127.0.0.1:") => json!("https://shop.example/erp"),
            "uri" => {
                json!("otpauth://totp/erp:otto?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=erp")
            }
            "recovery_codes" => json!(["3v9k-7xqa-0m2e-hd5w"]),
            "code" if text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                json!("492039")
            }
            "iat" | "exp" if value.is_i64() => json!(1_768_469_400),
            // How many rows there were before differs from run to run.
            "seq" if value.is_i64() => json!(1),
            "chain" => json!(0),
            // One on SQLite, as many as sixteen on PostgreSQL.
            "heads" if value.is_array() => {
                let first = value.as_array().and_then(|heads| heads.first()).into_iter();
                first.map(|head| self.value(head)).collect()
            }
            "rows" if value.is_i64() => json!(1),
            "access_token" => json!("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl"),
            "refresh_token" => json!("mHcI2pBv5lXH1rYb0m4Jq0nDk3sYw8uE6tZcVfGaR7o"),
            "next_cursor" => json!("AZNrLl1cehCPXjwfnzuKEXo8"),
            "hash" | "prev_hash" if value.as_str().is_some_and(|hash| hash.len() == 64) => {
                json!("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
            }
            _ => self.value(value),
        }
    }

    pub fn text(&mut self, text: &str) -> String {
        if text.len() == 36 && uuid::Uuid::try_parse(text).is_ok() {
            let next = format!("01936b2e-5d5c-7a10-8f5e-{:012}", self.ids.len() + 1);
            return self.ids.entry(text.to_owned()).or_insert(next).clone();
        }
        if text.starts_with("/api/") {
            let segments: Vec<_> = text.split('/').map(|segment| self.text(segment)).collect();
            return segments.join("/");
        }
        if let Ok(moment) = text.parse::<DateTime<Utc>>() {
            return format!("{}T09:30:00Z", shifted(day_of(moment)));
        }
        if let Ok(day) = text.parse::<NaiveDate>() {
            return shifted(day).to_string();
        }
        // Numbers of documents carry the year.
        let year = Utc::now().date_naive().format("-%Y-").to_string();
        text.replace(&year, &EXAMPLE_DAY.format("-%Y-").to_string())
    }
}

/// The day of a moment, to the nearest from now: what ends in an hour ends today, late in
/// the evening too. A day's midnight is of that day.
fn day_of(moment: DateTime<Utc>) -> NaiveDate {
    if moment.time() == NaiveTime::MIN {
        return moment.date_naive();
    }
    let hours = (moment - Utc::now()).num_hours();
    Utc::now().date_naive() + TimeDelta::days((hours + 12).div_euclid(24))
}

/// The day as far from the day of the examples as it is from today; days of other years are
/// meant as they are.
fn shifted(day: NaiveDate) -> NaiveDate {
    let days = (day - Utc::now().date_naive()).num_days();
    if days.abs() > 500 {
        return day;
    }
    match u64::try_from(days) {
        Ok(days) => EXAMPLE_DAY + Days::new(days),
        Err(_) => EXAMPLE_DAY - Days::new(days.unsigned_abs()),
    }
}
