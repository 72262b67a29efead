//! The network that a guest sees: its pod's namespace and the pod's resolver, or nothing.

use crate::dns::{self, Resolver};
use crate::plugins::platform::hosts::Hosts;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, crypto};

/// Cheap to clone.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
    /// Whom HTTPS requests trust; `None`: the public certificate authorities.
    tls: Option<Arc<ClientConfig>>,
}

struct Inner {
    allowed: bool,
    /// Pinned there longer than any container of the pod lives. `None`: the namespace of the process.
    netns: Option<PathBuf>,
    resolver: Resolver,
    /// Where it may go; `None`: anywhere.
    limits: Option<Arc<Hosts>>,
}

impl Network {
    /// Every use is refused.
    pub fn denied() -> Self {
        Self { inner: Arc::new(Inner { allowed: false, netns: None, resolver: Resolver::default(), limits: None }), tls: None }
    }

    /// The namespace pinned at `netns`, or the process's own.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn of_pod(netns: Option<&Path>, resolver: Resolver) -> io::Result<Self> {
        drop(netns.map(std::fs::File::open).transpose()?);
        let netns = netns.map(Path::to_owned);
        Ok(Self { inner: Arc::new(Inner { allowed: true, netns, resolver, limits: None }), tls: None })
    }

    /// The namespace and the resolver of the process, to `hosts` only.
    pub fn limited(hosts: Arc<Hosts>) -> Self {
        Self { inner: Arc::new(Inner { allowed: true, netns: None, resolver: Resolver::of_machine(), limits: Some(hosts) }), tls: None }
    }

    /// Trusts these certificate authorities (PEM), and no others.
    ///
    /// # Errors
    /// There is none among them that can be used.
    pub fn trusting(mut self, authorities: &[u8]) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(authorities).filter_map(Result::ok));
        if roots.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no certificate in it"));
        }
        self.tls = Some(tls_config(roots).map_err(io::Error::other)?);
        Ok(self)
    }

    pub fn tls(&self) -> Option<Arc<ClientConfig>> {
        self.tls.clone()
    }

    pub fn is_allowed(&self) -> bool {
        self.inner.allowed
    }

    /// Calls `f` with this thread inside the namespace: the sockets it makes belong there.
    ///
    /// # Errors
    /// `PermissionDenied` when the network is denied, or what entering the namespace said.
    pub fn inside<T>(&self, f: impl FnOnce() -> T) -> io::Result<T> {
        if !self.inner.allowed {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        workload::netns::inside_path(self.inner.netns.as_deref(), f)
    }

    /// Listens on `port`: of all addresses in a namespace of its own, else of the pod's own address, so that pods that
    /// share the host's network (an unprivileged node gives each a loopback address) do not take each other's ports.
    pub fn listen(&self, port: u16, pod: Option<IpAddr>) -> io::Result<std::net::TcpListener> {
        let own = pod.filter(|a| self.inner.netns.is_none() && a.is_loopback() && *a != IpAddr::from(std::net::Ipv4Addr::LOCALHOST));
        let any: IpAddr = match pod {
            Some(IpAddr::V6(_)) => std::net::Ipv6Addr::UNSPECIFIED.into(),
            _ => std::net::Ipv4Addr::UNSPECIFIED.into(),
        };
        let address = own.unwrap_or(any);
        let listener = self.inside(|| std::net::TcpListener::bind((address, port)))??;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    pub async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        if self.inner.limits.as_ref().is_some_and(|hosts| !hosts.allows(address)) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let make = || if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        self.inside(make)??.connect(address).await
    }

    /// A UDP socket connected to `address`.
    pub async fn udp(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        let any: IpAddr = if address.is_ipv4() { std::net::Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() };
        let socket = self.inside(|| std::net::UdpSocket::bind((any, 0)))??;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        socket.connect(address).await?;
        Ok(socket)
    }

    /// Addresses of `name` as a process in the pod would get them: IP literals, the pod's hosts file, the pod's resolver.
    pub async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, dns::Error> {
        if !self.inner.allowed {
            return Err(dns::Error::Denied);
        }
        let Some(hosts) = &self.inner.limits else { return self.inner.resolver.resolve(self, name).await };
        if !hosts.allows_name(name) {
            return Err(dns::Error::Denied);
        }
        // The name servers themselves are not on the list.
        let inner = Inner { allowed: true, netns: None, resolver: Resolver::default(), limits: None };
        let addresses = self.inner.resolver.resolve(&Self { inner: Arc::new(inner), tls: None }, name).await?;
        if name.parse::<IpAddr>().is_err() {
            hosts.remember(name, &addresses);
        }
        Ok(addresses)
    }
}

/// A client's side of TLS that trusts `roots`.
///
/// # Errors
/// The provider has no protocol version in common with us.
pub fn tls_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
