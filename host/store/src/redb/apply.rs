//! One transaction on the open tables of the writer.

use ::redb::{ReadableTable, Table, WriteTransaction};
use bytes::Bytes;

use super::failure::{Failure, failed};
use super::tables::{self, CURRENT, HISTORY, LOG};
use crate::{Compare, Entry, Event, EventBatch, Op, Revision, Txn};

pub(super) struct Tables<'txn> {
    pub(super) current: Table<'txn, &'static [u8], &'static [u8]>,
    pub(super) history: Table<'txn, (&'static [u8], u64), &'static [u8]>,
    pub(super) log: Table<'txn, u64, &'static [u8]>,
}

pub(super) enum Applied {
    /// With the events of the revision.
    Written(EventBatch),
    /// All compares held and nothing was there to do.
    Nothing,
    /// A compare failed; the states of the compared keys.
    Refused(Vec<Option<Entry>>),
}

impl<'txn> Tables<'txn> {
    pub(super) fn open(write: &'txn WriteTransaction) -> Result<Self, Failure> {
        Ok(Self {
            current: write.open_table(CURRENT).map_err(failed)?,
            history: write.open_table(HISTORY).map_err(failed)?,
            log: write.open_table(LOG).map_err(failed)?,
        })
    }

    /// Applies the transaction as this revision, if its compares hold. The keys of its operations are distinct.
    pub(super) fn apply(&mut self, txn: &Txn, revision: Revision) -> Result<Applied, Failure> {
        let mut seen: Vec<Option<Entry>> = Vec::with_capacity(txn.compares.len());
        let mut holds = true;
        for compare in &txn.compares {
            let (Compare::Absent(key) | Compare::ModRevision(key, _)) = compare;
            let found = self.get(key)?;
            holds &= match (compare, &found) {
                (Compare::Absent(_), found) => found.is_none(),
                (Compare::ModRevision(_, expected), Some(found)) => found.mod_revision == *expected,
                (Compare::ModRevision(..), None) => false,
            };
            seen.push(found);
        }
        if !holds {
            return Ok(Applied::Refused(seen));
        }
        let mut events = Vec::with_capacity(txn.ops.len());
        let mut row = Vec::new();
        for op in &txn.ops {
            let (key, value) = match op {
                Op::Put { key, value } => (key, Some(value)),
                Op::Delete { key } => (key, None),
            };
            let compared = txn.compares.iter().position(|compare| {
                let (Compare::Absent(compared) | Compare::ModRevision(compared, _)) = compare;
                compared == key
            });
            let previous = match compared.and_then(|index| seen.get(index)) {
                Some(found) => found.clone(),
                None => self.get(key)?,
            };
            if let Some(event) = self.write(key, value, previous, revision)? {
                tables::push_log_key(&mut row, key, event.previous.is_some());
                events.push(event);
            }
        }
        if events.is_empty() {
            return Ok(Applied::Nothing);
        }
        self.log.insert(revision, row.as_slice()).map_err(failed)?;
        Ok(Applied::Written(EventBatch { revision, events }))
    }

    fn get(&self, key: &Bytes) -> Result<Option<Entry>, Failure> {
        self.current.get(key.as_ref()).map_err(failed)?.map(|record| tables::entry(key.clone(), record.value())).transpose()
    }

    fn write(&mut self, key: &Bytes, value: Option<&Bytes>, previous: Option<Entry>, revision: Revision) -> Result<Option<Event>, Failure> {
        if let Some(previous) = &previous {
            let len = tables::record_len(&previous.value);
            let mut record = self.history.insert_reserve((key.as_ref(), revision), len).map_err(failed)?;
            tables::write_record(record.as_mut(), previous.create_revision, previous.mod_revision, &previous.value);
        }
        let create_revision = previous.as_ref().map_or(revision, |entry| entry.create_revision);
        match value {
            Some(value) => {
                let mut record = self.current.insert_reserve(key.as_ref(), tables::record_len(value)).map_err(failed)?;
                tables::write_record(record.as_mut(), create_revision, revision, value);
            }
            None if previous.is_none() => return Ok(None),
            None => drop(self.current.remove(key.as_ref()).map_err(failed)?),
        }
        Ok(Some(Event { key: key.clone(), value: value.cloned(), previous, create_revision, revision }))
    }
}
