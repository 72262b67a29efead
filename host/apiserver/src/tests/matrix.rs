//! Every verb on every row, by the row's own sample; and every verb of every subresource, but for the holes that
//! `matrix/holes.txt` lists. That list may only shrink.

use super::Fixture;
use object::{Value, json};
use registry::{Kind, Registry, Subresource, Verb};
use std::collections::{BTreeMap, BTreeSet};

pub fn collection(kind: &Kind) -> String {
    let root = if kind.group.is_empty() { format!("/api/{}", kind.version) } else { format!("/apis/{}/{}", kind.group, kind.version) };
    if kind.is_namespaced() { format!("{root}/namespaces/default/{}", kind.resource) } else { format!("{root}/{}", kind.resource) }
}

#[tokio::test]
async fn every_verb_of_every_row() {
    let f = Fixture::new().await;
    for kind in Registry::builtin().kinds() {
        let kind = kind.as_ref();
        // Answered by code; tested where the code is.
        if kind.is_virtual {
            continue;
        }
        let path = collection(kind);
        let sample: Value = serde_json::from_str(&kind.sample).unwrap_or_else(|e| panic!("{}: {e}", kind.resource));
        let name = sample["metadata"]["name"].as_str().unwrap().to_owned();
        let one = format!("{path}/{name}");
        let can = |verb: Verb| kind.verbs.contains(&verb);
        println!("{path}");
        if can(Verb::Create) {
            let made = f.post(&path, &sample).await.expect(201);
            assert!(made["metadata"]["uid"].is_string(), "{made}");
            assert_eq!(f.post(&path, &sample).await.expect(409)["reason"], "AlreadyExists");
        }
        settled(&f, &path, &kind.resource).await;
        let live = f.get(&one).await.expect(200);
        let revision = live["metadata"]["resourceVersion"].clone();
        // What comes back is stable: writing it again changes nothing.
        let again = f.put(&one, &live).await.expect(200);
        assert_eq!(again, live, "{}", kind.resource);
        let applied = f.patch(&format!("{one}?fieldManager=m"), "apply", &sample).await.expect(200);
        assert_eq!(applied["metadata"]["uid"], live["metadata"]["uid"]);
        let mut watch =
            f.watch(&format!("{path}?watch=1&resourceVersion={}&fieldSelector=metadata.name%3D{name}", revision.as_str().unwrap())).await;
        // Applying the very same may only add a manager, and not even that when the sample has nothing to own.
        if applied["metadata"]["resourceVersion"] != revision {
            assert_eq!(watch.told().await, format!("MODIFIED {name}"), "{}", kind.resource);
        }
        for (form, body) in [
            ("merge", json!({ "metadata": { "labels": { "a": "1" } } })),
            ("strategic", json!({ "metadata": { "labels": { "a": "2" } } })),
            ("json", json!([{ "op": "replace", "path": "/metadata/labels/a", "value": "3" }])),
        ] {
            f.patch(&one, form, &body).await.expect(200);
            assert_eq!(watch.told().await, format!("MODIFIED {name}"));
        }
        let list = f.get(&format!("{path}?labelSelector=a%3D3")).await.expect(200);
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
        let table = f.send("GET", &path, "", "application/json;as=Table;v=v1;g=meta.k8s.io", "").await.expect(200);
        assert_eq!(table["kind"], "Table");
        assert_eq!(table["columnDefinitions"].as_array().unwrap().len(), table["rows"][0]["cells"].as_array().unwrap().len());
        if kind.subresource("status").is_some() {
            let before = f.get(&format!("{one}/status")).await.expect(200);
            let after = f.patch(&format!("{one}/status"), "merge", &json!({ "status": {} })).await.expect(200);
            if before != after {
                assert_eq!(watch.told().await, format!("MODIFIED {name}"));
            }
        }
        if can(Verb::DeleteCollection) {
            // Jobs and replication controllers would leave their dependents to a collector otherwise.
            f.send("DELETE", &format!("{path}?labelSelector=a%3D3&propagationPolicy=Background"), "", "", "").await.expect(200);
        } else {
            f.delete(&one).await.expect(200);
        }
        if kind.resource != "namespaces" {
            let mut told = watch.told().await;
            // A definition is established and cleaned up meanwhile.
            while kind.resource == "customresourcedefinitions" && told.starts_with("MODIFIED") {
                told = watch.told().await;
            }
            assert_eq!(told, format!("DELETED {name}"), "{}", kind.resource);
            f.get(&one).await.expect(404);
        }
    }
}

/// `group/version resource[/subresource] verb`, and why it does not work yet.
const HOLES: &str = include_str!("matrix/holes.txt");

fn cell(kind: &Kind, subresource: &str, verb: Verb) -> String {
    let slash = if subresource.is_empty() { "" } else { "/" };
    format!("{} {}{slash}{subresource} {}", kind.api_version(), kind.resource, verb.as_str())
}

/// What is sent to subresources that do not take what they show.
fn body(kind: &Kind, subresource: &str, name: &str) -> Option<Value> {
    let meta = json!({ "name": name, "namespace": "default" });
    Some(match (kind.resource.as_str(), subresource) {
        ("pods", "binding") => json!({ "apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": { "name": "node" } }),
        ("pods", "eviction") => json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta }),
        ("serviceaccounts", "token") => {
            json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "audiences": ["a"] } })
        }
        _ => return None,
    })
}

fn outcome(answer: super::Answer) -> Result<(), String> {
    let told = String::from_utf8_lossy(&answer.bytes);
    if (200..300).contains(&answer.code) { Ok(()) } else { Err(format!("{} {}", answer.code, told.chars().take(300).collect::<String>())) }
}

async fn subresource(f: &Fixture, kind: &Kind, one: &str, name: &str, sub: &Subresource, verb: Verb) -> Result<(), String> {
    let path = format!("{one}/{}", sub.name);
    match verb {
        Verb::Get => outcome(f.get(&path).await),
        Verb::Patch => outcome(f.patch(&path, "merge", &json!({ "metadata": {} })).await),
        Verb::Create => outcome(f.post(&path, &body(kind, &sub.name, name).unwrap_or_else(|| json!({}))).await),
        Verb::Update => {
            let shown = f.get(&if sub.verbs.contains(&Verb::Get) { path.clone() } else { one.to_owned() }).await;
            let body = serde_json::from_slice(&shown.bytes).unwrap_or_default();
            outcome(f.put(&path, &body).await)
        }
        Verb::Delete => outcome(f.delete(&path).await),
        Verb::List | Verb::Watch | Verb::DeleteCollection => Err("no subresource has this verb".to_owned()),
    }
}

/// Everything that a row declares, each on an object of its own.
async fn cells(f: &Fixture, kind: &Kind) -> Vec<(String, Result<(), String>)> {
    let path = collection(kind);
    let sample: Value = serde_json::from_str(&kind.sample).unwrap_or_default();
    let name = sample["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let one = format!("{path}/{name}");
    let mut found = Vec::new();
    if kind.is_virtual {
        if kind.resource == "bindings" {
            // What is bound must be there.
            let pod = json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "c", "image": "example.test/app:1" }] } });
            let _ = f.post("/api/v1/namespaces/default/pods", &pod).await;
        }
        for verb in &kind.verbs {
            let answer = match verb {
                Verb::Create => f.post(&path, &sample).await,
                Verb::Get => f.get(&one).await,
                _ => f.get(&path).await,
            };
            found.push((cell(kind, "", *verb), outcome(answer)));
        }
    }
    for sub in &kind.subresources {
        for verb in &sub.verbs {
            if !kind.is_virtual && f.post(&path, &sample).await.code == 201 {
                settled(f, &path, &kind.resource).await;
            }
            found.push((cell(kind, &sub.name, *verb), subresource(f, kind, &one, &name, sub, *verb).await));
            if !kind.is_virtual && kind.resource != "namespaces" {
                let _ = f.patch(&one, "merge", &json!({ "metadata": { "finalizers": null } })).await;
                let _ = f.delete(&format!("{one}?gracePeriodSeconds=0")).await;
                ended(f, &one, &kind.resource).await;
            }
        }
    }
    found
}

#[tokio::test]
async fn every_declared_cell_works_or_is_a_known_hole() {
    let f = Fixture::new().await;
    let holes: BTreeSet<&str> = HOLES.lines().filter_map(|l| l.split('#').next()).map(str::trim).filter(|l| !l.is_empty()).collect();
    let mut failing = BTreeMap::new();
    for kind in Registry::builtin().kinds() {
        failing.extend(cells(&f, &kind).await.into_iter().filter_map(|(cell, outcome)| Some((cell, outcome.err()?))));
    }
    let new: Vec<String> = failing.iter().filter(|(c, _)| !holes.contains(c.as_str())).map(|(c, e)| format!("{c}: {e}")).collect();
    assert!(new.is_empty(), "declared, but it fails:\n{}", new.join("\n"));
    let filled: Vec<&&str> = holes.iter().filter(|hole| !failing.contains_key(**hole)).collect();
    assert!(filled.is_empty(), "these work: take them out of holes.txt: {filled:?}");
}

/// Waits until the server itself has written what it adds to a new object: the conditions of a definition.
pub async fn settled(f: &Fixture, path: &str, resource: &str) {
    if resource != "customresourcedefinitions" {
        return;
    }
    let mut watch = f.watch(&format!("{path}?watch=1")).await;
    loop {
        let event = watch.next().await.unwrap();
        let conditions = event["object"]["status"]["conditions"].as_array().cloned().unwrap_or_default();
        if conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True") {
            return;
        }
    }
}

/// Waits until a definition is gone: the server first removes its objects.
async fn ended(f: &Fixture, one: &str, resource: &str) {
    let gone = async {
        while resource == "customresourcedefinitions" && f.get(one).await.code != 404 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.expect("a deleted definition goes");
}
