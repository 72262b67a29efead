//! Ranges of numbers, whole and other ones apart (`validate/{validator,values}.go`).

use super::{Code, Fault, Outcome};
use crate::custom::props::Props;
use object::Value;
use serde_json::Number;

/// Largest number whose neighbours a double can tell apart: `swag.IsFloat64AJSONInteger`.
const MAX_JSON_FLOAT: f64 = 9_007_199_254_740_991.0;

pub(super) fn is_whole(number: f64) -> bool {
    number.is_finite() && number.abs() <= MAX_JSON_FLOAT && {
        let distance = (number - number.trunc()).abs();
        distance < 1e-9 || (number.abs() > 1.0 && distance / number.abs() < 1e-9)
    }
}

/// Equal values, numbers by amount.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || (x.as_f64() == y.as_f64() && x.as_f64().is_some()),
        _ => a == b,
    }
}

pub(super) fn check(schema: &Props, types: &[&str], format: &str, number: &Number, path: &str) -> Outcome {
    let mut out = Outcome::default();
    let mut range = Range { types, format, path, out: &mut out };
    let float = number.as_f64().unwrap_or_default();
    let whole = number.as_i64();
    range.fits("Checked", float, whole);
    let value = || Value::Number(number.clone());
    let fault = |message: String| Fault { path: path.to_owned(), code: Code::Invalid, value: value(), message };
    if let Some(factor) = schema.multiple_of {
        range.fits("MultipleOf", factor, None);
        let holds = match whole {
            Some(whole) => {
                let factor = truncated(factor);
                factor > 0 && whole % factor == 0
            }
            None => factor > 0.0 && is_whole(if factor < 1.0 { 1.0 / factor * float } else { float / factor }),
        };
        if factor <= 0.0 {
            range.out.add(fault(format!("factor MultipleOf declared for {path} must be positive: {}", told(factor))));
        } else if !holds {
            range.out.add(fault(format!("{path} in body should be a multiple of {}", told(factor))));
        }
    }
    if let Some(min) = schema.minimum {
        range.fits("Minimum boundary", min, None);
        let below = match whole {
            Some(whole) => {
                if schema.exclusive_minimum {
                    whole <= truncated(min)
                } else {
                    whole < truncated(min)
                }
            }
            None => {
                if schema.exclusive_minimum {
                    float <= min
                } else {
                    float < min
                }
            }
        };
        if below {
            let relation = if schema.exclusive_minimum { "greater than" } else { "greater than or equal to" };
            range.out.add(fault(format!("{path} in body should be {relation} {}", bound(min, whole))));
        }
    }
    if let Some(max) = schema.maximum {
        range.fits("Maximum boundary", max, None);
        let above = match whole {
            Some(whole) => {
                if schema.exclusive_maximum {
                    whole >= truncated(max)
                } else {
                    whole > truncated(max)
                }
            }
            None => {
                if schema.exclusive_maximum {
                    float >= max
                } else {
                    float > max
                }
            }
        };
        if above {
            let relation = if schema.exclusive_maximum { "less than" } else { "less than or equal to" };
            range.out.add(fault(format!("{path} in body should be {relation} {}", bound(max, whole))));
        }
    }
    out.matched += 1;
    out
}

struct Range<'a> {
    types: &'a [&'a str],
    format: &'a str,
    path: &'a str,
    out: &'a mut Outcome,
}

impl Range<'_> {
    /// Whether a number lies in what its type and format can hold.
    fn fits(&mut self, what: &str, float: f64, whole: Option<i64>) {
        let ty = match self.types {
            [ty @ ("integer" | "number")] => *ty,
            _ => "",
        };
        let integral = whole.is_some() || (float.fract() == 0.0 && float.abs() < 9_223_372_036_854_775_808.0);
        let fits = match (ty, self.format) {
            ("integer", "int32") => integral && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&float),
            ("integer", _) => integral,
            (_, "float") => float.abs() <= f64::from(f32::MAX),
            _ => true,
        };
        if !fits {
            let format = if self.format.is_empty() { "(default format)".to_owned() } else { format!("with format {}", self.format) };
            let message = format!("{what} value must be of type {ty} {format} in {}", self.path);
            self.out.add(Fault { path: self.path.to_owned(), code: Code::Composite, value: Value::Null, message });
        }
    }
}

/// As Go's `int64(float)` for numbers in range.
#[allow(clippy::cast_possible_truncation)]
fn truncated(number: f64) -> i64 {
    number as i64
}

/// A bound as upstream prints it: whole when it was compared with a whole number.
fn bound(bound: f64, whole: Option<i64>) -> String {
    if whole.is_some() { truncated(bound).to_string() } else { told(bound) }
}

/// As Go's `%v` of a float64.
fn told(number: f64) -> String {
    let exponent = number.abs().log10();
    if number != 0.0 && !(-4.0..21.0).contains(&exponent) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    number.to_string()
}
