//! Refuses every node with what the platform answers to the words in the pod's annotation `do`:
//!
//! - `get VERSION PLURAL NAMESPACE NAME FIELD…`, `list VERSION PLURAL NAMESPACE SELECTOR FIELD…` (`-`: none)
//! - `create PLURAL NAMESPACE JSON`, `apply PLURAL NAMESPACE NAME JSON`, `patch PLURAL NAMESPACE NAME JSON`, `delete PLURAL NAMESPACE NAME`
//! - `event NAMESPACE NAME REASON MESSAGE…` about a pod
//! - `state-set KEY VALUE`, `state-get KEY`, `state-replace KEY OLD VALUE`, `state-delete KEY`, `state-keys PREFIX`
//! - `secret NAME`, `setting NAME`
//! - `count NAME VALUE`, `gauge NAME VALUE`, `observe NAME VALUE`, each with the label `from="guest"`
//!
//! A pod without the annotation passes.

wit_bindgen::generate!({ path: "../../../wit", world: "scheduler-filter" });

use coracle::plugin::api::{self, Deletion, EventType, Gvr, PatchKind, Query, Reference};
use coracle::plugin::{config, metrics, secrets, state};
use exports::coracle::plugin::filter::{Code, Guest as Filter, Pod, Reason, Verdicts};
use exports::coracle::plugin::node_table::{Delta, Guest as NodeTable};

struct Plugin;
export!(Plugin);

impl NodeTable for Plugin {
    fn sync(_: Delta) -> Result<(), String> {
        Ok(())
    }
}

impl Filter for Plugin {
    fn filter(pod: Pod, candidates: Vec<u32>) -> Result<Verdicts, String> {
        let told = pod.annotations.iter().find(|entry| entry.key == "do");
        let Some(told) = told else { return Ok(Verdicts { passed: Vec::new(), reasons: Vec::new(), codes: Vec::new() }) };
        let words: Vec<&str> = told.value.split(' ').collect();
        let text = answer(&words).unwrap_or_else(|error| error);
        let reason = Reason { code: Code::Unschedulable, text };
        Ok(Verdicts { passed: vec![0; candidates.len().div_ceil(8)], reasons: vec![reason], codes: Vec::new() })
    }
}

fn answer(words: &[&str]) -> Result<String, String> {
    let refused = |failure: api::Failure| format!("{} {}: {}", failure.code, failure.reason, failure.message);
    let lost = |failure: state::Failure| format!("{failure:?}");
    let core = |plural: &str| gvr("v1", plural);
    let labels = [("from".to_owned(), "guest".to_owned())];
    let number = |text: &str| text.parse::<f64>().map_err(|error| error.to_string());
    match words {
        ["get", version, plural, namespace, name, fields @ ..] => {
            api::get(&about(gvr(version, plural), namespace, name), &owned(fields)).map_err(refused)
        }
        ["list", version, plural, namespace, selector, fields @ ..] => {
            let query = Query {
                gvr: gvr(version, plural),
                namespace: none(namespace),
                label_selector: none(selector),
                field_selector: String::new(),
                fields: owned(fields),
                limit: 2,
                continue_token: String::new(),
            };
            let page = api::list(&query).map_err(refused)?;
            Ok(format!("{} {} more: {}", page.items.len(), !page.continue_token.is_empty(), page.items.join(",")))
        }
        ["create", plural, namespace, rest @ ..] => {
            api::create(&core(plural), namespace, &rest.join(" ")).map_err(refused).map(|_| "created".to_owned())
        }
        ["apply", plural, namespace, name, rest @ ..] => {
            api::apply(&about(core(plural), namespace, name), &rest.join(" "), false).map_err(refused).map(|_| "applied".to_owned())
        }
        ["patch", plural, namespace, name, rest @ ..] => {
            let patched = api::patch(&about(core(plural), namespace, name), PatchKind::Merge, &rest.join(" "));
            patched.map_err(refused).map(|_| "patched".to_owned())
        }
        ["delete", plural, namespace, name] => {
            let options = Deletion { uid: String::new(), propagation: String::new(), grace_period_seconds: None };
            api::delete(&about(core(plural), namespace, name), &options).map_err(refused).map(|()| "deleted".to_owned())
        }
        ["event", namespace, name, reason, message @ ..] => {
            api::event(&about(core("pods"), namespace, name), EventType::Normal, reason, &message.join(" "));
            Ok("told".to_owned())
        }
        ["state-set", key, value] => state::set(key, value.as_bytes()).map_err(lost).map(|()| "kept".to_owned()),
        ["state-get", key] => Ok(match state::get(key).map_err(lost)? {
            Some(value) => format!("value {}", String::from_utf8_lossy(&value)),
            None => "no value".to_owned(),
        }),
        ["state-replace", key, old, value] => {
            let old = Some(old.as_bytes()).filter(|old| *old != b"-");
            state::replace(key, old, value.as_bytes()).map_err(lost).map(|()| "replaced".to_owned())
        }
        ["state-delete", key] => state::delete(key).map_err(lost).map(|()| "gone".to_owned()),
        ["state-keys", prefix] => Ok(format!("keys {}", state::keys(&none(prefix)).map_err(lost)?.join(" "))),
        ["secret", name] => secrets::get(name).map(|value| format!("secret of {} bytes", value.len())),
        ["setting", name] => Ok(config::get(name).unwrap_or_else(|| "no such setting".to_owned())),
        ["count", name, value] => Ok({
            metrics::count(name, &labels, number(value)?);
            "counted".to_owned()
        }),
        ["gauge", name, value] => Ok({
            metrics::gauge(name, &labels, number(value)?);
            "set".to_owned()
        }),
        ["observe", name, value] => Ok({
            metrics::observe(name, &labels, number(value)?);
            "observed".to_owned()
        }),
        other => Err(format!("what is {other:?}?")),
    }
}

/// `apps/v1` or `v1`.
fn gvr(version: &str, plural: &str) -> Gvr {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    Gvr { group: group.to_owned(), version: version.to_owned(), plural: plural.to_owned() }
}

fn about(gvr: Gvr, namespace: &str, name: &str) -> Reference {
    Reference { gvr, namespace: none(namespace), name: name.to_owned(), subresource: String::new() }
}

fn none(word: &str) -> String {
    if word == "-" { String::new() } else { word.to_owned() }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
