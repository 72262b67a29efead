//! The one thread that writes.
//!
//! A turn: take everything that waits, apply it in order to one redb transaction, commit, publish, answer. While a commit
//! waits for the disk the next group gathers, so the cost of a flush is shared by all who wait.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use ::redb::{Database, Durability as Flush};
use tokio::sync::oneshot;

use super::apply::{Applied, Tables};
use super::compact::Compaction;
use super::failure::{Failure, failed};
use super::snapshot::{ReadError, Snapshot};
use super::tables::{self, META, Opened, RESERVED_KEY};
use super::{Config, Shared};
use crate::{Durability, Error, EventBatch, LAZY_DELAY, Op, Revision, Txn, TxnOutcome};

/// Transactions and bytes of values in one commit: keeps the wait of the first in the group, and redb's dirty pages, small.
const GROUP_TXNS: usize = 1024;
const GROUP_BYTES: usize = 4 << 20;

/// Lazy revisions given out before the next durable commit is forced, and the step in which they are reserved on disk.
const LAZY_REVISIONS: u64 = 4096;

/// Revisions of history removed at least with each commit, and per turn when nothing else is to do.
const COMPACT_WITH_COMMIT: u64 = 64;
const COMPACT_IDLE: u64 = 1024;

/// redb copies the pages it changes: about three of 4 KiB for each row, and rows are written to three tables.
const BYTES_PER_OP: u64 = 36 << 10;

pub(super) enum Request {
    Txn(Txn, oneshot::Sender<Result<TxnOutcome, Error>>),
    Compact(Revision, oneshot::Sender<Result<(), Error>>),
    Close(oneshot::Sender<Result<(), Error>>),
}

type Waiting = (Txn, oneshot::Sender<Result<TxnOutcome, Error>>);

pub(super) struct Writer {
    shared: Arc<Shared>,
    config: Config,
    inbox: Receiver<Request>,
    /// `None` after an I/O error, until the file could be opened again.
    database: Option<Database>,
    /// Of the last published write.
    revision: Revision,
    /// On disk: lazy revisions up to this one may be given out.
    reserved: Revision,
    compaction: Compaction,
    /// Published lazy writes that are not on disk, to be applied again when the file must be reopened.
    lazy: Vec<(Revision, Vec<Op>)>,
    lazy_due: Option<Instant>,
    mark_due: Option<Instant>,
}

/// A group on its way.
struct Group {
    outcomes: Vec<TxnOutcome>,
    batches: Vec<EventBatch>,
    revision: Revision,
    compacted: Revision,
    reserved: Revision,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, config: Config, opened: Opened, inbox: Receiver<Request>) -> Self {
        Self {
            shared,
            inbox,
            compaction: Compaction::new(opened.oldest, opened.revision, config.history, config.history_revisions),
            config,
            revision: opened.revision,
            reserved: opened.reserved,
            database: Some(opened.database),
            lazy: Vec::new(),
            lazy_due: None,
            mark_due: None,
        }
    }

    /// Runs until closed or until the store is dropped.
    pub(super) fn run(mut self) {
        loop {
            match self.next() {
                Some(Request::Close(reply)) => {
                    let result = self.close();
                    // The file is free before the answer, so that who closes may open again.
                    drop(self);
                    let _ = reply.send(result);
                    return;
                }
                Some(Request::Compact(revision, reply)) => {
                    let _ = reply.send(self.compact(revision));
                }
                Some(Request::Txn(txn, reply)) => {
                    let closing = self.gather(txn, reply);
                    if let Some(reply) = closing {
                        let result = self.close();
                        drop(self);
                        let _ = reply.send(result);
                        return;
                    }
                }
                None => self.idle(),
            }
        }
    }

    /// The next request, or `None` when a timer is due. Without timers the thread sleeps until there is a request.
    fn next(&mut self) -> Option<Request> {
        // After a failed flush the timer paces the next attempt.
        let paced = self.lazy_due.is_some_and(|due| due > Instant::now());
        if self.compaction.owed(self.revision) && !paced {
            return self.inbox.try_recv().ok();
        }
        let due = [self.lazy_due, self.mark_due].into_iter().flatten().min();
        let closed = || Request::Close(oneshot::channel().0);
        match due {
            None => Some(self.inbox.recv().unwrap_or_else(|_| closed())),
            Some(due) => match self.inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(closed()),
            },
        }
    }

    /// What is due without a request.
    fn idle(&mut self) {
        let now = Instant::now();
        if self.mark_due.is_some_and(|due| due <= now) {
            self.shared.hub.mark();
            self.mark_due = None;
        }
        let flush = self.lazy_due.is_some_and(|due| due <= now);
        if (flush || self.compaction.owed(self.revision))
            && let Err(failure) = self.flush()
        {
            tracing::warn!(path = %self.shared.path.display(), "state is not on disk yet, will try again: {failure}");
            self.lazy_due = Some(now + LAZY_DELAY);
        }
    }

    /// Takes what else waits, up to a group's size, and commits it. Returns the caller who asked to close, if one did.
    fn gather(&mut self, first: Txn, reply: oneshot::Sender<Result<TxnOutcome, Error>>) -> Option<oneshot::Sender<Result<(), Error>>> {
        let mut bytes = size(&first);
        let mut group = vec![(first, reply)];
        let mut closing = None;
        while group.len() < GROUP_TXNS && bytes < GROUP_BYTES {
            match self.inbox.try_recv() {
                Ok(Request::Txn(txn, reply)) => {
                    bytes += size(&txn);
                    group.push((txn, reply));
                }
                Ok(Request::Compact(revision, reply)) => {
                    let _ = reply.send(self.compact(revision));
                }
                Ok(Request::Close(reply)) => {
                    closing = Some(reply);
                    break;
                }
                Err(_) => break,
            }
        }
        self.commit(group);
        closing
    }

    fn commit(&mut self, group: Vec<Waiting>) {
        if let Err(failure) = self.ensure_open() {
            return answer_all(group, &failure);
        }
        let group = self.refuse_for_space(group);
        if group.is_empty() {
            return;
        }
        let last = self.revision + group.len() as u64;
        let reserve = group.iter().any(|waiting| !is_durable(waiting)) && last > self.reserved;
        let durable = reserve || self.lazy.len() as u64 >= LAZY_REVISIONS || group.iter().any(is_durable);
        match self.write(&group, durable, reserve) {
            Ok(written) => {
                if durable && written.revision > self.revision {
                    self.lazy.clear();
                    self.lazy_due = None;
                }
                if !durable {
                    self.remember(&group, &written.outcomes);
                }
                let outcomes = self.publish(written);
                for ((_, reply), outcome) in group.into_iter().zip(outcomes) {
                    let _ = reply.send(outcome);
                }
            }
            Err(failure) => {
                tracing::error!(path = %self.shared.path.display(), "a commit failed: {failure}");
                answer_all(group, &failure);
                self.recover();
            }
        }
    }

    /// Applies the group to one redb transaction. With an error nothing is visible, but the database may refuse to go on.
    fn write(&mut self, group: &[Waiting], durable: bool, reserve: bool) -> Result<Group, Failure> {
        let database = self.database.as_ref().ok_or(Failure::Reopen("the state file is not open".to_owned()))?;
        let mut write = database.begin_write().map_err(failed)?;
        if !durable {
            write.set_durability(Flush::None).map_err(failed)?;
        }
        let mut done = Group {
            outcomes: Vec::with_capacity(group.len()),
            batches: Vec::with_capacity(group.len()),
            revision: self.revision,
            compacted: 0,
            reserved: self.reserved,
        };
        {
            let mut tables = Tables::open(&write)?;
            for (txn, _) in group {
                let outcome = match tables.apply(txn, done.revision + 1)? {
                    Applied::Written(batch) => {
                        done.revision = batch.revision;
                        done.batches.push(batch);
                        TxnOutcome::Committed(done.revision)
                    }
                    Applied::Nothing => TxnOutcome::Committed(done.revision),
                    Applied::Refused(found) => TxnOutcome::Failed(found),
                };
                done.outcomes.push(outcome);
            }
            if durable && done.revision > self.revision {
                let budget = COMPACT_WITH_COMMIT.max(2 * group.len() as u64);
                done.compacted = self.compaction.step(&mut tables, self.revision, budget)?;
            }
        }
        if done.revision == self.revision {
            write.abort().map_err(failed)?;
            return Ok(done);
        }
        if reserve {
            done.reserved = done.revision + LAZY_REVISIONS;
            write.open_table(META).map_err(failed)?.insert(RESERVED_KEY, done.reserved).map_err(failed)?;
        }
        write.commit().map_err(failed)?;
        Ok(done)
    }

    /// Shows the group to readers and watchers; then it may be answered.
    fn publish(&mut self, group: Group) -> Vec<Result<TxnOutcome, Error>> {
        self.compaction.finished(group.compacted);
        self.reserved = group.reserved;
        if group.revision > self.revision
            && let Err(failure) = self.show(group.batches, group.revision)
        {
            return group.outcomes.iter().map(|_| Err(failure.clone().into_error("commit"))).collect();
        }
        group.outcomes.into_iter().map(Ok).collect()
    }

    fn show(&mut self, batches: Vec<EventBatch>, revision: Revision) -> Result<(), Failure> {
        let database = self.database.as_ref().ok_or(Failure::Reopen("the state file is not open".to_owned()))?;
        let snapshot = match Snapshot::take(database, revision) {
            Ok(snapshot) => Arc::new(snapshot),
            Err(ReadError::Reopening(failure)) => return Err(failure),
            Err(error) => return Err(Failure::Database(error.into_error().to_string())),
        };
        self.revision = revision;
        let old = self.shared.snapshot.read().clone();
        self.shared.hub.publish(batches, revision, || *self.shared.snapshot.write() = Some(snapshot));
        // Its pages are given back here, not by some reader.
        drop(old);
        if self.mark_due.is_none() {
            self.mark_due = Some(Instant::now() + self.config.progress_interval);
        }
        Ok(())
    }

    fn remember(&mut self, group: &[Waiting], outcomes: &[TxnOutcome]) {
        for ((txn, _), outcome) in group.iter().zip(outcomes) {
            if let TxnOutcome::Committed(revision) = outcome
                && *revision > self.revision
                && self.lazy.last().is_none_or(|(last, _)| last < revision)
            {
                self.lazy.push((*revision, txn.ops.clone()));
                let due = Instant::now() + txn.durability.delay().unwrap_or_default();
                self.lazy_due = Some(self.lazy_due.map_or(due, |earlier| earlier.min(due)));
            }
        }
    }

    /// Takes lazy writes to the disk and does a step of the compaction that was asked for.
    fn flush(&mut self) -> Result<(), Failure> {
        self.ensure_open()?;
        if self.free_bytes()? < self.config.min_free_bytes {
            return Err(Failure::Full);
        }
        let flushed = self.try_flush();
        match flushed {
            Ok(done) => {
                self.compaction.finished(done);
                self.lazy.clear();
                self.lazy_due = None;
            }
            Err(_) => self.recover(),
        }
        flushed.map(|_| ())
    }

    fn try_flush(&mut self) -> Result<Revision, Failure> {
        let database = self.database.as_ref().ok_or(Failure::Reopen("the state file is not open".to_owned()))?;
        let write = database.begin_write().map_err(failed)?;
        let done = self.compaction.step(&mut Tables::open(&write)?, self.revision, COMPACT_IDLE)?;
        write.commit().map_err(failed)?;
        Ok(done)
    }

    fn compact(&mut self, revision: Revision) -> Result<(), Error> {
        if revision > self.revision {
            return Err(Error::Future { requested: revision, current: self.revision });
        }
        self.compaction.ask(revision);
        self.shared.oldest.fetch_max(revision, std::sync::atomic::Ordering::AcqRel);
        self.shared.hub.trim(revision);
        Ok(())
    }

    /// Answers what the disk has no room for. Lazy writes go on in memory, within their bound.
    fn refuse_for_space(&mut self, group: Vec<Waiting>) -> Vec<Waiting> {
        // Without figures, try.
        let free = self.free_bytes().unwrap_or(u64::MAX);
        let wanted: u64 = group.iter().map(|(txn, _)| size(txn) as u64 * 2 + txn.ops.len() as u64 * BYTES_PER_OP).sum();
        if free >= self.config.min_free_bytes.saturating_add(wanted) {
            return group;
        }
        let deletes_fit = free >= self.config.min_free_bytes / 4;
        let lazy_fit =
            self.lazy.len() as u64 + (group.len() as u64) < LAZY_REVISIONS && self.revision + group.len() as u64 <= self.reserved;
        let fits = |(txn, _): &Waiting| match txn.durability {
            Durability::Lazy | Durability::Heartbeat => lazy_fit,
            Durability::Durable => deletes_fit && txn.ops.iter().all(|op| matches!(op, Op::Delete { .. })),
        };
        let (fitting, refused) = group.into_iter().partition(fits);
        answer_all(refused, &Failure::Full);
        fitting
    }

    /// Free bytes of the file system that holds the state.
    fn free_bytes(&self) -> Result<u64, Failure> {
        let found = rustix::fs::statvfs(&self.shared.path).map_err(|errno| Failure::Database(errno.to_string()))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn ensure_open(&mut self) -> Result<(), Failure> {
        if self.database.is_none() {
            self.reopen()?;
        }
        Ok(())
    }

    fn recover(&mut self) {
        self.database = None;
        if let Err(failure) = self.reopen() {
            tracing::error!(path = %self.shared.path.display(), "the state file cannot be opened again yet: {failure}");
        }
    }

    /// Opens the file again after an I/O error, which redb requires, and brings disk, memory and watchers together:
    /// what the failed commit did take to the disk is published, lazy writes that it did not take are applied again.
    fn reopen(&mut self) -> Result<(), Failure> {
        self.database = None;
        let opened = tables::open(&self.shared.path, self.config.cache_bytes).map_err(|error| match error {
            Error::Full(_) => Failure::Full,
            error => Failure::Database(error.to_string()),
        })?;
        self.reserved = opened.reserved;
        let logged = opened.revision;
        self.database = Some(opened.database);
        let restored = self.restore(logged);
        if restored.is_err() {
            self.database = None;
        }
        restored?;
        self.shared.reopened.send_modify(|count| *count += 1);
        Ok(())
    }

    fn restore(&mut self, logged: Revision) -> Result<(), Failure> {
        let published = self.revision;
        if let Some(database) = &self.database {
            let mut write = database.begin_write().map_err(failed)?;
            write.set_durability(Flush::None).map_err(failed)?;
            {
                let mut tables = Tables::open(&write)?;
                for (revision, ops) in self.lazy.iter().filter(|(revision, _)| *revision > logged) {
                    tables.apply(&Txn { ops: ops.clone(), ..Txn::default() }, *revision)?;
                }
            }
            write.commit().map_err(failed)?;
        }
        let revision = published.max(logged);
        let batches = match &self.database {
            Some(database) if logged > published => {
                let read = |error: ReadError| Failure::Database(error.into_error().to_string());
                let snapshot = Snapshot::take(database, revision).map_err(read)?;
                snapshot.replay(b"", published, logged, usize::MAX).map_err(read)?.0
            }
            _ => Vec::new(),
        };
        self.show(batches, revision)
    }

    fn close(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        if self.database.is_some() {
            result = self.clean().map_err(|failure| failure.into_error("closing the state file"));
        }
        *self.shared.snapshot.write() = None;
        self.shared.hub.close();
        self.database = None;
        result
    }

    /// Lazy writes to the disk, and the reserved revisions given back.
    fn clean(&mut self) -> Result<(), Failure> {
        let Some(database) = &self.database else { return Ok(()) };
        if self.lazy.is_empty() && self.reserved <= self.revision {
            return Ok(());
        }
        let write = database.begin_write().map_err(failed)?;
        write.open_table(META).map_err(failed)?.insert(RESERVED_KEY, self.revision).map_err(failed)?;
        write.commit().map_err(failed)?;
        Ok(())
    }
}

fn is_durable((txn, _): &Waiting) -> bool {
    txn.durability == Durability::Durable
}

fn answer_all(group: Vec<Waiting>, failure: &Failure) {
    for (_, reply) in group {
        let _ = reply.send(Err(failure.clone().into_error("commit")));
    }
}

/// Bytes of keys and values to write.
fn size(txn: &Txn) -> usize {
    let op = |op: &Op| match op {
        Op::Put { key, value } => key.len() + value.len(),
        Op::Delete { key } => key.len(),
    };
    txn.ops.iter().map(op).sum()
}
