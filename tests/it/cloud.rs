//! Cloud providers in a real server: the built-in one for bare nodes, and the simulated cloud as a component.

use crate::oci_script as script;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tests::{Cluster, NODE, Options, Space, condition, eventually};

const POOL: &str = "192.0.2.10-192.0.2.11";
const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";
const SHUTDOWN: &str = "node.cloudprovider.kubernetes.io/shutdown";

/// With the provider `bare` and a pool of two addresses: these tests take turns.
fn bare() -> (&'static Cluster, MutexGuard<'static, ()>) {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let flags = vec![format!("--load-balancer-pool={POOL}")];
    (CLUSTER.get_or_init(|| Cluster::start(Options { flags, images: vec!["hello-http", "busybox"], ..Options::default() })), turn)
}

fn web(space: &Space, name: &str) {
    space.apply(&format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: coracle.dev/examples/hello-http:v1
    env: [{{name: POD_NAME, valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}}}]
    ports: [{{name: http, containerPort: 8080}}]
    readinessProbe: {{httpGet: {{path: /, port: http}}, periodSeconds: 1}}
"
    ));
    space.until_ready(name);
}

fn service(space: &Space, name: &str, more: &str) {
    space.apply(&format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{type: LoadBalancer, selector: {{app: {name}}}, \
         ports: [{{name: http, port: 80, targetPort: 8080}}]{more}}}\n"
    ));
}

fn ingress(service: &Value) -> &str {
    service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().unwrap_or_default()
}

fn until_served(space: &Space, name: &str) -> String {
    ingress(&space.until("service", name, "get an address", |service| !ingress(service).is_empty())).to_owned()
}

fn until_answered(cluster: &Cluster, address: &str, name: &str) {
    eventually(&format!("{name} to answer on {address}"), || match cluster.http(&format!("{address}:80"), "/")? {
        (200, body) if body.contains(name) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// The addresses of the pool that are on the node's interfaces.
fn until_on_node(cluster: &Cluster, expect: &[&str]) {
    eventually(&format!("{expect:?} to be on the node"), || {
        let said = cluster.on_node("ip", &["-4", "addr", "show"]).out;
        let words = said.split_whitespace().filter_map(|word| word.strip_suffix("/32"));
        let found: BTreeSet<&str> = words.filter(|address| address.starts_with("192.0.2.")).collect();
        if found == expect.iter().copied().collect() { Ok(()) } else { Err(said.clone()) }
    });
}

#[test]
fn cloud_bare_address_leads_to_the_pods_and_outlives_the_server() {
    let (cluster, _turn) = bare();
    let space = cluster.space("bare-address");
    web(&space, "web");
    service(&space, "web", "");
    let address = until_served(&space, "web");
    assert_eq!(address, "192.0.2.10", "the first of the pool");
    let served = space.get("service", "web");
    assert_eq!(served["status"]["loadBalancer"]["ingress"], json!([{"ip": address, "ipMode": "VIP"}]));
    assert_eq!(served["metadata"]["finalizers"], json!(["service.kubernetes.io/load-balancer-cleanup"]));
    space.until_event("web", "EnsuredLoadBalancer", "Ensured load balancer");
    space.until_event("web", "nodeAssigned", NODE);
    until_on_node(cluster, &["192.0.2.10"]);
    until_answered(cluster, &address, "web");
    let (_, said) = script(&space, "asks", &format!("wget -q -O - http://{address}/"), "", "");
    assert!(said.contains("from web,"), "{said}");

    cluster.kill9();
    cluster.spawn();
    cluster.wait_ready();
    until_answered(cluster, &address, "web");
    // The controllers have looked at every Service again once they made another one's balancer.
    service(&space, "second", "");
    assert_eq!(until_served(&space, "second"), "192.0.2.11");
    assert_eq!(ingress(&space.get("service", "web")), address);

    space.ok(&["delete", "service", "web", "--timeout=30s"]);
    until_on_node(cluster, &["192.0.2.11"]);
    // Another type gives the address back, too.
    space.ok(&["patch", "service", "second", "--type=merge", "-p", r#"{"spec":{"type":"ClusterIP"}}"#]);
    space.until("service", "second", "be without a balancer", |service| {
        ingress(service).is_empty() && service["metadata"]["finalizers"].is_null()
    });
    until_on_node(cluster, &[]);
}

#[test]
fn cloud_bare_pool_that_is_exhausted_is_told_and_what_is_given_back_is_used() {
    let (cluster, _turn) = bare();
    let space = cluster.space("bare-pool");
    service(&space, "one", "");
    service(&space, "two", "");
    let given = BTreeSet::from([until_served(&space, "one"), until_served(&space, "two")]);
    assert_eq!(given.len(), 2);
    service(&space, "three", "");
    let said = space.until_event("three", "SyncLoadBalancerFailed", "no address is left");
    assert_eq!(said, format!("Error syncing load balancer: failed to ensure load balancer: no address is left in the pool {POOL}"));
    let freed = ingress(&space.get("service", "one")).to_owned();
    space.ok(&["delete", "service", "one", "--timeout=30s"]);
    assert_eq!(until_served(&space, "three"), freed);
    space.ok(&["delete", "service", "two", "three", "--timeout=30s"]);

    // Addresses that are asked for.
    service(&space, "first", ", loadBalancerIP: 192.0.2.11");
    assert_eq!(until_served(&space, "first"), "192.0.2.11");
    service(&space, "rival", ", loadBalancerIP: 192.0.2.11");
    space.until_event("rival", "SyncLoadBalancerFailed", "192.0.2.11 is in use by bare-pool/first, and not shared with this Service");
    service(&space, "stranger", ", loadBalancerIP: 198.51.100.1");
    space.until_event("stranger", "SyncLoadBalancerFailed", &format!("198.51.100.1 is not in the pool {POOL}"));
    // The first one moves, and the other one takes its place.
    space.ok(&["patch", "service", "first", "--type=merge", "-p", r#"{"spec":{"loadBalancerIP":"192.0.2.10"}}"#]);
    space.until("service", "first", "move", |service| ingress(service) == "192.0.2.10");
    assert_eq!(until_served(&space, "rival"), "192.0.2.11");
    space.ok(&["delete", "service", "first", "rival", "stranger", "--timeout=30s"]);
}

#[test]
fn cloud_bare_local_policy_announces_and_reports_where_the_endpoints_are() {
    let (cluster, _turn) = bare();
    let space = cluster.space("bare-local");
    service(&space, "web", ", externalTrafficPolicy: Local");
    let address = until_served(&space, "web");
    let port = space.get("service", "web")["spec"]["healthCheckNodePort"].as_u64().expect("a port for health checks is allocated");
    let node = cluster.kubectl().get("node", NODE);
    let node = node["status"]["addresses"][0]["address"].as_str().expect("a node has an address").to_owned();
    let health = |status: u16, endpoints: u64| {
        eventually(&format!("{endpoints} endpoints to be told of"), || {
            let (code, body) = cluster.http(&format!("{node}:{port}"), "/healthz")?;
            let told: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
            let expect =
                json!({"service": {"namespace": "bare-local", "name": "web"}, "localEndpoints": endpoints, "serviceProxyHealthy": true});
            if code == status && told == expect { Ok(()) } else { Err(format!("{code} {body}")) }
        });
    };
    health(503, 0);
    // A node without endpoints does not answer for the address.
    until_on_node(cluster, &[]);
    web(&space, "web");
    health(200, 1);
    until_answered(cluster, &address, "web");
    space.ok(&["delete", "pod", "web", "--timeout=30s"]);
    health(503, 0);
    space.ok(&["delete", "service", "web", "--timeout=30s"]);
    eventually("the health check to close", || match cluster.http(&format!("{node}:{port}"), "/") {
        Err(error) if error.contains("refused") => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// A cluster whose nodes wait for the WasmPlugin `simulated`.
fn simulated() -> Cluster {
    let flags = vec!["--cloud-provider=simulated".to_owned()];
    Cluster::start(Options { flags, images: vec!["hello-http"], plugins: vec!["simulated-cloud"], ..Options::default() })
}

const MACHINES: &str = "node-1: id=i-1 type=small zone=z1 region=r1 label.example.com/rack=7; idle: id=i-2 stopped";

/// `config` is YAML in flow style.
fn apply(cluster: &Cluster, path: &str, config: &str) {
    cluster.kubectl().apply(&format!(
        "apiVersion: coracle.dev/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: simulated}}\nspec:\n  world: cloud-provider\n  \
         path: {path}\n  config: {{others: gone, {config}}}\n"
    ));
}

/// Applies the plugin and waits until this version of it serves.
fn load(cluster: &Cluster, config: &str) {
    apply(cluster, "simulated-cloud.wasm", config);
    cluster.kubectl().until("wasmplugins", "simulated", "serve", |plugin| {
        plugin["status"]["servingGeneration"] == plugin["metadata"]["generation"] && plugin["status"]["phase"] == "Ready"
    });
}

fn instances(machines: &str, more: &str) -> String {
    format!("instances: {machines:?}{more}")
}

/// What the simulated cloud itself has recorded.
fn recorded(cluster: &Cluster) -> BTreeMap<String, String> {
    let template = r#"{{range $key, $value := .binaryData}}{{$key}}={{$value | base64decode}}{{"\n"}}{{end}}"#;
    let said = cluster.kubectl().run(&[
        "get",
        "configmap",
        "coracle-plugin-simulated",
        "--namespace=kube-system",
        &format!("--output=go-template={template}"),
    ]);
    said.out.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn until_recorded(cluster: &Cluster, what: &str, is_so: impl Fn(&BTreeMap<String, String>) -> bool) {
    eventually(&format!("the cloud to have recorded {what}"), || {
        let found = recorded(cluster);
        if is_so(&found) { Ok(()) } else { Err(format!("{found:#?}")) }
    });
}

fn has_taint(node: &Value, key: &str) -> bool {
    node["spec"]["taints"].as_array().is_some_and(|taints| taints.iter().any(|taint| taint["key"] == key))
}

fn balancer(space: &Space, name: &str) -> String {
    format!("balancer.{}", space.get("service", name)["metadata"]["uid"].as_str().expect("an object has a UID"))
}

fn until_cloud_event(cluster: &Cluster, node: &str, reason: &str, part: &str) {
    cluster.kubectl().until_any(&["events", "--namespace=default"], &format!("an event {reason} about {node}"), |event| {
        let message = event["message"].as_str().unwrap_or_default();
        event["involvedObject"]["name"] == node && event["reason"] == reason && message.contains(part)
    });
}

#[test]
fn cloud_plugin_initialises_nodes_and_serves_balancers_through_updates() {
    let cluster = simulated();
    // Without the plugin the server is ready, and says what it waits for.
    until_cloud_event(&cluster, NODE, "CloudProviderNotLoaded", "no WasmPlugin \"simulated\" of world cloud-provider is loaded");
    assert!(cluster.log_text().contains("no WasmPlugin \"simulated\" of world cloud-provider is loaded"));
    assert!(has_taint(&cluster.kubectl().get("node", NODE), UNINITIALIZED));
    let space = cluster.space("cloud");
    space.apply(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: early}\nspec: {containers: [{name: main, image: coracle.dev/examples/hello-http:v1}]}\n",
    );
    space.until_event("early", "FailedScheduling", "untolerated taint");
    service(&space, "web", "");

    load(&cluster, &instances(MACHINES, ""));
    let node = cluster.kubectl().until("nodes", NODE, "be initialised", |node| !has_taint(node, UNINITIALIZED));
    assert_eq!(node["spec"]["providerID"], "simulated://i-1");
    for (label, value) in [
        ("topology.kubernetes.io/zone", "z1"),
        ("topology.kubernetes.io/region", "r1"),
        ("node.kubernetes.io/instance-type", "small"),
        ("failure-domain.beta.kubernetes.io/zone", "z1"),
        ("example.com/rack", "7"),
    ] {
        assert_eq!(node["metadata"]["labels"][label], value, "{label}");
    }
    until_cloud_event(&cluster, NODE, "Synced", "Node synced successfully");
    space.until_ready("early");
    // Its route, and its balancer, as the cloud itself has them.
    cluster.kubectl().until("nodes", NODE, "have its route", |node| condition(node, "NetworkUnavailable") == Some("False"));
    let address = until_served(&space, "web");
    assert_eq!(address, "203.0.113.1");
    let key = balancer(&space, "web");
    until_recorded(&cluster, "balancer and route", |all| {
        all.get(&key) == Some(&format!("203.0.113.1 {NODE}")) && all.iter().any(|(k, v)| k.starts_with("route.") && v.ends_with(NODE))
    });

    // Replaced time and again while Services come: each gets one balancer of its own, and none is lost.
    let names: Vec<String> = (0..12).map(|n| format!("s{n}")).collect();
    for (version, part) in names.chunks(4).enumerate() {
        for name in part {
            service(&space, name, "");
        }
        let machines = MACHINES.replace("rack=7", &format!("rack={}", 8 + version));
        load(&cluster, &instances(&machines, ""));
    }
    let mut addresses: BTreeSet<String> = names.iter().map(|name| until_served(&space, name)).collect();
    addresses.insert(until_served(&space, "web"));
    assert_eq!(addresses.len(), 13);
    assert_eq!(ingress(&space.get("service", "web")), address, "what was given out stays");
    cluster.kubectl().until("nodes", NODE, "have the newest label", |node| node["metadata"]["labels"]["example.com/rack"] == "10");
    let all = recorded(&cluster);
    let count = |prefix: &str| all.keys().filter(|key| key.starts_with(prefix)).count();
    assert_eq!((count("balancer."), count("address.")), (13, 13), "{all:#?}");

    // A broken update keeps the old one at work.
    apply(&cluster, "absent.wasm", &instances(MACHINES, ""));
    cluster.kubectl().until("wasmplugins", "simulated", "fail to load", |plugin| {
        plugin["status"]["message"].as_str().is_some_and(|message| message.contains("serves on") && message.contains("absent.wasm"))
    });
    service(&space, "late", "");
    until_served(&space, "late");

    // The state of the cloud outlives the server, and deletion reaches it.
    cluster.kill9();
    cluster.spawn();
    cluster.wait_ready();
    load(&cluster, &instances(MACHINES, ""));
    let late = balancer(&space, "late");
    space.ok(&["delete", "service", "late", "--timeout=60s"]);
    until_recorded(&cluster, "that it is gone", |all| !all.contains_key(&late) && all.contains_key(&key));
}

#[test]
fn cloud_plugin_decides_over_nodes_that_are_silent() {
    let cluster = simulated();
    load(&cluster, &instances(MACHINES, ""));
    let space = cluster.space("machines");
    service(&space, "web", "");
    until_served(&space, "web");
    let key = balancer(&space, "web");
    until_recorded(&cluster, "the node behind the balancer", |all| all.get(&key).is_some_and(|b| b.ends_with(&format!(" {NODE}"))));

    // Switched off: tainted, and still there.
    let node = |name: &str, spec: &str| {
        cluster.kubectl().apply(&format!("apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"));
    };
    node("idle", "providerID: 'simulated://i-2', podCIDR: 10.99.0.0/24, podCIDRs: [10.99.0.0/24]");
    cluster.kubectl().until("nodes", "idle", "be tainted", |node| has_taint(node, SHUTDOWN));
    until_recorded(&cluster, "the new node", |all| {
        all.get(&key).is_some_and(|b| b.contains("idle") && b.contains(NODE))
            && all.get("route.10.99.0.0_24").is_some_and(|route| route.ends_with("idle"))
    });
    space.until_event("web", "UpdatedLoadBalancer", "Updated load balancer with new hosts");
    // Switched on again.
    let ready =
        r#"{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Test","lastHeartbeatTime":"2099-01-01T00:00:00Z"}]}}"#;
    cluster.kubectl().ok(&["patch", "node", "idle", "--subresource=status", "--type=strategic", "-p", ready]);
    cluster.kubectl().until("nodes", "idle", "be without the taint", |node| !has_taint(node, SHUTDOWN));

    // No machine, no node.
    node("lost", "providerID: 'simulated://i-9'");
    until_cloud_event(&cluster, "lost", "DeletingNode", "does not exist in the cloud provider");
    cluster.kubectl().ok(&["delete", "node", "idle"]);
    eventually("both to be gone", || match cluster.kubectl().ok(&["get", "nodes", "--output=name"]) {
        names if names.trim() == format!("node/{NODE}") => Ok(()),
        names => Err(names),
    });
    until_recorded(&cluster, "that the node is gone", |all| {
        all.get(&key).is_some_and(|b| b.ends_with(&format!(" {NODE}"))) && !all.contains_key("route.10.99.0.0_24")
    });
    // Who is excluded stands behind no balancer.
    cluster.kubectl().ok(&["label", "node", NODE, "node.kubernetes.io/exclude-from-external-load-balancers="]);
    until_recorded(&cluster, "no node", |all| all.get(&key).is_some_and(|b| !b.contains(NODE)));
    space.until_event("web", "UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer");
}

#[test]
fn cloud_plugin_that_fails_is_told_and_its_repaired_version_goes_on() {
    let cluster = simulated();
    let fails = ", fail: 'ensure trap: trap; ensure busy: retry 3; ensure told: failed; delete kept: failed; ensure else: elsewhere; list-routes: trap'";
    load(&cluster, &instances(MACHINES, fails));
    let space = cluster.space("fails");
    for name in ["trap", "busy", "told", "kept", "else", "good"] {
        service(&space, name, "");
    }
    // Nobody waits for those who fail, and a cloud that is at work is asked again soon.
    let good = until_served(&space, "good");
    until_served(&space, "busy");
    until_served(&space, "kept");
    let cause = "Error syncing load balancer: failed to ensure load balancer: ";
    space.until_event("trap", "SyncLoadBalancerFailed", &format!("{cause}plugin simulated trapped"));
    space.until_event("told", "SyncLoadBalancerFailed", &format!("{cause}the simulated cloud fails to ensure told"));
    space.until_event("busy", "SyncLoadBalancerFailed", "the simulated cloud is at work");
    assert_eq!(ingress(&space.get("service", "else")), "", "somebody else serves it");
    cluster.kubectl().until("wasmplugins", "simulated", "tell of traps", |plugin| plugin["status"]["traps"].as_u64() >= Some(1));
    // What cannot be cleaned up is not let go.
    space.ok(&["delete", "service", "kept", "--wait=false"]);
    space.until_event("kept", "SyncLoadBalancerFailed", "failed to delete load balancer: the simulated cloud fails to delete kept");
    assert!(!ingress(&space.get("service", "kept")).is_empty());

    load(&cluster, &instances(MACHINES, ""));
    until_served(&space, "trap");
    until_served(&space, "told");
    until_served(&space, "else");
    assert_eq!(ingress(&space.get("service", "good")), good);
    eventually("the Service to go", || match space.ok(&["get", "service", "kept", "--ignore-not-found", "--output=name"]) {
        found if found.is_empty() => Ok(()),
        found => Err(found),
    });
    cluster.kubectl().until("nodes", NODE, "have its route", |node| condition(node, "NetworkUnavailable") == Some("False"));
    assert_eq!(recorded(&cluster).keys().filter(|key| key.starts_with("balancer.")).count(), 5);
}
