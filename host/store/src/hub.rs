//! Gives committed writes to watchers, in order, without ever waiting for one.
//!
//! Invariants: the recent history (`ring`) and the watchers change under one lock, so a watcher that starts from the ring
//! misses nothing and sees nothing twice. A watcher whose queue is full is cut off; the writer never blocks on it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::Stream;
use parking_lot::Mutex;

use crate::{Error, Event, EventBatch, Revision};

/// How much the hub holds in memory.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Recent history, in events and in bytes of keys and values.
    pub(crate) ring_events: usize,
    pub(crate) ring_bytes: usize,
    /// One watcher's queue, in batches and in bytes.
    pub(crate) queue_batches: usize,
    pub(crate) queue_bytes: usize,
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

struct Watcher {
    prefix: Bytes,
    queue: Mutex<Queue>,
}

struct Queue {
    batches: VecDeque<EventBatch>,
    bytes: usize,
    /// A bare mark to give when the batches are gone. A later one takes its place, so marks never fill the queue.
    mark: Option<Revision>,
    /// Of the last batch or mark that was put in.
    last: Revision,
    waker: Option<Waker>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Gets batches.
    Live,
    /// Gets no more; gives what is queued, then this error, then ends.
    CutOff,
    StoreClosed,
    /// The error was given.
    Ended,
    /// The stream is gone; the hub forgets the watcher with the next write.
    Dropped,
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
        inner.watchers.retain(|watcher| watcher.offer(&batches, &self.limits));
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
        let queue = Queue { batches: VecDeque::new(), bytes: 0, mark: None, last: after, waker: None, state: State::Live };
        let watcher = Watcher { prefix: Bytes::copy_from_slice(prefix), queue: Mutex::new(queue) };
        let replay = (after < inner.ring_start).then_some(current);
        if replay.is_none() {
            // The ring is itself bounded: its part is given whole, whatever the queue's own limits.
            let mut queue = watcher.queue.lock();
            for batch in inner.ring.iter().filter(|batch| batch.revision > after) {
                if let Some(part) = watcher.part(batch) {
                    queue.push(part);
                }
            }
        } else {
            watcher.queue.lock().last = current;
        }
        let watcher = Arc::new(watcher);
        inner.watchers.push(watcher.clone());
        Ok((WatchStream { watcher }, replay))
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
            watcher.end(State::StoreClosed);
        }
    }
}

impl Watcher {
    fn part(&self, batch: &EventBatch) -> Option<EventBatch> {
        let mut events = batch.events.iter().filter(|event| event.key.starts_with(&self.prefix));
        let first = events.next()?.clone();
        let events: Vec<Event> = std::iter::once(first).chain(events.cloned()).collect();
        Some(EventBatch { revision: batch.revision, events })
    }

    /// Queues what concerns this watcher. False: forget the watcher.
    fn offer(&self, batches: &[EventBatch], limits: &Limits) -> bool {
        let mut parts = batches.iter().filter_map(|batch| self.part(batch)).peekable();
        let mut queue = self.queue.lock();
        if queue.state != State::Live {
            return false;
        }
        if parts.peek().is_none() {
            return true;
        }
        for part in parts {
            let full = queue.batches.len() >= limits.queue_batches || queue.bytes + size(&part) > limits.queue_bytes;
            if full && !queue.batches.is_empty() {
                queue.state = State::CutOff;
                break;
            }
            queue.push(part);
        }
        let live = queue.state == State::Live;
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        live
    }

    fn mark(&self, revision: Revision) {
        let mut queue = self.queue.lock();
        if queue.state != State::Live {
            return;
        }
        queue.mark = Some(revision);
        if let Some(waker) = queue.waker.take() {
            drop(queue);
            waker.wake();
        }
    }

    fn end(&self, state: State) {
        let mut queue = self.queue.lock();
        if queue.state == State::Live {
            queue.state = state;
        }
        if let Some(waker) = queue.waker.take() {
            drop(queue);
            waker.wake();
        }
    }
}

impl Queue {
    fn push(&mut self, batch: EventBatch) {
        self.bytes += size(&batch);
        self.last = batch.revision;
        self.mark = None;
        self.batches.push_back(batch);
    }
}

/// The bytes that a batch keeps alive.
fn size(batch: &EventBatch) -> usize {
    let event = |event: &Event| {
        event.key.len() + event.value.as_ref().map_or(0, Bytes::len) + event.previous.as_ref().map_or(0, |entry| entry.value.len())
    };
    batch.events.iter().map(event).sum()
}

/// What a watcher reads. Ends after an error.
pub(crate) struct WatchStream {
    watcher: Arc<Watcher>,
}

impl Stream for WatchStream {
    type Item = Result<EventBatch, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut queue = self.watcher.queue.lock();
        if let Some(batch) = queue.batches.pop_front() {
            queue.bytes -= size(&batch);
            return Poll::Ready(Some(Ok(batch)));
        }
        if let Some(revision) = queue.mark.take() {
            queue.last = queue.last.max(revision);
            return Poll::Ready(Some(Ok(EventBatch { revision, events: Vec::new() })));
        }
        let error = match queue.state {
            State::Live => {
                queue.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            State::CutOff => Error::Slow { at: queue.last },
            State::StoreClosed => Error::Closed,
            State::Ended | State::Dropped => return Poll::Ready(None),
        };
        queue.state = State::Ended;
        Poll::Ready(Some(Err(error)))
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        let mut queue = self.watcher.queue.lock();
        queue.state = State::Dropped;
        queue.batches.clear();
        queue.waker = None;
    }
}
