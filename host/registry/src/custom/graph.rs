//! The schema graph of a custom kind, for merging and field ownership. Scalars are of their types; what is untyped is any
//! JSON. Checks of values are not in it ([`super::validate`]).

use super::props::{Additional, Props};
use crate::graph as builtin;
use object::schema::{Field, Graph, List, ListKind, Scalar, Shape, Struct, Type, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// A graph whose definition `name` is the root of the schema.
pub(super) fn of(name: &str, schema: &Props, preserves: bool) -> Graph {
    let mut builder = Builder { graph: Graph::default(), none: Arc::from(""), copied: HashMap::new() };
    builder.meta();
    let fields = builder.fields(schema, true);
    let unknown = preserves || schema.preserves();
    let shape = Shape::Struct(Struct { fields, preserve_unknown: unknown, atomic: schema.map_type.as_deref() == Some("atomic") });
    builder.graph.push(Type { name: Arc::from(name), description: builder.none.clone(), shape });
    builder.graph
}

struct Builder {
    graph: Graph,
    none: Arc<str>,
    /// Built-in types by their place in the built-in graph.
    copied: HashMap<TypeId, TypeId>,
}

impl Builder {
    fn push(&mut self, shape: Shape) -> TypeId {
        self.graph.push(Type { name: self.none.clone(), description: self.none.clone(), shape })
    }

    /// `metadata` as all objects have it.
    fn meta(&mut self) -> TypeId {
        match builtin::builtin().by_name.get(OBJECT_META) {
            Some(id) => self.copy(*id),
            None => self.push(Shape::Any),
        }
    }

    fn copy(&mut self, id: TypeId) -> TypeId {
        if let Some(done) = self.copied.get(&id) {
            return *done;
        }
        let Some(ty) = builtin::builtin().get(id) else { return self.push(Shape::Any) };
        let shape = match &ty.shape {
            Shape::Struct(s) => {
                let fields = s.fields.iter().map(|f| Field { ty: self.copy(f.ty), ..f.clone() }).collect();
                Shape::Struct(Struct { fields, ..s.clone() })
            }
            Shape::Map { value, atomic } => Shape::Map { value: self.copy(*value), atomic: *atomic },
            Shape::List(list) => Shape::List(List { item: self.copy(list.item), ..list.clone() }),
            other => other.clone(),
        };
        let copy = self.graph.push(Type { name: ty.name.clone(), description: ty.description.clone(), shape });
        self.copied.insert(id, copy);
        copy
    }

    fn fields(&mut self, schema: &Props, resource: bool) -> Vec<Field> {
        let mut fields: Vec<Field> = Vec::new();
        for (name, property) in &schema.properties {
            // A schema can only restrict the metadata that all resources have.
            let ty = if resource && name == "metadata" { self.meta() } else { self.of(property) };
            fields.push(self.field(name, ty, property, schema.required.contains(name)));
        }
        if resource {
            for name in ["apiVersion", "kind", "metadata"].iter().filter(|name| !schema.properties.contains_key(**name)) {
                let ty = if *name == "metadata" { self.meta() } else { self.push(Shape::Scalar(Scalar::String)) };
                fields.push(self.field(name, ty, &Props::default(), false));
            }
        }
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        fields
    }

    fn field(&self, name: &str, ty: TypeId, schema: &Props, required: bool) -> Field {
        Field {
            name: Arc::from(name),
            ty,
            description: self.none.clone(),
            required,
            nullable: schema.nullable,
            default: schema.default.clone(),
            atomic: false,
            retain_keys: false,
            tag: 0,
        }
    }

    fn of(&mut self, schema: &Props) -> TypeId {
        let atomic = schema.map_type.as_deref() == Some("atomic");
        let shape = match schema.ty.as_str() {
            "object" => match &schema.additional {
                Some(Additional::Schema(value)) if schema.properties.is_empty() => Shape::Map { value: self.of(value), atomic },
                additional => {
                    let open = schema.preserves() || matches!(additional, Some(Additional::Allowed(true)));
                    Shape::Struct(Struct { fields: self.fields(schema, schema.embedded), preserve_unknown: open, atomic })
                }
            },
            "array" => {
                let item = match &schema.items {
                    Some(items) => self.of(items),
                    None => self.push(Shape::Any),
                };
                let kind = match schema.list_type.as_deref() {
                    Some("set") => ListKind::Set,
                    Some("map") => ListKind::Map(schema.list_map_keys.iter().map(|key| Arc::from(key.as_str())).collect()),
                    _ => ListKind::Atomic,
                };
                Shape::List(List { item, kind, merge: None })
            }
            "string" => Shape::Scalar(Scalar::String),
            "boolean" => Shape::Scalar(Scalar::Boolean),
            "integer" => Shape::Scalar(Scalar::Int64),
            "number" => Shape::Scalar(Scalar::Float64),
            _ => Shape::Any,
        };
        self.push(shape)
    }
}
