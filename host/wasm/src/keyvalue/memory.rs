//! A bucket in the memory of the wasm host.

use super::{Error, add};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Of one pod, keys and values together: outside the guests' own memory, and thus beyond their limits.
const MOST: usize = 16 << 20;
/// What an entry takes beside its bytes.
const ENTRY: usize = 64;

#[derive(Debug, Default)]
pub struct Memory(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    map: BTreeMap<String, Vec<u8>>,
    bytes: usize,
}

impl Memory {
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.lock().map.get(key).cloned()
    }

    /// # Errors
    /// The bucket is full.
    pub fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        self.0.lock().set(key, value)
    }

    pub fn delete(&self, key: &str) {
        let mut entries = self.0.lock();
        if let Some(value) = entries.map.remove(key) {
            entries.bytes -= key.len() + value.len() + ENTRY;
        }
    }

    pub fn keys(&self) -> Vec<String> {
        self.0.lock().map.keys().cloned().collect()
    }

    /// # Errors
    /// The value is no number, or gets too large.
    pub fn increment(&self, key: &str, delta: u64) -> Result<u64, Error> {
        let mut entries = self.0.lock();
        let sum = add(entries.map.get(key).map(Vec::as_slice), delta)?;
        entries.set(key, sum.to_string().into_bytes())?;
        Ok(sum)
    }
}

impl Entries {
    fn set(&mut self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        let freed = self.map.get(key).map_or(0, |old| key.len() + old.len() + ENTRY);
        let bytes = self.bytes - freed + key.len() + value.len() + ENTRY;
        if bytes > MOST {
            return Err(Error::Refused(format!("the pod's bucket is full: it holds at most {MOST} bytes")));
        }
        self.bytes = bytes;
        self.map.insert(key.to_owned(), value);
        Ok(())
    }
}
