//! Objects and lists in the form that the client asked for: plain, Table, or metadata only
//! (`k8s.io/apiserver/pkg/endpoints/handlers/response.go`).

use crate::cache::Item;
use crate::negotiate::Form;
use crate::pieces::Pieces;
use crate::query::Query;
use bytes::Bytes;
use object::{Object, StatusError, Value, json};
use registry::Kind;
use registry::columns::{self, IncludeObject};
use std::sync::Arc;

/// What stands in a list's `metadata`.
#[derive(Clone, Debug, Default)]
pub struct ListMeta {
    pub revision: u64,
    pub continue_token: String,
    /// Unknown with selectors.
    pub remaining: Option<u64>,
}

impl ListMeta {
    pub fn to_value(&self) -> Value {
        let mut meta = json!({ "resourceVersion": self.revision.to_string() });
        if !self.continue_token.is_empty() {
            meta["continue"] = json!(self.continue_token);
        }
        if let Some(remaining) = self.remaining {
            meta["remainingItemCount"] = json!(remaining);
        }
        meta
    }
}

pub fn include_object(query: &Query) -> Result<IncludeObject, StatusError> {
    match query.get("includeObject") {
        "" | "Metadata" => Ok(IncludeObject::Metadata),
        "None" => Ok(IncludeObject::None),
        "Object" => Ok(IncludeObject::Object),
        other => Err(StatusError::bad_request(format!("unrecognized includeObject value: \"{other}\""))),
    }
}

/// One object's JSON in the asked form.
pub fn object(kind: &Kind, form: Form, include: IncludeObject, json: &Bytes, with_definitions: bool) -> Bytes {
    let parse = || serde_json::from_slice::<Object>(json).unwrap_or_default();
    match form {
        Form::Object => json.clone(),
        Form::Partial => bytes(&columns::partial_metadata(&parse())),
        Form::Table => {
            let parsed = parse();
            let meta = json!({ "resourceVersion": parsed.resource_version() });
            bytes(&columns::table(kind, &[&parsed], include, meta, with_definitions))
        }
    }
}

/// A list in the asked form. The plain forms are put together from the items' bytes.
pub fn list(kind: &Kind, form: Form, include: IncludeObject, items: &[Arc<Item>], meta: &ListMeta) -> Pieces {
    match form {
        Form::Object => {
            let parts = items.iter().map(|i| i.json.clone());
            joined(&kind.list_kind(), &kind.api_version(), parts, meta)
        }
        Form::Partial => {
            let parts = items.iter().map(|i| i.partial());
            joined("PartialObjectMetadataList", "meta.k8s.io/v1", parts, meta)
        }
        Form::Table => {
            let parsed: Vec<Object> = items.iter().map(|i| i.object()).collect();
            let references: Vec<&Object> = parsed.iter().collect();
            let table = columns::table(kind, &references, include, meta.to_value(), true);
            Pieces::list(table.to_string(), std::iter::empty(), b"")
        }
    }
}

fn joined(kind: &str, api_version: &str, items: impl ExactSizeIterator<Item = Bytes>, meta: &ListMeta) -> Pieces {
    let head = format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":{},\"items\":[", meta.to_value());
    Pieces::list(head, items, b"]}")
}

pub fn bytes(value: &Value) -> Bytes {
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}
