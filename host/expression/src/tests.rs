//! Tables: expression × data → value, error or cost.

mod compile;
mod costs;
mod data;
mod hostile;
mod language;
mod libraries;

use crate::*;
use serde_json::Value as Json;

/// Declares `self` (and `oldSelf`) by a schema.
fn declared(schema: &Json) -> Declarations {
    let decl = Decl::from_openapi(schema, false, "self").expect("the schema is visible to expressions");
    Declarations::new().variable("self", decl.clone()).variable("oldSelf", decl)
}

/// What the expression gives, told as text: `COMPILE …` (first line), `ERROR …`, or the value as a literal.
fn outcome(expression: &str, declarations: &Declarations, data: &Json) -> String {
    let program = match Environment::kubernetes().compile(expression, declarations, &Expected::Any) {
        Ok(program) => program,
        Err(error) => return format!("COMPILE {}", error.to_string().lines().next().unwrap_or_default()),
    };
    let mut budget = Budget::new(OBJECT_BUDGET);
    let bindings = Bindings::new().json("self", data).json("oldSelf", data);
    program.evaluate(&bindings, &mut budget).map_or_else(|error| format!("ERROR {error}"), |value| shown(&value))
}

/// A value as an expression would write it.
fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Uint(n) => format!("{n}u"),
        Value::Double(d) => format!("{d:?}"),
        Value::String(text) => format!("'{}'", &**text),
        Value::Bytes(bytes) => format!("b'{}'", String::from_utf8_lossy(bytes)),
        Value::Timestamp(_) => format!("timestamp('{}')", functions::text_of(value)),
        Value::Duration(_) => format!("duration('{}')", functions::text_of(value)),
        Value::List(list) => format!("[{}]", list.iter().map(|v| shown(&v.unwrap())).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let entry = |key: Value<'_>| format!("{}: {}", shown(&key), shown(&map.find(&key).unwrap().unwrap_or(Value::Null)));
            format!("{{{}}}", map.keys().into_iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Optional(None) => "none".to_owned(),
        Value::Optional(Some(of)) => format!("some({})", shown(of)),
        Value::Opaque(of) => format!("{}({})", of.type_name(), of.to_text().unwrap_or_default()),
        other => functions::text_of(other),
    }
}

/// Expressions without data.
fn check(table: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (expression, expect) in table {
        let got = outcome(expression, &Declarations::new(), &Json::Null);
        if got != *expect {
            wrong.push(format!("{expression}\n  expect {expect}\n  got    {got}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), table.len(), wrong.join("\n"));
}

/// Expressions over data of a schema.
fn check_on(schema: &Json, data: &Json, table: &[(&str, &str)]) {
    let declarations = declared(schema);
    let mut wrong = Vec::new();
    for (expression, expect) in table {
        let got = outcome(expression, &declarations, data);
        if got != *expect {
            wrong.push(format!("{expression}\n  expect {expect}\n  got    {got}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), table.len(), wrong.join("\n"));
}
