//! Deletes objects when their time is over. `time` says when that is, without asking anybody; this file watches and deletes.

mod time;

wit_bindgen::generate!({
    path: ["../../wit", "wit"],
    inline: "
        package coracle:ttl-sweeper;
        world sweeper {
            include coracle:plugin/controller@1.1.0;
            import wasi:clocks/wall-clock@0.2.0;
        }
    ",
    world: "coracle:ttl-sweeper/sweeper",
    generate_all,
});

use coracle::plugin::api::{self, Deletion, EventType, Gvr as ApiGvr, Reference};
use coracle::plugin::config;
use exports::coracle::plugin::reconcile::{Declaration, Failure, Guest, Gvr, Outcome, Request, Watch};
use serde_json::Value;
use time::{Due, Rules};
use wasi::clocks::wall_clock;

struct Plugin;
export!(Plugin);

/// What is swept if `config.kinds` does not say otherwise.
const KINDS: &str = r#"["v1/pods", "batch/v1/jobs"]"#;

/// What says when an object is due.
const FIELDS: [&str; 7] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.creationTimestamp",
    "status.phase",
    "status.conditions",
    "status.containerStatuses",
    "status.completionTime",
];

impl Guest for Plugin {
    fn declare() -> Result<Vec<Declaration>, String> {
        let (namespace, selector) = (config::get("namespace").unwrap_or_default(), config::get("selector").unwrap_or_default());
        let declaration = |gvr: Gvr| Declaration {
            name: name_of(&gvr),
            primary: Watch {
                gvr,
                namespace: namespace.clone(),
                label_selector: selector.clone(),
                field_selector: String::new(),
                fields: FIELDS.iter().map(|field| (*field).to_owned()).collect(),
            },
            secondaries: Vec::new(),
            finalizer: None,
            resync_seconds: 0,
        };
        Ok(kinds()?.into_iter().map(declaration).collect())
    }

    fn reconcile(request: Request) -> Result<Outcome, Failure> {
        let Some(object) = request.object.filter(|_| !request.deleting) else { return Ok(Outcome::Done) };
        let object: Value = serde_json::from_str(&object).map_err(|error| Failure::Final(error.to_string()))?;
        let kinds = kinds().map_err(Failure::Final)?;
        let Some(gvr) = kinds.into_iter().find(|gvr| name_of(gvr) == request.controller) else { return Ok(Outcome::Done) };
        let rules = rules().map_err(Failure::Final)?;
        let now = wall_clock::now().seconds;
        match time::due(&object, &rules).map_err(Failure::Final)? {
            Due::Never => Ok(Outcome::Done),
            Due::At(at) if at > now => Ok(Outcome::RequeueAfter((at - now).saturating_mul(1000))),
            Due::At(_) => sweep(gvr, &request.key.namespace, &object),
        }
    }
}

fn sweep(gvr: Gvr, namespace: &str, object: &Value) -> Result<Outcome, Failure> {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let reference = Reference {
        gvr: ApiGvr { group: gvr.group, version: gvr.version, plural: gvr.plural },
        namespace: namespace.to_owned(),
        name: text("name"),
        subresource: String::new(),
    };
    if config::get("dryRun").as_deref() == Some("true") {
        api::event(&reference, EventType::Normal, "WouldExpire", "Its time is over");
        return Ok(Outcome::Done);
    }
    // Another object of the same name has its own time.
    let options = Deletion { uid: text("uid"), propagation: "Background".to_owned(), grace_period_seconds: None };
    match api::delete(&reference, &options) {
        Ok(()) => {
            api::event(&reference, EventType::Normal, "Expired", "Deleted: its time is over");
            Ok(Outcome::Done)
        }
        Err(failure) if [404, 409].contains(&failure.code) => Ok(Outcome::Done),
        Err(failure) => Err(Failure::Retry(format!("{}: {}", failure.reason, failure.message))),
    }
}

fn kinds() -> Result<Vec<Gvr>, String> {
    let text = config::get("kinds").unwrap_or_else(|| KINDS.to_owned());
    let kinds: Vec<String> = serde_json::from_str(&text).map_err(|error| format!("config.kinds is no list of texts: {error}"))?;
    kinds
        .iter()
        .map(|kind| match kind.split('/').collect::<Vec<_>>().as_slice() {
            [version, plural] => Ok(Gvr { group: String::new(), version: (*version).to_owned(), plural: (*plural).to_owned() }),
            [group, version, plural] => {
                Ok(Gvr { group: (*group).to_owned(), version: (*version).to_owned(), plural: (*plural).to_owned() })
            }
            _ => Err(format!("config.kinds: {kind:?} is neither version/plural nor group/version/plural")),
        })
        .collect()
}

/// A controller per kind; its name says which.
fn name_of(gvr: &Gvr) -> String {
    if gvr.group.is_empty() { gvr.plural.clone() } else { format!("{}-{}", gvr.plural, gvr.group.replace('.', "-")) }
}

fn rules() -> Result<Rules, String> {
    let key = config::get("key").unwrap_or_else(|| "coracle.dev/ttl".to_owned());
    let finished =
        config::get("finished").map(|text| time::duration(&text).ok_or_else(|| format!("config.finished: {text:?} is no duration")));
    Ok(Rules { key, finished: finished.transpose()? })
}
