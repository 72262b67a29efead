//! The watch cache: every object of every kind in host memory, fed by one watch of the store.
//!
//! GET, LIST and WATCH are answered from here. It is never staler than Kubernetes would be: a read without a
//! resourceVersion first waits until the cache has reached the store's revision ([`Caches::current`]).
//!
//! Invariants
//! - One feeder applies the store's batches in order; `applied` is raised only after every kind has seen the batch.
//! - An item's final JSON is made once, when it arrives, and shared by every reader and watcher.
//! - Watchers hold a cursor into a bounded ring of changes. One that falls behind the ring is cut off.

mod item;
mod kind;

pub use item::{Change, ChangeType, Item, event_line};
pub use kind::{Ahead, KindCache};

use object::{Reason, StatusCause, StatusError};
use parking_lot::Mutex;
use registry::Registry;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{EventBatch, Revision, Store};
use tokio::sync::watch;

/// Everything lies below it.
pub const ROOT: &str = "/registry/";
/// How long a read waits for a revision: upstream's `blockTimeout`.
const WAIT: Duration = Duration::from_secs(3);
/// Between looks at all rings.
const TRIM: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// The first load is done.
    loaded: bool,
    revision: Revision,
}

pub struct Caches {
    store: Arc<dyn Store>,
    by_prefix: HashMap<String, Arc<KindCache>>,
    progress: watch::Sender<Progress>,
    trimmed: Mutex<Instant>,
}

impl Caches {
    pub fn new(store: Arc<dyn Store>, registry: &Registry) -> Arc<Self> {
        let kinds = registry.kinds().into_iter();
        let by_prefix = kinds.map(|k| (k.storage_prefix(), Arc::new(KindCache::new(k)))).collect();
        Arc::new(Self { store, by_prefix, progress: watch::Sender::new(Progress::default()), trimmed: Mutex::new(Instant::now()) })
    }

    pub fn of(&self, kind: &registry::Kind) -> Result<Arc<KindCache>, StatusError> {
        self.by_prefix.get(&kind.storage_prefix()).cloned().ok_or_else(|| StatusError::internal("kind has no cache"))
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<KindCache>> {
        self.by_prefix.values()
    }

    /// Whether the first load is done.
    pub fn is_loaded(&self) -> bool {
        self.progress.borrow().loaded
    }

    /// What every kind has seen.
    pub fn applied(&self) -> Revision {
        self.progress.borrow().revision
    }

    /// Waits until the cache shows everything that was committed when this was called.
    pub async fn current(&self) -> Result<(), StatusError> {
        self.wait_for(self.store.revision()).await
    }

    /// Waits until the cache has reached a revision; 504 as upstream's `NewTooLargeResourceVersionError`.
    pub async fn wait_for(&self, revision: Revision) -> Result<(), StatusError> {
        {
            let now = self.progress.borrow();
            if now.loaded && now.revision >= revision {
                return Ok(());
            }
        }
        let mut progress = self.progress.subscribe();
        let reached = tokio::time::timeout(WAIT, progress.wait_for(|p| p.loaded && p.revision >= revision)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(StatusError::unavailable("the server is shutting down")),
            Err(_) => {
                let message = format!("Too large resource version: {revision}, current: {}", self.applied());
                let mut error = StatusError::new(504, Reason::Timeout, format!("Timeout: {message}"));
                error.retry_after_seconds = 1;
                let cause = "Too large resource version".to_owned();
                error.causes = vec![StatusCause { reason: "ResourceVersionTooLarge".to_owned(), message: cause, field: String::new() }];
                Err(error)
            }
        }
    }

    /// Loads everything and follows the store until it closes. Falls back to a new load when the watch breaks; watchers of
    /// the time before are cut off then.
    pub async fn feed(self: Arc<Self>) {
        loop {
            match self.follow().await {
                Ok(()) | Err(store::Error::Closed) => return,
                Err(error) => tracing::warn!(%error, "the watch cache loads again"),
            }
        }
    }

    async fn follow(&self) -> Result<(), store::Error> {
        use futures::StreamExt;
        let start = self.store.revision();
        for (prefix, cache) in &self.by_prefix {
            let end = store::prefix_end(prefix.as_bytes());
            let page = self.store.range(prefix.as_bytes(), &end, 0, Some(start).filter(|r| *r > 0)).await?;
            cache.replace(page.entries, start);
        }
        let mut stream = self.store.watch(ROOT.as_bytes(), start).await?;
        self.progress.send_replace(Progress { loaded: true, revision: start });
        while let Some(batch) = stream.next().await {
            self.apply(batch?);
        }
        Ok(())
    }

    fn apply(&self, batch: EventBatch) {
        for event in batch.events {
            let Some((prefix, name)) = split(&event.key) else { continue };
            let Some(cache) = self.by_prefix.get(prefix) else { continue };
            cache.apply(name, event.value.as_deref(), event.create_revision, event.revision);
        }
        self.progress.send_replace(Progress { loaded: true, revision: batch.revision });
        // Rings of kinds that went quiet after a burst are let go, too. Leases are renewed always, so this comes by.
        let mut trimmed = self.trimmed.lock();
        if trimmed.elapsed() > TRIM {
            *trimmed = Instant::now();
            self.by_prefix.values().for_each(|cache| cache.trim());
        }
    }
}

/// `/registry/<group>/<resource>/` and the rest of a key.
fn split(key: &[u8]) -> Option<(&str, &str)> {
    let key = std::str::from_utf8(key).ok()?;
    let mut slashes = key.match_indices('/').map(|(at, _)| at);
    let end = slashes.nth(3)? + 1;
    Some(key.split_at(end))
}
