//! One request's way past the hooks (`k8s.io/apiserver/pkg/admission/plugin/webhook/{mutating,validating}/dispatcher.go`).

use super::answer::{Phase, ask, conclude, no_dry_run};
use super::form::Form;
use super::{Hook, Mode, Snapshot};
use crate::admission::matching::Attributes;
use crate::call::Call;
use crate::write::Write;
use futures::future::join_all;
use interfaces::admit::{AdmissionRequest, Admitted, Change, Document, Operation, Refusal};
use interfaces::schedule::PluginError;
use object::patch::json as json_patch;
use object::{Gvk, Gvr, Object, StatusError, Value, json};
use registry::Kind;
use std::collections::BTreeSet;
use std::sync::Arc;

pub struct Round<'r, 'c> {
    call: &'r Call,
    form: Form<'r, 'c>,
    attributes: Attributes<'r>,
    snapshot: Arc<Snapshot>,
    candidates: Arc<[usize]>,
    /// The second time around.
    again: bool,
    /// A hook changed the object in the first.
    changed: bool,
    /// Hooks that want to be asked again and were asked before the last change, and those that are due because of it.
    before: BTreeSet<usize>,
    due: BTreeSet<usize>,
    output: Option<Object>,
}

/// The objects in the form of a row, kept from one hook to the next.
struct Told {
    row: Arc<Kind>,
    object: Option<Arc<Document>>,
    old: Option<Arc<Document>>,
}

impl<'r, 'c> Round<'r, 'c> {
    /// `None`: no hook is concerned.
    pub fn of_write(write: &'r Write<'c>, operation: Operation, name: &'r str) -> Option<Self> {
        let call = write.call;
        let subresource = write.subresource.as_deref().unwrap_or_default();
        // Told with the body that asked for it, before.
        if matches!(subresource, "binding" | "eviction") {
            return None;
        }
        let scale = || Gvk::new("autoscaling", "v1", "Scale");
        let (form, body) = if subresource == "scale" { (Form::Scale(write), Some(scale())) } else { (Form::Object(write), None) };
        let about = About { row: &write.request, subresource, body, operation, name, dry_run: write.options.dry_run };
        Self::new(call, form, about, || options(write, operation))
    }

    pub fn new(call: &'r Call, form: Form<'r, 'c>, about: About<'r>, options: impl FnOnce() -> Value) -> Option<Self> {
        let snapshot = call.shared.hooks.now(&call.shared);
        let candidates = snapshot.candidates(&call.shared, about.row, about.operation);
        if candidates.is_empty() {
            return None;
        }
        let About { row, subresource, body, operation, name, dry_run } = about;
        let attributes = Attributes {
            shared: &call.shared,
            user: &call.user,
            row,
            subresource,
            body,
            operation,
            namespace: &call.info.namespace,
            name,
            dry_run,
            options: Arc::new(options()),
        };
        let (before, due, output) = (BTreeSet::new(), BTreeSet::new(), None);
        Some(Self { call, form, attributes, snapshot, candidates, again: false, changed: false, before, due, output })
    }

    fn hooks(&self) -> Vec<(usize, Arc<Snapshot>)> {
        self.candidates.iter().map(|number| (*number, self.snapshot.clone())).collect()
    }

    /// Asks the hooks that change objects, in order.
    pub async fn mutate(&mut self, mut new: Option<&mut Object>, old: Option<&Object>) -> Result<(), StatusError> {
        if self.again && self.output.as_ref() != new.as_deref() {
            // The built-in steps changed it since.
            self.require_again();
        }
        let mut told: Option<Told> = None;
        for (number, snapshot) in self.hooks() {
            let Some(hook) = snapshot.hooks.get(number).filter(|hook| hook.mutates()) else { continue };
            let Some(row) = self.selected(hook, new.as_deref(), old, &mut told).await? else { continue };
            if self.again && !self.due.contains(&number) {
                continue;
            }
            if self.skips_dry_run(hook)? {
                continue;
            }
            let request = self.request(&row, told.as_ref());
            let result = ask(hook, Phase::Mutate, &request).await.and_then(|admitted| well_formed(&hook.spec.name, admitted));
            let change = conclude(self.call, &self.attributes, &hook.spec, &request, result)?;
            if let Some(change) = change {
                let Some(object) = new.as_deref_mut() else {
                    let told = format!("{} attempted to modify the object, which is not supported for this operation", hook.spec.told());
                    return Err(StatusError::internal(told));
                };
                if self.apply(hook, &row, &request, change, object).await? {
                    told = None;
                    self.require_again();
                    self.changed = true;
                }
            }
            if hook.spec.reinvokes {
                self.before.insert(number);
            }
        }
        self.output = new.as_deref().filter(|_| self.changed && !self.again).cloned();
        Ok(())
    }

    /// Whether everything that changes the object is to be asked once more: once, after a hook changed it.
    pub fn repeats(&mut self) -> bool {
        let repeats = self.changed && !self.again;
        self.again = true;
        repeats
    }

    fn require_again(&mut self) {
        self.due.append(&mut self.before);
    }

    /// Asks the hooks that only judge: together, as none depends on another. The first refusal in their order counts.
    pub async fn validate(&self, new: Option<&Object>, old: Option<&Object>) -> Result<(), StatusError> {
        let mut told: Option<Told> = None;
        let mut asked: Vec<(&Hook, AdmissionRequest)> = Vec::new();
        for number in self.candidates.iter() {
            let Some(hook) = self.snapshot.hooks.get(*number).filter(|hook| hook.validates()) else { continue };
            let Some(row) = self.selected(hook, new, old, &mut told).await? else { continue };
            if !self.skips_dry_run(hook)? {
                asked.push((hook, self.request(&row, told.as_ref())));
            }
        }
        let answers: Vec<_> = match asked.as_slice() {
            [(hook, request)] => vec![ask(hook, Phase::Validate, request).await],
            many => join_all(many.iter().map(|(hook, request)| ask(hook, Phase::Validate, request))).await,
        };
        let mut refused = None;
        for ((hook, request), answer) in asked.iter().zip(answers) {
            if let Err(error) = conclude(self.call, &self.attributes, &hook.spec, request, answer) {
                refused.get_or_insert(error);
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// The row in whose form a hook is to be told, and the objects in it; `None` when it is not to be asked.
    async fn selected(
        &self,
        hook: &Hook,
        new: Option<&Object>,
        old: Option<&Object>,
        told: &mut Option<Told>,
    ) -> Result<Option<Arc<Kind>>, StatusError> {
        let matching = match &hook.spec.matching {
            Ok(matching) => matching,
            Err(cause) if hook.spec.mode == Mode::Enforce => {
                return Err(StatusError::internal(format!("failed calling {}: its rules cannot be read: {cause}", hook.spec.told())));
            }
            Err(_) => return Ok(None),
        };
        let empty = Object::default();
        // A Scale has no labels of its own.
        let labelled = |object| if matches!(self.form, Form::Scale(_)) { Some(&empty) } else { object };
        let Some(row) = matching.selects(&self.attributes, labelled(new), labelled(old))? else { return Ok(None) };
        if told.as_ref().is_none_or(|told| !Arc::ptr_eq(&told.row, &row)) {
            *told = Some(self.told(&row, new, old).await?);
        }
        let object = |document: fn(&Told) -> &Option<Arc<Document>>| {
            told.as_ref().and_then(|told| document(told).as_ref()).map(|document| document.object())
        };
        let (object, old) = (object(|told| &told.object), object(|told| &told.old));
        let fulfilled = matching.fulfils(&self.attributes, &row, object, old, hook.spec.on_error).await;
        match fulfilled {
            Ok(fulfilled) => Ok(fulfilled.then_some(row)),
            Err(_) if hook.spec.mode != Mode::Enforce => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn told(&self, row: &Arc<Kind>, new: Option<&Object>, old: Option<&Object>) -> Result<Told, StatusError> {
        let mut documents = [None, None];
        for (place, object) in documents.iter_mut().zip([new, old]) {
            if let Some(object) = object {
                *place = Some(Arc::new(Document::new(self.form.told(row, object).await?)));
            }
        }
        let [object, old] = documents;
        Ok(Told { row: row.clone(), object, old })
    }

    fn skips_dry_run(&self, hook: &Hook) -> Result<bool, StatusError> {
        match (self.attributes.dry_run && hook.spec.side_effects, hook.spec.mode) {
            (false, _) => Ok(false),
            (true, Mode::Enforce) => Err(no_dry_run(&hook.spec)),
            (true, _) => Ok(true),
        }
    }

    fn request(&self, row: &Kind, told: Option<&Told>) -> AdmissionRequest {
        let attributes = &self.attributes;
        AdmissionRequest {
            uid: uuid::Uuid::new_v4().to_string(),
            kind: attributes.kind(row),
            resource: Gvr::new(row.group.clone(), row.version.clone(), row.resource.clone()),
            subresource: attributes.subresource.to_owned(),
            request_kind: attributes.kind(attributes.row),
            request_resource: attributes.row.gvr(),
            request_subresource: attributes.subresource.to_owned(),
            name: attributes.name.to_owned(),
            namespace: attributes.namespace.to_owned(),
            operation: attributes.operation,
            user: attributes.user.clone(),
            object: told.and_then(|told| told.object.clone()),
            old_object: told.and_then(|told| told.old.clone()),
            dry_run: attributes.dry_run,
            options: attributes.options.clone(),
        }
    }

    /// Whether the object is another one now.
    async fn apply(
        &self,
        hook: &Hook,
        row: &Arc<Kind>,
        request: &AdmissionRequest,
        change: Change,
        object: &mut Object,
    ) -> Result<bool, StatusError> {
        let Some(document) = &request.object else { return Ok(false) };
        let failed =
            |cause: &str| StatusError::internal(format!("{} changed the object into what it cannot be: {cause}", hook.spec.told()));
        let changed = match change {
            Change::Patch(patch) => {
                let mut value = document.object().to_value();
                json_patch::apply(&mut value, &patch).map_err(|error| failed(&error.to_string()))?;
                value
            }
            Change::Whole(whole) => whole.into_value(),
        };
        let before = object.clone();
        let taken = self.form.taken(row, document.object(), changed, object).await;
        taken.map_err(|error| failed(error.message.trim_start_matches("Internal error occurred: ")))?;
        Ok(*object != before)
    }
}

/// What a request is about.
pub struct About<'r> {
    pub row: &'r Arc<Kind>,
    pub subresource: &'r str,
    pub body: Option<Gvk>,
    pub operation: Operation,
    pub name: &'r str,
    pub dry_run: bool,
}

/// A patch that is none is a failure of the hook; one that does not apply is an error of the request.
fn well_formed(plugin: &str, admitted: Admitted) -> Result<Admitted, Refusal> {
    let failed = |cause: &str| Err(Refusal::Failed(PluginError::Failed { plugin: plugin.to_owned(), cause: cause.to_owned() }));
    match &admitted.change {
        Some(Change::Patch(Value::Array(patch))) if patch.is_empty() => Ok(Admitted { change: None, ..admitted }),
        Some(Change::Patch(Value::Array(_)) | Change::Whole(_)) | None => Ok(admitted),
        Some(Change::Patch(_)) => failed("its patch is no list of operations"),
    }
}

/// The hooks that judge what is about to be written.
pub async fn validate(write: &Write<'_>, new: &Object, old: Option<&Object>) -> Result<(), StatusError> {
    match Round::of_write(write, operation(old), new.name()) {
        Some(round) => round.validate(Some(new), old).await,
        None => Ok(()),
    }
}

/// All hooks, about an object that is about to be deleted. A collection has no name.
pub async fn delete(write: &Write<'_>, old: &Object) -> Result<(), StatusError> {
    let name = write.call.info.name.as_str();
    let Some(mut round) = Round::of_write(write, Operation::Delete, name) else { return Ok(()) };
    round.mutate(None, Some(old)).await?;
    round.validate(None, Some(old)).await
}

pub fn operation(old: Option<&Object>) -> Operation {
    if old.is_some() { Operation::Update } else { Operation::Create }
}

/// The options of the request, as their kind.
fn options(write: &Write<'_>, operation: Operation) -> Value {
    let kind = match (operation, write.call.info.verb.as_str()) {
        (Operation::Delete, _) => "DeleteOptions",
        (Operation::Create, _) => "CreateOptions",
        (_, "patch") => "PatchOptions",
        _ => "UpdateOptions",
    };
    let mut options = json!({ "apiVersion": "meta.k8s.io/v1", "kind": kind });
    if write.options.dry_run {
        options["dryRun"] = json!(["All"]);
    }
    if operation != Operation::Delete {
        options["fieldManager"] = json!(write.options.field_manager);
        options["fieldValidation"] = json!(write.options.field_validation.as_str());
    }
    options
}
