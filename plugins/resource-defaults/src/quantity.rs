//! Quantities, as far as comparing them needs (`apimachinery/pkg/api/resource/quantity.go`).

use serde_json::Value;

/// In thousand-millionths of the unit, which is as fine as a quantity gets; rounded up. `None`: not a quantity, or beyond 1.7 × 10²⁹.
pub fn nanos(text: &str) -> Option<i128> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (base, power): (i128, i32) = match suffix {
        "" => (10, 0),
        "n" => (10, -9),
        "u" => (10, -6),
        "m" => (10, -3),
        "k" => (10, 3),
        "M" => (10, 6),
        "G" => (10, 9),
        "T" => (10, 12),
        "P" => (10, 15),
        "E" => (10, 18),
        "Ki" => (1024, 1),
        "Mi" => (1024, 2),
        "Gi" => (1024, 3),
        "Ti" => (1024, 4),
        "Pi" => (1024, 5),
        "Ei" => (1024, 6),
        _ => (10, suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?),
    };
    let (negative, digits) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && part.is_empty() || !(whole.bytes().chain(part.bytes())).all(|b| b.is_ascii_digit()) {
        return None;
    }
    // More places behind the point than these change nothing that can be told apart.
    let part = part.get(..part.len().min(12)).unwrap_or(part);
    let mut value: i128 = format!("{whole}{part}").parse().ok()?;
    let mut divisor = 10i128.pow(u32::try_from(part.len()).ok()?);
    value = value.checked_mul(1_000_000_000)?;
    let scale = base.checked_pow(power.unsigned_abs())?;
    if power < 0 {
        divisor = divisor.checked_mul(scale)?;
    } else {
        value = value.checked_mul(scale)?;
    }
    let rounded = value / divisor + i128::from(value % divisor != 0);
    Some(if negative { -rounded } else { rounded })
}

/// Whether `a` is less than `b`; false where one of them is no quantity.
pub fn less(a: &str, b: &str) -> bool {
    nanos(a).zip(nanos(b)).is_some_and(|(a, b)| a < b)
}

/// Quantities may be written as numbers.
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_compared_across_their_forms() {
        for (a, b) in
            [("100m", "0.2"), ("1", "1Ki"), ("64Mi", "1Gi"), ("1k", "1Ki"), ("1e3", "1025"), ("-1", "0"), ("0.5Gi", "513Mi"), ("1n", "1u")]
        {
            assert!(less(a, b) && !less(b, a), "{a} {b}");
        }
        for (a, b) in [("1000m", "1"), ("1Ki", "1024"), ("1e3", "1k"), ("+1", "1.0"), (".5", "500m")] {
            assert_eq!(nanos(a), nanos(b), "{a} {b}");
        }
        for text in ["", "Mi", "1 Gi", "1Xi", "a", "1.2.3", "1e", "--1", "1e99"] {
            assert_eq!(nanos(text), None, "{text}");
        }
    }
}
