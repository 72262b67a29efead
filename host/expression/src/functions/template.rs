//! `format`: cel-go `ext/formatting.go`.

use super::*;
use crate::value::{List, Map};

pub(super) const ROWS: &[Row] = &[("format", &["string.(list(dyn)):string"], |call, args| match args {
    [Value::String(template), Value::List(list)] => format(call, template, list),
    _ => no_overload(),
})];

/// Decimals when a clause names none.
const PRECISION: usize = 6;
/// More decimals are only zeros: a double has no more digits than these.
const MAX_PRECISION: usize = 1100;
/// Lists in lists are told to this depth.
const MAX_NESTING: usize = 64;

fn format<'a>(call: &mut Call<'_>, template: &str, args: &List<'a>) -> Result<Value<'a>> {
    let mut out = String::new();
    let mut next = 0;
    let mut rest = template;
    while let Some(at) = rest.find('%') {
        let (before, behind) = rest.split_at(at);
        out.push_str(before);
        let clause = behind.get(1..).unwrap_or_default();
        if let Some(behind) = clause.strip_prefix('%') {
            out.push('%');
            rest = behind;
            continue;
        }
        if next >= args.len() {
            return Err(EvalError::Argument(format!("index {next} out of range")));
        }
        let arg = args.get(next)?;
        next += 1;
        let (precision, clause) = precision(clause)?;
        let Some(kind) = clause.chars().next() else { return Err(EvalError::argument("unexpected end of string")) };
        let mut writer = Writer { call, left: MAX_RESULT.saturating_sub(out.len()) };
        out.push_str(&writer.clause(kind, precision, &arg)?);
        rest = clause.get(kind.len_utf8()..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok(Value::string(out))
}

fn precision(clause: &str) -> Result<(Option<usize>, &str)> {
    let parsing = |what: &str| EvalError::Argument(format!("could not parse formatting clause: error while parsing precision: {what}"));
    let Some(digits) = clause.strip_prefix('.') else { return Ok((None, clause)) };
    let end = digits.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| parsing("could not find end of precision specifier"))?;
    let (digits, rest) = digits.split_at(end);
    let number = digits.parse().map_err(|_| parsing("error while converting precision to integer"))?;
    Ok((Some(number), rest))
}

struct Writer<'w, 'c> {
    call: &'w mut Call<'c>,
    left: usize,
}

impl Writer<'_, '_> {
    fn clause(&mut self, kind: char, precision: Option<usize>, arg: &Value<'_>) -> Result<String> {
        let given = || arg.type_of().runtime_name().to_owned();
        let refuse = |what: &str| Err(EvalError::Argument(format!("error during formatting: {what}, was given {}", given())));
        match (kind, arg) {
            ('s', arg) => self.text(arg, 0),
            ('d', Value::Int(n)) => Ok(n.to_string()),
            ('d', Value::Uint(n)) => Ok(n.to_string()),
            ('d', _) => refuse("decimal clause can only be used on integers"),
            ('f' | 'e', arg) => {
                let number = match arg {
                    Value::Double(d) => Some(*d),
                    Value::String(text) => match &**text {
                        "NaN" => Some(f64::NAN),
                        "Infinity" => Some(f64::INFINITY),
                        "-Infinity" => Some(f64::NEG_INFINITY),
                        _ => None,
                    },
                    _ => None,
                };
                let decimals = precision.unwrap_or(PRECISION).min(MAX_PRECISION);
                match (number, kind) {
                    (Some(d), 'f') => Ok(fixed(d, decimals)),
                    (Some(d), _) => Ok(scientific(d, decimals)),
                    (None, 'f') => refuse("fixed-point clause can only be used on doubles"),
                    (None, _) => refuse("scientific clause can only be used on doubles"),
                }
            }
            ('b', Value::Int(n)) => Ok(signed(*n, |n| format!("{n:b}"))),
            ('b', Value::Uint(n)) => Ok(format!("{n:b}")),
            ('b', Value::Bool(b)) => Ok(u8::from(*b).to_string()),
            ('b', _) => refuse("only integers and bools can be formatted as binary"),
            ('x', arg) => hex(arg).map_or_else(|| refuse(HEX), Ok),
            ('X', arg) => hex(arg).map(|t| t.to_uppercase()).map_or_else(|| refuse(HEX), Ok),
            ('o', Value::Int(n)) => Ok(signed(*n, |n| format!("{n:o}"))),
            ('o', Value::Uint(n)) => Ok(format!("{n:o}")),
            ('o', _) => refuse("octal clause can only be used on integers"),
            (other, _) => {
                Err(EvalError::Argument(format!("could not parse formatting clause: unrecognized formatting clause \"{other}\"")))
            }
        }
    }

    /// `%s`
    fn text(&mut self, arg: &Value<'_>, depth: usize) -> Result<String> {
        let out = match arg {
            Value::List(list) => self.list(list, depth)?,
            Value::Map(map) => self.map(map, depth)?,
            Value::Optional(_) | Value::Opaque(_) | Value::Preserved(_) => {
                let what = "error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, \
                            lists, types, durations, and timestamps, was given ";
                return Err(EvalError::Argument(format!("{what}{}", arg.type_of().runtime_name())));
            }
            other => text_of(other),
        };
        self.paid(out)
    }

    fn paid(&mut self, out: String) -> Result<String> {
        self.call.work(out.len() / 8 + 1)?;
        if out.len() > self.left {
            return Err(EvalError::argument("result of format is too large"));
        }
        Ok(out)
    }

    /// Inside a list or map, as a literal.
    fn literal(&mut self, value: &Value<'_>, depth: usize) -> Result<String> {
        if depth > MAX_NESTING {
            return Err(EvalError::argument("error during formatting: value is nested too deeply"));
        }
        let out = match value {
            Value::String(text) => strings::quote(text),
            Value::Bytes(bytes) => format!("b{}", strings::quote(&String::from_utf8_lossy(bytes))),
            Value::Timestamp(_) => format!("timestamp({})", strings::quote(&text_of(value))),
            Value::Duration(_) => format!("duration({})", strings::quote(&text_of(value))),
            Value::Double(d) if d.is_finite() => fixed(*d, PRECISION),
            Value::Double(d) => format!("\"{}\"", fixed(*d, PRECISION)),
            Value::Optional(_) | Value::Opaque(_) | Value::Preserved(_) => {
                return Err(EvalError::Argument(format!(
                    "error during formatting: no formatting function for {}",
                    value.type_of().runtime_name()
                )));
            }
            other => return self.text(other, depth + 1),
        };
        self.paid(out)
    }

    fn list(&mut self, list: &List<'_>, depth: usize) -> Result<String> {
        let mut out = String::from("[");
        for (n, item) in list.iter().enumerate() {
            if n > 0 {
                out.push_str(", ");
            }
            out.push_str(&self.literal(&item?, depth)?);
        }
        out.push(']');
        self.paid(out)
    }

    fn map(&mut self, map: &Map<'_>, depth: usize) -> Result<String> {
        let mut pairs = Vec::with_capacity(map.len());
        for key in map.keys() {
            let value = map.find(&key)?.unwrap_or(Value::Null);
            pairs.push((self.literal(&key, depth)?, self.literal(&value, depth)?));
        }
        pairs.sort();
        let pairs: Vec<String> = pairs.into_iter().map(|(k, v)| format!("{k}:{v}")).collect();
        self.paid(format!("{{{}}}", pairs.join(", ")))
    }
}

const HEX: &str = "only integers, byte buffers, and strings can be formatted as hex";

fn hex(arg: &Value<'_>) -> Option<String> {
    let bytes = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect();
    Some(match arg {
        Value::Int(n) => signed(*n, |n| format!("{n:x}")),
        Value::Uint(n) => format!("{n:x}"),
        Value::String(text) => bytes(text.as_bytes()),
        Value::Bytes(of) => bytes(of),
        _ => return None,
    })
}

/// With a sign, not as two's complement.
fn signed(n: i64, magnitude: impl FnOnce(u64) -> String) -> String {
    let sign = if n < 0 { "-" } else { "" };
    format!("{sign}{}", magnitude(n.unsigned_abs()))
}

fn special(d: f64) -> Option<String> {
    if d.is_nan() {
        return Some("NaN".to_owned());
    }
    d.is_infinite().then(|| if d > 0.0 { "∞" } else { "-∞" }.to_owned())
}

fn fixed(d: f64, decimals: usize) -> String {
    special(d).unwrap_or_else(|| format!("{d:.decimals$}"))
}

/// As the printer of upstream's locale: `1.500000 × 10⁰³`.
fn scientific(d: f64, decimals: usize) -> String {
    if let Some(special) = special(d) {
        return special;
    }
    let told = format!("{d:.decimals$e}");
    let (mantissa, exponent) = told.split_once('e').unwrap_or((&told, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let raised: String = format!("{:02}", exponent.abs())
        .chars()
        .map(|c| ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'].get(c.to_digit(10).unwrap_or(0) as usize).copied().unwrap_or('⁰'))
        .collect();
    let sign = if exponent < 0 { "⁻" } else { "" };
    format!("{mantissa}×10{sign}{raised}")
}
