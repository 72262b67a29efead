//! Container logs: one file per run of a container, in the CRI format
//! (`2006-01-02T15:04:05.000000000Z stdout F text\n`; a line that goes on has `P` instead of `F`).
//! Source: `design-proposals-archive/node/kubelet-cri-logging.md`, `k8s.io/cri-client/pkg/logs`.

mod follow;
mod read;
mod rotate;
mod write;

pub use read::{ReadOptions, read};
pub use rotate::Rotation;
pub use write::{LineWriter, LogWriter, pump};

use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Length of [`timestamp`]'s result, always.
const TIMESTAMP: usize = 30;

/// RFC 3339 in UTC with nine digits, so that text order is time order.
pub fn timestamp(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let at = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        since.subsec_nanos()
    )
}
