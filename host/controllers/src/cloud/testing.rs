//! What the tests of the cloud controllers share: a scripted provider, and a small API server with objects in memory.

mod server;

use super::{Active, Cloud};
use crate::run::{Config, Context, Controller, Key};
use async_trait::async_trait;
use client::{Client, UserInfo};
use interfaces::cloud::{
    CloudProvider, Error, Ingress, InstanceMetadata, Instances, LoadBalancer, LoadBalancerStatus, NodeAddress, Route, Routes, Zone, Zones,
};
use object::{Object, Value};
use parking_lot::Mutex;
use server::Server;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The objects of a test and a client for them.
pub(crate) struct Cluster {
    server: Arc<Server>,
    client: Client,
    // Keeps the channel to the controllers open.
    active: tokio::sync::watch::Sender<Option<Active>>,
    cloud: Cloud,
}

impl Cluster {
    pub(crate) fn with(objects: impl IntoIterator<Item = Value>) -> Self {
        let server = Arc::new(Server::default());
        for object in objects {
            server.put(object);
        }
        let user = UserInfo::component("system:test", &[]);
        let client = Client::in_process(server.router(), registry::Registry::builtin(), user);
        let (active, cloud) = Cloud::channel();
        Self { server, client, active, cloud }
    }

    /// A controller with filled caches, and a provider in use.
    pub(crate) async fn controller(&self, make: fn(&Context) -> Arc<dyn Controller>, provider: &Arc<Scripted>) -> Arc<dyn Controller> {
        self.use_provider(provider);
        let context = Context { client: self.client.clone(), config: Config::default(), cloud: self.cloud.clone() };
        let controller = make(&context);
        for gvr in controller.watches() {
            self.client.cache(&gvr).ready().await;
        }
        controller
    }

    pub(crate) fn use_provider(&self, provider: &Arc<Scripted>) {
        let number = self.cloud.current().map_or(0, |a| a.number) + 1;
        self.active.send_replace(Some(Active { number, provider: provider.clone() }));
    }

    pub(crate) fn find(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.server.get(resource, namespace, name)
    }

    pub(crate) fn get(&self, resource: &str, namespace: &str, name: &str) -> Value {
        self.find(resource, namespace, name).unwrap_or_else(|| panic!("no {resource} {namespace}/{name}"))
    }

    /// Applies a merge patch as a user would.
    pub(crate) async fn change(&self, resource: &str, namespace: &str, name: &str, patch: Value) {
        let api = self.client.api(&object::Gvr::new("", "v1", resource));
        api.patch(namespace, name, None, &client::Patch::Merge(patch)).await.unwrap();
        self.seen(resource).await;
    }

    pub(crate) async fn create(&self, object: Value) {
        let resource = self.server.put(object);
        self.seen(&resource).await;
    }

    pub(crate) async fn delete(&self, resource: &str, namespace: &str, name: &str) {
        let api = self.client.api(&object::Gvr::new("", "v1", resource));
        api.delete(namespace, name, &client::DeleteOptions::default()).await.unwrap();
        self.seen(resource).await;
    }

    pub(crate) async fn until_gone(&self, resource: &str, namespace: &str, name: &str) {
        assert_eq!(self.find(resource, namespace, name), None);
        self.seen(resource).await;
    }

    /// Waits until the cache has seen every write.
    pub(crate) async fn seen(&self, resource: &str) {
        let cache = self.client.cache(&object::Gvr::new("", "v1", resource));
        while cache.resource_version() < self.server.revision_of(resource) {
            tokio::task::yield_now().await;
        }
    }

    /// Events' reasons, in order.
    pub(crate) async fn events(&self, expect: &[&str]) {
        // They are written beside the work.
        while self.server.events().len() < expect.len() {
            tokio::task::yield_now().await;
        }
        assert_eq!(self.server.events(), expect);
    }

    /// Reconciles again once the cache has seen what was written.
    pub(crate) async fn settle(&self, _: &Arc<Scripted>, controller: &Arc<dyn Controller>, node: &str) {
        self.seen("nodes").await;
        controller.reconcile(&Key::new("", node)).await.unwrap();
    }
}

/// Metadata with something in every field.
pub(crate) fn metadata(id: &str) -> InstanceMetadata {
    let labels = [("own.example/rack", "7"), ("own.example/kept", "lost"), ("evil.kubernetes.io/x", "y")];
    InstanceMetadata {
        provider_id: id.into(),
        instance_type: "small".into(),
        node_addresses: vec![NodeAddress { ty: "InternalIP".into(), address: "10.0.0.1".into() }],
        zone: "z1".into(),
        region: "r1".into(),
        additional_labels: labels.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
    }
}

/// A cloud in memory that notes its calls and fails by script.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    calls: Mutex<Vec<String>>,
    /// Beginning of a call, the error, and how many times.
    failures: Mutex<Vec<(String, Error, u32)>>,
    metadata: HashMap<String, InstanceMetadata>,
    /// By node; shut down?
    instances: HashMap<String, bool>,
    zones: HashMap<String, Zone>,
    routes: Mutex<Vec<Route>>,
    /// By the Service's UID: names of the nodes.
    balancers: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Scripted {
    pub(crate) fn fails(self, call: &str, error: Error, times: u32) -> Self {
        self.fail_next(call, error, times);
        self
    }
    pub(crate) fn fail_next(&self, call: &str, error: Error, times: u32) {
        self.failures.lock().push((call.to_owned(), error, times));
    }
    pub(crate) fn with_metadata(mut self, node: &str, metadata: InstanceMetadata) -> Self {
        self.metadata.insert(node.to_owned(), metadata);
        self
    }
    pub(crate) fn with_instance(mut self, node: &str, shut_down: bool) -> Self {
        self.instances.insert(node.to_owned(), shut_down);
        self
    }
    pub(crate) fn with_zone(mut self, node: &str, zone: &str, region: &str) -> Self {
        self.zones.insert(node.to_owned(), Zone { failure_domain: zone.into(), region: region.into() });
        self
    }
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().clone()
    }
    pub(crate) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock())
    }
    pub(crate) fn routes_made(&self) -> Vec<String> {
        let mut all: Vec<String> = self.routes.lock().iter().map(|r| format!("{} {}", r.target_node, r.destination_cidr)).collect();
        all.sort();
        all
    }
    pub(crate) fn balancers(&self) -> BTreeMap<String, Vec<String>> {
        self.balancers.lock().clone()
    }

    fn called(&self, call: String) -> Result<(), Error> {
        let mut failures = self.failures.lock();
        let found = failures.iter_mut().find(|(begin, _, times)| *times > 0 && call.starts_with(begin.as_str()));
        let failure = found.map(|(_, error, times)| {
            *times -= 1;
            error.clone()
        });
        self.calls.lock().push(call);
        failure.map_or(Ok(()), Err)
    }
}

#[async_trait]
impl CloudProvider for Scripted {
    async fn initialize(&self) -> Result<(), Error> {
        self.called("initialize".into())
    }
    fn provider_name(&self) -> String {
        "scripted".into()
    }
    fn load_balancer(&self) -> Option<&dyn LoadBalancer> {
        Some(self)
    }
    fn instances(&self) -> Option<&dyn Instances> {
        Some(self)
    }
    fn zones(&self) -> Option<&dyn Zones> {
        (!self.zones.is_empty()).then_some(self as &dyn Zones)
    }
    fn routes(&self) -> Option<&dyn Routes> {
        Some(self)
    }
}

fn status() -> LoadBalancerStatus {
    LoadBalancerStatus { ingress: vec![Ingress { ip: "192.0.2.1".into(), ..Ingress::default() }] }
}

fn names(nodes: &[Arc<Object>]) -> Vec<String> {
    nodes.iter().map(|n| n.name().to_owned()).collect()
}

#[async_trait]
impl LoadBalancer for Scripted {
    async fn get_load_balancer(&self, _: &str, service: &Object) -> Result<Option<LoadBalancerStatus>, Error> {
        self.called(format!("get {}", service.name()))?;
        Ok(self.balancers.lock().contains_key(service.uid()).then(status))
    }
    async fn get_load_balancer_name(&self, _: &str, service: &Object) -> Result<String, Error> {
        Ok(interfaces::cloud::default_load_balancer_name(service))
    }
    async fn ensure_load_balancer(&self, _: &str, service: &Object, nodes: &[Arc<Object>]) -> Result<LoadBalancerStatus, Error> {
        self.called(format!("ensure {} {:?}", service.name(), names(nodes)))?;
        self.balancers.lock().insert(service.uid().to_owned(), names(nodes));
        Ok(status())
    }
    async fn update_load_balancer(&self, _: &str, service: &Object, nodes: &[Arc<Object>]) -> Result<(), Error> {
        self.called(format!("update {} {:?}", service.name(), names(nodes)))?;
        self.balancers.lock().insert(service.uid().to_owned(), names(nodes));
        Ok(())
    }
    async fn ensure_load_balancer_deleted(&self, _: &str, service: &Object) -> Result<(), Error> {
        self.called(format!("delete {}", service.name()))?;
        self.balancers.lock().remove(service.uid());
        Ok(())
    }
}

#[async_trait]
impl Instances for Scripted {
    async fn instance_exists(&self, node: &Object) -> Result<bool, Error> {
        self.called(format!("instance_exists {}", node.name()))?;
        Ok(self.instances.contains_key(node.name()))
    }
    async fn instance_shutdown(&self, node: &Object) -> Result<bool, Error> {
        self.called(format!("instance_shutdown {}", node.name()))?;
        self.instances.get(node.name()).copied().ok_or(Error::InstanceNotFound)
    }
    async fn instance_metadata(&self, node: &Object) -> Result<Option<InstanceMetadata>, Error> {
        self.called(format!("instance_metadata {}", node.name()))?;
        Ok(self.metadata.get(node.name()).cloned())
    }
}

#[async_trait]
impl Zones for Scripted {
    async fn get_zone(&self) -> Result<Zone, Error> {
        Err(Error::NotSupported { provider: "scripted".into(), operation: "get_zone" })
    }
    async fn get_zone_by_provider_id(&self, id: &str) -> Result<Zone, Error> {
        self.called(format!("get_zone_by_provider_id {id}"))?;
        Err(Error::InstanceNotFound)
    }
    async fn get_zone_by_node_name(&self, node: &str) -> Result<Zone, Error> {
        self.called(format!("get_zone_by_node_name {node}"))?;
        self.zones.get(node).cloned().ok_or(Error::InstanceNotFound)
    }
}

#[async_trait]
impl Routes for Scripted {
    async fn list_routes(&self, _: &str) -> Result<Vec<Route>, Error> {
        self.called("list_routes".into())?;
        Ok(self.routes.lock().clone())
    }
    async fn create_route(&self, _: &str, hint: &str, route: &Route) -> Result<(), Error> {
        self.called(format!("create_route {hint} {}", route.destination_cidr))?;
        self.routes.lock().push(Route { name: hint.to_owned(), ..route.clone() });
        Ok(())
    }
    async fn delete_route(&self, _: &str, route: &Route) -> Result<(), Error> {
        self.called(format!("delete_route {}", route.name))?;
        self.routes.lock().retain(|r| r != route);
        Ok(())
    }
}
