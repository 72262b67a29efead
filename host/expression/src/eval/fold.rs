//! Constants, as cel-go's `decOptimize` (`interpreter/decorators.go`) finds them when it plans a program: lists, maps and
//! conversions of constants are evaluated once and cost nothing when run.

use super::*;

/// Rewrites a checked tree. Fails with what a conversion of a constant fails with.
pub(crate) fn fold(e: &mut Expr, table: &Table) -> Result<()> {
    for part in e.children_mut() {
        fold(part, table)?;
    }
    let constant = match &mut e.kind {
        Kind::List(elements) if elements.iter().all(|e| !e.optional && constant(&e.value).is_some()) => {
            Some(Value::list(elements.iter().filter_map(|e| constant(&e.value)).collect()))
        }
        Kind::Map(entries) if entries.iter().all(|e| !e.optional && constant(&e.key).and(constant(&e.value)).is_some()) => {
            let mut out = BTreeMap::new();
            for (key, value) in entries.iter().filter_map(|e| constant(&e.key).zip(constant(&e.value))) {
                insert(&mut out, &key, value)?;
            }
            Some(Value::Map(Map::Built(Arc::new(out))))
        }
        Kind::Call(call) => {
            if let Some(why) = &call.wrong_pattern {
                return Err(EvalError::Argument(why.clone()));
            }
            converted(call, table)?
        }
        _ => None,
    };
    if let Some(constant) = constant {
        e.kind = Kind::Constant(constant);
    }
    Ok(())
}

fn constant(e: &Expr) -> Option<Value<'static>> {
    Some(match &e.kind {
        Kind::Literal(Literal::String(text)) => Value::String(Text::Shared(text.clone())),
        Kind::Literal(Literal::Null) => Value::Null,
        Kind::Literal(Literal::Bool(b)) => Value::Bool(*b),
        Kind::Literal(Literal::Int(n)) => Value::Int(*n),
        Kind::Literal(Literal::Uint(n)) => Value::Uint(*n),
        Kind::Literal(Literal::Double(d)) => Value::Double(*d),
        Kind::Literal(Literal::Bytes(bytes)) => Value::Bytes(bytes.clone()),
        Kind::TypeName(ty) => Value::Type(ty.clone()),
        Kind::Constant(value) => value.clone(),
        _ => return None,
    })
}

const CONVERSIONS: [&str; 10] = ["bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"];

fn converted(call: &mut Call, table: &Table) -> Result<Option<Value<'static>>> {
    match (call.function.as_ref(), call.target.as_ref(), call.args.as_slice()) {
        ("@in", None, [_, list]) => {
            let Some(Value::List(list)) = constant(list) else { return Ok(None) };
            if list.is_empty() {
                return Ok(Some(Value::Bool(false)));
            }
            let plain = |item: Value<'_>| {
                matches!(item, Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::String(_))
            };
            call.free = list.iter().all(|item| item.is_ok_and(plain));
            Ok(None)
        }
        (name, None, [arg]) if CONVERSIONS.contains(&name) => {
            let (Some(arg), Some(function)) = (constant(arg), table.get(name)) else { return Ok(None) };
            let (mut meter, mut patterns) = (Meter::new(crate::CALL_LIMIT), HashMap::new());
            let mut context = Context::new(name, None, &mut meter, &mut patterns);
            function.run(&mut context, &[arg]).map(Some)
        }
        _ => Ok(None),
    }
}
