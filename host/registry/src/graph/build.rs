//! Short words for definitions that are written by hand.

use object::Value;
use object::schema::{Field, Graph, Scalar, Shape, Struct, Type, TypeId};
use std::sync::Arc;

pub(super) struct Types<'g> {
    pub(super) graph: &'g mut Graph,
}

impl Types<'_> {
    pub(super) fn scalar(&mut self, scalar: Scalar) -> TypeId {
        self.anonymous(Shape::Scalar(scalar))
    }
    pub(super) fn anonymous(&mut self, shape: Shape) -> TypeId {
        self.graph.push(Type { name: Arc::from(""), description: Arc::from(""), shape })
    }
    /// A definition that is in the graph already, else any JSON.
    pub(super) fn known(&mut self, name: &str) -> TypeId {
        let found = self.graph.by_name.get(name).copied();
        found.unwrap_or_else(|| self.anonymous(Shape::Any))
    }
    pub(super) fn named(&mut self, name: &str, description: &str, mut fields: Vec<Field>) -> TypeId {
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        let shape = Shape::Struct(Struct { fields, preserve_unknown: false, atomic: false });
        self.graph.push(Type { name: Arc::from(name), description: Arc::from(description), shape })
    }
}

/// `tag` is the protobuf field number; 0 when the field has none.
pub(super) fn field(name: &str, tag: u32, ty: TypeId, description: &str) -> Field {
    Field {
        name: Arc::from(name),
        ty,
        description: Arc::from(description),
        required: false,
        nullable: false,
        default: None,
        atomic: false,
        retain_keys: false,
        tag,
    }
}

pub(super) fn required(field: Field) -> Field {
    Field { required: true, ..field }
}

pub(super) fn default(field: Field, value: impl Into<Value>) -> Field {
    Field { default: Some(value.into()), ..field }
}
