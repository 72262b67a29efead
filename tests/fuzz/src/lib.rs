//! What the targets share: trees made from the fuzzer's bytes along a schema, so that most of an input is meaningful and
//! the rest is wrong in interesting places.

use arbitrary::{Result, Unstructured};
use object::schema::{ListKind, Scalar, Schema, Shape};
use object::{Map, Value, json};
use registry::{Kind, Registry};
use std::sync::{Arc, LazyLock};

/// Deep enough for `spec.template.spec.containers[].env[].valueFrom.…`.
const DEPTH: u32 = 9;

/// Few names, so that keys and values meet each other again.
const WORDS: [&str; 12] = ["", "a", "b", "c", "TCP", "v1", "10", "1Gi", "100m", "2026-01-02T03:04:05Z", "x/y", "é"];

/// The kinds with the richest schemas.
const KINDS: [(&str, &str); 6] =
    [("apps", "Deployment"), ("", "Pod"), ("", "Service"), ("", "Node"), ("discovery.k8s.io", "EndpointSlice"), ("", "ConfigMap")];

/// The rows of [`KINDS`]; a schema borrows from its row.
static ROWS: LazyLock<Vec<Arc<Kind>>> = LazyLock::new(|| {
    let registry = Registry::builtin();
    let row = |(group, kind): &(&str, &str)| registry.kind_of(&object::Gvk::new(*group, "v1", *kind)).expect("the kind is built in");
    KINDS.iter().map(row).collect()
});

/// One of the kinds and its place in the graph.
pub fn kind(u: &mut Unstructured<'_>) -> Result<(Arc<Kind>, Schema<'static>)> {
    let kind = u.choose(&ROWS)?;
    Ok((kind.clone(), kind.schema()))
}

/// A tree that mostly follows the schema.
pub fn tree(u: &mut Unstructured<'_>, schema: Schema<'_>) -> Result<Value> {
    along(u, schema, DEPTH)
}

/// An object of the kind, pruned and normalised as the road would have stored it.
pub fn stored(u: &mut Unstructured<'_>, kind: &Kind, schema: Schema<'_>) -> Result<Option<Map<String, Value>>> {
    let mut tree = tree(u, schema)?;
    if let Value::Object(map) = &mut tree {
        identify(map, kind);
    }
    let decoded = object::decode::prune(tree, schema);
    Ok(match decoded.value {
        Value::Object(map) if decoded.errors.is_empty() => Some(map),
        _ => None,
    })
}

/// Sets apiVersion, kind and a name, and takes away a book of owners that a client may not send.
pub fn identify(map: &mut Map<String, Value>, kind: &Kind) {
    map.insert("apiVersion".into(), kind.api_version().into());
    map.insert("kind".into(), kind.kind.as_str().into());
    let metadata = map.entry("metadata").or_insert_with(|| json!({}));
    if !metadata.is_object() {
        *metadata = json!({});
    }
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("name".into(), "n".into());
        metadata.remove("managedFields");
    }
}

fn along(u: &mut Unstructured<'_>, schema: Schema<'_>, depth: u32) -> Result<Value> {
    if depth == 0 || u.is_empty() || u.ratio(1, 40)? {
        return any(u, depth.min(2));
    }
    Ok(match schema.shape() {
        Shape::Struct(shape) => {
            let mut map = Map::new();
            for _ in 0..u.int_in_range(0..=4)? {
                if shape.fields.is_empty() {
                    break;
                }
                let field = u.choose(&shape.fields)?;
                map.insert(field.name.to_string(), along(u, schema.graph.at(field.ty), depth - 1)?);
            }
            // An item of a list without its keys meets nothing.
            for key in ["name", "type"] {
                if let Some(field) = shape.field(key)
                    && !map.contains_key(key)
                {
                    map.insert(key.into(), along(u, schema.graph.at(field.ty), depth - 1)?);
                }
            }
            if u.ratio(1, 40)? {
                map.insert(word(u)?, any(u, 1)?);
            }
            Value::Object(map)
        }
        Shape::Map { value, .. } => {
            let mut map = Map::new();
            for _ in 0..u.int_in_range(0..=3)? {
                map.insert(word(u)?, along(u, schema.graph.at(*value), depth - 1)?);
            }
            Value::Object(map)
        }
        Shape::List(list) => {
            let mut items = Vec::new();
            for _ in 0..u.int_in_range(0..=3)? {
                let item = along(u, schema.graph.at(list.item), depth - 1)?;
                let twice = matches!(list.kind, ListKind::Set) && items.contains(&item);
                if !twice || u.ratio(1, 8)? {
                    items.push(item);
                }
            }
            Value::Array(items)
        }
        Shape::Scalar(scalar) => match scalar {
            Scalar::Boolean => json!(u.arbitrary::<bool>()?),
            Scalar::Int32 | Scalar::Int64 => json!(u.int_in_range(-1..=3)?),
            Scalar::Float64 => json!(u.int_in_range(-1..=3)?),
            Scalar::IntOrString if u.arbitrary()? => json!(u.int_in_range(0..=3)?),
            Scalar::Quantity => (*u.choose(&["1", "1Gi", "100m", "0.5", "1e3"])?).into(),
            Scalar::Time => "2026-01-02T03:04:05Z".into(),
            Scalar::MicroTime => "2026-01-02T03:04:05.000006Z".into(),
            Scalar::Bytes => "YQ==".into(),
            Scalar::Duration => "1m0s".into(),
            Scalar::String | Scalar::IntOrString => word(u)?.into(),
        },
        Shape::Any => any(u, depth.min(2))?,
    })
}

/// Any JSON.
pub fn any(u: &mut Unstructured<'_>, depth: u32) -> Result<Value> {
    Ok(match u.int_in_range(0..=7)? {
        0 => Value::Null,
        1 => json!(u.arbitrary::<bool>()?),
        2 => json!(u.arbitrary::<i64>()?),
        3 => json!(f64::from(u.arbitrary::<i16>()?) / 8.0),
        4 if depth > 0 => {
            let mut items = Vec::new();
            for _ in 0..u.int_in_range(0..=3)? {
                items.push(any(u, depth - 1)?);
            }
            Value::Array(items)
        }
        5 if depth > 0 => {
            let mut map = Map::new();
            for _ in 0..u.int_in_range(0..=3)? {
                map.insert(word(u)?, any(u, depth - 1)?);
            }
            Value::Object(map)
        }
        _ => word(u)?.into(),
    })
}

pub fn word(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(1, 30)? { u.arbitrary() } else { u.choose(&WORDS).map(|w| (*w).to_owned()) }
}
