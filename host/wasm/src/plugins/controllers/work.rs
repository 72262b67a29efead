//! One key: read, finalizer, reconcile, and when it comes again.

use super::driver::Active;
use super::report::Tally;
use super::watches::{Controller, Item};
use crate::plugins::platform::fields::project;
use client::{Api, Error, Patch, Recorder, Type, WorkQueue};
use interfaces::reconcile::{Outcome, ReconcileError, Reconciler, Request};
use object::{Object, ObjectRef, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// As `wit/controller.wit` says.
const SHORTEST_REQUEUE: Duration = Duration::from_millis(100);
const LONGEST_MESSAGE: usize = 1 << 10;

/// What an object keeps of itself beside the watch's fields.
const IDENTITY: [&str; 4] = ["metadata.generation", "metadata.deletionTimestamp", "metadata.finalizers", "metadata.ownerReferences"];

/// What became of one key.
enum Verdict {
    Done,
    Again(Duration),
    /// After the back-off. Not the plugin's failure, and gone with the next try: a conflict, a finalizer just added.
    Soon(String),
    /// After the back-off.
    Failed(String, ObjectRef),
    /// Not before the next event.
    Final(String, ObjectRef),
}

/// What the workers of one plugin share.
pub(super) struct Worker {
    pub queue: WorkQueue<Item>,
    pub active: Arc<Active>,
    pub recorder: Recorder,
    pub tally: Arc<Tally>,
    /// Told after every key.
    pub worked: Arc<Notify>,
}

impl Worker {
    /// Works on keys until `stop`; the key under way is finished.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let item = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                item = self.queue.get() => item,
            };
            let Some(item) = item else { return };
            self.one(&item).await;
            self.queue.done(&item);
            self.worked.notify_one();
        }
    }

    async fn one(&self, item: &Item) {
        // A controller that the plugin no longer declares, or that does not run: its objects come when it does.
        let Some(controller) = self.active.controllers.get(&item.controller) else { return self.queue.forget(item) };
        let failures = self.queue.failures(item);
        let plugin = self.active.plugin.name();
        match reconcile(&*self.active.plugin, controller, item, failures, &self.tally).await {
            Verdict::Done => self.queue.forget(item),
            Verdict::Again(after) => {
                self.queue.forget(item);
                self.queue.add_after(item.clone(), after.max(SHORTEST_REQUEUE));
            }
            Verdict::Soon(cause) => {
                tracing::debug!(plugin, controller = %item.controller, key = %item, cause, "will try again");
                self.queue.add_rate_limited(item.clone());
            }
            Verdict::Failed(cause, about) => {
                self.failed(item, &cause, &about);
                self.queue.add_rate_limited(item.clone());
            }
            Verdict::Final(cause, about) => {
                self.failed(item, &cause, &about);
                self.queue.forget(item);
            }
        }
    }

    fn failed(&self, item: &Item, cause: &str, about: &ObjectRef) {
        let plugin = self.active.plugin.name();
        tracing::debug!(plugin, controller = %item.controller, key = %item, cause, "reconcile failed");
        self.tally.failed(&format!("{item}: {cause}"));
        let message = cause.get(..cause.floor_char_boundary(LONGEST_MESSAGE)).unwrap_or_default();
        self.recorder.event(about, Type::Warning, "ReconcileFailed", message);
    }
}

async fn reconcile(plugin: &dyn Reconciler, controller: &Controller, item: &Item, failures: u32, tally: &Tally) -> Verdict {
    let read = match controller.api.get(&item.key.namespace, &item.key.name).await {
        // What its watch does not select, a controller does not see.
        Ok(object) => Some(object).filter(|_| controller.all || controller.feed.knows(&item.key)),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Verdict::Failed(format!("cannot read it: {}", error.chain()), controller.reference(&item.key)),
    };
    let about = read.as_ref().map_or_else(|| controller.reference(&item.key), Object::reference);
    let finalizer = controller.declaration.finalizer.as_deref();
    let deleting = read.as_ref().is_some_and(Object::is_deleting);
    let mut object = read;
    if let (Some(finalizer), Some(found)) = (finalizer, &object) {
        match (deleting, found.finalizers().contains(&finalizer)) {
            // Ours is done, others are not.
            (true, false) => return Verdict::Done,
            (true, true) | (false, true) => {}
            (false, false) => match set_finalizers(&controller.api, found, Some(finalizer), None).await {
                Ok(held) => object = Some(held),
                Err(error) => return refused(&error, "cannot add the finalizer", finalizer, about),
            },
        }
    }
    let request = Request {
        controller: controller.declaration.name.clone(),
        key: item.key.clone(),
        object: object.as_ref().map(|object| cut(object, &controller.declaration.primary.fields)),
        deleting,
        failures,
    };
    tally.reconciles.fetch_add(1, Ordering::Relaxed);
    let outcome = match plugin.reconcile(request).await {
        Ok(outcome) => outcome,
        Err(ReconcileError::Final(cause)) => return Verdict::Final(cause, about),
        Err(error @ (ReconcileError::Retry(_) | ReconcileError::Plugin(_))) => return Verdict::Failed(error.to_string(), about),
    };
    match (outcome, finalizer, object) {
        (Outcome::RequeueAfter(after), ..) => Verdict::Again(after),
        (Outcome::Done, Some(finalizer), Some(object)) if deleting => {
            match set_finalizers(&controller.api, &object, None, Some(finalizer)).await {
                Ok(_) => Verdict::Done,
                Err(error) if error.is_not_found() => Verdict::Done,
                Err(error) => refused(&error, "cannot take the finalizer away", finalizer, about),
            }
        }
        (Outcome::Done, ..) => Verdict::Done,
    }
}

fn refused(error: &Error, what: &str, finalizer: &str, about: ObjectRef) -> Verdict {
    let cause = format!("{what} {finalizer}: {}", error.chain());
    if error.is_conflict() || error.is_not_found() { Verdict::Soon(cause) } else { Verdict::Failed(cause, about) }
}

/// Writes the finalizers with one more and one less, if the object is still as it was read.
async fn set_finalizers(api: &Api, object: &Object, more: Option<&str>, less: Option<&str>) -> client::Result<Object> {
    let mut finalizers: Vec<&str> = object.finalizers().into_iter().filter(|name| Some(*name) != less).collect();
    finalizers.extend(more);
    let patch = json!({"metadata": {"resourceVersion": object.resource_version(), "uid": object.uid(), "finalizers": finalizers}});
    api.patch(object.namespace(), object.name(), None, &Patch::Merge(patch)).await
}

/// The object with the fields that were asked for, and what every object has.
pub fn cut(object: &Object, fields: &[String]) -> Object {
    if fields.is_empty() {
        return object.clone();
    }
    let paths: Vec<String> = IDENTITY.iter().map(|path| (*path).to_owned()).chain(fields.iter().cloned()).collect();
    Object::from_value(project(object.to_value(), &paths)).unwrap_or_default()
}
