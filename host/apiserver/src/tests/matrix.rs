//! Every verb on every row, by the row's own sample.

use super::Fixture;
use object::{Value, json};
use registry::{Kind, Registry, Verb};

fn collection(kind: &Kind) -> String {
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
            f.send("DELETE", &format!("{path}?labelSelector=a%3D3"), "", "", "").await.expect(200);
        } else {
            f.delete(&one).await.expect(200);
        }
        if kind.resource != "namespaces" {
            assert_eq!(watch.told().await, format!("DELETED {name}"), "{}", kind.resource);
            f.get(&one).await.expect(404);
        }
    }
}
