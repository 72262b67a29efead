//! Equality across types (cel-go `common/types/*.go` Equal) and by list types of Kubernetes (`valuesunstructured.go`).

use super::*;
use crate::eval::Meter;
use std::collections::BTreeSet;

/// Whether two values are equal. Values of different types are not; numbers compare by amount.
pub(crate) fn equal(a: &Value<'_>, b: &Value<'_>, meter: &mut Meter) -> Result<bool> {
    meter.work(1)?;
    Ok(match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(_) | Value::Uint(_) | Value::Double(_), Value::Int(_) | Value::Uint(_) | Value::Double(_)) => {
            compare(a, b) == Some(Ordering::Equal)
        }
        (Value::String(a), Value::String(b)) => {
            meter.work_len(a.len().min(b.len()) / 16)?;
            **a == **b
        }
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::List(a), Value::List(b)) => lists(a, b, meter)?,
        (Value::Map(a), Value::Map(b)) => maps(a, b, meter)?,
        (Value::Optional(a), Value::Optional(b)) => match (a, b) {
            (Some(a), Some(b)) => equal(a, b, meter)?,
            (a, b) => a.is_none() && b.is_none(),
        },
        (Value::Type(a), Value::Type(b)) => a.runtime_name() == b.runtime_name(),
        (Value::Opaque(a), Value::Opaque(b)) => a.equals(b.as_ref()),
        (Value::Preserved(a), Value::Preserved(b)) => {
            meter.work_len(weight(a))?;
            a == b
        }
        _ => false,
    })
}

/// The order of two values, where there is one.
pub(crate) fn compare(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    let big = |n: &Value<'_>| match n {
        Value::Int(n) => Some(i128::from(*n)),
        Value::Uint(n) => Some(i128::from(*n)),
        _ => None,
    };
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), b) => with_double(*a, big(b)?),
        (a, Value::Double(b)) => with_double(*b, big(a)?).map(Ordering::reverse),
        (Value::Int(_) | Value::Uint(_), Value::Int(_) | Value::Uint(_)) => Some(big(a)?.cmp(&big(b)?)),
        (Value::String(a), Value::String(b)) => Some((**a).cmp(&**b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Exact, whatever the size of the integer.
fn with_double(a: f64, b: i128) -> Option<Ordering> {
    if a.is_nan() {
        return None;
    }
    if a >= 1e20 {
        return Some(Ordering::Greater);
    }
    if a <= -1e20 {
        return Some(Ordering::Less);
    }
    let floor = a.floor();
    Some((floor as i128).cmp(&b).then(if a > floor { Ordering::Greater } else { Ordering::Equal }))
}

fn lists(a: &List<'_>, b: &List<'_>, meter: &mut Meter) -> Result<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    match a.kind() {
        Some(ListKind::Set) => {
            meter.work_len(a.len() + b.len())?;
            let (left, right) = (keys_of_set(a)?, keys_of_set(b)?);
            Ok(left == right)
        }
        Some(ListKind::Map(keys)) => map_lists(a, b, keys, meter),
        _ => {
            for n in 0..a.len() {
                if !equal(&a.get(n)?, &b.get(n)?, meter)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
    }
}

/// Items of a set as comparable texts.
fn keys_of_set(list: &List<'_>) -> Result<BTreeSet<String>> {
    list.iter().map(|item| Ok(set_key(&item?))).collect()
}

/// What makes two items of a list of this kind the same.
pub(crate) fn equal_keys(item: &Value<'_>, kind: &ListKind) -> Option<String> {
    match kind {
        ListKind::Map(keys) => map_key(item, keys),
        _ => Some(set_key(item)),
    }
}

/// Two items of a set are the same when this is.
fn set_key(item: &Value<'_>) -> String {
    match item {
        Value::String(text) => format!("s{}", &**text),
        Value::Int(n) => format!("n{n}"),
        Value::Uint(n) => format!("n{n}"),
        Value::Double(d) if d.fract() == 0.0 && d.abs() < 9_007_199_254_740_992.0 => format!("n{}", *d as i64),
        other => format!("{other:?}"),
    }
}

/// What identifies an item of a map list. `None`: the item is no object.
fn map_key(item: &Value<'_>, keys: &[Arc<str>]) -> Option<String> {
    let Value::Map(map) = item else { return None };
    let mut out = String::new();
    for key in keys {
        let escaped = crate::escape(key);
        let value = map.field(escaped.as_deref().unwrap_or(key)).ok().flatten();
        out.push_str(&value.as_ref().map_or_else(|| "-".to_owned(), set_key));
        out.push('\u{1f}');
    }
    Some(out)
}

fn map_lists(a: &List<'_>, b: &List<'_>, keys: &[Arc<str>], meter: &mut Meter) -> Result<bool> {
    meter.work_len(a.len() + b.len())?;
    let mut left = BTreeMap::new();
    for item in a.iter() {
        let item = item?;
        left.insert(map_key(&item, keys), item);
    }
    let mut seen = BTreeSet::new();
    for item in b.iter() {
        let item = item?;
        let key = map_key(&item, keys);
        let Some(own) = left.get(&key) else { return Ok(false) };
        if !equal(own, &item, meter)? {
            return Ok(false);
        }
        seen.insert(key);
    }
    Ok(seen.len() == left.len())
}

fn maps(a: &Map<'_>, b: &Map<'_>, meter: &mut Meter) -> Result<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for key in a.keys() {
        match (a.find(&key)?, b.find(&key)?) {
            (Some(left), Some(right)) => {
                if !equal(&left, &right, meter)? {
                    return Ok(false);
                }
            }
            (None, None) => {}
            _ => return Ok(false),
        }
    }
    // Fields that the schema does not name: equal where both have them.
    if let (Map::Object { entries: left, ty }, Map::Object { entries: right, .. }) = (a, b) {
        for (name, value) in left.iter() {
            let known = crate::escape(name).is_some_and(|name| ty.fields.contains_key(name.as_str()));
            if !known && let Some(other) = right.get(name) {
                meter.work_len(weight(value))?;
                if value != other {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// Values in a tree.
fn weight(json: &Json) -> usize {
    match json {
        Json::Array(items) => items.iter().map(weight).sum::<usize>() + 1,
        Json::Object(entries) => entries.values().map(weight).sum::<usize>() + 1,
        Json::String(text) => text.len() / 16 + 1,
        _ => 1,
    }
}
