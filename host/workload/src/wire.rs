//! Messages between agent and holder: JSON, each with a four-byte big-endian length before it. Calls carry an id chosen by the
//! client; replies and event items carry it back, in any order. The first message in each direction is `Hello`.

use bytes::Bytes;
use interfaces::network::PodRef;
use interfaces::workload::{Container, ContainerId, ContainerState, Error, ExecOutcome, Sandbox, Usage};
use serde::{Deserialize, Serialize};
use tokio_util::codec::LengthDelimitedCodec;

/// Raised when a message changes in a way that an older peer cannot read. Holders outlive an upgrade of the agent.
pub const PROTOCOL: u32 = 1;

/// A pod's spec is at most 3 MiB on the API road; its resolved form with configuration stays well below this.
const LARGEST_MESSAGE: usize = 16 << 20;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ToServer {
    Hello {
        protocol: u32,
    },
    Call {
        id: u64,
        request: Box<Request>,
    },
    /// Ends an event subscription; other calls run to their end.
    Cancel {
        id: u64,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ToClient {
    Hello { protocol: u32, runtime: String, unavailable: Option<String> },
    Reply { id: u64, result: Result<Reply, Error> },
    Event { id: u64, state: ContainerState },
}

/// One method of [`interfaces::workload::Runtime`] with its arguments.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    Start { sandbox: Box<Sandbox>, container: Box<Container> },
    Stop { id: ContainerId, grace_seconds: u64 },
    Remove { id: ContainerId },
    RemovePod { pod: PodRef },
    Exec { id: ContainerId, command: Vec<String>, timeout_seconds: u64 },
    List,
    Usage,
    Events,
}

impl Request {
    /// The method's name, for errors.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop { .. } => "stop",
            Self::Remove { .. } => "remove",
            Self::RemovePod { .. } => "remove pod",
            Self::Exec { .. } => "exec",
            Self::List => "list",
            Self::Usage => "usage",
            Self::Events => "events",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    Done,
    State(ContainerState),
    Outcome(ExecOutcome),
    States(Vec<ContainerState>),
    Usages(Vec<Usage>),
    /// Event items follow under the same id.
    Subscribed,
}

pub(crate) fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(LARGEST_MESSAGE).new_codec()
}

pub(crate) fn encode<T: Serialize>(message: &T) -> std::io::Result<Bytes> {
    Ok(serde_json::to_vec(message)?.into())
}

pub(crate) fn decode<T: serde::de::DeserializeOwned>(frame: &[u8]) -> std::io::Result<T> {
    Ok(serde_json::from_slice(frame)?)
}
