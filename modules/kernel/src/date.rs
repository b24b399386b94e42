//! Dates that callers give.

use chrono::{Datelike, NaiveDate};

use crate::error::{Error, Result};

/// Refuses years no calendar of the business has: before 1900 and after 9999 there are only
/// typing errors. Every database can hold the others, and compare them: in SQLite a date is
/// text, of four digits for the year. `field` is a pointer into a body, or `?name` in a query.
pub fn check_date(date: impl Datelike, field: &str) -> Result<()> {
    if (1900..=9999).contains(&date.year()) {
        return Ok(());
    }
    let detail = "dates run from 1900-01-01 to 9999-12-31";
    Err(match field.starts_with('?') {
        true => {
            Error::bad_request("invalid_query", detail).with_field(field, "invalid_value", detail)
        }
        false => Error::invalid("date_out_of_range", field, detail),
    })
}

/// The day of something that has happened: today unless said, never in the future.
pub fn business_date(given: Option<NaiveDate>, today: NaiveDate, field: &str) -> Result<NaiveDate> {
    let date = given.unwrap_or(today);
    check_date(date, field)?;
    if date > today {
        let detail = format!("{date} is in the future");
        return Err(Error::invalid("date_in_future", field, detail));
    }
    Ok(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_calendar_has_is_refused_where_it_stands() {
        let check = |text: &str, field: &str, expected: Option<(u16, &str)>| {
            let date: NaiveDate = text.parse().expect(text);
            let found = check_date(date, field).err();
            let found = found.as_ref().map(|error| (error.status(), error.code()));
            assert_eq!(found, expected, "{text} {field}");
        };
        check("1900-01-01", "/on", None);
        check("9999-12-31", "?on", None);
        check("1899-12-31", "/on", Some((422, "date_out_of_range")));
        check("+10000-01-01", "/on", Some((422, "date_out_of_range")));
        check("-262143-01-01", "?on", Some((400, "invalid_query")));
    }

    #[test]
    fn what_has_happened_is_of_today_or_earlier() {
        let day = |text: &str| text.parse::<NaiveDate>().expect(text);
        let check = |given: Option<&str>, expected: Result<&str, &str>| {
            let found = business_date(given.map(day), day("2026-03-10"), "/on");
            let found = found.map_err(|error| error.code().to_owned());
            assert_eq!(found, expected.map(day).map_err(str::to_owned), "{given:?}");
        };
        check(None, Ok("2026-03-10"));
        check(Some("2026-03-10"), Ok("2026-03-10"));
        check(Some("1900-01-01"), Ok("1900-01-01"));
        check(Some("2026-03-11"), Err("date_in_future"));
        check(Some("0004-03-10"), Err("date_out_of_range"));
    }
}
