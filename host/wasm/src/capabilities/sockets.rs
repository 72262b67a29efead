//! `wasi:sockets` in the pod's network namespace. A socket belongs to the namespace of the thread that made it, so only the
//! two functions that make sockets are ours; all others are wasmtime's.

use crate::ctx::State;
use crate::network::Network;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::{instance_network, network, tcp, tcp_create_socket, udp, udp_create_socket};
use wasmtime_wasi::p2::{SocketError, SocketResult, TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsCtxView, WasiSocketsView};

pub fn link(l: &mut Linker<State>) -> Result<()> {
    let options = network::LinkOptions::default();
    network::add_to_linker::<State, WasiSockets>(l, &options, State::sockets)?;
    instance_network::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    tcp::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    udp::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    tcp_create_socket::add_to_linker::<State, PodSockets>(l, State::pod_sockets)?;
    udp_create_socket::add_to_linker::<State, PodSockets>(l, State::pod_sockets)
}

struct PodSockets;

impl HasData for PodSockets {
    type Data<'a> = PodSocketsView<'a>;
}

pub struct PodSocketsView<'a> {
    network: &'a Network,
    sockets: WasiSocketsCtxView<'a>,
}

impl State {
    fn pod_sockets(&mut self) -> PodSocketsView<'_> {
        let sockets = WasiSocketsCtxView { ctx: self.wasi.sockets(), table: &mut self.table };
        PodSocketsView { network: &self.network, sockets }
    }
}

/// How errors of the functions below reach the guest: as those of all other socket functions.
impl network::Host for PodSocketsView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> Result<ErrorCode> {
        self.sockets.convert_error_code(error)
    }

    fn network_error_code(&mut self, error: Resource<wasmtime::Error>) -> Result<Option<ErrorCode>> {
        self.sockets.network_error_code(error)
    }
}

impl network::HostNetwork for PodSocketsView<'_> {
    fn drop(&mut self, network: Resource<network::Network>) -> Result<()> {
        network::HostNetwork::drop(&mut self.sockets, network)
    }
}

impl tcp_create_socket::Host for PodSocketsView<'_> {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        let Self { network, sockets } = self;
        let made = network.inside(|| tcp_create_socket::Host::create_tcp_socket(sockets, family));
        made.unwrap_or_else(|error| Err(ErrorCode::from(error).into()))
    }
}

impl udp_create_socket::Host for PodSocketsView<'_> {
    async fn create_udp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        let Self { network, sockets } = self;
        let mut made = pin!(udp_create_socket::Host::create_udp_socket(sockets, family));
        // The thread may change between polls, so each enters and leaves the namespace.
        poll_fn(|context| match network.inside(|| made.as_mut().poll(context)) {
            Ok(polled) => polled,
            Err(error) => Poll::Ready(Err(ErrorCode::from(error).into())),
        })
        .await
    }
}
