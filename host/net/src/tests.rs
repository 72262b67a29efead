//! Real namespaces, real packets: two pods and a Service between them, in a namespace without a route out.

use crate::services::{Backend, Config as ProxyConfig, ServicePort, apply, render};
use crate::{Config, Network, netns};
use interfaces::network::{PodNetwork, PodRef};
use nix::sched::{CloneFlags, unshare};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) fn config(dir: &std::path::Path) -> Config {
    Config {
        state_dir: dir.join("net"),
        netns_dir: dir.join("netns"),
        pod_cidr: "10.142.0.0/24".parse().unwrap(),
        service_cidr: "10.143.0.0/16".parse().unwrap(),
        cluster_dns: Ipv4Addr::new(10, 143, 0, 10),
        cluster_domain: "cluster.local".into(),
        bridge: "coracle0".into(),
        node_address: None,
    }
}

pub(crate) fn pod(name: &str) -> PodRef {
    PodRef { namespace: "default".into(), name: name.into(), uid: format!("uid-{name}") }
}

/// Runs on a thread in a fresh network namespace.
pub(crate) fn isolated(work: impl AsyncFnOnce() -> io::Result<()> + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work())
    });
    thread.join().unwrap().unwrap();
}

#[test]
fn pods_reach_each_other_and_a_service_and_themselves_through_it() {
    isolated(async || {
        let dir = tempfile::tempdir()?;
        let network = Network::open(config(dir.path())).await?;
        let fail = io::Error::other::<interfaces::network::Error>;
        let (a, b) = (network.attach(&pod("a")).await.map_err(fail)?, network.attach(&pod("b")).await.map_err(fail)?);
        assert_eq!(network.attach(&pod("a")).await.map_err(fail)?, a, "attach is idempotent");
        assert_eq!(network.node_address(), IpAddr::V4(Ipv4Addr::new(10, 142, 0, 1)), "the bridge's, without an uplink");

        let (a_ns, b_ns) = (a.netns.clone().unwrap(), b.netns.clone().unwrap());
        let IpAddr::V4(b_address) = b.addresses[0] else { panic!("no IPv4 address") };
        // Made inside b's namespace, served from here: a socket stays where it was made.
        let listener = tokio::task::spawn_blocking({
            let ns = b_ns.clone();
            move || netns::run(&ns, async || TcpListener::bind("0.0.0.0:8080").await?.into_std())
        })
        .await??;
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(async move {
            while let Ok((mut stream, from)) = listener.accept().await {
                let _ = stream.write_all(from.ip().to_string().as_bytes()).await;
            }
        });

        let service = Ipv4Addr::new(10, 143, 0, 7);
        let port = ServicePort {
            name: "default/b".into(),
            protocol: "tcp".into(),
            cluster_ips: vec![service],
            port: 80,
            backends: vec![Backend { address: b_address, port: 8080 }],
            ..ServicePort::default()
        };
        let settings = config(dir.path());
        let proxy = ProxyConfig {
            pod_cidr: settings.pod_cidr,
            service_cidr: settings.service_cidr,
            bridge: settings.bridge,
            node_name: "n".into(),
            middleware: tokio::sync::watch::channel(None).1,
            node_address: None,
        };
        apply(&render(&proxy, &[port])).await.map_err(io::Error::other)?;

        let a_address = a.addresses[0].to_string();
        for (from, target, expect, why) in [
            (&a_ns, (b_address, 8080), Some(a_address.as_str()), "pod to pod keeps the source"),
            (&a_ns, (service, 80), Some(a_address.as_str()), "pod to Service keeps the source"),
            (&b_ns, (service, 80), Some("10.142.0.1"), "a pod to itself through its Service"),
            (&a_ns, (service, 81), None, "an unknown port is refused"),
            (&a_ns, (Ipv4Addr::new(10, 143, 9, 9), 80), None, "an unknown Service is refused"),
        ] {
            let from = from.clone();
            let seen = tokio::task::spawn_blocking(move || netns::run(&from, async move || ask(target).await)).await?;
            assert_eq!(seen.ok().as_deref(), expect, "{why}");
        }
        assert_eq!(ask((service, 80)).await?, "10.142.0.1", "the node to the Service");

        network.detach(&pod("a")).await.map_err(fail)?;
        network.detach(&pod("b")).await.map_err(fail)?;
        network.detach(&pod("b")).await.map_err(fail)?;
        assert!(network.attached().await.map_err(fail)?.is_empty());
        assert!(!a_ns.exists());
        network.close().await;
        Ok(())
    });
}

#[test]
fn many_pods_at_once_have_addresses_of_their_own_and_keep_them_over_a_restart() {
    isolated(async || {
        let dir = tempfile::tempdir()?;
        let fail = io::Error::other::<interfaces::network::Error>;
        let network = Network::open(config(dir.path())).await?;
        let pods: Vec<PodRef> = (0..20).map(|i| pod(&i.to_string())).collect();
        let links = futures::future::try_join_all(pods.iter().map(|p| network.attach(p))).await.map_err(fail)?;
        let addresses: std::collections::HashSet<IpAddr> = links.iter().flat_map(|l| l.addresses.clone()).collect();
        assert_eq!(addresses.len(), 20);
        drop(network);

        let network = Network::open(config(dir.path())).await?;
        let again = futures::future::try_join_all(pods.iter().map(|p| network.attach(p))).await.map_err(fail)?;
        assert_eq!(again, links);
        for pod in &pods {
            network.detach(pod).await.map_err(fail)?;
        }
        network.close().await;
        // What the first process had made in advance is gone too.
        assert_eq!(std::fs::read_dir(dir.path().join("netns"))?.count(), 0);
        Ok(())
    });
}

pub(crate) async fn ask(target: (Ipv4Addr, u16)) -> io::Result<String> {
    let mut stream = TcpStream::connect(target).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}
