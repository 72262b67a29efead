//! [`Feed`]: one list and watch of a selection, shared by all that watch the same. It remembers of each object its name, a digest of
//! the fields that count and the facts that lead from it to keys, and never the object.
//!
//! A feed reads as the process's caches do; whether a plugin may join it is asked before ([`super::access`]). Where the process has a cache of
//! the whole kind already, it is fed by that.

use super::mapping::{Fact, Facts};
use client::{Change as CacheChange, ChangeKind, Client, ListOptions, Sink};
use interfaces::reconcile::{Key, Watch};
use object::{Gvr, Object, Value};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What always counts as a change, whatever the fields are.
const ALWAYS: [&str; 3] = ["metadata.uid", "metadata.deletionTimestamp", "metadata.ownerReferences"];

/// One change that counts.
pub(super) struct Change<'a> {
    pub key: &'a Key,
    /// What was known of the object before.
    pub old: &'a [Fact],
    /// Of its last state when it is gone.
    pub new: &'a [Fact],
    /// Its newest state; `None` when it went unseen.
    pub object: Option<&'a Object>,
    pub deleted: bool,
}

/// Whoever follows a feed. Called in the order of the changes; must not block.
pub(super) trait Follower: Send + Sync {
    fn changed(&self, change: &Change<'_>);
}

/// The feeds that are followed now.
pub(super) struct Feeds {
    client: Client,
    open: Mutex<HashMap<Selection, Weak<Feed>>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Selection {
    watch: Watch,
    facts: Facts,
}

/// Ends with the last who holds it.
pub(super) struct Feed {
    state: Arc<State>,
    _stop: DropGuard,
}

struct State {
    watch: Watch,
    facts: Facts,
    inner: Mutex<Inner>,
    synced: watch::Sender<bool>,
    revision: AtomicU64,
}

#[derive(Default)]
struct Inner {
    known: HashMap<Key, Known>,
    followers: Vec<Weak<dyn Follower>>,
}

struct Known {
    digest: u64,
    facts: Box<[Fact]>,
}

impl Feeds {
    pub(super) fn new(client: Client) -> Self {
        Self { client, open: Mutex::default() }
    }

    /// The feed of a selection, opened if nobody follows it yet. Must be called within a tokio runtime.
    pub(super) fn open(&self, watch: &Watch, facts: &Facts) -> Arc<Feed> {
        let selection = Selection { watch: watch.clone(), facts: facts.clone() };
        let mut open = self.open.lock();
        if let Some(feed) = open.get(&selection).and_then(Weak::upgrade) {
            return feed;
        }
        open.retain(|_, feed| feed.strong_count() > 0);
        let feed = Arc::new(self.start(&selection));
        open.insert(selection, Arc::downgrade(&feed));
        feed
    }

    /// A feed of its own, for one who needs to be told of every object from the first on.
    pub(super) fn own(&self, watch: &Watch, follower: Weak<dyn Follower>) -> Arc<Feed> {
        let selection = Selection { watch: watch.clone(), facts: Facts::None };
        let state = Arc::new(State::new(&selection));
        state.inner.lock().followers.push(follower);
        Arc::new(self.feed(state))
    }

    fn start(&self, selection: &Selection) -> Feed {
        self.feed(Arc::new(State::new(selection)))
    }

    fn feed(&self, state: Arc<State>) -> Feed {
        let stop = CancellationToken::new();
        let watch = &state.watch;
        let whole = watch.namespace.is_empty() && watch.label_selector.is_empty() && watch.field_selector.is_empty();
        match self.client.cached(&watch.gvr).filter(|_| whole) {
            Some(cache) => {
                let (state, stop) = (state.clone(), stop.clone());
                tokio::spawn(async move { stop.run_until_cancelled(state.follow(&cache)).await });
            }
            None => {
                let which = ListOptions {
                    label_selector: watch.label_selector.clone(),
                    field_selector: watch.field_selector.clone(),
                    ..ListOptions::default()
                };
                self.client.follow(&watch.gvr, &watch.namespace, which, state.clone(), stop.clone());
            }
        }
        Feed { state, _stop: stop.drop_guard() }
    }
}

impl Feed {
    /// Tells `follower` of every change from now on.
    pub(super) fn join(&self, follower: Weak<dyn Follower>) {
        self.state.inner.lock().followers.push(follower);
    }

    /// Returns when the first list is in.
    pub(super) async fn synced(&self) {
        // The sender lives in the state, so the wait ends only by becoming true.
        let _ = self.state.synced.subscribe().wait_for(|synced| *synced).await;
    }

    pub(super) fn resource(&self) -> &Gvr {
        &self.state.watch.gvr
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.state.inner.lock().known.keys().cloned().collect()
    }

    pub(super) fn knows(&self, key: &Key) -> bool {
        self.state.inner.lock().known.contains_key(key)
    }

    pub(super) fn len(&self) -> usize {
        self.state.inner.lock().known.len()
    }
}

impl State {
    fn new(selection: &Selection) -> Self {
        let Selection { watch, facts } = selection.clone();
        Self { watch, facts, inner: Mutex::default(), synced: watch::Sender::new(false), revision: AtomicU64::new(0) }
    }

    async fn follow(&self, cache: &client::Cache) {
        cache.ready().await;
        let mut changes = cache.subscribe();
        // What is in the cache was sent while subscribing.
        for _ in 0..changes.len() {
            if let Some(change) = changes.recv().await {
                self.take(&change);
            }
        }
        self.synced.send_replace(true);
        while let Some(change) = changes.recv().await {
            self.take(&change);
        }
    }

    fn take(&self, change: &CacheChange) {
        match (change.kind, change.object()) {
            (ChangeKind::Added | ChangeKind::Modified, Some(object)) => self.seen(object),
            (ChangeKind::Deleted, Some(object)) => self.gone(&key_of(object), Some(object)),
            (_, None) => {}
        }
    }

    /// An object is as it is told; told on if that counts.
    fn seen(&self, object: &Object) {
        let key = key_of(object);
        let known = Known { digest: digest(object, &self.watch.fields), facts: self.facts.read(object) };
        let new = known.facts.clone();
        let (old, followers) = {
            let mut inner = self.inner.lock();
            if inner.known.get(&key).is_some_and(|before| before.digest == known.digest && before.facts == known.facts) {
                return;
            }
            let old = inner.known.insert(key.clone(), known);
            (old.map(|old| old.facts).unwrap_or_default(), inner.followers())
        };
        let change = Change { key: &key, old: &old, new: &new, object: Some(object), deleted: false };
        followers.iter().for_each(|follower| follower.changed(&change));
    }

    fn gone(&self, key: &Key, object: Option<&Object>) {
        let (old, followers) = {
            let mut inner = self.inner.lock();
            let old = inner.known.remove(key).map(|old| old.facts);
            (old.unwrap_or_default(), inner.followers())
        };
        let new = object.map(|object| self.facts.read(object)).unwrap_or_default();
        let change = Change { key, old: &old, new: &new, object, deleted: true };
        followers.iter().for_each(|follower| follower.changed(&change));
    }
}

impl Inner {
    fn followers(&mut self) -> Vec<Arc<dyn Follower>> {
        self.followers.retain(|follower| follower.strong_count() > 0);
        self.followers.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Sink for State {
    fn replace(&self, objects: Vec<Object>, revision: u64) {
        let mut missing: HashMap<Key, ()> = self.inner.lock().known.keys().map(|key| (key.clone(), ())).collect();
        for object in &objects {
            missing.remove(&key_of(object));
            self.seen(object);
        }
        missing.into_keys().for_each(|key| self.gone(&key, None));
        self.revision.store(revision, Ordering::Release);
        self.synced.send_replace(true);
    }

    fn upsert(&self, object: Object, revision: u64) {
        self.seen(&object);
        self.revision.store(revision, Ordering::Release);
    }

    fn remove(&self, object: Object, revision: u64) {
        self.gone(&key_of(&object), Some(&object));
        self.revision.store(revision, Ordering::Release);
    }

    fn bookmark(&self, revision: u64) {
        self.revision.store(revision, Ordering::Release);
    }

    fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }
}

pub(super) fn key_of(object: &Object) -> Key {
    Key { namespace: object.namespace().to_owned(), name: object.name().to_owned() }
}

/// Differs when one of the fields does; without fields, when the object does.
fn digest(object: &Object, fields: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    if fields.is_empty() {
        object.uid().hash(&mut hasher);
        object.resource_version().hash(&mut hasher);
        return hasher.finish();
    }
    for path in ALWAYS.into_iter().chain(fields.iter().map(String::as_str)) {
        let path: Vec<&str> = path.split('.').collect();
        if let Some((first, rest)) = path.split_first()
            && let Some(value) = object.as_map().get(*first)
        {
            hash_at(value, rest, &mut hasher);
        }
        // Where one field ends and the next begins.
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// A path goes through lists.
fn hash_at(value: &Value, path: &[&str], hasher: &mut DefaultHasher) {
    match (value, path.split_first()) {
        (_, None) => hash(value, hasher),
        (Value::Array(items), Some(_)) => {
            for item in items {
                hash_at(item, path, hasher);
                hasher.write_u8(0xfe);
            }
        }
        (_, Some((name, rest))) => {
            if let Some(value) = value.as_object().and_then(|map| map.get(*name)) {
                hash_at(value, rest, hasher);
            }
        }
    }
}

fn hash(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Null => hasher.write_u8(0),
        Value::Bool(truth) => truth.hash(hasher),
        Value::Number(number) => number.hash(hasher),
        Value::String(text) => text.hash(hasher),
        Value::Array(items) => {
            hasher.write_usize(items.len());
            items.iter().for_each(|item| hash(item, hasher));
        }
        Value::Object(map) => {
            hasher.write_usize(map.len());
            for (key, value) in map {
                key.hash(hasher);
                hash(value, hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    /// Notes `+name`, `-name` with the owners known before and now.
    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    impl Follower for Notes {
        fn changed(&self, change: &Change<'_>) {
            let names = |facts: &[Fact]| facts.iter().map(|fact| fact.name.to_string()).collect::<Vec<_>>().join(",");
            let sign = if change.deleted { '-' } else { '+' };
            let seen = if change.object.is_some() { "" } else { " unseen" };
            self.0.lock().push(format!("{sign}{} [{}>{}]{seen}", change.key.name, names(change.old), names(change.new)));
        }
    }

    fn object(name: &str, version: u32, owner: &str, spec: &str, status: &str) -> Object {
        Object::from_value(json!({
            "metadata": {"name": name, "namespace": "n", "uid": format!("u-{name}"), "resourceVersion": version.to_string(),
                "ownerReferences": [{"apiVersion": "v1", "kind": "O", "name": owner, "uid": owner, "controller": true}]},
            "spec": {"list": [{"a": spec, "b": version}]}, "status": status,
        }))
        .unwrap()
    }

    fn state(fields: &[&str]) -> (State, Arc<Notes>) {
        let watch = Watch { fields: fields.iter().map(|field| (*field).to_owned()).collect(), ..Watch::default() };
        let state = State::new(&Selection { watch, facts: Facts::Owners });
        let notes = Arc::new(Notes::default());
        let follower: Weak<dyn Follower> = Arc::downgrade(&(notes.clone() as Arc<dyn Follower>));
        state.inner.lock().followers.push(follower);
        (state, notes)
    }

    #[test]
    fn only_changes_that_count_are_told() {
        let (state, notes) = state(&["spec.list.a"]);
        state.replace(vec![object("x", 1, "o", "1", ""), object("y", 1, "o", "1", "")], 1);
        state.upsert(object("x", 2, "o", "1", "ready"), 2);
        state.upsert(object("x", 3, "o", "2", "ready"), 3);
        state.upsert(object("x", 4, "p", "2", "ready"), 4);
        // Listed again: `y` is gone unseen, `x` as it was, `z` new.
        state.replace(vec![object("x", 4, "p", "2", "ready"), object("z", 5, "o", "1", "")], 5);
        state.remove(object("x", 6, "q", "2", ""), 6);
        let expect = ["+x [>o]", "+y [>o]", "+x [o>o]", "+x [o>p]", "+z [>o]", "-y [o>] unseen", "-x [p>q]"];
        assert_eq!(*notes.0.lock(), expect);
        assert_eq!((state.revision(), state.inner.lock().known.len()), (6, 1));
    }

    #[test]
    fn without_fields_every_change_counts() {
        let (state, notes) = state(&[]);
        state.upsert(object("x", 1, "o", "1", ""), 1);
        state.upsert(object("x", 1, "o", "1", ""), 1);
        state.upsert(object("x", 2, "o", "1", "ready"), 2);
        assert_eq!(*notes.0.lock(), ["+x [>o]", "+x [o>o]"]);
    }

    #[test]
    fn who_left_is_told_nothing() {
        let (state, notes) = state(&[]);
        drop(notes);
        state.upsert(object("x", 1, "o", "1", ""), 1);
        assert!(state.inner.lock().followers.is_empty());
    }
}
