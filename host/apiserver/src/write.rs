//! The road of a write: decode → default → admit (mutate) → prepare → validate → admit (validate) → own (managed fields)
//! → commit. Each verb is a file; what they share is here.
//!
//! Invariants
//! - Every commit compares the revision that the decision was made on.
//! - A write that changes nothing keeps the revision.

mod commit;
mod create;
mod decode;
mod delete;
pub mod meta;
mod owners;
mod patch;
mod update;

pub use create::create;
pub use delete::{DeleteOptions, delete, delete_collection, delete_one};
pub use patch::{Patch, patch};
pub use update::{Edit, edit, update};

pub use decode::{body_of, required_body};

use crate::call::{Call, Response, Target, WriteOptions};
use crate::negotiate::Accept;
use crate::strategy::{self, Context, Strategy};
use crate::{negotiate, respond, transform};
use bytes::Bytes;
use http::StatusCode;
use object::field::ErrorList;
use object::schema::Schema;
use object::{Object, StatusError};
use registry::Kind;
use std::sync::Arc;

/// One write: the call with everything looked up that its steps need.
pub struct Write<'c> {
    pub call: &'c Call,
    pub kind: Arc<Kind>,
    /// `None` on the main resource.
    pub subresource: Option<String>,
    pub options: WriteOptions,
    pub strategy: &'static dyn Strategy,
    pub schema: Schema<'static>,
    pub accept: Accept,
}

impl<'c> Write<'c> {
    pub fn new(call: &'c Call, target: &Target) -> Result<Self, StatusError> {
        Ok(Self {
            call,
            kind: target.kind.clone(),
            subresource: target.subresource.as_ref().map(|s| s.name.clone()),
            options: call.write_options()?,
            strategy: strategy::of(&target.kind),
            schema: call.shared.registry.schema(&target.kind),
            accept: negotiate::accept(call.header("accept"))?,
        })
    }

    pub fn context(&self) -> Context<'_> {
        Context { shared: &self.call.shared, subresource: self.subresource.as_deref(), dry_run: self.options.dry_run }
    }

    pub fn is_status(&self) -> bool {
        self.subresource.as_deref() == Some("status")
    }

    pub fn key(&self, name: &str) -> Bytes {
        let key = crate::server::object_key(&self.kind, &self.call.info.namespace, name);
        Bytes::from(format!("{}{key}", self.kind.storage_prefix()))
    }

    /// Defaults of the schema, then those that need code.
    pub fn default(&self, object: &mut Object) {
        let mut value = std::mem::take(object).into_value();
        object::defaults::apply(&mut value, self.schema);
        *object = Object::from_value(value).unwrap_or_default();
        registry::defaults::apply(&self.kind, object);
    }

    pub fn invalid(&self, name: &str, errors: ErrorList) -> Result<(), StatusError> {
        if errors.is_empty() { Ok(()) } else { Err(StatusError::invalid(&self.kind.group_kind(), name, errors.into_causes())) }
    }

    /// The object's bytes in the form that the client accepts.
    pub fn answer(&self, status: StatusCode, json: &Bytes) -> Result<Response, StatusError> {
        let include = transform::include_object(&self.call.query)?;
        let body = transform::object(&self.kind, self.accept.form, include, json, true);
        Ok(respond::encoded(status, &self.accept, body))
    }
}
