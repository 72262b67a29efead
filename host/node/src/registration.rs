//! The node's own object: `pkg/kubelet/kubelet_node_status.go`. Runs apart from pod work: a busy pod never makes the
//! node look dead.

use crate::agent::Agent;
use client::{Api, Client, Patch, gvr};
use object::{Object, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// `nodeStatusUpdateFrequency`: how often the status is looked at…
const LOOK: Duration = Duration::from_secs(10);
/// …and `nodeStatusReportFrequency`: how often it is written though it says nothing new.
const REPORT: Duration = Duration::from_secs(300);
/// Registration is tried again after this, doubled up to [`RETRY_MAX`] (`tryRegisterWithAPIServer` in a loop).
const RETRY: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(7);

/// Taken off by the cloud's controller once the cloud has told of the node: `k8s.io/cloud-provider/api/well_known_taints.go`.
const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";
/// `AnnotationAlphaProvidedIPAddr`: the address that the cloud's list must have, and that comes first in it.
const PROVIDED_IP: &str = "alpha.kubernetes.io/provided-node-ip";

/// Registers the node, then keeps its status. `port`: where the kubelet's endpoint listens, if it does.
pub async fn run(agent: Arc<Agent>, client: Client, port: Option<u16>, shutdown: CancellationToken) {
    let api = client.api(&gvr::nodes());
    let work = async {
        let mut wait = RETRY;
        let mut known = loop {
            match register(&agent, &api, port).await {
                Ok(node) => break node,
                Err(error) => tracing::warn!(node = agent.config.node_name, error = error.chain(), "registration failed; trying again"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        };
        tracing::info!(node = agent.config.node_name, "node is registered");
        let mut told = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            if !is_new(&agent, &known, port) && told.elapsed() < REPORT {
                match api.get("", &agent.config.node_name).await {
                    Ok(node) if !is_new(&agent, &node, port) => continue,
                    Ok(node) => known = node,
                    // Someone deleted the node object: it is made again.
                    Err(error) if error.is_not_found() => {}
                    Err(_) => continue,
                }
            }
            match register(&agent, &api, port).await {
                Ok(node) => (known, told) = (node, Instant::now()),
                Err(error) => {
                    tracing::warn!(node = agent.config.node_name, error = error.chain(), "node status is not written; trying again")
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = work => {}
    }
}

/// Makes or completes the object and writes its status.
async fn register(agent: &Agent, api: &Api, port: Option<u16>) -> client::Result<Object> {
    let name = &agent.config.node_name;
    let node = match api.get("", name).await {
        Ok(node) => complete(agent, api, node).await?,
        Err(error) if error.is_not_found() => match api.create("", &fresh(agent)).await {
            Err(error) if error.is_already_exists() => api.get("", name).await?,
            result => result?,
        },
        Err(error) => return Err(error),
    };
    let status = status(agent, &node, port, &object::time::now());
    api.patch("", name, Some("status"), &Patch::Strategic(json!({ "status": status }))).await
}

fn labels(agent: &Agent) -> Value {
    let machine = &agent.machine;
    let hostname = &agent.config.node_name;
    let mut labels = json!({
        "kubernetes.io/hostname": hostname, "kubernetes.io/os": "linux", "kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": machine.architecture,
    });
    if let Value::Object(map) = &mut labels {
        for (key, value) in &agent.config.labels {
            map.insert(key.clone(), json!(value));
        }
    }
    labels
}

fn fresh(agent: &Agent) -> Object {
    let mut spec = json!({});
    if let Value::Object(map) = &mut spec {
        if let Some(cidr) = &agent.config.pod_cidr {
            map.insert("podCIDR".to_owned(), json!(cidr));
            map.insert("podCIDRs".to_owned(), json!([cidr]));
        }
        let mut taints: Vec<Value> =
            agent.config.taints.iter().map(|t| json!({"key": t.key, "value": t.value, "effect": t.effect})).collect();
        if agent.config.external_cloud {
            taints.push(json!({"key": UNINITIALIZED, "value": "true", "effect": "NoSchedule"}));
        }
        if !taints.is_empty() {
            map.insert("taints".to_owned(), json!(taints));
        }
    }
    let mut node = json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": agent.config.node_name, "labels": labels(agent)}, "spec": spec});
    if let (true, Some(ip)) = (agent.config.external_cloud, agent.config.node_ip) {
        node["metadata"]["annotations"] = json!({ PROVIDED_IP: ip.to_string() });
    }
    Object::from_value(node).unwrap_or_default()
}

/// Labels that the node owns, and its address range when it has none. What others wrote stays.
async fn complete(agent: &Agent, api: &Api, node: Object) -> client::Result<Object> {
    let wanted = labels(agent);
    let missing = wanted.as_object().into_iter().flatten().any(|(key, value)| node.label(key) != value.as_str());
    let ranged = !node.str_at(&["spec", "podCIDR"]).is_empty();
    let mut patch = json!({});
    if missing {
        patch["metadata"] = json!({ "labels": wanted });
    }
    if let (false, Some(cidr)) = (ranged, &agent.config.pod_cidr) {
        patch["spec"] = json!({"podCIDR": cidr, "podCIDRs": [cidr]});
    }
    if patch.as_object().is_some_and(|p| p.is_empty()) {
        return Ok(node);
    }
    api.patch("", &agent.config.node_name, None, &Patch::Merge(patch)).await
}

/// Capacity, addresses and conditions.
fn status(agent: &Agent, node: &Object, port: Option<u16>, now: &str) -> Value {
    let machine = &agent.machine;
    let capacity = json!({
        "cpu": machine.cpus.to_string(), "memory": format!("{}Ki", machine.memory_bytes / 1024),
        "ephemeral-storage": format!("{}Ki", machine.storage_bytes / 1024), "pods": agent.config.max_pods.to_string(),
    });
    let runtimes: Vec<&str> = agent.runtimes.iter().filter(|(_, r)| r.unavailable().is_none()).map(|(name, _)| *name).collect();
    let conditions: Vec<Value> = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]
    .into_iter()
    .map(|(name, status, reason, message)| {
        let known = node.at(&["status", "conditions"]).and_then(Value::as_array).into_iter().flatten();
        let same = known
            .into_iter()
            .find(|c| c.get("type").and_then(Value::as_str) == Some(name) && c.get("status").and_then(Value::as_str) == Some(status));
        let since = same.and_then(|c| c.get("lastTransitionTime")).and_then(Value::as_str).unwrap_or(now);
        json!({"type": name, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": now, "lastTransitionTime": since})
    })
    .collect();
    let mut status = json!({
        "capacity": capacity, "allocatable": capacity,
        "conditions": conditions,
        "nodeInfo": {
            "machineID": machine.machine_id, "systemUUID": machine.system_uuid, "bootID": machine.boot_id,
            "kernelVersion": machine.kernel, "osImage": machine.os_image, "operatingSystem": "linux",
            "architecture": machine.architecture, "kubeletVersion": agent.config.version, "kubeProxyVersion": "",
            "containerRuntimeVersion": format!("coracle://{}", agent.config.version.trim_start_matches('v')),
        },
        "images": images(agent),
        "runtimeHandlers": runtimes.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
    });
    let addressed = node.at(&["status", "addresses"]).and_then(Value::as_array).is_some_and(|all| !all.is_empty());
    // Those of a cloud go before ours (`pkg/kubelet/nodestatus/setters.go`).
    if !agent.config.external_cloud || !addressed {
        status["addresses"] = json!([
            {"type": "InternalIP", "address": agent.network.node_address().to_string()},
            {"type": "Hostname", "address": agent.config.node_name},
        ]);
    }
    if let Some(port) = port {
        status["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": port}});
    }
    status
}

/// The largest images, as many as upstream tells (`nodeStatusMaxImages`): what the scheduler's image locality goes by.
fn images(agent: &Agent) -> Vec<Value> {
    const MOST: usize = 50;
    let mut all = agent.images.list().unwrap_or_default();
    all.retain(|image| !image.references.is_empty() || !image.repo_digests.is_empty());
    all.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.digest.cmp(&b.digest)));
    let names = |image: &image::Image| image.repo_digests.iter().chain(&image.references).cloned().collect::<Vec<_>>();
    all.iter().take(MOST).map(|image| json!({"names": names(image), "sizeBytes": image.size})).collect()
}

/// Has the status anything to say but that time went on?
fn is_new(agent: &Agent, known: &Object, port: Option<u16>) -> bool {
    let ours = status(agent, known, port, "");
    let told = known.at(&["status"]).cloned().unwrap_or_default();
    let parts = ["capacity", "allocatable", "daemonEndpoints", "images"];
    // The API leaves out what is empty.
    let said = |status: &Value, part: &str| status.get(part).filter(|v| v.as_array().is_none_or(|all| !all.is_empty())).cloned();
    if parts.iter().any(|part| said(&ours, part) != said(&told, part)) {
        return true;
    }
    let conditions = |status: &Value| -> Vec<(String, String)> {
        let text = |c: &Value, key: &str| c.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let all = status.get("conditions").and_then(Value::as_array).into_iter().flatten();
        let mut all: Vec<_> = all.map(|c| (text(c, "type"), text(c, "status"))).collect();
        all.sort();
        all
    };
    let told = conditions(&told);
    conditions(&ours).iter().any(|condition| !told.contains(condition))
}
