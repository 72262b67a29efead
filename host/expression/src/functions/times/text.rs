//! Times as text.

use super::clock::{civil, days_of};
use super::in_range;
use crate::value::{Duration, Timestamp};

/// RFC 3339: `2006-01-02T15:04:05.999Z`, `…+07:00`.
pub(crate) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    read_timestamp(text, false)
}

/// As strfmt reads `date-time`: also without a zone, with zones as `+0700`, and a blank instead of `T`.
pub(crate) fn parse_timestamp_relaxed(text: &str) -> Option<Timestamp> {
    read_timestamp(text, true)
}

/// `2006-01-02`
pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let days = read_date(date)?;
    let at = Timestamp::utc(i128::from(days) * 86_400_000_000_000);
    (rest.is_empty() && in_range(at)).then_some(at)
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn read_date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let (year, month, day) = (digits(year)?, digits(month)?, digits(day)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=longest).contains(&day).then(|| days_of(year, month, day))
}

fn read_timestamp(text: &str, relaxed: bool) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let days = read_date(date)?;
    let blanks: &[char] = if relaxed { &['T', 't', ' '] } else { &['T', 't'] };
    let rest = rest.strip_prefix(blanks)?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let mut parts = clock.split(':');
    let mut part = |below: i64| parts.next().filter(|p| p.len() == 2).and_then(digits).filter(|n| *n < below);
    let (hours, minutes, seconds) = (part(24)?, part(60)?, part(60)?);
    let (nanos, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (fraction, zone) = rest.split_at(end);
            let nine: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
            (digits(fraction).is_some().then(|| digits(&nine))??, zone)
        }
        None => (0, rest),
    };
    let offset = match zone {
        "Z" | "z" => 0,
        "" if relaxed => 0,
        zone => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let told = zone.strip_prefix(['+', '-'])?;
            let (hours, minutes) = match told.split_once(':') {
                Some(pair) => pair,
                None if relaxed => told.split_at_checked(2)?,
                None => return None,
            };
            if hours.len() != 2 || minutes.len() != 2 {
                return None;
            }
            let (hours, minutes) = (digits(hours)?, digits(minutes)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            sign * (hours * 3600 + minutes * 60)
        }
    };
    let total = days * 86_400 + hours * 3600 + minutes * 60 + seconds - offset;
    let at = Timestamp { nanos: i128::from(total) * 1_000_000_000 + i128::from(nanos), offset: i32::try_from(offset).unwrap_or(0) };
    in_range(at).then_some(at)
}

/// RFC 3339 in the offset it was written in, with as many decimals as are needed.
pub(crate) fn format_timestamp(at: Timestamp) -> String {
    let c = civil(at.nanos + i128::from(at.offset) * 1_000_000_000);
    let zone = match at.offset {
        0 => "Z".to_owned(),
        o => format!("{}{:02}:{:02}", if o < 0 { '-' } else { '+' }, o.abs() / 3600, o.abs() / 60 % 60),
    };
    let (h, m, s) = (c.second_of_day / 3600, c.second_of_day / 60 % 60, c.second_of_day % 60);
    format!("{:04}-{:02}-{:02}T{h:02}:{m:02}:{s:02}{}{zone}", c.year, c.month, c.day, fraction(c.nanos))
}

fn fraction(nanos: i64) -> String {
    if nanos == 0 {
        return String::new();
    }
    format!(".{nanos:09}").trim_end_matches('0').to_owned()
}

/// Seconds, as the protobuf JSON form: `1.5s`.
pub(crate) fn format_seconds(d: Duration) -> String {
    let sign = if d.0 < 0 { "-" } else { "" };
    let magnitude = d.0.unsigned_abs();
    let nanos = i64::try_from(magnitude % 1_000_000_000).unwrap_or(0);
    format!("{sign}{}{}s", magnitude / 1_000_000_000, fraction(nanos))
}

/// Go's form: `1h2m3.5s`, `-1.5h`, `300ms`, `0`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    read_duration(
        text,
        &[("ns", 1), ("us", 1_000), ("µs", 1_000), ("μs", 1_000), ("ms", 1_000_000), ("s", SECOND), ("m", MINUTE), ("h", HOUR)],
    )
}

const SECOND: i128 = 1_000_000_000;
const MINUTE: i128 = 60 * SECOND;
const HOUR: i128 = 60 * MINUTE;
const DAY: i128 = 24 * HOUR;

fn read_duration(text: &str, units: &[(&str, i128)]) -> Option<Duration> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Duration(0));
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        let unit_end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        let unit = units.iter().find(|(name, _)| *name == unit)?.1;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && part.is_empty()) || part.contains('.') || whole.len() > 19 {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let part: String = part.chars().take(18).collect();
        let scale = 10i128.pow(u32::try_from(part.len()).ok()?);
        let part: i128 = if part.is_empty() { 0 } else { part.parse().ok()? };
        total = total.checked_add(whole.checked_mul(unit)?)?.checked_add(part * unit / scale)?;
        rest = behind;
    }
    i64::try_from(sign * total).ok().map(Duration)
}

/// As strfmt reads `duration`: Go's form, else numbers with units up to weeks, blanks between: `3 days`, `2w`.
pub(crate) fn parse_duration_relaxed(text: &str) -> Option<Duration> {
    if let Some(duration) = parse_duration(text) {
        return Some(duration);
    }
    let units: &[(&[&str], i128)] = &[
        (&["ns", "nano", "nanos", "nanosecond", "nanoseconds"], 1),
        (&["us", "µs", "micro", "micros", "microsecond", "microseconds"], 1_000),
        (&["ms", "milli", "millis", "millisecond", "milliseconds"], 1_000_000),
        (&["s", "sec", "secs", "second", "seconds"], SECOND),
        (&["m", "min", "mins", "minute", "minutes"], MINUTE),
        (&["h", "hr", "hrs", "hour", "hours"], HOUR),
        (&["d", "day", "days"], DAY),
        (&["w", "wk", "week", "weeks"], 7 * DAY),
    ];
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let unit = unit.trim();
    let unit = units.iter().find(|(names, _)| names.contains(&unit))?.1;
    let number: i128 = number.parse().ok()?;
    i64::try_from(number.checked_mul(unit)?).ok().map(Duration)
}
