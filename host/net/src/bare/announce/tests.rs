//! A node, a pod, and a client in the same network outside of the cluster: real namespaces, real packets.

use super::*;
use crate::services::{Backend, Config as ProxyConfig, ServicePort, apply, render};
use crate::tests::{ask, config, isolated, pod};
use crate::{Network, netns};
use interfaces::network::PodNetwork;
use std::path::Path;
use std::process::Command;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const BALANCER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);

fn ip(arguments: &str) -> io::Result<String> {
    let output = Command::new("ip").args(arguments.split_whitespace()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(io::Error::other(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr))))
    }
}

async fn within<T: Send + 'static>(namespace: &Path, work: impl AsyncFnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let path = namespace.to_path_buf();
    tokio::task::spawn_blocking(move || netns::run(&path, work)).await?
}

async fn serve(listener: TcpListener, word: &'static str) {
    while let Ok((mut stream, from)) = listener.accept().await {
        let _ = stream.write_all(format!("{word} {}", from.ip()).as_bytes()).await;
    }
}

#[test]
fn a_client_outside_reaches_the_balancer_that_the_node_announces() {
    isolated(async || {
        let dir = tempfile::tempdir()?;
        let fail = io::Error::other::<interfaces::network::Error>;
        let network = Network::open(config(dir.path())).await?;
        let link = network.attach(&pod("b")).await.map_err(fail)?;
        let IpAddr::V4(backend) = link.addresses[0] else { panic!("no IPv4 address") };
        let listener = within(&link.netns.clone().unwrap(), async || TcpListener::bind("0.0.0.0:8080").await?.into_std()).await?;
        tokio::spawn(serve(TcpListener::from_std(listener)?, "pod"));
        // What listens on all addresses of the node is not the balancer's.
        tokio::spawn(serve(TcpListener::bind("0.0.0.0:9000").await?, "node"));

        let outside = dir.path().join("netns/outside");
        netns::create(&outside)?;
        ip(&format!("link add up0 type veth peer name eth0 netns {}", outside.display()))?;
        ip("address add 192.0.2.1/24 dev up0")?;
        ip("link set up0 up")?;
        // The client still believes that another machine has the address.
        within(&outside, async || {
            ip("address add 192.0.2.100/24 dev eth0")?;
            ip("link set eth0 up")?;
            ip("neighbour add 192.0.2.50 lladdr 02:00:00:00:00:99 nud stale dev eth0")
        })
        .await?;

        let settings = Config {
            node_name: "n".into(),
            pool: "192.0.2.50-192.0.2.51".parse().unwrap(),
            interface: None,
            node_address: IpAddr::V4(NODE),
            bridge: "coracle0".into(),
        };
        let announcer = || Announcer { config: settings.clone(), told: BTreeSet::new(), fresh: BTreeMap::new() };
        let wanted = BTreeSet::from([BALANCER]);
        let mut first = announcer();
        assert_eq!(first.apply(&wanted).await?, [BALANCER]);
        assert!(first.speak());
        assert!(ip("-o address show dev up0")?.contains("192.0.2.50/32 scope global up0:lb"));
        let hardware = std::fs::read_to_string("/sys/class/net/up0/address").ok();
        let neighbour = within(&outside, async || ip("neighbour show 192.0.2.50")).await?;
        assert!(!neighbour.contains("02:00:00:00:00:99"), "{neighbour} {hardware:?}");
        assert!(first.apply(&wanted).await?.is_empty(), "nothing is new");

        let port = ServicePort {
            name: "default/b".into(),
            protocol: "tcp".into(),
            cluster_ips: vec![Ipv4Addr::new(10, 143, 0, 7)],
            balancer_ips: vec![BALANCER],
            port: 80,
            node_port: 30080,
            backends: vec![Backend { address: backend, port: 8080 }],
            ..ServicePort::default()
        };
        let local = ServicePort { external_local: true, local: port.backends.clone(), ..port.clone() };
        let elsewhere = ServicePort { external_local: true, ..port.clone() };
        let guarded = |range: &str| ServicePort { source_ranges: vec![range.parse().unwrap()], ..port.clone() };
        let base = config(dir.path());
        let proxy = ProxyConfig {
            pod_cidr: base.pod_cidr,
            service_cidr: base.service_cidr,
            bridge: base.bridge,
            node_name: "n".into(),
            middleware: tokio::sync::watch::channel(None).1,
            node_address: Some(NODE),
        };
        let silence = Err("silence".to_owned());
        for (what, port, target, expect) in [
            ("Cluster hides the client", &port, (BALANCER, 80), Ok("pod 10.142.0.1".to_owned())),
            ("Local shows it", &local, (BALANCER, 80), Ok("pod 192.0.2.100".to_owned())),
            ("so it does on the node's port", &local, (NODE, 30080), Ok("pod 192.0.2.100".to_owned())),
            ("no backend here", &elsewhere, (BALANCER, 80), silence.clone()),
            ("nor on the node's port", &elsewhere, (NODE, 30080), silence.clone()),
            ("allowed", &guarded("192.0.2.96/28"), (BALANCER, 80), Ok("pod 10.142.0.1".to_owned())),
            ("not allowed", &guarded("192.0.2.0/28"), (BALANCER, 80), silence),
            ("ranges are not for the node's port", &guarded("192.0.2.0/28"), (NODE, 30080), Ok("pod 10.142.0.1".to_owned())),
            ("other ports are closed", &port, (BALANCER, 9000), Err("Connection refused".to_owned())),
            ("but not the node's", &port, (NODE, 9000), Ok("node 192.0.2.100".to_owned())),
        ] {
            apply(&render(&proxy, std::slice::from_ref(port))).await.map_err(io::Error::other)?;
            let answer = within(&outside, async move || {
                // Longer than any answer takes here; only where none comes, it is waited for.
                tokio::time::timeout(Duration::from_secs(1), ask(target)).await.unwrap_or(Err(io::Error::other("silence")))
            });
            let answer = answer.await.map_err(|e| e.to_string());
            let cut = |text: String| text.split(" (os").next().unwrap_or_default().to_owned();
            assert_eq!(answer.map_err(cut), expect, "{what}");
        }
        // The node and pods go the short way, also where clients outside find nothing.
        apply(&render(&proxy, &[elsewhere])).await.map_err(io::Error::other)?;
        assert_eq!(ask((BALANCER, 80)).await?, "pod 10.142.0.1");
        // A node whose own address is allowed may call its balancers.
        apply(&render(&proxy, &[guarded("192.0.2.0/28")])).await.map_err(io::Error::other)?;
        assert_eq!(ask((BALANCER, 80)).await?, "pod 10.142.0.1");

        // A new process finds the address, tells of it once more, and gives it up when it is not wanted.
        let mut second = announcer();
        assert_eq!(second.apply(&wanted).await?, [BALANCER]);
        assert!(second.apply(&BTreeSet::new()).await?.is_empty());
        assert!(!second.speak());
        let left = ip("-o address show dev up0")?;
        assert!(left.contains("192.0.2.1/24") && !left.contains("192.0.2.50"), "{left}");
        announcer().apply(&wanted).await?;
        clear().await?;
        assert!(!ip("-o address show dev up0")?.contains("192.0.2.50"));
        netns::remove(&outside)?;
        network.detach(&pod("b")).await.map_err(fail)?;
        network.close().await;
        Ok(())
    });
}
