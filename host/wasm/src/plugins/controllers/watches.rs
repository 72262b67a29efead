//! What the controllers of a plugin watch: from changes in feeds to keys in the plugin's queue.

use super::feed::{Change, Feed, Feeds, Follower};
use super::mapping::{self, Facts, Primary};
use client::{Api, Client, WorkQueue};
use interfaces::reconcile::{Declaration, Key, MapEvent, Mapping, Reconciler};
use object::{Object, ObjectRef};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use tokio_util::sync::CancellationToken;

/// A key of one controller of the plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Item {
    pub controller: Arc<str>,
    pub key: Key,
}

/// One controller whose watches are open.
pub(super) struct Controller {
    pub declaration: Declaration,
    /// As the plugin.
    pub api: Api,
    pub feed: Arc<Feed>,
    /// Its primary watch selects all objects of its namespaces.
    pub all: bool,
    kind: Primary,
    api_version: String,
    /// A feed tells its followers as long as they are held here.
    pub followers: Vec<(Arc<Feed>, Arc<Subscription>)>,
}

/// One watch of one controller.
pub(super) struct Subscription {
    controller: Arc<str>,
    role: Role,
    queue: WorkQueue<Item>,
}

enum Role {
    Primary,
    Mapped { mapping: Mapping, primary: Primary },
    Every(Arc<Feed>),
    Exported(Arc<Mapper>),
}

/// Changes that the plugin itself maps, one at a time per object.
pub(super) struct Mapper {
    plugin: Arc<dyn Reconciler>,
    controller: Arc<str>,
    secondary: u32,
    changed: WorkQueue<Key>,
    /// What changed and was not mapped yet.
    newest: Mutex<HashMap<Key, Newest>>,
    /// What objects were mapped to.
    mapped: Mutex<HashMap<Key, Vec<Key>>>,
    queue: WorkQueue<Item>,
}

/// The newest state of an object.
struct Newest {
    object: Option<Arc<Object>>,
    deleted: bool,
}

/// Joins the watches of one controller; the mappers are to be run.
pub(super) fn open(
    feeds: &Feeds,
    queue: &WorkQueue<Item>,
    client: &Client,
    plugin: &Arc<dyn Reconciler>,
    declaration: Declaration,
    kind: Primary,
) -> (Controller, Vec<Arc<Mapper>>) {
    let name: Arc<str> = Arc::from(declaration.name.as_str());
    let mut mappers = Vec::new();
    let primary = feeds.open(&declaration.primary, &Facts::None);
    let subscription = |role| Arc::new(Subscription { controller: name.clone(), role, queue: queue.clone() });
    let own = subscription(Role::Primary);
    primary.join(weak(&own));
    let mut followers = vec![(primary.clone(), own)];
    for (index, secondary) in declaration.secondaries.iter().enumerate() {
        let role = match &secondary.mapping {
            Mapping::Every => Role::Every(primary.clone()),
            Mapping::Exported => {
                let mapper = Arc::new(Mapper {
                    plugin: plugin.clone(),
                    controller: name.clone(),
                    secondary: u32::try_from(index).unwrap_or(u32::MAX),
                    changed: WorkQueue::new(),
                    newest: Mutex::default(),
                    mapped: Mutex::default(),
                    queue: queue.clone(),
                });
                mappers.push(mapper.clone());
                Role::Exported(mapper)
            }
            mapping => Role::Mapped { mapping: mapping.clone(), primary: kind.clone() },
        };
        let follower = subscription(role);
        let feed = match &secondary.mapping {
            Mapping::Exported => feeds.own(&secondary.watch, weak(&follower)),
            mapping => {
                let feed = feeds.open(&secondary.watch, &Facts::of_mapping(mapping));
                feed.join(weak(&follower));
                feed
            }
        };
        followers.push((feed, follower));
    }
    let watch = &declaration.primary;
    let controller = Controller {
        api: client.api(&watch.gvr),
        api_version: watch.gvr.api_version(),
        all: watch.label_selector.is_empty() && watch.field_selector.is_empty(),
        feed: primary,
        kind,
        declaration,
        followers,
    };
    (controller, mappers)
}

impl Controller {
    /// Names an object that was not read.
    pub(super) fn reference(&self, key: &Key) -> ObjectRef {
        ObjectRef {
            api_version: self.api_version.clone(),
            kind: self.kind.kind.clone(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            ..ObjectRef::default()
        }
    }
}

impl Follower for Subscription {
    fn changed(&self, change: &Change<'_>) {
        let add = |key: Key| self.queue.add(Item { controller: self.controller.clone(), key });
        match &self.role {
            Role::Primary => add(change.key.clone()),
            Role::Mapped { mapping, primary } => {
                let keys = |facts| mapping::keys(mapping, primary, change.key, facts);
                keys(change.old).into_iter().chain(keys(change.new)).for_each(add);
            }
            Role::Every(primary) => primary.keys().into_iter().for_each(add),
            Role::Exported(mapper) => mapper.changed(change),
        }
    }
}

impl Mapper {
    fn changed(&self, change: &Change<'_>) {
        let object = change.object.map(|object| Arc::new(object.clone()));
        self.newest.lock().insert(change.key.clone(), Newest { object, deleted: change.deleted });
        self.changed.add(change.key.clone());
    }

    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let key = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                key = self.changed.get() => key,
            };
            let Some(key) = key else { return };
            self.one(&key).await;
            self.changed.done(&key);
        }
    }

    async fn one(&self, key: &Key) {
        let Some(Newest { object, deleted }) = self.newest.lock().remove(key) else { return };
        let event = MapEvent {
            controller: self.controller.to_string(),
            secondary: self.secondary,
            key: key.clone(),
            object: object.clone(),
            deleted,
        };
        let now = match self.plugin.keys(event).await {
            Ok(now) => now,
            Err(error) => {
                tracing::debug!(plugin = self.plugin.name(), error = %error, "a change was not mapped, will try again");
                self.newest.lock().entry(key.clone()).or_insert(Newest { object, deleted });
                return self.changed.add_rate_limited(key.clone());
            }
        };
        self.changed.forget(key);
        let before = {
            let mut mapped = self.mapped.lock();
            if deleted { mapped.remove(key) } else { mapped.insert(key.clone(), now.clone()) }
        };
        for key in before.into_iter().flatten().chain(now) {
            self.queue.add(Item { controller: self.controller.clone(), key });
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key { namespace, name } = &self.key;
        let slash = if namespace.is_empty() { "" } else { "/" };
        write!(f, "{} {namespace}{slash}{name}", self.controller)
    }
}

fn weak(follower: &Arc<Subscription>) -> Weak<dyn Follower> {
    let follower: Weak<Subscription> = Arc::downgrade(follower);
    follower
}
