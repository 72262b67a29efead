//! `wasi:sockets/ip-name-lookup` by the pod's resolver.

use crate::ctx::State;
use crate::dns;
use crate::load;
use std::net::IpAddr;
use std::pin::Pin;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress};
use wasmtime_wasi::p2::{DynPollable, Network, Pollable, subscribe};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, poll_noop, spawn};

/// The version that wasmtime's own interfaces have; the linker also gives it to guests of other 0.2 versions.
const INTERFACE: &str = "wasi:sockets/ip-name-lookup@0.2.12";

enum Lookup {
    Pending(AbortOnDropJoinHandle<Result<Vec<IpAddr>, dns::Error>>),
    Done(Result<std::vec::IntoIter<IpAddr>, ErrorCode>),
}

impl Lookup {
    fn finish(&mut self, found: Result<Vec<IpAddr>, dns::Error>) {
        *self = Self::Done(found.map(Vec::into_iter).map_err(|error| match error {
            dns::Error::Denied => ErrorCode::AccessDenied,
            dns::Error::Invalid { .. } => ErrorCode::InvalidArgument,
            dns::Error::NotFound { .. } => ErrorCode::NameUnresolvable,
            dns::Error::Unanswered { .. } => ErrorCode::TemporaryResolverFailure,
        }));
    }
}

#[async_trait::async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        if let Self::Pending(lookup) = self {
            let found = lookup.await;
            self.finish(found);
        }
    }
}

pub fn link(l: &mut Linker<State>) -> Result<()> {
    debug_assert_eq!(load::base(INTERFACE), "wasi:sockets/ip-name-lookup");
    let mut l = l.instance(INTERFACE)?;
    l.resource("resolve-address-stream", ResourceType::host::<Lookup>(), |mut store, handle| {
        store.data_mut().table.delete(Resource::<Lookup>::new_own(handle))?;
        Ok(())
    })?;
    l.func_wrap("resolve-addresses", resolve_addresses)?;
    l.func_wrap("[method]resolve-address-stream.resolve-next-address", resolve_next_address)?;
    l.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store: StoreContextMut<'_, State>, (stream,): (Resource<Lookup>,)| -> Result<(Resource<DynPollable>,)> {
            Ok((subscribe(&mut store.data_mut().table, stream)?,))
        },
    )
}

fn resolve_addresses(
    mut store: StoreContextMut<'_, State>,
    (network, name): (Resource<Network>, String),
) -> Result<(Result<Resource<Lookup>, ErrorCode>,)> {
    let state = store.data_mut();
    // The handle is the permission to ask.
    state.table.get(&network)?;
    if !state.network.is_allowed() {
        return Ok((Err(ErrorCode::AccessDenied),));
    }
    let network = state.network.clone();
    let lookup = Lookup::Pending(spawn(async move { network.resolve(&name).await }));
    Ok((Ok(state.table.push(lookup)?),))
}

fn resolve_next_address(
    mut store: StoreContextMut<'_, State>,
    (stream,): (Resource<Lookup>,),
) -> Result<(Result<Option<IpAddress>, ErrorCode>,)> {
    let lookup = store.data_mut().table.get_mut(&stream)?;
    if let Lookup::Pending(pending) = lookup
        && let Some(found) = poll_noop(Pin::new(pending))
    {
        lookup.finish(found);
    }
    Ok((match lookup {
        Lookup::Pending(_) => Err(ErrorCode::WouldBlock),
        Lookup::Done(Ok(addresses)) => Ok(addresses.next().map(IpAddress::from)),
        Lookup::Done(Err(code)) => Err(*code),
    },))
}
