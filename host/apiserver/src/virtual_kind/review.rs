//! What all reviews have in common: a body of the kind comes, the same comes back with its status.

use crate::call::{Call, Response, Target};
use crate::write::Write;
use http::StatusCode;
use interfaces::authorize::UserInfo;
use object::field::{ErrorList, Path};
use object::{Map, Object, StatusError, Value, json};

/// A question on its way to its answer.
pub struct Review<'c> {
    write: Write<'c>,
    pub object: Object,
}

impl<'c> Review<'c> {
    pub fn read(call: &'c Call, target: &Target) -> Result<Self, StatusError> {
        let write = Write::new(call, target)?;
        let mut object = write.decode_body()?;
        write.default(&mut object);
        Ok(Self { write, object })
    }

    /// Metadata says nothing about a question but where it is asked (`pkg/apis/authorization/validation`).
    pub fn refuse_metadata(&self, errors: &mut ErrorList) {
        let mut metadata = self.object.at(&["metadata"]).and_then(Value::as_object).cloned().unwrap_or_default();
        metadata.remove("managedFields");
        metadata.remove("namespace");
        metadata.retain(|_, value| !value.is_null());
        if !metadata.is_empty() {
            errors.invalid(&Path::new("metadata"), Value::Object(metadata), "must be empty except for namespace");
        }
    }

    pub fn invalid(&self, errors: ErrorList) -> Result<(), StatusError> {
        self.write.invalid(self.object.name(), errors)
    }

    pub async fn answer(mut self, status: Value) -> Result<Response, StatusError> {
        self.object.set_at(&["status"], status);
        if self.object.at(&["metadata"]).is_none() {
            self.object.set_at(&["metadata"], json!({}));
        }
        let body = serde_json::to_vec(&self.object).map_err(StatusError::internal)?;
        self.write.answer(StatusCode::CREATED, &body.into()).await
    }
}

/// `authentication/v1` UserInfo.
pub fn user_value(user: &UserInfo) -> Value {
    let mut value = Map::new();
    value.insert("username".to_owned(), json!(user.name));
    if !user.uid.is_empty() {
        value.insert("uid".to_owned(), json!(user.uid));
    }
    if !user.groups.is_empty() {
        value.insert("groups".to_owned(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        value.insert("extra".to_owned(), json!(user.extra));
    }
    Value::Object(value)
}

pub fn strings(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
