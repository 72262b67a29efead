//! The road of a write: decode → default → admit (mutate) → prepare → validate → admit (validate) → own (managed fields)
//! → commit. Each verb is a file; what they share is here.
//!
//! Invariants
//! - Every commit compares the revision that the decision was made on.
//! - A write that changes nothing keeps the revision.

mod allocate;
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
pub use update::{Edit, Updated, edit, update};

pub use decode::{body_of, media_type, required_body};

use crate::call::{Call, Response, Target};
use crate::negotiate::Accept;
use crate::options::WriteOptions;
use crate::strategy::{Chosen, Context};
use crate::{convert, negotiate, respond, transform};
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
    /// The storage row: of its form are all objects but those that come from and go to the client. Of a custom kind it is the
    /// request's row, and objects are converted where they come from the store and go to it.
    pub kind: Arc<Kind>,
    /// The row that the path names.
    pub request: Arc<Kind>,
    /// `None` on the main resource.
    pub subresource: Option<String>,
    pub options: WriteOptions,
    pub strategy: Chosen,
    pub accept: Accept,
}

impl<'c> Write<'c> {
    pub fn new(call: &'c Call, target: &Target) -> Result<Self, StatusError> {
        // Custom objects are prepared and validated in the version of the request: each has a schema of its own.
        let kind = if target.kind.is_custom() { &target.kind } else { &target.stored };
        Ok(Self {
            call,
            kind: kind.clone(),
            request: target.kind.clone(),
            subresource: target.subresource.as_ref().map(|s| s.name.clone()),
            options: WriteOptions::read(call)?,
            strategy: Chosen::of(kind),
            accept: negotiate::accept_of(call.header("accept"), &target.kind)?,
        })
    }

    pub fn context(&self) -> Context<'_> {
        Context { shared: &self.call.shared, subresource: self.subresource.as_deref(), user: &self.call.user }
    }

    pub fn is_status(&self) -> bool {
        self.subresource.as_deref() == Some("status")
    }

    pub fn key(&self, name: &str) -> Bytes {
        let key = crate::server::object_key(&self.kind, &self.call.info.namespace, name);
        Bytes::from(format!("{}{key}", self.kind.storage_prefix()))
    }

    /// What the client's objects look like.
    pub fn schema(&self) -> Schema<'_> {
        self.request.schema()
    }

    /// Defaults of the stored form: of the schema, then those that need code.
    pub fn default(&self, object: &mut Object) {
        default(&self.kind, object);
    }

    /// The client's object in the stored form, with the defaults of both versions.
    pub async fn to_storage(&self, mut object: Object) -> Result<Object, StatusError> {
        if !self.is_direct() {
            default(&self.request, &mut object);
            object = convert::object(&self.call.shared, &self.request, &self.kind, object).await?;
        }
        self.default(&mut object);
        Ok(object)
    }

    /// A stored object as the client sees it.
    pub async fn to_request(&self, object: Object) -> Result<Object, StatusError> {
        convert::object(&self.call.shared, &self.kind, &self.request, object).await
    }

    /// The request's version is the stored one.
    pub fn is_direct(&self) -> bool {
        Arc::ptr_eq(&self.kind, &self.request)
    }

    pub fn invalid(&self, name: &str, errors: ErrorList) -> Result<(), StatusError> {
        if errors.is_empty() { Ok(()) } else { Err(StatusError::invalid(&self.request.group_kind(), name, errors.into_causes())) }
    }

    /// The stored object's bytes in the version and form that the client accepts.
    pub async fn answer(&self, status: StatusCode, json: &Bytes) -> Result<Response, StatusError> {
        let include = transform::include_object(&self.call.query)?;
        let converted;
        let mut json = json;
        if !self.is_direct() {
            let object = serde_json::from_slice(json).map_err(StatusError::internal)?;
            converted = serde_json::to_vec(&self.to_request(object).await?).map_err(StatusError::internal)?.into();
            json = &converted;
        }
        respond::object(status, &self.accept, &self.request, include, json)
    }
}

/// Defaults of a row: of its schema, then those that need code.
pub fn default(kind: &Kind, object: &mut Object) {
    let mut value = std::mem::take(object).into_value();
    match &kind.custom {
        Some(custom) => custom.version.default(&mut value),
        None => object::defaults::apply(&mut value, kind.schema()),
    }
    *object = Object::from_value(value).unwrap_or_default();
    registry::defaults::apply(kind, object);
}
