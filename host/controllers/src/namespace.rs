//! Namespaces that are being deleted: everything in them goes first. Upstream
//! `pkg/controller/namespace/deletion/namespaced_resources_deleter.go`.

use crate::conditions::{self, Condition};
use crate::error::Error;
use crate::run::{Context, Controller, Key, Next};
use crate::view::list;
use async_trait::async_trait;
use client::{Cache, Change, Client, DeleteOptions, ListOptions, gvr};
use object::{GroupResource, Gvr, Object, Value, json};
use registry::{Kind, Verb};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The finalizer that this controller removes, in `spec.finalizers`.
const KUBERNETES: &str = "kubernetes";

/// When to look again at what remains, when nothing tells how long it takes: objects with finalizers go when their
/// controllers say so.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

pub(crate) fn make(context: &Context) -> Arc<dyn Controller> {
    Arc::new(Namespaces { client: context.client.clone(), namespaces: context.client.cache(&gvr::namespaces()) })
}

struct Namespaces {
    client: Client,
    namespaces: Arc<Cache>,
}

/// Every namespaced kind that can be listed and deleted.
fn sweeps(kind: &Kind) -> bool {
    kind.is_namespaced() && kind.verbs.contains(&Verb::List) && kind.verbs.contains(&Verb::Delete)
}

#[async_trait]
impl Controller for Namespaces {
    fn watches(&self) -> Vec<Gvr> {
        vec![gvr::namespaces(), gvr::pods()]
    }

    fn keys(&self, gvr: &Gvr, change: &Change) -> Vec<Key> {
        if gvr.resource == "namespaces" {
            return vec![Key::changed(change)];
        }
        // The last pods are what a namespace waits for longest.
        let ends = change.new.is_none() && self.namespaces.get("", &change.namespace).is_some_and(|n| n.is_deleting());
        if ends { vec![Key::new("", &change.namespace)] } else { Vec::new() }
    }

    async fn reconcile(&self, key: &Key) -> Result<Next, Error> {
        let Some(namespace) = self.namespaces.get("", &key.name) else { return Ok(Next::done()) };
        let waits_for_us = list(&namespace, &["spec", "finalizers"]).iter().any(|f| f == KUBERNETES);
        if !namespace.is_deleting() || !waits_for_us {
            return Ok(Next::done());
        }
        let namespace = self.mark(&namespace).await?;
        let swept = self.sweep(&key.name).await;
        let namespace = self.tell(&namespace, &swept).await?;
        if !swept.failures.is_empty() {
            let what = swept.failures.values().cloned().collect::<Vec<_>>().join("; ");
            return Err(Error::NamespaceContent { name: key.name.clone(), what });
        }
        if !swept.remaining.is_empty() {
            return Ok(Next::after(swept.grace.map_or(LOOK_AGAIN, |g| (g / 2).max(Duration::from_secs(1)))));
        }
        self.finalize(&namespace).await?;
        Ok(Next::done())
    }
}

/// What one sweep found.
#[derive(Debug, Default)]
struct Swept {
    /// Objects that are still there, per resource.
    remaining: BTreeMap<String, usize>,
    /// Finalizers that they wait for, with how many wait.
    finalizers: BTreeMap<String, usize>,
    /// Refused requests, per resource.
    failures: BTreeMap<String, String>,
    /// The longest time a pod may take.
    grace: Option<Duration>,
}

impl Namespaces {
    async fn mark(&self, namespace: &Object) -> Result<Object, Error> {
        if namespace.str_at(&["status", "phase"]) == "Terminating" {
            return Ok(namespace.clone());
        }
        let mut changed = namespace.clone();
        changed.set_at(&["status", "phase"], json!("Terminating"));
        Ok(self.client.api(&gvr::namespaces()).update_status("", &changed).await?)
    }

    /// Deletes everything; each kind for itself, so that one refusal does not keep the others. Pods go first, and all else
    /// waits until they are gone: no policy or secret that guards a pod ends before it does (KEP-5080).
    async fn sweep(&self, namespace: &str) -> Swept {
        let mut swept = Swept::default();
        let is_pods = |kind: &&Arc<Kind>| kind.group.is_empty() && kind.resource == "pods";
        // Asked anew each time: custom kinds come and go.
        let kinds: Vec<Arc<Kind>> = self.client.registry().objects().into_iter().filter(|k| sweeps(k)).collect();
        let pods = kinds.iter().filter(is_pods);
        for kind in pods.chain(kinds.iter().filter(|kind| !is_pods(kind))) {
            let resource = resource_name(&kind.group_resource());
            if let Err(error) = self.sweep_kind(kind, namespace, &resource, &mut swept).await {
                swept.failures.insert(resource, error.chain());
            }
            if is_pods(&kind) && !(swept.remaining.is_empty() && swept.failures.is_empty()) {
                break;
            }
        }
        swept
    }

    async fn sweep_kind(&self, kind: &Kind, namespace: &str, resource: &str, swept: &mut Swept) -> client::Result<()> {
        let api = self.client.api(&kind.gvr());
        let options = ListOptions::default();
        let (present, _) = api.list(namespace, &options).await?;
        if present.is_empty() {
            return Ok(());
        }
        let background = DeleteOptions { propagation: Some("Background".to_owned()), ..DeleteOptions::default() };
        if present.iter().any(|o| !o.is_deleting()) {
            if kind.verbs.contains(&Verb::DeleteCollection) {
                api.delete_collection(namespace, &options, &background).await?;
            } else {
                for object in &present {
                    match api.delete(namespace, object.name(), &background).await {
                        Err(e) if !e.is_not_found() => return Err(e),
                        _ => {}
                    }
                }
            }
        }
        let (remaining, _) = api.list(namespace, &options).await?;
        if remaining.is_empty() {
            return Ok(());
        }
        swept.remaining.insert(resource.to_owned(), remaining.len());
        for object in &remaining {
            for finalizer in object.finalizers() {
                *swept.finalizers.entry(finalizer.to_owned()).or_default() += 1;
            }
            let grace = object.at(&["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_u64);
            swept.grace = swept.grace.max(grace.map(Duration::from_secs));
        }
        Ok(())
    }

    /// Writes the conditions, when they changed.
    async fn tell(&self, namespace: &Object, swept: &Swept) -> Result<Object, Error> {
        let mut all = list(namespace, &["status", "conditions"]).to_vec();
        for condition in told(swept) {
            conditions::set(&mut all, &condition, &object::time::now());
        }
        if all == list(namespace, &["status", "conditions"]) {
            return Ok(namespace.clone());
        }
        let mut changed = namespace.clone();
        changed.set_at(&["status", "conditions"], Value::Array(all));
        Ok(self.client.api(&gvr::namespaces()).update_status("", &changed).await?)
    }

    async fn finalize(&self, namespace: &Object) -> Result<(), Error> {
        let mut changed = namespace.clone();
        let left: Vec<Value> = list(namespace, &["spec", "finalizers"]).iter().filter(|f| *f != KUBERNETES).cloned().collect();
        changed.set_at(&["spec", "finalizers"], Value::Array(left));
        let api = self.client.api(&gvr::namespaces());
        match api.update_subresource("", namespace.name(), "finalize", &changed.into_value()).await {
            Err(e) if !e.is_not_found() => Err(e.into()),
            _ => Ok(()),
        }
    }
}

fn resource_name(resource: &GroupResource) -> String {
    resource.to_string()
}

/// Upstream's conditions and wording (`status_condition_utils.go`).
fn told(swept: &Swept) -> Vec<Condition> {
    let join = |counts: &BTreeMap<String, usize>, one: &dyn Fn(&str, usize) -> String| {
        counts.iter().map(|(name, count)| one(name, *count)).collect::<Vec<_>>().join(", ")
    };
    let failed = |failures: &BTreeMap<String, String>| {
        let all: Vec<String> = failures.values().cloned().collect();
        format!("Failed to delete all resource types, {} remaining: {}", all.len(), all.join(", "))
    };
    vec![
        Condition::new("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered", "All resources successfully discovered"),
        Condition::new(
            "NamespaceDeletionGroupVersionParsingFailure",
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        if swept.failures.is_empty() {
            let words = "All content successfully deleted, may be waiting on finalization";
            Condition::new("NamespaceDeletionContentFailure", "False", "ContentDeleted", words)
        } else {
            Condition::new("NamespaceDeletionContentFailure", "True", "ContentDeletionFailed", failed(&swept.failures))
        },
        if swept.remaining.is_empty() {
            Condition::new("NamespaceContentRemaining", "False", "ContentRemoved", "All content successfully removed")
        } else {
            let list = join(&swept.remaining, &|name, count| format!("{name} has {count} resource instances"));
            Condition::new("NamespaceContentRemaining", "True", "SomeResourcesRemain", format!("Some resources are remaining: {list}"))
        },
        if swept.finalizers.is_empty() {
            Condition::new("NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers", "All content-preserving finalizers finished")
        } else {
            let list = join(&swept.finalizers, &|name, count| format!("{name} in {count} resource instances"));
            let words = format!("Some content in the namespace has finalizers remaining: {list}");
            Condition::new("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", words)
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_tell_what_remains() {
        let empty = told(&Swept::default());
        assert!(empty.iter().all(|c| c.status == "False"));
        let swept = Swept {
            remaining: BTreeMap::from([("pods".to_owned(), 2)]),
            finalizers: BTreeMap::from([("example.test/keep".to_owned(), 1)]),
            ..Swept::default()
        };
        let words: Vec<String> = told(&swept).into_iter().filter(|c| c.status == "True").map(|c| c.message).collect();
        assert_eq!(
            words,
            [
                "Some resources are remaining: pods has 2 resource instances",
                "Some content in the namespace has finalizers remaining: example.test/keep in 1 resource instances",
            ]
        );
    }
}
