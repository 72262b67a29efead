//! A StaticSite becomes a ConfigMap with its pages, a Deployment that serves them and a Service before it.
//!
//! `site` says what ought to be, without asking anybody; this file reads what is, applies what ought to be, and tells the status.

mod site;

wit_bindgen::generate!({ path: "../../wit", world: "controller" });

use coracle::plugin::api::{self, EventType, Gvr as ApiGvr, Reference};
use coracle::plugin::{config, owner};
use exports::coracle::plugin::reconcile::{Declaration, Failure, Guest, Gvr, Key, Mapping, Outcome, Request, Secondary, Watch};
use serde_json::{Value, json};
use site::{Defaults, Mistake, Site};

struct Plugin;
export!(Plugin);

/// A kind of children: group, version, plural, and the fields whose change brings the site again.
const CHILDREN: [(&str, &str, &str, &[&str]); 3] = [
    ("", "v1", "configmaps", &["data", "metadata.labels"]),
    (
        "apps",
        "v1",
        "deployments",
        &["spec", "metadata.labels", "status.readyReplicas", "status.replicas", "status.updatedReplicas", "status.observedGeneration"],
    ),
    ("", "v1", "services", &["spec", "metadata.labels"]),
];

impl Guest for Plugin {
    fn declare() -> Result<Vec<Declaration>, String> {
        let watch = |group: &str, version: &str, plural: &str, labels: &str, fields: &[&str]| Watch {
            gvr: Gvr { group: group.to_owned(), version: version.to_owned(), plural: plural.to_owned() },
            namespace: config::get("namespace").unwrap_or_default(),
            label_selector: labels.to_owned(),
            field_selector: String::new(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        };
        let secondary = |(group, version, plural, fields): (&str, &str, &str, &[&str])| Secondary {
            watch: watch(group, version, plural, "app.kubernetes.io/managed-by=static-site", fields),
            mapping: Mapping::Owner,
        };
        Ok(vec![Declaration {
            name: "static-site".to_owned(),
            primary: watch(site::GROUP, site::VERSION, "staticsites", "", &["spec", "status"]),
            secondaries: CHILDREN.into_iter().map(secondary).collect(),
            // Owner references do: the garbage collector deletes the children.
            finalizer: None,
            resync_seconds: 0,
        }])
    }

    fn reconcile(request: Request) -> Result<Outcome, Failure> {
        let Some(object) = request.object.filter(|_| !request.deleting) else { return Ok(Outcome::Done) };
        let object: Value = serde_json::from_str(&object).map_err(|error| Failure::Final(error.to_string()))?;
        match Site::read(&object, &defaults()) {
            Ok(site) => make(&request.key, &object, &site),
            Err(Mistake(cause)) => {
                tell(&request.key, &object, &site::invalid(&object, &cause))?;
                Err(Failure::Final(cause))
            }
        }
    }
}

fn defaults() -> Defaults {
    let or = |key: &str, value: &str| config::get(key).unwrap_or_else(|| value.to_owned());
    Defaults { image: or("image", "docker.io/library/nginx:stable"), folder: or("folder", "/usr/share/nginx/html") }
}

fn make(key: &Key, object: &Value, site: &Site) -> Result<Outcome, Failure> {
    for ((group, version, plural, _), child) in CHILDREN.into_iter().zip(site.children()) {
        let reference = reference(group, version, plural, key, "");
        ours(&reference, object)?;
        let child = owner::set_controller(&child.to_string()).map_err(Failure::Retry)?;
        // The fields are this plugin's: whoever changed one of them sees it changed back.
        api::apply(&reference, &child, true).map_err(refused)?;
    }
    let deployment = get(&reference("apps", "v1", "deployments", key, ""), &["status", "metadata.generation"])?;
    let status = site.status(object, &deployment.unwrap_or_default());
    let was_ready = site::is_ready(&object["status"]);
    tell(key, object, &status)?;
    if site::is_ready(&status) && !was_ready {
        let site = reference(site::GROUP, site::VERSION, "staticsites", key, "");
        api::event(
            &site,
            EventType::Normal,
            "Serving",
            &format!("{} pages at {}", status["pages"], status["url"].as_str().unwrap_or_default()),
        );
    }
    Ok(Outcome::Done)
}

/// A child of that name that is not this site's is left alone.
fn ours(child: &Reference, object: &Value) -> Result<(), Failure> {
    let Some(found) = get(child, &["metadata.ownerReferences"])? else { return Ok(()) };
    let uid = &object["metadata"]["uid"];
    let owners = found["metadata"]["ownerReferences"].as_array();
    if owners.into_iter().flatten().any(|owner| owner["controller"] == true && owner["uid"] == *uid) {
        return Ok(());
    }
    Err(Failure::Retry(format!("{} {} exists and is not this site's", child.gvr.plural, child.name)))
}

/// Writes the status if it is another.
fn tell(key: &Key, object: &Value, status: &Value) -> Result<(), Failure> {
    if object["status"] == *status {
        return Ok(());
    }
    let site = reference(site::GROUP, site::VERSION, "staticsites", key, "status");
    let patch = json!({ "metadata": { "resourceVersion": object["metadata"]["resourceVersion"] }, "status": status });
    api::patch(&site, api::PatchKind::Merge, &patch.to_string()).map(drop).map_err(refused)
}

fn get(object: &Reference, fields: &[&str]) -> Result<Option<Value>, Failure> {
    let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
    match api::get(object, &fields) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| Failure::Retry(error.to_string())),
        Err(failure) if failure.code == 404 => Ok(None),
        Err(failure) => Err(refused(failure)),
    }
}

fn reference(group: &str, version: &str, plural: &str, key: &Key, subresource: &str) -> Reference {
    Reference {
        gvr: ApiGvr { group: group.to_owned(), version: version.to_owned(), plural: plural.to_owned() },
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        subresource: subresource.to_owned(),
    }
}

fn refused(failure: api::Failure) -> Failure {
    Failure::Retry(format!("{}: {}", failure.reason, failure.message))
}
