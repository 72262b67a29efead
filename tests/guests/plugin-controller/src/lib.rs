//! A Widget (`test.coracle.dev/v1`) gets `spec.children` ConfigMaps, and its `spec.do` says how its reconcile ends. `status.seen` counts the
//! calls, `status.version` is the plugin's setting `version`.
//!
//! Settings: `finalizer`; `watchSecrets: true`: a Secret annotated `widgets: a,b` concerns those Widgets (mapped by the component);
//! `selector`; `also`: plural of a further core kind to watch; `declare: bad`.

wit_bindgen::generate!({ path: "../../../wit", world: "controller-with-mapping" });

use coracle::plugin::api::{self, Deletion, Gvr as ApiGvr, PatchKind, Query, Reference};
use coracle::plugin::{config, owner};
use exports::coracle::plugin::reconcile::{self, Declaration, Failure, Gvr, Key, Mapping, Outcome, Request, Secondary, Watch};
use exports::coracle::plugin::reconcile_mapping::{self, Event};
use serde_json::{Value, json};
use std::hint::black_box;

struct Plugin;
export!(Plugin);

fn watch(group: &str, version: &str, plural: &str, fields: &[&str]) -> Watch {
    Watch {
        gvr: Gvr { group: group.to_owned(), version: version.to_owned(), plural: plural.to_owned() },
        namespace: String::new(),
        label_selector: String::new(),
        field_selector: String::new(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
    }
}

impl reconcile::Guest for Plugin {
    fn declare() -> Result<Vec<Declaration>, String> {
        let mut primary = watch("test.coracle.dev", "v1", "widgets", &["spec", "metadata.annotations"]);
        primary.label_selector = config::get("selector").unwrap_or_default();
        let mut secondaries = vec![Secondary { watch: watch("", "v1", "configmaps", &["data"]), mapping: Mapping::Owner }];
        if config::get("watchSecrets").is_some() {
            secondaries
                .push(Secondary { watch: watch("", "v1", "secrets", &["data", "metadata.annotations"]), mapping: Mapping::Exported });
        }
        if let Some(plural) = config::get("also") {
            secondaries.push(Secondary { watch: watch("", "v1", &plural, &[]), mapping: Mapping::Label("widget".to_owned()) });
        }
        let name = if config::get("declare").is_some() { "Not A Name" } else { "widgets" };
        let declaration =
            Declaration { name: name.to_owned(), primary, secondaries, finalizer: config::get("finalizer"), resync_seconds: 0 };
        Ok(vec![declaration])
    }

    fn reconcile(request: Request) -> Result<Outcome, Failure> {
        let Some(object) = &request.object else { return Ok(Outcome::Done) };
        let object: Value = serde_json::from_str(object).map_err(|error| Failure::Final(error.to_string()))?;
        let spec = &object["spec"];
        if request.deleting {
            return farewell(&request.key, spec);
        }
        let seen = count(&request.key)?;
        match spec["do"].as_str().unwrap_or_default() {
            "fail" => return Err(Failure::Retry(format!("told to fail, {} before", request.failures))),
            "fail-twice" if request.failures < 2 => return Err(Failure::Retry("told to fail twice".to_owned())),
            "final" => return Err(Failure::Final("told to give up".to_owned())),
            "trap" => core::arch::wasm32::unreachable(),
            "spin" => loop {
                black_box(0);
            },
            "again" if seen < 3 => return Ok(Outcome::RequeueAfter(100)),
            _ => {}
        }
        children(&request.key, spec["children"].as_u64().unwrap_or(0))?;
        Ok(Outcome::Done)
    }
}

impl reconcile_mapping::Guest for Plugin {
    fn keys(event: Event) -> Result<Vec<Key>, String> {
        let Some(object) = event.object else { return Ok(Vec::new()) };
        let object: Value = serde_json::from_str(&object).map_err(|error| error.to_string())?;
        let names = object["metadata"]["annotations"]["widgets"].as_str().unwrap_or_default().to_owned();
        let names = names.split(',').filter(|name| !name.is_empty());
        Ok(names.map(|name| Key { namespace: event.object_key.namespace.clone(), name: name.to_owned() }).collect())
    }
}

/// Counts the call in the status; how many it were.
fn count(key: &Key) -> Result<u64, Failure> {
    let widget = reference("test.coracle.dev", "widgets", key, &key.name);
    let found = api::get(&widget, &["status".to_owned()]).map_err(refused)?;
    let found: Value = serde_json::from_str(&found).map_err(|error| Failure::Retry(error.to_string()))?;
    let seen = found["status"]["seen"].as_u64().unwrap_or(0) + 1;
    let patch = json!({
        "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
        "status": {"seen": seen, "version": config::get("version").unwrap_or_default()},
    });
    let status = Reference { subresource: "status".to_owned(), ..widget };
    api::patch(&status, PatchKind::Merge, &patch.to_string()).map_err(refused)?;
    Ok(seen)
}

/// As many ConfigMaps as wanted, `<name>-<number>`, and none beyond.
fn children(key: &Key, wanted: u64) -> Result<(), Failure> {
    for number in 0..wanted {
        let name = format!("{}-{number}", key.name);
        let child = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": key.namespace, "labels": {"widget": key.name}},
            "data": {"of": key.name},
        });
        let child = owner::set_controller(&child.to_string()).map_err(Failure::Retry)?;
        api::apply(&reference("", "configmaps", key, &name), &child, true).map_err(refused)?;
    }
    let page = api::list(&Query {
        gvr: ApiGvr { group: String::new(), version: "v1".to_owned(), plural: "configmaps".to_owned() },
        namespace: key.namespace.clone(),
        label_selector: format!("widget={}", key.name),
        field_selector: String::new(),
        fields: vec!["metadata.name".to_owned()],
        limit: 0,
        continue_token: String::new(),
    })
    .map_err(refused)?;
    for item in page.items {
        let item: Value = serde_json::from_str(&item).map_err(|error| Failure::Retry(error.to_string()))?;
        let name = item["metadata"]["name"].as_str().unwrap_or_default();
        let number = name.rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
        if number.is_some_and(|number| number >= wanted) {
            let options = Deletion { uid: String::new(), propagation: String::new(), grace_period_seconds: None };
            api::delete(&reference("", "configmaps", key, name), &options).map_err(refused)?;
        }
    }
    Ok(())
}

/// Being deleted: leaves a ConfigMap behind, and does not let go while `spec.hold` is set.
fn farewell(key: &Key, spec: &Value) -> Result<Outcome, Failure> {
    if spec["hold"] == true {
        return Ok(Outcome::RequeueAfter(100));
    }
    let name = format!("farewell-{}", key.name);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": key.namespace}});
    api::apply(&reference("", "configmaps", key, &name), &map.to_string(), true).map_err(refused)?;
    Ok(Outcome::Done)
}

fn reference(group: &str, plural: &str, key: &Key, name: &str) -> Reference {
    Reference {
        gvr: ApiGvr { group: group.to_owned(), version: "v1".to_owned(), plural: plural.to_owned() },
        namespace: key.namespace.clone(),
        name: name.to_owned(),
        subresource: String::new(),
    }
}

fn refused(failure: api::Failure) -> Failure {
    Failure::Retry(format!("{}: {}", failure.reason, failure.message))
}
