//! Declarations of built-in kinds, from the schema graph: what policies see as `object`. (Upstream resolves the kind's
//! OpenAPI schema; the graph is where that comes from here.)

use super::*;
use object::schema::{ListKind as GraphList, Scalar, Schema, Shape};

impl Decl {
    /// Of a place in the graph. A type inside itself is `dyn` from its second occurrence on.
    pub fn from_schema(schema: Schema<'_>) -> Self {
        read(schema, &mut Vec::new())
    }
}

fn read(schema: Schema<'_>, above: &mut Vec<u32>) -> Decl {
    if above.contains(&schema.id.0) {
        return Decl::of(Type::Dyn);
    }
    above.push(schema.id.0);
    let out = shape(schema, above);
    above.pop();
    out
}

fn shape(schema: Schema<'_>, above: &mut Vec<u32>) -> Decl {
    match schema.shape() {
        Shape::Struct(of) => {
            let mut fields = Vec::with_capacity(of.fields.len());
            for field in &of.fields {
                let decl = read(schema.graph.at(field.ty), above);
                fields.push((field.name.clone(), Decl { nullable: field.nullable, ..decl }));
            }
            let name = if schema.name().is_empty() { "object" } else { schema.name() };
            Decl::object(name, fields)
        }
        Shape::Map { value, .. } => Decl::map(read(schema.graph.at(*value), above), u64::MAX),
        Shape::List(list) => {
            let item = read(schema.graph.at(list.item), above);
            let kind = match &list.kind {
                GraphList::Atomic => ListKind::Atomic,
                GraphList::Set => ListKind::Set,
                GraphList::Map(keys) => ListKind::Map(keys.clone()),
            };
            let ty = Type::list(item.ty.clone());
            Decl { ty, form: Form::List { item: Arc::new(item), kind }, max: u64::MAX, min_size: 2, nullable: false }
        }
        Shape::Scalar(scalar) => match scalar {
            Scalar::String | Scalar::Duration => Decl::of(Type::String),
            Scalar::Boolean => Decl::of(Type::Bool),
            Scalar::Int32 | Scalar::Int64 => Decl::of(Type::Int),
            Scalar::Float64 => Decl::of(Type::Double),
            Scalar::Bytes => Decl::of(Type::Bytes),
            Scalar::Time | Scalar::MicroTime => Decl::of(Type::Timestamp),
            // A quantity may come as a number; published as int-or-string.
            Scalar::IntOrString | Scalar::Quantity => Decl { form: Form::IntOrString, ..Decl::of(Type::Dyn) },
        },
        Shape::Any => Decl::of(Type::Dyn),
    }
}
