//! Takes the exit status of everything that ends under the shim.

use super::pod::Pod;
use rustix::process::{WaitOptions, WaitStatus};
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// 128 plus the signal when it was one.
    pub(super) code: i32,
    pub(super) signal: i32,
}

impl Ended {
    fn of(status: WaitStatus) -> Option<Self> {
        if let Some(code) = status.exit_status() {
            return Some(Self { code, signal: 0 });
        }
        status.terminating_signal().map(|signal| Self { code: 128 + signal, signal })
    }
}

pub(super) async fn run(pod: Arc<Pod>) {
    let mut children = match signal(SignalKind::child()) {
        Ok(children) => children,
        Err(error) => {
            tracing::error!(%error, "ends of containers will not be seen");
            return;
        }
    };
    loop {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if let Some(ended) = Ended::of(status) {
                pod.ended(pid.as_raw_nonzero().get(), ended);
            }
        }
        if children.recv().await.is_none() {
            return;
        }
    }
}
