//! Endpoints: the old form of a service's backends, which clients and proxies still read. Upstream
//! `pkg/controller/endpoint/endpoints_controller.go`.

pub(crate) mod backends;

use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use async_trait::async_trait;
use backends::{Backend, Backends};
use client::{Cache, Change, Client, DeleteOptions, Recorder, Type, gvr};
use object::{Gvr, Map, Object, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Addresses one object may have (`maxCapacity`); more are cut and an annotation tells so.
const CAPACITY: usize = 1000;
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
const HEADLESS: &str = "service.kubernetes.io/headless";
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(Endpoints {
        client: context.client.clone(),
        backends: Backends::new(&context.client),
        endpoints: context.client.cache(&gvr::endpoints()),
        events: context.client.recorder("endpoint-controller", ""),
    })
}

struct Endpoints {
    client: Client,
    backends: Backends,
    endpoints: Arc<Cache>,
    events: Recorder,
}

#[async_trait]
impl Controller for Endpoints {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::services(), gvr::pods(), gvr::endpoints()]
    }

    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key> {
        if gvr.resource == "pods" { self.backends.services_of(change) } else { vec![Key::changed(change)] }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let present = self.endpoints.get(&key.namespace, &key.name);
        let api = self.client.api(&gvr::endpoints());
        let Some(service) = self.backends.service(key) else {
            // Endpoints that somebody wrote by hand stay, even without a service.
            let ours = present.filter(|e| e.label(MANAGED_BY).is_some());
            if let Some(ours) = ours {
                let options = DeleteOptions { uid: Some(ours.uid().to_owned()), ..DeleteOptions::default() };
                match api.delete(&key.namespace, &key.name, &options).await {
                    Err(e) if !e.is_not_found() && !e.is_conflict() => return Err(e.into()),
                    _ => {}
                }
            }
            return Ok(Next::done());
        };
        if !backends::has_selector(&service) {
            return Ok(Next::done());
        }
        let wanted = endpoints_of(&service, &self.backends.of(&service), present.as_deref());
        let result = match &present {
            Some(present) if present.at(&["subsets"]) == wanted.at(&["subsets"]) && metadata_agrees(present, &wanted) => {
                return Ok(Next::done());
            }
            Some(_) => api.update(&key.namespace, &wanted).await,
            None => api.create(&key.namespace, &wanted).await,
        };
        match result {
            Ok(_) => Ok(Next::done()),
            Err(e) if e.is_namespace_terminating() => Ok(Next::done()),
            Err(e) => {
                if !e.is_conflict() && !e.is_already_exists() {
                    let words = format!("Failed to write endpoint {}/{}: {e}", key.namespace, key.name);
                    self.events.event(&service.reference(), Type::Warning, "FailedToUpdateEndpoint", &words);
                }
                Err(e.into())
            }
        }
    }
}

fn metadata_agrees(present: &Object, wanted: &Object) -> bool {
    let over = |o: &Object| o.annotation(OVER_CAPACITY).map(str::to_owned);
    present.labels().cloned().unwrap_or_default() == wanted.labels().cloned().unwrap_or_default() && over(present) == over(wanted)
}

fn endpoints_of(service: &Object, backends: &[Backend], present: Option<&Object>) -> Object {
    let mut wanted = present.cloned().unwrap_or_default();
    wanted.set_at(&["apiVersion"], json!("v1"));
    wanted.set_at(&["kind"], json!("Endpoints"));
    wanted.set_at(&["metadata", "name"], json!(service.name()));
    wanted.set_at(&["metadata", "namespace"], json!(service.namespace()));
    let mut labels = service.labels().cloned().unwrap_or_default();
    if backends::is_headless(service) {
        labels.insert(HEADLESS.to_owned(), json!(""));
    } else {
        labels.remove(HEADLESS);
    }
    labels.insert(MANAGED_BY.to_owned(), json!("endpoint-controller"));
    wanted.set_at(&["metadata", "labels"], Value::Object(labels));
    let (subsets, cut) = subsets(service, backends);
    if cut {
        wanted.set_at(&["metadata", "annotations", OVER_CAPACITY], json!("truncated"));
    } else {
        wanted.remove_at(&["metadata", "annotations", OVER_CAPACITY]);
    }
    if subsets.is_empty() {
        wanted.remove_at(&["subsets"]);
    } else {
        wanted.set_at(&["subsets"], Value::Array(subsets));
    }
    wanted
}

/// One subset per set of ports, as `RepackSubsets` leaves them; and whether addresses were cut.
fn subsets(service: &Object, backends: &[Backend]) -> (Vec<Value>, bool) {
    let mut groups: BTreeMap<String, (Value, Vec<Value>, Vec<Value>)> = BTreeMap::new();
    let mut shown: Vec<&Backend> = backends.iter().filter(|b| !b.terminating || b.publish_always).collect();
    shown.sort_by(|a, b| (!a.serving, &a.address).cmp(&(!b.serving, &b.address)));
    let cut = shown.len() > CAPACITY;
    for backend in shown.into_iter().take(CAPACITY) {
        let ports = backends::legacy_ports(&backend.ports);
        let group = groups.entry(ports.to_string()).or_insert_with(|| (ports, Vec::new(), Vec::new()));
        let mut address = Map::new();
        address.insert("ip".to_owned(), json!(backend.address));
        if let Some(node) = &backend.node {
            address.insert("nodeName".to_owned(), json!(node));
        }
        if let Some(hostname) = backend.hostname_in(service) {
            address.insert("hostname".to_owned(), json!(hostname));
        }
        address.insert("targetRef".to_owned(), backend.target.clone());
        let list = if backend.serving || backend.publish_always { &mut group.1 } else { &mut group.2 };
        list.push(Value::Object(address));
    }
    let subset = |(ports, ready, not_ready): (Value, Vec<Value>, Vec<Value>)| {
        let mut subset = Map::new();
        for (field, mut list) in [("addresses", ready), ("notReadyAddresses", not_ready)] {
            if !list.is_empty() {
                list.sort_by_key(ToString::to_string);
                subset.insert(field.to_owned(), Value::Array(list));
            }
        }
        if ports.as_array().is_some_and(|p| !p.is_empty()) {
            subset.insert("ports".to_owned(), ports);
        }
        Value::Object(subset)
    };
    (groups.into_values().map(subset).collect(), cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_grouped_by_ports_and_readiness() {
        let service = backends::tests::service(
            json!({"selector": {"a": "b"}, "ports": [{"name": "web", "port": 80, "targetPort": "http", "protocol": "TCP"}]}),
        );
        let found = backends::tests::backends(
            &service,
            &[("p1", "10.0.0.2", true, 8080), ("p2", "10.0.0.1", true, 8080), ("p3", "10.0.0.3", false, 9090)],
        );
        let made = endpoints_of(&service, &found, None);
        let subsets = made.at(&["subsets"]).unwrap();
        assert_eq!(subsets[0]["ports"], json!([{"name": "web", "port": 8080, "protocol": "TCP"}]));
        assert_eq!(subsets[0]["addresses"].as_array().unwrap().len(), 2);
        assert_eq!(subsets[0]["addresses"][0]["ip"], "10.0.0.1");
        assert_eq!(subsets[1]["notReadyAddresses"][0]["targetRef"]["name"], "p3");
        assert!(metadata_agrees(&made, &endpoints_of(&service, &found, Some(&made))));
    }
}
