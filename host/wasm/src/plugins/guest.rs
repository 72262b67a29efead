//! What only a plugin's store has, and the host functions that act on it alone: log, config, the pod that is scheduled.

use super::bindings::coracle::plugin::{admission_types, cloud_types, config, http_types, log, schedule_types, whole_pod};
use super::platform::Given;
use super::worlds::controller::owner::Owner;
use super::worlds::scheduler::imports::Seen;
use crate::ctx::State;
use object::Object;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker};

/// Longest message, and messages per call (`wit/log.wit`): a plugin must not fill the server's log.
const LONGEST_MESSAGE: usize = 4 << 10;
const MESSAGES: u32 = 100;

/// What only a plugin's store has.
pub struct Guest {
    pub(super) given: Arc<Given>,
    messages: u32,
    pod: Option<Arc<Object>>,
    /// What the scheduler shows beside the pod.
    pub(super) seen: Seen,
    /// When the call under way must have ended.
    deadline: Option<Instant>,
    owner: Option<Owner>,
}

impl Guest {
    pub fn new(given: Arc<Given>) -> Self {
        Self { given, messages: 0, pod: None, seen: Seen::default(), deadline: None, owner: None }
    }

    /// A call begins.
    pub(super) fn begin(&mut self, deadline: Instant) {
        self.messages = 0;
        self.pod = None;
        self.seen = Seen::default();
        self.owner = None;
        self.deadline = Some(deadline);
    }

    /// What `whole-pod` shows from now on.
    pub(super) fn about(&mut self, pod: Option<Arc<Object>>) {
        self.pod = pod;
    }

    /// What `owner` makes the owner of others from now on.
    pub(super) fn own(&mut self, owner: Option<Owner>) {
        self.owner = owner;
    }

    pub(super) fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }

    /// When the call under way must have ended.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// A workload's store has no guest; its linker has none of these functions.
pub(super) struct HasGuest;

impl HasData for HasGuest {
    type Data<'a> = GuestView<'a>;
}

pub(super) struct GuestView<'a>(pub(super) Option<&'a mut Guest>);

pub(super) fn view(state: &mut State) -> GuestView<'_> {
    GuestView(state.plugin.as_mut())
}

pub(crate) fn link_log(l: &mut Linker<State>) -> Result<()> {
    log::add_to_linker::<State, HasGuest>(l, view)
}

pub(crate) fn link_config(l: &mut Linker<State>) -> Result<()> {
    config::add_to_linker::<State, HasGuest>(l, view)
}

pub(crate) fn link_whole_pod(l: &mut Linker<State>) -> Result<()> {
    whole_pod::add_to_linker::<State, HasGuest>(l, view)
}

pub(crate) fn link_http_types(l: &mut Linker<State>) -> Result<()> {
    http_types::add_to_linker::<State, HasGuest>(l, view)
}

pub(crate) fn link_types(l: &mut Linker<State>) -> Result<()> {
    schedule_types::add_to_linker::<State, HasGuest>(l, view)
}

pub(crate) fn link_admission_types(l: &mut Linker<State>) -> Result<()> {
    admission_types::add_to_linker::<State, HasGuest>(l, view)
}

pub(crate) fn link_cloud_types(l: &mut Linker<State>) -> Result<()> {
    cloud_types::add_to_linker::<State, HasGuest>(l, view)
}

impl log::Host for GuestView<'_> {
    fn log(&mut self, level: log::Level, message: String) {
        let Some(guest) = &mut self.0 else { return };
        let plugin = &guest.given.name;
        guest.messages = guest.messages.saturating_add(1);
        if guest.messages > MESSAGES {
            if guest.messages == MESSAGES + 1 {
                tracing::warn!(%plugin, "more than {MESSAGES} messages in one call: the others are dropped");
            }
            return;
        }
        let message = message.get(..message.floor_char_boundary(LONGEST_MESSAGE)).unwrap_or_default();
        match level {
            log::Level::Trace => tracing::trace!(%plugin, "{message}"),
            log::Level::Debug => tracing::debug!(%plugin, "{message}"),
            log::Level::Info => tracing::info!(%plugin, "{message}"),
            log::Level::Warn => tracing::warn!(%plugin, "{message}"),
            log::Level::Error => tracing::error!(%plugin, "{message}"),
        }
    }
}

impl config::Host for GuestView<'_> {
    fn get(&mut self, key: String) -> Option<String> {
        self.0.as_ref().and_then(|guest| guest.given.config.get(&key).cloned())
    }

    fn all(&mut self) -> Vec<(String, String)> {
        let given = self.0.as_ref().map(|guest| &guest.given);
        given.map(|given| given.config.iter().map(|(key, value)| (key.clone(), value.clone())).collect()).unwrap_or_default()
    }
}

impl whole_pod::Host for GuestView<'_> {
    fn json(&mut self) -> String {
        let pod = self.0.as_ref().and_then(|guest| guest.pod.as_ref());
        // An object of the API is JSON already: this does not fail.
        pod.and_then(|pod| serde_json::to_string(pod.as_map()).ok()).unwrap_or_default()
    }
}

impl schedule_types::Host for GuestView<'_> {}
impl admission_types::Host for GuestView<'_> {}
impl cloud_types::Host for GuestView<'_> {}

impl http_types::Host for GuestView<'_> {}
