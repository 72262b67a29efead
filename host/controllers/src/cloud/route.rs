//! A route to each node's pods in the cloud's network. Upstream `k8s.io/cloud-provider/controllers/route/route_controller.go`.

use super::{Active, CLUSTER, Cloud, Failure};
use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use crate::view::{condition, list, text};
use async_trait::async_trait;
use client::{Cache, Change, Client, Patch, Recorder, Type, gvr};
use futures::StreamExt;
use interfaces::cloud::{NodeAddress, Route, Routes};
use object::{Gvr, Object, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often the cloud's routes are compared (`--route-reconciliation-period`): a cloud tells of no changes.
const PERIOD: Duration = Duration::from_secs(10);

/// Calls at a time (upstream: 200, for clouds that answer slowly from far away).
const AT_ONCE: usize = 32;

const UNAVAILABLE: &str = "NetworkUnavailable";

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(CloudRoutes {
        client: context.client.clone(),
        cloud: context.cloud.clone(),
        nodes: context.client.cache(&gvr::nodes()),
        events: context.client.recorder("route_controller", ""),
    })
}

struct CloudRoutes {
    client: Client,
    cloud: Cloud,
    nodes: Arc<Cache>,
    events: Recorder,
}

#[async_trait]
impl Controller for CloudRoutes {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::nodes()]
    }

    fn outside(&self) -> Option<watch::Receiver<Option<Active>>> {
        Some(self.cloud.changes())
    }

    /// All routes are one key.
    fn keys(&self, _: &Gvr, change: &Change) -> Vec<Key> {
        let part = |node: &Option<Arc<Object>>| {
            node.as_ref().map(|n| (list(n, &["spec", "podCIDRs"]).to_vec(), list(n, &["status", "addresses"]).to_vec()))
        };
        if part(&change.old) == part(&change.new) { Vec::new() } else { vec![Key::default()] }
    }

    async fn reconcile(&self, _: &Key) -> Result<Next, Error> {
        let Some(active) = self.cloud.current() else { return Ok(Next::done()) };
        let Some(routes) = active.provider.routes() else { return Ok(Next::done()) };
        let known = routes.list_routes(CLUSTER).await;
        let known = known.map_err(|source| Failure::Routes { operation: "error listing routes", source })?;
        let nodes: Vec<Arc<Object>> = self.nodes.list("").into_iter().filter(|n| !n.is_deleting()).collect();
        let plan = plan(&nodes, &known);
        let made = self.carry_out(routes, plan).await;
        for node in nodes.iter().filter(|n| !list(n, &["spec", "podCIDRs"]).is_empty()) {
            let missing = made.get(node.name()).is_some_and(|made| !made);
            self.tell(node, !missing).await?;
        }
        Ok(Next::after(PERIOD))
    }
}

#[derive(Debug, Default, PartialEq)]
struct Plan {
    remove: Vec<Route>,
    /// With the hint for their name.
    add: Vec<(String, Route)>,
}

/// What to change so that there is one route per pod range of each node. The provider lists the cluster's own routes only.
fn plan(nodes: &[Arc<Object>], routes: &[Route]) -> Plan {
    let mut plan = Plan::default();
    let mut kept: BTreeSet<(&str, &str)> = BTreeSet::new();
    for route in routes {
        let node = nodes.iter().find(|n| n.name() == route.target_node);
        let wanted = node.is_some_and(|n| ranges(n).any(|cidr| cidr == route.destination_cidr) && leads_to(route, n));
        if route.blackhole || !wanted {
            plan.remove.push(route.clone());
        } else {
            kept.insert((&route.target_node, &route.destination_cidr));
        }
    }
    for node in nodes {
        for cidr in ranges(node).filter(|cidr| !kept.contains(&(node.name(), *cidr))) {
            let route = Route {
                target_node: node.name().to_owned(),
                target_node_addresses: addresses(node),
                destination_cidr: cidr.to_owned(),
                ..Route::default()
            };
            plan.add.push((node.uid().to_owned(), route));
        }
    }
    plan
}

fn ranges(node: &Object) -> impl Iterator<Item = &str> {
    list(node, &["spec", "podCIDRs"]).iter().filter_map(Value::as_str)
}

fn addresses(node: &Object) -> Vec<NodeAddress> {
    let one = |a: &Value| NodeAddress { ty: text(a, "type").to_owned(), address: text(a, "address").to_owned() };
    list(node, &["status", "addresses"]).iter().map(one).collect()
}

/// Whether the route still has the node's addresses, as far as the cloud tells (`getRouteAction`).
fn leads_to(route: &Route, node: &Object) -> bool {
    let real = addresses(node);
    if !route.gateway_address.is_empty() {
        return real.iter().any(|a| a.address == route.gateway_address);
    }
    let same = || real.len() == route.target_node_addresses.len() && real.iter().all(|a| route.target_node_addresses.contains(a));
    !route.enable_node_addresses || same()
}

impl CloudRoutes {
    /// Removes first, so that a changed route is not taken for the old one. Answers which nodes got all they lacked.
    async fn carry_out(&self, routes: &dyn Routes, plan: Plan) -> HashMap<String, bool> {
        let removals = futures::stream::iter(plan.remove).map(|route| async move {
            match routes.delete_route(CLUSTER, &route).await {
                Ok(()) => tracing::info!(route = route.name, cidr = route.destination_cidr, "route deleted"),
                Err(error) => tracing::warn!(route = route.name, cidr = route.destination_cidr, %error, "route not deleted"),
            }
        });
        removals.buffer_unordered(AT_ONCE).collect::<()>().await;
        let additions = futures::stream::iter(plan.add).map(|(hint, route)| async move {
            let result = routes.create_route(CLUSTER, &hint, &route).await;
            if let Err(error) = &result {
                let node = &route.target_node;
                let words = format!("Could not create route {hint} {} for node {node}: {error}", route.destination_cidr);
                if let Some(object) = self.nodes.get("", node) {
                    self.events.event(&object.reference(), Type::Warning, "FailedToCreateRoute", &words);
                }
            }
            (route.target_node, result.is_ok())
        });
        let results: Vec<(String, bool)> = additions.buffer_unordered(AT_ONCE).collect().await;
        let mut made = HashMap::new();
        for (node, ok) in results {
            *made.entry(node).or_insert(true) &= ok;
        }
        made
    }

    /// The node's condition `NetworkUnavailable`, which keeps pods away by its taint.
    async fn tell(&self, node: &Object, created: bool) -> Result<(), Error> {
        let status = if created { "False" } else { "True" };
        if condition(node, UNAVAILABLE).is_some_and(|c| text(c, "status") == status) {
            return Ok(());
        }
        let (reason, message) = if created {
            ("RouteCreated", "RouteController created a route")
        } else {
            ("NoRouteCreated", "RouteController failed to create a route")
        };
        let now = object::time::now();
        let condition = json!({"type": UNAVAILABLE, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": now, "lastHeartbeatTime": now});
        let patch = json!({ "status": { "conditions": [condition] } });
        match self.client.api(&gvr::nodes()).patch("", node.name(), Some("status"), &Patch::Strategic(patch)).await {
            Err(e) if !e.is_not_found() => Err(e.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Cluster, Scripted};
    use super::*;
    use interfaces::cloud::Error as CloudError;

    fn node(name: &str, cidrs: &[&str]) -> Value {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": format!("uid-{name}")},
            "spec": {"podCIDRs": cidrs}, "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}})
    }

    fn route(node: &str, cidr: &str) -> Route {
        Route { name: format!("{node} {cidr}"), target_node: node.into(), destination_cidr: cidr.into(), ..Route::default() }
    }

    #[test]
    fn routes_follow_the_nodes() {
        let check = |routes: &[Route], remove: &[&str], add: &[&str]| {
            let nodes = [node("a", &["10.42.0.0/24"]), node("b", &["10.42.1.0/24", "fd00::/64"]), node("c", &[])];
            let nodes: Vec<Arc<Object>> = nodes.into_iter().filter_map(Object::from_value).map(Arc::new).collect();
            let plan = plan(&nodes, routes);
            assert_eq!(plan.remove.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), remove);
            assert_eq!(plan.add.iter().map(|(_, r)| format!("{} {}", r.target_node, r.destination_cidr)).collect::<Vec<_>>(), add);
        };
        let (a, b, b6) = (route("a", "10.42.0.0/24"), route("b", "10.42.1.0/24"), route("b", "fd00::/64"));
        check(&[], &[], &["a 10.42.0.0/24", "b 10.42.1.0/24", "b fd00::/64"]);
        check(&[a.clone(), b.clone(), b6.clone()], &[], &[]);
        let gone = route("gone", "10.42.7.0/24");
        let hole = Route { blackhole: true, name: "hole".into(), ..a.clone() };
        check(&[hole, gone, b.clone(), b6.clone()], &["hole", "gone 10.42.7.0/24"], &["a 10.42.0.0/24"]);
        let elsewhere = Route { gateway_address: "10.0.0.9".into(), ..a.clone() };
        check(&[elsewhere, b.clone(), b6.clone()], &["a 10.42.0.0/24"], &["a 10.42.0.0/24"]);
        let old = vec![NodeAddress { ty: "InternalIP".into(), address: "10.0.0.9".into() }];
        let stale = Route { enable_node_addresses: true, target_node_addresses: old.clone(), ..a.clone() };
        check(&[stale, b.clone(), b6.clone()], &["a 10.42.0.0/24"], &["a 10.42.0.0/24"]);
        let unaware = Route { target_node_addresses: old, ..a };
        check(&[unaware, b, b6], &[], &[]);
    }

    #[tokio::test]
    async fn nodes_tell_whether_they_have_their_routes() {
        let cluster = Cluster::with([node("a", &["10.42.0.0/24"]), node("b", &["10.42.1.0/24"])]);
        let provider = Arc::new(Scripted::default().fails("create_route uid-b 10.42.1.0/24", CloudError::Failed("full".into()), 1));
        let controller = cluster.controller(make, &provider).await;
        let status = |name: &str| {
            let node = Object::from_value(cluster.get("nodes", "", name)).unwrap();
            condition(&node, UNAVAILABLE).map(|c| text(c, "status").to_owned()).unwrap_or_default()
        };
        assert_eq!(controller.reconcile(&Key::default()).await.unwrap().after, Some(PERIOD));
        assert_eq!((status("a"), status("b")), ("False".into(), "True".into()));
        controller.reconcile(&Key::default()).await.unwrap();
        assert_eq!((status("a"), status("b")), ("False".into(), "False".into()));
        assert_eq!(provider.routes_made(), ["a 10.42.0.0/24", "b 10.42.1.0/24"]);
        cluster.delete("nodes", "", "a").await;
        cluster.until_gone("nodes", "", "a").await;
        controller.reconcile(&Key::default()).await.unwrap();
        assert_eq!(provider.routes_made(), ["b 10.42.1.0/24"]);
    }
}
