//! JSON as values: apiserver/pkg/cel/common/valuesunstructured.go.

use super::*;
use crate::declare::Form;
use crate::functions::times;
use base64::Engine as _;
use std::sync::LazyLock;

/// What data without a declaration is read by.
static ANY: LazyLock<Decl> = LazyLock::new(|| Decl::of(Type::Dyn));
static ATOMIC: ListKind = ListKind::Atomic;

/// Reads one level.
pub(crate) fn from_json<'a>(json: &'a Json, decl: &'a Decl) -> Result<Value<'a>> {
    let wrong = |wanted: &str| Err(EvalError::Data(format!("invalid data, expected {wanted}, got {}", go_name(json))));
    let string = || json.as_str().ok_or_else(|| EvalError::Data(format!("invalid data, expected string, got {}", go_name(json))));
    if json.is_null() && !matches!(decl.form, Form::Any | Form::Preserved) {
        if decl.nullable {
            return Ok(Value::Null);
        }
        return Err(EvalError::Data("invalid data, got null for schema with nullable=false".to_owned()));
    }
    Ok(match &decl.form {
        Form::Any => any(json),
        Form::Preserved => Value::Preserved(json),
        Form::Bool => match json.as_bool() {
            Some(b) => Value::Bool(b),
            None => return wrong("bool"),
        },
        Form::Int => match whole(json) {
            Some(n) => Value::Int(n),
            None => return wrong("int"),
        },
        Form::Double => match json.as_f64() {
            Some(d) => Value::Double(d),
            None => return wrong("float"),
        },
        Form::String => Value::String(Text::Borrowed(string()?)),
        Form::Bytes => {
            let text = string()?;
            match base64::engine::general_purpose::STANDARD.decode(text) {
                Ok(bytes) => Value::Bytes(bytes.into()),
                Err(error) => return Err(EvalError::Data(format!("Invalid byte formatted string {text}: {error}"))),
            }
        }
        Form::Duration => {
            let text = string()?;
            match times::parse_duration_relaxed(text) {
                Some(duration) => Value::Duration(duration),
                None => return Err(EvalError::Data(format!("Invalid duration {text}: unable to parse {text} as duration"))),
            }
        }
        Form::Date => {
            let text = string()?;
            match times::parse_date(text) {
                Some(at) => Value::Timestamp(at),
                None => return Err(EvalError::Data(format!("Invalid date formatted string {text}: not of the form 2006-01-02"))),
            }
        }
        Form::DateTime => {
            let text = string()?;
            match times::parse_timestamp_relaxed(text) {
                Some(at) => Value::Timestamp(at),
                None => return Err(EvalError::Data(format!("Invalid date-time formatted string {text}: not in RFC 3339 form"))),
            }
        }
        Form::IntOrString => match (json, whole(json)) {
            (Json::String(text), _) => Value::String(Text::Borrowed(text)),
            (_, Some(n)) => Value::Int(n),
            _ => {
                let message = "invalid data, expected XIntOrString value to be either a string or integer";
                return Err(EvalError::Data(message.to_owned()));
            }
        },
        Form::List { item, kind } => match json {
            Json::Array(items) => Value::List(List::Json { items, item, kind }),
            _ => return Err(EvalError::Data("invalid data, expected an array for the provided schema with type=array".to_owned())),
        },
        Form::Map { value } => match json {
            Json::Object(entries) => Value::Map(Map::Json { entries, value }),
            _ => return Err(EvalError::Data("invalid data, expected a map for the provided schema with type=object".to_owned())),
        },
        Form::Object(ty) => match json {
            Json::Object(entries) => Value::Map(Map::Object { entries, ty }),
            _ => return Err(EvalError::Data("invalid data, expected a map for the provided schema with type=object".to_owned())),
        },
    })
}

/// By what the JSON is.
fn any(json: &Json) -> Value<'_> {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(n), _) => Value::Int(n),
            (_, Some(n)) => Value::Uint(n),
            _ => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(Text::Borrowed(text)),
        Json::Array(items) => Value::List(List::Json { items, item: &ANY, kind: &ATOMIC }),
        Json::Object(entries) => Value::Map(Map::Json { entries, value: &ANY }),
    }
}

/// Whole numbers, also those written `1.0`.
fn whole(json: &Json) -> Option<i64> {
    json.as_i64().or_else(|| json.as_f64().filter(|d| d.fract() == 0.0 && d.abs() < 9_007_199_254_740_992.0).map(|d| d as i64))
}

/// Upstream's messages name Go's types.
fn go_name(json: &Json) -> &'static str {
    match json {
        Json::Null => "<nil>",
        Json::Bool(_) => "bool",
        Json::Number(n) if n.is_f64() => "float64",
        Json::Number(_) => "int64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    }
}
