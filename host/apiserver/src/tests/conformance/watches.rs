//! Watchers: what they see, in which order, and from when on.

use crate::tests::{Events, Fixture, config_map};
use object::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn labelled(name: &str, label: &str) -> Value {
    let mut map = config_map(name);
    map["metadata"]["labels"] = json!({ "watch-this-configmap": label });
    map
}

async fn write(f: &Fixture, name: &str, value: &str) -> Value {
    f.patch(&format!("{MAPS}/{name}"), "merge", &json!({ "data": { "mutation": value } })).await.expect(200)
}

async fn see(watch: &mut Events, expect: &[(&str, &str, Option<&str>)]) {
    for (kind, name, mutation) in expect {
        let event = watch.next().await.expect("the watch ended");
        assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!(kind), &json!(name)));
        assert_eq!(event["object"]["data"]["mutation"].as_str(), *mutation, "{event}");
    }
}

#[tokio::test]
async fn watchers_see_what_they_selected() {
    let f = Fixture::new().await;
    let selected = |labels: &str| format!("{MAPS}?watch=1&labelSelector=watch-this-configmap+in+({labels})");
    let mut a = f.watch(&selected("A")).await;
    let mut b = f.watch(&selected("B")).await;
    let mut both = f.watch(&selected("A,B")).await;
    f.post(MAPS, &labelled("a", "A")).await.expect(201);
    f.post(MAPS, &config_map("other")).await.expect(201);
    write(&f, "a", "1").await;
    write(&f, "other", "1").await;
    write(&f, "a", "2").await;
    f.delete(&format!("{MAPS}/a")).await.expect(200);
    f.post(MAPS, &labelled("b", "B")).await.expect(201);
    f.delete(&format!("{MAPS}/b")).await.expect(200);
    let of_a = [("ADDED", "a", None), ("MODIFIED", "a", Some("1")), ("MODIFIED", "a", Some("2")), ("DELETED", "a", Some("2"))];
    let of_b = [("ADDED", "b", None), ("DELETED", "b", None)];
    see(&mut a, &of_a).await;
    see(&mut b, &of_b).await;
    see(&mut both, &[&of_a[..], &of_b[..]].concat()).await;
}

#[tokio::test]
async fn a_watch_begins_after_its_revision() {
    let f = Fixture::new().await;
    f.post(MAPS, &labelled("a", "v")).await.expect(201);
    let first = write(&f, "a", "1").await;
    write(&f, "a", "2").await;
    f.delete(&format!("{MAPS}/a")).await.expect(200);
    let revision = first["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = f.watch(&format!("{MAPS}?watch=1&resourceVersion={revision}&labelSelector=watch-this-configmap%3Dv")).await;
    see(&mut watch, &[("MODIFIED", "a", Some("2")), ("DELETED", "a", Some("2"))]).await;
}

#[tokio::test]
async fn a_watch_goes_on_where_another_ended() {
    let f = Fixture::new().await;
    let mut first = f.watch(&format!("{MAPS}?watch=1&labelSelector=watch-this-configmap%3Dv")).await;
    f.post(MAPS, &labelled("a", "v")).await.expect(201);
    write(&f, "a", "1").await;
    see(&mut first, &[("ADDED", "a", None)]).await;
    let last = first.next().await.unwrap();
    drop(first);
    write(&f, "a", "2").await;
    let revision = last["object"]["metadata"]["resourceVersion"].as_str().unwrap();
    let mut again = f.watch(&format!("{MAPS}?watch=1&resourceVersion={revision}&labelSelector=watch-this-configmap%3Dv")).await;
    f.delete(&format!("{MAPS}/a")).await.expect(200);
    see(&mut again, &[("MODIFIED", "a", Some("2")), ("DELETED", "a", Some("2"))]).await;
}

#[tokio::test]
async fn what_leaves_the_selection_is_deleted_to_its_watchers() {
    let f = Fixture::new().await;
    let label = |value: &str| json!({ "metadata": { "labels": { "watch-this-configmap": value } } });
    let mut watch = f.watch(&format!("{MAPS}?watch=1&labelSelector=watch-this-configmap%3Dv")).await;
    f.post(MAPS, &labelled("a", "v")).await.expect(201);
    write(&f, "a", "1").await;
    f.patch(&format!("{MAPS}/a"), "merge", &label("wrong")).await.expect(200);
    see(&mut watch, &[("ADDED", "a", None), ("MODIFIED", "a", Some("1")), ("DELETED", "a", Some("1"))]).await;
    // Unseen until it is back.
    write(&f, "a", "2").await;
    f.patch(&format!("{MAPS}/a"), "merge", &label("v")).await.expect(200);
    write(&f, "a", "3").await;
    f.delete(&format!("{MAPS}/a")).await.expect(200);
    see(&mut watch, &[("ADDED", "a", Some("2")), ("MODIFIED", "a", Some("3")), ("DELETED", "a", Some("3"))]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_watches_agree_on_the_order() {
    const EVENTS: usize = 60;
    let f = std::sync::Arc::new(Fixture::new().await);
    let start = f.get(MAPS).await.expect(200)["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut first = f.watch(&format!("{MAPS}?watch=1&resourceVersion={start}")).await;
    let writer = f.clone();
    let writer = tokio::spawn(async move {
        for i in 0..EVENTS / 3 {
            let name = format!("m-{i}");
            writer.post(MAPS, &config_map(&name)).await.expect(201);
            write(&writer, &name, "1").await;
            writer.delete(&format!("{MAPS}/{name}")).await.expect(200);
        }
    });
    let revision = |event: &Value| event["object"]["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut watches: Vec<Events> = Vec::new();
    for seen in 0..EVENTS {
        let told = revision(&first.next().await.unwrap());
        for watch in &mut watches {
            assert_eq!(revision(&watch.next().await.unwrap()), told, "after {seen} events");
        }
        if watches.len() < 20 {
            watches.push(f.watch(&format!("{MAPS}?watch=1&resourceVersion={told}")).await);
        }
    }
    writer.await.unwrap();
}
