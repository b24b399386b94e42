//! Business dates.

use chrono::{NaiveDate, NaiveTime};
use uuid::Uuid;

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
    use chrono::Utc;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
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
