//! PATCH in its four forms (`k8s.io/apiserver/pkg/endpoints/handlers/patch.go`).

use super::Write;
use super::decode::{media_type, parse_error, yaml_to_json};
use super::update::{Edit, Updated, edit};
use crate::call::{Call, Response, Target};
use bytes::Bytes;
use http::StatusCode;
use object::patch::{PatchError, json, merge, strategic};
use object::schema::Schema;
use object::{Object, Reason, StatusError, Value};

/// A patch whose syntax is known to be right.
pub enum Patch {
    Json(Value),
    Merge(Value),
    Strategic(Value),
    /// Server-side apply of a whole configuration, as JSON text.
    Apply(Bytes),
}

pub async fn patch(call: &Call, target: &Target) -> Result<Response, StatusError> {
    let write = Write::new(call, target)?;
    let name = call.info.name.as_str();
    let patch = Patch::read(&write)?;
    let updated = match &patch {
        Patch::Apply(applied) => write.apply(name, applied).await?,
        _ => {
            edit(&write, name, false, &|old| {
                let Some(old) = old else {
                    return Err(StatusError::not_found(&write.request.group_resource(), name));
                };
                let mut value = old.to_value();
                patch.carry_out(&mut value, write.schema())?;
                let mut object = write.decode_value(value)?;
                write.identify(&mut object)?;
                Ok(Edit { object, owned: false })
            })
            .await?
        }
    };
    match updated {
        Updated::Created(committed) => write.answer(StatusCode::CREATED, &committed.json).await,
        Updated::Updated(committed) => write.answer(StatusCode::OK, &committed.json).await,
    }
}

impl Patch {
    /// By content type; 415 names those that are understood.
    pub fn read(write: &Write<'_>) -> Result<Self, StatusError> {
        let call = write.call;
        let media = media_type(call);
        let value = |json: &[u8]| {
            let (value, duplicates) = object::decode::untyped(json).map_err(|e| parse_error(&e.to_string()))?;
            write.strictness(&duplicates)?;
            Ok::<Value, StatusError>(value)
        };
        match media.as_str() {
            "application/json-patch+json" => {
                let patch = value(&call.body)?;
                if !patch.is_array() {
                    return Err(StatusError::bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch"));
                }
                Ok(Self::Json(patch))
            }
            "application/merge-patch+json" => mapped(value(&call.body)?).map(Self::Merge),
            "application/strategic-merge-patch+json" if !write.request.is_custom() => mapped(value(&call.body)?).map(Self::Strategic),
            "application/apply-patch+yaml" => {
                // JSON is YAML; as such it would take longer to read.
                if serde_json::from_slice::<serde::de::IgnoredAny>(&call.body).is_ok() {
                    return Ok(Self::Apply(call.body.clone()));
                }
                yaml_to_json(&call.body).map(|json| Self::Apply(json.into()))
            }
            other => Err(StatusError::unsupported_media_type(format!(
                "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, \
                 application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml; got \"{other}\""
            ))),
        }
    }

    /// Changes a tree of a schema.
    pub fn carry_out(&self, value: &mut Value, schema: Schema<'_>) -> Result<(), StatusError> {
        let done = match self {
            Self::Json(patch) => json::apply(value, patch),
            Self::Merge(patch) => {
                merge::apply(value, patch);
                Ok(())
            }
            Self::Strategic(patch) => strategic::apply(value, patch, schema),
            Self::Apply(_) => Ok(()),
        };
        done.map_err(|error| match error {
            PatchError::Malformed(told) => StatusError::bad_request(told),
            // Without details of an object, as upstream answers: kubectl prints the message only then.
            PatchError::DoesNotApply(told) => {
                let message = format!("the server rejected our request due to an error in our request: {told}");
                StatusError::new(422, Reason::Invalid, message)
            }
            PatchError::TooLarge(told) => StatusError::too_large(told),
        })
    }
}

fn mapped(value: Value) -> Result<Value, StatusError> {
    if value.is_object() {
        return Ok(value);
    }
    Err(StatusError::bad_request("error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"))
}

impl Write<'_> {
    /// Server-side apply: merges the manager's configuration into the live object by field ownership; creates it when absent.
    async fn apply(&self, name: &str, applied: &[u8]) -> Result<Updated, StatusError> {
        let mut configuration = self.decode_applied(applied)?;
        self.identify(&mut configuration)?;
        if configuration.at(&["metadata", "managedFields"]).is_some() {
            return Err(StatusError::bad_request("metadata.managedFields must be nil"));
        }
        let asked = configuration.resource_version().to_owned();
        let creates = self.subresource.is_none();
        if asked.is_empty() {
            configuration.remove_at(&["metadata", "resourceVersion"]);
        }
        edit(self, name, creates, &|old: Option<&Object>| {
            let mut object = self.merge_applied(old, &configuration)?;
            if asked.is_empty() {
                object.remove_at(&["metadata", "resourceVersion"]);
            }
            Ok(Edit { object, owned: true })
        })
        .await
    }
}
