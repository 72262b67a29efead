//! Components: the definitions that kinds lead to, with Kubernetes' extensions.

use super::{group_version_kind, list_definition, reference};
use crate::graph::{self, Descriptions};
use crate::kind::Kind;
use object::schema::{Field, Graph, ListKind, Scalar, Shape, TypeId};
use object::{Map, Value, json};
use std::sync::Arc;

const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/// Definitions that the paths name beside those of the kinds.
const ALWAYS: [&str; 3] = [LIST_META, "io.k8s.apimachinery.pkg.apis.meta.v1.Status", "io.k8s.apimachinery.pkg.apis.meta.v1.Patch"];

pub(super) fn of(kinds: &[Arc<Kind>]) -> Map<String, Value> {
    let mut writer = Writer { graph: graph::builtin(), descriptions: graph::descriptions(), waiting: Vec::new(), done: Map::new() };
    let names = kinds.iter().map(|k| k.schema.as_str()).chain(ALWAYS);
    writer.waiting.extend(names.filter_map(|name| graph::builtin().by_name.get(name).copied()));
    while let Some(id) = writer.waiting.pop() {
        writer.definition(id);
    }
    let mut schemas = writer.done;
    for kind in kinds {
        if let Some(definition) = schemas.get_mut(&kind.schema) {
            definition["x-kubernetes-group-version-kind"] = json!([group_version_kind(kind, &kind.kind)]);
        }
        schemas.insert(list_definition(kind), list(kind));
    }
    schemas
}

fn list(kind: &Kind) -> Value {
    let string = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "description": format!("{}List is a list of {}.", kind.kind, kind.resource),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": string("Version of this object's schema."),
            "kind": string("Kind of this object."),
            "metadata": { "allOf": [reference(LIST_META)], "description": "Standard list metadata.", "default": {} },
            "items": { "type": "array", "items": { "allOf": [reference(&kind.schema)], "default": {} }, "description": "The items." },
        },
        "x-kubernetes-group-version-kind": [group_version_kind(kind, &format!("{}List", kind.kind))],
    })
}

struct Writer {
    graph: &'static Graph,
    descriptions: Descriptions,
    waiting: Vec<TypeId>,
    done: Map<String, Value>,
}

impl Writer {
    fn definition(&mut self, id: TypeId) {
        let Some(ty) = self.graph.get(id) else { return };
        if self.done.contains_key(ty.name.as_ref()) {
            return;
        }
        let mut schema = self.shape(id, &ty.shape);
        if let Some(told) = self.descriptions.of_type(id).filter(|d| !d.is_empty()) {
            schema["description"] = json!(told);
        }
        self.done.insert(ty.name.to_string(), schema);
    }

    /// A reference for named types, the schema itself for others.
    fn of(&mut self, id: TypeId) -> Value {
        match self.graph.get(id) {
            Some(ty) if !ty.name.is_empty() => {
                self.waiting.push(id);
                reference(&ty.name)
            }
            Some(ty) => self.shape(id, &ty.shape),
            None => json!({}),
        }
    }

    fn shape(&mut self, id: TypeId, shape: &'static Shape) -> Value {
        match shape {
            Shape::Struct(s) => {
                let properties: Map<String, Value> = s.fields.iter().map(|f| (f.name.to_string(), self.field(id, f))).collect();
                let required: Vec<&str> = s.fields.iter().filter(|f| f.required).map(|f| f.name.as_ref()).collect();
                let mut schema = json!({ "type": "object" });
                if !properties.is_empty() {
                    schema["properties"] = Value::Object(properties);
                }
                if !required.is_empty() {
                    schema["required"] = json!(required);
                }
                if s.atomic {
                    schema["x-kubernetes-map-type"] = json!("atomic");
                }
                schema
            }
            Shape::Map { value, atomic } => {
                let mut schema = json!({ "type": "object", "additionalProperties": self.element(*value) });
                if *atomic {
                    schema["x-kubernetes-map-type"] = json!("atomic");
                }
                schema
            }
            Shape::List(list) => {
                let mut schema = json!({ "type": "array", "items": self.element(list.item) });
                match &list.kind {
                    ListKind::Atomic => schema["x-kubernetes-list-type"] = json!("atomic"),
                    ListKind::Set => schema["x-kubernetes-list-type"] = json!("set"),
                    ListKind::Map(keys) => {
                        schema["x-kubernetes-list-type"] = json!("map");
                        schema["x-kubernetes-list-map-keys"] = keys.iter().map(|k| json!(k.as_ref())).collect();
                    }
                }
                if let Some(merge) = &list.merge {
                    schema["x-kubernetes-patch-strategy"] = json!("merge");
                    if let Some(key) = &merge.key {
                        schema["x-kubernetes-patch-merge-key"] = json!(key.as_ref());
                    }
                }
                schema
            }
            Shape::Scalar(scalar) => of_scalar(*scalar),
            Shape::Any => json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }),
        }
    }

    /// A map's value or a list's item.
    fn element(&mut self, id: TypeId) -> Value {
        let schema = self.of(id);
        if schema.get("$ref").is_some() { json!({ "allOf": [schema] }) } else { schema }
    }

    fn field(&mut self, owner: TypeId, field: &Field) -> Value {
        let mut schema = self.element(field.ty);
        if let Some(told) = self.descriptions.of_field(owner, &field.name).filter(|d| !d.is_empty()) {
            schema["description"] = json!(told);
        }
        if let Some(default) = &field.default {
            schema["default"] = default.clone();
        }
        if field.retain_keys {
            let merges = schema.get("x-kubernetes-patch-strategy").is_some();
            schema["x-kubernetes-patch-strategy"] = json!(if merges { "merge,retainKeys" } else { "retainKeys" });
        }
        if field.atomic {
            schema["x-kubernetes-map-type"] = json!("atomic");
        }
        schema
    }
}

fn of_scalar(scalar: Scalar) -> Value {
    match scalar {
        Scalar::String | Scalar::Duration => json!({ "type": "string" }),
        Scalar::Boolean => json!({ "type": "boolean" }),
        Scalar::Int32 => json!({ "type": "integer", "format": "int32" }),
        Scalar::Int64 => json!({ "type": "integer", "format": "int64" }),
        Scalar::Float64 => json!({ "type": "number", "format": "double" }),
        Scalar::Bytes => json!({ "type": "string", "format": "byte" }),
        Scalar::IntOrString => json!({ "oneOf": [{ "type": "integer" }, { "type": "string" }], "format": "int-or-string" }),
        Scalar::Quantity => json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
        Scalar::Time | Scalar::MicroTime => json!({ "type": "string", "format": "date-time" }),
    }
}
