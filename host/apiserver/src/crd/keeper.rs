//! Follows the definitions: names, rows, and their end. One task per server; what takes long, the deletion of objects, has
//! a task of its own per definition.

use super::names::judge;
use super::{GROUP, RESOURCE};
use crate::bootstrap::send;
use crate::cache::{Item, KindCache};
use crate::call::{Call, Target};
use crate::query::Query;
use crate::request::RequestInfo;
use crate::server::{ApiService, Shared};
use crate::write;
use bytes::Bytes;
use http::Method;
use interfaces::authorize::UserInfo;
use object::{Object, StatusError, Value, json};
use registry::custom::definition::{self as crd, CLEANUP_FINALIZER, TERMINATING, is_true, set_condition};
use registry::custom::{Family, rows};
use registry::{Kind, Verb};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// After a write of a status failed for no reason that another change would tell of.
const RETRY: Duration = Duration::from_secs(5);

/// Rows of one definition, kept while nothing they are made of changes: caches and watches live as long as they do.
struct Known {
    source: Arc<Object>,
    made_of: (String, Value, Value),
    terminating: bool,
    family: Arc<Family>,
    rows: Vec<Arc<Kind>>,
}

/// A definition as it was last read, so that the change of one costs nothing for the others.
struct Seen {
    revision: u64,
    object: Arc<Object>,
    /// The state of its group in which its status said all there is to say.
    settled: Option<GroupState>,
}

/// Newest revision and number of a group's definitions.
type GroupState = (u64, usize);

struct Keeper {
    service: ApiService,
    shared: Arc<Shared>,
    seen: HashMap<Arc<str>, Seen>,
    known: HashMap<String, Known>,
    /// UIDs of definitions whose objects are being deleted.
    ending: BTreeSet<String>,
    tasks: JoinSet<String>,
}

/// Runs until the server's caches end.
pub async fn keep(service: ApiService) {
    let shared = service.shared().clone();
    let Some(row) = shared.registry.resource_by_name(GROUP, "v1", RESOURCE) else { return };
    if shared.caches.ready(&row).await.is_err() {
        tracing::debug!("definitions are loaded slowly");
    }
    let Ok(cache) = shared.caches.of(&row) else { return };
    let mut changed = cache.subscribe();
    let mut keeper =
        Keeper { service, shared, seen: HashMap::new(), known: HashMap::new(), ending: BTreeSet::new(), tasks: JoinSet::new() };
    while let Err(error) = keeper.shared.caches.wait_for(0).await {
        tracing::debug!(%error, "definitions wait for the cache");
    }
    loop {
        changed.borrow_and_update();
        let again = keeper.turn(&cache).await;
        tokio::select! {
            changed = changed.changed() => if changed.is_err() { return },
            Some(ended) = keeper.tasks.join_next() => {
                if let Ok(uid) = ended {
                    keeper.ending.remove(&uid);
                }
            }
            () = tokio::time::sleep(RETRY), if again => {}
        }
    }
}

impl Keeper {
    /// Looks at all definitions once. Returns whether something is left to try again.
    async fn turn(&mut self, cache: &KindCache) -> bool {
        let snapshot = cache.snapshot("", None, 0, |_| true);
        let mut before = std::mem::take(&mut self.seen);
        // In the order of creation, so that the first to ask for a name has it; those judged before count as judged.
        let mut items = snapshot.items;
        items.sort_by_key(|item| item.create_revision);
        let read = |item: Arc<Item>| match before.remove(&item.key).filter(|s| s.revision == item.revision) {
            Some(seen) => (item.key.clone(), seen),
            None => (item.key.clone(), Seen { revision: item.revision, object: Arc::new(item.object()), settled: None }),
        };
        let mut seen: Vec<(Arc<str>, Seen)> = items.into_iter().map(read).collect();
        let mut groups: HashMap<String, GroupState> = HashMap::new();
        for (_, seen) in &seen {
            let state = groups.entry(seen.object.str_at(&["spec", "group"]).to_owned()).or_default();
            *state = (state.0.max(seen.revision), state.1 + 1);
        }
        let mut settled: Vec<Arc<Object>> = seen.iter().map(|(_, s)| s.object.clone()).collect();
        let mut judged: Vec<(Arc<Object>, bool)> = Vec::with_capacity(seen.len());
        for (at, (_, seen)) in seen.iter_mut().enumerate() {
            let group = seen.object.str_at(&["spec", "group"]);
            let state = groups.get(group).copied();
            if seen.settled.is_some() && seen.settled == state {
                judged.push((seen.object.clone(), false));
                continue;
            }
            let mut definition = Object::clone(&seen.object);
            let others: Vec<&Object> = settled.iter().map(Arc::as_ref).filter(|o| o.str_at(&["spec", "group"]) == group).collect();
            if judge(&mut definition, &others) {
                let definition = Arc::new(definition);
                if let Some(place) = settled.get_mut(at) {
                    *place = definition.clone();
                }
                judged.push((definition, true));
            } else {
                seen.settled = state;
                judged.push((seen.object.clone(), false));
            }
        }
        self.seen = seen.into_iter().collect();
        self.swap(&settled);
        // From here on the rows show what the definitions ask for; their conditions may say so.
        self.shared.definitions.processed.send_replace(snapshot.revision);
        let mut again = false;
        for (definition, changed) in judged {
            if changed {
                again |= !write_status(&self.service, &definition).await;
            } else if definition.is_deleting() && definition.finalizers().contains(&CLEANUP_FINALIZER) {
                let uid = definition.uid().to_owned();
                if self.ending.insert(uid.clone()) {
                    let (service, shared) = (self.service.clone(), self.shared.clone());
                    self.tasks.spawn(async move {
                        end(&service, &shared, Object::clone(&definition)).await;
                        uid
                    });
                }
            }
        }
        again
    }

    /// Makes the rows of all established definitions the registry's.
    fn swap(&mut self, definitions: &[Arc<Object>]) {
        let mut changed = false;
        let mut known = HashMap::new();
        for definition in definitions.iter().filter(|d| is_true(d, crd::ESTABLISHED)) {
            let old = self.known.remove(definition.name());
            let old = match old {
                Some(old) if Arc::ptr_eq(&old.source, definition) => {
                    known.insert(definition.name().to_owned(), old);
                    continue;
                }
                old => old,
            };
            let part = |path: &[&str]| definition.at(path).cloned().unwrap_or_default();
            let made_of = (definition.uid().to_owned(), part(&["spec"]), part(&["status", "acceptedNames"]));
            let terminating = definition.is_deleting();
            let kept = match old {
                Some(old) if old.made_of == made_of && old.terminating == terminating => Known { source: definition.clone(), ..old },
                old => {
                    changed = true;
                    let same = old.filter(|o| o.made_of == made_of).map(|o| o.family);
                    let family = same.unwrap_or_else(|| Arc::new(rows::family(definition)));
                    let rows = rows::of(definition, &family);
                    Known { source: definition.clone(), made_of, terminating, family, rows }
                }
            };
            known.insert(definition.name().to_owned(), kept);
        }
        changed |= !self.known.is_empty();
        self.known = known;
        if changed {
            self.shared.registry.replace_custom(self.known.values().flat_map(|k| k.rows.iter().cloned()).collect());
        }
    }
}

/// Writes a definition's status as it was judged. False when it is to be tried again without another change.
async fn write_status(service: &ApiService, definition: &Object) -> bool {
    let path = format!("/apis/{GROUP}/v1/{RESOURCE}/{}/status", definition.name());
    let (code, body) = send(service, Method::PUT, &path, &definition.to_value()).await;
    match code {
        200 | 404 | 409 => true,
        _ => {
            tracing::warn!(definition = definition.name(), code, message = %body["message"], "the status of a definition is not written");
            false
        }
    }
}

/// Deletes all objects of a definition that is being deleted, then lets it go (`pkg/controller/finalizer`).
async fn end(service: &ApiService, shared: &Arc<Shared>, mut definition: Object) {
    let done = if is_true(&definition, crd::ESTABLISHED) {
        let told = "CustomResource deletion is in progress";
        if set_condition(&mut definition, TERMINATING, "True", "InstanceDeletionInProgress", told) {
            write_status(service, &definition).await;
            // The write is a change: the keeper comes again with what is stored.
            return;
        }
        match delete_objects(shared, &definition).await {
            Ok(()) => ("InstanceDeletionCompleted", "removed all instances"),
            Err(error) => {
                tracing::warn!(definition = definition.name(), %error, "objects of a definition are not deleted");
                let message = format!("could not issue all deletes: {error}");
                if set_condition(&mut definition, TERMINATING, "True", "InstanceDeletionFailed", &message) {
                    write_status(service, &definition).await;
                }
                tokio::time::sleep(RETRY).await;
                return;
            }
        }
    } else {
        ("NeverEstablished", "resource was never established")
    };
    set_condition(&mut definition, TERMINATING, "False", done.0, done.1);
    if !write_status(service, &definition).await {
        tokio::time::sleep(RETRY).await;
    }
    release(service, &definition).await;
}

/// Takes the finalizer away.
async fn release(service: &ApiService, definition: &Object) {
    let path = format!("/apis/{GROUP}/v1/{RESOURCE}/{}", definition.name());
    loop {
        let (code, body) = send(service, Method::GET, &path, &Value::Null).await;
        let Some(mut current) = Object::from_value(body).filter(|c| code == 200 && c.uid() == definition.uid()) else { return };
        let left: Vec<&str> = current.finalizers().into_iter().filter(|f| *f != CLEANUP_FINALIZER).collect();
        let left = json!(left);
        current.set_at(&["metadata", "finalizers"], left);
        match send(service, Method::PUT, &path, &current.to_value()).await.0 {
            409 => {}
            200 | 404 => return,
            code => {
                tracing::warn!(definition = definition.name(), code, "a definition is not let go");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// By the road of any deletion, so that admission and finalizers have their say; ends when no object is left.
async fn delete_objects(shared: &Arc<Shared>, definition: &Object) -> Result<(), StatusError> {
    let group = definition.str_at(&["spec", "group"]);
    let plural = definition.str_at(&["status", "acceptedNames", "plural"]);
    loop {
        let row = shared.registry.storage_rows().into_iter().find(|k| k.is_custom() && k.group == group && k.resource == plural);
        let Some(row) = row else { return Ok(()) };
        shared.caches.ready(&row).await?;
        shared.caches.current().await?;
        let cache = shared.caches.of(&row)?;
        let mut changed = cache.subscribe();
        changed.borrow_and_update();
        let items = cache.snapshot("", None, 0, |_| true).items;
        if items.is_empty() {
            return Ok(());
        }
        let waiting = |o: &Object| o.is_deleting();
        let fresh = items.iter().map(|item| item.object()).filter(|o| !waiting(o));
        let namespaces: BTreeSet<String> = fresh.map(|o| o.namespace().to_owned()).collect();
        for namespace in namespaces {
            delete_collection(shared, &row, &namespace).await?;
        }
        // What is left waits for its finalizers.
        shared.caches.current().await?;
        if cache.len() > 0 && changed.changed().await.is_err() {
            return Err(StatusError::unavailable("the server is shutting down"));
        }
    }
}

async fn delete_collection(shared: &Arc<Shared>, row: &Arc<Kind>, namespace: &str) -> Result<(), StatusError> {
    let info = RequestInfo {
        is_resource: true,
        verb: Verb::DeleteCollection.as_str().to_owned(),
        group: row.group.clone(),
        version: row.version.clone(),
        resource: row.resource.clone(),
        namespace: namespace.to_owned(),
        ..RequestInfo::default()
    };
    let (parts, ()) = http::Request::new(()).into_parts();
    let call = Call::new(shared.clone(), Arc::new(UserInfo::master("system:apiserver")), info, &parts, Query::parse(""), Bytes::new());
    let target = Target { kind: row.clone(), stored: row.clone(), subresource: None };
    write::delete_collection(&call, &target).await.map(|_| ())
}
