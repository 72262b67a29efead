//! A consistent state of the store, read without the writer.

use std::iter::Peekable;

use ::redb::{AccessGuard, Database, Range, ReadOnlyTable, ReadableDatabase, ReadableTable};
use bytes::Bytes;

use super::failure::{Failure, failed};
use super::tables::{self, CURRENT, HISTORY, LOG};
use crate::{Entry, Error, Event, EventBatch, Page, Revision};

/// The tables as of one revision. Holding it keeps its pages in the file; drop it soon.
pub(super) struct Snapshot {
    revision: Revision,
    current: ReadOnlyTable<&'static [u8], &'static [u8]>,
    history: ReadOnlyTable<(&'static [u8], u64), &'static [u8]>,
    log: ReadOnlyTable<u64, &'static [u8]>,
}

/// Why a read failed.
pub(super) enum ReadError {
    Failed(Error),
    /// Worth another try on a later snapshot.
    Reopening(Failure),
}

impl ReadError {
    pub(super) fn into_error(self) -> Error {
        match self {
            ReadError::Failed(error) => error,
            ReadError::Reopening(failure) => failure.into_error("read"),
        }
    }
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Reopen(_) => ReadError::Reopening(failure),
            failure => ReadError::Failed(failure.into_error("read")),
        }
    }
}

type Record = AccessGuard<'static, &'static [u8]>;

impl Snapshot {
    pub(super) fn take(database: &Database, revision: Revision) -> Result<Self, ReadError> {
        let take = || {
            let read = database.begin_read().map_err(failed)?;
            Ok::<_, Failure>(Self {
                revision,
                current: read.open_table(CURRENT).map_err(failed)?,
                history: read.open_table(HISTORY).map_err(failed)?,
                log: read.open_table(LOG).map_err(failed)?,
            })
        };
        Ok(take()?)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Entry>, ReadError> {
        let Some(record) = self.current.get(key).map_err(failed)? else { return Ok(None) };
        Ok(Some(tables::entry(Bytes::copy_from_slice(key), record.value())?))
    }

    pub(super) fn range(&self, start: &[u8], end: &[u8], limit: usize, at: Option<Revision>) -> Result<Page, ReadError> {
        let at = at.unwrap_or(self.revision);
        self.knows(at)?;
        let limit = if limit == 0 { usize::MAX } else { limit };
        let mut page = Page { revision: at, ..Page::default() };
        if start >= end {
            return Ok(page);
        }
        if at == self.revision {
            for row in self.current.range::<&[u8]>(start..end).map_err(failed)? {
                let (key, record) = row.map_err(failed)?;
                if page.entries.len() < limit {
                    page.entries.push(tables::entry(Bytes::copy_from_slice(key.value()), record.value())?);
                } else {
                    page.remaining += 1;
                }
            }
        } else {
            let mut past = Past {
                at,
                current: self.current.range::<&[u8]>(start..end).map_err(failed)?.peekable(),
                history: self.history.range((start, 0)..(end, 0)).map_err(failed)?.peekable(),
            };
            while let Some(found) = past.next(page.entries.len() < limit)? {
                match found {
                    Found::Entry(entry) => page.entries.push(entry),
                    Found::Counted => page.remaining += 1,
                    Found::Nothing => {}
                }
            }
        }
        page.more = page.remaining > 0;
        Ok(page)
    }

    /// Whether the state after this revision can be told. The log is contiguous from its first row on, but for revisions
    /// that a crash took away.
    pub(super) fn knows(&self, revision: Revision) -> Result<(), ReadError> {
        if revision == self.revision {
            return Ok(());
        }
        if revision > self.revision {
            return Err(ReadError::Failed(Error::Future { requested: revision, current: self.revision }));
        }
        let oldest = match self.log.range(revision..).map_err(failed)?.next() {
            Some(row) => row.map_err(failed)?.0.value(),
            None => self.revision,
        };
        if oldest == revision {
            return Ok(());
        }
        // The state just before the first row is whole, too: its undo records are there.
        let first = self.log.first().map_err(failed)?.map_or(0, |(first, _)| first.value());
        if oldest == first && revision + 1 == first {
            return Ok(());
        }
        let oldest = if oldest == first { first.saturating_sub(1) } else { oldest };
        Err(ReadError::Failed(Error::Compacted { requested: revision, oldest }))
    }

    /// Events below the prefix of up to `limit` revisions after `after`, not beyond `upto`, and the revision reached.
    pub(super) fn replay(
        &self,
        prefix: &[u8],
        after: Revision,
        upto: Revision,
        limit: usize,
    ) -> Result<(Vec<EventBatch>, Revision), ReadError> {
        let mut batches = Vec::new();
        let mut reached = upto;
        for (count, row) in self.log.range(after + 1..=upto).map_err(failed)?.enumerate() {
            let (revision, keys) = row.map_err(failed)?;
            let revision = revision.value();
            if count == limit {
                break;
            }
            let mut events = Vec::new();
            for (key, had_previous) in tables::log_keys(keys.value()).filter(|(key, _)| key.starts_with(prefix)) {
                events.push(self.event(key, revision, had_previous)?);
            }
            if !events.is_empty() {
                batches.push(EventBatch { revision, events });
            }
            reached = if count + 1 == limit { revision } else { upto };
        }
        Ok((batches, reached))
    }

    /// The write of `key` at `revision`, from the records around it.
    fn event(&self, key: &[u8], revision: Revision, had_previous: bool) -> Result<Event, ReadError> {
        let name = Bytes::copy_from_slice(key);
        let previous = match had_previous {
            true => self.history.get((key, revision)).map_err(failed)?,
            false => None,
        };
        let previous = previous.map(|record| tables::entry(name.clone(), record.value())).transpose()?;
        let mut later = self.history.range((key, revision + 1)..=(key, Revision::MAX)).map_err(failed)?;
        let after = match later.next() {
            Some(row) => Some(row.map_err(failed)?.1),
            None => self.current.get(key).map_err(failed)?,
        };
        let after = after.map(|record| tables::entry(name.clone(), record.value())).transpose()?;
        let after = after.filter(|entry| entry.mod_revision == revision);
        let create_revision = after.as_ref().or(previous.as_ref()).map_or(revision, |entry| entry.create_revision);
        Ok(Event { key: name, value: after.map(|entry| entry.value), previous, create_revision, revision })
    }
}

type Rows<K> = Peekable<Range<'static, K, &'static [u8]>>;

/// Walks current state and undo records side by side, in key order.
struct Past {
    at: Revision,
    current: Rows<&'static [u8]>,
    history: Rows<(&'static [u8], u64)>,
}

enum Found {
    Entry(Entry),
    Counted,
    /// The key did not exist at the revision.
    Nothing,
}

impl Past {
    /// The next key that exists or existed; its entry only when asked for.
    fn next(&mut self, wanted: bool) -> Result<Option<Found>, Failure> {
        let present = peek(&mut self.current, |key| key.to_vec())?;
        let undone = peek(&mut self.history, |key| key.0.to_vec())?;
        let key = match (present, undone) {
            (None, None) => return Ok(None),
            (Some(key), None) | (None, Some(key)) => key,
            (Some(one), Some(other)) => one.min(other),
        };
        // The first record that was superseded after the revision is the state at it.
        let mut state: Option<Record> = None;
        while let Some(row) = self.history.next_if(|row| row.as_ref().is_ok_and(|(found, _)| found.value().0 == key)) {
            let (found, record) = row.map_err(failed)?;
            if state.is_none() && found.value().1 > self.at {
                state = Some(record);
            }
        }
        if let Some(row) = self.current.next_if(|row| row.as_ref().is_ok_and(|(found, _)| found.value() == key)) {
            let (_, record) = row.map_err(failed)?;
            state = state.or(Some(record));
        }
        let Some(state) = state else { return Ok(Some(Found::Nothing)) };
        let (_, modified, _) = tables::read_record(state.value()).ok_or(Failure::Corrupt("record"))?;
        Ok(Some(match (modified <= self.at, wanted) {
            (false, _) => Found::Nothing,
            (true, false) => Found::Counted,
            (true, true) => Found::Entry(tables::entry(Bytes::from(key), state.value())?),
        }))
    }
}

fn peek<K: ::redb::Key + 'static>(rows: &mut Rows<K>, key: impl Fn(K::SelfType<'_>) -> Vec<u8>) -> Result<Option<Vec<u8>>, Failure> {
    if rows.peek().is_some_and(Result::is_err)
        && let Some(Err(error)) = rows.next()
    {
        return Err(failed(error));
    }
    Ok(match rows.peek() {
        Some(Ok((found, _))) => Some(key(found.value())),
        _ => None,
    })
}
