//! Declarations of structural schemas: apiserver/pkg/cel/common/schemas.go (`SchemaDeclType`) over the OpenAPI v3 schema
//! of a CustomResourceDefinition as JSON, and `WithTypeAndObjectMeta` of apiextensions' `model/schemas.go`.

use super::*;
use crate::MAX_REQUEST;
use serde_json::Value as Json;

/// Longest `metadata.name` (DNS subdomain); a generated one has at least one more character.
const NAME_MAX: u64 = 253;
/// Schemas nest no deeper than the API server's own limit on JSON.
const MAX_NESTING: usize = 128;

impl Decl {
    /// Of a structural schema; `None` where expressions do not see the data (no type, or only
    /// `x-kubernetes-preserve-unknown-fields`). `root`: the schema of a whole resource, which always has `apiVersion`,
    /// `kind` and `metadata` with `name` and `generateName`. `name` is the type's name in messages.
    pub fn from_openapi(schema: &Json, root: bool, name: &str) -> Option<Self> {
        read(schema, root, name, 0)
    }
}

fn read(schema: &Json, root: bool, name: &str, depth: usize) -> Option<Decl> {
    if depth > MAX_NESTING {
        return None;
    }
    let flag = |key: &str| schema.get(key).and_then(Json::as_bool).unwrap_or(false);
    let limit = |key: &str| schema.get(key).and_then(Json::as_i64).map(|n| u64::try_from(n).unwrap_or(0));
    let nullable = flag("nullable");
    let simple = |ty: Type, form: Form, max: u64, min_size: u64| Some(Decl { ty, form, max, min_size, nullable });
    if flag("x-kubernetes-int-or-string") {
        let max = limit("maxLength").map_or(MAX_REQUEST - 2, |n| n.saturating_mul(4));
        return simple(Type::Dyn, Form::IntOrString, max, 1);
    }
    let below = |schema: &Json, name: &str| {
        let root = schema.get("x-kubernetes-embedded-resource").and_then(Json::as_bool).unwrap_or(false);
        read(schema, root, name, depth + 1)
    };
    let ty = schema.get("type").and_then(Json::as_str).unwrap_or_default();
    match ty {
        "array" => {
            let item = below(schema.get("items")?, &format!("{name}.@idx"))?;
            let max = limit("maxItems").unwrap_or((MAX_REQUEST - 2) / (item.min_size + 1));
            let kind = list_kind(schema);
            let ty = Type::list(item.ty.clone());
            Some(Decl { ty, form: Form::List { item: Arc::new(item), kind }, max, min_size: 2, nullable })
        }
        "object" => match schema.get("additionalProperties").filter(|a| a.is_object()) {
            Some(value) if !root => {
                let value = below(value, &format!("{name}.@elem"))?;
                let max = limit("maxProperties").unwrap_or((MAX_REQUEST - 2) / (value.min_size + 6));
                Some(Decl { nullable, ..Decl::map(value, max) })
            }
            _ => Some(Decl { nullable, ..object(schema, root, name, below) }),
        },
        "string" => match schema.get("format").and_then(Json::as_str).unwrap_or_default() {
            "byte" => simple(Type::Bytes, Form::Bytes, limit("maxLength").unwrap_or(MAX_REQUEST - 2), 2),
            "duration" => simple(Type::Duration, Form::Duration, 32, 3),
            "date" => simple(Type::Timestamp, Form::Date, 12, 12),
            "date-time" => simple(Type::Timestamp, Form::DateTime, 32, 21),
            _ => simple(Type::String, Form::String, string_max(schema, limit("maxLength")), 2),
        },
        "boolean" => simple(Type::Bool, Form::Bool, 0, 4),
        "number" => simple(Type::Double, Form::Double, 0, 1),
        "integer" => simple(Type::Int, Form::Int, 0, 1),
        _ => None,
    }
}

/// `maxLength` counts characters of up to four bytes.
fn string_max(schema: &Json, max_length: Option<u64>) -> u64 {
    if let Some(max) = max_length {
        return max.saturating_mul(4);
    }
    match schema.get("enum").and_then(Json::as_array) {
        Some(values) if !values.is_empty() => {
            let longest = values.iter().filter_map(Json::as_str).map(str::len).max().unwrap_or(0);
            u64::try_from(longest).unwrap_or(u64::MAX)
        }
        _ => MAX_REQUEST - 2,
    }
}

fn list_kind(schema: &Json) -> ListKind {
    let strings = |key: &str| -> Vec<Arc<str>> {
        let keys = schema.get(key).and_then(Json::as_array);
        keys.into_iter().flatten().filter_map(Json::as_str).map(Arc::from).collect()
    };
    match schema.get("x-kubernetes-list-type").and_then(Json::as_str) {
        Some("set") => ListKind::Set,
        Some("map") => ListKind::Map(strings("x-kubernetes-list-map-keys")),
        _ => ListKind::Atomic,
    }
}

fn object(schema: &Json, root: bool, name: &str, below: impl Fn(&Json, &str) -> Option<Decl>) -> Decl {
    let root = root && !is_complete(schema);
    let empty = serde_json::Map::new();
    let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&empty);
    let required: Vec<&str> = schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    let mut fields: BTreeMap<Arc<str>, Field> = BTreeMap::new();
    let mut min_size = 2;
    let mut add = |json: &str, decl: Option<Decl>, has_default: bool| {
        let (Some(decl), Some(escaped)) = (decl, escape(json)) else { return };
        // Defaults are filled in by the server, so such a field need not be in the request.
        if required.contains(&json) && !has_default {
            min_size += u64::try_from(json.len()).unwrap_or(0) + decl.min_size + 4;
        }
        fields.insert(escaped.into(), Field { json: json.into(), decl: Arc::new(decl) });
    };
    for (json, property) in properties {
        if !(root && matches!(json.as_str(), "apiVersion" | "kind" | "metadata")) {
            add(json, below(property, &format!("{name}.{json}")), property.get("default").is_some());
        }
    }
    if root {
        let plain = |max| Decl { max, min_size: 2, ..Decl::of(Type::String) };
        add("apiVersion", Some(plain(MAX_REQUEST - 2)), false);
        add("kind", Some(plain(MAX_REQUEST - 2)), false);
        add("metadata", Some(metadata(properties.get("metadata"), &format!("{name}.metadata"))), false);
    }
    let object = Arc::new(ObjectType { name: name.into(), fields });
    Decl { ty: Type::Object(object.clone()), form: Form::Object(object), max: 0, min_size, nullable: false }
}

/// A root whose schema tells all that expressions see of every resource is taken as it is.
fn is_complete(schema: &Json) -> bool {
    let is = |path: &[&str], wanted: &str| {
        let place = path.iter().try_fold(schema, |at, name| at.get("properties")?.get(name));
        place.and_then(|at| at.get("type")).and_then(Json::as_str) == Some(wanted)
    };
    is(&["kind"], "string")
        && is(&["apiVersion"], "string")
        && is(&["metadata"], "object")
        && is(&["metadata", "name"], "string")
        && is(&["metadata", "generateName"], "string")
}

/// Of all metadata, expressions see `name` and `generateName`.
fn metadata(schema: Option<&Json>, name: &str) -> Decl {
    let capped = |field: &str, cap: u64| {
        let own = schema.and_then(|s| s.get("properties")?.get(field)?.get("maxLength")?.as_u64());
        Decl { max: own.unwrap_or(cap).min(cap).saturating_mul(4), min_size: 2, ..Decl::of(Type::String) }
    };
    Decl::object(name, [("name".into(), capped("name", NAME_MAX)), ("generateName".into(), capped("generateName", NAME_MAX - 1))])
}
