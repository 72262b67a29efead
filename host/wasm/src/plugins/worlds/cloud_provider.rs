//! World `cloud-provider`: a loaded plugin as the cloud controllers see it, a provider like a built-in one. What a component does
//! not export, the provider does not have.

mod convert;

use super::{Loaded, Made, Product};
use crate::ctx::State;
use crate::load::Error as LoadError;
use crate::plugins::bindings::coracle::plugin::cloud_types as wit;
use crate::plugins::bindings::exports::coracle::plugin::{cloud, clusters, instances, load_balancer, routes, zones};
use crate::plugins::pool::{Exports, Failure, Live, Pool};
use async_trait::async_trait;
use futures::future::BoxFuture;
use interfaces::cloud::{
    CloudProvider, CloudRow, Clusters, Error, InstanceMetadata, Instances, LoadBalancer, LoadBalancerStatus, Route, Routes, Zone, Zones,
};
use object::Object;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wasmtime::Store;
use wasmtime::component::Instance;

/// What a component may export.
pub const EXPORTS: &[&str] = &[CLOUD, LOAD_BALANCER, INSTANCES, ZONES, CLUSTERS, ROUTES];

const CLOUD: &str = "coracle:plugin/cloud";
const LOAD_BALANCER: &str = "coracle:plugin/load-balancer";
const INSTANCES: &str = "coracle:plugin/instances";
const ZONES: &str = "coracle:plugin/zones";
const CLUSTERS: &str = "coracle:plugin/clusters";
const ROUTES: &str = "coracle:plugin/routes";

/// A provider's name is the beginning of a URL.
const LONGEST_NAME: usize = 63;

pub fn load(made: Made) -> BoxFuture<'static, Result<Loaded, LoadError>> {
    Box::pin(async move {
        made.require(&[CLOUD])?;
        let exports = Indices::new(&made)?;
        let pool = made.pool(exports, made.settings.limits).await?;
        let asked = pool.call(|mut live| {
            Box::pin(async move {
                let Live { store, guest, .. } = &mut *live;
                let answer = guest.cloud.call_provider_name(store).await.map_err(Failure::Host);
                (live, answer)
            })
        });
        let provider_name = asked.await.map_err(|error| made.unfit(format!("its provider name could not be asked: {error}")))?;
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
        if provider_name.is_empty() || provider_name.len() > LONGEST_NAME || !provider_name.chars().all(good) {
            let quoted = convert::cut(&provider_name);
            return Err(made.unfit(format!("provider name {quoted:?} is not of lower-case letters, digits, '+', '-' and '.'")));
        }
        let name = made.object.name().to_owned();
        let provider = Arc::new(Plugin { pool: pool.clone(), provider_name, has_cluster_id: AtomicBool::new(true) });
        Ok(Loaded { product: Product::Cloud(CloudRow { name, provider }), resident: pool })
    })
}

/// Where the exports are; a component has any of them beside `cloud`.
struct Indices {
    cloud: cloud::GuestIndices,
    load_balancer: Option<load_balancer::GuestIndices>,
    instances: Option<instances::GuestIndices>,
    zones: Option<zones::GuestIndices>,
    clusters: Option<clusters::GuestIndices>,
    routes: Option<routes::GuestIndices>,
}

impl Indices {
    fn new(made: &Made) -> Result<Self, LoadError> {
        macro_rules! part {
            ($name:ident, $interface:expr) => {
                made.exports($interface).then(|| $name::GuestIndices::new(&made.pre)).transpose().map_err(|cause| made.mismatch(cause))?
            };
        }
        Ok(Self {
            cloud: cloud::GuestIndices::new(&made.pre).map_err(|cause| made.mismatch(cause))?,
            load_balancer: part!(load_balancer, LOAD_BALANCER),
            instances: part!(instances, INSTANCES),
            zones: part!(zones, ZONES),
            clusters: part!(clusters, CLUSTERS),
            routes: part!(routes, ROUTES),
        })
    }
}

/// The exports of one instance, and whether it was initialised.
struct Guest {
    cloud: cloud::Guest,
    load_balancer: Option<load_balancer::Guest>,
    instances: Option<instances::Guest>,
    zones: Option<zones::Guest>,
    clusters: Option<clusters::Guest>,
    routes: Option<routes::Guest>,
    initialized: bool,
}

impl Exports for Indices {
    type Guest = Guest;

    fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Guest> {
        Ok(Guest {
            cloud: self.cloud.load(&mut *store, instance)?,
            load_balancer: self.load_balancer.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            instances: self.instances.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            zones: self.zones.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            clusters: self.clusters.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            routes: self.routes.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            initialized: false,
        })
    }
}

struct Plugin {
    pool: Arc<Pool<Indices>>,
    provider_name: String,
    has_cluster_id: AtomicBool,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.pool.name()).finish_non_exhaustive()
    }
}

/// What a call inside the guest gives: a trap, or the guest's answer.
type Answer<T> = wasmtime::Result<Result<T, wit::Failure>>;

/// Every instance is initialised before anything else is asked of it.
async fn ready(live: &mut Live<Guest>) -> Answer<()> {
    let Live { store, guest, .. } = live;
    if guest.initialized {
        return Ok(Ok(()));
    }
    let answer = guest.cloud.call_initialize(store).await?;
    guest.initialized = answer.is_ok();
    Ok(answer)
}

impl Plugin {
    /// Calls an initialised instance.
    async fn ask<T, W>(&self, operation: &'static str, work: W) -> Result<T, Error>
    where
        T: Send,
        W: for<'l> FnOnce(&'l mut Store<State>, &'l Guest) -> BoxFuture<'l, Answer<T>> + Send,
    {
        let answer = self.pool.call(|mut live| {
            Box::pin(async move {
                let answer = match ready(&mut live).await {
                    Ok(Ok(())) => {
                        let Live { store, guest, .. } = &mut *live;
                        work(store, guest).await
                    }
                    Ok(Err(failure)) => Ok(Err(failure)),
                    Err(error) => Err(error),
                };
                (live, answer.map_err(Failure::Host))
            })
        });
        match answer.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failure)) => Err(convert::failure(&self.provider_name, operation, failure)),
            Err(error) => Err(Error::Failed(error.to_string())),
        }
    }

    fn zone(&self, told: zones::Zone) -> Result<Zone, Error> {
        convert::zone(told).map_err(|cause| self.refuse(cause))
    }

    /// An answer that makes no sense: the plugin failed.
    fn refuse(&self, cause: String) -> Error {
        Error::Failed(self.pool.refuse(cause).to_string())
    }
}

/// A part that is asked without being exported: it is not, see the `Option`s of [`CloudProvider`].
fn absent<T>() -> Answer<T> {
    Ok(Err(wit::Failure::NotSupported))
}

/// Calls a function of an exported interface with arguments that are its own.
macro_rules! call {
    ($self:ident, $operation:literal, $part:ident . $function:ident ( $($argument:ident),* )) => {
        $self.ask($operation, move |store, guest| {
            Box::pin(async move {
                match &guest.$part {
                    Some(part) => part.$function(store $(, &$argument)*).await,
                    None => absent(),
                }
            })
        }).await
    };
}

#[async_trait]
impl CloudProvider for Plugin {
    async fn initialize(&self) -> Result<(), Error> {
        let asked = self.ask("initialize", |store, guest| Box::pin(async move { Ok(Ok(guest.cloud.call_has_cluster_id(store).await?)) }));
        self.has_cluster_id.store(asked.await?, Ordering::Relaxed);
        Ok(())
    }

    fn provider_name(&self) -> String {
        self.provider_name.clone()
    }

    fn has_cluster_id(&self) -> bool {
        self.has_cluster_id.load(Ordering::Relaxed)
    }

    fn load_balancer(&self) -> Option<&dyn LoadBalancer> {
        self.pool.exports().load_balancer.as_ref().map(|_| self as &dyn LoadBalancer)
    }

    fn instances(&self) -> Option<&dyn Instances> {
        self.pool.exports().instances.as_ref().map(|_| self as &dyn Instances)
    }

    fn zones(&self) -> Option<&dyn Zones> {
        self.pool.exports().zones.as_ref().map(|_| self as &dyn Zones)
    }

    fn clusters(&self) -> Option<&dyn Clusters> {
        self.pool.exports().clusters.as_ref().map(|_| self as &dyn Clusters)
    }

    fn routes(&self) -> Option<&dyn Routes> {
        self.pool.exports().routes.as_ref().map(|_| self as &dyn Routes)
    }
}

#[async_trait]
impl LoadBalancer for Plugin {
    async fn get_load_balancer(&self, cluster: &str, service: &Object) -> Result<Option<LoadBalancerStatus>, Error> {
        let (cluster, service) = (cluster.to_owned(), convert::service(service));
        let answer = call!(self, "getting a load balancer", load_balancer.call_get(cluster, service))?;
        answer.map(convert::status).transpose().map_err(|cause| self.refuse(cause))
    }

    async fn get_load_balancer_name(&self, cluster: &str, service: &Object) -> Result<String, Error> {
        let (cluster, service) = (cluster.to_owned(), convert::service(service));
        let asked = self.ask("naming a load balancer", move |store, guest| {
            Box::pin(async move {
                match &guest.load_balancer {
                    Some(part) => Ok(Ok(part.call_name(store, &cluster, &service).await?)),
                    None => absent(),
                }
            })
        });
        convert::name(asked.await?).map_err(|cause| self.refuse(cause))
    }

    async fn ensure_load_balancer(&self, cluster: &str, service: &Object, nodes: &[Arc<Object>]) -> Result<LoadBalancerStatus, Error> {
        let (cluster, service, nodes) = (cluster.to_owned(), convert::service(service), convert::nodes(nodes));
        let answer = call!(self, "ensuring a load balancer", load_balancer.call_ensure(cluster, service, nodes))?;
        convert::status(answer).map_err(|cause| self.refuse(cause))
    }

    async fn update_load_balancer(&self, cluster: &str, service: &Object, nodes: &[Arc<Object>]) -> Result<(), Error> {
        let (cluster, service, nodes) = (cluster.to_owned(), convert::service(service), convert::nodes(nodes));
        call!(self, "updating a load balancer", load_balancer.call_update(cluster, service, nodes))
    }

    async fn ensure_load_balancer_deleted(&self, cluster: &str, service: &Object) -> Result<(), Error> {
        let (cluster, service) = (cluster.to_owned(), convert::service(service));
        call!(self, "deleting a load balancer", load_balancer.call_delete(cluster, service))
    }
}

#[async_trait]
impl Instances for Plugin {
    async fn instance_exists(&self, node: &Object) -> Result<bool, Error> {
        let node = convert::node(node);
        call!(self, "asking whether an instance exists", instances.call_exists(node))
    }

    async fn instance_shutdown(&self, node: &Object) -> Result<bool, Error> {
        let node = convert::node(node);
        call!(self, "asking whether an instance is shut down", instances.call_shutdown(node))
    }

    async fn instance_metadata(&self, node: &Object) -> Result<Option<InstanceMetadata>, Error> {
        let node = convert::node(node);
        let answer = call!(self, "asking for an instance's metadata", instances.call_describe(node))?;
        answer.map(convert::metadata).transpose().map_err(|cause| self.refuse(cause))
    }
}

#[async_trait]
impl Zones for Plugin {
    async fn get_zone(&self) -> Result<Zone, Error> {
        self.zone(call!(self, "asking for the zone", zones.call_current())?)
    }

    async fn get_zone_by_provider_id(&self, provider_id: &str) -> Result<Zone, Error> {
        let id = provider_id.to_owned();
        self.zone(call!(self, "asking for a zone by provider ID", zones.call_by_provider_id(id))?)
    }

    async fn get_zone_by_node_name(&self, node: &str) -> Result<Zone, Error> {
        let name = node.to_owned();
        self.zone(call!(self, "asking for a zone by node", zones.call_by_node_name(name))?)
    }
}

#[async_trait]
impl Clusters for Plugin {
    async fn list_clusters(&self) -> Result<Vec<String>, Error> {
        convert::names(call!(self, "listing clusters", clusters.call_list())?).map_err(|cause| self.refuse(cause))
    }

    async fn master(&self, cluster: &str) -> Result<String, Error> {
        let cluster = cluster.to_owned();
        convert::name(call!(self, "asking for a cluster's address", clusters.call_master(cluster))?).map_err(|cause| self.refuse(cause))
    }
}

#[async_trait]
impl Routes for Plugin {
    async fn list_routes(&self, cluster: &str) -> Result<Vec<Route>, Error> {
        let cluster = cluster.to_owned();
        let answer = call!(self, "listing routes", routes.call_list(cluster))?;
        convert::routes(answer).map_err(|cause| self.refuse(cause))
    }

    async fn create_route(&self, cluster: &str, name_hint: &str, route: &Route) -> Result<(), Error> {
        let (cluster, hint, route) = (cluster.to_owned(), name_hint.to_owned(), convert::route(route));
        call!(self, "creating a route", routes.call_create(cluster, hint, route))
    }

    async fn delete_route(&self, cluster: &str, route: &Route) -> Result<(), Error> {
        let (cluster, route) = (cluster.to_owned(), convert::route(route));
        call!(self, "deleting a route", routes.call_delete(cluster, route))
    }
}
