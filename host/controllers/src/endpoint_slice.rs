//! Endpoint slices: a service's backends in pieces, so that one pod's change rewrites one piece. Upstream
//! `pkg/controller/endpointslice` and `k8s.io/endpointslice`.

use crate::endpoints::backends::{self, Backend, Backends};
use crate::error::Error;
use crate::pending::Pending;
use crate::run::{Context, Controller, Key, Next};
use crate::view::{controller_reference, items, list};
use async_trait::async_trait;
use client::{Cache, Change, Client, DeleteOptions, gvr};
use object::{Gvr, Object, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Endpoints per slice (`--max-endpoints-per-slice`).
const CAPACITY: usize = 100;
const SERVICE: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";
const ZONE: &str = "topology.kubernetes.io/zone";

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(EndpointSlices {
        client: context.client.clone(),
        backends: Backends::new(&context.client),
        slices: context.client.cache(&gvr::endpoint_slices()),
        nodes: context.client.cache(&gvr::nodes()),
        pending: Pending::default(),
    })
}

struct EndpointSlices {
    client: Client,
    backends: Backends,
    slices: Arc<Cache>,
    /// For the zones of endpoints.
    nodes: Arc<Cache>,
    pending: Pending,
}

#[async_trait]
impl Controller for EndpointSlices {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::services(), gvr::pods(), gvr::endpoint_slices()]
    }

    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key> {
        match gvr.resource.as_str() {
            "pods" => self.backends.services_of(change),
            "services" => {
                if change.new.is_none() {
                    self.pending.forget(&Key::changed(change));
                }
                vec![Key::changed(change)]
            }
            _ => {
                let ours = [&change.old, &change.new].into_iter().flatten().filter(|s| s.label(MANAGED_BY) == Some(MANAGER));
                ours.filter_map(|s| s.label(SERVICE)).map(|service| Key::new(&change.namespace, service)).collect()
            }
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        // Without the service, its slices go by their owner reference.
        let Some(service) = self.backends.service(key) else { return Ok(Next::done()) };
        if !backends::has_selector(&service) || service.is_deleting() || !self.pending.is_seen(key, &self.slices) {
            return Ok(Next::done());
        }
        let endpoints = self.backends.of(&service);
        let present: Vec<Arc<Object>> = self.slices.by_owner(service.uid());
        let present: Vec<Arc<Object>> = present.into_iter().filter(|s| s.label(MANAGED_BY) == Some(MANAGER) && !s.is_deleting()).collect();
        let zone = |node: &str| self.nodes.get("", node).and_then(|n| n.label(ZONE).map(str::to_owned));
        let plan = plan(&service, &endpoints, &present, &zone);
        match self.carry_out(key, plan).await {
            Err(Error::Client(e)) if e.is_namespace_terminating() => Ok(Next::done()),
            other => other.map(|()| Next::done()),
        }
    }
}

/// What to write so that the slices tell the backends.
#[derive(Debug, Default)]
struct Plan {
    create: Vec<Object>,
    update: Vec<Object>,
    delete: Vec<Arc<Object>>,
}

impl EndpointSlices {
    /// Creates first and deletes last, so that no endpoint is missing in between.
    async fn carry_out(&self, key: &Key, plan: Plan) -> Result<(), Error> {
        let api = self.client.api(&gvr::endpoint_slices());
        for slice in plan.create {
            let made = api.create(slice.namespace(), &slice).await?;
            self.pending.wrote(key, &made);
        }
        for slice in plan.update {
            let written = api.update(slice.namespace(), &slice).await?;
            self.pending.wrote(key, &written);
        }
        for slice in plan.delete {
            let options = DeleteOptions { uid: Some(slice.uid().to_owned()), ..DeleteOptions::default() };
            match api.delete(slice.namespace(), slice.name(), &options).await {
                Ok(()) => self.pending.deleted(key, slice.uid()),
                Err(e) if e.is_not_found() => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

/// Endpoints stay in the slice they are in; new ones fill slices with room; what is left over makes new slices.
fn plan(service: &Object, backends: &[Backend], present: &[Arc<Object>], zone: &dyn Fn(&str) -> Option<String>) -> Plan {
    let family = address_type(service);
    let mut plan = Plan::default();
    let mut groups: BTreeMap<String, (Value, BTreeMap<String, Value>)> = BTreeMap::new();
    for backend in backends {
        let ports = Value::Array(backend.ports.clone());
        let group = groups.entry(ports.to_string()).or_insert_with(|| (ports, BTreeMap::new()));
        group.1.insert(backend.address.clone(), endpoint(service, backend, zone));
    }
    if groups.is_empty() {
        // One empty slice tells that the service is known and has no backends.
        groups.insert(String::new(), (Value::Null, BTreeMap::new()));
    }
    let mut unused: Vec<&Arc<Object>> = present.iter().collect();
    for (ports, mut wanted) in groups.into_values() {
        let mut used = 0;
        let (same, others): (Vec<_>, Vec<_>) =
            unused.into_iter().partition(|s| s.str_at(&["addressType"]) == family && same_ports(s, &ports));
        unused = others;
        let mut kept: Vec<(&Arc<Object>, Vec<Value>)> = Vec::new();
        for slice in same {
            let stays = list(slice, &["endpoints"]).iter().filter_map(|e| wanted.remove(first_address(e))).collect();
            kept.push((slice, stays));
        }
        // The fullest are filled up first, so that few slices stay.
        kept.sort_by_key(|(_, stays)| std::cmp::Reverse(stays.len()));
        for (slice, mut stays) in kept {
            while stays.len() < CAPACITY
                && let Some((_, next)) = wanted.pop_first()
            {
                stays.push(next);
            }
            if stays.is_empty() && (used > 0 || !backends.is_empty()) {
                unused.push(slice);
                continue;
            }
            used += 1;
            let mut changed = Object::clone(slice);
            fill(&mut changed, service, &ports, stays);
            if changed != **slice {
                plan.update.push(changed);
            }
        }
        while !wanted.is_empty() || used == 0 {
            let mut endpoints = Vec::new();
            while endpoints.len() < CAPACITY
                && let Some((_, next)) = wanted.pop_first()
            {
                endpoints.push(next);
            }
            used += 1;
            let mut slice = fresh(service, family);
            fill(&mut slice, service, &ports, endpoints);
            plan.create.push(slice);
        }
    }
    plan.delete = unused.into_iter().cloned().collect();
    plan
}

fn address_type(service: &Object) -> &'static str {
    match list(service, &["spec", "ipFamilies"]).first().and_then(Value::as_str) {
        Some("IPv6") => "IPv6",
        _ => "IPv4",
    }
}

fn same_ports(slice: &Object, ports: &Value) -> bool {
    let normal = |list: &[Value]| -> Vec<String> {
        let mut all: Vec<String> = list.iter().map(ToString::to_string).collect();
        all.sort();
        all
    };
    normal(list(slice, &["ports"])) == normal(ports.as_array().map(Vec::as_slice).unwrap_or_default())
}

fn first_address(endpoint: &Value) -> &str {
    items(endpoint, "addresses").first().and_then(Value::as_str).unwrap_or_default()
}

fn endpoint(service: &Object, backend: &Backend, zone: &dyn Fn(&str) -> Option<String>) -> Value {
    let ready = backend.publish_always || backend.serving && !backend.terminating;
    let mut endpoint = json!({
        "addresses": [backend.address], "targetRef": backend.target,
        "conditions": { "ready": ready, "serving": backend.serving, "terminating": backend.terminating },
    });
    if let Some(node) = &backend.node {
        endpoint["nodeName"] = json!(node);
        if let Some(zone) = zone(node) {
            endpoint["zone"] = json!(zone);
        }
    }
    if let Some(hostname) = backend.hostname_in(service) {
        endpoint["hostname"] = json!(hostname);
    }
    endpoint
}

fn fresh(service: &Object, family: &str) -> Object {
    let metadata = json!({
        "generateName": format!("{}-", service.name()), "namespace": service.namespace(),
        "ownerReferences": [controller_reference(service)],
    });
    let root = json!({ "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata, "addressType": family });
    Object::from_value(root).unwrap_or_default()
}

fn fill(slice: &mut Object, service: &Object, ports: &Value, mut endpoints: Vec<Value>) {
    let mut labels = service.labels().cloned().unwrap_or_default();
    labels.remove(HEADLESS);
    if backends::is_headless(service) {
        labels.insert(HEADLESS.to_owned(), json!(""));
    }
    labels.insert(SERVICE.to_owned(), json!(service.name()));
    labels.insert(MANAGED_BY.to_owned(), json!(MANAGER));
    slice.set_at(&["metadata", "labels"], Value::Object(labels));
    endpoints.sort_by(|a, b| first_address(a).cmp(first_address(b)));
    slice.set_at(&["endpoints"], Value::Array(endpoints));
    match ports.as_array().filter(|p| !p.is_empty()) {
        Some(_) => slice.set_at(&["ports"], ports.clone()),
        None => drop(slice.remove_at(&["ports"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::backends::tests::{backends, service};

    fn a_service() -> Object {
        service(json!({"selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}]}))
    }

    fn planned(found: &[Backend], present: &[Arc<Object>]) -> Plan {
        plan(&a_service(), found, present, &|node| Some(format!("zone-of-{node}")))
    }

    fn many(count: usize, port: i64) -> Vec<Backend> {
        let names: Vec<(String, String)> = (0..count).map(|i| (format!("p{i}"), format!("10.0.{}.{}", i / 250, i % 250))).collect();
        let pods: Vec<(&str, &str, bool, i64)> = names.iter().map(|(n, ip)| (n.as_str(), ip.as_str(), true, port)).collect();
        backends(&a_service(), &pods)
    }

    #[test]
    fn an_empty_service_has_one_empty_slice() {
        let plan = planned(&[], &[]);
        assert_eq!(plan.create.len(), 1);
        let slice = Arc::new(plan.create.into_iter().next().unwrap());
        assert_eq!(slice.at(&["endpoints"]), Some(&json!([])));
        let again = planned(&[], std::slice::from_ref(&slice));
        assert_eq!((again.create.len(), again.update.len(), again.delete.len()), (0, 0, 0));
        let filled = planned(&many(1, 80), &[slice]);
        assert_eq!((filled.create.len(), filled.delete.len()), (1, 1), "other ports are another slice");
    }

    #[test]
    fn endpoints_stay_where_they_are() {
        let plan = planned(&many(250, 80), &[]);
        assert_eq!(plan.create.len(), 3);
        assert_eq!(list(&plan.create[0], &["endpoints"])[0]["zone"], "zone-of-node");
        let mut present: Vec<Arc<Object>> = Vec::new();
        for (at, mut slice) in plan.create.into_iter().enumerate() {
            slice.set_at(&["metadata", "name"], json!(format!("s-{at}")));
            present.push(Arc::new(slice));
        }
        let same = planned(&many(250, 80), &present);
        assert_eq!((same.create.len(), same.update.len(), same.delete.len()), (0, 0, 0));
        let one_more = planned(&many(251, 80), &present);
        assert_eq!((one_more.create.len(), one_more.update.len(), one_more.delete.len()), (0, 1, 0));
        let one_less: Vec<Backend> = many(250, 80).into_iter().skip(1).collect();
        assert_eq!(planned(&one_less, &present).update.len(), 1, "one pod's change rewrites one slice");
        let moved = planned(&many(10, 90), &present);
        assert_eq!((moved.create.len(), moved.delete.len()), (1, 3));
    }
}
