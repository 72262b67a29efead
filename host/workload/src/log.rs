//! Container logs: one file per run of a container, in the CRI format
//! (`2006-01-02T15:04:05.000000000Z stdout F text\n`; a line that goes on has `P` instead of `F`).
//! Source: `design-proposals-archive/node/kubelet-cri-logging.md`, `k8s.io/cri-client/pkg/logs`.

mod follow;
mod read;
mod rotate;
mod write;

pub use follow::Watch;
pub use read::{ReadOptions, parse, read};
pub use rotate::{Rotation, rotated};
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

/// One line as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds since the epoch.
    pub time: u64,
    pub stream: Stream,
    /// The text goes on in the stream's next line.
    pub continues: bool,
    /// Without its newline.
    pub text: Vec<u8>,
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
