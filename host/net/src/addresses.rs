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
    /// Names the pod's namespace and link.
    pub link: String,
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

    /// What the pod has already.
    pub(crate) fn of(&self, uid: &str) -> Option<Lease> {
        self.state.lock().by_uid.get(uid).cloned()
    }

    /// Sets an address aside, in memory only.
    pub(crate) fn reserve(&self) -> Result<Ipv4Addr, Error> {
        let mut state = self.state.lock();
        let span = self.range.size().saturating_sub(FIRST + 1).max(1);
        let start = state.next - FIRST;
        let offsets = (0..span).map(|step| FIRST + (start + step) % span);
        let free = offsets.filter_map(|offset| Some((offset, self.range.nth(offset)?)));
        let Some((offset, address)) = free.into_iter().find(|(_, address)| !state.used.contains(address)) else {
            return Err(Error::Exhausted(self.range));
        };
        state.next = FIRST + (offset - FIRST + 1) % span;
        state.used.insert(address);
        Ok(address)
    }

    /// Gives back a reserved address.
    pub(crate) fn cancel(&self, address: Ipv4Addr) {
        self.state.lock().used.remove(&address);
    }

    /// Records that the pod has a reserved address.
    pub(crate) fn record(&self, lease: Lease) -> Result<(), Error> {
        self.write(&lease)?;
        let mut state = self.state.lock();
        state.used.insert(lease.address);
        state.by_uid.insert(lease.pod.uid.clone(), lease);
        Ok(())
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
        let last = |uid: &str| {
            let address = addresses.reserve().ok()?;
            addresses.record(Lease { pod: pod(uid), address, link: uid.into() }).unwrap();
            Some(address.octets()[3])
        };
        assert_eq!([last("a"), last("b")], [Some(2), Some(3)]);
        addresses.release("a").unwrap();
        assert_eq!(last("c"), Some(4), "a freed address rests");
        assert_eq!([last("d"), last("e"), last("f"), last("g")], [Some(5), Some(6), Some(2), None]);

        let again = Addresses::open(&dir, range).unwrap();
        assert_eq!(again.of("b").unwrap().address.octets()[3], 3, "kept over a restart");
        assert_eq!(again.all().len(), 5);
        assert!(again.reserve().is_err());
        again.release("b").unwrap();
        let freed = again.reserve().unwrap();
        assert_eq!(freed.octets()[3], 3);
        again.cancel(freed);
        assert_eq!(again.reserve().unwrap(), freed);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
