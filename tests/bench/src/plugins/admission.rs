//! What a hook adds to a request: one that only looks at the object, one that changes it, and ones that look Namespaces up among 3,000.

use super::load::{self, Took};
use crate::process;
use crate::table::{Grid, time};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::time::Duration;
use tests::Cluster;

const NAMESPACES: usize = 3_000;
/// Requests one after another, and several at once.
const ALONE: u32 = 2_000;
const TOGETHER: u32 = 6_000;
const CONNECTIONS: usize = 16;

const ACCOUNT: &str = "apiVersion: v1
kind: ServiceAccount
metadata: {name: lookup, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: lookup}
rules:
- {apiGroups: [''], resources: [namespaces], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: lookup}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: lookup}
subjects: [{kind: ServiceAccount, name: lookup, namespace: default}]
";

#[derive(Clone, Copy, PartialEq)]
enum Made {
    ConfigMaps,
    Pods,
}

pub fn run() {
    let cluster = load::in_memory(&["required-labels", "resource-defaults", "plugin-lookup"]);
    cluster.kubectl().apply(ACCOUNT);
    cluster.typed(make_namespaces);
    let pid = process::server(&cluster);
    let head = ["create", "hook", "one by one, p50", "p99", "hook's own p99", "16 at once", "p99", "server CPU each", "budget of p99"];
    let title = format!("Admission in wasm (server and client on one machine, state in memory, {NAMESPACES} namespaces)");
    let mut grid = Grid::new(title, &head);
    let labels = json!({"labels": ["example.com/team", {"key": "example.com/tier", "values": ["web", "db"]}]});
    let defaults = json!({"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}});
    let cases = [
        (Made::ConfigMaps, "none", None, ""),
        (Made::ConfigMaps, "required-labels", Some(("required-labels", labels)), "0.2 ms"),
        (Made::ConfigMaps, "lookup by name", Some(("plugin-lookup", json!({"lookup": "get"}))), "1 ms"),
        (Made::ConfigMaps, "lookup by label", Some(("plugin-lookup", json!({"lookup": "list"}))), "1 ms"),
        (Made::Pods, "none", None, ""),
        (Made::Pods, "resource-defaults (changes)", Some(("resource-defaults", defaults)), "0.2 ms"),
    ];
    for (number, (made, what, hook, budget)) in cases.into_iter().enumerate() {
        let name = hook.as_ref().map(|(name, _)| *name);
        if let Some((name, config)) = &hook {
            let resource = if made == Made::Pods { "pods" } else { "configmaps" };
            let spec = json!({
                "world": "admission", "path": format!("{name}.wasm"), "failurePolicy": "Fail", "config": config,
                "grants": {"serviceAccount": {"namespace": "default", "name": "lookup"}},
                "admission": {"rules": load::rules(resource, "CREATE")},
            });
            load::load(&cluster, name, &spec);
        }
        // Connections and caches are warm, and so is the plugin.
        create(&cluster, made, &format!("w{number}"), 1, ALONE / 20);
        let alone = create(&cluster, made, &format!("a{number}"), 1, ALONE);
        let own = name.map(|name| p99(&cluster, name, u64::from(ALONE + ALONE / 20)));
        let before = process::cpu(pid);
        let together = create(&cluster, made, &format!("t{number}"), CONNECTIONS, TOGETHER);
        let cpu = (process::cpu(pid) - before) / TOGETHER;
        let failed = alone.failed + together.failed;
        grid.row([
            if made == Made::Pods { "Pod" } else { "ConfigMap" }.to_owned(),
            if failed == 0 { what.to_owned() } else { format!("{what} ({failed} FAILED)") },
            time(alone.p50),
            time(alone.p99),
            own.map(time).unwrap_or_default(),
            format!("{:.0}/s", together.rate),
            time(together.p99),
            time(cpu),
            budget.to_owned(),
        ]);
        if let Some(name) = name {
            cluster.kubectl().ok(&["delete", "wasmplugin", name]);
        }
    }
}

async fn make_namespaces(client: Client) {
    let namespaces: Api<Namespace> = Api::all(client);
    let make = stream::iter(0..NAMESPACES).map(|i| {
        let namespaces = &namespaces;
        let value = json!({"metadata": {"name": format!("tenant-{i}"), "labels": {"tenant": format!("tenant-{i}"), "tier": "web"}}});
        let namespace: Namespace = serde_json::from_value(value).expect("a Namespace");
        async move { namespaces.create(&PostParams::default(), &namespace).await.map(drop).expect("a Namespace can be made") }
    });
    make.buffer_unordered(CONNECTIONS).for_each(|()| async {}).await;
}

fn create(cluster: &Cluster, made: Made, run: &str, connections: usize, count: u32) -> Took {
    load::timed(cluster, connections, count, |client, i| async move {
        let name = format!("{run}-{i}.tenant-{}", (i as usize * 37) % NAMESPACES);
        let how = PostParams::default();
        match made {
            Made::ConfigMaps => Api::<ConfigMap>::namespaced(client, "default").create(&how, &load::config_map(&name)).await.map(drop),
            Made::Pods => Api::<Pod>::namespaced(client, "default").create(&how, &pod(&name)).await.map(drop),
        }
    })
}

fn pod(name: &str) -> Pod {
    let container = json!({"name": "c", "image": "coracle.dev/shop:v1", "args": ["serve"], "ports": [{"containerPort": 8080}]});
    let pod = json!({"metadata": {"name": name, "labels": {"app": "bench"}}, "spec": {"containers": [container]}});
    serde_json::from_value(pod).expect("a Pod")
}

/// What the pool counted, once it told of so many calls.
fn p99(cluster: &Cluster, name: &str, calls: u64) -> Duration {
    let counted = |plugin: &Value| plugin["status"]["calls"].as_u64().is_some_and(|told| told >= calls);
    let plugin = cluster.kubectl().until("wasmplugins", name, "tell of its calls", counted);
    Duration::from_micros(plugin["status"]["p99Microseconds"].as_u64().unwrap_or_default())
}
