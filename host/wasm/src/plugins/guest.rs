//! The host functions that plugins import, and what they act on.

use super::bindings::coracle::plugin::{config, log, schedule_types, whole_pod};
use crate::ctx::State;
use object::Object;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker};

/// Longest message, and messages per call (`wit/log.wit`): a plugin must not fill the server's log.
const LONGEST_MESSAGE: usize = 4 << 10;
const MESSAGES: u32 = 100;

/// What only a plugin's store has.
pub struct Guest {
    name: Arc<str>,
    config: Arc<BTreeMap<String, String>>,
    messages: u32,
    pod: Option<Arc<Object>>,
}

impl Guest {
    pub fn new(name: Arc<str>, config: Arc<BTreeMap<String, String>>) -> Self {
        Self { name, config, messages: 0, pod: None }
    }

    /// A call about `pod` begins, or ends with `None`.
    pub(super) fn call(&mut self, pod: Option<Arc<Object>>) {
        self.messages = 0;
        self.pod = pod;
    }
}

/// A workload's store has no guest; its linker has none of these functions.
struct HasGuest;

impl HasData for HasGuest {
    type Data<'a> = GuestView<'a>;
}

struct GuestView<'a>(Option<&'a mut Guest>);

fn view(state: &mut State) -> GuestView<'_> {
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

pub(crate) fn link_types(l: &mut Linker<State>) -> Result<()> {
    schedule_types::add_to_linker::<State, HasGuest>(l, view)
}

impl log::Host for GuestView<'_> {
    fn log(&mut self, level: log::Level, message: String) {
        let Some(guest) = &mut self.0 else { return };
        guest.messages += 1;
        if guest.messages > MESSAGES {
            if guest.messages == MESSAGES + 1 {
                tracing::warn!(plugin = %guest.name, "more than {MESSAGES} messages in one call: the others are dropped");
            }
            return;
        }
        let plugin = &guest.name;
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
        self.0.as_ref().and_then(|guest| guest.config.get(&key).cloned())
    }

    fn all(&mut self) -> Vec<(String, String)> {
        let config = self.0.as_ref().map(|guest| guest.config.clone()).unwrap_or_default();
        config.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
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
