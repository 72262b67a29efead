//! Optional values: cel-go `cel/library.go` (OptionalTypes). `or` and `orValue` are lazy: the evaluator sees to them.

use super::*;

pub(super) const ROWS: &[Row] = &[
    ("optional.of", &["(V):optional(V)"], |_, args| match args {
        [value] => Ok(Value::optional(Some(value.clone()))),
        _ => no_overload(),
    }),
    ("optional.ofNonZeroValue", &["(V):optional(V)"], |_, args| match args {
        [value] => Ok(Value::optional(Some(value.clone()).filter(|v| !v.is_zero()))),
        _ => no_overload(),
    }),
    ("optional.none", &["():optional(V)"], |_, _| Ok(Value::Optional(None))),
    ("hasValue", &["optional(V).():bool"], |_, args| match args {
        [Value::Optional(of)] => Ok(Value::Bool(of.is_some())),
        _ => no_overload(),
    }),
    ("value", &["optional(V).():V"], |_, args| match args {
        [Value::Optional(Some(of))] => Ok(of.as_ref().clone()),
        [Value::Optional(None)] => Err(EvalError::argument("optional.none() dereference")),
        _ => no_overload(),
    }),
    ("or", &["optional(V).(optional(V)):optional(V)"], |_, _| no_overload()),
    ("orValue", &["optional(V).(V):V"], |_, _| no_overload()),
    ("optional.unwrap", &["(list(optional(V))):list(V)"], unwrap),
    ("unwrapOpt", &["list(optional(V)).():list(V)"], unwrap),
];

fn unwrap<'a>(call: &mut Call<'_>, args: &[Value<'a>]) -> Result<Value<'a>> {
    let [Value::List(list)] = args else { return no_overload() };
    call.work(list.len())?;
    let mut out = Vec::new();
    for item in list.iter() {
        match item? {
            Value::Optional(Some(of)) => out.push(of.as_ref().clone()),
            Value::Optional(None) => {}
            other => return Err(EvalError::Argument(format!("value {} is not optional", text_of(&other)))),
        }
    }
    Ok(Value::list(out))
}
