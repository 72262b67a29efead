//! The file: its tables, its format version, its opening.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ::redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableError, backends::FileBackend};
use bytes::Bytes;

use super::failure::{Failure, failed};
use crate::{Entry, Error, Revision};

/// Raise with every change that an older program would misread.
pub(super) const FORMAT: u64 = 1;

/// [`FORMAT_KEY`] and [`RESERVED_KEY`].
pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// Key to its record.
pub(super) const CURRENT: TableDefinition<&[u8], &[u8]> = TableDefinition::new("current");
/// Key and the revision that overwrote or deleted it, to the record before.
pub(super) const HISTORY: TableDefinition<(&[u8], u64), &[u8]> = TableDefinition::new("history");
/// Revision to the keys it wrote ([`log_keys`]). Its last row is the revision on disk and is never compacted away.
pub(super) const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");

pub(super) const FORMAT_KEY: &str = "format";
/// Lazy revisions up to this one may have been given out without being on disk.
pub(super) const RESERVED_KEY: &str = "reserved";

/// A record: create revision and mod revision, both big-endian u64, then the value.
const RECORD_HEADER: usize = 16;

pub(super) fn record_len(value: &[u8]) -> usize {
    RECORD_HEADER + value.len()
}

/// `out` has [`record_len`] bytes.
pub(super) fn write_record(out: &mut [u8], create: Revision, modified: Revision, value: &[u8]) {
    let (header, body) = out.split_at_mut(RECORD_HEADER);
    let (first, second) = header.split_at_mut(8);
    first.copy_from_slice(&create.to_be_bytes());
    second.copy_from_slice(&modified.to_be_bytes());
    body.copy_from_slice(value);
}

/// Create and mod revision and the value.
pub(super) fn read_record(record: &[u8]) -> Option<(Revision, Revision, &[u8])> {
    let (create, rest) = record.split_first_chunk::<8>()?;
    let (modified, value) = rest.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*create), u64::from_be_bytes(*modified), value))
}

pub(super) fn entry(key: Bytes, record: &[u8]) -> Result<Entry, Failure> {
    let (create_revision, mod_revision, value) = read_record(record).ok_or(Failure::Corrupt("record"))?;
    Ok(Entry { key, value: Bytes::copy_from_slice(value), create_revision, mod_revision })
}

/// One key in a row of [`LOG`]: whether it had a state before, its length as big-endian u32, the key.
pub(super) fn push_log_key(row: &mut Vec<u8>, key: &[u8], had_previous: bool) {
    row.push(u8::from(had_previous));
    row.extend_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes());
    row.extend_from_slice(key);
}

/// The keys of a row of [`LOG`] with whether they had a state before.
pub(super) fn log_keys(mut row: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    std::iter::from_fn(move || {
        let (had_previous, rest) = row.split_first()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        row = rest;
        Some((key, *had_previous != 0))
    })
}

pub(super) struct Opened {
    pub(super) database: Database,
    /// The last revision that is on disk.
    pub(super) revision: Revision,
    /// History before this is not on disk.
    pub(super) oldest: Revision,
    pub(super) reserved: Revision,
}

/// Opens or makes the file and checks its version.
pub(super) fn open(path: &Path, cache_bytes: usize) -> Result<Opened, Error> {
    let shown = path.display().to_string();
    let engine = |source: Box<dyn std::error::Error + Send + Sync>| Error::Engine { operation: "opening the state file", source };
    // The state holds Secrets: for the owner only.
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| Failure::from(source).into_error("opening the state file"))?;
    let backend = FileBackend::new(file).map_err(|source| engine(Box::new(source)))?;
    let database = Builder::new().set_cache_size(cache_bytes).create_with_backend(backend).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => Error::InUse { path: shown.clone() },
        DatabaseError::UpgradeRequired(found) => Error::Format { path: shown.clone(), found: found.into(), expected: FORMAT },
        error => failed(error).into_error("opening the state file"),
    })?;
    match format(&database).map_err(|failure| failure.into_error("reading the state's format"))? {
        Some(FORMAT) => {}
        Some(found) => return Err(Error::Format { path: shown, found, expected: FORMAT }),
        None => {
            create(&database).map_err(|failure| failure.into_error("making the state file"))?;
            // The name must survive a power loss as well as the contents.
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(parent).and_then(|folder| folder.sync_all()).map_err(|source| engine(Box::new(source)))?;
        }
    }
    position(database).map_err(|failure| failure.into_error("reading the state's revision"))
}

fn format(database: &Database) -> Result<Option<u64>, Failure> {
    let read = database.begin_read().map_err(failed)?;
    match read.open_table(META) {
        Ok(meta) => Ok(meta.get(FORMAT_KEY).map_err(failed)?.map(|found| found.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn create(database: &Database) -> Result<(), Failure> {
    let write = database.begin_write().map_err(failed)?;
    {
        write.open_table(META).map_err(failed)?.insert(FORMAT_KEY, FORMAT).map_err(failed)?;
        write.open_table(CURRENT).map_err(failed)?;
        write.open_table(HISTORY).map_err(failed)?;
        write.open_table(LOG).map_err(failed)?.insert(0, [].as_slice()).map_err(failed)?;
    }
    write.commit().map_err(failed)
}

fn position(database: Database) -> Result<Opened, Failure> {
    let read = database.begin_read().map_err(failed)?;
    let log = read.open_table(LOG).map_err(failed)?;
    let logged = log.last().map_err(failed)?.map_or(0, |(revision, _)| revision.value());
    let first = log.first().map_err(failed)?.map_or(0, |(revision, _)| revision.value());
    let reserved = read.open_table(META).map_err(failed)?.get(RESERVED_KEY).map_err(failed)?.map_or(0, |found| found.value());
    drop(log);
    read.close().map_err(failed)?;
    Ok(Opened { database, revision: logged, oldest: first.saturating_sub(1), reserved })
}

impl Opened {
    /// Goes on above every lazy revision that may have been given out before the program was killed. An empty row in the
    /// log says where history goes on.
    pub(super) fn pass_lost_revisions(&mut self) -> Result<(), Failure> {
        if self.reserved <= self.revision {
            return Ok(());
        }
        let write = self.database.begin_write().map_err(failed)?;
        write.open_table(LOG).map_err(failed)?.insert(self.reserved, [].as_slice()).map_err(failed)?;
        write.commit().map_err(failed)?;
        self.revision = self.reserved;
        Ok(())
    }
}
