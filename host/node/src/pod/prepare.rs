//! What has to be there before the first container: the runtime's name, volumes, network, files under `/etc`.

use crate::agent::Agent;
use crate::fields::Facts;
use crate::{dns, etc, volumes};
use interfaces::network::PodRef;
use interfaces::workload::Sandbox;
use object::Object;
use typed::api::core::v1::PodSpec;

/// What all containers of the pod are started with.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    pub sandbox: Sandbox,
    pub places: volumes::Places,
    pub facts: Facts,
    /// What the RuntimeClass grants to wasm workloads.
    pub grants: Vec<String>,
    /// The RuntimeClass asks for wasm.
    pub wasm: bool,
}

/// Of a RuntimeClass or a pod: what its wasm containers may import besides, with commas between.
const GRANTS: &str = "coracle.dev/grants";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Volume(#[from] volumes::Error),
    #[error("Failed to create pod sandbox: no runtime for \"{handler}\" is configured")]
    NoRuntime { handler: String },
    #[error("Failed to create pod sandbox: a pod cannot grant itself {grant} ({}); its RuntimeClass can", OWN_GRANTS.join(", "))]
    Grant { grant: String },
    #[error("Failed to create pod sandbox: RuntimeClass \"{name}\" not found")]
    NoRuntimeClass { name: String },
    #[error("Failed to create pod sandbox: {0}")]
    Network(String),
    #[error("Failed to create pod sandbox: {0}")]
    Files(#[from] std::io::Error),
    #[error("Failed to create pod sandbox: {0}")]
    Spec(#[from] typed::Error),
}

impl Error {
    /// The event's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Volume(_) => "FailedMount",
            _ => "FailedCreatePodSandBox",
        }
    }
}

/// Idempotent: after a restart of the agent it answers with what was made before.
pub async fn prepare(agent: &Agent, object: &Object) -> Result<Prepared, Error> {
    let pod = typed::pod(object)?;
    let empty = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&empty);
    let config = &agent.config;
    let (uid, namespace, name) = (object.uid(), object.namespace(), object.name());
    let (wasm, mut grants) = runtime_class(agent, spec)?;
    grants.extend(own_grants(object)?);
    let dir = config.pod_dir(uid);
    std::fs::create_dir_all(&dir)?;
    // The network first: downward volumes show the address.
    let reference = PodRef { namespace: namespace.to_owned(), name: name.to_owned(), uid: uid.to_owned() };
    let host_network = spec.host_network.unwrap_or_default();
    let node_address = agent.network.node_address();
    let (netns, addresses) = if host_network {
        (None, vec![node_address])
    } else {
        let link = agent.network.attach(&reference).await.map_err(|e| Error::Network(chain(&e)))?;
        // Without a namespace the pod still has an address of its own (an unprivileged node gives it a loopback one).
        (link.netns, link.addresses)
    };
    let facts = agent.facts(addresses.clone(), vec![node_address]);
    let context = volumes::Context { pod: object, spec, dir: &dir, sources: &agent.sources, facts: &facts, privileged: config.privileged };
    let places = volumes::set_up(&context).await?;
    let host_dns = dns::parse(&std::fs::read_to_string(&config.resolv_conf).unwrap_or_default());
    let dns_config = dns::resolve(spec, namespace, &host_dns, agent.network.cluster_dns(), &config.cluster_domain);
    let names = etc::names(spec, name, namespace, &config.cluster_domain, &agent.machine.hostname);
    let aliases = spec.host_aliases.as_deref().unwrap_or_default();
    let hosts = if host_network {
        etc::node_hosts(&std::fs::read_to_string("/etc/hosts").unwrap_or_default(), aliases)
    } else {
        etc::hosts(&addresses, &names, aliases)
    };
    let etc = etc::write(&dir.join("etc"), &hosts, &names.hostname, &dns::render(&dns_config))?;
    let state_dir = config.state_dir(uid);
    std::fs::create_dir_all(&state_dir)?;
    let security = spec.security_context.as_ref();
    let sysctls = security.iter().flat_map(|s| s.sysctls.iter().flatten()).map(|s| (s.name.clone(), s.value.clone())).collect();
    let sandbox = Sandbox {
        pod: reference,
        hostname: names.kernel(),
        netns,
        addresses,
        dns: dns_config,
        etc,
        cgroup_parent: format!("coracle/pod{uid}"),
        state_dir,
        host_pid: spec.host_pid.unwrap_or_default(),
        host_ipc: spec.host_ipc.unwrap_or_default(),
        share_process_namespace: spec.share_process_namespace.unwrap_or_default(),
        sysctls,
    };
    Ok(Prepared { sandbox, places, facts, grants, wasm })
}

/// The RuntimeClass's handler must name a runtime. Which runtime a container gets depends on its image, so that wasm and
/// OCI containers can share a pod. Answers what the class grants.
fn runtime_class(agent: &Agent, spec: &PodSpec) -> Result<(bool, Vec<String>), Error> {
    let Some(name) = spec.runtime_class_name.as_deref().filter(|n| !n.is_empty()) else { return Ok((false, Vec::new())) };
    let class = agent.runtime_classes.get("", name);
    let handler = match &class {
        Some(class) => class.str_at(&["handler"]).to_owned(),
        // A runtime's own name is its class, also before someone made the object.
        None if agent.runtimes.contains_key(name) => name.to_owned(),
        None => return Err(Error::NoRuntimeClass { name: name.to_owned() }),
    };
    if !agent.runtimes.contains_key(handler.as_str()) && handler != "runc" {
        return Err(Error::NoRuntime { handler });
    }
    let granted = class.as_ref().and_then(|c| c.annotation(GRANTS)).unwrap_or_default();
    Ok((handler == "wasm", names(granted)))
}

/// What a pod may grant its own wasm containers: what they reach by it is theirs alone, or a volume that they mount.
const OWN_GRANTS: &[&str] = &["wasi:keyvalue"];

/// The pod's annotation `coracle.dev/grants`; what is beyond the pod needs a RuntimeClass.
fn own_grants(object: &Object) -> Result<Vec<String>, Error> {
    let wanted = names(object.annotation(GRANTS).unwrap_or_default());
    match wanted.iter().find(|grant| !OWN_GRANTS.contains(&grant.as_str())) {
        Some(grant) => Err(Error::Grant { grant: grant.clone() }),
        None => Ok(wanted),
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|g| !g.is_empty()).map(str::to_owned).collect()
}

/// An error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
