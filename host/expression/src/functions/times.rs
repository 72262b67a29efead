//! Timestamps and durations: cel-go `common/types/timestamp.go`, `duration.go`, Go's `time` forms, and the relaxed forms
//! of OpenAPI data (`k8s.io/kube-openapi/pkg/validation/strfmt`).

mod clock;
mod text;

pub(crate) use text::{
    format_seconds, format_timestamp, parse_date, parse_duration, parse_duration_relaxed, parse_timestamp, parse_timestamp_relaxed,
};

use super::*;
use crate::value::Timestamp;
use clock::{Civil, in_zone};

/// Years 1 to 9999.
pub(crate) fn in_range(at: Timestamp) -> bool {
    let seconds = at.nanos.div_euclid(1_000_000_000);
    (-62_135_596_800..=253_402_300_799).contains(&seconds)
}

const ZONED: &[&str] = &["timestamp.():int", "timestamp.(string):int"];
const BOTH: &[&str] = &["timestamp.():int", "timestamp.(string):int", "duration.():int"];

pub(super) const ROWS: &[Row] = &[
    ("getFullYear", ZONED, |_, args| part(args, |c| c.year)),
    ("getMonth", ZONED, |_, args| part(args, |c| c.month - 1)),
    ("getDate", ZONED, |_, args| part(args, |c| c.day)),
    ("getDayOfMonth", ZONED, |_, args| part(args, |c| c.day - 1)),
    ("getDayOfYear", ZONED, |_, args| part(args, |c| c.day_of_year)),
    ("getDayOfWeek", ZONED, |_, args| part(args, |c| c.weekday)),
    ("getHours", BOTH, |_, args| part_or(args, |c| c.second_of_day / 3600, |d| d / 3_600_000_000_000)),
    ("getMinutes", BOTH, |_, args| part_or(args, |c| c.second_of_day / 60 % 60, |d| d / 60_000_000_000)),
    ("getSeconds", BOTH, |_, args| part_or(args, |c| c.second_of_day % 60, |d| d / 1_000_000_000)),
    ("getMilliseconds", BOTH, |_, args| part_or(args, |c| c.nanos / 1_000_000, |d| d / 1_000_000)),
];

fn part<'a>(args: &[Value<'a>], of: impl FnOnce(&Civil) -> i64) -> Result<Value<'a>> {
    match args {
        [Value::Timestamp(at)] => Ok(Value::Int(of(&in_zone(*at, "UTC")?))),
        [Value::Timestamp(at), Value::String(zone)] => Ok(Value::Int(of(&in_zone(*at, zone)?))),
        _ => no_overload(),
    }
}

fn part_or<'a>(args: &[Value<'a>], of: impl FnOnce(&Civil) -> i64, whole: impl FnOnce(i64) -> i64) -> Result<Value<'a>> {
    match args {
        [Value::Duration(d)] => Ok(Value::Int(whole(d.0))),
        _ => part(args, of),
    }
}
