//! `wit/secrets.wit`.

use crate::ctx::State;
use crate::plugins::bindings::coracle::plugin::secrets as wit;
use crate::plugins::guest::{GuestView, HasGuest, view};
use wasmtime::Result;
use wasmtime::component::Linker;

pub(crate) fn link(l: &mut Linker<State>) -> Result<()> {
    wit::add_to_linker::<State, HasGuest>(l, view)
}

impl wit::Host for GuestView<'_> {
    async fn get(&mut self, name: String) -> std::result::Result<Vec<u8>, String> {
        let Some(guest) = &self.0 else { return Err("only plugins use this".to_owned()) };
        guest.given.platform.secret(&name).await
    }
}
