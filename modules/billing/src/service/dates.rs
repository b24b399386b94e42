//! Business dates.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use uuid::Uuid;

use crate::error::Error;

/// The date given, or today (UTC). Nothing happens in the future, and before 1900 or after
/// 9999 there are only typing errors.
pub(crate) fn business_date(
    given: Option<NaiveDate>,
    now: DateTime<Utc>,
    pointer: &'static str,
) -> Result<NaiveDate, Error> {
    let today = now.date_naive();
    let date = given.unwrap_or(today);
    check_range(date, pointer)?;
    if date > today {
        return Err(Error::DateInFuture { pointer });
    }
    Ok(date)
}

/// Refuses a date no document has.
pub(crate) fn check_range(date: NaiveDate, pointer: &'static str) -> Result<(), Error> {
    match date.year() {
        1900..=9999 => Ok(()),
        _ => Err(Error::DateOutOfRange { pointer }),
    }
}

/// The day `days` after `date`; the date itself where the calendar ends before.
pub(crate) fn days_after(date: NaiveDate, days: i64) -> NaiveDate {
    chrono::TimeDelta::try_days(days).and_then(|d| date.checked_add_signed(d)).unwrap_or(date)
}

/// An id before all that are made on `date` (UTC) or later: they begin with the time. What is
/// dated later than `date` has none before it, even if clocks differ by a day.
pub(crate) fn first_id_of(date: NaiveDate) -> Uuid {
    let millis = date.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
    Uuid::from_u128((millis.max(0) as u128) << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn a_business_date_is_today_unless_given_and_never_later() {
        let now: DateTime<Utc> = "2026-03-01T23:59:59Z".parse().expect("a moment");
        let check = |given: Option<&str>| {
            business_date(given.map(day), now, "/issued_on").map_err(kernel::Error::from)
        };
        assert_eq!(check(None).expect("today"), day("2026-03-01"));
        assert_eq!(check(Some("2025-12-31")).expect("past"), day("2025-12-31"));
        let code = |given| check(Some(given)).expect_err("refused").code().to_owned();
        assert_eq!(code("2026-03-02"), "date_in_future");
        assert_eq!(code("1899-12-31"), "date_out_of_range");
        assert_eq!(code("+10000-01-01"), "date_out_of_range");
    }

    #[test]
    fn ids_made_on_a_day_follow_its_first() {
        let today = Utc::now().date_naive();
        assert!(first_id_of(today) < Uuid::now_v7());
        assert!(first_id_of(days_after(today, 1)) > Uuid::now_v7());
        assert_eq!(first_id_of(day("1900-01-01")), Uuid::nil());
    }

    #[test]
    fn days_are_counted_over_the_ends_of_months() {
        assert_eq!(days_after(day("2026-01-31"), 30), day("2026-03-02"));
        assert_eq!(days_after(NaiveDate::MAX, 1), NaiveDate::MAX);
    }
}
