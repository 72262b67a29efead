//! A watch that starts before the recent history in memory: replayed from the disk, then live.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;

use super::Shared;
use super::snapshot::{ReadError, Snapshot};
use crate::watcher::WatchStream;
use crate::{Error, EventBatch, Revision};

/// Revisions read from the disk in one go: a few milliseconds at most.
const CHUNK: usize = 256;

pub(super) struct Resumed {
    shared: Arc<Shared>,
    /// `None` once everything up to `upto` was read.
    snapshot: Option<Arc<Snapshot>>,
    prefix: Vec<u8>,
    reached: Revision,
    upto: Revision,
    ready: VecDeque<EventBatch>,
    live: WatchStream,
    failed: bool,
}

impl Resumed {
    /// Events after `after` up to `upto` come from the snapshot, later ones from `live`.
    pub(super) fn new(
        shared: Arc<Shared>,
        snapshot: Arc<Snapshot>,
        prefix: &[u8],
        after: Revision,
        upto: Revision,
        live: WatchStream,
    ) -> Self {
        Self {
            shared,
            snapshot: Some(snapshot),
            prefix: prefix.to_vec(),
            reached: after,
            upto,
            ready: VecDeque::new(),
            live,
            failed: false,
        }
    }
}

impl Resumed {
    /// The snapshot to go on with when the file was closed, or opened again, during the replay.
    fn after(&self, error: ReadError) -> Result<Arc<Snapshot>, Error> {
        let ReadError::Reopening(failure) = error else { return Err(error.into_error()) };
        let later = self.shared.current()?;
        if self.snapshot.as_ref().is_some_and(|snapshot| Arc::ptr_eq(snapshot, &later)) {
            return Err(failure.into_error("replay of history"));
        }
        later.knows(self.reached).map_err(ReadError::into_error)?;
        Ok(later)
    }
}

impl Stream for Resumed {
    type Item = Result<EventBatch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.failed {
            return Poll::Ready(None);
        }
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(batch)));
            }
            let Some(snapshot) = &self.snapshot else { break };
            match snapshot.replay(&self.prefix, self.reached, self.upto, CHUNK) {
                Ok((batches, reached)) => {
                    self.ready = batches.into();
                    self.reached = reached;
                    if reached >= self.upto {
                        self.snapshot = None;
                    }
                }
                Err(error) => match self.after(error) {
                    Ok(later) => self.snapshot = Some(later),
                    Err(error) => {
                        self.failed = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
            }
        }
        Pin::new(&mut self.live).poll_next(context)
    }
}
