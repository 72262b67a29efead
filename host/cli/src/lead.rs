//! Parts that run on one server at a time, by a Lease in `kube-system` (upstream's `--leader-elect`).

use client::{Client, LeaderElector, LeaseSettings};
use std::future::Future;
use tokio_util::sync::CancellationToken;

/// Who elects, and how. Without settings everybody leads.
#[derive(Clone)]
pub struct Election {
    pub settings: Option<LeaseSettings>,
    /// This process among its peers.
    pub identity: String,
}

impl Election {
    /// The identity is another at each start, as upstream's `<host>_<uuid>`: a restarted server is not its predecessor.
    pub fn new(settings: Option<LeaseSettings>, node: &str) -> Self {
        Self { settings, identity: format!("{node}_{}{}", object::names::random(), object::names::random()) }
    }

    /// Runs a part while this server holds its lease, until `stop`. A part that lost the lease is ended and begins anew, from
    /// a clean state, when the lease comes back; upstream ends the process for that.
    pub async fn run<F: Future<Output = ()>>(
        &self,
        client: &Client,
        part: &str,
        stop: CancellationToken,
        work: impl Fn(CancellationToken) -> F,
    ) {
        let Some(settings) = self.settings else { return work(stop).await };
        while !stop.is_cancelled() {
            let elector = LeaderElector::new(client, "kube-system", part, &self.identity, settings);
            elector.run(stop.clone(), &work).await;
        }
    }
}
