//! Objects as hooks are told them, and back: admission works on the stored form, hooks see what the request is about.

use crate::call::Call;
use crate::crd::scale::{self, Places};
use crate::server::Shared;
use crate::subresource::scale_of;
use crate::write::{self, Write};
use crate::{convert, crd};
use object::{Gvk, Object, StatusError, Value};
use registry::Kind;
use std::sync::Arc;

/// What a request's objects are.
#[derive(Clone, Copy)]
pub enum Form<'r, 'c> {
    /// Those of the kind, in the stored form.
    Object(&'r Write<'c>),
    /// The same, told as Scale.
    Scale(&'r Write<'c>),
    /// A body that is never stored.
    Body(&'r Call, &'r Gvk),
}

impl Form<'_, '_> {
    /// In the form of a row.
    pub async fn told(&self, row: &Arc<Kind>, object: &Object) -> Result<Object, StatusError> {
        match self {
            Self::Object(write) => converted(&write.call.shared, &write.kind, row, object.clone()).await,
            Self::Scale(write) => {
                let object = converted(&write.call.shared, &write.kind, row, object.clone()).await?;
                Ok(Object::from_value(scale_of(&Places::of(row), &object)).unwrap_or_default())
            }
            Self::Body(..) => Ok(object.clone()),
        }
    }

    /// What a hook made of it: read as if a client had sent it, with defaults, and put where `stored` stands.
    pub async fn taken(&self, row: &Arc<Kind>, told: &Object, changed: Value, stored: &mut Object) -> Result<(), StatusError> {
        match self {
            Self::Object(write) => {
                let mut object = decoded(row, changed)?;
                same_object(told, &object, stored.uid().is_empty())?;
                write::default(row, &mut object);
                *stored = converted(&write.call.shared, row, &write.kind, object).await?;
                write.default(stored);
            }
            Self::Scale(write) => {
                let changed = Object::from_value(write::body_of(write.call, "Scale", changed)?).unwrap_or_default();
                same_object(told, &changed, false)?;
                if let Some(replicas) = changed.at(&["spec", "replicas"]) {
                    scale::set(stored, &Places::of(&write.kind).spec_replicas, replicas.clone());
                }
            }
            Self::Body(call, kind) => {
                let changed = Object::from_value(write::body_of(call, &kind.kind, changed)?).unwrap_or_default();
                same_object(told, &changed, false)?;
                *stored = changed;
            }
        }
        Ok(())
    }
}

/// An object of one row as another one of the same resource shows it; one of them is the storage row, or both are custom.
pub async fn converted(shared: &Shared, from: &Arc<Kind>, to: &Arc<Kind>, object: Object) -> Result<Object, StatusError> {
    if Arc::ptr_eq(from, to) {
        return Ok(object);
    }
    if !to.is_custom() {
        return convert::object(shared, from, to, object).await;
    }
    let mut converted = crd::objects(shared, from, &to.api_version(), vec![object]).await?;
    converted.pop().ok_or_else(|| StatusError::internal(format!("conversion of {} lost the object", to.kind)))
}

fn decoded(row: &Kind, mut value: Value) -> Result<Object, StatusError> {
    let told = |what: String| {
        StatusError::internal(format!("{} in version {:?} cannot be handled as a {}: {what}", row.kind, row.version, row.kind))
    };
    if row.is_custom() {
        crd::decode(row, &mut value)?;
        return Object::from_value(value).ok_or_else(|| told("it is no object".to_owned()));
    }
    let decoded = object::decode::prune(value, row.schema());
    if !decoded.errors.is_empty() {
        return Err(told(decoded.errors.join(", ")));
    }
    Object::from_value(decoded.value).ok_or_else(|| told("it is no object".to_owned()))
}

/// A hook changes an object; it does not put another one in its place.
fn same_object(told: &Object, changed: &Object, is_new: bool) -> Result<(), StatusError> {
    let mut fields = vec![("apiVersion", told.api_version(), changed.api_version()), ("kind", told.kind(), changed.kind())];
    fields.push(("metadata.namespace", told.namespace(), changed.namespace()));
    if !is_new {
        fields.push(("metadata.name", told.name(), changed.name()));
        fields.push(("metadata.uid", told.uid(), changed.uid()));
    }
    match fields.into_iter().find(|(_, before, after)| before != after) {
        Some((field, before, after)) => Err(StatusError::internal(format!("{field} was changed from {before:?} to {after:?}"))),
        None => Ok(()),
    }
}
