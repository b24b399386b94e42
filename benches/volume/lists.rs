//! Every list of every module, as the OpenAPI document has them: with each filter, in each
//! order, its first page, pages in the middle, and its last.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hdrhistogram::Histogram;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::probe::{Probe, histogram, ms};
use crate::world::mix;

/// Requests for each page of each list.
const TIMES: u64 = 30;
/// Reports over all rows: they have a page and a bar of their own.
const REPORTS: [&str; 2] = ["receivables-ageing", "payables-ageing"];
/// The order that a list has unless another is asked for.
const NEWEST_FIRST: &str = "-created_at";
/// Filters that name no field of the rows they select.
const KNOWN: [(&str, &str); 2] = [("account", "1100"), ("account", "5100")];

/// How fast a list is.
pub struct Listed {
    pub path: String,
    /// Combinations of filter, order and page.
    pub variants: usize,
    pub all: Histogram<u64>,
    /// The slowest of them: its 95th percentile in milliseconds, and what it asks.
    pub worst: (f64, String),
}

/// Measures every list. The error names what could not be asked.
pub async fn measure(probe: &mut Probe) -> Result<Vec<Listed>, String> {
    let document = probe.get("/openapi.json").await?.body;
    let paths = document["paths"].as_object().ok_or("no paths in the document")?.clone();
    let mut listed = Vec::new();
    for (path, item) in paths {
        let parameters = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
        // What has no order is a catalogue, the same however much is loaded.
        let has = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
        let is_list = has("cursor") && has("sort");
        if !is_list || REPORTS.iter().any(|report| path.ends_with(report)) {
            continue;
        }
        match list(probe, &document, &path, &parameters).await? {
            Some(measured) => listed.push(measured),
            None => eprintln!("volume: nothing is loaded in {path}"),
        }
    }
    Ok(listed)
}

/// None if nothing is in it.
async fn list(
    probe: &mut Probe,
    document: &Value,
    template: &str,
    parameters: &[Value],
) -> Result<Option<Listed>, String> {
    let Some(path) = fill(probe, template).await? else { return Ok(None) };
    let mut listed = Listed {
        path: template.to_owned(),
        variants: 0,
        all: histogram(),
        worst: (0.0, String::new()),
    };
    let samples = samples(probe, &path).await?;
    if samples.is_empty() {
        return Ok(None);
    }
    let mut filters = vec![String::new()];
    let mut of_row: Vec<Vec<String>> = vec![Vec::new(); samples.len()];
    for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
        let name = parameter["name"].as_str().unwrap_or_default();
        if ["limit", "cursor", "sort"].contains(&name) {
            continue;
        }
        let values = values(document, parameter, name, &samples);
        if values.is_empty() {
            return Err(format!("{template}: no value for the filter {name}"));
        }
        filters.extend(values.into_iter().map(|value| format!("&{name}={value}")));
        for (row, pairs) in samples.iter().zip(&mut of_row) {
            pairs.extend(plain(&row[name]).map(|value| format!("&{name}={value}")));
        }
    }
    // Two filters at a time, of one row.
    for of_row in &of_row {
        for (n, first) in of_row.iter().enumerate() {
            filters.extend(of_row[n + 1..].iter().map(|second| format!("{first}{second}")));
        }
    }
    filters.sort();
    filters.dedup();
    for filter in filters {
        for sort in ["created_at", NEWEST_FIRST] {
            measure_filtered(probe, &path, &filter, sort, &mut listed).await?;
        }
    }
    Ok(Some(listed))
}

/// The path with the id of some row of the list above it, if there is one.
async fn fill(probe: &mut Probe, template: &str) -> Result<Option<String>, String> {
    let Some((parent, _)) = template.split_once("/{id}") else { return Ok(Some(template.into())) };
    let page = probe.get(&format!("{parent}?limit=1&sort=created_at")).await?.body;
    Ok(page["data"][0]["id"].as_str().map(|id| template.replace("{id}", id)))
}

/// Rows from both ends and from the middle.
async fn samples(probe: &mut Probe, path: &str) -> Result<Vec<Value>, String> {
    let mut rows = Vec::new();
    for sort in ["created_at", NEWEST_FIRST] {
        let page = probe.get(&format!("{path}?limit=20&sort={sort}")).await?.body;
        rows.extend(page["data"].as_array().into_iter().flatten().step_by(19).cloned());
    }
    if let Some(span) = Span::of(probe, path, "").await? {
        let cursor = span.after(span.row(probe, path, 0.5).await?, NEWEST_FIRST);
        let page = probe.get(&format!("{path}?limit=1&cursor={cursor}")).await?.body;
        rows.extend(page["data"].as_array().into_iter().flatten().cloned());
    }
    Ok(rows)
}

/// What to filter by: all there is to choose from, or what rows have, and what none has.
fn values(document: &Value, parameter: &Value, name: &str, rows: &[Value]) -> Vec<String> {
    let mut schema = &parameter["schema"];
    for part in [&schema["oneOf"], &schema["anyOf"]] {
        let of = part.as_array().into_iter().flatten();
        schema = of.clone().find(|one| one.get("$ref").is_some()).unwrap_or(schema);
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        schema = &document["components"]["schemas"][name];
    }
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().filter_map(plain).collect();
    }
    let is = |kind: &str| schema["type"] == kind || schema["type"][0] == kind;
    if is("boolean") {
        return vec!["true".into(), "false".into()];
    }
    let of_rows = |names: &'static [&'static str]| {
        names.iter().flat_map(|name| rows.iter().filter_map(|row| plain(&row[*name]))).collect()
    };
    match schema["format"].as_str() {
        Some("date") => return of_rows(&["entry_on", "issued_on"]),
        Some("date-time") => return of_rows(&["occurred_at"]),
        _ => {}
    }
    let known = KNOWN.iter().filter(|(known, _)| *known == name);
    let mut values: Vec<String> = known.map(|(_, value)| (*value).to_owned()).collect();
    values.extend(rows.iter().filter_map(|row| plain(&row[name])));
    values.push(match schema["format"] == "uuid" {
        true => Uuid::now_v7().to_string(),
        false => "NONE-HAS-THIS".into(),
    });
    values.sort();
    values.dedup();
    values
}

/// A value as a query has it.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.replace(' ', "%20")),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

async fn measure_filtered(
    probe: &mut Probe,
    path: &str,
    filter: &str,
    sort: &str,
    listed: &mut Listed,
) -> Result<(), String> {
    let first = format!("{path}?sort={sort}{filter}");
    let mut pages = vec![(format!("first of {first}"), vec![first.clone()])];
    if let Some(span) = Span::of(probe, path, filter).await? {
        // Each time another page, so that not the same one is read from memory.
        let mut middle = Vec::new();
        for n in 0..TIMES {
            let row = span.row(probe, path, 0.1 + 0.8 * (mix(n) % 1000) as f64 / 1000.0).await?;
            middle.push(format!("{first}&cursor={}", span.after(row, sort)));
        }
        let last = if sort == "created_at" { &span.newest } else { &span.oldest };
        let last = format!("{first}&cursor={}", span.after(*last, sort));
        pages.push((format!("middle of {first}"), middle));
        pages.push((format!("last of {first}"), vec![last]));
    }
    for (name, urls) in pages {
        let mut times = histogram();
        for url in urls.iter().cycle().take(TIMES as usize) {
            let micros = probe.get(url).await?.micros;
            // They grow with their values, so that none is beyond them.
            let _ = times.record(micros);
            let _ = listed.all.record(micros);
        }
        listed.variants += 1;
        let p95 = ms(&times, 0.95);
        if p95 > listed.worst.0 {
            listed.worst = (p95, name);
        }
    }
    Ok(())
}

/// From where to where a list goes. It makes cursors, which are opaque to callers: an id and
/// the first bytes of a hash over the list's name, its order and it (`kernel/src/page.rs`).
struct Span {
    list: String,
    /// A row some way from each end.
    oldest: Uuid,
    newest: Uuid,
}

impl Span {
    /// None if the list has a page only.
    async fn of(probe: &mut Probe, path: &str, filter: &str) -> Result<Option<Span>, String> {
        let mut ends = Vec::new();
        for sort in ["created_at", NEWEST_FIRST] {
            let url = format!("{path}?sort={sort}&limit=30{filter}");
            let page = probe.get(&url).await?.body["page"].clone();
            let Some(cursor) = page["next_cursor"].as_str() else { return Ok(None) };
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
            let id = bytes.get(..16).and_then(|id| Uuid::from_slice(id).ok());
            let id = id.ok_or_else(|| format!("{url}: an odd cursor"))?;
            ends.push((id, bytes[16..].to_vec()));
        }
        // Cursors name a list as its path does, or its table.
        let last = path.rsplit('/').next().unwrap_or_default();
        let names = [last.to_owned(), last.replace('-', "_"), format!("stock_{last}")];
        let found = names.into_iter().find(|name| {
            // The first of the two was asked for the oldest first.
            checksum(name, "created_at", ends[0].0) == ends[0].1
        });
        let list = found.ok_or_else(|| format!("{path}: cursors are made differently"))?;
        Ok(Some(Span { list, oldest: ends[0].0, newest: ends[1].0 }))
    }

    /// A row some part of the way from the oldest to the newest.
    async fn row(&self, probe: &mut Probe, path: &str, part: f64) -> Result<Uuid, String> {
        let millis = |id: Uuid| (id.as_u128() >> 80) as f64;
        let (from, to) = (millis(self.oldest), millis(self.newest));
        let at = (from + (to - from) * part) as u128;
        let place = Uuid::from_u128(at << 80 | 0x7000 << 64 | 0b10 << 62);
        let place = self.after(place, NEWEST_FIRST);
        let page = probe.get(&format!("{path}?limit=1&cursor={place}")).await?.body;
        // Not all rows show the id they are paged by: then the place itself will do.
        let id = page["data"][0]["id"].as_str().and_then(|id| id.parse().ok());
        Ok(id.unwrap_or(Uuid::from_u128(at << 80)))
    }

    fn after(&self, id: Uuid, sort: &str) -> String {
        let mut bytes = id.as_bytes().to_vec();
        bytes.extend(checksum(&self.list, sort, id));
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn checksum(list: &str, sort: &str, id: Uuid) -> Vec<u8> {
    let order = [u8::from(sort != NEWEST_FIRST)];
    let digest = Sha256::new().chain_update(list).chain_update(order).chain_update(id).finalize();
    digest[..4].to_vec()
}
