//! API chunking, and forms that a backend does not have.

use crate::tests::Fixture;
use object::{Value, json};

const TEMPLATES: &str = "/api/v1/namespaces/default/podtemplates";
const COUNT: usize = 400;

async fn with_templates() -> Fixture {
    let f = Fixture::new().await;
    for i in 0..COUNT {
        let template = json!({ "metadata": { "name": format!("template-{i:04}") },
            "template": { "spec": { "containers": [{ "name": "test", "image": "test2" }] } } });
        f.post(TEMPLATES, &template).await.expect(201);
    }
    f
}

/// Checks a page that begins at the `found`th object; how many were found after it, and the token of the next one.
#[track_caller]
fn page(list: &Value, limit: usize, mut found: usize) -> (usize, Option<String>) {
    let items = list["items"].as_array().unwrap();
    assert!(items.len() <= limit);
    let next = list["metadata"]["continue"].as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let rest = list["metadata"].get("remainingItemCount").and_then(Value::as_u64);
    assert_eq!(rest.map(|r| r as usize), next.as_ref().map(|_| COUNT - found - items.len()));
    for item in items {
        assert_eq!(item["metadata"]["name"], format!("template-{found:04}"));
        found += 1;
    }
    (found, next)
}

/// Reads all pages of changing size from a token on; every page tells the same revision.
async fn pages(
    f: &Fixture,
    limits: impl Fn(usize) -> usize,
    mut found: usize,
    mut token: Option<String>,
    revision: Option<Value>,
) -> usize {
    let mut revision = revision;
    for round in 0.. {
        let limit = limits(round);
        let next = token.map(|t| format!("&continue={t}")).unwrap_or_default();
        let list = f.get(&format!("{TEMPLATES}?limit={limit}{next}")).await.expect(200);
        let told = list["metadata"]["resourceVersion"].clone();
        assert_eq!(&told, revision.get_or_insert(told.clone()));
        (found, token) = page(&list, limit, found);
        if token.is_none() {
            break;
        }
    }
    found
}

#[tokio::test]
async fn lists_come_in_chunks() {
    let f = with_templates().await;
    for stride in [7, 13, 39] {
        assert_eq!(pages(&f, |round| round * stride % 40 + 1, 0, None, None).await, COUNT);
    }
    let all = f.get(&format!("{TEMPLATES}?limit={}", COUNT + 1)).await.expect(200);
    assert_eq!(page(&all, COUNT + 1, 0), (COUNT, None));
}

#[tokio::test]
async fn lists_go_on_after_a_compaction() {
    let f = with_templates().await;
    let limit = COUNT / 10;
    let list = f.get(&format!("{TEMPLATES}?limit={limit}")).await.expect(200);
    let first = list["metadata"]["resourceVersion"].clone();
    let (found, token) = page(&list, limit, 0);
    let expired = format!("{TEMPLATES}?limit={limit}&continue={}", token.unwrap());
    f.get(&expired).await.expect(200);
    // The server is written to meanwhile, and forgets.
    f.post("/api/v1/namespaces", &json!({ "metadata": { "name": "later" } })).await.expect(201);
    f.store.compact(f.store.revision()).await.unwrap();
    let gone = f.get(&expired).await.expect(410);
    assert_eq!(gone["reason"], "Expired");
    let token = gone["metadata"]["continue"].as_str().unwrap();
    let list = f.get(&format!("{TEMPLATES}?limit={limit}&continue={token}")).await.expect(200);
    let second = list["metadata"]["resourceVersion"].clone();
    assert_ne!(second, first);
    assert_eq!(list["items"].as_array().unwrap().len(), limit);
    let (found, token) = page(&list, limit, found);
    assert_eq!(pages(&f, |_| limit, found, token, Some(second)).await, COUNT);
}

#[tokio::test]
async fn no_table_of_what_has_no_metadata() {
    let f = Fixture::new().await;
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": { "nonResourceAttributes": { "path": "/", "verb": "get" } } });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let answer = f.send("POST", path, "application/json", table, review.to_string()).await.expect(406);
    assert_eq!((&answer["kind"], &answer["code"], &answer["reason"]), (&json!("Status"), &json!(406), &json!("NotAcceptable")));
    // What has metadata has a table, also as the answer to a write.
    let map = super::super::config_map("a");
    let made = f.send("POST", "/api/v1/namespaces/default/configmaps", "application/json", table, map.to_string()).await.expect(201);
    assert_eq!((&made["kind"], &made["rows"][0]["cells"][0]), (&json!("Table"), &json!("a")));
    // Pages of a table continue.
    f.post("/api/v1/namespaces/default/configmaps", &super::super::config_map("b")).await.expect(201);
    let first = f.send("GET", "/api/v1/namespaces/default/configmaps?limit=1", "", table, "").await.expect(200);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let next = f.send("GET", &format!("/api/v1/namespaces/default/configmaps?continue={token}"), "", table, "").await.expect(200);
    assert_eq!((&first["rows"][0]["cells"][0], &next["rows"][0]["cells"][0]), (&json!("a"), &json!("b")));
}
