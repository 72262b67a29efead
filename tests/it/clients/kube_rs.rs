//! kube-rs, typed.

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tests::Cluster;

fn map(name: &str, value: &str) -> ConfigMap {
    let mut map = ConfigMap { data: Some(BTreeMap::from([("key".to_owned(), value.to_owned())])), ..ConfigMap::default() };
    map.metadata.name = Some(name.to_owned());
    map
}

#[test]
fn kube_rs_creates_reads_changes_and_deletes() {
    let cluster = Cluster::shared();
    let space = cluster.space("kube-rs");
    cluster.typed(|client| async move {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), space.name());
        let made = api.create(&PostParams::default(), &map("one", "1")).await.expect("it can be made");
        assert!(made.uid().is_some() && made.resource_version().is_some() && made.creation_timestamp().is_some());
        let mut read = api.get("one").await.expect("it is there");
        assert_eq!(read.data, made.data);
        read.data = Some(BTreeMap::from([("key".to_owned(), "2".to_owned())]));
        let changed = api.replace("one", &PostParams::default(), &read).await.expect("it can be replaced");
        assert_ne!(changed.resource_version(), made.resource_version());
        let stale = api.replace("one", &PostParams::default(), &read).await;
        assert!(matches!(&stale, Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "Conflict"), "{stale:?}");
        let applied = Patch::Apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"more": "3"}}));
        let merged = api.patch("one", &PatchParams::apply("tests"), &applied).await.expect("it can be applied");
        assert_eq!(
            merged.data.expect("it has data").into_iter().collect::<Vec<_>>(),
            [("key".to_owned(), "2".to_owned()), ("more".to_owned(), "3".to_owned())]
        );
        let listed = api.list(&ListParams::default().fields("metadata.name=one")).await.expect("it can be listed");
        assert_eq!(listed.items.len(), 1);
        let meta = api.list_metadata(&ListParams::default()).await.expect("metadata can be listed");
        assert!(meta.items.iter().any(|item: &PartialObjectMeta<ConfigMap>| item.name_any() == "one"));
        let again = api.create(&PostParams::default(), &map("one", "1")).await;
        assert!(matches!(&again, Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists"), "{again:?}");
        api.delete("one", &DeleteParams::default()).await.expect("it can be deleted");
        assert!(api.get_opt("one").await.expect("the question is answered").is_none());
        for name in ["a", "b", "c"] {
            api.create(&PostParams::default(), &map(name, "x")).await.expect("it can be made");
        }
        let page = api.list(&ListParams::default().limit(2)).await.expect("a page can be listed");
        assert_eq!(page.items.len(), 2);
        let token = page.metadata.continue_.clone().expect("there is more");
        // What comes later does not appear in the pages of an earlier list.
        api.create(&PostParams::default(), &map("later", "x")).await.expect("it can be made");
        let rest = api.list(&ListParams::default().limit(50).continue_token(&token)).await.expect("the rest can be listed");
        assert!(!rest.items.iter().any(|item| item.name_any() == "later"));
        assert_eq!(rest.metadata.resource_version, page.metadata.resource_version);
        api.delete_collection(&DeleteParams::default(), &ListParams::default().fields("metadata.name!=kube-root-ca.crt"))
            .await
            .expect("all can be deleted");
        let left = api.list(&ListParams::default()).await.expect("it can be listed");
        assert!(left.items.iter().all(|item| item.name_any() == "kube-root-ca.crt"), "{left:?}");
    });
}

#[test]
fn kube_rs_watches_from_a_revision() {
    let cluster = Cluster::shared();
    let space = cluster.space("kube-rs-watch");
    cluster.typed(|client| async move {
        let api: Api<ConfigMap> = Api::namespaced(client, space.name());
        let from =
            api.list(&ListParams::default()).await.expect("it can be listed").metadata.resource_version.expect("a list has a revision");
        let made = api.create(&PostParams::default(), &map("it", "1")).await.expect("it can be made");
        api.patch("it", &PatchParams::default(), &Patch::Merge(json!({"data": {"key": "2"}}))).await.expect("it can be patched");
        api.delete("it", &DeleteParams::default()).await.expect("it can be deleted");
        let parameters = WatchParams::default().fields("metadata.name=it").timeout(20);
        let stream = api.watch(&parameters, &from).await.expect("it can be watched");
        let mut stream = std::pin::pin!(stream);
        let mut seen = Vec::new();
        let mut revisions =
            vec![made.resource_version().and_then(|revision| revision.parse::<u64>().ok()).expect("an object has a revision")];
        let collect = async {
            while let Some(event) = stream.next().await {
                let (word, object) = match event.expect("the watch goes on") {
                    WatchEvent::Added(object) => ("added", object),
                    WatchEvent::Modified(object) => ("modified", object),
                    WatchEvent::Deleted(object) => ("deleted", object),
                    WatchEvent::Bookmark(_) => continue,
                    WatchEvent::Error(status) => panic!("{status:?}"),
                };
                seen.push(word);
                revisions.push(object.resource_version().and_then(|revision| revision.parse().ok()).expect("an object has a revision"));
                if word == "deleted" {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), collect).await.expect("the events come");
        assert_eq!(seen, ["added", "modified", "deleted"]);
        assert!(revisions[1..].is_sorted_by(|a, b| a < b), "each event has its own revision, also the deletion: {revisions:?}");
    });
}

#[test]
fn kube_rs_scales_a_deployment_and_reads_logs() {
    let cluster = Cluster::shared();
    let space = cluster.space("kube-rs-apps");
    let name = space.name();
    cluster.typed(|client| async move {
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), name);
        let web = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "coracle.dev/test/tcp-echo:v1"}]}}}
        });
        let web: Deployment = serde_json::from_value(web).expect("it is a Deployment");
        deployments.create(&PostParams::default(), &web).await.expect("it can be made");
        let scaled = deployments
            .patch_scale("web", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 2}})))
            .await
            .expect("it can be scaled");
        assert_eq!(scaled.spec.and_then(|spec| spec.replicas), Some(2));
    });
    space.ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    cluster.typed(|client| async move {
        let pods: Api<Pod> = Api::namespaced(client.clone(), name);
        let found = pods.list(&ListParams::default().labels("app=web")).await.expect("pods can be listed");
        assert_eq!(found.items.len(), 2);
        for pod in &found {
            let status = pod.status.as_ref().expect("a pod has a status");
            assert_eq!(status.phase.as_deref(), Some("Running"));
            let logs = pods.logs(&pod.name_any(), &LogParams::default()).await.expect("logs can be read");
            assert_eq!(logs, "listening on 0.0.0.0:7000\n");
        }
        let deployment = Api::<Deployment>::namespaced(client, name).get_status("web").await.expect("the status can be read");
        assert_eq!(deployment.status.and_then(|status| status.available_replicas), Some(2));
    });
}
