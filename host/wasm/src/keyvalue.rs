//! `wasi:keyvalue` of workloads: buckets, and who may open which.
//!
//! - `""` and `default`: a bucket in memory, shared by the wasm containers of one pod. It outlives their restarts, and ends
//!   with the pod (or with the wasm host: it is a cache, not a store).
//! - `/path`: a folder of a volume that the container mounts writable, or a folder directly in it, which is made if need be; a
//!   file per key, replaced whole. It lives as long as the volume, and is shared with whoever mounts it.
//!
//! Numbers of `increment` are decimal text, so that other programs read them.

mod folder;
mod memory;

pub use folder::Folder;
pub use memory::Memory;

use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Of one key, in bytes.
const LONGEST_KEY: usize = 512;
/// Of one value, in bytes: a value is copied in and out of the guest whole.
const LONGEST_VALUE: usize = 1 << 20;
/// Keys of one answer of `list-keys`.
const PAGE: usize = 500;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("there is no such bucket")]
    NoBucket,
    #[error("the bucket is mounted read-only")]
    ReadOnly,
    #[error("{0}")]
    Refused(String),
}

/// A container's way to its buckets.
#[derive(Debug, Default)]
pub struct Access {
    pub memory: Arc<Memory>,
    pub directories: Vec<Directory>,
}

/// A mounted folder.
#[derive(Clone, Debug)]
pub struct Directory {
    pub source: PathBuf,
    pub target: PathBuf,
    pub writable: bool,
}

/// An open bucket.
#[derive(Clone)]
pub enum Bucket {
    Memory(Arc<Memory>),
    Folder(Arc<Folder>),
}

/// The memory buckets of all pods.
#[derive(Default)]
pub struct Pods(Mutex<HashMap<String, Arc<Memory>>>);

impl Pods {
    pub fn of(&self, uid: &str) -> Arc<Memory> {
        self.0.lock().entry(uid.to_owned()).or_default().clone()
    }

    pub fn forget(&self, uid: &str) {
        self.0.lock().remove(uid);
    }
}

impl Access {
    /// # Errors
    /// `NoBucket`, or `ReadOnly`, or what the folder cannot be.
    pub fn open(&self, identifier: &str) -> Result<Bucket, Error> {
        if matches!(identifier, "" | "default") {
            return Ok(Bucket::Memory(self.memory.clone()));
        }
        let path = PathBuf::from(identifier);
        let under = |d: &&Directory| path == d.target || path.parent() == Some(&d.target);
        let directory = self.directories.iter().filter(under).max_by_key(|d| d.target.components().count()).ok_or(Error::NoBucket)?;
        if !directory.writable {
            return Err(Error::ReadOnly);
        }
        let child = path.strip_prefix(&directory.target).ok().and_then(|rest| rest.to_str()).unwrap_or_default();
        Folder::open(&directory.source, child).map(|folder| Bucket::Folder(Arc::new(folder)))
    }
}

impl Bucket {
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        check(key, 0)?;
        match self {
            Self::Memory(memory) => Ok(memory.get(key)),
            Self::Folder(folder) => folder.get(key),
        }
    }

    pub fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        check(key, value.len())?;
        match self {
            Self::Memory(memory) => memory.set(key, value),
            Self::Folder(folder) => folder.set(key, &value),
        }
    }

    pub fn delete(&self, key: &str) -> Result<(), Error> {
        check(key, 0)?;
        match self {
            Self::Memory(memory) => {
                memory.delete(key);
                Ok(())
            }
            Self::Folder(folder) => folder.delete(key),
        }
    }

    /// A page of keys from a cursor on, and the next one's.
    pub fn keys(&self, cursor: u64) -> Result<(Vec<String>, Option<u64>), Error> {
        let all = match self {
            Self::Memory(memory) => memory.keys(),
            Self::Folder(folder) => folder.keys()?,
        };
        let from = usize::try_from(cursor).unwrap_or(usize::MAX).min(all.len());
        let next = from.saturating_add(PAGE);
        let more = (next < all.len()).then_some(next as u64);
        Ok((all.into_iter().skip(from).take(PAGE).collect(), more))
    }

    pub fn increment(&self, key: &str, delta: u64) -> Result<u64, Error> {
        check(key, 0)?;
        match self {
            Self::Memory(memory) => memory.increment(key, delta),
            Self::Folder(folder) => folder.increment(key, delta),
        }
    }
}

fn check(key: &str, value: usize) -> Result<(), Error> {
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Error::Refused(format!("a key has 1 to {LONGEST_KEY} bytes, not {}", key.len())));
    }
    if value > LONGEST_VALUE {
        return Err(Error::Refused(format!("a value has at most {LONGEST_VALUE} bytes, not {value}")));
    }
    Ok(())
}

/// The number that a value is, with `delta` added.
fn add(value: Option<&[u8]>, delta: u64) -> Result<u64, Error> {
    let number = match value {
        None => 0,
        Some(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
            .ok_or_else(|| Error::Refused("the value is not a number".to_owned()))?,
    };
    number.checked_add(delta).ok_or_else(|| Error::Refused("the number does not fit into 64 bits".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every kind of bucket does.
    fn contract(bucket: &Bucket) {
        assert_eq!(bucket.get("a"), Ok(None));
        bucket.set("a", b"1".to_vec()).unwrap();
        bucket.set("a", b"2".to_vec()).unwrap();
        assert_eq!(bucket.get("a"), Ok(Some(b"2".to_vec())));
        assert_eq!(bucket.increment("a", 40), Ok(42));
        assert_eq!(bucket.get("a"), Ok(Some(b"42".to_vec())));
        assert_eq!(bucket.increment("new", 7), Ok(7));
        assert!(bucket.increment("a", u64::MAX).is_err());
        bucket.set("text", b"x".to_vec()).unwrap();
        assert!(bucket.increment("text", 1).is_err());
        bucket.delete("a").unwrap();
        bucket.delete("a").unwrap();
        assert_eq!(bucket.get("a"), Ok(None));
        for odd in ["../up", "/abs", ".", "..", "Ä b", "%41", ".hidden"] {
            bucket.set(odd, odd.as_bytes().to_vec()).unwrap();
            assert_eq!(bucket.get(odd), Ok(Some(odd.as_bytes().to_vec())), "{odd}");
        }
        assert!(bucket.set("", vec![]).is_err());
        assert!(bucket.set(&"k".repeat(513), vec![]).is_err());
        assert!(bucket.set("big", vec![0; LONGEST_VALUE + 1]).is_err());
        for index in 0..PAGE {
            bucket.set(&format!("many{index}"), vec![]).unwrap();
        }
        let (first, cursor) = bucket.keys(0).unwrap();
        let (second, none) = bucket.keys(cursor.unwrap()).unwrap();
        let all: std::collections::HashSet<String> = first.into_iter().chain(second).collect();
        assert_eq!((all.len(), none), (PAGE + 9, None));
        assert!(all.contains("Ä b") && all.contains("new") && all.contains(".."));
        assert_eq!(bucket.keys(u64::MAX), Ok((vec![], None)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let bucket = bucket.clone();
                std::thread::spawn(move || (0..50).for_each(|_| assert!(bucket.increment("count", 1).is_ok())))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(bucket.get("count"), Ok(Some(b"200".to_vec())));
    }

    #[test]
    fn memory() {
        let access = Access::default();
        let bucket = access.open("").unwrap();
        contract(&bucket);
        assert_eq!(access.open("default").unwrap().get("new"), Ok(Some(b"7".to_vec())), "it is the same");
        let full = (0..64).map(|index| bucket.set(&format!("full{index}"), vec![0; LONGEST_VALUE])).find(Result::is_err);
        assert!(full.unwrap().unwrap_err().to_string().contains("full"));
        let pods = Pods::default();
        Bucket::Memory(pods.of("u")).set("a", vec![1]).unwrap();
        assert_eq!(Bucket::Memory(pods.of("u")).get("a"), Ok(Some(vec![1])));
        pods.forget("u");
        assert_eq!(Bucket::Memory(pods.of("u")).get("a"), Ok(None));
    }

    #[test]
    fn folders() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("volume");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(dir.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink("..", source.join("out")).unwrap();
        let directory = |target: &str, writable| Directory { source: source.clone(), target: target.into(), writable };
        let access = Access { directories: vec![directory("/data", true), directory("/config", false)], ..Access::default() };
        let bucket = access.open("/data/kv").unwrap();
        contract(&bucket);
        // Another opening sees the same; a link in the volume leads nowhere.
        assert_eq!(access.open("/data/kv").unwrap().get("new"), Ok(Some(b"7".to_vec())));
        std::os::unix::fs::symlink("../../secret", source.join("kv/link")).unwrap();
        assert!(bucket.get("link").is_err());
        bucket.set("link", b"x".to_vec()).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("secret")).unwrap(), "s");
        for (identifier, expect) in [
            ("/data", None),
            ("/data/out", Some("outside")),
            ("/data/a/b", Some("no such bucket")),
            ("/config", Some("read-only")),
            ("/etc", Some("no such bucket")),
            ("/data/..", Some("outside")),
            ("other", Some("no such bucket")),
        ] {
            let got = access.open(identifier).err().map(|e| e.to_string());
            assert_eq!(got.is_some(), expect.is_some(), "{identifier}: {got:?}");
            assert!(got.unwrap_or_default().contains(expect.unwrap_or_default()), "{identifier}");
        }
    }
}
