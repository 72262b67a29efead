//! Which pod has which address: one small file per pod below `net/`, read once at start.

use crate::cidr::Cidr;
use interfaces::network::PodRef;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// A pod's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub pod: PodRef,
    pub address: Ipv4Addr,
}

pub(crate) struct Addresses {
    dir: PathBuf,
    range: Cidr,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_uid: HashMap<String, Lease>,
    used: HashSet<Ipv4Addr>,
    /// Offset after the last one given: a freed address rests before it is used again.
    next: u32,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no address is left in {0}")]
    Exhausted(Cidr),
    #[error("cannot keep the address record in {path}")]
    Record { path: PathBuf, source: io::Error },
}

/// Network and gateway addresses come first, the broadcast address is last.
const FIRST: u32 = 2;

impl Addresses {
    pub(crate) fn open(dir: &Path, range: Cidr) -> Result<Self, Error> {
        let fail = |source| Error::Record { path: dir.to_path_buf(), source };
        std::fs::create_dir_all(dir).map_err(fail)?;
        let mut state = State { next: FIRST, ..State::default() };
        for file in std::fs::read_dir(dir).map_err(fail)?.flatten() {
            let path = file.path();
            if path.extension().is_none_or(|e| e != "json") {
                continue;
            }
            // A record cut short by a crash was never answered for: it is dropped.
            match std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Lease>(&bytes).ok()) {
                Some(lease) if range.contains(lease.address) => {
                    state.used.insert(lease.address);
                    state.by_uid.insert(lease.pod.uid.clone(), lease);
                }
                _ => drop(std::fs::remove_file(&path)),
            }
        }
        Ok(Self { dir: dir.to_path_buf(), range, state: Mutex::new(state) })
    }

    /// The pod's address; the same one for the same UID.
    pub(crate) fn lease(&self, pod: &PodRef) -> Result<Lease, Error> {
        let mut state = self.state.lock();
        if let Some(lease) = state.by_uid.get(&pod.uid) {
            return Ok(lease.clone());
        }
        let span = self.range.size().saturating_sub(FIRST + 1);
        let start = state.next;
        let free = (0..span).filter_map(|step| {
            let offset = FIRST + (start - FIRST + step) % span.max(1);
            self.range.nth(offset).map(|address| (offset, address))
        });
        let Some((offset, address)) = free.into_iter().find(|(_, a)| !state.used.contains(a)) else {
            return Err(Error::Exhausted(self.range));
        };
        let lease = Lease { pod: pod.clone(), address };
        self.write(&lease)?;
        state.next = FIRST + (offset - FIRST + 1) % span.max(1);
        state.used.insert(address);
        state.by_uid.insert(pod.uid.clone(), lease.clone());
        Ok(lease)
    }

    pub(crate) fn release(&self, uid: &str) -> Result<(), Error> {
        let mut state = self.state.lock();
        let path = self.path(uid);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(Error::Record { path, source }),
            _ => {}
        }
        if let Some(lease) = state.by_uid.remove(uid) {
            state.used.remove(&lease.address);
        }
        Ok(())
    }

    pub(crate) fn all(&self) -> Vec<Lease> {
        self.state.lock().by_uid.values().cloned().collect()
    }

    fn write(&self, lease: &Lease) -> Result<(), Error> {
        let path = self.path(&lease.pod.uid);
        let part = path.with_extension("part");
        let bytes = serde_json::to_vec(lease).unwrap_or_default();
        let write = || std::fs::write(&part, &bytes).and_then(|()| std::fs::rename(&part, &path));
        write().map_err(|source| Error::Record { path: path.clone(), source })
    }

    fn path(&self, uid: &str) -> PathBuf {
        self.dir.join(format!("{}.json", uid.replace('/', "_")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &str) -> PodRef {
        PodRef { namespace: "default".into(), name: uid.into(), uid: uid.into() }
    }

    #[test]
    fn leases_are_stable_rest_and_run_out() {
        let dir = std::env::temp_dir().join(format!("coracle-addresses-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let range: Cidr = "10.9.0.0/29".parse().unwrap();
        let addresses = Addresses::open(&dir, range).unwrap();
        let last = |uid: &str| addresses.lease(&pod(uid)).map(|l| l.address.octets()[3]).ok();
        assert_eq!([last("a"), last("b"), last("a")], [Some(2), Some(3), Some(2)]);
        addresses.release("a").unwrap();
        assert_eq!(last("c"), Some(4), "a freed address rests");
        assert_eq!([last("d"), last("e"), last("f"), last("g")], [Some(5), Some(6), Some(2), None]);

        let again = Addresses::open(&dir, range).unwrap();
        assert_eq!(again.lease(&pod("b")).unwrap().address.octets()[3], 3, "kept over a restart");
        assert_eq!(again.all().len(), 5);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
