//! POST of a new object.

use super::Write;
use super::commit::{Committed, Outcome};
use crate::admission;
use crate::call::{Call, Response, Target};
use http::StatusCode;
use object::field::ErrorList;
use object::{Object, StatusError, json, names};

/// Generated names that were taken are tried again this often: upstream's `maxNameGenerationCreateAttempts`.
const NAME_ATTEMPTS: usize = 8;

pub async fn create(call: &Call, target: &Target) -> Result<Response, StatusError> {
    let write = Write::new(call, target)?;
    let mut object = write.decode_body()?;
    write.identify(&mut object)?;
    if !matches!(object.resource_version(), "" | "0") {
        return Err(StatusError::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let committed = write.create(object, false).await?;
    write.answer(StatusCode::CREATED, &committed.json).await
}

impl Write<'_> {
    /// Creates an object of the request's version, with a generated name when it has none. `owned`: its managers are accounted for.
    pub async fn create(&self, mut object: Object, owned: bool) -> Result<Committed, StatusError> {
        let prefix = object.str_at(&["metadata", "generateName"]).to_owned();
        let generated = object.name().is_empty() && !prefix.is_empty();
        if generated {
            object.set_at(&["metadata", "name"], json!(names::generate(&prefix)));
        }
        let mut object = self.to_storage(object).await?;
        admission::mutate(self, &mut object, None).await?;
        // A mutation may have brought in parents whose fields have defaults.
        self.default(&mut object);
        self.new_metadata(&mut object);
        // Status is the controllers': a create cannot set it.
        if self.kind.subresource("status").is_some() && !self.strategy.creates_with_status() {
            object.remove_at(&["status"]);
        }
        self.strategy.prepare_create(&self.context(), &mut object);
        let mut errors = ErrorList::new();
        self.validate_meta(&object, &mut errors);
        self.strategy.validate(&object, &mut errors);
        self.strategy.validate_create(&object, &mut errors);
        self.invalid(object.name(), errors)?;
        self.strategy.warnings(&object).into_iter().for_each(|w| self.call.warn(w));
        admission::validate(self, &object, None).await?;
        if !owned {
            self.own(None, &mut object).await?;
        }
        for attempt in 1.. {
            match self.put_allocated(&mut object, None, None).await? {
                Outcome::Done(committed) => return Ok(committed),
                Outcome::Raced(_) if generated && attempt < NAME_ATTEMPTS => {
                    object.set_at(&["metadata", "name"], json!(names::generate(&prefix)));
                }
                Outcome::Raced(_) => break,
            }
        }
        let mut error = StatusError::already_exists(&self.request.group_resource(), object.name());
        if generated {
            error.message.push_str(", the server was not able to generate a unique name for the object");
            error.retry_after_seconds = 1;
        }
        Err(error)
    }
}
