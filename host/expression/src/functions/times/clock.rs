//! Instants as calendar dates.

use crate::error::EvalError;
use crate::value::Timestamp;

/// A moment at some place.
pub(super) struct Civil {
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// From 0.
    pub day_of_year: i64,
    /// Sunday is 0.
    pub weekday: i64,
    pub second_of_day: i64,
    pub nanos: i64,
}

/// Zones are `UTC` or an offset such as `+05:30` or `-8:00`. Names (`Europe/Berlin`) would need a database that is not
/// here.
pub(super) fn in_zone(at: Timestamp, zone: &str) -> Result<Civil, EvalError> {
    let offset = offset(zone).ok_or_else(|| EvalError::Argument(format!("unknown time zone {zone}")))?;
    Ok(civil(at.nanos + i128::from(offset) * 1_000_000_000))
}

fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "UTC" | "Z" | "GMT" | "Etc/UTC") {
        return Some(0);
    }
    let (hours, minutes) = zone.split_once(':')?;
    let negative = hours.starts_with('-');
    let hours: i64 = hours.trim_start_matches(['+', '-']).parse().ok()?;
    let minutes: i64 = minutes.parse().ok()?;
    if !(0..=59).contains(&minutes) || hours > 23 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60;
    Some(if negative { -seconds } else { seconds })
}

pub(super) fn civil(at: i128) -> Civil {
    let seconds = i64::try_from(at.div_euclid(1_000_000_000)).unwrap_or(0);
    let nanos = i64::try_from(at.rem_euclid(1_000_000_000)).unwrap_or(0);
    let days = seconds.div_euclid(86_400);
    let (year, month, day) = date(days);
    let first = days_of(year, 1, 1);
    Civil {
        year,
        month,
        day,
        day_of_year: days - first,
        // 1970-01-01 was a Thursday.
        weekday: (days + 4).rem_euclid(7),
        second_of_day: seconds.rem_euclid(86_400),
        nanos,
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar (by eras of 400 years that start in March).
pub(super) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}
