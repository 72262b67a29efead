//! Operators and `size`: cel-go `common/stdlib/standard.go`, arithmetic of `common/types/overflow.go`.

use super::*;
use crate::declare::ListKind;
use crate::value::{Duration, List, Timestamp, compare, equal_keys};
use std::cmp::Ordering;
use std::collections::HashMap as Index;

const ORDERED: &[&str] = &[
    "(bool,bool):bool",
    "(int,int):bool",
    "(int,double):bool",
    "(int,uint):bool",
    "(uint,uint):bool",
    "(uint,double):bool",
    "(uint,int):bool",
    "(double,double):bool",
    "(double,int):bool",
    "(double,uint):bool",
    "(string,string):bool",
    "(bytes,bytes):bool",
    "(timestamp,timestamp):bool",
    "(duration,duration):bool",
];

pub(super) const ROWS: &[Row] = &[
    ("_==_", &["(A,A):bool"], |call, args| two(args, |a, b| Ok(Value::Bool(call.equal(a, b)?)))),
    ("_!=_", &["(A,A):bool"], |call, args| two(args, |a, b| Ok(Value::Bool(!call.equal(a, b)?)))),
    ("_<_", ORDERED, |_, args| order(args, |o| o == Ordering::Less)),
    ("_<=_", ORDERED, |_, args| order(args, |o| o != Ordering::Greater)),
    ("_>_", ORDERED, |_, args| order(args, |o| o == Ordering::Greater)),
    ("_>=_", ORDERED, |_, args| order(args, |o| o != Ordering::Less)),
    ("!_", &["(bool):bool"], |_, args| match args {
        [Value::Bool(b)] => Ok(Value::Bool(!b)),
        _ => no_overload(),
    }),
    ("-_", &["(int):int", "(double):double"], |_, args| match args {
        [Value::Int(n)] => n.checked_neg().map(Value::Int).ok_or(INT),
        [Value::Double(d)] => Ok(Value::Double(-d)),
        _ => no_overload(),
    }),
    (
        "_+_",
        &[
            "(bytes,bytes):bytes",
            "(double,double):double",
            "(duration,duration):duration",
            "(duration,timestamp):timestamp",
            "(timestamp,duration):timestamp",
            "(int,int):int",
            "(list(A),list(A)):list(A)",
            "(string,string):string",
            "(uint,uint):uint",
        ],
        add,
    ),
    (
        "_-_",
        &[
            "(double,double):double",
            "(duration,duration):duration",
            "(int,int):int",
            "(timestamp,duration):timestamp",
            "(timestamp,timestamp):duration",
            "(uint,uint):uint",
        ],
        |_, args| match args {
            [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a - b)),
            [Value::Int(a), Value::Int(b)] => a.checked_sub(*b).map(Value::Int).ok_or(INT),
            [Value::Uint(a), Value::Uint(b)] => a.checked_sub(*b).map(Value::Uint).ok_or(UINT),
            [Value::Duration(a), Value::Duration(b)] => a.0.checked_sub(b.0).map(|n| Value::Duration(Duration(n))).ok_or(DURATION),
            [Value::Timestamp(a), Value::Duration(b)] => timestamp(a, -i128::from(b.0)),
            [Value::Timestamp(a), Value::Timestamp(b)] => {
                i64::try_from(a.nanos - b.nanos).map(|n| Value::Duration(Duration(n))).map_err(|_| DURATION)
            }
            _ => no_overload(),
        },
    ),
    ("_*_", &["(double,double):double", "(int,int):int", "(uint,uint):uint"], |_, args| match args {
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a * b)),
        [Value::Int(a), Value::Int(b)] => a.checked_mul(*b).map(Value::Int).ok_or(INT),
        [Value::Uint(a), Value::Uint(b)] => a.checked_mul(*b).map(Value::Uint).ok_or(UINT),
        _ => no_overload(),
    }),
    ("_/_", &["(double,double):double", "(int,int):int", "(uint,uint):uint"], |_, args| match args {
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a / b)),
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => Err(EvalError::Arithmetic("division by zero")),
        [Value::Int(a), Value::Int(b)] => a.checked_div(*b).map(Value::Int).ok_or(INT),
        [Value::Uint(a), Value::Uint(b)] => a.checked_div(*b).map(Value::Uint).ok_or(UINT),
        _ => no_overload(),
    }),
    ("_%_", &["(int,int):int", "(uint,uint):uint"], |_, args| match args {
        [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)] => Err(EvalError::Arithmetic("modulus by zero")),
        [Value::Int(a), Value::Int(b)] => a.checked_rem(*b).map(Value::Int).ok_or(INT),
        [Value::Uint(a), Value::Uint(b)] => a.checked_rem(*b).map(Value::Uint).ok_or(UINT),
        _ => no_overload(),
    }),
    ("@in", &["(A,list(A)):bool", "(A,map(A,B)):bool"], |call, args| match args {
        [item, Value::List(list)] => Ok(Value::Bool(contains(call, list, item)?)),
        [key, Value::Map(map)] => Ok(Value::Bool(map.find(key)?.is_some())),
        _ => no_overload(),
    }),
    (
        "_[_]",
        &["(list(A),int):A", "(map(A,B),A):B", "(optional(list(V)),int):optional(V)", "(optional(map(K,V)),K):optional(V)"],
        |_, args| match args {
            [Value::Optional(None), _] => Ok(Value::Optional(None)),
            [Value::Optional(Some(of)), index] => Ok(Value::optional(find(of, index)?)),
            [of, index] => find(of, index)?.ok_or_else(|| missing(of, index)),
            _ => no_overload(),
        },
    ),
    (
        "_[?_]",
        &[
            "(list(V),int):optional(V)",
            "(optional(list(V)),int):optional(V)",
            "(map(K,V),K):optional(V)",
            "(optional(map(K,V)),K):optional(V)",
        ],
        |_, args| match args {
            [Value::Optional(None), _] => Ok(Value::Optional(None)),
            [Value::Optional(Some(of)), index] => Ok(Value::optional(find(of, index)?)),
            [of, index] => Ok(Value::optional(find(of, index)?)),
            _ => no_overload(),
        },
    ),
    (
        "size",
        &[
            "(bytes):int",
            "bytes.():int",
            "(list(A)):int",
            "list(A).():int",
            "(map(A,B)):int",
            "map(A,B).():int",
            "(string):int",
            "string.():int",
        ],
        |_, args| match args {
            [value @ (Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_))] => {
                Ok(Value::Int(i64::try_from(value.size()).unwrap_or(i64::MAX)))
            }
            _ => no_overload(),
        },
    ),
];

const INT: EvalError = EvalError::Arithmetic("integer overflow");
const UINT: EvalError = EvalError::Arithmetic("unsigned integer overflow");
const DURATION: EvalError = EvalError::Arithmetic("duration overflow");

fn two<'a>(args: &[Value<'a>], f: impl FnOnce(&Value<'a>, &Value<'a>) -> Result<Value<'a>>) -> Result<Value<'a>> {
    match args {
        [a, b] => f(a, b),
        _ => no_overload(),
    }
}

fn order<'a>(args: &[Value<'a>], wanted: impl FnOnce(Ordering) -> bool) -> Result<Value<'a>> {
    two(args, |a, b| match (compare(a, b), a, b) {
        (Some(order), ..) => Ok(Value::Bool(wanted(order))),
        (None, Value::Double(_), Value::Double(_) | Value::Int(_) | Value::Uint(_)) => Ok(Value::Bool(false)),
        (None, Value::Int(_) | Value::Uint(_), Value::Double(_)) => Ok(Value::Bool(false)),
        _ => no_overload(),
    })
}

fn add<'a>(call: &mut Call<'_>, args: &[Value<'a>]) -> Result<Value<'a>> {
    match args {
        [Value::Int(a), Value::Int(b)] => a.checked_add(*b).map(Value::Int).ok_or(INT),
        [Value::Uint(a), Value::Uint(b)] => a.checked_add(*b).map(Value::Uint).ok_or(UINT),
        [Value::Double(a), Value::Double(b)] => Ok(Value::Double(a + b)),
        [Value::String(a), Value::String(b)] => {
            call.reserve(a.len() + b.len())?;
            Ok(Value::string(format!("{}{}", &**a, &**b)))
        }
        [Value::Bytes(a), Value::Bytes(b)] => {
            call.reserve(a.len() + b.len())?;
            Ok(Value::Bytes(a.iter().chain(b.iter()).copied().collect()))
        }
        [Value::Duration(a), Value::Duration(b)] => a.0.checked_add(b.0).map(|n| Value::Duration(Duration(n))).ok_or(DURATION),
        [Value::Timestamp(a), Value::Duration(b)] | [Value::Duration(b), Value::Timestamp(a)] => timestamp(a, i128::from(b.0)),
        [Value::List(a), Value::List(b)] => concat(call, a, b),
        _ => no_overload(),
    }
}

fn timestamp<'a>(at: &Timestamp, by: i128) -> Result<Value<'a>> {
    let at = Timestamp { nanos: at.nanos + by, ..*at };
    if times::in_range(at) { Ok(Value::Timestamp(at)) } else { Err(EvalError::Arithmetic("timestamp overflow")) }
}

/// `+` of lists: by the list type of the left one, when it is data.
fn concat<'a>(call: &mut Call<'_>, a: &List<'a>, b: &List<'a>) -> Result<Value<'a>> {
    call.work(a.len() + b.len())?;
    let kind = a.kind();
    let mut out = a.to_vec()?;
    let Some(kind @ (ListKind::Set | ListKind::Map(_))) = kind else {
        out.reserve(b.len());
        for item in b.iter() {
            out.push(item?);
        }
        return Ok(Value::list(out));
    };
    // A set keeps what it has and takes what is new; a map list replaces items of the same keys where they are.
    let mut places: Index<Option<String>, usize> = Index::new();
    for (n, item) in out.iter().enumerate() {
        places.insert(equal_keys(item, kind), n);
    }
    for item in b.iter() {
        let item = item?;
        let key = equal_keys(&item, kind);
        match places.get(&key).and_then(|n| out.get_mut(*n)) {
            Some(place) if matches!(kind, ListKind::Map(_)) => *place = item,
            Some(_) => {}
            None => {
                places.insert(key, out.len());
                out.push(item);
            }
        }
    }
    Ok(Value::List(List::Keyed(Arc::new(out), kind)))
}

pub(super) fn contains(call: &mut Call<'_>, list: &List<'_>, item: &Value<'_>) -> Result<bool> {
    for candidate in list.iter() {
        if call.equal(&candidate?, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The item or entry; `None` where there is none.
fn find<'a>(of: &Value<'a>, index: &Value<'a>) -> Result<Option<Value<'a>>> {
    match of {
        Value::List(list) => {
            let index = match index {
                Value::Int(n) => *n,
                Value::Uint(n) => i64::try_from(*n).unwrap_or(i64::MAX),
                Value::Double(d) if d.fract() == 0.0 && d.abs() < 9_007_199_254_740_992.0 => *d as i64,
                _ => return Err(EvalError::Argument(format!("unsupported index type '{}' in list", index.type_of().runtime_name()))),
            };
            match usize::try_from(index) {
                Ok(n) if n < list.len() => list.get(n).map(Some),
                _ => Ok(None),
            }
        }
        Value::Map(map) => map.find(index),
        _ => Err(EvalError::NoSuchOverload),
    }
}

fn missing(of: &Value<'_>, index: &Value<'_>) -> EvalError {
    match (of, index) {
        (Value::List(_), Value::Int(n)) => EvalError::IndexOutOfBounds(*n),
        (Value::List(_), _) => EvalError::IndexOutOfBounds(i64::MAX),
        _ => EvalError::NoSuchKey(text_of(index)),
    }
}
