//! Spans of time as `kubectl` prints them: `k8s.io/apimachinery/pkg/util/duration/duration.go`.

use object::{Object, Value, json};
use std::time::{Duration, SystemTime};

/// Age of an object.
pub(crate) fn since_creation(item: &Object) -> Value {
    json!(since(item.str_at(&["metadata", "creationTimestamp"])))
}

/// Time since an RFC 3339 instant; `<unknown>` when there is none.
pub fn since(instant: &str) -> String {
    match object::time::parse(instant) {
        // A clock that runs a little behind must not make an age negative.
        Some(then) => human(SystemTime::now().duration_since(then).unwrap_or_default()),
        None => "<unknown>".to_owned(),
    }
}

/// At most two units, with less precision the longer it is.
pub fn human(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let two = |big: u64, unit: &str, small: u64, small_unit: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{small_unit}") }
    };
    if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        two(minutes, "m", seconds % 60, "s")
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        two(hours, "h", minutes % 60, "m")
    } else if hours < 48 {
        format!("{hours}h")
    } else if hours < 192 {
        two(days, "d", hours % 24, "h")
    } else if days < 730 {
        format!("{days}d")
    } else if years < 8 {
        two(years, "y", days % 365, "d")
    } else {
        format!("{years}y")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_kubectl_prints_them() {
        let check = |seconds: u64, expect: &str| assert_eq!(human(Duration::from_secs(seconds)), expect);
        check(0, "0s");
        check(119, "119s");
        check(120, "2m");
        check(121, "2m1s");
        check(600, "10m");
        check(179 * 60, "179m");
        check(3 * 3600, "3h");
        check(3 * 3600 + 60, "3h1m");
        check(8 * 3600 + 60, "8h");
        check(49 * 3600, "2d1h");
        check(8 * 86400, "8d");
        check(729 * 86400, "729d");
        check(730 * 86400, "2y");
        check(8 * 365 * 86400, "8y");
    }
}
