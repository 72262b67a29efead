//! Plugins where several servers share a store: each loads them, one runs their controllers, and no two write the same.

use crate::controller::{ACCOUNT, DEFINITION, manifest};
use crate::etcd::Servers;
use serde_json::Value;
use std::time::{Duration, Instant};
use tests::{eventually, paths};

/// As `host/wasm/src/plugins/loader.rs` has it: figures that changed are written this often.
const REPORT: Duration = Duration::from_secs(5);

const CONTROLLERS: &str = "coracle-plugin-controllers";

/// Two servers, each with plugins of its own.
fn servers(flags: &'static [&'static str], plugins: [&[&str]; 2]) -> Servers {
    let servers = Servers::with_flags(flags);
    for (index, guests) in plugins.into_iter().enumerate() {
        let to = servers.data(index).join("plugins");
        std::fs::create_dir_all(&to).expect("the plugin folder can be made");
        for guest in guests {
            std::fs::copy(paths::guest(guest), to.join(format!("{guest}.wasm"))).expect("a plugin can be copied");
        }
    }
    servers
}

fn apply(servers: &Servers, index: usize, yaml: &str) {
    let kubeconfig = servers.kubeconfig(index).display().to_string();
    let said = servers.cluster.kubectl().run_with(&["--kubeconfig", &kubeconfig, "apply", "--server-side", "--filename", "-"], yaml, &[]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
}

fn plugin(servers: &Servers, index: usize, name: &str) -> Value {
    serde_json::from_str(&servers.kubectl(index, &["get", "wasmplugin", name, "--output=json"])).expect("kubectl writes JSON")
}

fn until(servers: &Servers, index: usize, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{name} to {what}"), || {
        let plugin = plugin(servers, index, name);
        if is_so(&plugin["status"]) { Ok(plugin["status"].clone()) } else { Err(format!("{:#}", plugin["status"])) }
    })
}

fn widget(servers: &Servers, index: usize, name: &str) {
    apply(
        servers,
        index,
        &format!("apiVersion: test.coracle.dev/v1\nkind: Widget\nmetadata: {{name: {name}, namespace: default}}\nspec: {{children: 1}}\n"),
    );
    eventually("a child to be made", || {
        let child = format!("{name}-0");
        let found = servers.kubectl(index, &["get", "configmap", &child, "--namespace=default", "--ignore-not-found", "--output=name"]);
        if found.is_empty() { Err(format!("no {child}")) } else { Ok(()) }
    });
}

/// Which server runs the controllers of plugins, or what else a lease is for.
fn leading(servers: &Servers, index: usize, lease: &str) -> Option<usize> {
    let holder = servers.leader(index, lease)?;
    [0, 1].into_iter().find(|server| holder.starts_with(&format!("server-{server}_")))
}

fn calls(status: &Value, server: usize) -> u64 {
    status["servers"][format!("server-{server}")]["calls"].as_u64().unwrap_or(0)
}

#[test]
fn servers_do_not_fight_over_a_plugins_status_and_one_reconciles() {
    let servers = servers(&["--disable=agent,dns,proxy"], [&["plugin-controller", "node-requirements"], &["plugin-controller"]]);
    let mut both = servers.start_both().map(Some);
    apply(&servers, 0, &format!("{ACCOUNT}---\n{}", manifest("widgets", DEFINITION, "")));
    let on_both = |status: &Value, phases: [&str; 2]| {
        status["servers"]["server-0"]["phase"] == phases[0] && status["servers"]["server-1"]["phase"] == phases[1]
    };
    until(&servers, 0, "widgets", "be loaded by both and run", |status| {
        on_both(status, ["Ready", "Ready"]) && status["phase"] == "Ready" && status["controller"]["phase"] == "Running"
    });
    widget(&servers, 1, "w");
    let leader = eventually("a leader", || leading(&servers, 0, CONTROLLERS).ok_or_else(|| "none".to_owned()));
    let other = 1 - leader;
    let status = until(&servers, 0, "widgets", "tell of its calls", |status| calls(status, leader) > 0);
    assert_eq!(calls(&status, other), 0, "only the server that leads calls its controllers: {status:#}");

    // At rest nobody writes any more.
    let mut last = (String::new(), Instant::now());
    eventually("the object to rest", || {
        let revision = plugin(&servers, 0, "widgets")["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        if revision != last.0 {
            last = (revision, Instant::now());
        }
        if last.1.elapsed() > 2 * REPORT { Ok(()) } else { Err(format!("it was at {} only now", last.0)) }
    });
    let status = plugin(&servers, other, "widgets")["status"].clone();
    assert_eq!(status["calls"].as_u64(), Some(calls(&status, leader)), "{status:#}");

    // What only one of them has, the other says that it lacks.
    apply(
        &servers,
        1,
        "apiVersion: coracle.dev/v1alpha1\nkind: WasmPlugin\nmetadata: {name: half}\nspec: {world: scheduler, failurePolicy: Ignore, \
         path: node-requirements.wasm, scheduler: {extensionPoints: [filter]}}\n",
    );
    until(&servers, 0, "half", "be loaded by the one that has it", |status| {
        on_both(status, ["Ready", "Failed"]) && status["message"].as_str().is_some_and(|message| message.contains("node-requirements.wasm"))
    });

    // The leader dies as by a power failure.
    drop(both[leader].take());
    eventually("the other to lead", || match leading(&servers, other, CONTROLLERS) {
        Some(now) if now == other => Ok(()),
        now => Err(format!("{now:?}")),
    });
    widget(&servers, other, "v");
    let status = until(&servers, other, "widgets", "tell of calls by the other", |status| calls(status, other) > 0);
    assert_eq!(status["phase"], "Ready", "{status:#}");

    // Who ends in order takes its part of the status with it, and comes back with it.
    both[leader] = Some(servers.start(leader));
    let own = format!("server-{leader}");
    until(&servers, other, "widgets", "be loaded anew", |status| {
        status["servers"][&own]["phase"] == "Ready" && status["servers"][&own]["calls"] == 0
    });
    let server = both[leader].as_mut().expect("it runs");
    let pid = nix::unistd::Pid::from_raw(server.id().try_into().expect("a PID is small"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("the server can be signalled");
    server.rest();
    assert_eq!(plugin(&servers, other, "widgets")["status"]["servers"].get(&own), None);
}

#[test]
fn servers_hand_the_cloud_over() {
    const CLOUD: &str = "kube-controller-manager";
    let servers = servers(&["--disable=agent,dns,proxy", "--cloud-provider=simulated"], [&["simulated-cloud"]; 2]);
    let mut both = servers.start_both().map(Some);
    apply(
        &servers,
        0,
        "apiVersion: coracle.dev/v1alpha1\nkind: WasmPlugin\nmetadata: {name: simulated}\nspec: {world: cloud-provider, path: simulated-cloud.wasm}\n",
    );
    let address = |index: usize, name: &str| {
        eventually(&format!("{name} to get an address"), || {
            let template = "--output=jsonpath={.status.loadBalancer.ingress[0].ip}";
            match servers.kubectl(index, &["get", "service", name, "--namespace=default", template]) {
                address if address.is_empty() => Err("none".to_owned()),
                address => Ok(address),
            }
        })
    };
    let service = |index: usize, name: &str| {
        let spec = "{type: LoadBalancer, ports: [{port: 80}]}";
        apply(&servers, index, &format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\nspec: {spec}\n"));
        address(index, name)
    };
    assert_eq!(service(0, "before"), "203.0.113.1");
    let leader = eventually("a leader", || leading(&servers, 0, CLOUD).ok_or_else(|| "none".to_owned()));
    let other = 1 - leader;
    drop(both[leader].take());
    assert_eq!(service(other, "after"), "203.0.113.2", "what the first one gave out is known to the second");
    assert_eq!(address(other, "before"), "203.0.113.1");
    assert_eq!(leading(&servers, other, CLOUD), Some(other));
    servers.kubectl(other, &["delete", "service", "before", "--namespace=default", "--timeout=60s"]);
    assert_eq!(service(other, "again"), "203.0.113.1", "what was given back is given out again");
}
