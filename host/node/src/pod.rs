//! One pod: its task, its state machine and the operations it runs.
//!
//! [`worker`] owns everything known of the pod and is the only one to change it. Operations ([`prepare`], [`start`],
//! [`stop`], [`cleanup`], probes, hooks, status writes) are tasks that end in an [`Event`]; none of them holds up
//! another. After every event the worker compares what the API wants with what is there and starts what is missing.

mod adopt;
mod cleanup;
mod drive;
mod finish;
pub mod plan;
mod prepare;
mod report;
pub mod slot;
mod start;
pub mod status;
#[cfg(test)]
mod status_tests;
mod stop;
mod worker;
#[cfg(test)]
mod worker_tests;

pub use start::log_path;
pub use worker::{Known, Worker};

use crate::agent::Agent;

use crate::probes;
use interfaces::workload::ContainerState;
use object::Object;
use std::sync::Arc;

/// Where a pod stands on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Volumes, network and files under `/etc` are being made; retried until they are there.
    Preparing,
    /// Containers are started and restarted as the plan says.
    Active,
    /// Something ended the pod: containers are being stopped, main ones first, then sidecars in reverse order.
    Terminating,
    /// Nothing runs. The last status is being written, then what the pod held is freed.
    Releasing,
    /// The pod is over and holds nothing but its logs; its object stays until someone deletes it.
    Ended,
    /// Nothing is left of it here and in the API; the task ends.
    Gone,
}

/// What can happen to a pod.
#[derive(Debug)]
pub enum Event {
    /// The API's object, as it is now.
    Spec(Arc<Object>),
    /// The API has this pod no more.
    Removed,
    /// A config map or secret that it uses has changed.
    Sources,
    /// A runtime tells of one of its containers.
    Container(&'static str, ContainerState),
    Prepared(Box<Result<prepare::Prepared, prepare::Error>>),
    Started {
        slot: usize,
        outcome: start::Outcome,
    },
    /// The postStart hook is through; what it failed with, if it did.
    Hooked {
        slot: usize,
        attempt: u32,
        failure: Option<String>,
    },
    Stopped {
        slot: usize,
        outcome: stop::Outcome,
    },
    Probed(probes::Report),
    /// A status write was answered.
    Written(report::Answer),
    /// What the pod held is freed, or what could not be.
    Released(Result<(), String>),
    /// The final delete was answered; `false`: to be tried again.
    Deleted(bool),
}

/// Ends and frees everything of a pod that the API no longer has.
pub async fn release(agent: &Agent, pod: &interfaces::network::PodRef) -> Result<(), String> {
    cleanup::cleanup(agent, pod, !pod.name.is_empty()).await
}
