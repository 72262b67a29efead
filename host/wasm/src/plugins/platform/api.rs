//! `wit/api.wit`: texts of JSON in and out, errors as the API's Status has them.

use super::{Answer, Reference, Refused, Request, fields, is_resource};
use crate::ctx::State;
use crate::plugins::bindings::coracle::plugin::api as wit;
use crate::plugins::guest::{GuestView, HasGuest, view};
use client::{DeleteOptions, ListOptions, Patch, Type};
use object::{Gvr, Value};
use wasmtime::Result;
use wasmtime::component::Linker;

/// As `wit/api.wit` says.
const LARGEST_ANSWER: usize = 4 << 20;
const PAGE: u32 = 500;
const LONGEST_EVENT: usize = 1024;

pub(crate) fn link(l: &mut Linker<State>) -> Result<()> {
    wit::add_to_linker::<State, HasGuest>(l, view)
}

impl GuestView<'_> {
    async fn ask(&mut self, request: Request) -> std::result::Result<Answer, wit::Failure> {
        let Some(guest) = &self.0 else { return Err(failure(403, "Forbidden", "only plugins use this")) };
        let (Request::Get(Reference { gvr, .. })
        | Request::List { gvr, .. }
        | Request::Create { gvr, .. }
        | Request::Update { object: Reference { gvr, .. }, .. }
        | Request::Patch { object: Reference { gvr, .. }, .. }
        | Request::Delete { object: Reference { gvr, .. }, .. }) = &request;
        if !is_resource(gvr) {
            return Err(failure(404, "NotFound", "the server could not find the requested resource"));
        }
        guest.given.platform.request(request).await.map_err(|Refused { code, reason, message }| wit::Failure { code, reason, message })
    }

    async fn object(&mut self, request: Request, fields: &[String]) -> std::result::Result<String, wit::Failure> {
        match self.ask(request).await? {
            Answer::Object(object) => text(fields::project(object, fields)),
            Answer::Page { .. } | Answer::Done => text(Value::Null),
        }
    }
}

impl wit::Host for GuestView<'_> {
    async fn get(&mut self, object: wit::Reference, fields: Vec<String>) -> std::result::Result<String, wit::Failure> {
        self.object(Request::Get(reference(object)), &fields).await
    }

    async fn list(&mut self, query: wit::Query) -> std::result::Result<wit::Page, wit::Failure> {
        let options = ListOptions {
            label_selector: query.label_selector,
            field_selector: query.field_selector,
            limit: if query.limit == 0 { PAGE } else { query.limit },
            continue_token: query.continue_token,
            resource_version: String::new(),
        };
        let request = Request::List { gvr: gvr(query.gvr), namespace: query.namespace, options };
        let Answer::Page { items, resource_version, continue_token } = self.ask(request).await? else {
            return Err(failure(500, "InternalError", "the answer is not a list"));
        };
        let mut texts = Vec::with_capacity(items.len());
        let mut size = 0;
        for item in items {
            let item = text(fields::project(item, &query.fields))?;
            size += item.len();
            if size > LARGEST_ANSWER {
                return Err(too_large());
            }
            texts.push(item);
        }
        Ok(wit::Page { items: texts, resource_version, continue_token })
    }

    async fn create(&mut self, kind: wit::Gvr, namespace: String, object: String) -> std::result::Result<String, wit::Failure> {
        let object = parse(&object)?;
        self.object(Request::Create { gvr: gvr(kind), namespace, object }, &[]).await
    }

    async fn update(&mut self, object: wit::Reference, content: String) -> std::result::Result<String, wit::Failure> {
        let content = parse(&content)?;
        self.object(Request::Update { object: reference(object), content }, &[]).await
    }

    async fn apply(&mut self, object: wit::Reference, configuration: String, force: bool) -> std::result::Result<String, wit::Failure> {
        let manager = self.0.as_ref().map(|guest| format!("plugin:{}", guest.given.name)).unwrap_or_default();
        let patch = Patch::Apply { value: parse(&configuration)?, manager, force };
        self.object(Request::Patch { object: reference(object), patch }, &[]).await
    }

    async fn patch(&mut self, object: wit::Reference, kind: wit::PatchKind, content: String) -> std::result::Result<String, wit::Failure> {
        let content = parse(&content)?;
        let patch = match kind {
            wit::PatchKind::Json => Patch::Json(content),
            wit::PatchKind::Merge => Patch::Merge(content),
            wit::PatchKind::Strategic => Patch::Strategic(content),
        };
        self.object(Request::Patch { object: reference(object), patch }, &[]).await
    }

    async fn delete(&mut self, object: wit::Reference, options: wit::Deletion) -> std::result::Result<(), wit::Failure> {
        let some = |text: String| (!text.is_empty()).then_some(text);
        let options = DeleteOptions {
            uid: some(options.uid),
            resource_version: None,
            grace_period_seconds: options.grace_period_seconds.map(i64::from),
            propagation: some(options.propagation),
        };
        self.ask(Request::Delete { object: reference(object), options }).await.map(drop)
    }

    async fn event(&mut self, object: wit::Reference, event_type: wit::EventType, reason: String, mut message: String) {
        let Some(guest) = &mut self.0 else { return };
        let ty = match event_type {
            wit::EventType::Normal => Type::Normal,
            wit::EventType::Warning => Type::Warning,
        };
        message.truncate(message.floor_char_boundary(LONGEST_EVENT));
        guest.given.platform.event(&self::reference(object), ty, &reason, &message);
    }
}

fn gvr(gvr: wit::Gvr) -> Gvr {
    Gvr::new(gvr.group, gvr.version, gvr.plural)
}

fn reference(object: wit::Reference) -> Reference {
    Reference { gvr: gvr(object.gvr), namespace: object.namespace, name: object.name, subresource: object.subresource }
}

fn failure(code: u16, reason: &str, message: &str) -> wit::Failure {
    wit::Failure { code, reason: reason.to_owned(), message: message.to_owned() }
}

fn too_large() -> wit::Failure {
    failure(413, "RequestEntityTooLarge", "the answer is larger than 4 MiB: ask for fields or smaller pages")
}

fn parse(text: &str) -> std::result::Result<Value, wit::Failure> {
    serde_json::from_str(text).map_err(|error| failure(400, "BadRequest", &format!("not JSON: {error}")))
}

fn text(value: Value) -> std::result::Result<String, wit::Failure> {
    let text = value.to_string();
    if text.len() > LARGEST_ANSWER { Err(too_large()) } else { Ok(text) }
}
