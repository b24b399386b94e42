//! Rows on their way out: as lines of a file, as a whole report in CSV, as series for a chart.

use std::future::{Ready, ready};

use actix_web::body::{BodyStream, BoxBody};
use actix_web::dev::Payload;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, VARY};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use futures_util::stream::{once, try_unfold};
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::http::Reply;
use crate::page::{Cursor, Limit, Page, PageInfo};
use crate::table::{Format, guard};

/// The media type of a report as series.
const SERIES: &str = "application/vnd.erp.series+json";

/// Rows that can be put in columns.
pub trait Tabular: Serialize {
    /// The columns of a CSV file, by the names of the fields. A part of a field is named with a
    /// dot, such as `value.amount`.
    const COLUMNS: &'static [&'static str];
    /// What a point of a series is named after.
    const LABEL: &'static str = "sku";
    /// The columns that are drawn.
    const SERIES: &'static [&'static str] = &[];
}

/// The row of names that a file of this format begins with.
pub fn header(format: Format, columns: &[&str]) -> String {
    match format {
        Format::Csv => columns.join(",") + "\r\n",
        Format::Ndjson => String::new(),
    }
}

/// Rows as lines of a file.
pub fn lines<T: Tabular>(format: Format, rows: &[T]) -> Result<String> {
    let mut text = String::new();
    for row in rows {
        let row = serde_json::to_value(row)?;
        match format {
            Format::Ndjson => {
                text += &row.to_string();
                text.push('\n');
            }
            Format::Csv => {
                for (i, column) in T::COLUMNS.iter().enumerate() {
                    if i > 0 {
                        text.push(',');
                    }
                    push_cell(&mut text, field(&row, column));
                }
                text += "\r\n";
            }
        }
    }
    Ok(text)
}

fn field<'a>(row: &'a Value, column: &str) -> &'a Value {
    column.split('.').fold(row, |value, name| &value[name])
}

fn push_cell(text: &mut String, value: &Value) {
    let cell = match value {
        Value::Null => return,
        Value::String(text) => guard(text),
        other => other.to_string(),
    };
    if cell.contains([',', '"', '\r', '\n']) {
        text.push('"');
        text.push_str(&cell.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(&cell);
    }
}

/// A page of a report as a chart takes it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Series {
    /// One for each point.
    pub labels: Vec<String>,
    pub series: Vec<OneSeries>,
    pub page: PageInfo,
}

/// One line, or one set of bars.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneSeries {
    /// The column of the report it shows.
    #[schema(example = "value.amount")]
    pub name: String,
    /// One for each label; null where there is none. Numbers, to be drawn and not to be added.
    #[schema(value_type = Vec<Option<f64>>)]
    pub data: Vec<Value>,
}

/// What a report is wanted as: the header `Accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    Json,
    Csv,
    Series,
}

impl Accept {
    fn of(accept: &str) -> Self {
        // The first of those that are liked best; whatever else is asked for gets JSON.
        let mut best = (Accept::Json, 0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let form = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "text/csv" => Accept::Csv,
                SERIES => Accept::Series,
                "application/json" | "application/*" | "*/*" => Accept::Json,
                _ => continue,
            };
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
            if weight > best.1 {
                best = (form, weight);
            }
        }
        best.0
    }

    /// Answers with one page of JSON or of series, or with the whole report in CSV, which is
    /// read and sent page by page.
    pub async fn answer<Q, T, F, R>(self, query: Q, mut read: F) -> Result<HttpResponse>
    where
        Q: PageQuery + 'static,
        T: Tabular + 'static,
        F: FnMut(Q) -> R + 'static,
        R: Future<Output = Result<Page<T>>> + 'static,
    {
        match self {
            Accept::Json => Ok(vary(Reply::plain(&read(query).await?).to_response())),
            Accept::Series => {
                let page = read(query).await?;
                Ok(vary(as_series(&series(&page.data, page.page)?)))
            }
            Accept::Csv => {
                // Whatever is wrong with the question is told before the answer begins.
                let first = read(query.clone().at(Limit::LARGEST, query.cursor())).await?;
                let pages = try_unfold(Some(first), move |page| {
                    let next = page.map(|page| {
                        let text = lines(Format::Csv, &page.data);
                        let rest = page
                            .page
                            .next_cursor
                            .map(|cursor| read(query.clone().at(Limit::LARGEST, Some(cursor))));
                        (text, rest)
                    });
                    async move {
                        let Some((text, rest)) = next else { return Ok(None) };
                        let rest = match rest {
                            Some(rest) => Some(rest.await?),
                            None => None,
                        };
                        Ok::<_, Error>(Some((Bytes::from(text?), rest)))
                    }
                });
                let names = Bytes::from(header(Format::Csv, T::COLUMNS));
                Ok(vary(stream(Format::Csv, once(ready(Ok(names))).chain(pages))))
            }
        }
    }
}

impl Accept {
    /// Answers with something that is read at once, or with the rows in it.
    pub fn answer_with<B: Serialize, T: Tabular>(
        self,
        body: &B,
        rows: impl FnOnce(&B) -> &[T],
    ) -> Result<HttpResponse> {
        Ok(vary(match self {
            Accept::Json => Reply::plain(body).to_response(),
            Accept::Series => {
                let info = PageInfo { next_cursor: None, has_more: false };
                as_series(&series(rows(body), info)?)
            }
            Accept::Csv => {
                let text = header(Format::Csv, T::COLUMNS) + &lines(Format::Csv, rows(body))?;
                let kind = (CONTENT_TYPE, Format::Csv.media_type());
                HttpResponse::Ok().insert_header(kind).body(text)
            }
        }))
    }
}

fn as_series(series: &Series) -> HttpResponse {
    let mut response = Reply::plain(series).to_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(SERIES));
    response
}

/// A file that is sent as it is read.
pub fn stream(format: Format, pieces: impl Stream<Item = Result<Bytes>> + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, format.media_type()))
        .body(BodyStream::new(pieces))
}

fn vary(mut response: HttpResponse<BoxBody>) -> HttpResponse {
    response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
    response
}

/// The weight of a media type: `0.25` is 250.
fn thousandths(text: &str) -> u32 {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{rest:0<3}");
    digits.get(..whole.len() + 3).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn series<T: Tabular>(rows: &[T], page: PageInfo) -> Result<Series> {
    let rows: Vec<Value> = rows.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    let labels = rows.iter().map(|row| {
        let label = field(row, T::LABEL);
        label.as_str().map_or_else(|| label.to_string(), ToOwned::to_owned)
    });
    let number = |value: &Value| match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or(json!(null)),
        other => other.clone(),
    };
    let series = T::SERIES.iter().map(|name| OneSeries {
        name: (*name).to_owned(),
        data: rows.iter().map(|row| number(field(row, name))).collect(),
    });
    Ok(Series { labels: labels.collect(), series: series.collect(), page })
}

impl FromRequest for Accept {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
        ready(Ok(accept.map_or(Accept::Json, Accept::of)))
    }
}

/// The parameters of a list or a report that comes in pages.
pub trait PageQuery: Clone {
    /// Where it begins.
    fn cursor(&self) -> Option<Cursor>;

    /// The same, of another page.
    fn at(self, limit: Limit, cursor: Option<Cursor>) -> Self;
}

/// Says of types with the fields `limit` and `cursor` that they are a [`PageQuery`].
#[macro_export]
macro_rules! page_query {
    ($($query:ty),+ $(,)?) => {$(
        impl $crate::table::PageQuery for $query {
            fn cursor(&self) -> Option<$crate::page::Cursor> {
                self.cursor.clone()
            }

            fn at(
                self,
                limit: $crate::page::Limit,
                cursor: Option<$crate::page::Cursor>,
            ) -> Self {
                Self { limit, cursor, ..self }
            }
        }
    )+};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Line {
        sku: String,
        value: Value,
    }

    impl Tabular for Line {
        const COLUMNS: &'static [&'static str] = &["sku", "value.amount", "value"];
        const SERIES: &'static [&'static str] = &["value.amount"];
    }

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_guarded() {
        let line = |sku: &str| Line { sku: sku.into(), value: json!({ "amount": "-1.50" }) };
        let rows = [line("a,b \"c\""), line("=1+1"), line("two\nlines")];
        let text = lines(Format::Csv, &rows).expect("text");
        let value = "-1.50,\"{\"\"amount\"\":\"\"-1.50\"\"}\"\r\n";
        let expected = ["\"a,b \"\"c\"\"\",", "'=1+1,", "\"two\nlines\","];
        assert_eq!(text, expected.map(|cell| format!("{cell}{value}")).concat());
        let text = lines(Format::Ndjson, &rows[1..2]).expect("text");
        assert_eq!(text, "{\"sku\":\"=1+1\",\"value\":{\"amount\":\"-1.50\"}}\n");
    }

    #[test]
    fn the_form_that_is_liked_best_is_sent() {
        let check =
            |accept: &str, expected: Accept| assert_eq!(Accept::of(accept), expected, "{accept}");
        check("", Accept::Json);
        check("*/*", Accept::Json);
        check("text/html, application/xml", Accept::Json);
        check("text/csv", Accept::Csv);
        check("Text/CSV; charset=utf-8", Accept::Csv);
        check("application/json, text/csv", Accept::Json);
        check("application/json;q=0.5, text/csv;q=0.8", Accept::Csv);
        check("text/csv;q=0, */*", Accept::Json);
        check("application/vnd.erp.series+json", Accept::Series);
        check("text/csv;q=0.25, application/vnd.erp.series+json;q=0.3", Accept::Series);
    }

    #[test]
    fn a_chart_gets_numbers() {
        let row = |value: Value| Line { sku: "A".into(), value };
        let rows = vec![row(json!({ "amount": "12.34" })), row(json!({}))];
        let page = PageInfo { next_cursor: None, has_more: false };
        let series = serde_json::to_value(series(&rows, page).expect("series")).expect("JSON");
        assert_eq!(series["labels"], json!(["A", "A"]));
        assert_eq!(series["series"], json!([{ "name": "value.amount", "data": [12.34, null] }]));
    }
}
