//! Resource quantities: `k8s.io/apimachinery/pkg/api/resource/quantity.go`.
//!
//! A fixed-point number with nine decimals, and the form it was written in. Reading rounds up to a nano and caps at
//! 2^63-1; writing is canonical: no fraction, the largest suffix that stays exact.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

const NANOS: i128 = 1_000_000_000;
/// What upstream caps at.
const MAX: i128 = (i64::MAX as i128) * NANOS;
/// More significant digits than any amount within the cap has; further ones only round up.
const MAX_DIGITS: usize = 30;
/// The same when a binary suffix multiplies: digits times 2^60 must fit.
const MAX_DIGITS_BINARY: usize = 20;

/// An amount of a resource. Compares by amount, whatever the form.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// The form in which it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `n u m k M G T P E`
    #[default]
    DecimalSi,
    /// `Ki Mi Gi Ti Pi Ei`
    BinarySi,
    /// `1e3`
    DecimalExponent,
}

/// In upstream's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

impl Quantity {
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..).unwrap_or_default()),
            Some(b'+') => (false, text.get(1..).unwrap_or_default()),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(QuantityError::Format);
        }
        let (exponent, shift, format) = suffix_of(suffix)?;
        let magnitude = magnitude(whole, fraction, exponent, shift);
        let nanos = if negative { -magnitude } else { magnitude };
        // A fraction below one is not told in binary units.
        let format = if format == Format::BinarySi && magnitude < NANOS { Format::DecimalSi } else { format };
        Ok(Self { nanos, format })
    }

    /// Reads the JSON form: a string or a number.
    pub fn from_value(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => Self::parse(text.trim()),
            Value::Number(number) => Self::parse(&number.to_string()),
            Value::Null => Ok(Self::ZERO),
            _ => Err(QuantityError::Format),
        }
    }

    pub fn from_units(units: i64) -> Self {
        Self { nanos: i128::from(units) * NANOS, format: Format::DecimalSi }
    }
    pub fn from_milli(milli: i64) -> Self {
        Self { nanos: i128::from(milli) * 1_000_000, format: Format::DecimalSi }
    }
    /// Bytes, written in binary units.
    pub fn from_bytes(bytes: i64) -> Self {
        Self { nanos: i128::from(bytes) * NANOS, format: Format::BinarySi }
    }

    /// Thousandths, rounded up.
    pub fn milli(self) -> i128 {
        ceil_div(self.nanos, 1_000_000)
    }
    /// Whole units, rounded up.
    pub fn value(self) -> i64 {
        let units = ceil_div(self.nanos, NANOS);
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }
    pub fn nanos(self) -> i128 {
        self.nanos
    }
    pub fn format(self) -> Format {
        self.format
    }
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }
}

/// Decimal exponent, binary shift and form of a suffix.
fn suffix_of(suffix: &str) -> Result<(i32, u32, Format), QuantityError> {
    let decimal = |e| Ok((e, 0, Format::DecimalSi));
    let binary = |s| Ok((0, s, Format::BinarySi));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let digits = suffix.strip_prefix(['e', 'E']);
            let Some(digits) = digits else {
                let known = |c: char| "eEinumkKMGTP+-0123456789".contains(c);
                return Err(if suffix.chars().all(known) { QuantityError::Suffix } else { QuantityError::Format });
            };
            let exponent: i64 = digits.parse().map_err(|_| QuantityError::Suffix)?;
            // Beyond this everything is zero or capped.
            let exponent = i32::try_from(exponent.clamp(-10_000, 10_000)).unwrap_or_default();
            Ok((exponent, 0, Format::DecimalExponent))
        }
    }
}

/// Nanos of `whole.fraction * 10^exponent * 2^shift`, rounded up and capped.
fn magnitude(whole: &str, fraction: &str, exponent: i32, shift: u32) -> i128 {
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).skip_while(|b| *b == b'0').collect();
    let limit = if shift == 0 { MAX_DIGITS } else { MAX_DIGITS_BINARY };
    let (kept, dropped) = digits.split_at(digits.len().min(limit));
    let mantissa = kept.iter().fold(0i128, |sum, b| sum * 10 + i128::from(b - b'0'));
    if mantissa == 0 {
        return 0;
    }
    let rest = dropped.iter().any(|b| *b != b'0');
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let power = exponent.saturating_sub(count(fraction.len())).saturating_add(count(dropped.len())).saturating_add(9);
    let Some(shifted) = mantissa.checked_mul(1i128 << shift) else { return MAX };
    let tens = 10i128.checked_pow(power.unsigned_abs());
    let nanos = match (power >= 0, tens) {
        (true, Some(tens)) => shifted.checked_mul(tens).unwrap_or(MAX),
        (true, None) => MAX,
        // What was dropped is less than one of the last digit kept, so it only matters where the division is exact.
        (false, Some(tens)) => shifted / tens + i128::from(shifted % tens != 0 || rest),
        (false, None) => 1,
    };
    nanos.min(MAX)
}

fn ceil_div(value: i128, by: i128) -> i128 {
    value.div_euclid(by) + i128::from(value.rem_euclid(by) != 0)
}

/// Canonical: `1500m`, `2Gi`, `1e3`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let small = self.nanos.abs() < 1024 * NANOS;
        if self.format == Format::BinarySi && !small && self.nanos % NANOS == 0 {
            let mut number = self.nanos / NANOS;
            let mut suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter();
            let mut told = suffix.next();
            while number % 1024 == 0 {
                let Some(next) = suffix.next() else { break };
                number /= 1024;
                told = Some(next);
            }
            return write!(f, "{number}{}", told.unwrap_or(&""));
        }
        let (mut number, mut exponent) = (self.nanos, -9);
        while number % 1000 == 0 && exponent < 18 {
            number /= 1000;
            exponent += 3;
        }
        if self.format == Format::DecimalExponent {
            return if exponent == 0 { write!(f, "{number}") } else { write!(f, "{number}e{exponent}") };
        }
        let suffix = match exponent {
            -9 => "n",
            -6 => "u",
            -3 => "m",
            0 => "",
            3 => "k",
            6 => "M",
            9 => "G",
            12 => "T",
            15 => "P",
            _ => "E",
        };
        write!(f, "{number}{suffix}")
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::parse(text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}
impl Eq for Quantity {}
impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// A zero takes the other's form, as upstream's `Add` does.
impl Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_add(other.nanos), format }
    }
}
impl Sub for Quantity {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}
impl Neg for Quantity {
    type Output = Self;
    fn neg(self) -> Self {
        Self { nanos: -self.nanos, format: self.format }
    }
}
impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
impl SubAssign for Quantity {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}
impl std::iter::Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_value(&value).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        let table = [
            ("0", "0"),
            ("0Ki", "0"),
            ("-0", "0"),
            ("1", "1"),
            ("100m", "100m"),
            ("0.1", "100m"),
            ("1.5", "1500m"),
            ("1500m", "1500m"),
            ("1000m", "1"),
            ("1000", "1k"),
            ("1024", "1024"),
            ("1024Ki", "1Mi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("0.5Mi", "512Ki"),
            ("0.0001Ki", "102400u"),
            ("1Ei", "1Ei"),
            ("100000", "100k"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("1E", "1E"),
            ("12e-1", "1200e-3"),
            ("5e-9", "5e-9"),
            ("1e", "ERR"),
            ("0.0000000001", "1n"),
            ("-0.0000000001", "-1n"),
            ("1.0000000001", "1000000001n"),
            ("100E", "9223372036854775807"),
            ("1e100", "9223372036854775807"),
            ("1e-100", "1e-9"),
            ("99999999999999999999999999999999999999999999", "9223372036854775807"),
            ("123456789012345678901234567890.5e-25", "12345678901235e-9"),
            (".5", "500m"),
            ("5.", "5"),
            ("+3k", "3k"),
            ("-2Gi", "-2Gi"),
            ("1023", "1023"),
            ("1000Ki", "1000Ki"),
            ("1.2Ki", "1228800m"),
            ("128974848", "128974848"),
            ("129e6", "129e6"),
            ("129M", "129M"),
            ("128974848000m", "128974848"),
            ("123Mi", "123Mi"),
            ("", "ERR"),
            (".", "ERR"),
            ("1.2.3", "ERR"),
            ("k", "ERR"),
            ("1 k", "ERR"),
            ("1K", "ERR"),
            ("1kk", "ERR"),
            ("1ki", "ERR"),
            ("--1", "ERR"),
            ("0x10", "ERR"),
        ];
        for (input, expect) in table {
            let got = Quantity::parse(input).map_or_else(|_| "ERR".to_owned(), |q| q.to_string());
            assert_eq!(got, expect, "{input}");
            if expect != "ERR" {
                assert_eq!(Quantity::parse(&got).unwrap().to_string(), expect, "canonical is a fixed point: {input}");
            }
        }
    }

    #[test]
    fn amounts() {
        let q = |s: &str| Quantity::parse(s).unwrap();
        assert_eq!(q("1500m").value(), 2);
        assert_eq!(q("-1500m").value(), -1);
        assert_eq!(q("1.5").milli(), 1500);
        assert_eq!(q("1u").milli(), 1);
        assert_eq!((q("1Gi") + q("512Mi")).to_string(), "1536Mi");
        assert_eq!((q("0") + q("512Mi")).to_string(), "512Mi");
        assert_eq!((q("1") - q("100m")).to_string(), "900m");
        assert_eq!(q("1000m"), q("1"));
        assert!(q("1Ki") > q("1k"));
        assert_eq!([q("1"), q("2")].into_iter().sum::<Quantity>(), q("3"));
        assert_eq!(serde_json::from_str::<Quantity>("0.5").unwrap().to_string(), "500m");
        assert_eq!(serde_json::to_string(&q("0.5")).unwrap(), "\"500m\"");
    }

    /// Against a model: integers times a suffix, in whole nanos.
    #[test]
    fn agrees_with_integers() {
        let suffixes = [("n", 1i128), ("u", 1_000), ("m", 1_000_000), ("", NANOS), ("k", 1000 * NANOS), ("Mi", NANOS << 20)];
        let mut seed = 1u64;
        for _ in 0..5000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = i128::from(seed >> 40) - 8_000_000;
            let (suffix, unit) = suffixes[usize::try_from(seed >> 32 & 0xff).unwrap() % suffixes.len()];
            let q = Quantity::parse(&format!("{number}{suffix}")).unwrap();
            assert_eq!(q.nanos(), number * unit);
            assert_eq!(Quantity::parse(&q.to_string()).unwrap(), q);
        }
    }
}
