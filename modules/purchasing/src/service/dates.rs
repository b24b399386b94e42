//! Dates people may give.

use chrono::{Datelike, NaiveDate};

use crate::error::Error;

/// The day of something that has happened: today unless said, never in the future.
pub(crate) fn past(
    given: Option<NaiveDate>,
    today: NaiveDate,
    pointer: &'static str,
) -> Result<NaiveDate, Error> {
    let date = given.unwrap_or(today);
    check_range(date, pointer)?;
    if date > today {
        return Err(Error::DateInFuture { pointer, date });
    }
    Ok(date)
}

/// The day goods are expected: not before they were ordered.
pub(crate) fn expected(
    given: Option<NaiveDate>,
    ordered_on: NaiveDate,
) -> Result<Option<NaiveDate>, Error> {
    let Some(date) = given else { return Ok(None) };
    check_range(date, "/expected_on")?;
    if date < ordered_on { Err(Error::ExpectedBeforeOrdered) } else { Ok(Some(date)) }
}

/// Refuses years no calendar of the business has. They are also those that every database
/// can hold and compare.
fn check_range(date: NaiveDate, pointer: &'static str) -> Result<(), Error> {
    if (1900..=9999).contains(&date.year()) {
        Ok(())
    } else {
        Err(Error::DateOutOfRange { pointer, date })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect(text)
    }

    fn code<T: ToString>(found: Result<T, Error>) -> Result<String, String> {
        found
            .map(|date| date.to_string())
            .map_err(|error| kernel::Error::from(error).code().to_owned())
    }

    #[test]
    fn what_has_happened_is_of_today_or_earlier() {
        let check = |given: Option<&str>, expected: Result<&str, &str>| {
            let found = code(past(given.map(day), day("2026-03-10"), "/ordered_on"));
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{given:?}");
        };
        check(None, Ok("2026-03-10"));
        check(Some("2026-03-10"), Ok("2026-03-10"));
        check(Some("2026-02-28"), Ok("2026-02-28"));
        check(Some("2026-03-11"), Err("date_in_future"));
        check(Some("1899-12-31"), Err("date_out_of_range"));
    }

    #[test]
    fn goods_are_expected_when_ordered_or_later() {
        let check = |given: &str, expected_code: Result<&str, &str>| {
            let found = expected(Some(day(given)), day("2026-03-10"));
            let found = code(found.map(|date| date.expect("given")));
            assert_eq!(found, expected_code.map(str::to_owned).map_err(str::to_owned), "{given}");
        };
        check("2026-03-10", Ok("2026-03-10"));
        check("2027-01-01", Ok("2027-01-01"));
        check("2026-03-09", Err("expected_before_ordered"));
        check("+12345-01-01", Err("date_out_of_range"));
        assert_eq!(expected(None, day("2026-03-10")).expect("not said"), None);
    }
}
