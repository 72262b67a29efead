//! The only place that knows both sides of an interface: makes every part, joins them, and ends them in order.

use crate::cloud;
use crate::config::cloud::CloudProvider;
use crate::config::{Part, ServerArgs, VERSION};
use crate::lead::Election;
use crate::state;
use anyhow::{Context, Result, anyhow, bail};
use apiserver::ApiServer;
use apiserver::pki::{self, Pki};
use client::{Client, Router, UserInfo};
use interfaces::adapt::AdapterSet;
use interfaces::admit::AdmissionSet;
use interfaces::authorize::{MASTERS, NODE_PREFIX, NODES};
use interfaces::network::PodNetwork;
use interfaces::workload::Runtime;
use net::Network;
use registry::{Registry, RuntimeConfig};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long parts may take to end before they are dropped: within the 10 s that service managers wait at least.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// Runs everything until `shutdown`, then ends the parts before the API server and the API server before the store.
pub async fn run(args: ServerArgs, shutdown: CancellationToken) -> Result<()> {
    let data = args.data_dir();
    let node = args.node_name()?;
    let cluster_dns = args.cluster_dns()?;
    // Whatever can be told from the flags alone is told before anything is made.
    pairs(&args.node_label)?;
    taints(&args.node_taint)?;
    let cloud = args.cloud.provider()?;
    args.store.check()?;
    args.verification.policy()?;
    let election = Election::new(args.leader.settings(args.store.is_shared())?, &node);
    make_dir(&data)?;
    let store = state::open(&args, &data).await?;
    let pki = Pki::open(&data.join("tls")).context("certificates")?;
    if args.store.is_shared() {
        state::one_authority(&*store, pki.ca_pem(), &data).await?;
    }
    let listener = listen(SocketAddr::new(args.bind_address, args.https_listen_port), "--https-listen-port")?;
    let port = listener.local_addr()?.port();

    let network = Arc::new(Network::open(network_config(&args, &data)?).await.context("cannot set up the node's network")?);
    if let Some(limitation) = network.limitation() {
        tracing::warn!(limitation, "network is limited");
    }
    let advertise = args.advertise_address.unwrap_or_else(|| network.node_address());
    let first_service = args.service_cidr.nth(1).map(|a| a.to_string()).unwrap_or_default();
    let mut names = vec![node.clone(), advertise.to_string(), first_service, format!("kubernetes.default.svc.{}", args.cluster_domain)];
    names.extend(args.tls_san.iter().cloned());
    if !args.bind_address.is_unspecified() {
        names.push(args.bind_address.to_string());
    }

    let tokens = tokens(&args, &pki)?;
    let runtime_config = RuntimeConfig::parse(args.runtime_config.iter().map(String::as_str)).context("--runtime-config")?;
    let registry = Registry::configured(&runtime_config);
    let (hooks, admission) = watch::channel(Default::default());
    let config = apiserver::Config {
        admission: Some(admission),
        service_cidr: (args.service_cidr.base, args.service_cidr.prefix),
        node_ports: args.service_node_port_range,
        advertise: Some((advertise, port)),
        peers: args.store.is_shared(),
        tokens: Some(Arc::new(tokens)),
        node_client: Some(Arc::new(pki.client_config("system:apiserver", &[MASTERS])?)),
        metrics: vec![client::metrics::render, wasm::plugins::platform::metrics::render],
        ..apiserver::Config::default()
    };
    let api = ApiServer::new(config, store.clone(), registry.clone())?;
    let tls = pki.server_config(&pki::server_names(&names))?;

    let api_stop = CancellationToken::new();
    let serving = tokio::spawn({
        let (api, stop) = (api.clone(), api_stop.clone());
        async move { api.serve(listener, tls, stop).await }
    });
    api.bootstrap().await?;
    write_kubeconfig(&args, &pki, port)?;
    tracing::info!(version = VERSION, %port, node, data = %data.display(), "API server is ready");

    let client = Client::in_process(
        Router::new(api.service()),
        registry, // Only its caches read as this; every part writes as itself.
        component("system:coracle:informers", &[]),
    );
    let mut parts = JoinSet::new();
    let started =
        start(&args, &node, &data, &pki, &api, hooks, &client, &network, cluster_dns, &election, &cloud, &shutdown, &mut parts).await;

    let outcome = match started {
        Err(error) => Err(error),
        Ok(()) => tokio::select! {
            // Asked first: when the end is wanted, parts that ended are no failure.
            biased;
            () = shutdown.cancelled() => Ok(()),
            ended = parts.join_next(), if !parts.is_empty() => match ended {
                Some(Ok((name, Err(error)))) => Err(error.context(format!("{name} stopped"))),
                Some(Ok((name, Ok(())))) => Err(anyhow!("{name} stopped")),
                Some(Err(panic)) => Err(anyhow!(panic).context("a part panicked")),
                None => Ok(()),
            },
        },
    };
    shutdown.cancel();
    let drained = tokio::time::timeout(DRAIN, async { while parts.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!("some parts did not end in time");
        parts.abort_all();
    }
    if let Err(error) = api.leave().await {
        tracing::warn!(%error, "the kubernetes Service's endpoints");
    }
    network.close().await;
    client.shut_down();
    api_stop.cancel();
    match tokio::time::timeout(DRAIN, serving).await {
        Ok(Ok(served)) => served?,
        Ok(Err(panic)) => bail!("the API server panicked: {panic}"),
        Err(_) => tracing::warn!("the API server did not end in time"),
    }
    store.close().await.context("closing the state")?;
    outcome
}

pub type Parts = JoinSet<(&'static str, Result<()>)>;

#[expect(clippy::too_many_arguments, reason = "the wiring knows everything, once")]
async fn start(
    args: &ServerArgs,
    node: &str,
    data: &Path,
    pki: &Pki,
    api: &ApiServer,
    hooks: watch::Sender<AdmissionSet>,
    client: &Client,
    network: &Arc<Network>,
    cluster_dns: std::net::Ipv4Addr,
    election: &Election,
    cloud: &CloudProvider,
    shutdown: &CancellationToken,
    parts: &mut Parts,
) -> Result<()> {
    let images = Arc::new(image::Store::open(data.join("images")).context("cannot open the image store")?);
    let (plugins, plugin_set) = watch::channel(Default::default());
    let (clouds, cloud_set) = watch::channel(Default::default());
    let provider = cloud::provider(cloud, node, client, cloud_set);
    let verification = args.verification.policy()?;
    // Without a loader there are none, and nobody waits for it.
    let (adapters, adapter_set) = watch::channel((!args.runs(Part::Plugins)).then(Arc::default));
    let (middleware, middleware_set) = watch::channel((!args.runs(Part::Plugins)).then(Arc::default));

    if args.runs(Part::Controllers) {
        let client = client.with_user(component("system:kube-controller-manager", &[]));
        let config = controllers::Config { root_ca: pki.ca_pem().to_owned(), cloud: provider.clone(), ..controllers::Config::default() };
        let (election, shutdown) = (election.clone(), shutdown.clone());
        parts.spawn(async move {
            let run = |term| controllers::run(client.clone(), config.clone(), term);
            election.run(&client, "kube-controller-manager", shutdown, run).await;
            ("controllers", Ok(()))
        });
    }
    if args.runs(Part::Scheduler) {
        let client = client.with_user(component("system:kube-scheduler", &[]));
        let (election, shutdown) = (election.clone(), shutdown.clone());
        let waits = args.runs(Part::Plugins);
        let config = scheduler_config(args)?;
        parts.spawn(async move {
            let run = |term: CancellationToken| {
                let (client, config, mut plugin_set) = (client.clone(), config.clone(), plugin_set.clone());
                async move {
                    // Plugins that exist are asked from the first pod on. Should their loader end before, so does the wait.
                    if waits {
                        let _loaded = term.run_until_cancelled(plugin_set.changed()).await;
                    }
                    scheduler::run(client, config, plugin_set, term).await;
                }
            };
            election.run(&client, "kube-scheduler", shutdown, run).await;
            ("scheduler", Ok(()))
        });
    }
    if args.runs(Part::Plugins) {
        let audited = (client.with_user(component("system:coracle:admission", &[])), api.clone(), election.clone(), shutdown.clone());
        let client = client.with_user(component("system:coracle:plugins", &[]));
        let config = wasm::plugins::Config {
            plugins_dir: data.join("plugins"),
            data_dir: data.join("plugin-data"),
            cache_dir: data.join("wasm-cache"),
            fetch: Some(crate::fetch::fetch(client.clone(), images.clone(), args.insecure_registry.clone(), verification.clone())),
            images_only: verification.images_only(),
            node_name: node.to_owned(),
        };
        let (controllers, controller_set) = watch::channel(Default::default());
        let outputs = wasm::plugins::Outputs { scheduler: plugins, admission: hooks, adapters, middleware, cloud: clouds, controllers };
        let (own, lead, stop, name) = (client.clone(), election.clone(), shutdown.clone(), node.to_owned());
        let (leading, leads) = watch::channel(false);
        let peers = wasm::plugins::Peers { several: election.settings.is_some(), leads };
        parts.spawn(async move {
            let run = |term| {
                let controllers = wasm::plugins::controllers::run(own.clone(), name.clone(), controller_set.clone(), term);
                let leading = leading.clone();
                async move {
                    leading.send_replace(true);
                    controllers.await;
                    leading.send_replace(false);
                }
            };
            lead.run(&own, "coracle-plugin-controllers", stop, run).await;
            ("controllers of plugins", Ok(()))
        });
        parts.spawn(async move {
            let (client, api, election, shutdown) = audited;
            election.run(&client, "coracle-audit", shutdown, |term| api.audit(term)).await;
            ("audit", Ok(()))
        });
        let run = wasm::plugins::run(client, config, outputs, peers, shutdown.clone());
        parts.spawn(async move { ("plugins", run.await.context("plugins")) });
    }
    if args.runs(Part::Proxy) && network.has_links() {
        let client = client.with_user(component("system:kube-proxy", &[]));
        let config = net::services::Config {
            pod_cidr: args.cluster_cidr,
            service_cidr: args.service_cidr,
            bridge: args.bridge.clone(),
            node_name: node.to_owned(),
            middleware: middleware_set,
            node_address: ipv4(network.node_address()),
        };
        let run = net::services::run(client, config, shutdown.clone());
        parts.spawn(async move {
            run.await;
            ("service proxy", Ok(()))
        });
    }
    if network.has_links() {
        cloud::announce(args, cloud, node, client, network, shutdown, parts).await;
    }
    if args.runs(Part::Dns) && network.has_links() {
        let client = client.with_user(UserInfo::service_account("kube-system", "coredns"));
        let listen = args.cluster_cidr.nth(1).context("--cluster-cidr is too small")?;
        let config =
            net::dns::Config { listen: listen.into(), port: 53, cluster_dns: cluster_dns.into(), domain: args.cluster_domain.clone() };
        let run = net::dns::run(client, config, shutdown.clone());
        parts.spawn(async move { ("DNS", run.await.context("cluster DNS")) });
    }
    if args.runs(Part::Agent) {
        let agent = agent(args, node, data, pki, client, network, images, cloud, adapter_set, shutdown)?;
        parts.spawn(async move { ("node agent", agent.await) });
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the wiring knows everything, once")]
fn agent(
    args: &ServerArgs,
    node: &str,
    data: &Path,
    pki: &Pki,
    client: &Client,
    network: &Arc<Network>,
    images: Arc<image::Store>,
    cloud: &CloudProvider,
    adapters: watch::Receiver<AdapterSet>,
    shutdown: &CancellationToken,
) -> Result<impl Future<Output = Result<()>> + use<>> {
    let exe = std::env::current_exe().context("cannot find this program's own file")?;
    let run_dir = data.join("run");
    let wasm: Arc<dyn Runtime> =
        wasm::Manager::new(wasm::manager::Config { run_dir: run_dir.join("wasm"), cache_dir: data.join("wasm-cache"), exe: exe.clone() });
    let oci = oci::Manager::new(oci::Config { run_dir: run_dir.join("oci"), exe, args: vec!["shim".into()] });
    for runtime in [&wasm, &oci] {
        if let Some(missing) = runtime.unavailable() {
            tracing::warn!(runtime = runtime.name(), missing, "runtime is not available here");
        }
    }
    let address = network.node_address();
    let config = node::Config {
        image_dir: Some(args.image_dir()),
        pod_cidr: Some(args.cluster_cidr.to_string()),
        listen: SocketAddr::new(args.bind_address, args.kubelet_port),
        tls: Some(Arc::new(pki.kubelet_config(node, &[node.to_owned(), address.to_string()])?)),
        labels: pairs(&args.node_label)?,
        taints: taints(&args.node_taint)?,
        external_cloud: cloud.is_external(),
        node_ip: args.node_ip,
        version: apiserver::config::GIT_VERSION.to_owned(),
        max_pods: args.max_pods,
        adapters,
        cluster_domain: args.cluster_domain.clone(),
        insecure_registries: args.insecure_registry.clone(),
        ..node::Config::new(node, data)
    };
    let client = client.with_user(component(&format!("{NODE_PREFIX}{node}"), &[NODES]));
    let network: Arc<dyn PodNetwork> = network.clone();
    let run = node::run(client, config, vec![wasm, oci], network, images, shutdown.clone());
    Ok(async move { run.await.context("node agent") })
}

/// `--scheduler-config`, read before anything is scheduled.
fn scheduler_config(args: &ServerArgs) -> Result<scheduler::Config> {
    let Some(file) = &args.scheduler_config else { return Ok(scheduler::Config::default()) };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read --scheduler-config {}", file.display()))?;
    let value: serde_json::Value = serde_yaml_ng::from_str(&text).with_context(|| format!("--scheduler-config {}", file.display()))?;
    let configuration = scheduler::Configuration::of(&value).with_context(|| format!("--scheduler-config {}", file.display()))?;
    Ok(scheduler::Config { configuration, ..scheduler::Config::default() })
}

fn network_config(args: &ServerArgs, data: &Path) -> Result<net::Config> {
    Ok(net::Config {
        state_dir: data.join("net"),
        netns_dir: data.join("run/netns"),
        pod_cidr: args.cluster_cidr,
        service_cidr: args.service_cidr,
        cluster_dns: args.cluster_dns()?,
        cluster_domain: args.cluster_domain.clone(),
        bridge: args.bridge.clone(),
        node_address: args.node_ip,
    })
}

fn tokens(args: &ServerArgs, pki: &Pki) -> Result<apiserver::Tokens> {
    let key = match &args.service_account_signing_key_file {
        Some(file) => {
            std::fs::read_to_string(file).with_context(|| format!("cannot read --service-account-signing-key-file {}", file.display()))?
        }
        None => pki.service_account_key()?,
    };
    let issuer = args.service_account_issuer.clone();
    let issuer = issuer.unwrap_or_else(|| format!("https://kubernetes.default.svc.{}", args.cluster_domain));
    apiserver::Tokens::new(&key, &issuer, &args.api_audiences).context("service account tokens")
}

pub fn component(name: &str, groups: &[&str]) -> UserInfo {
    UserInfo::component(name, groups)
}

pub fn ipv4(address: std::net::IpAddr) -> Option<std::net::Ipv4Addr> {
    match address {
        std::net::IpAddr::V4(address) => Some(address),
        std::net::IpAddr::V6(_) => None,
    }
}

fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}; choose another port with {flag}"))
}

fn make_dir(data: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("cannot make the data directory {}", data.display()))
}

fn write_kubeconfig(args: &ServerArgs, pki: &Pki, port: u16) -> Result<()> {
    let host = if args.bind_address.is_unspecified() { "127.0.0.1".to_owned() } else { args.bind_address.to_string() };
    let (cert, key) = pki.client("admin", "system:admin", &[MASTERS])?;
    let path = args.kubeconfig();
    let server = format!("https://{host}:{port}");
    pki::write_kubeconfig(&path, "coracle", &server, pki.ca_pem(), &cert, &key)
        .with_context(|| format!("cannot write the kubeconfig {}", path.display()))?;
    tracing::info!(path = %path.display(), "kubeconfig written");
    Ok(())
}

fn pairs(list: &[String]) -> Result<std::collections::BTreeMap<String, String>> {
    list.iter()
        .map(|text| match text.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => bail!("--node-label {text:?} is not key=value"),
        })
        .collect()
}

fn taints(list: &[String]) -> Result<Vec<node::Taint>> {
    let read = |text: &str| {
        let (pair, effect) = text.rsplit_once(':')?;
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect);
        known.then(|| node::Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() })
    };
    list.iter()
        .map(|text| read(text).with_context(|| format!("--node-taint {text:?} is not key=value:NoSchedule|PreferNoSchedule|NoExecute")))
        .collect()
}
