//! World `controller`: a loaded plugin as the driver of controllers sees it ([`crate::plugins::controllers`]).

pub mod declared;
pub mod owner;

use super::{Loaded, Made, Product};
use crate::ctx::State;
use crate::load::Error;
use crate::plugins::bindings::exports::coracle::plugin::{reconcile, reconcile_mapping};
use crate::plugins::controllers::{ControllerRow, ControllerSettings, Crd, Deletion};
use crate::plugins::pool::{Exports, Failure, Live, Pool, Returned};
use async_trait::async_trait;
use client::UserInfo;
use futures::future::BoxFuture;
use interfaces::reconcile::{Declaration, Key, MapEvent, Outcome, ReconcileError, Reconciler, Request};
use interfaces::schedule::PluginError;
use object::{Object, Value, names};
use owner::Owner;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Store;
use wasmtime::component::Instance;

const RECONCILE: &str = "coracle:plugin/reconcile";
const MAPPING: &str = "coracle:plugin/reconcile-mapping";

/// What a component may export.
pub const EXPORTS: &[&str] = &[RECONCILE, MAPPING];

/// `spec.controller.workers` and `idleSeconds`: a worker is a task, and an instance while it works; an hour idle is for ever.
const WORKERS: std::ops::RangeInclusive<u64> = 1..=256;
const IDLE_SECONDS: std::ops::RangeInclusive<u64> = 1..=3600;
/// As `wit/controller.wit` says.
const KEYS: usize = 1000;
/// A message comes to stand in an event and in the plugin's status.
const LONGEST_MESSAGE: usize = 1 << 10;
/// No name of an object and no namespace is longer.
const LONGEST_NAME: usize = 253;
/// A year: whoever asks for more means never.
const LONGEST_REQUEUE: Duration = Duration::from_secs(365 * 24 * 3600);

/// `spec.controller`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Block {
    workers: Option<u64>,
    idle_seconds: Option<u64>,
    crds: Option<Vec<Value>>,
    crd_deletion: Option<String>,
}

impl Block {
    fn settings(self, instances: usize) -> Result<ControllerSettings, String> {
        let usual = ControllerSettings::default();
        let within = |name: &str, value: Option<u64>, range: std::ops::RangeInclusive<u64>, usual: u64| match value {
            None => Ok(usual),
            Some(value) if range.contains(&value) => Ok(value),
            Some(value) => Err(format!("spec.controller.{name}: {value} is not in {}..={}", range.start(), range.end())),
        };
        let workers = within("workers", self.workers, WORKERS, u64::try_from(usual.workers).unwrap_or(1))?;
        let workers = usize::try_from(workers).unwrap_or(1);
        if workers > instances {
            return Err(format!("spec.controller.workers: {workers} need as many spec.limits.instances, not {instances}"));
        }
        let idle = Duration::from_secs(within("idleSeconds", self.idle_seconds, IDLE_SECONDS, usual.idle.as_secs())?);
        let crds = self.crds.unwrap_or_default().into_iter().enumerate();
        let crds = crds.map(|(i, crd)| Crd::new(crd).map_err(|cause| format!("spec.controller.crds[{i}] {cause}")));
        let crd_deletion = match self.crd_deletion.as_deref() {
            None | Some("Retain") => Deletion::Retain,
            Some("Delete") => Deletion::Delete,
            Some(other) => return Err(format!("spec.controller.crdDeletion: {other:?} is neither Retain nor Delete")),
        };
        Ok(ControllerSettings { workers, idle, crds: crds.collect::<Result<_, _>>()?, crd_deletion })
    }
}

pub fn load(made: Made) -> BoxFuture<'static, Result<Loaded, Error>> {
    Box::pin(async move {
        let block: Block = made.settings.block("controller").map_err(|cause| made.unfit(cause))?;
        let limits = made.settings.limits;
        let mut settings = block.settings(limits.instances).map_err(|cause| made.unfit(cause))?;
        bring(&mut settings.crds, made.definitions.clone()).map_err(|cause| made.unfit(cause))?;
        made.require(&[RECONCILE])?;
        let account = made.settings.grants.account.as_ref();
        let account = account.ok_or_else(|| made.unfit("a controller needs spec.grants.serviceAccount: as whom it watches".to_owned()))?;
        let account = UserInfo::service_account(&account.namespace, &account.name);
        let maps = made.exports(MAPPING);
        let exports = Points {
            reconcile: reconcile::GuestIndices::new(&made.pre).map_err(|cause| made.mismatch(cause))?,
            mapping: maps.then(|| reconcile_mapping::GuestIndices::new(&made.pre)).transpose().map_err(|cause| made.mismatch(cause))?,
        };
        let object = made.object.reference();
        let pool = made.pool(exports, limits).await?;
        let row = ControllerRow { plugin: Arc::new(Plugin { pool: pool.clone() }), account, object, settings };
        Ok(Loaded { product: Product::Controller(Box::new(row)), resident: pool })
    })
}

/// Adds the definitions that came with the component; one that the object names, too, is as the object has it.
fn bring(crds: &mut Vec<Crd>, definitions: Vec<Value>) -> Result<(), String> {
    for (i, definition) in definitions.into_iter().enumerate() {
        let crd = Crd::new(definition).map_err(|cause| format!("definition {i} of its image {cause}"))?;
        if crds.iter().all(|own| own.name() != crd.name()) {
            crds.push(crd);
        }
    }
    Ok(())
}

/// Where the exports are.
struct Points {
    reconcile: reconcile::GuestIndices,
    mapping: Option<reconcile_mapping::GuestIndices>,
}

/// The exports of one instance.
struct Guest {
    reconcile: reconcile::Guest,
    mapping: Option<reconcile_mapping::Guest>,
}

impl Exports for Points {
    type Guest = Guest;

    fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Guest> {
        Ok(Guest {
            reconcile: self.reconcile.load(&mut *store, instance)?,
            mapping: self.mapping.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
        })
    }
}

struct Plugin {
    pool: Arc<Pool<Points>>,
}

#[async_trait]
impl Reconciler for Plugin {
    fn name(&self) -> &str {
        self.pool.name()
    }

    async fn declare(&self) -> Result<Vec<Declaration>, PluginError> {
        let call = self.pool.call(|mut live| {
            Box::pin(async move {
                let Live { store, guest, .. } = &mut *live;
                let answer = guest.reconcile.call_declare(store).await;
                let answer = answer.map_err(Failure::Host).and_then(|answer| answer.map_err(Failure::Guest));
                (live, answer) as Returned<Guest, _>
            })
        });
        let maps = self.pool.exports().mapping.is_some();
        declared::check(call.await?, maps).map_err(|cause| self.pool.refuse(cause))
    }

    async fn keys(&self, event: MapEvent) -> Result<Vec<Key>, PluginError> {
        let event = reconcile_mapping::Event {
            controller: event.controller,
            secondary: event.secondary,
            object_key: key(event.key),
            object: event.object.as_deref().map(text),
            deleted: event.deleted,
        };
        let call = self.pool.call(|mut live| {
            Box::pin(async move {
                let Live { store, guest, .. } = &mut *live;
                let answer = match &guest.mapping {
                    Some(mapping) => mapping.call_keys(store, &event).await.map_err(Failure::Host),
                    None => Ok(Err(format!("it does not export {MAPPING}"))),
                };
                (live, answer.and_then(|answer| answer.map_err(Failure::Guest))) as Returned<Guest, _>
            })
        });
        let keys: Vec<reconcile::Key> = call.await?;
        if keys.len() > KEYS {
            return Err(self.pool.refuse(format!("it mapped one change to {} keys, at most {KEYS} are allowed", keys.len())));
        }
        if let Some(key) = keys.iter().find(|key| !is_key(key)) {
            let (name, namespace) = (key.name.len(), key.namespace.len());
            let cause = format!("it mapped a change to a name of {name} bytes in a namespace of {namespace}: no object has such a key");
            return Err(self.pool.refuse(cause));
        }
        Ok(keys.into_iter().map(|reconcile::Key { namespace, name }| Key { namespace, name }).collect())
    }

    async fn reconcile(&self, request: Request) -> Result<Outcome, ReconcileError> {
        let owner = request.object.as_ref().map(Owner::of);
        let request = reconcile::Request {
            controller: request.controller,
            key: key(request.key),
            object: request.object.as_ref().map(text),
            deleting: request.deleting,
            failures: request.failures,
        };
        let call = self.pool.call(|mut live| {
            Box::pin(async move {
                let Live { store, guest, .. } = &mut *live;
                if let Some(plugin) = &mut store.data_mut().plugin {
                    plugin.own(owner);
                }
                let answer = guest.reconcile.call_reconcile(&mut *store, &request).await.map_err(Failure::Host);
                if let Some(plugin) = &mut store.data_mut().plugin {
                    plugin.own(None);
                }
                (live, answer) as Returned<Guest, _>
            })
        });
        match call.await? {
            Ok(reconcile::Outcome::Done) => Ok(Outcome::Done),
            Ok(reconcile::Outcome::RequeueAfter(milliseconds)) => {
                Ok(Outcome::RequeueAfter(Duration::from_millis(milliseconds).min(LONGEST_REQUEUE)))
            }
            Err(reconcile::Failure::Retry(cause)) => Err(ReconcileError::Retry(cut(cause))),
            Err(reconcile::Failure::Final(cause)) => Err(ReconcileError::Final(cut(cause))),
        }
    }

    fn rest(&self) {
        self.pool.let_go();
    }
}

/// Names are parts of paths.
fn is_key(key: &reconcile::Key) -> bool {
    let within = |text: &str| text.len() <= LONGEST_NAME && names::path_segment(text).is_empty();
    !key.name.is_empty() && within(&key.name) && within(&key.namespace)
}

fn cut(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
    message
}

fn key(key: Key) -> reconcile::Key {
    reconcile::Key { namespace: key.namespace, name: key.name }
}

fn text(object: &Object) -> String {
    // An object of the API is JSON already: this does not fail.
    serde_json::to_string(object.as_map()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn settings_are_checked() {
        let check = |block: Value, expect: Result<(usize, u64), &str>| {
            let block: Block = serde_json::from_value(block).unwrap();
            match (block.settings(4), expect) {
                (Ok(found), Ok(expect)) => assert_eq!((found.workers, found.idle.as_secs()), expect),
                (Err(found), Err(expect)) => assert!(found.contains(expect), "{found}"),
                (found, _) => panic!("{found:?}"),
            }
        };
        check(json!({}), Ok((1, 30)));
        check(json!({"workers": 4, "idleSeconds": 1, "crdDeletion": "Delete"}), Ok((4, 1)));
        check(json!({"workers": 0}), Err("spec.controller.workers: 0 is not in 1..=256"));
        check(json!({"workers": 5}), Err("5 need as many spec.limits.instances, not 4"));
        check(json!({"crdDeletion": "Maybe"}), Err("neither Retain nor Delete"));
        check(json!({"crds": [{"kind": "Pod"}]}), Err("spec.controller.crds[0] is a Pod"));
    }
    #[test]
    fn definitions_of_the_image_come_along() {
        let crd = |name: &str, label: &str| {
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": name, "labels": {"from": label}}})
        };
        let own = Crd::new(crd("a", "object")).unwrap();
        let mut crds = vec![own.clone()];
        bring(&mut crds, vec![crd("a", "image"), crd("b", "image")]).unwrap();
        assert_eq!(crds, [own, Crd::new(crd("b", "image")).unwrap()]);
        let wrong = bring(&mut crds, vec![json!({"apiVersion": "v1", "kind": "Pod"})]).unwrap_err();
        assert!(wrong.starts_with("definition 0 of its image is a Pod"), "{wrong}");
    }
}
