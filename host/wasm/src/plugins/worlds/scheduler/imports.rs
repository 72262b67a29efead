//! What plugins of the scheduler's may look at beside their arguments: the pods that wait, and those on the nodes.

use crate::ctx::State;
use crate::plugins::bindings::coracle::plugin::schedule_types::Pod;
use crate::plugins::bindings::coracle::plugin::{running_pods, waiting_pods};
use crate::plugins::guest::{GuestView, HasGuest, view};
use crate::plugins::worlds::mirror;
use interfaces::schedule::{PodsOn, WaitingPods};
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::Linker;

/// Within one call.
#[derive(Default)]
pub struct Seen {
    pub waiting: Option<Arc<dyn WaitingPods>>,
    pub running: Option<Arc<dyn PodsOn>>,
}

pub(crate) fn link_waiting_pods(l: &mut Linker<State>) -> Result<()> {
    waiting_pods::add_to_linker::<State, HasGuest>(l, view)
}

pub(crate) fn link_running_pods(l: &mut Linker<State>) -> Result<()> {
    running_pods::add_to_linker::<State, HasGuest>(l, view)
}

impl waiting_pods::Host for GuestView<'_> {
    fn list(&mut self) -> Vec<waiting_pods::Waiting> {
        let waiting = self.0.as_ref().and_then(|guest| guest.seen.waiting.as_ref());
        let told = |waiting: interfaces::schedule::Waiting| waiting_pods::Waiting {
            pod: mirror::pod(&waiting.pod),
            node: waiting.node,
            pending: waiting.pending,
            milliseconds: u64::try_from(waiting.since.as_millis()).unwrap_or(u64::MAX),
        };
        waiting.map(|waiting| waiting.list().into_iter().map(told).collect()).unwrap_or_default()
    }

    fn allow(&mut self, uid: String) -> bool {
        let Some(guest) = &self.0 else { return false };
        guest.seen.waiting.as_ref().is_some_and(|waiting| waiting.allow(&guest.given.name, &uid))
    }

    fn reject(&mut self, uid: String, reason: String) -> bool {
        let Some(guest) = &self.0 else { return false };
        let reason = super::answers::text(reason);
        guest.seen.waiting.as_ref().is_some_and(|waiting| waiting.reject(&guest.given.name, &uid, &reason))
    }
}

impl running_pods::Host for GuestView<'_> {
    fn list(&mut self, node: u32) -> Vec<Pod> {
        let running = self.0.as_ref().and_then(|guest| guest.seen.running.as_ref());
        running.map(|running| running.on(node).into_iter().map(mirror::pod).collect()).unwrap_or_default()
    }
}
