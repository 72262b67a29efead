//! Type conversions: cel-go `common/types/*.go` ConvertToType.

use super::*;
use crate::value::{Timestamp, Value};

pub(super) const ROWS: &[Row] = &[
    ("dyn", &["(A):dyn"], |_, args| args.first().cloned().ok_or(EvalError::NoSuchOverload)),
    ("type", &["(A):type(A)"], |_, args| match args {
        [value] => Ok(Value::Type(value.type_of())),
        _ => no_overload(),
    }),
    ("bool", &["(bool):bool", "(string):bool"], |_, args| match args {
        [Value::Bool(b)] => Ok(Value::Bool(*b)),
        [Value::String(text)] => match &**text {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Value::Bool(false)),
            _ => Err(conversion(text, "bool")),
        },
        _ => no_overload(),
    }),
    ("bytes", &["(bytes):bytes", "(string):bytes"], |_, args| match args {
        [Value::Bytes(bytes)] => Ok(Value::Bytes(bytes.clone())),
        [Value::String(text)] => Ok(Value::Bytes(text.as_bytes().into())),
        _ => no_overload(),
    }),
    ("double", &["(double):double", "(int):double", "(string):double", "(uint):double"], |_, args| match args {
        [Value::Double(d)] => Ok(Value::Double(*d)),
        [Value::Int(n)] => Ok(Value::Double(*n as f64)),
        [Value::Uint(n)] => Ok(Value::Double(*n as f64)),
        [Value::String(text)] => parse_double(text).map(Value::Double).ok_or_else(|| conversion(text, "double")),
        _ => no_overload(),
    }),
    ("int", &["(int):int", "(double):int", "(duration):int", "(string):int", "(timestamp):int", "(uint):int"], |_, args| match args {
        [Value::Int(n)] => Ok(Value::Int(*n)),
        [Value::Uint(n)] => i64::try_from(*n).map(Value::Int).map_err(|_| OVERFLOW),
        [Value::Double(d)] => double_to_int(*d).map(Value::Int).ok_or(OVERFLOW),
        [Value::Duration(d)] => Ok(Value::Int(d.0)),
        [Value::Timestamp(at)] => i64::try_from(at.nanos.div_euclid(1_000_000_000)).map(Value::Int).map_err(|_| OVERFLOW),
        [Value::String(text)] => text.parse().map(Value::Int).map_err(|_| conversion(text, "int")),
        _ => no_overload(),
    }),
    ("uint", &["(uint):uint", "(double):uint", "(int):uint", "(string):uint"], |_, args| match args {
        [Value::Uint(n)] => Ok(Value::Uint(*n)),
        [Value::Int(n)] => u64::try_from(*n).map(Value::Uint).map_err(|_| UNSIGNED),
        [Value::Double(d)] if *d >= 0.0 && *d < 18_446_744_073_709_551_616.0 => Ok(Value::Uint(*d as u64)),
        [Value::Double(_)] => Err(UNSIGNED),
        [Value::String(text)] => text.parse().map(Value::Uint).map_err(|_| conversion(text, "uint")),
        _ => no_overload(),
    }),
    (
        "string",
        &[
            "(string):string",
            "(bool):string",
            "(bytes):string",
            "(double):string",
            "(duration):string",
            "(int):string",
            "(timestamp):string",
            "(uint):string",
            "(ip):string",
            "(cidr):string",
        ],
        |_, args| match args {
            [Value::String(text)] => Ok(Value::String(text.clone())),
            [Value::Bytes(bytes)] => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Value::string(text)),
                Err(_) => Err(EvalError::argument("invalid UTF-8 in bytes, cannot convert to string")),
            },
            [Value::Opaque(of)] => of.to_text().map(Value::string).ok_or(EvalError::NoSuchOverload),
            [
                value @ (Value::Bool(_)
                | Value::Double(_)
                | Value::Duration(_)
                | Value::Int(_)
                | Value::Timestamp(_)
                | Value::Uint(_)
                | Value::Type(_)),
            ] => Ok(Value::string(text_of(value))),
            _ => no_overload(),
        },
    ),
    ("duration", &["(duration):duration", "(string):duration"], |_, args| match args {
        [Value::Duration(d)] => Ok(Value::Duration(*d)),
        [Value::String(text)] => times::parse_duration(text).map(Value::Duration).ok_or_else(|| conversion(text, "duration")),
        _ => no_overload(),
    }),
    ("timestamp", &["(timestamp):timestamp", "(int):timestamp", "(string):timestamp"], |_, args| match args {
        [Value::Timestamp(at)] => Ok(Value::Timestamp(*at)),
        [Value::Int(seconds)] => {
            let at = Timestamp::utc(i128::from(*seconds) * 1_000_000_000);
            if times::in_range(at) { Ok(Value::Timestamp(at)) } else { Err(EvalError::Arithmetic("timestamp overflow")) }
        }
        [Value::String(text)] => times::parse_timestamp(text).map(Value::Timestamp).ok_or_else(|| conversion(text, "timestamp")),
        _ => no_overload(),
    }),
];

const OVERFLOW: EvalError = EvalError::Arithmetic("integer overflow");
const UNSIGNED: EvalError = EvalError::Arithmetic("unsigned integer overflow");

fn conversion(text: &str, to: &'static str) -> EvalError {
    EvalError::Conversion { from: text.chars().take(64).collect(), to }
}

/// Towards zero; the ends of the range are not exact as doubles and are refused, as cel-go does.
fn double_to_int(d: f64) -> Option<i64> {
    (d > -9_223_372_036_854_775_808.0 && d < 9_223_372_036_854_775_808.0).then_some(d as i64)
}

/// Go's `strconv.ParseFloat`, without hexadecimal forms and underscores.
fn parse_double(text: &str) -> Option<f64> {
    let plain = text.trim_start_matches(['+', '-']);
    let named = ["inf", "infinity", "nan"].iter().any(|name| plain.eq_ignore_ascii_case(name));
    let digits = plain.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !named && !digits {
        return None;
    }
    text.parse().ok().filter(|d: &f64| named || d.is_finite())
}

/// As `string()` tells a value; for others their place in messages.
pub(crate) fn text_of(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Uint(n) => n.to_string(),
        Value::Double(d) => double_text(*d),
        Value::String(text) => text.to_string(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Timestamp(at) => times::format_timestamp(*at),
        Value::Duration(d) => times::format_seconds(*d),
        Value::Type(ty) => ty.runtime_name().to_owned(),
        Value::Opaque(of) => of.to_text().unwrap_or_else(|| of.type_name().to_owned()),
        other => other.type_of().runtime_name().to_owned(),
    }
}

/// Go's `%g`: exponents below -4 and from 6 on.
pub(super) fn double_text(d: f64) -> String {
    if d.is_nan() {
        return "NaN".to_owned();
    }
    if d.is_infinite() {
        return if d > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let told = format!("{d:e}");
    let (mantissa, exponent) = told.split_once('e').unwrap_or((&told, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return d.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
