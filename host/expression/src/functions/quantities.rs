//! Resource quantities: `apiserver/pkg/cel/library/quantity.go`.

use super::*;
use crate::types::QUANTITY;
use crate::value::Opaque;
use object::quantity::Quantity;
use std::any::Any;
use std::cmp::Ordering;

const COMPARED: &[&str] = &["quantity.(quantity):bool", "semver.(semver):bool"];

pub(super) const ROWS: &[Row] = &[
    ("quantity", &["(string):quantity"], |_, args| match args {
        [Value::String(text)] => Quantity::parse(text)
            .map(|q| Value::opaque(Amount { amount: q, capped: is_capped(q, text) }))
            .map_err(|why| EvalError::Argument(why.to_string())),
        _ => no_overload(),
    }),
    ("isQuantity", &["(string):bool"], |_, args| match args {
        [Value::String(text)] => Ok(Value::Bool(Quantity::parse(text).is_ok())),
        _ => no_overload(),
    }),
    ("sign", &["(quantity):int", "quantity.():int"], |_, args| one(args, |q| Ok(Value::Int(i64::from(q.nanos().signum() as i8))))),
    ("isGreaterThan", COMPARED, |_, args| match order(args) {
        Some(order) => Ok(Value::Bool(order == Ordering::Greater)),
        None => no_overload(),
    }),
    ("isLessThan", COMPARED, |_, args| match order(args) {
        Some(order) => Ok(Value::Bool(order == Ordering::Less)),
        None => no_overload(),
    }),
    ("compareTo", &["quantity.(quantity):int", "semver.(semver):int"], |_, args| match order(args) {
        Some(order) => Ok(Value::Int(order as i64)),
        None => no_overload(),
    }),
    ("asApproximateFloat", &["quantity.():double"], |_, args| one(args, |q| Ok(Value::Double(approximate(q))))),
    ("isInteger", &["quantity.():bool"], |_, args| whole_of(args, |n| Ok(Value::Bool(n.is_some())))),
    ("asInteger", &["quantity.():int"], |_, args| {
        whole_of(args, |n| n.map(Value::Int).ok_or_else(|| EvalError::argument("cannot convert value to integer")))
    }),
    ("add", &["quantity.(quantity):quantity", "quantity.(int):quantity"], |_, args| both(args, |a, b| a + b)),
    ("sub", &["quantity.(quantity):quantity", "quantity.(int):quantity"], |_, args| both(args, |a, b| a - b)),
];

#[derive(Debug)]
struct Amount {
    amount: Quantity,
    /// More than quantities hold: no integer, although its largest amount is one.
    capped: bool,
}

fn is_capped(q: Quantity, text: &str) -> bool {
    q.value().unsigned_abs() >= i64::MAX.unsigned_abs() && q.to_string() != text
}

impl Opaque for Amount {
    fn type_name(&self) -> &str {
        QUANTITY
    }
    fn equals(&self, other: &dyn Opaque) -> bool {
        (other as &dyn Any).downcast_ref::<Self>().is_some_and(|other| self.amount == other.amount)
    }
}

fn one<'a>(args: &[Value<'a>], f: impl FnOnce(Quantity) -> Result<Value<'a>>) -> Result<Value<'a>> {
    match args {
        [value] => f(value.downcast::<Amount>().ok_or(EvalError::NoSuchOverload)?.amount),
        _ => no_overload(),
    }
}

fn whole_of<'a>(args: &[Value<'a>], f: impl FnOnce(Option<i64>) -> Result<Value<'a>>) -> Result<Value<'a>> {
    match args {
        [value] => {
            let amount = value.downcast::<Amount>().ok_or(EvalError::NoSuchOverload)?;
            f(whole(amount.amount).filter(|_| !amount.capped))
        }
        _ => no_overload(),
    }
}

/// Of two quantities, or two versions, which share these functions.
fn order(args: &[Value<'_>]) -> Option<Ordering> {
    let [a, b] = args else { return None };
    match (a.downcast::<Amount>(), b.downcast::<Amount>()) {
        (Some(a), Some(b)) => Some(a.amount.cmp(&b.amount)),
        _ => semvers::order(a, b),
    }
}

fn both<'a>(args: &[Value<'a>], f: impl FnOnce(Quantity, Quantity) -> Quantity) -> Result<Value<'a>> {
    let [a, b] = args else { return no_overload() };
    let a = a.downcast::<Amount>().ok_or(EvalError::NoSuchOverload)?.amount;
    let b = match b {
        Value::Int(n) => Quantity::from_units(*n),
        other => other.downcast::<Amount>().ok_or(EvalError::NoSuchOverload)?.amount,
    };
    Ok(Value::opaque(Amount { amount: f(a, b), capped: false }))
}

fn whole(q: Quantity) -> Option<i64> {
    const NANOS: i128 = 1_000_000_000;
    (q.nanos() % NANOS == 0).then(|| i64::try_from(q.nanos() / NANOS).ok())?
}

fn approximate(q: Quantity) -> f64 {
    whole(q).map_or_else(|| q.nanos() as f64 / 1e9, |n| n as f64)
}
