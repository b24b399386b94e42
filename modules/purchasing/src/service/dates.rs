//! Dates people may give.

use chrono::NaiveDate;
use kernel::Result;
use kernel::date::check_date;

use crate::error::Error;

/// The day goods are expected: not before they were ordered.
pub(crate) fn expected(
    given: Option<NaiveDate>,
    ordered_on: NaiveDate,
) -> Result<Option<NaiveDate>> {
    let Some(date) = given else { return Ok(None) };
    check_date(date, "/expected_on")?;
    if date < ordered_on { Err(Error::ExpectedBeforeOrdered.into()) } else { Ok(Some(date)) }
}

/// Refuses a day on which what arrived was not ordered yet.
pub(crate) fn check_received(received_on: NaiveDate, ordered_on: NaiveDate) -> Result<(), Error> {
    if received_on < ordered_on { Err(Error::ReceivedBeforeOrdered) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect(text)
    }

    fn code<T: ToString>(found: Result<T>) -> Result<String, String> {
        found.map(|date| date.to_string()).map_err(|error| error.code().to_owned())
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
