//! A hundred controllers, each a component of its own with a watch of its own: what they weigh when nothing happens, and how soon one
//! has acted when something does.

use super::load;
use crate::process;
use crate::table::{Table, quantile, time};
use futures::{StreamExt, TryStreamExt};
use kube::api::{ListParams, PostParams, WatchEvent, WatchParams};
use kube::core::DynamicObject;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::{Cluster, eventually};

const CONTROLLERS: usize = 100;
/// Between rounds: longer than `idleSeconds`, so that instances are dropped.
const REST: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;
/// Wake-ups of one controller in a row, whose instance stays.
const WARM: usize = 300;

const AROUND: &str = "apiVersion: v1
kind: ServiceAccount
metadata: {name: widgets, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: widgets}
rules:
- {apiGroups: [test.coracle.dev], resources: [widgets, widgets/status], verbs: [get, list, watch, patch]}
- {apiGroups: [''], resources: [configmaps], verbs: [get, list, watch, create, patch, delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: widgets}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: widgets}
subjects: [{kind: ServiceAccount, name: widgets, namespace: kube-system}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.test.coracle.dev}
spec:
  group: test.coracle.dev
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

pub fn run() {
    let cluster = load::in_memory(&[]);
    cluster.kubectl().apply(AROUND);
    cluster.kubectl().ok(&["wait", "--for=condition=Established", "crd/widgets.test.coracle.dev", "--timeout=60s"]);
    let component = std::fs::read(tests::paths::guest("plugin-controller")).expect("the guest can be read");
    // The engine, the shared caches and this kind are there with the first one; what is counted are the others.
    add(&cluster, &component, CONTROLLERS);
    settle(&cluster, 1);
    let one = Memory::after_restart(&cluster, 1);
    let (pid, start) = (process::server(&cluster), Instant::now());
    let cpu = process::cpu(pid);
    (0..CONTROLLERS).for_each(|number| add(&cluster, &component, number));
    settle(&cluster, CONTROLLERS + 1);
    let (loaded, used) = (start.elapsed(), process::cpu(pid) - cpu);
    let fresh = Memory::of(pid);
    let again = Memory::after_restart(&cluster, CONTROLLERS + 1);
    let pid = process::server(&cluster);
    let mut table = Table::new(format!("{CONTROLLERS} controllers in wasm (a component and a watch each; state in memory)"));
    table.row("applied → all run and rest", format!("{}, {} of server CPU each", time(loaded), time(used / CONTROLLERS as u32)), "");
    table.row("memory of an idle one", again.each(&one), "256 KiB");
    table.row("the same, before the server was restarted: just compiled, and its story in the watch cache", fresh.each(&one), "");
    let idle = process::cpu(pid);
    std::thread::sleep(Duration::from_secs(20));
    let idle = (process::cpu(pid) - idle).as_secs_f64() / 20.0 * 100.0;
    table.row("CPU while nothing happens, all together", format!("{idle:.2} % of a core"), "");

    let mut cold = Vec::new();
    for round in 0..ROUNDS {
        std::thread::sleep(REST);
        cold.extend(cluster.typed(|client| wake(client, (0..CONTROLLERS).map(|c| (c, format!("cold-{round}-{c}"))).collect())));
    }
    let warm = cluster.typed(|client| wake(client, (0..WARM).map(|i| (7, format!("warm-{i}"))).collect()));
    for (what, woken) in [("without an instance (it was dropped when idle)", cold), ("with its instance", warm)] {
        let (mut events, mut created): (Vec<Duration>, Vec<Duration>) = woken.into_iter().unzip();
        let figures = |times: &mut Vec<Duration>| format!("p50 {}, p99 {}", time(quantile(times, 0.5)), time(quantile(times, 0.99)));
        table.row(format!("event → its status is written and seen, {what}"), figures(&mut events), "1 ms");
        table.row(format!("create sent → the same, {what}"), figures(&mut created), "");
    }
}

/// In KiB.
struct Memory {
    resident: u64,
    anonymous: u64,
}

impl Memory {
    fn of(pid: u32) -> Self {
        Self { resident: process::figure(pid, "status", "VmRSS"), anonymous: process::figure(pid, "status", "RssAnon") }
    }

    /// Of a server that is started anew and found everything in its caches on disk.
    fn after_restart(cluster: &Cluster, controllers: usize) -> Self {
        cluster.stop();
        cluster.spawn();
        cluster.wait_api();
        settle(cluster, controllers);
        Self::of(process::server(cluster))
    }

    fn each(&self, before: &Self) -> String {
        let each = |now: u64, before: u64| now.saturating_sub(before) as f64 / CONTROLLERS as f64;
        let (resident, anonymous) = (each(self.resident, before.resident), each(self.anonymous, before.anonymous));
        format!("{resident:.0} KiB, {anonymous:.0} KiB of it anonymous (not mapped code)")
    }
}

/// One controller of the objects labelled `c=<number>`.
fn add(cluster: &Cluster, component: &[u8], number: usize) {
    let (name, file) = (format!("c{number}"), cluster.dir().join("component.wasm"));
    std::fs::write(&file, load::another(component, number)).expect("a component can be written");
    load::offer(cluster, &name, &file);
    let spec = json!({
        "world": "controller", "path": format!("{name}.wasm"), "config": {"selector": format!("c={number}")},
        "grants": {"serviceAccount": {"namespace": "kube-system", "name": "widgets"}}, "controller": {"idleSeconds": 1},
    });
    let plugin = json!({"apiVersion": "coracle.dev/v1alpha1", "kind": "WasmPlugin", "metadata": {"name": name}, "spec": spec});
    cluster.kubectl().apply(&plugin.to_string());
}

/// Until this server has asked so many what they watch, and none has an instance any more.
fn settle(cluster: &Cluster, count: usize) {
    eventually("all controllers to be asked", || {
        let metrics = cluster.kubectl().ok(&["get", "--raw", "/metrics"]);
        let called = |line: &&str| line.starts_with("coracle_plugin_calls_total{") && !line.ends_with(" 0");
        let asked = metrics.lines().filter(called).count();
        if asked == count { Ok(()) } else { Err(format!("{asked} of {count} were asked")) }
    });
    std::thread::sleep(REST);
    eventually("all controllers to rest", || {
        let list = cluster.kubectl().json(&["get", "wasmplugins"]);
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let rests = |plugin: &Value| plugin["status"]["controller"]["phase"] == "Running" && plugin["status"]["instances"] == 0;
        let busy = items.iter().find(|plugin| !rests(plugin));
        match busy {
            None if items.len() == count => Ok(()),
            busy => Err(format!("{} of {count} are there; {}", items.len(), busy.map(|b| b["status"].to_string()).unwrap_or_default())),
        }
    });
    // What was told last is written, and freed memory is found.
    std::thread::sleep(REST);
}

/// For each object: from its event, and from the moment its creation was sent, to the event of its status.
async fn wake(client: Client, objects: Vec<(usize, String)>) -> Vec<(Duration, Duration)> {
    let widgets: Api<DynamicObject> = load::dynamic(&client, "test.coracle.dev", "v1", "Widget", "widgets", Some("default"));
    let version = widgets.list(&ListParams::default().limit(1)).await.expect("they can be listed").metadata.resource_version;
    let mut events = widgets.watch(&WatchParams::default().timeout(280), &version.unwrap_or_default()).await.expect("a watch").boxed();
    let mut woken = Vec::new();
    for (controller, name) in objects {
        let value = json!({
            "apiVersion": "test.coracle.dev/v1", "kind": "Widget",
            "metadata": {"name": name, "labels": {"c": controller.to_string()}}, "spec": {"children": 0},
        });
        let widget: DynamicObject = serde_json::from_value(value).expect("a Widget");
        let (sent, how) = (Instant::now(), PostParams::default());
        let create = widgets.create(&how, &widget);
        let seen = async {
            let mut told = None;
            loop {
                match events.try_next().await.expect("the watch goes on").expect("the watch does not end") {
                    WatchEvent::Added(seen) if seen.metadata.name.as_deref() == Some(&name) => told = Some(Instant::now()),
                    WatchEvent::Modified(seen) if seen.metadata.name.as_deref() == Some(&name) && seen.data["status"]["seen"] == 1 => {
                        return told.unwrap_or(sent);
                    }
                    _ => {}
                }
            }
        };
        let (made, told) = futures::join!(create, async { (seen.await, Instant::now()) });
        made.expect("a Widget can be made");
        woken.push((told.1 - told.0, told.1 - sent));
    }
    woken
}
