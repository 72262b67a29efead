//! One watcher's queue: what a feed puts in without ever waiting, and the stream that a reader takes from. For engines, also of
//! other crates.
//!
//! Invariants: batches come out in order; a bare mark comes out behind the batches that were put in before it. A watcher whose
//! queue is full gets no more: it reads what is queued, then [`Error::Slow`], then the end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::Stream;
use parking_lot::Mutex;

use crate::{Error, Event, EventBatch, Revision};

/// What one watcher's queue holds at most, in batches and in bytes of keys and values.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    pub batches: usize,
    pub bytes: usize,
}

impl Default for QueueLimits {
    /// Some seconds of a busy store, within the memory budget of a board.
    fn default() -> Self {
        Self { batches: 16 * 1024, bytes: 16 << 20 }
    }
}

pub struct Watcher {
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

enum State {
    /// Gets batches.
    Live,
    /// Gets no more; gives what is queued, then this error, then ends.
    Ending(Error),
    /// Its queue was full. As [`State::Ending`] with [`Error::Slow`] of the last batch that was put in.
    CutOff,
    /// The error was given.
    Ended,
    /// The stream is gone; its feed forgets the watcher with the next write.
    Dropped,
}

impl Watcher {
    /// Of keys with this prefix, from behind the revision `after`.
    pub fn new(prefix: &[u8], after: Revision) -> Self {
        let queue = Queue { batches: VecDeque::new(), bytes: 0, mark: None, last: after, waker: None, state: State::Live };
        Self { prefix: Bytes::copy_from_slice(prefix), queue: Mutex::new(queue) }
    }

    fn part(&self, batch: &EventBatch) -> Option<EventBatch> {
        let mut events = batch.events.iter().filter(|event| event.key.starts_with(&self.prefix));
        let first = events.next()?.clone();
        let events: Vec<Event> = std::iter::once(first).chain(events.cloned()).collect();
        Some(EventBatch { revision: batch.revision, events })
    }

    /// Queues what concerns this watcher, without limits.
    pub(crate) fn fill<'b>(&self, batches: impl Iterator<Item = &'b EventBatch>) {
        let mut queue = self.queue.lock();
        for part in batches.filter_map(|batch| self.part(batch)) {
            queue.push(part);
        }
    }

    /// Queues what concerns this watcher. False: forget the watcher.
    pub fn offer(&self, batches: &[EventBatch], limits: QueueLimits) -> bool {
        let mut parts = batches.iter().filter_map(|batch| self.part(batch)).peekable();
        let mut queue = self.queue.lock();
        if !matches!(queue.state, State::Live) {
            return false;
        }
        if parts.peek().is_none() {
            return true;
        }
        for part in parts {
            let full = queue.batches.len() >= limits.batches || queue.bytes + size(&part) > limits.bytes;
            if full && !queue.batches.is_empty() {
                queue.state = State::CutOff;
                break;
            }
            queue.push(part);
        }
        let live = matches!(queue.state, State::Live);
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        live
    }

    /// Queues a bare mark of this revision.
    pub fn mark(&self, revision: Revision) {
        let mut queue = self.queue.lock();
        if !matches!(queue.state, State::Live) {
            return;
        }
        queue.mark = Some(revision);
        if let Some(waker) = queue.waker.take() {
            drop(queue);
            waker.wake();
        }
    }

    /// Ends the stream with this error, behind what is queued. Only the first end counts.
    pub fn end(&self, error: Error) {
        let mut queue = self.queue.lock();
        if matches!(queue.state, State::Live) {
            queue.state = State::Ending(error);
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
pub(crate) fn size(batch: &EventBatch) -> usize {
    let event = |event: &Event| {
        event.key.len() + event.value.as_ref().map_or(0, Bytes::len) + event.previous.as_ref().map_or(0, |entry| entry.value.len())
    };
    batch.events.iter().map(event).sum()
}

/// What a watcher's owner reads. Ends after an error.
pub struct WatchStream {
    watcher: Arc<Watcher>,
}

impl WatchStream {
    /// The one stream of a watcher.
    pub fn of(watcher: Arc<Watcher>) -> Self {
        Self { watcher }
    }
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
        if matches!(queue.state, State::Live) {
            queue.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(match std::mem::replace(&mut queue.state, State::Ended) {
            State::CutOff => Some(Err(Error::Slow { at: queue.last })),
            State::Ending(error) => Some(Err(error)),
            State::Live | State::Ended | State::Dropped => None,
        })
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
