//! Drives the controllers that are plugins (`interfaces::reconcile`), as `wit/controller.wit` promises them to be driven.
//!
//! - [`feed`]: one list and watch per selection, shared by all plugins, that keeps names and digests, no objects.
//! - [`mapping`]: from a changed object to the keys it concerns.
//! - [`access`]: what a plugin's own identity may list and watch; it decides before a feed is joined.
//! - [`crds`]: the definitions that a plugin brings along.
//! - [`driver`]: one task per plugin: definitions, declaration, watches, workers; the swap when the plugin changes.
//! - [`watches`]: from changes in feeds to keys in a plugin's queue.
//! - [`work`]: one key: read, finalizer, reconcile, back-off.
//! - [`report`]: `status.controller` of the WasmPlugin.
//!
//! Invariants
//! - A plugin has one queue for all its lives: a key is never out twice, also while an update replaces the component.
//! - Watches are joined before the workers of a new component start, and left after those of the old one have stopped: no
//!   event falls between. After each start every object of the primary watches is queued.
//! - A plugin at rest costs a task per worker and a table of names that it shares; no instance, no object, no timer.

mod access;
mod crds;
mod driver;
mod feed;
mod mapping;
mod report;
mod watches;
mod work;

pub use crds::{Crd, Deletion};
pub use work::cut;

use client::{Client, UserInfo};
use feed::Feeds;
use interfaces::reconcile::Reconciler;
use object::ObjectRef;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What a WasmPlugin's `spec.controller` says.
#[derive(Clone, Debug, PartialEq)]
pub struct ControllerSettings {
    /// Keys worked on at once.
    pub workers: usize,
    /// Instances that did nothing for so long are dropped.
    pub idle: Duration,
    pub crds: Vec<Crd>,
    pub crd_deletion: Deletion,
}

impl Default for ControllerSettings {
    fn default() -> Self {
        Self { workers: 1, idle: Duration::from_secs(30), crds: Vec::new(), crd_deletion: Deletion::Retain }
    }
}

/// A loaded plugin with controllers.
#[derive(Clone)]
pub struct ControllerRow {
    pub plugin: Arc<dyn Reconciler>,
    /// As whom it watches and reads.
    pub account: UserInfo,
    /// Its WasmPlugin.
    pub object: ObjectRef,
    pub settings: ControllerSettings,
}

/// The loaded controllers by name, replaced whole on each change.
pub type ControllerSet = Arc<Vec<ControllerRow>>;

/// What all plugins share.
struct Context {
    /// As the part that loads plugins.
    client: Client,
    feeds: Feeds,
    node_name: String,
    /// Sent to whenever there are other kinds.
    kinds: watch::Sender<()>,
}

/// Runs the controllers of `set`, as it changes, until `shutdown`; returns when the calls under way have ended. Where several
/// servers share a store, one of them runs this at a time.
pub async fn run(client: Client, node_name: String, mut set: watch::Receiver<ControllerSet>, shutdown: CancellationToken) {
    let kinds = watch::Sender::new(());
    let told = kinds.clone();
    client.registry().on_change(move || told.send_replace(()));
    let context = Arc::new(Context { feeds: Feeds::new(client.clone()), client, node_name, kinds });
    let mut running: HashMap<String, (watch::Sender<ControllerRow>, CancellationToken)> = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let rows = set.borrow_and_update().clone();
        running.retain(|name, (_, stop)| {
            let stays = rows.iter().any(|row| row.plugin.name() == name);
            if !stays {
                stop.cancel();
            }
            stays
        });
        for row in rows.iter() {
            match running.get(row.plugin.name()) {
                Some((sender, _)) => {
                    sender.send_if_modified(|known| {
                        let other = !row.is(known);
                        if other {
                            *known = row.clone();
                        }
                        other
                    });
                }
                None => {
                    let stop = shutdown.child_token();
                    let (sender, receiver) = watch::channel(row.clone());
                    tasks.spawn(driver::drive(context.clone(), receiver, stop.clone()));
                    running.insert(row.plugin.name().to_owned(), (sender, stop));
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = set.changed() => if changed.is_err() {
                shutdown.cancelled().await;
                break;
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

impl ControllerRow {
    /// The same component with the same settings, not loaded anew.
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.plugin, &other.plugin)
            && self.account == other.account
            && self.settings == other.settings
            && self.object.uid == other.object.uid
    }
}
