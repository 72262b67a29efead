//! Links made before they are asked for. Making a namespace and its link takes the kernel some milliseconds; a pod that
//! finds one ready waits for none of them.

use crate::addresses::Addresses;
use crate::link::Links;
use crate::netns;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Enough for the replicas of a usual Deployment at once, and for the time that the kernel is busy with the end of other
/// namespaces: it holds its network lock for 100 ms and more then, and makes no link meanwhile. Each costs about 100 KiB.
const READY: usize = 32;
/// The kernel ends a namespace within a second or so; a link that is there after this is held by someone. An address rests
/// much longer before it is given again.
const LINGER: std::time::Duration = std::time::Duration::from_secs(10);
/// Names of what was made in advance begin so; after a restart such namespaces without a pod are removed.
const PREFIX: &str = "ready-";

/// A connected namespace.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    /// Names the namespace's file and, hashed, the node's end of the link.
    pub link: String,
    pub address: Ipv4Addr,
}

pub(crate) struct Pool {
    shared: Arc<Shared>,
    filler: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

struct Shared {
    links: Arc<Links>,
    addresses: Arc<Addresses>,
    dir: PathBuf,
    ready: Mutex<VecDeque<Ready>>,
    taken: Notify,
    made: AtomicU64,
    stop: CancellationToken,
}

impl Pool {
    /// Removes what an earlier process made in advance and no pod has, and begins to fill.
    pub(crate) async fn open(links: Arc<Links>, addresses: Arc<Addresses>, dir: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        let shared = Arc::new(Shared {
            links,
            addresses,
            dir,
            ready: Mutex::default(),
            taken: Notify::new(),
            made: AtomicU64::new(0),
            stop: CancellationToken::new(),
        });
        let held: Vec<String> = shared.addresses.all().into_iter().map(|lease| lease.link).collect();
        for file in std::fs::read_dir(&shared.dir)?.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.starts_with(PREFIX) && !held.contains(&name) {
                shared.remove(&name).await?;
            }
        }
        let filler = tokio::spawn(shared.clone().fill());
        Ok(Self { shared, filler: Mutex::new(Some(filler)) })
    }

    pub(crate) fn namespace(&self, link: &str) -> PathBuf {
        self.shared.dir.join(link)
    }

    /// One that is ready, if any.
    pub(crate) fn take(&self) -> Option<Ready> {
        let ready = self.shared.ready.lock().pop_front();
        self.shared.taken.notify_one();
        ready
    }

    /// Makes what is missing of a namespace and its link.
    pub(crate) async fn ensure(&self, ready: &Ready) -> io::Result<()> {
        self.shared.make(ready).await
    }

    pub(crate) async fn remove(&self, link: &str) -> io::Result<()> {
        self.shared.remove(link).await
    }

    /// Removes one that was not finished, and gives its address back.
    pub(crate) async fn discard(&self, ready: &Ready) {
        self.shared.discard(ready).await;
    }
}

impl Pool {
    /// Stops filling and removes what no pod took.
    pub(crate) async fn close(&self) {
        self.shared.stop.cancel();
        let filler = self.filler.lock().take();
        if let Some(filler) = filler {
            // What it is making is finished and then removed with the others.
            drop(filler.await);
        }
        while let Some(ready) = { self.shared.ready.lock().pop_front() } {
            self.shared.discard(&ready).await;
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Shared {
    async fn fill(self: Arc<Self>) {
        loop {
            while self.ready.lock().len() < READY && !self.stop.is_cancelled() {
                let Ok(address) = self.addresses.reserve() else { break };
                let name = format!("{PREFIX}{}-{}", object::names::random(), self.made.fetch_add(1, Ordering::Relaxed));
                let ready = Ready { link: name, address };
                match self.make(&ready).await {
                    Ok(()) => self.ready.lock().push_back(ready),
                    Err(error) => {
                        tracing::warn!(%error, "a network link was not made in advance");
                        self.discard(&ready).await;
                        break;
                    }
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.taken.notified() => {}
            }
        }
    }

    async fn make(&self, ready: &Ready) -> io::Result<()> {
        let path = self.dir.join(&ready.link);
        if !netns::is_pinned(&path) {
            let pin = path.clone();
            tokio::task::spawn_blocking(move || netns::create(&pin)).await.map_err(io::Error::other)??;
        }
        self.links.connect(&host_end(&ready.link), &path, ready.address).await
    }

    /// Unpins the namespace. Its link ends with it, together with those of other namespaces that end at the time, which costs
    /// the kernel far less than one by one. A link whose namespace some process still holds is taken away later.
    async fn remove(&self, link: &str) -> io::Result<()> {
        netns::remove(&self.dir.join(link))?;
        let (links, end, stop) = (self.links.clone(), host_end(link), self.stop.clone());
        tokio::spawn(async move {
            if stop.run_until_cancelled(tokio::time::sleep(LINGER)).await.is_some()
                && let Err(error) = links.disconnect(&end).await
            {
                tracing::warn!(%error, link = end, "a network link was not removed");
            }
        });
        Ok(())
    }

    async fn discard(&self, ready: &Ready) {
        if let Err(error) = self.remove(&ready.link).await {
            tracing::warn!(%error, link = ready.link, "a network link was not removed");
        }
        self.addresses.cancel(ready.address);
    }
}

/// Name of the node's end: at most 15 bytes, unlike for unlike links.
fn host_end(link: &str) -> String {
    let hash = link.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("vc{:011x}", hash & 0xfff_ffff_ffff)
}
