//! Dates people may give.

use chrono::{Days, NaiveDate};
use kernel::Result;
use kernel::date::check_date;

use crate::error::Error;

/// Longest validity of a quotation: ten years.
pub(crate) const MAX_VALIDITY_DAYS: u16 = 3650;

/// The last day a quotation can be accepted.
pub(crate) fn valid_until(
    asked: Option<NaiveDate>,
    quoted_on: NaiveDate,
    default_days: u16,
) -> Result<NaiveDate> {
    // `quoted_on` is not in the future, so ten years more are still in the calendar.
    let after = |days: u16| quoted_on.checked_add_days(Days::new(days.into())).unwrap_or(quoted_on);
    let date = asked.unwrap_or_else(|| after(default_days.min(MAX_VALIDITY_DAYS)));
    check_date(date, "/valid_until")?;
    if date < quoted_on {
        return Err(Error::ValidUntilBeforeQuotedOn.into());
    }
    if date > after(MAX_VALIDITY_DAYS) {
        return Err(Error::ValidUntilTooLate { max_days: MAX_VALIDITY_DAYS }.into());
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
    fn a_quotation_is_valid_from_its_day_for_at_most_ten_years() {
        let check = |asked: Option<&str>, expected: Result<&str, &str>| {
            let found = valid_until(asked.map(day), day("2026-03-10"), 30)
                .map(|d| d.to_string())
                .map_err(|e| e.code().to_owned());
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
