//! Lists as sets: cel-go `ext/sets.go`.

use super::*;
use crate::value::List;

const LISTS: &[&str] = &["(list(T),list(T)):bool"];

pub(super) const ROWS: &[Row] = &[
    ("sets.contains", LISTS, |call, args| both(args, |a, b| all_in(call, b, a))),
    ("sets.equivalent", LISTS, |call, args| both(args, |a, b| Ok(all_in(call, a, b)? && all_in(call, b, a)?))),
    ("sets.intersects", LISTS, |call, args| {
        both(args, |a, b| {
            for item in a.iter() {
                if operators::contains(call, b, &item?)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }),
];

fn both<'a>(args: &[Value<'a>], f: impl FnOnce(&List<'a>, &List<'a>) -> Result<bool>) -> Result<Value<'a>> {
    match args {
        [Value::List(a), Value::List(b)] => Ok(Value::Bool(f(a, b)?)),
        _ => no_overload(),
    }
}

fn all_in(call: &mut Call<'_>, items: &List<'_>, list: &List<'_>) -> Result<bool> {
    for item in items.iter() {
        if !operators::contains(call, list, &item?)? {
            return Ok(false);
        }
    }
    Ok(true)
}
