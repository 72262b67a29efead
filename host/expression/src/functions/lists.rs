//! Lists: Kubernetes' (`apiserver/pkg/cel/library/lists.go`), cel-go's `ext/lists.go` (version 3) and `first`, `last`.

use super::*;
use crate::value::{Duration, List, compare};
use std::cmp::Ordering;

const SORTED: &[&str] = &[
    "list(int).():bool",
    "list(uint).():bool",
    "list(double).():bool",
    "list(bool).():bool",
    "list(duration).():bool",
    "list(timestamp).():bool",
    "list(string).():bool",
    "list(bytes).():bool",
];
const EXTREME: &[&str] = &[
    "list(int).():int",
    "list(uint).():uint",
    "list(double).():double",
    "list(bool).():bool",
    "list(duration).():duration",
    "list(timestamp).():timestamp",
    "list(string).():string",
    "list(bytes).():bytes",
];
const SORT: &[&str] = &[
    "list(int).():list(int)",
    "list(uint).():list(uint)",
    "list(double).():list(double)",
    "list(bool).():list(bool)",
    "list(duration).():list(duration)",
    "list(timestamp).():list(timestamp)",
    "list(string).():list(string)",
    "list(bytes).():list(bytes)",
];

pub(super) const ROWS: &[Row] = &[
    ("isSorted", SORTED, |call, args| {
        let items = items(call, args)?;
        for pair in items.windows(2) {
            if let [a, b] = pair
                && compare(a, b).ok_or(EvalError::NoSuchOverload)? == Ordering::Greater
            {
                return Ok(Value::Bool(false));
            }
        }
        Ok(Value::Bool(true))
    }),
    ("sum", &["list(int).():int", "list(uint).():uint", "list(double).():double", "list(duration).():duration"], |call, args| {
        sum(items(call, args)?, zero(args))
    }),
    ("min", EXTREME, |call, args| extreme(call, args, "min", Ordering::Less)),
    ("max", EXTREME, |call, args| extreme(call, args, "max", Ordering::Greater)),
    ("includes", &["dyn.(dyn):bool"], |call, args| match args {
        [Value::List(list), item] => Ok(Value::Bool(operators::contains(call, list, item)?)),
        [one, other] => Ok(Value::Bool(call.equal(one, other)?)),
        _ => no_overload(),
    }),
    ("slice", &["list(T).(int,int):list(T)"], |call, args| match args {
        [Value::List(list), Value::Int(from), Value::Int(to)] => slice(call, list, *from, *to),
        _ => no_overload(),
    }),
    ("flatten", &["list(list(T)).():list(T)", "list(dyn).(int):list(dyn)"], |call, args| match args {
        [Value::List(list)] => flatten(call, list, 1),
        [Value::List(list), Value::Int(depth)] => flatten(call, list, *depth),
        _ => no_overload(),
    }),
    ("sort", SORT, |call, args| {
        let mut items = items(call, args)?;
        let comparable = items.windows(2).all(|w| matches!(w, [a, b] if a.type_of() == b.type_of() && compare(a, b).is_some()));
        if !comparable {
            return Err(EvalError::argument("list elements must have the same type"));
        }
        if items.first().is_some_and(|first| compare(first, first).is_none()) {
            return Err(EvalError::argument("list elements must be comparable"));
        }
        items.sort_by(|a, b| compare(a, b).unwrap_or(Ordering::Equal));
        Ok(Value::list(items))
    }),
    ("lists.range", &["(int):list(int)"], |call, args| match args {
        [Value::Int(n)] => {
            let n = usize::try_from(*n).unwrap_or(0);
            // Nothing larger can be paid for.
            call.reserve(n.saturating_mul(16))?;
            call.work(n)?;
            Ok(Value::list((0..n).map(|n| Value::Int(int(n))).collect()))
        }
        _ => no_overload(),
    }),
    ("reverse", &["list(T).():list(T)"], |call, args| {
        let mut items = items(call, args)?;
        items.reverse();
        Ok(Value::list(items))
    }),
    ("distinct", &["list(T).():list(T)"], |call, args| {
        let mut out: Vec<Value<'_>> = Vec::new();
        'items: for item in items(call, args)? {
            for seen in &out {
                if call.equal(seen, &item)? {
                    continue 'items;
                }
            }
            out.push(item);
        }
        Ok(Value::list(out))
    }),
    ("first", &["list(T).():optional(T)"], |_, args| end(args, |_| Some(0))),
    ("last", &["list(T).():optional(T)"], |_, args| end(args, |length| length.checked_sub(1))),
];

fn items<'a>(call: &mut Call<'_>, args: &[Value<'a>]) -> Result<Vec<Value<'a>>> {
    match args {
        [Value::List(list)] => {
            call.work(list.len())?;
            list.to_vec()
        }
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn end<'a>(args: &[Value<'a>], which: impl FnOnce(usize) -> Option<usize>) -> Result<Value<'a>> {
    match args {
        [Value::List(list)] => match which(list.len()).filter(|n| *n < list.len()) {
            Some(n) => Ok(Value::optional(Some(list.get(n)?))),
            None => Ok(Value::Optional(None)),
        },
        _ => no_overload(),
    }
}

/// Of an empty list, by what it was declared to hold.
fn zero<'a>(args: &[Value<'a>]) -> Value<'a> {
    match args.first() {
        Some(Value::List(List::Json { item, .. })) => match item.ty {
            Type::Uint => Value::Uint(0),
            Type::Double => Value::Double(0.0),
            Type::Duration => Value::Duration(Duration(0)),
            _ => Value::Int(0),
        },
        _ => Value::Int(0),
    }
}

fn sum<'a>(items: Vec<Value<'a>>, zero: Value<'a>) -> Result<Value<'a>> {
    let mut out: Option<Value<'_>> = None;
    for item in items {
        out = Some(match (out, item) {
            (None, item @ (Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Duration(_))) => item,
            (Some(Value::Int(a)), Value::Int(b)) => Value::Int(a.checked_add(b).ok_or(EvalError::Arithmetic("integer overflow"))?),
            (Some(Value::Uint(a)), Value::Uint(b)) => {
                Value::Uint(a.checked_add(b).ok_or(EvalError::Arithmetic("unsigned integer overflow"))?)
            }
            (Some(Value::Double(a)), Value::Double(b)) => Value::Double(a + b),
            (Some(Value::Duration(a)), Value::Duration(b)) => {
                Value::Duration(Duration(a.0.checked_add(b.0).ok_or(EvalError::Arithmetic("duration overflow"))?))
            }
            _ => return no_overload(),
        });
    }
    Ok(out.unwrap_or(zero))
}

fn extreme<'a>(call: &mut Call<'_>, args: &[Value<'a>], name: &str, wanted: Ordering) -> Result<Value<'a>> {
    let mut out: Option<Value<'a>> = None;
    for item in items(call, args)? {
        let better = match &out {
            None => true,
            Some(best) => compare(&item, best).ok_or(EvalError::NoSuchOverload)? == wanted,
        };
        if better {
            out = Some(item);
        }
    }
    out.ok_or_else(|| EvalError::Argument(format!("{name} called on empty list")))
}

/// `indexOf` and `lastIndexOf` of a list.
pub(super) fn position<'a>(call: &mut Call<'_>, list: &List<'_>, item: &Value<'_>, last: bool) -> Result<Value<'a>> {
    for n in 0..list.len() {
        let at = if last { list.len() - 1 - n } else { n };
        if call.equal(&list.get(at)?, item)? {
            return Ok(Value::Int(int(at)));
        }
    }
    Ok(Value::Int(-1))
}

fn slice<'a>(call: &mut Call<'_>, list: &List<'a>, from: i64, to: i64) -> Result<Value<'a>> {
    let refuse = |why: String| Err(EvalError::Argument(format!("cannot slice({from}, {to}), {why}")));
    let (Ok(start), Ok(end)) = (usize::try_from(from), usize::try_from(to)) else {
        return refuse("negative indexes not supported".to_owned());
    };
    if start > end {
        return refuse("start index must be less than or equal to end index".to_owned());
    }
    if list.len() < end {
        return refuse(format!("list is length {}", list.len()));
    }
    call.work(end - start)?;
    Ok(Value::list((start..end).map(|n| list.get(n)).collect::<Result<_>>()?))
}

fn flatten<'a>(call: &mut Call<'_>, list: &List<'a>, depth: i64) -> Result<Value<'a>> {
    if depth < 0 {
        return Err(EvalError::argument("level must be non-negative"));
    }
    let mut out = Vec::new();
    // Lists under way and how far they are read, instead of recursion.
    let mut open: Vec<(List<'a>, usize)> = vec![(list.clone(), 0)];
    while let Some((list, at)) = open.last_mut() {
        call.work(1)?;
        if *at >= list.len() {
            open.pop();
            continue;
        }
        let item = list.get(*at)?;
        *at += 1;
        match item {
            Value::List(inner) if int(open.len()) <= depth => open.push((inner, 0)),
            item => out.push(item),
        }
    }
    Ok(Value::list(out))
}
