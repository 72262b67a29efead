//! Every world: what a component of it needs to be loaded, and the call of the host's that reaches each export.

use super::guest::Guest;
use interfaces::adapt::{Adapter, Line, Origin, Source};
use interfaces::admit::{AdmissionPlugin, AdmissionRequest, Document, Operation, Refusal};
use interfaces::authorize::UserInfo;
use interfaces::cloud::{self, CloudProvider, Route};
use interfaces::middleware::{self, Middleware};
use interfaces::reconcile::{Key, MapEvent, ReconcileError, Reconciler};
use interfaces::schedule::{Code, Events, Happened, NodeTable, NodeView, PodView, PodsChange, PodsOn, Refused, SchedulePlugin};
use object::{Gvk, Gvr, Object, Value, json};
use std::fmt::Debug;
use std::sync::Arc;
use wasm::plugins::worlds::Product;

pub struct World {
    /// As `spec.world` says.
    pub name: &'static str,
    /// As `wit/worlds.wit` says.
    pub wit: &'static str,
    /// Exports that are called when the plugin is loaded.
    pub at_load: &'static [&'static str],
    /// Exports that are called in a new instance before what is asked.
    pub before: &'static [&'static str],
    /// Interfaces that no component exports together with the others.
    pub without: &'static [&'static str],
}

pub static ALL: &[World] = &[
    World {
        name: "scheduler",
        wit: "scheduler-points",
        at_load: &["requeue#cares-about"],
        before: &["node-table#sync"],
        without: &["score"],
    },
    World { name: "admission", wit: "admission", at_load: &["settings#check"], before: &[], without: &[] },
    World { name: "adapter", wit: "adapter", at_load: &[], before: &[], without: &[] },
    World { name: "http-middleware", wit: "http-middleware", at_load: &[], before: &[], without: &[] },
    World { name: "cloud-provider", wit: "cloud-provider", at_load: &["cloud#provider-name"], before: &["cloud#initialize"], without: &[] },
    World { name: "controller", wit: "controller-with-mapping", at_load: &[], before: &[], without: &[] },
];

impl World {
    pub fn of(name: &str) -> &'static Self {
        ALL.iter().find(|world| world.name == name).unwrap()
    }

    /// One that behaves.
    pub fn guest(&self) -> Guest {
        let guest = self.without.iter().fold(Guest::of(self.wit), |guest, interface| guest.without(interface));
        if self.name == "cloud-provider" { guest.answers("cloud#provider-name", json!("hostile")) } else { guest }
    }

    pub fn spec(&self) -> Value {
        let points = [
            "preEnqueue",
            "queueSort",
            "preFilter",
            "preFilterExtensions",
            "filter",
            "postFilter",
            "preScore",
            "score",
            "scoreNormalize",
            "reserve",
            "permit",
            "preBind",
            "bind",
            "postBind",
            "requeue",
        ];
        let mut spec = json!({ "world": self.name });
        if self.name == "scheduler" {
            spec["scheduler"] = json!({ "extensionPoints": points });
        }
        if self.name == "controller" {
            spec["grants"] = json!({ "serviceAccount": {"namespace": "default", "name": "controller"} });
        }
        spec
    }

    /// Exports that are called when somebody asks.
    pub fn exports(&self) -> Vec<String> {
        let all = self.guest().exports().into_iter();
        all.filter(|export| !self.at_load.contains(&export.as_str()) && !self.before.contains(&export.as_str())).collect()
    }

    /// One of them.
    pub fn usual(&self) -> &'static str {
        match self.name {
            "scheduler" => "filter#filter",
            "admission" => "validate#validate",
            "adapter" => "adapt#process",
            "http-middleware" => "on-request#handle",
            "cloud-provider" => "load-balancer#get",
            _ => "reconcile#reconcile",
        }
    }
}

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

pub fn pod() -> PodView {
    PodView {
        object: Arc::new(object(json!({"metadata": {"name": "p"}}))),
        namespace: "shop".to_owned(),
        name: "p".to_owned(),
        uid: "u".to_owned(),
        labels: Default::default(),
        annotations: Default::default(),
        node_selector: Default::default(),
        priority: 0,
        scheduler_name: "default-scheduler".to_owned(),
        requests: Default::default(),
        images: Vec::new(),
    }
}

pub fn nodes() -> NodeTable {
    let node = |name: &str, generation| Arc::new(NodeView { name: name.to_owned(), generation, ..NodeView::default() });
    NodeTable { version: 1, nodes: vec![node("a", 1), node("b", 2)] }
}

struct Nobody;

impl PodsOn for Nobody {
    fn on(&self, _: u32) -> Vec<&PodView> {
        Vec::new()
    }
}

/// What the host makes of a plugin's answer, in short; or the words of its failure.
type Said = Result<String, String>;

fn said<T: Debug, E: ToString>(outcome: Result<T, E>) -> Said {
    outcome.map(|answer| format!("{answer:?}")).map_err(|error| error.to_string())
}

/// Calls the host's side of a plugin, so that `export` is called.
pub async fn ask(product: &Product, export: &str) -> Said {
    match product {
        Product::Scheduler(row) => of_scheduler(&*row.plugin, export).await,
        Product::Admission(row) => of_admission(&*row.plugin, export).await,
        Product::Adapter(row) => of_adapter(&*row.adapter, export).await,
        Product::Middleware(row) => of_middleware(&*row.middleware, export).await,
        Product::Cloud(row) => of_cloud(&*row.provider, export).await,
        Product::Controller(row) => of_controller(&*row.plugin, export).await,
    }
}

async fn of_scheduler(plugin: &dyn SchedulePlugin, export: &str) -> Said {
    let (pod, table, both, node) = (pod(), nodes(), [0, 1], NodeView::default());
    let change = PodsChange { node: 0, pods: &[&pod], then: &node };
    match export {
        "node-table#sync" | "filter#filter" => said(plugin.filter(&pod, &table, &both).await),
        "score#score" | "raw-score#score" => said(plugin.score(&pod, &table, &both).await),
        "pre-enqueue#pre-enqueue" => said(plugin.pre_enqueue(&[&pod]).await),
        "queue-sort#keys" => said(plugin.sort_keys(&[&pod]).await),
        "requeue#hint" => said(plugin.hint(&Happened { kinds: Events::NODE_ADDED, node: None, pod: None }, &[&pod]).await),
        "pre-filter#pre-filter" => said(plugin.pre_filter(&pod, &table).await),
        "pre-filter-extensions#add-pods" => said(plugin.add_pods(&pod, &change).await),
        "pre-filter-extensions#remove-pods" => said(plugin.remove_pods(&pod, &change).await),
        "post-filter#post-filter" => {
            let running: Arc<dyn PodsOn> = Arc::new(Nobody);
            let refused = [Refused { node: 0, code: Code::Unschedulable, plugin: "other" }];
            said(plugin.post_filter(&pod, &table, &refused, &running).await)
        }
        "pre-score#pre-score" => said(plugin.pre_score(&pod, &table, &both).await),
        "score-normalize#normalize" => said(plugin.normalize(&pod, &table, &both, vec![1, 2]).await),
        "reserve#reserve" => said(plugin.reserve(&pod, "a").await),
        "reserve#unreserve" => said(plugin.unreserve(&pod, "a").await),
        "permit#permit" => said(plugin.permit(&pod, "a").await),
        "pre-bind#pre-bind" => said(plugin.pre_bind(&pod, "a").await),
        "bind#bind" => said(plugin.bind(&pod, "a").await),
        "post-bind#post-bind" => said(plugin.post_bind(&pod, "a").await),
        other => panic!("no call for {other}"),
    }
}

async fn of_admission(plugin: &dyn AdmissionPlugin, export: &str) -> Said {
    let map = object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "n"}, "data": {"a": "b"}}));
    let (kind, resource) = (Gvk::new("", "v1", "ConfigMap"), Gvr::new("", "v1", "configmaps"));
    let request = AdmissionRequest {
        uid: "1".to_owned(),
        kind: kind.clone(),
        resource: resource.clone(),
        subresource: String::new(),
        request_kind: kind,
        request_resource: resource,
        request_subresource: String::new(),
        name: "m".to_owned(),
        namespace: "n".to_owned(),
        operation: Operation::Create,
        user: Arc::new(UserInfo::master("tester")),
        object: Some(Arc::new(Document::new(map))),
        old_object: None,
        dry_run: false,
        options: Arc::new(json!({})),
    };
    let answer = match export {
        "validate#validate" => plugin.validate(&request).await,
        "mutate#mutate" => plugin.mutate(&request).await,
        other => panic!("no call for {other}"),
    };
    match answer {
        Ok(admitted) => Ok(format!("{admitted:?}")),
        Err(Refusal::Denied(denial)) => Ok(format!("{denial:?}")),
        Err(Refusal::Failed(error)) => Err(error.to_string()),
    }
}

pub fn origin() -> Origin {
    Origin {
        namespace: "n".into(),
        pod: "p".into(),
        uid: "u".into(),
        container: "c".into(),
        attempt: 0,
        source: Source::Stdout,
        path: String::new(),
        arguments: Vec::new(),
    }
}

async fn of_adapter(adapter: &dyn Adapter, export: &str) -> Said {
    let origin = origin();
    let line = Line { time: 1, text: b"hello".to_vec(), continues: false };
    match export {
        "adapt#process" => said(adapter.process(&origin, b"", &[line]).await),
        "adapt#flush" => said(adapter.flush(&origin, b"").await),
        other => panic!("no call for {other}"),
    }
}

async fn of_middleware(middleware: &dyn Middleware, export: &str) -> Said {
    let request = middleware::Request { method: "GET".into(), path: "/".into(), ..middleware::Request::default() };
    match export {
        "on-request#handle" => said(middleware.on_request(&request, None).await),
        "on-response#handle" => {
            let response = middleware::Response { status: 200, headers: Vec::new() };
            said(middleware.on_response(&request, &response, b"").await)
        }
        other => panic!("no call for {other}"),
    }
}

async fn of_cloud(provider: &dyn CloudProvider, export: &str) -> Said {
    let (service, node) = (object(json!({"metadata": {"name": "web", "uid": "u"}})), object(json!({"metadata": {"name": "n"}})));
    let nodes = [Arc::new(node.clone())];
    let (balancer, instances) = (provider.load_balancer().unwrap(), provider.instances().unwrap());
    let (zones, clusters, routes) = (provider.zones().unwrap(), provider.clusters().unwrap(), provider.routes().unwrap());
    let outcome = match export {
        "cloud#initialize" | "cloud#has-cluster-id" => text(provider.initialize().await),
        "load-balancer#get" => text(balancer.get_load_balancer("c", &service).await),
        "load-balancer#name" => text(balancer.get_load_balancer_name("c", &service).await),
        "load-balancer#ensure" => text(balancer.ensure_load_balancer("c", &service, &nodes).await),
        "load-balancer#update" => text(balancer.update_load_balancer("c", &service, &nodes).await),
        "load-balancer#delete" => text(balancer.ensure_load_balancer_deleted("c", &service).await),
        "instances#exists" => text(instances.instance_exists(&node).await),
        "instances#shutdown" => text(instances.instance_shutdown(&node).await),
        "instances#describe" => text(instances.instance_metadata(&node).await),
        "zones#current" => text(zones.get_zone().await),
        "zones#by-provider-id" => text(zones.get_zone_by_provider_id("hostile://1").await),
        "zones#by-node-name" => text(zones.get_zone_by_node_name("n").await),
        "clusters#list" => text(clusters.list_clusters().await),
        "clusters#master" => text(clusters.master("c").await),
        "routes#list" => text(routes.list_routes("c").await),
        "routes#create" => text(routes.create_route("c", "hint", &Route::default()).await),
        "routes#delete" => text(routes.delete_route("c", &Route::default()).await),
        other => panic!("no call for {other}"),
    };
    // A cloud's refusal is an answer.
    match outcome {
        Err(cloud::Error::Failed(cause)) if cause.starts_with("plugin hostile ") => Err(cause),
        Err(error) => Ok(format!("{error:?}")),
        Ok(answer) => Ok(answer),
    }
}

fn text<T: Debug>(outcome: Result<T, cloud::Error>) -> Result<String, cloud::Error> {
    outcome.map(|answer| format!("{answer:?}"))
}

async fn of_controller(plugin: &dyn Reconciler, export: &str) -> Said {
    let key = Key { namespace: "n".into(), name: "m".into() };
    match export {
        "reconcile#declare" => said(plugin.declare().await),
        "reconcile#reconcile" => {
            let request = interfaces::reconcile::Request { controller: "c".into(), key, object: None, deleting: false, failures: 0 };
            match plugin.reconcile(request).await {
                Ok(outcome) => Ok(format!("{outcome:?}")),
                Err(ReconcileError::Plugin(error)) => Err(error.to_string()),
                Err(own) => Ok(format!("{own:?}")),
            }
        }
        "reconcile-mapping#keys" => {
            said(plugin.keys(MapEvent { controller: "c".into(), secondary: 0, key, object: None, deleted: false }).await)
        }
        other => panic!("no call for {other}"),
    }
}
