//! Gives committed writes to watchers, in order, without ever waiting for one.
//!
//! Invariants: the recent history (`ring`) and the watchers change under one lock, so a watcher that starts from the ring
//! misses nothing and sees nothing twice. A watcher whose queue is full is cut off; the writer never blocks on it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::watcher::{QueueLimits, WatchStream, Watcher, size};
use crate::{Error, EventBatch, Revision};

/// How much the hub holds in memory.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Recent history, in events and in bytes of keys and values.
    pub(crate) ring_events: usize,
    pub(crate) ring_bytes: usize,
    pub(crate) queue: QueueLimits,
}

pub(crate) struct Hub {
    limits: Limits,
    /// Of the last published write; changes under the lock of `inner`.
    revision: AtomicU64,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Every event after this revision is in the ring.
    ring_start: Revision,
    ring: VecDeque<EventBatch>,
    ring_events: usize,
    ring_bytes: usize,
    watchers: Vec<Arc<Watcher>>,
    closed: bool,
}

impl Hub {
    pub(crate) fn new(revision: Revision, limits: Limits) -> Self {
        let inner =
            Inner { ring_start: revision, ring: VecDeque::new(), ring_events: 0, ring_bytes: 0, watchers: Vec::new(), closed: false };
        Self { limits, revision: AtomicU64::new(revision), inner: Mutex::new(inner) }
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision.load(Ordering::Acquire)
    }

    /// Makes writes visible: `show` changes what readers see, in the same critical section in which watchers get the
    /// events. So whoever reads a revision can watch from it.
    pub(crate) fn publish(&self, batches: Vec<EventBatch>, revision: Revision, show: impl FnOnce()) {
        let mut inner = self.inner.lock();
        show();
        self.revision.store(revision, Ordering::Release);
        inner.watchers.retain(|watcher| watcher.offer(&batches, self.limits.queue));
        for batch in batches {
            inner.ring_events += batch.events.len();
            inner.ring_bytes += size(&batch);
            inner.ring.push_back(batch);
        }
        while inner.ring_events > self.limits.ring_events || inner.ring_bytes > self.limits.ring_bytes {
            let Some(old) = inner.ring.pop_front() else { break };
            inner.ring_events -= old.events.len();
            inner.ring_bytes -= size(&old);
            inner.ring_start = old.revision;
        }
    }

    /// Forgets recent history up to and including `revision`.
    pub(crate) fn trim(&self, revision: Revision) {
        let mut inner = self.inner.lock();
        while inner.ring.front().is_some_and(|batch| batch.revision <= revision) {
            let Some(old) = inner.ring.pop_front() else { break };
            inner.ring_events -= old.events.len();
            inner.ring_bytes -= size(&old);
        }
        inner.ring_start = inner.ring_start.max(revision.min(self.revision()));
    }

    /// Starts a watcher of writes after `after`. When the ring does not reach back so far, the second value is the revision
    /// up to which the engine must first replay from disk; the stream holds what follows it.
    pub(crate) fn watch(&self, prefix: &[u8], after: Revision) -> Result<(WatchStream, Option<Revision>), Error> {
        let mut inner = self.inner.lock();
        let current = self.revision();
        if inner.closed {
            return Err(Error::Closed);
        }
        if after > current {
            return Err(Error::Future { requested: after, current });
        }
        let replay = (after < inner.ring_start).then_some(current);
        let watcher = Arc::new(Watcher::new(prefix, replay.unwrap_or(after)));
        if replay.is_none() {
            // The ring is itself bounded: its part is given whole, whatever the queue's own limits.
            watcher.fill(inner.ring.iter().filter(|batch| batch.revision > after));
        }
        inner.watchers.push(watcher.clone());
        Ok((WatchStream::of(watcher), replay))
    }

    /// Gives every watcher a progress mark.
    pub(crate) fn mark(&self) -> Revision {
        let inner = self.inner.lock();
        let revision = self.revision();
        for watcher in &inner.watchers {
            watcher.mark(revision);
        }
        revision
    }

    /// Ends every stream, behind what is queued.
    pub(crate) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        for watcher in inner.watchers.drain(..) {
            watcher.end(Error::Closed);
        }
    }
}
