//! Times and durations as the API writes them.
//!
//! `metav1.Time` has whole seconds, `metav1.MicroTime` always six digits, both in UTC; `metav1.Duration` is Go's text.

use std::time::{Duration, SystemTime};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// `metav1.Time` of this moment.
pub fn now() -> String {
    format(SystemTime::now())
}

/// `metav1.MicroTime` of this moment.
pub fn now_micro() -> String {
    format_micro(SystemTime::now())
}

/// Reads RFC 3339 with any offset and fraction.
pub fn parse(text: &str) -> Option<SystemTime> {
    // Go's parser takes only an upper-case T and Z.
    if text.as_bytes().get(10) != Some(&b'T') || text.ends_with('z') {
        return None;
    }
    OffsetDateTime::parse(text, &Rfc3339).ok().map(SystemTime::from)
}

/// `2006-01-02T15:04:05Z`; fractions are cut.
pub fn format(time: SystemTime) -> String {
    let t = utc(time);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", t.year(), u8::from(t.month()), t.day(), t.hour(), t.minute(), t.second())
}

/// `2006-01-02T15:04:05.000000Z`.
pub fn format_micro(time: SystemTime) -> String {
    let mut text = format(time);
    text.pop();
    format!("{text}.{:06}Z", utc(time).microsecond())
}

/// `2006-01-02T15:04:05.000000000Z`, as container logs are stamped.
pub fn format_nano(time: SystemTime) -> String {
    let mut text = format(time);
    text.pop();
    format!("{text}.{:09}Z", utc(time).nanosecond())
}

/// `Mon, 02 Jan 2006 15:04:05 GMT`, as HTTP headers have it.
pub fn http_date(time: SystemTime) -> String {
    let t = utc(time);
    let day = t.weekday().to_string();
    let month = t.month().to_string();
    let short = |name: &str| name.chars().take(3).collect::<String>();
    let clock = format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second());
    format!("{}, {:02} {} {:04} {clock} GMT", short(&day), t.day(), short(&month), t.year())
}

fn utc(time: SystemTime) -> OffsetDateTime {
    OffsetDateTime::from(time).to_offset(UtcOffset::UTC)
}

/// Reads Go's `time.ParseDuration`: `1h30m`, `1.5s`, `100ms`, `-2s`. Nanoseconds, signed.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()?.into() };
        nanos = nanos.checked_add(whole.checked_mul(unit)?)?;
        let mut scale = unit;
        for digit in fraction.bytes().take(18) {
            // Exact while the unit still divides; the remainder below a nanosecond is cut, as Go does.
            nanos += i128::from(digit - b'0') * scale / 10;
            scale /= 10;
        }
        rest = next;
    }
    i64::try_from(if negative { -nanos } else { nanos }).ok()
}

/// Go's `Duration.String()`: `1h30m0s`, `1.5s`, `100ms`, `0s`.
pub fn format_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    let trimmed = |value: u64, unit: u64, digits: usize| {
        let (whole, part) = (value / unit, value % unit);
        if part == 0 {
            return whole.to_string();
        }
        let text = format!("{whole}.{part:0digits$}");
        text.trim_end_matches('0').to_owned()
    };
    match n {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{n}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", trimmed(n, 1_000, 3)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", trimmed(n, 1_000_000, 6)),
        _ => {
            let minutes = n / 60_000_000_000;
            let seconds = trimmed(n % 60_000_000_000, 1_000_000_000, 9);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, m) => format!("{sign}{m}m{seconds}s"),
                (h, m) => format!("{sign}{h}h{m}m{seconds}s"),
            }
        }
    }
}

/// The time since then; zero when it lies ahead.
pub fn since(time: SystemTime) -> Duration {
    SystemTime::now().duration_since(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let table = [
            ("2006-01-02T15:04:05Z", "2006-01-02T15:04:05Z", "2006-01-02T15:04:05.000000Z"),
            ("2006-01-02T15:04:05.123456789Z", "2006-01-02T15:04:05Z", "2006-01-02T15:04:05.123456Z"),
            ("2006-01-02T17:04:05.5+02:00", "2006-01-02T15:04:05Z", "2006-01-02T15:04:05.500000Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ];
        for (input, seconds, micros) in table {
            let time = parse(input).unwrap();
            assert_eq!(format(time), seconds);
            assert_eq!(format_micro(time), micros);
        }
        for bad in ["", "2006-01-02", "2006-01-02 15:04:05Z", "2006-01-02T15:04:05", "2006-13-02T15:04:05Z", "2006-01-02t15:04:05z"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        assert!(parse(&now()).is_some() && now_micro().len() == 27);
    }

    #[test]
    fn durations() {
        let table = [
            ("0", 0, "0s"),
            ("1h30m", 5_400_000_000_000, "1h30m0s"),
            ("90m", 5_400_000_000_000, "1h30m0s"),
            ("1.5s", 1_500_000_000, "1.5s"),
            ("-2s", -2_000_000_000, "-2s"),
            ("100ms", 100_000_000, "100ms"),
            ("1.234567891s", 1_234_567_891, "1.234567891s"),
            ("15us", 15_000, "15µs"),
            ("3ns", 3, "3ns"),
            (".5m", 30_000_000_000, "30s"),
            ("61s", 61_000_000_000, "1m1s"),
        ];
        for (input, nanos, canonical) in table {
            assert_eq!(parse_duration(input), Some(nanos), "{input}");
            assert_eq!(format_duration(nanos), canonical);
            assert_eq!(parse_duration(canonical), Some(nanos), "{canonical}");
        }
        for bad in ["", "1", "s", "1x", "1..2s", "-", ".s", "9999999999999h"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
