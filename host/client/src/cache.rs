//! [`Cache`]: all objects of one kind in memory, kept up to date by one list and watch
//! (`k8s.io/client-go/tools/cache`: reflector, indexer and shared informer in one).

mod index;
pub(crate) mod reflect;

use crate::api::{Api, ListOptions};
use index::Index;
use object::{Gvr, Object};
use parking_lot::RwLock;
pub use reflect::Sink;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Changes in the order they happened; never blocks the cache.
pub type Receiver = mpsc::UnboundedReceiver<Change>;

/// One step of one object.
#[derive(Clone, Debug)]
pub struct Change {
    /// `""` for cluster-scoped kinds.
    pub namespace: String,
    pub name: String,
    pub kind: ChangeKind,
    pub old: Option<Arc<Object>>,
    /// On deletion `None`; the last state is in `old`.
    pub new: Option<Arc<Object>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// All objects of one kind. Reads are from memory and may be a moment behind the server; they never go back in time.
pub struct Cache {
    gvr: Gvr,
    inner: RwLock<Inner>,
    ready: watch::Sender<bool>,
    revision: AtomicU64,
}

#[derive(Default)]
struct Inner {
    index: Index,
    subscribers: Vec<mpsc::UnboundedSender<Change>>,
}

impl Cache {
    pub(crate) fn start(api: Api, stop: CancellationToken) -> Arc<Self> {
        let cache = Arc::new(Self {
            gvr: api.gvr().clone(),
            inner: RwLock::default(),
            ready: watch::channel(false).0,
            revision: AtomicU64::new(0),
        });
        let sink = cache.clone();
        tokio::spawn(async move { reflect::run(api, "", &ListOptions::default(), &*sink, stop).await });
        cache
    }

    pub fn gvr(&self) -> &Gvr {
        &self.gvr
    }

    /// Returns when the first list has been taken in.
    pub async fn ready(&self) {
        // The sender lives in `self`, so the wait ends only by becoming true.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    pub fn get(&self, ns: &str, name: &str) -> Option<Arc<Object>> {
        self.inner.read().index.get(ns, name).cloned()
    }

    /// Sorted by namespace and name; `""` = all namespaces.
    pub fn list(&self, ns: &str) -> Vec<Arc<Object>> {
        self.inner.read().index.list(ns)
    }

    pub fn len(&self) -> usize {
        self.inner.read().index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The objects whose controller (`metadata.ownerReferences[controller=true]`) has this uid.
    pub fn by_owner(&self, uid: &str) -> Vec<Arc<Object>> {
        self.inner.read().index.by_owner(uid)
    }

    pub fn by_uid(&self, uid: &str) -> Option<Arc<Object>> {
        self.inner.read().index.by_uid(uid)
    }

    /// First everything known as `Added`, then every change. Drop the receiver to unsubscribe.
    pub fn subscribe(&self) -> Receiver {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut inner = self.inner.write();
        for object in inner.index.list("") {
            // The receiver is still in our hands.
            let _ = sender.send(Change::of(ChangeKind::Added, None, Some(object)));
        }
        inner.subscribers.push(sender);
        receiver
    }

    /// The revision up to which the cache has seen the kind's changes; 0 before the first list.
    pub fn resource_version(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }
}

impl Sink for Cache {
    fn replace(&self, objects: Vec<Object>, revision: u64) {
        let mut inner = self.inner.write();
        let changes = inner.index.replace(objects.into_iter().map(Arc::new).collect());
        inner.tell(changes);
        self.revision.store(revision, Ordering::Release);
        drop(inner);
        self.ready.send_replace(true);
    }

    fn upsert(&self, object: Object, revision: u64) {
        let mut inner = self.inner.write();
        let change = inner.index.upsert(Arc::new(object));
        inner.tell(change);
        self.revision.store(revision, Ordering::Release);
    }

    fn remove(&self, object: Object, revision: u64) {
        let mut inner = self.inner.write();
        let change = inner.index.remove(object.namespace(), object.name());
        inner.tell(change);
        self.revision.store(revision, Ordering::Release);
    }

    fn bookmark(&self, revision: u64) {
        self.revision.store(revision, Ordering::Release);
    }

    fn revision(&self) -> u64 {
        self.resource_version()
    }
}

impl Inner {
    fn tell(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            self.subscribers.retain(|s| s.send(change.clone()).is_ok());
        }
    }
}

impl Change {
    fn of(kind: ChangeKind, old: Option<Arc<Object>>, new: Option<Arc<Object>>) -> Self {
        let either = new.as_ref().or(old.as_ref());
        let (namespace, name) = either.map(|o| (o.namespace().to_owned(), o.name().to_owned())).unwrap_or_default();
        Self { namespace, name, kind, old, new }
    }

    /// The newest known state: `new`, or on deletion `old`.
    pub fn object(&self) -> Option<&Arc<Object>> {
        self.new.as_ref().or(self.old.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Script;
    use crate::{Change, ChangeKind, ListOptions, Receiver, gvr};
    use object::Object;

    fn pod(name: &str, version: u32, owner: &str) -> String {
        let owners = if owner.is_empty() {
            String::new()
        } else {
            format!(r#","ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r","uid":"{owner}","controller":true}}]"#)
        };
        format!(r#"{{"metadata":{{"namespace":"n","name":"{name}","uid":"u-{name}","resourceVersion":"{version}"{owners}}}}}"#)
    }

    fn list(version: u32, pods: &[String]) -> String {
        format!(r#"{{"apiVersion":"v1","kind":"PodList","metadata":{{"resourceVersion":"{version}"}},"items":[{}]}}"#, pods.join(","))
    }

    fn event(kind: &str, object: &str) -> String {
        format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
    }

    async fn told(receiver: &mut Receiver) -> String {
        let Change { name, kind, old, new, .. } = receiver.recv().await.unwrap();
        assert_eq!(old.is_some(), kind != ChangeKind::Added);
        assert_eq!(new.is_some(), kind != ChangeKind::Deleted);
        format!("{kind:?} {name}")
    }

    #[tokio::test]
    async fn lists_watches_and_resumes() {
        let script = Script::default().then(200, &list(5, &[pod("a", 1, "o"), pod("b", 2, "")]));
        let first = script.then_stream();
        let second = script.then_stream();
        let client = script.client();
        let cache = client.cache(&gvr::pods());
        cache.ready().await;
        assert_eq!(cache.get("n", "a").unwrap().kind(), "Pod", "list items get their kind");
        assert_eq!(cache.by_owner("o").len(), 1);
        assert_eq!(cache.by_uid("u-b").unwrap().name(), "b");
        let mut changes = cache.subscribe();
        assert_eq!(told(&mut changes).await, "Added a");
        assert_eq!(told(&mut changes).await, "Added b");

        // One line in two frames, then two lines in one.
        let line = event("ADDED", &pod("c", 6, "o"));
        let (head, tail) = line.split_at(20);
        first.unbounded_send(head.to_owned()).unwrap();
        first.unbounded_send(tail.to_owned()).unwrap();
        first.unbounded_send(event("MODIFIED", &pod("a", 7, "")) + &event("DELETED", &pod("b", 8, ""))).unwrap();
        for expected in ["Added c", "Modified a", "Deleted b"] {
            assert_eq!(told(&mut changes).await, expected);
        }
        assert_eq!(cache.by_owner("o").iter().map(|o| o.name().to_owned()).collect::<Vec<_>>(), ["c"]);
        assert_eq!((cache.len(), cache.resource_version()), (2, 8));

        // The connection ends; the next watch goes on from the bookmark.
        first.unbounded_send(event("BOOKMARK", r#"{"metadata":{"resourceVersion":"20"}}"#)).unwrap();
        drop(first);
        second.unbounded_send(event("DELETED", &pod("a", 21, ""))).unwrap();
        assert_eq!(told(&mut changes).await, "Deleted a");
        let requests = script.requests.lock().clone();
        assert!(requests[0].starts_with("system:test GET /api/v1/pods?resourceVersion=0"), "{requests:?}");
        assert!(requests[1].contains("watch=true&allowWatchBookmarks=true&resourceVersion=5&"), "{requests:?}");
        assert!(requests[2].contains("resourceVersion=20&"), "{requests:?}");
    }

    /// Notes what it is told.
    #[derive(Default)]
    struct Notes(parking_lot::Mutex<Vec<String>>, tokio::sync::Notify);

    impl Notes {
        fn note(&self, text: String) {
            self.0.lock().push(text);
            self.1.notify_one();
        }
    }

    impl super::Sink for Notes {
        fn replace(&self, objects: Vec<Object>, revision: u64) {
            self.note(format!("{} at {revision}", objects.iter().map(Object::name).collect::<Vec<_>>().join(",")));
        }
        fn upsert(&self, object: Object, revision: u64) {
            self.note(format!("+{} at {revision}", object.name()));
        }
        fn remove(&self, object: Object, revision: u64) {
            self.note(format!("-{} at {revision}", object.name()));
        }
        fn bookmark(&self, revision: u64) {
            self.note(format!("at {revision}"));
        }
        fn revision(&self) -> u64 {
            0
        }
    }

    #[tokio::test]
    async fn a_selection_is_followed_without_being_kept() {
        let script = Script::default().then(200, &list(5, &[pod("a", 1, "")]));
        let watch = script.then_stream();
        let client = script.client();
        let notes = std::sync::Arc::new(Notes::default());
        let which = ListOptions { label_selector: "a=b".to_owned(), field_selector: "spec.x=y".to_owned(), ..ListOptions::default() };
        client.follow(&gvr::pods(), "n", which, notes.clone(), tokio_util::sync::CancellationToken::new());
        watch.unbounded_send(event("ADDED", &pod("c", 6, "")) + &event("DELETED", &pod("a", 8, ""))).unwrap();
        while notes.0.lock().len() < 3 {
            notes.1.notified().await;
        }
        assert_eq!(*notes.0.lock(), ["a at 5", "+c at 6", "-a at 8"]);
        let requests = script.requests.lock().clone();
        let selected = "labelSelector=a%3Db&fieldSelector=spec.x%3Dy";
        assert!(requests[0].contains("GET /api/v1/namespaces/n/pods?") && requests[0].contains(selected), "{requests:?}");
        assert!(requests[1].contains("watch=true") && requests[1].contains(selected), "{requests:?}");
        assert!(client.cached(&gvr::pods()).is_none());
    }

    #[tokio::test]
    async fn an_expired_watch_lists_again_and_tells_the_difference() {
        let expired = r#"{"kind":"Status","status":"Failure","reason":"Expired","code":410,"message":"too old"}"#;
        let script = Script::default().then(200, &list(5, &[pod("a", 1, ""), pod("b", 2, "")]));
        let watch = script.then_stream();
        watch.unbounded_send(event("ERROR", expired)).unwrap();
        let script = script.then(200, &list(9, &[pod("b", 2, ""), pod("c", 8, "")]));
        let client = script.client();
        let cache = client.cache(&gvr::pods());
        let mut changes = cache.subscribe();
        for expected in ["Added a", "Added b", "Deleted a", "Added c"] {
            assert_eq!(told(&mut changes).await, expected);
        }
    }
}
