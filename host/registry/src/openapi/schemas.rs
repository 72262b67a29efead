//! Definitions that kinds and operations lead to, with Kubernetes' extensions.

use super::operations::{DELETE_OPTIONS, Operation, STATUS, WATCH_EVENT};
use super::{Dialect, META, definition_of, group_version_kind, list_definition};
use crate::custom::Version;
use crate::graph::{self, Descriptions};
use crate::kind::{Kind, Verb};
use object::schema::{Field, Graph, ListKind, Scalar, Shape, Struct, TypeId};
use object::{Map, Value, json};
use std::sync::Arc;

/// `versions`: every served group and version.
pub(super) fn of(kinds: &[Arc<Kind>], operations: &[Operation], versions: &[(String, String)], dialect: Dialect) -> Map<String, Value> {
    let descriptions = graph::descriptions();
    let mut writer = Writer { graph: graph::builtin(), descriptions: &descriptions, dialect, waiting: Vec::new(), done: Map::new() };
    let (custom, builtin): (Vec<&Arc<Kind>>, Vec<&Arc<Kind>>) = kinds.iter().partition(|k| k.is_custom());
    let named = operations.iter().flat_map(|o| {
        let body = o.body.as_ref().map(|b| b.definition.as_str());
        o.answers.iter().filter_map(|a| a.definition.as_deref()).chain(body)
    });
    for name in named.chain(builtin.iter().map(|k| k.schema.as_str())) {
        writer.wanted(name);
    }
    if !kinds.is_empty() {
        ["ListMeta", "ObjectMeta"].iter().for_each(|name| writer.wanted(&format!("{META}.{name}")));
        writer.wanted("io.k8s.apimachinery.pkg.runtime.RawExtension");
    }
    writer.write();
    let mut schemas = writer.done;
    for (kind, version) in custom.iter().filter_map(|k| Some((k, &k.custom.as_ref()?.version))) {
        schemas.insert(kind.schema.clone(), published(kind, version, dialect));
    }
    if operations.iter().any(|o| o.answers.iter().any(|a| a.definition.as_deref() == Some(WATCH_EVENT))) {
        schemas.insert(WATCH_EVENT.to_owned(), watch_event(dialect));
    }
    for kind in kinds.iter().filter(|k| k.verbs.contains(&Verb::List)) {
        schemas.insert(list_definition(kind), list(kind, dialect));
    }
    name_kinds(&mut schemas, kinds, versions);
    schemas
}

/// `x-kubernetes-group-version-kind`, by which clients find a kind's definition.
fn name_kinds(schemas: &mut Map<String, Value>, kinds: &[Arc<Kind>], versions: &[(String, String)]) {
    let mut name = |definition: &str, gvk: Value| {
        let Some(schema) = schemas.get_mut(definition).and_then(Value::as_object_mut) else { return };
        let names = schema.entry("x-kubernetes-group-version-kind").or_insert_with(|| json!([]));
        if let Some(names) = names.as_array_mut()
            && !names.contains(&gvk)
        {
            names.push(gvk);
        }
    };
    for kind in kinds {
        name(&kind.schema, group_version_kind(&kind.group, &kind.version, &kind.kind));
        for gvk in kind.subresources.iter().filter_map(|s| s.gvk.as_ref()) {
            name(&definition_of(gvk), group_version_kind(&gvk.group, &gvk.version, &gvk.kind));
        }
    }
    name(STATUS, group_version_kind("", "v1", "Status"));
    for (group, version) in versions {
        name(DELETE_OPTIONS, group_version_kind(group, version, "DeleteOptions"));
        name(WATCH_EVENT, group_version_kind(group, version, "WatchEvent"));
    }
}

fn list(kind: &Kind, dialect: Dialect) -> Value {
    let string = |description: &str| json!({ "type": "string", "description": description });
    let items = dialect.element(&kind.schema);
    let mut metadata = dialect.element(&format!("{META}.ListMeta"));
    metadata["description"] = json!("Standard list metadata.");
    json!({
        "description": format!("{} is a list of {}.", kind.list_kind(), kind.resource),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": string("Version of this object's schema."),
            "kind": string("Kind of this object."),
            "metadata": metadata,
            "items": { "type": "array", "items": items, "description": "The items." },
        },
        "x-kubernetes-group-version-kind": [group_version_kind(&kind.group, &kind.version, &kind.list_kind())],
    })
}

fn watch_event(dialect: Dialect) -> Value {
    let mut object = dialect.element("io.k8s.apimachinery.pkg.runtime.RawExtension");
    object["description"] = json!("The object: its new state, its last one when it was deleted, or a Status when the watch failed.");
    json!({
        "description": "One change of a watched object.", "type": "object", "required": ["type", "object"],
        "properties": { "object": object, "type": { "type": "string", "description": "ADDED, MODIFIED, DELETED, BOOKMARK or ERROR." } },
    })
}

/// A custom kind's own schema, with the fields that every object has
/// (`apiextensions-apiserver/pkg/controller/openapi/builder/builder.go`).
fn published(kind: &Kind, version: &Version, dialect: Dialect) -> Value {
    let keeps_all = |schema: &Value| schema.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
    if dialect == Dialect::V2 && (version.preserves || keeps_all(&version.raw)) {
        // Older clients refuse what they do not find declared.
        return json!({ "type": "object" });
    }
    let mut schema =
        if version.preserves { json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }) } else { version.raw.clone() };
    if dialect == Dialect::V2 {
        to_v2(&mut schema);
    }
    embedded(&mut schema, dialect);
    resource(&mut schema, dialect);
    let Some(map) = schema.as_object_mut() else { return json!({ "type": "object" }) };
    let selectable: Vec<Value> = kind.selectable_fields.iter().map(|f| json!({ "fieldPath": format!(".{}", f.name) })).collect();
    if !selectable.is_empty() {
        map.insert("x-kubernetes-selectable-fields".to_owned(), Value::Array(selectable));
    }
    schema
}

/// The fields that every object has.
fn resource(schema: &mut Value, dialect: Dialect) {
    let Some(map) = schema.as_object_mut() else { return };
    map.insert("type".to_owned(), json!("object"));
    let properties = map.entry("properties").or_insert_with(|| json!({}));
    properties["apiVersion"] =
        json!({ "type": "string", "description": "APIVersion defines the version of the schema that the object is written in." });
    properties["kind"] = json!({ "type": "string", "description": "Kind is the name of the schema that the object is written in." });
    let mut metadata = dialect.element(&format!("{META}.ObjectMeta"));
    metadata["description"] = json!("Standard object's metadata.");
    properties["metadata"] = metadata;
}

/// Objects within objects (`x-kubernetes-embedded-resource`) have them, too.
fn embedded(schema: &mut Value, dialect: Dialect) {
    let Some(map) = schema.as_object_mut() else { return };
    let mut below: Vec<&mut Value> = Vec::new();
    let (mut items, mut additional, mut properties) = (None, None, None);
    for (key, value) in map.iter_mut() {
        match key.as_str() {
            "items" => items = Some(value),
            "additionalProperties" => additional = Some(value),
            "properties" => properties = value.as_object_mut(),
            _ => {}
        }
    }
    below.extend(items);
    below.extend(additional);
    below.extend(properties.into_iter().flat_map(|p| p.values_mut()));
    for schema in below {
        embedded(schema, dialect);
        if schema.get("x-kubernetes-embedded-resource") == Some(&json!(true)) && dialect == Dialect::V3 {
            resource(schema, dialect);
        }
    }
}

/// What Swagger cannot say is left out (`apiextensions-apiserver/pkg/controller/openapi/v2/conversion.go`).
fn to_v2(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    for key in ["oneOf", "anyOf", "allOf", "not"] {
        map.remove(key);
    }
    let nullable = map.remove("nullable") == Some(json!(true));
    let anything = map.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
    if nullable {
        map.remove("type");
    }
    if nullable || anything {
        map.remove("items");
        map.remove("properties");
    }
    for key in ["items", "additionalProperties"] {
        map.get_mut(key).into_iter().for_each(to_v2);
    }
    map.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(|p| p.values_mut()).for_each(to_v2);
}

impl Dialect {
    /// A reference in a place where there is more to say of it.
    fn element(self, definition: &str) -> Value {
        let reference = self.reference(definition);
        // Beside a `$ref`, version 3 overlooks everything.
        if self == Self::V3 { json!({ "allOf": [reference], "default": {} }) } else { reference }
    }
}

struct Writer<'g> {
    graph: &'g Graph,
    descriptions: &'g Descriptions,
    dialect: Dialect,
    waiting: Vec<TypeId>,
    done: Map<String, Value>,
}

impl<'g> Writer<'g> {
    fn wanted(&mut self, name: &str) {
        self.waiting.extend(self.graph.by_name.get(name).copied());
    }

    fn write(&mut self) {
        while let Some(id) = self.waiting.pop() {
            self.definition(id);
        }
    }

    fn definition(&mut self, id: TypeId) {
        let Some(ty) = self.graph.get(id) else { return };
        if self.done.contains_key(ty.name.as_ref()) {
            return;
        }
        let mut schema = match &ty.shape {
            // Raw objects are objects; JSON may be anything.
            Shape::Any if ["RawExtension", "FieldsV1", "Patch"].iter().any(|n| ty.name.ends_with(n)) => json!({ "type": "object" }),
            Shape::Any => json!({}),
            shape => self.shape(id, shape),
        };
        let told = self.descriptions.of_type(id).unwrap_or(&ty.description);
        if !told.is_empty() {
            schema["description"] = json!(told);
        }
        self.done.insert(ty.name.to_string(), schema);
    }

    fn shape(&mut self, id: TypeId, shape: &'g Shape) -> Value {
        match shape {
            Shape::Struct(s) => self.structure(id, s),
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
            Shape::Scalar(scalar) => of_scalar(*scalar, self.dialect),
            Shape::Any => json!({ "x-kubernetes-preserve-unknown-fields": true }),
        }
    }

    fn structure(&mut self, id: TypeId, s: &'g Struct) -> Value {
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
        if s.preserve_unknown {
            schema["x-kubernetes-preserve-unknown-fields"] = json!(true);
        }
        schema
    }

    /// A map's value, a list's item or a field's type: a reference for named types, the schema itself for others.
    fn element(&mut self, id: TypeId) -> Value {
        match self.graph.get(id) {
            Some(ty) if !ty.name.is_empty() => {
                self.waiting.push(id);
                let reference = self.dialect.reference(&ty.name);
                if self.dialect == Dialect::V3 { json!({ "allOf": [reference] }) } else { reference }
            }
            Some(ty) => self.shape(id, &ty.shape),
            None => json!({}),
        }
    }

    fn field(&mut self, owner: TypeId, field: &'g Field) -> Value {
        let mut schema = self.element(field.ty);
        let told = self.descriptions.of_field(owner, &field.name).unwrap_or(&field.description);
        if !told.is_empty() {
            schema["description"] = json!(told);
        }
        if let Some(default) = &field.default {
            schema["default"] = default.clone();
        }
        if field.nullable && self.dialect == Dialect::V3 {
            schema["nullable"] = json!(true);
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

fn of_scalar(scalar: Scalar, dialect: Dialect) -> Value {
    match scalar {
        Scalar::String | Scalar::Duration => json!({ "type": "string" }),
        Scalar::Boolean => json!({ "type": "boolean" }),
        Scalar::Int32 => json!({ "type": "integer", "format": "int32" }),
        Scalar::Int64 => json!({ "type": "integer", "format": "int64" }),
        Scalar::Float64 => json!({ "type": "number", "format": "double" }),
        Scalar::Bytes => json!({ "type": "string", "format": "byte" }),
        Scalar::IntOrString if dialect == Dialect::V2 => json!({ "type": "string", "format": "int-or-string" }),
        Scalar::IntOrString => json!({ "oneOf": [{ "type": "integer" }, { "type": "string" }], "format": "int-or-string" }),
        Scalar::Quantity if dialect == Dialect::V2 => json!({ "type": "string" }),
        Scalar::Quantity => json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
        Scalar::Time | Scalar::MicroTime => json!({ "type": "string", "format": "date-time" }),
    }
}
