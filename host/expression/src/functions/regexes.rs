//! `matches` of the standard, `find` and `findAll` of `apiserver/pkg/cel/library/regex.go`.

use super::*;

pub(super) const ROWS: &[Row] = &[
    ("matches", &["(string,string):bool", "string.(string):bool"], |call, args| match args {
        [Value::String(text), Value::String(pattern)] => {
            call.work(text.len())?;
            Ok(Value::Bool(call.pattern(pattern)?.is_match(text)))
        }
        _ => no_overload(),
    }),
    ("find", &["string.(string):string"], |call, args| match args {
        [Value::String(text), Value::String(pattern)] => {
            call.work(text.len())?;
            let pattern = illegal(call.pattern(pattern))?;
            Ok(Value::string(pattern.find(text).map_or("", |m| m.as_str())))
        }
        _ => no_overload(),
    }),
    ("findAll", &["string.(string):list(string)", "string.(string,int):list(string)"], |call, args| {
        let (text, pattern, limit) = match args {
            [Value::String(text), Value::String(pattern)] => (text, pattern, -1),
            [Value::String(text), Value::String(pattern), Value::Int(n)] => (text, pattern, *n),
            _ => return no_overload(),
        };
        // Each match may look at all that is left.
        call.work(text.len().saturating_mul(2))?;
        let pattern = illegal(call.pattern(pattern))?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Value::list(pattern.find_iter(text).take(limit).map(|m| Value::string(m.as_str())).collect()))
    }),
];

fn illegal(pattern: Result<Regex>) -> Result<Regex> {
    pattern.map_err(|error| match error {
        EvalError::Argument(why) => EvalError::Argument(format!("Illegal regex: {why}")),
        other => other,
    })
}
