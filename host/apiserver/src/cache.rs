//! The watch cache: every object of every kind in host memory, fed by one watch of the store.
//!
//! GET, LIST and WATCH are answered from here. It is never staler than Kubernetes would be: a read without a
//! resourceVersion first waits until the cache has reached the store's revision ([`Caches::current`]).
//!
//! Invariants
//! - One feeder applies the store's batches in order; `applied` is raised only after every kind has seen the batch.
//! - An item's final JSON is made once, when it arrives, and shared by every reader and watcher.
//! - Caches are of storage rows. They come and go with the registry's custom rows, between two batches of the feeder.
//! - Watchers hold a cursor into a bounded ring of changes. One that falls behind the ring is cut off.

mod item;
mod kind;

pub use item::{Change, ChangeType, Item, event_line};
pub use kind::{Ahead, KindCache};

use object::{Reason, StatusCause, StatusError};
use parking_lot::{Mutex, RwLock};
use registry::{Kind, Registry};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{EventBatch, Revision, Store};
use tokio::sync::watch;

/// Everything lies below it.
pub const ROOT: &str = "/registry/";
/// How long a read waits for a revision: upstream's `blockTimeout`.
const WAIT: Duration = Duration::from_secs(3);
/// Before the caches are loaded again from a store that failed.
const PAUSE: Duration = Duration::from_millis(500);
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
    registry: Arc<Registry>,
    by_prefix: RwLock<HashMap<String, Arc<KindCache>>>,
    /// Raised when the registry's rows are others.
    rows: watch::Sender<u64>,
    progress: watch::Sender<Progress>,
    trimmed: Mutex<Instant>,
}

impl Caches {
    pub fn new(store: Arc<dyn Store>, registry: &Arc<Registry>) -> Arc<Self> {
        let by_prefix = registry.storage_rows().into_iter().map(|k| (k.storage_prefix(), Arc::new(KindCache::new(k)))).collect();
        let (progress, trimmed) = (watch::Sender::new(Progress::default()), Mutex::new(Instant::now()));
        let (registry, by_prefix) = (registry.clone(), RwLock::new(by_prefix));
        let caches = Arc::new(Self { store, registry, by_prefix, rows: watch::Sender::new(0), progress, trimmed });
        let told = Arc::downgrade(&caches);
        caches.registry.on_change(move || {
            if let Some(caches) = told.upgrade() {
                caches.rows.send_modify(|rows| *rows += 1);
            }
        });
        caches
    }

    /// The cache of a row's stored form.
    pub fn of(&self, kind: &Kind) -> Result<Arc<KindCache>, StatusError> {
        let found = self.by_prefix.read().get(&kind.storage_prefix()).cloned();
        found.ok_or_else(|| StatusError::unavailable(format!("{} are not loaded yet", kind.group_resource())))
    }

    pub fn all(&self) -> Vec<Arc<KindCache>> {
        self.by_prefix.read().values().cloned().collect()
    }

    /// Waits until a storage row's cache is there: custom rows are served before their objects are loaded.
    pub async fn ready(&self, row: &Arc<Kind>) -> Result<(), StatusError> {
        let is_there = || self.by_prefix.read().get(&row.storage_prefix()).is_some_and(|c| !row.is_dynamic() || c.kind.shares_storage(row));
        if is_there() && self.is_loaded() {
            return Ok(());
        }
        let mut progress = self.progress.subscribe();
        match tokio::time::timeout(WAIT, progress.wait_for(|p| p.loaded && is_there())).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(StatusError::unavailable(format!("{} are not loaded yet", row.group_resource()))),
        }
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
        let revision = self.store.current_revision().await.map_err(|e| crate::server::store_error(&e))?;
        self.wait_for(revision).await
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
                Err(error) => {
                    tracing::warn!(%error, "the watch cache loads again");
                    // A store that cannot be reached is not asked in a circle.
                    if matches!(error, store::Error::Unavailable { .. } | store::Error::Engine { .. }) {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
    }

    async fn follow(&self) -> Result<(), store::Error> {
        use futures::StreamExt;
        let start = self.store.current_revision().await?;
        let mut rows = self.rows.subscribe();
        for cache in self.all() {
            self.load(&cache, start).await?;
        }
        let mut stream = self.store.watch(ROOT.as_bytes(), start).await?;
        self.progress.send_replace(Progress { loaded: true, revision: start });
        self.follow_rows(start).await?;
        loop {
            tokio::select! {
                biased;
                changed = rows.changed() => match changed {
                    Ok(()) => self.follow_rows(self.applied()).await?,
                    Err(_) => return Ok(()),
                },
                batch = stream.next() => match batch {
                    Some(batch) => self.apply(batch?),
                    None => return Ok(()),
                },
            }
        }
    }

    async fn load(&self, cache: &KindCache, revision: Revision) -> Result<(), store::Error> {
        let prefix = cache.kind.storage_prefix();
        let end = store::prefix_end(prefix.as_bytes());
        let page = self.store.range(prefix.as_bytes(), &end, 0, Some(revision).filter(|r| *r > 0)).await?;
        cache.replace(page.entries, revision);
        Ok(())
    }

    /// Brings the caches in line with the rows: loads what is new, at the revision that all others show, and ends what is
    /// gone. A custom row that was replaced has other fields to select by: its cache is another one, as upstream tears down
    /// a changed definition's storage (`apiextensions-apiserver/pkg/apiserver/customresource_handler.go`).
    async fn follow_rows(&self, revision: Revision) -> Result<(), store::Error> {
        let rows: HashMap<String, Arc<Kind>> = self.registry.storage_rows().into_iter().map(|k| (k.storage_prefix(), k)).collect();
        let fits = |prefix: &String, cache: &Arc<KindCache>| {
            rows.get(prefix).is_some_and(|row| !row.is_dynamic() || row.shares_storage(&cache.kind))
        };
        let ended: Vec<_> = self.by_prefix.write().extract_if(|prefix, cache| !fits(prefix, cache)).collect();
        ended.iter().for_each(|(_, cache)| cache.end());
        for (prefix, row) in rows {
            if !self.by_prefix.read().contains_key(&prefix) {
                let cache = Arc::new(KindCache::new(row));
                self.load(&cache, revision).await?;
                self.by_prefix.write().insert(prefix, cache);
            }
        }
        self.progress.send_modify(|_| {});
        Ok(())
    }

    fn apply(&self, batch: EventBatch) {
        for event in batch.events {
            let Some((prefix, name)) = split(&event.key) else { continue };
            let Some(cache) = self.by_prefix.read().get(prefix).cloned() else { continue };
            cache.apply(name, event.value.as_deref(), event.create_revision, event.revision);
        }
        self.progress.send_replace(Progress { loaded: true, revision: batch.revision });
        // Rings of kinds that went quiet after a burst are let go, too. Leases are renewed always, so this comes by.
        let mut trimmed = self.trimmed.lock();
        if trimmed.elapsed() > TRIM {
            *trimmed = Instant::now();
            self.all().iter().for_each(|cache| cache.trim());
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
