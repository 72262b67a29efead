//! The driver: caches → keys → queue → reconcile, for any controller.

use crate::cloud::{self, Active, Cloud};
use crate::error::Error;
use crate::table;
use async_trait::async_trait;
use client::{Cache, Change, ChangeKind, Client, UserInfo, WorkQueue};
use object::{Gvr, Object};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What the controllers need to know beside the API.
#[derive(Clone, Debug)]
pub struct Config {
    /// Names of controllers not to run, as in `table.rs`.
    pub disable: Vec<String>,
    /// PEM of the cluster's CA, published in every namespace as `kube-root-ca.crt`. Empty: not published.
    pub root_ca: String,
    /// How long a node may be silent before it is Unknown (`--node-monitor-grace-period`).
    pub node_grace: Duration,
    /// The same for a node that never reported (`--node-startup-grace-period`).
    pub node_startup_grace: Duration,
    /// The cloud's provider, which may come and change at any time.
    pub cloud: cloud::Provider,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            disable: Vec::new(),
            root_ca: String::new(),
            node_grace: Duration::from_secs(40),
            node_startup_grace: Duration::from_secs(60),
            cloud: watch::channel(None).1,
        }
    }
}

/// What a controller is made of.
pub(crate) struct Context {
    pub client: Client,
    pub config: Config,
    /// The provider of `config`, once it is initialised.
    pub cloud: Cloud,
}

/// Names one piece of work. `gvr` is empty where the controller has one kind of key only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub gvr: Gvr,
    pub namespace: String,
    pub name: String,
}

/// When a reconciled key comes again, and which others with it.
#[derive(Debug, Default)]
pub(crate) struct Next {
    pub after: Option<Duration>,
    pub also: Vec<Key>,
}

/// One controller: which kinds wake it, which keys their changes touch, and how a key is made right.
#[async_trait]
pub(crate) trait Controller: Send + Sync {
    fn watches(&self) -> Vec<Gvr>;
    /// `watches` answers by the registry's rows and is asked again when they are others.
    fn follows_kinds(&self) -> bool {
        false
    }
    /// The cloud's provider, for controllers that work with it: when another takes over, every key comes again.
    fn outside(&self) -> Option<watch::Receiver<Option<Active>>> {
        None
    }
    /// The keys that a change touches. May keep an index of its own up to date; must not block.
    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key>;
    async fn reconcile(&self, key: &Key) -> Result<Next, Error>;
}

/// Runs all controllers until `shutdown`; returns when work under way has ended.
pub async fn run(client: Client, config: Config, shutdown: CancellationToken) {
    let (active, cloud) = Cloud::channel();
    let context = Context { client, config, cloud };
    let mut controllers = JoinSet::new();
    controllers.spawn(cloud::initialize(context.config.cloud.clone(), active, shutdown.child_token()));
    for row in table::ROWS.iter().filter(|row| !context.config.disable.iter().any(|d| d == row.name)) {
        // Each acts under the account that its role is bound to.
        let client = match table::account(row.name) {
            "" => context.client.clone(),
            account => context.client.with_user(UserInfo::service_account("kube-system", account)),
        };
        let own = Context { client, config: context.config.clone(), cloud: context.cloud.clone() };
        let controller = (row.make)(&own);
        controllers.spawn(drive(row.name, row.workers, controller, own.client, shutdown.child_token()));
    }
    while controllers.join_next().await.is_some() {}
}

async fn drive(name: &'static str, workers: usize, controller: Arc<dyn Controller>, client: Client, shutdown: CancellationToken) {
    let queue: WorkQueue<Key> = WorkQueue::named(name);
    let mut tasks = JoinSet::new();
    let rows = watch::Sender::new(());
    let mut rows_changed = rows.subscribe();
    if controller.follows_kinds() {
        client.registry().on_change(move || rows.send_replace(()));
    }
    let caches: Vec<_> = controller.watches().iter().map(|gvr| client.cache(gvr)).collect();
    let mut feeds: HashMap<Gvr, (Arc<Cache>, CancellationToken)> = HashMap::new();
    for cache in &caches {
        let stop = shutdown.child_token();
        tasks.spawn(feed(controller.clone(), cache.gvr().clone(), cache.subscribe(), queue.clone(), stop.clone()));
        feeds.insert(cache.gvr().clone(), (cache.clone(), stop));
    }
    // Before every cache has been filled once, absence means nothing.
    for cache in &caches {
        tokio::select! {
            () = cache.ready() => {}
            () = shutdown.cancelled() => break,
        }
    }
    tracing::debug!(controller = name, "caches are ready");
    for _ in 0..workers {
        tasks.spawn(work(name, controller.clone(), queue.clone()));
    }
    let mut outside = controller.outside();
    loop {
        let turned = async {
            match &mut outside {
                Some(receiver) => receiver.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = turned => match changed {
                Ok(()) => everything(&*controller, &feeds, &queue),
                Err(_) => outside = None,
            },
            Ok(()) = rows_changed.changed() => {
                for (gvr, cache, stop) in follow(&controller, &client, &mut feeds, &queue, &shutdown) {
                    tasks.spawn(feed(controller.clone(), gvr, cache.subscribe(), queue.clone(), stop));
                }
            }
        }
    }
    queue.shut_down();
    while tasks.join_next().await.is_some() {}
}

/// Every key comes again.
fn everything(controller: &dyn Controller, feeds: &HashMap<Gvr, (Arc<Cache>, CancellationToken)>, queue: &WorkQueue<Key>) {
    for (gvr, (cache, _)) in feeds {
        for object in cache.list("") {
            let (namespace, name) = (object.namespace().to_owned(), object.name().to_owned());
            let change = Change { namespace, name, kind: ChangeKind::Added, old: None, new: Some(object) };
            controller.keys(gvr, &change).into_iter().for_each(|key| queue.add(key));
        }
    }
}

/// Ends the feeds of kinds that are gone, whose objects are gone with them, and tells which are new.
fn follow(
    controller: &Arc<dyn Controller>,
    client: &Client,
    feeds: &mut HashMap<Gvr, (Arc<Cache>, CancellationToken)>,
    queue: &WorkQueue<Key>,
    shutdown: &CancellationToken,
) -> Vec<(Gvr, Arc<Cache>, CancellationToken)> {
    let wanted = controller.watches();
    let gone: Vec<Gvr> = feeds.keys().filter(|gvr| !wanted.contains(gvr)).cloned().collect();
    for gvr in gone {
        let Some((cache, stop)) = feeds.remove(&gvr) else { continue };
        stop.cancel();
        client.release(&gvr);
        for object in cache.list("") {
            let (namespace, name) = (object.namespace().to_owned(), object.name().to_owned());
            let change = Change { namespace, name, kind: ChangeKind::Deleted, old: Some(object), new: None };
            controller.keys(&gvr, &change).into_iter().for_each(|key| queue.add(key));
        }
    }
    let mut new = Vec::new();
    for gvr in wanted {
        if !feeds.contains_key(&gvr) {
            let (cache, stop) = (client.cache(&gvr), shutdown.child_token());
            feeds.insert(gvr.clone(), (cache.clone(), stop.clone()));
            new.push((gvr, cache, stop));
        }
    }
    new
}

async fn feed(
    controller: Arc<dyn Controller>,
    gvr: Gvr,
    mut changes: client::Receiver,
    queue: WorkQueue<Key>,
    shutdown: CancellationToken,
) {
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = shutdown.cancelled() => None,
        };
        let Some(change) = change else { return };
        controller.keys(&gvr, &change).into_iter().for_each(|key| queue.add(key));
    }
}

async fn work(name: &'static str, controller: Arc<dyn Controller>, queue: WorkQueue<Key>) {
    while let Some(key) = queue.get().await {
        match controller.reconcile(&key).await {
            Ok(next) => {
                queue.forget(&key);
                next.also.into_iter().for_each(|other| queue.add(other));
                if let Some(after) = next.after {
                    queue.add_after(key.clone(), after);
                }
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                if error.is_expected() {
                    tracing::debug!(controller = name, namespace = key.namespace, name = key.name, %error, "will try again");
                } else {
                    tracing::warn!(controller = name, namespace = key.namespace, name = key.name, %error, cause, "will try again");
                }
                queue.add_rate_limited(key.clone());
            }
        }
        queue.done(&key);
    }
}

impl Key {
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { gvr: Gvr::default(), namespace: namespace.to_owned(), name: name.to_owned() }
    }
    pub fn of(object: &Object) -> Self {
        Self::new(object.namespace(), object.name())
    }
    /// The changed object itself.
    pub fn changed(change: &Change) -> Self {
        Self::new(&change.namespace, &change.name)
    }
}

impl Next {
    pub fn done() -> Self {
        Self::default()
    }
    pub fn after(delay: Duration) -> Self {
        Self { after: Some(delay), also: Vec::new() }
    }
    /// Again at the earlier of the two times.
    pub fn sooner(self, delay: Option<Duration>) -> Self {
        let after = match (self.after, delay) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { after, also: self.also }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    /// Answers each key by a script and notes what was worked on.
    #[derive(Default)]
    struct Scripted {
        seen: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Controller for Scripted {
        fn watches(&self) -> Vec<Gvr> {
            Vec::new()
        }
        fn keys(&self, _: &Gvr, change: &Change) -> Vec<Key> {
            vec![Key::changed(change)]
        }
        async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
            let times = {
                let mut seen = self.seen.lock();
                seen.push(key.name.clone());
                seen.iter().filter(|n| **n == key.name).count()
            };
            match (key.name.as_str(), times) {
                ("fails-once", 1) => Err(Error::HashCollision { namespace: String::new(), name: String::new() }),
                ("comes-again", 1) => Ok(Next::after(Duration::from_millis(1))),
                ("brings-another", _) => Ok(Next { after: None, also: vec![Key::new("", "another")] }),
                _ => Ok(Next::done()),
            }
        }
    }

    async fn check(key: &str, expect: &[&str]) {
        let controller = Arc::new(Scripted::default());
        let queue = WorkQueue::new();
        queue.add(Key::new("", key));
        let worker = tokio::spawn(work("test", controller.clone(), queue.clone()));
        while controller.seen.lock().len() < expect.len() {
            tokio::task::yield_now().await;
        }
        queue.shut_down();
        worker.await.unwrap();
        assert_eq!(*controller.seen.lock(), expect);
    }

    #[tokio::test]
    async fn keys_come_again_as_reconcile_says() {
        check("works", &["works"]).await;
        check("fails-once", &["fails-once", "fails-once"]).await;
        check("comes-again", &["comes-again", "comes-again"]).await;
        check("brings-another", &["brings-another", "another"]).await;
    }

    #[test]
    fn the_sooner_time_wins() {
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(Next::after(Duration::from_secs(5)).sooner(seconds(3)).after, seconds(3));
        assert_eq!(Next::done().sooner(seconds(3)).after, seconds(3));
        assert_eq!(Next::after(Duration::from_secs(5)).sooner(None).after, seconds(5));
    }
}
