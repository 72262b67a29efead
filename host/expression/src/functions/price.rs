//! What calls cost when they run: cel-go `interpreter/runtimecost.go` (costCall), `apiserver/pkg/cel/library/cost.go`
//! (CallCost), `ext/lists.go` and `ext/sets.go`.

use super::*;
use crate::value::List;

/// The cost of traversing a text, per character (`StringTraversalCostFactor`).
const TEXT: f64 = 0.1;
/// Of a pattern, per character (`RegexStringLengthCostFactor`).
const PATTERN: f64 = 0.25;

/// Rounded up.
fn scaled(size: f64, by: f64) -> u64 {
    (size * by).ceil() as u64
}

fn size(args: &[Value<'_>], n: usize) -> u64 {
    args.get(n).map_or(1, Value::size)
}

fn text(args: &[Value<'_>], n: usize, times: f64) -> u64 {
    scaled(size(args, n) as f64, times * TEXT)
}

fn matching(text: u64, pattern: u64) -> u64 {
    scaled(1.0 + text as f64, TEXT).saturating_mul(scaled(pattern as f64, PATTERN))
}

/// What a call costs, paid before it runs; `None` when that depends on its result ([`after`]).
pub(super) fn before(name: &str, args: &[Value<'_>], meter: &mut Meter) -> Result<Option<u64>> {
    let texts = |n: usize| matches!(args.get(n), Some(Value::String(_) | Value::Bytes(_)));
    Ok(Some(match name {
        "_==_" | "_!=_" => match args.first() {
            Some(Value::Opaque(_)) if name == "_==_" => 1,
            _ => scaled(size(args, 0).min(size(args, 1)) as f64, TEXT),
        },
        "_<_" | "_<=_" | "_>_" | "_>=_" if texts(0) => scaled(size(args, 0).min(size(args, 1)) as f64, TEXT),
        "_+_" if texts(0) => scaled((size(args, 0).saturating_add(size(args, 1))) as f64, TEXT),
        "@in" if matches!(args.get(1), Some(Value::List(_))) => size(args, 1),
        "startsWith" | "endsWith" => text(args, 1, 1.0),
        "format" | "strings.quote" => text(args, 0, 1.0),
        "bytes" if matches!(args.first(), Some(Value::String(_))) => text(args, 0, 1.0),
        "string" if matches!(args.first(), Some(Value::Bytes(_))) => text(args, 0, 1.0),
        "contains" => text(args, 0, 1.0).saturating_mul(text(args, 1, 1.0)),
        "matches" | "find" | "findAll" => matching(size(args, 0), size(args, 1)),
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes" => match args.first() {
            Some(value) => traversal(value, meter)?,
            None => 0,
        },
        "url" | "lowerAscii" | "upperAscii" | "substring" | "trim" | "jsonpatch.escapeKey" => text(args, 0, 1.0),
        "replace" | "split" | "ip.isCanonical" => text(args, 0, 2.0),
        "cidr" | "isIP" | "isCIDR" | "quantity" | "isQuantity" | "semver" | "isSemver" => text(args, 0, 1.0),
        "ip" if texts(0) => text(args, 0, 1.0),
        "containsIP" => {
            let net = size(args, 0) as f64;
            scaled(net + net, TEXT) + if texts(1) { text(args, 1, 1.0) } else { 0 }
        }
        "containsCIDR" => {
            let net = size(args, 0) as f64;
            scaled(net + net, TEXT) + scaled(net, TEXT) + 1 + if texts(1) { text(args, 1, 1.0) } else { 0 }
        }
        "validate" => match args.first().and_then(|v| v.downcast::<formats::Format>()) {
            Some(format) => matching(size(args, 1), format.pattern_length),
            None => 1,
        },
        "flatten" => {
            let depth = match args.get(1) {
                Some(Value::Int(n)) => u64::try_from(*n).unwrap_or(0),
                _ => 1,
            };
            allocating(size(args, 0).saturating_mul(depth))
        }
        "distinct" | "sort" => match args.first() {
            Some(Value::List(list)) => self_compare(list, list.len()),
            _ => allocating(0),
        },
        "sets.contains" | "sets.intersects" => size(args, 0).saturating_mul(size(args, 1)).saturating_add(1),
        "sets.equivalent" => size(args, 0).saturating_mul(size(args, 1)).saturating_mul(2).saturating_add(1),
        "join" | "slice" | "reverse" | "lists.range" => return Ok(None),
        _ => 1,
    }))
}

/// The cost of a call whose result tells it: a joined text, a new list.
pub(super) fn after(result: &Value<'_>, _: &[Value<'_>]) -> u64 {
    match result {
        Value::String(_) => scaled(result.size() as f64, 2.0 * TEXT),
        other => allocating(other.size()),
    }
}

fn allocating(size: u64) -> u64 {
    size.saturating_add(1).saturating_add(crate::eval::LIST)
}

/// Of a list of such items and that length.
pub(crate) fn self_compare(list: &List<'_>, length: usize) -> u64 {
    let length = int(length).unsigned_abs();
    let squared = length.saturating_mul(length);
    let texts = matches!(list.get(0), Ok(Value::String(_) | Value::Bytes(_)));
    allocating((squared as f64 * if texts { 2.0 + TEXT } else { 2.0 }) as u64)
}

/// Of a whole tree of data: a tenth for each byte of text, one for all else.
fn traversal(value: &Value<'_>, meter: &mut Meter) -> Result<u64> {
    meter.work(1)?;
    Ok(match value {
        Value::String(text) => (text.len() as f64 * TEXT) as u64,
        Value::Bytes(bytes) => (bytes.len() as f64 * TEXT) as u64,
        Value::List(list) => {
            let mut sum = 0u64;
            for item in list.iter() {
                sum = sum.saturating_add(traversal(&item?, meter)?);
            }
            sum
        }
        Value::Map(map) => {
            let mut sum = 0u64;
            for key in map.keys() {
                sum = sum.saturating_add(traversal(&key, meter)?);
                if let Some(value) = map.find(&key)? {
                    sum = sum.saturating_add(traversal(&value, meter)?);
                }
            }
            sum
        }
        _ => 1,
    })
}
