//! Dates people may give.

use chrono::{Datelike, Days, NaiveDate};

use crate::error::Error;

/// Longest validity of a quotation: ten years.
pub(crate) const MAX_VALIDITY_DAYS: u16 = 3650;

/// Refuses years no calendar of the business has. They are also those that every
/// database can hold and compare.
pub(crate) fn check_range(date: NaiveDate, pointer: &'static str) -> Result<(), Error> {
    if (1900..=9999).contains(&date.year()) {
        Ok(())
    } else {
        Err(Error::DateOutOfRange { pointer })
    }
}

/// The day of a quotation: today unless said, never in the future.
pub(crate) fn quoted_on(asked: Option<NaiveDate>, today: NaiveDate) -> Result<NaiveDate, Error> {
    let date = asked.unwrap_or(today);
    check_range(date, "/quoted_on")?;
    if date > today {
        return Err(Error::DateInFuture { pointer: "/quoted_on" });
    }
    Ok(date)
}

/// The last day a quotation can be accepted.
pub(crate) fn valid_until(
    asked: Option<NaiveDate>,
    quoted_on: NaiveDate,
    default_days: u16,
) -> Result<NaiveDate, Error> {
    // `quoted_on` is not in the future, so ten years more are still in the calendar.
    let after = |days: u16| quoted_on.checked_add_days(Days::new(days.into())).unwrap_or(quoted_on);
    let date = asked.unwrap_or_else(|| after(default_days.min(MAX_VALIDITY_DAYS)));
    check_range(date, "/valid_until")?;
    if date < quoted_on {
        return Err(Error::ValidUntilBeforeQuotedOn);
    }
    if date > after(MAX_VALIDITY_DAYS) {
        return Err(Error::ValidUntilTooLate { max_days: MAX_VALIDITY_DAYS });
    }
    Ok(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect(text)
    }

    #[test]
    fn a_quotation_is_of_today_or_earlier() {
        let check = |asked: Option<&str>, expected: Result<&str, &str>| {
            let found = quoted_on(asked.map(day), day("2026-03-10"))
                .map(|d| d.to_string())
                .map_err(|e| kernel::Error::from(e).code().to_owned());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{asked:?}");
        };
        check(None, Ok("2026-03-10"));
        check(Some("2026-03-10"), Ok("2026-03-10"));
        check(Some("2026-02-28"), Ok("2026-02-28"));
        check(Some("2026-03-11"), Err("date_in_future"));
        check(Some("1899-12-31"), Err("date_out_of_range"));
        check(Some("-0044-03-15"), Err("date_out_of_range"));
    }

    #[test]
    fn a_quotation_is_valid_from_its_day_for_at_most_ten_years() {
        let check = |asked: Option<&str>, expected: Result<&str, &str>| {
            let found = valid_until(asked.map(day), day("2026-03-10"), 30)
                .map(|d| d.to_string())
                .map_err(|e| kernel::Error::from(e).code().to_owned());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{asked:?}");
        };
        check(None, Ok("2026-04-09"));
        check(Some("2026-03-10"), Ok("2026-03-10"));
        check(Some("2026-03-09"), Err("valid_until_before_quoted_on"));
        check(Some("2036-03-07"), Ok("2036-03-07"));
        check(Some("2036-03-08"), Err("valid_until_too_late"));
        check(Some("+12345-01-01"), Err("date_out_of_range"));
    }
}
