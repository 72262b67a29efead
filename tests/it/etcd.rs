//! Several servers on one etcd cluster: what one writes the others see, and the death of a member, a server or the leader
//! loses nothing that was acknowledged.

use etcd::testing::Etcd;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use tests::{Cluster, Options, Program, eventually};

const PORTS: [u16; 2] = [6443, 7443];

/// A sandbox with an etcd cluster of three members behind TLS, and servers that keep their state there.
pub(super) struct Servers {
    etcd: Etcd,
    pub(super) cluster: Cluster,
    /// Further flags, for all.
    flags: &'static [&'static str],
}

impl Servers {
    fn new() -> Self {
        Self::with_flags(&["--disable=agent,dns,plugins,proxy"])
    }

    pub(super) fn with_flags(flags: &'static [&'static str]) -> Self {
        let cluster = Cluster::new(Options::default());
        // The servers would do so, but etcd is there before them.
        assert_eq!(cluster.on_node("ip", &["link", "set", "lo", "up"]).code, Some(0));
        let etcd = cluster.sandbox().inside(|| Etcd::with(3, true, &[]));
        Self { etcd, cluster, flags }
    }

    pub(super) fn kubeconfig(&self, index: usize) -> PathBuf {
        self.cluster.dir().join(format!("kubeconfig-{index}"))
    }

    pub(super) fn data(&self, index: usize) -> PathBuf {
        self.cluster.dir().join(format!("data-{index}"))
    }

    fn spawn(&self, index: usize) -> Program {
        let mut command = self.cluster.command();
        command.arg("--data-dir").arg(self.data(index)).arg("--write-kubeconfig").arg(self.kubeconfig(index));
        command.args(["--node-name", &format!("server-{index}"), "--https-listen-port", &PORTS[index].to_string()]);
        command.args(self.flags).args(["--store=etcd", "--etcd-prefix=/test/registry"]);
        command.args(["--etcd-servers", &self.etcd.servers().join(",")]);
        for (flag, file) in [("--etcd-cafile", "ca.crt"), ("--etcd-certfile", "client.crt"), ("--etcd-keyfile", "client.key")] {
            command.arg(flag).arg(self.etcd.file(file));
        }
        command.args(["--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=500ms"]);
        self.cluster.spawn_on_node(command)
    }

    pub(super) fn start(&self, index: usize) -> Program {
        let mut server = self.spawn(index);
        server.line("API server is ready");
        server
    }

    /// Both servers, the second with the first one's authority.
    pub(super) fn start_both(&self) -> [Program; 2] {
        let first = self.start(0);
        let (from, to) = (self.data(0).join("tls"), self.data(1).join("tls"));
        std::fs::create_dir_all(&to).expect("a folder can be made");
        for file in ["ca.crt", "ca.key", "service-account.key"] {
            if from.join(file).exists() {
                std::fs::copy(from.join(file), to.join(file)).expect("the authority can be copied");
            }
        }
        [first, self.start(1)]
    }

    fn with<T: Send, F: Future<Output = T>>(&self, index: usize, work: impl FnOnce(Client) -> F + Send) -> T {
        self.cluster.typed_at(&self.kubeconfig(index), work)
    }

    pub(super) fn kubectl(&self, index: usize, args: &[&str]) -> String {
        let kubeconfig = self.kubeconfig(index).display().to_string();
        self.cluster.kubectl().ok(&[&["--kubeconfig", &kubeconfig], args].concat())
    }

    /// The ports of the `kubernetes` Service's endpoints.
    fn endpoints(&self, index: usize) -> Vec<String> {
        let template = "--output=jsonpath={.subsets[*].ports[*].port}";
        let told = self.kubectl(index, &["--namespace", "default", "get", "endpoints", "kubernetes", template]);
        told.split(' ').map(str::to_owned).collect()
    }

    /// The holder of a lease that is not given up.
    pub(super) fn leader(&self, index: usize, lease: &str) -> Option<String> {
        let found = self.with(index, |client| async move { Api::<Lease>::namespaced(client, "kube-system").get_opt(lease).await });
        found.ok().flatten()?.spec?.holder_identity.filter(|holder| !holder.is_empty())
    }
}

fn named(name: &str) -> ConfigMap {
    let mut map = ConfigMap { data: Some(BTreeMap::from([("key".to_owned(), "value".to_owned())])), ..ConfigMap::default() };
    map.metadata.name = Some(name.to_owned());
    map
}

#[test]
fn etcd_servers_see_each_others_writes_at_once() {
    let servers = Servers::new();
    let first = servers.start(0);
    let mut stranger = servers.spawn(1);
    stranger.line("copy ca.crt, ca.key and service-account.key");
    drop((first, stranger));
    std::fs::remove_dir_all(servers.data(1)).expect("the stranger's data can be removed");
    let mut both = servers.start_both();
    assert_eq!(servers.endpoints(0), ["6443", "7443"], "the kubernetes Service leads to both");

    let here = servers.kubeconfig(0);
    let mut delays = servers.with(1, |other| async move {
        let watch: Api<ConfigMap> = Api::default_namespaced(other);
        let start = watch.list(&ListParams::default()).await.expect("a list").metadata.resource_version.expect("with a revision");
        let mut events = watch.watch(&WatchParams::default(), &start).await.expect("a watch").boxed();
        let config = kube::config::Kubeconfig::read_from(here).expect("a kubeconfig");
        let config = kube::Config::from_custom_kubeconfig(config, &kube::config::KubeConfigOptions::default()).await.expect("it is usable");
        let api: Api<ConfigMap> = Api::default_namespaced(Client::try_from(config).expect("a client"));
        let mut delays = Vec::new();
        for turn in 0..30 {
            let name = format!("seen-{turn}");
            let begun = Instant::now();
            let made = api.create(&PostParams::default(), &named(&name)).await.expect("it is created");
            let Some(WatchEvent::Added(told)) = events.try_next().await.expect("the watch goes on") else { panic!("no event of {name}") };
            delays.push(begun.elapsed());
            assert_eq!(told.metadata.resource_version, made.metadata.resource_version, "both name etcd's revision");
            // A read of the other server is not older than what was acknowledged before.
            let list = watch.list(&ListParams::default()).await.expect("a list");
            assert!(list.items.iter().any(|map| map.metadata.name.as_ref() == Some(&name)), "{name} is in the list");
        }
        delays
    });
    delays.sort_unstable();
    eprintln!("create at one server to event at the other: median {:.1?}, longest {:.1?}", delays[15], delays[29]);

    // The client's certificate is good at both, and so is kubectl.
    servers.kubectl(0, &["create", "namespace", "shared"]);
    servers.kubectl(1, &["--namespace", "shared", "create", "configmap", "a", "--from-literal=k=v"]);
    assert_eq!(servers.kubectl(0, &["--namespace", "shared", "get", "configmap", "a", "--output=jsonpath={.data.k}"]), "v");
    servers.kubectl(1, &["delete", "namespace", "shared"]);
    assert!(!servers.kubectl(0, &["get", "namespaces", "--output=name"]).contains("shared"), "the leading controller emptied it");

    // Who stops in order gives up its leases and its place in the endpoints.
    let leading = usize::from(servers.leader(0, "kube-controller-manager").is_some_and(|holder| holder.starts_with("server-1_")));
    let pid = Pid::from_raw(both[leading].id().try_into().expect("a PID is small"));
    kill(pid, Signal::SIGTERM).expect("the server can be signalled");
    both[leading].rest();
    let other = 1 - leading;
    assert_eq!(servers.endpoints(other), [PORTS[other].to_string()]);
    eventually("the other to lead", || {
        let holder = servers.leader(other, "kube-controller-manager").unwrap_or_default();
        if holder.starts_with(&format!("server-{other}_")) { Ok(()) } else { Err(holder) }
    });
}

#[test]
fn etcd_survives_a_member_a_server_and_the_leader() {
    const WRITERS: usize = 6;
    let mut servers = Servers::new();
    let mut both = servers.start_both().map(Some);
    let holder = eventually("a leader", || servers.leader(0, "kube-controller-manager").ok_or_else(|| "none".to_owned()));
    let leading = usize::from(holder.starts_with("server-1"));

    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let acknowledged: Mutex<BTreeMap<String, String>> = Mutex::default();
    let restarted = std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (servers, stop, count, acknowledged) = (&servers, &stop, &count, &acknowledged);
            let (cluster, paths) = (&servers.cluster, [servers.kubeconfig(0), servers.kubeconfig(1)]);
            scope.spawn(move || {
                // Each goes on at the other server when its own is away.
                let mut n = 0_usize;
                while !stop.load(Ordering::Relaxed) {
                    for path in [&paths[writer % 2], &paths[(writer + 1) % 2]] {
                        n = cluster.typed_at(path, |client| write(client, writer, n, stop, count, acknowledged));
                    }
                }
            });
        }
        let _stop = Stop(&stop);
        let more = |wanted: usize| {
            let from = count.load(Ordering::Relaxed);
            eventually("writes", || {
                let written = count.load(Ordering::Relaxed) - from;
                if written >= wanted { Ok(()) } else { Err(format!("{written} of {wanted}")) }
            });
        };
        more(100);
        // The server that leads dies as by a power failure.
        drop(both[leading].take());
        more(100);
        leading
    });
    let other = 1 - restarted;
    let holder = eventually("another leader", || {
        let holder = servers.leader(other, "kube-controller-manager").unwrap_or_default();
        if holder.starts_with(&format!("server-{other}_")) { Ok(holder) } else { Err(holder) }
    });
    assert!(holder.starts_with("server-"), "{holder}");
    eventually("a scheduler", || {
        let holder = servers.leader(other, "kube-scheduler").unwrap_or_default();
        if holder.starts_with(&format!("server-{other}_")) { Ok(()) } else { Err(holder) }
    });
    both[restarted] = Some(servers.start(restarted));

    // A member of etcd dies under load.
    stop.store(false, Ordering::Relaxed);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (servers_cluster, path) = (&servers.cluster, servers.kubeconfig(writer % 2));
            let (stop, count, acknowledged) = (&stop, &count, &acknowledged);
            scope.spawn(move || {
                let mut n = 1_000_000;
                while !stop.load(Ordering::Relaxed) {
                    n = servers_cluster.typed_at(&path, |client| write(client, writer, n, stop, count, acknowledged));
                }
            });
        }
        let _stop = Stop(&stop);
        for _ in 0..2 {
            let from = count.load(Ordering::Relaxed);
            eventually("writes", || if count.load(Ordering::Relaxed) >= from + 100 { Ok(()) } else { Err("too few".to_owned()) });
            servers.etcd.kill(0);
        }
    });

    let acknowledged = acknowledged.into_inner().expect("no writer panics");
    eprintln!("{} writes were acknowledged", acknowledged.len());
    for index in 0..2 {
        let found =
            servers.with(index, |client| async move { Api::<ConfigMap>::default_namespaced(client).list(&ListParams::default()).await });
        let found: BTreeMap<String, String> =
            found.expect("a list").items.into_iter().filter_map(|map| Some((map.metadata.name?, map.metadata.resource_version?))).collect();
        for (name, revision) in &acknowledged {
            assert_eq!(found.get(name), Some(revision), "{name} at server {index}");
        }
    }
}

/// Creates maps until it fails or is stopped; the next number.
async fn write(
    client: Client,
    writer: usize,
    from: usize,
    stop: &AtomicBool,
    count: &AtomicUsize,
    acknowledged: &Mutex<BTreeMap<String, String>>,
) -> usize {
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    for n in from.. {
        if stop.load(Ordering::Relaxed) {
            return n;
        }
        let name = format!("w{writer}-{n}");
        let Ok(made) = api.create(&PostParams::default(), &named(&name)).await else { return n + 1 };
        acknowledged.lock().expect("no writer panics").insert(name, made.metadata.resource_version.unwrap_or_default());
        count.fetch_add(1, Ordering::Relaxed);
    }
    from
}

/// Stops the writers, also when the test failed.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
