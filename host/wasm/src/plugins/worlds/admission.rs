//! World `admission`: a loaded plugin as the API server sees it, a hook like a native one. Which requests it is asked about is the
//! API server's business, who reads the rules of the object by itself; here is what it is told and what it answers.

use super::{Loaded, Made, Product};
use crate::ctx::State;
use crate::load::Error;
use crate::plugins::bindings::coracle::plugin::admission_types as wit;
use crate::plugins::bindings::exports::coracle::plugin::{mutate, settings, validate};
use crate::plugins::platform::fields;
use crate::plugins::pool::{Exports, Failure, Pool};
use async_trait::async_trait;
use futures::future::BoxFuture;
use interfaces::admit::{AdmissionPlugin, AdmissionRequest, AdmissionRow, Admitted, Change, Denial, Document, Operation, Refusal};
use object::{Object, StatusCause, Value};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::Instance;

/// What a component may export.
pub const EXPORTS: &[&str] = &[VALIDATE, MUTATE, SETTINGS];

const VALIDATE: &str = "coracle:plugin/validate";
const MUTATE: &str = "coracle:plugin/mutate";
const SETTINGS: &str = "coracle:plugin/settings";

/// A message is a line or two for a person; more is cut.
const LONGEST_MESSAGE: usize = 4 << 10;
/// Warnings, annotations or causes of one answer; the others are dropped.
const MOST_NOTES: usize = 64;

/// Of one patch: what the API server takes from its clients (`maxJSONPatchOperations`).
const MOST_OPERATIONS: usize = 10_000;

/// Always told of an object, whatever `fields` says.
const ALWAYS: [&str; 2] = ["metadata.labels", "metadata.annotations"];

/// What this side needs of `spec.admission`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Block {
    fields: Option<Vec<String>>,
}

/// Checks the settings by the component itself, if it knows how to.
pub fn load(made: Made) -> BoxFuture<'static, Result<Loaded, Error>> {
    Box::pin(async move {
        let block: Block = made.settings.block("admission").map_err(|cause| made.unfit(cause))?;
        let (validates, mutates) = (made.exports(VALIDATE), made.exports(MUTATE));
        if !validates && !mutates {
            made.require(&[VALIDATE, MUTATE])?;
        }
        let exports = Indices {
            validate: validates.then(|| validate::GuestIndices::new(&made.pre)).transpose().map_err(|cause| made.mismatch(cause))?,
            mutate: mutates.then(|| mutate::GuestIndices::new(&made.pre)).transpose().map_err(|cause| made.mismatch(cause))?,
            settings: made
                .exports(SETTINGS)
                .then(|| settings::GuestIndices::new(&made.pre))
                .transpose()
                .map_err(|cause| made.mismatch(cause))?,
        };
        let checks = exports.settings.is_some();
        let (name, uid) = (made.object.name().to_owned(), made.object.uid().to_owned());
        let config =
            made.object.at(&["spec", "config"]).filter(|config| config.is_object()).map_or_else(|| "{}".to_owned(), Value::to_string);
        let pool = made.pool(exports, made.settings.limits).await?;
        if checks {
            let checked = pool.call(|mut live| {
                Box::pin(async move {
                    let answer = match &live.guest.settings {
                        Some(guest) => guest.call_check(&mut live.store, &config).await.map_err(Failure::Host),
                        None => Ok(Ok(())),
                    };
                    (live, answer)
                })
            });
            match checked.await {
                Ok(Ok(())) => {}
                Ok(Err(faults)) => return Err(made.unfit(format!("spec.config: {}", told(faults).join("; ")))),
                Err(error) => return Err(made.unfit(format!("spec.config could not be checked: {error}"))),
            }
        }
        let mut paths = block.fields.unwrap_or_default();
        if !paths.is_empty() {
            paths.extend(ALWAYS.map(str::to_owned));
        }
        let plugin = Arc::new(Plugin { pool: pool.clone(), paths });
        Ok(Loaded { product: Product::Admission(AdmissionRow { name, uid, plugin, validates, mutates }), resident: pool })
    })
}

/// Where the exports are; a component has any of them.
struct Indices {
    validate: Option<validate::GuestIndices>,
    mutate: Option<mutate::GuestIndices>,
    settings: Option<settings::GuestIndices>,
}

struct Guest {
    validate: Option<validate::Guest>,
    mutate: Option<mutate::Guest>,
    settings: Option<settings::Guest>,
}

impl Exports for Indices {
    type Guest = Guest;

    fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Guest> {
        Ok(Guest {
            validate: self.validate.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            mutate: self.mutate.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            settings: self.settings.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
        })
    }
}

struct Plugin {
    pool: Arc<Pool<Indices>>,
    /// Empty: objects are told whole.
    paths: Vec<String>,
}

#[async_trait]
impl AdmissionPlugin for Plugin {
    fn name(&self) -> &str {
        self.pool.name()
    }

    async fn validate(&self, request: &AdmissionRequest) -> Result<Admitted, Refusal> {
        let request = self.request(request);
        let answer = self.pool.call(|mut live| {
            Box::pin(async move {
                let answer = match &live.guest.validate {
                    Some(guest) => guest.call_validate(&mut live.store, &request).await.map_err(Failure::Host),
                    None => Ok(Ok(validate::Verdict::Allow(wit::Notes { warnings: Vec::new(), audit_annotations: Vec::new() }))),
                };
                (live, answer.and_then(|answer| answer.map_err(Failure::Guest)))
            })
        });
        match answer.await? {
            validate::Verdict::Allow(notes) => Ok(admitted(notes)),
            validate::Verdict::Deny(denial) => Err(Refusal::Denied(denied(denial))),
        }
    }

    async fn mutate(&self, request: &AdmissionRequest) -> Result<Admitted, Refusal> {
        let request = self.request(request);
        let answer = self.pool.call(|mut live| {
            Box::pin(async move {
                let answer = match &live.guest.mutate {
                    Some(guest) => guest.call_mutate(&mut live.store, &request).await.map_err(Failure::Host),
                    None => Ok(Err("it does not export mutate".to_owned())),
                };
                (live, answer.and_then(|answer| answer.map_err(Failure::Guest)))
            })
        });
        match answer.await? {
            mutate::Verdict::Allow(outcome) => {
                let change = self.change(outcome.change).map_err(|cause| self.pool.refuse(cause))?;
                Ok(Admitted { change, ..admitted(outcome.notes) })
            }
            mutate::Verdict::Deny(denial) => Err(Refusal::Denied(denied(denial))),
        }
    }
}

impl Plugin {
    fn request(&self, request: &AdmissionRequest) -> wit::Request {
        let kind = |kind: &object::Gvk| wit::Kind { group: kind.group.clone(), version: kind.version.clone(), kind: kind.kind.clone() };
        let resource =
            |gvr: &object::Gvr| wit::Resource { group: gvr.group.clone(), version: gvr.version.clone(), resource: gvr.resource.clone() };
        let user = &request.user;
        wit::Request {
            uid: request.uid.clone(),
            kind: kind(&request.kind),
            resource: resource(&request.resource),
            subresource: request.subresource.clone(),
            request_kind: kind(&request.request_kind),
            request_resource: resource(&request.request_resource),
            request_subresource: request.request_subresource.clone(),
            name: request.name.clone(),
            namespace: request.namespace.clone(),
            operation: match request.operation {
                Operation::Create => wit::Operation::Create,
                Operation::Update => wit::Operation::Update,
                Operation::Delete => wit::Operation::Delete,
                Operation::Connect => wit::Operation::Connect,
            },
            user: wit::User {
                name: user.name.clone(),
                uid: user.uid.clone(),
                groups: user.groups.clone(),
                extra: user.extra.iter().map(|(key, values)| (key.clone(), values.clone())).collect(),
            },
            object: request.object.as_deref().map(|document| self.document(document)),
            old_object: request.old_object.as_deref().map(|document| self.document(document)),
            dry_run: request.dry_run,
            options: request.options.to_string(),
        }
    }

    fn document(&self, document: &Document) -> String {
        if self.paths.is_empty() {
            return document.json().to_string();
        }
        fields::project(document.object().to_value(), &self.paths).to_string()
    }

    fn change(&self, change: mutate::Change) -> Result<Option<Change>, String> {
        match change {
            mutate::Change::None => Ok(None),
            mutate::Change::Patch(text) => {
                let patch: Value = serde_json::from_str(&text).map_err(|error| format!("its patch is no JSON: {error}"))?;
                match patch.as_array().map(Vec::len) {
                    Some(..=MOST_OPERATIONS) => Ok(Some(Change::Patch(patch))),
                    Some(count) => Err(format!("its patch has {count} operations, at most {MOST_OPERATIONS} are allowed")),
                    None => Err("its patch is no list of operations".to_owned()),
                }
            }
            mutate::Change::Whole(_) if !self.paths.is_empty() => {
                Err("it answered a whole object, of which it was told only spec.admission.fields".to_owned())
            }
            mutate::Change::Whole(text) => {
                let whole: Object = serde_json::from_str(&text).map_err(|error| format!("its object is no JSON object: {error}"))?;
                Ok(Some(Change::Whole(whole)))
            }
        }
    }
}

/// The first of them, cut to what a person reads.
fn told(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().take(MOST_NOTES).map(cut).collect()
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST_MESSAGE));
    text
}

fn annotations(pairs: Vec<(String, String)>) -> BTreeMap<String, String> {
    pairs.into_iter().take(MOST_NOTES).map(|(key, value)| (cut(key), cut(value))).collect()
}

fn admitted(notes: wit::Notes) -> Admitted {
    Admitted { warnings: told(notes.warnings), audit_annotations: annotations(notes.audit_annotations), change: None }
}

fn denied(denial: wit::Denial) -> Denial {
    let cause = |cause: wit::Cause| StatusCause { reason: String::new(), message: cut(cause.message), field: cut(cause.field) };
    Denial {
        code: denial.code,
        reason: cut(denial.reason),
        message: cut(denial.message),
        causes: denial.causes.into_iter().take(MOST_NOTES).map(cause).collect(),
        warnings: told(denial.notes.warnings),
        audit_annotations: annotations(denial.notes.audit_annotations),
    }
}
