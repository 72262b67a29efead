//! Scenarios of one Service and its cloud.

use super::super::testing::{Cluster, Scripted};
use super::*;

fn service(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "d", "uid": "u1"}, "spec": spec})
}

fn balanced() -> Value {
    service(json!({"type": "LoadBalancer", "ports": [{"port": 80}]}))
}

fn node(name: &str, labels: Value, taints: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {"taints": taints}})
}

fn plain(name: &str) -> Value {
    node(name, json!({}), Value::Null)
}

fn key() -> Key {
    Key::new("d", "web")
}

async fn step(cluster: &Cluster, controller: &Arc<dyn Controller>, key: &Key) -> Result<Next, Error> {
    cluster.seen("services").await;
    cluster.seen("nodes").await;
    controller.reconcile(key).await
}

#[tokio::test]
async fn a_service_gets_its_balancer_and_gives_it_back() {
    let cluster = Cluster::with([balanced(), plain("a")]);
    let provider = Arc::new(Scripted::default());
    let controller = cluster.controller(make, &provider).await;
    step(&cluster, &controller, &key()).await.unwrap();
    let made = cluster.get("services", "d", "web");
    assert_eq!(made["status"]["loadBalancer"]["ingress"], json!([{"ip": "192.0.2.1", "ipMode": "VIP"}]));
    assert_eq!(made["metadata"]["finalizers"], json!([FINALIZER]));
    // What was written comes back as a change, and is no reason to ask again.
    step(&cluster, &controller, &key()).await.unwrap();
    assert_eq!(provider.take_calls(), [r#"ensure web ["a"]"#]);

    cluster.delete("services", "d", "web").await;
    step(&cluster, &controller, &key()).await.unwrap();
    assert_eq!(cluster.find("services", "d", "web"), None);
    assert_eq!(provider.take_calls(), ["get web", "delete web"]);
    assert!(provider.balancers().is_empty());
    cluster.events(&["EnsuringLoadBalancer", "EnsuredLoadBalancer", "DeletingLoadBalancer", "DeletedLoadBalancer"]).await;
}

#[tokio::test]
async fn other_services_are_left_alone() {
    for spec in [
        json!({"type": "ClusterIP"}),
        json!({"type": "NodePort"}),
        json!({"type": "LoadBalancer", "loadBalancerClass": "other.example/class"}),
    ] {
        let cluster = Cluster::with([service(spec.clone())]);
        let provider = Arc::new(Scripted::default());
        let controller = cluster.controller(make, &provider).await;
        step(&cluster, &controller, &key()).await.unwrap();
        assert!(provider.calls().is_empty(), "{spec}");
        assert!(cluster.get("services", "d", "web")["metadata"].get("finalizers").is_none(), "{spec}");
    }
}

#[tokio::test]
async fn another_type_gives_the_balancer_back_and_keeps_the_service() {
    let cluster = Cluster::with([balanced(), plain("a")]);
    let provider = Arc::new(Scripted::default());
    let controller = cluster.controller(make, &provider).await;
    step(&cluster, &controller, &key()).await.unwrap();
    cluster.change("services", "d", "web", json!({"spec": {"type": "ClusterIP"}})).await;
    step(&cluster, &controller, &key()).await.unwrap();
    let left = cluster.get("services", "d", "web");
    assert_eq!((&left["status"]["loadBalancer"], &left["metadata"]["finalizers"]), (&json!({}), &json!([])));
    assert!(provider.balancers().is_empty());
}

#[tokio::test]
async fn balancers_follow_the_nodes_that_may_stand_behind_them() {
    let excluded = json!({EXCLUDED: ""});
    let cluster = Cluster::with([
        balanced(),
        plain("a"),
        node("out", excluded, Value::Null),
        node("in", json!({EXCLUDED: "false"}), Value::Null),
        node("going", json!({}), json!([{"key": TO_BE_DELETED, "effect": "NoSchedule"}])),
    ]);
    let provider = Arc::new(Scripted::default());
    let controller = cluster.controller(make, &provider).await;
    step(&cluster, &controller, &key()).await.unwrap();
    assert_eq!(provider.take_calls(), [r#"ensure web ["a", "in"]"#]);
    cluster.create(plain("b")).await;
    let next = step(&cluster, &controller, &nodes_key()).await.unwrap();
    assert_eq!(next.also, [key()]);
    step(&cluster, &controller, &key()).await.unwrap();
    assert_eq!(provider.take_calls(), [r#"update web ["a", "b", "in"]"#]);
    assert!(step(&cluster, &controller, &nodes_key()).await.unwrap().also.is_empty());

    // A failed update comes again, unless there is no balancer any more.
    cluster.change("nodes", "", "b", json!({"spec": {"providerID": "sim://b"}})).await;
    provider.fail_next("update", CloudError::Failed("busy".into()), 1);
    assert_eq!(step(&cluster, &controller, &key()).await.unwrap().after, Some(RETRY_MIN));
    assert_eq!(provider.take_calls(), [r#"update web ["a", "b", "in"]"#, "get web"]);
    step(&cluster, &controller, &key()).await.unwrap();
    assert_eq!(provider.take_calls(), [r#"update web ["a", "b", "in"]"#]);
    cluster.events(&["EnsuringLoadBalancer", "EnsuredLoadBalancer", "UpdatedLoadBalancer", "UpdateLoadBalancerFailed"]).await;
}

#[tokio::test]
async fn only_changes_of_hosts_wake_all_services() {
    let cluster = Cluster::with([]);
    let controller = cluster.controller(make, &Arc::new(Scripted::default())).await;
    let check = |old: Option<Value>, new: Option<Value>, expect: usize| {
        let object = |v: Option<Value>| v.and_then(Object::from_value).map(Arc::new);
        let change = Change { namespace: String::new(), name: "a".into(), kind: ChangeKind::Modified, old: object(old), new: object(new) };
        assert_eq!(controller.keys(&gvr::nodes(), &change).len(), expect);
    };
    check(None, Some(plain("a")), 1);
    check(Some(plain("a")), Some(plain("a")), 0);
    check(Some(plain("a")), Some(node("a", json!({"x": "y"}), Value::Null)), 0);
    check(Some(plain("a")), Some(node("a", json!({EXCLUDED: "true"}), Value::Null)), 1);
    check(Some(node("a", json!({EXCLUDED: ""}), Value::Null)), None, 0);
    check(Some(plain("a")), None, 1);
}

#[tokio::test]
async fn failures_are_told_and_tried_again_at_their_time() {
    let cluster = Cluster::with([balanced()]);
    let provider = Arc::new(Scripted::default().fails("ensure", CloudError::Failed("no address is left".into()), 2));
    let controller = cluster.controller(make, &provider).await;
    for wait in [5, 10] {
        assert_eq!(step(&cluster, &controller, &key()).await.unwrap().after, Some(Duration::from_secs(wait)));
    }
    assert!(cluster.get("services", "d", "web").get("status").is_none(), "pending");
    provider.fail_next("ensure", CloudError::Retry { message: "being made".into(), after: Duration::from_secs(7) }, 1);
    assert_eq!(step(&cluster, &controller, &key()).await.unwrap().after, Some(Duration::from_secs(7)), "at the fixed time");
    assert_eq!(step(&cluster, &controller, &key()).await.unwrap().after, None);

    // Done elsewhere is done.
    let cluster = Cluster::with([balanced(), plain("a")]);
    let provider = Arc::new(Scripted::default().fails("ensure", CloudError::ImplementedElsewhere, 1));
    let controller = cluster.controller(make, &provider).await;
    assert_eq!(step(&cluster, &controller, &key()).await.unwrap().after, None);
    assert!(cluster.get("services", "d", "web").get("status").is_none());
}

#[tokio::test]
async fn what_one_gives_back_another_gets_at_once() {
    let mut other = balanced();
    (other["metadata"]["name"], other["metadata"]["uid"]) = (json!("second"), json!("u2"));
    let cluster = Cluster::with([balanced(), other, plain("a")]);
    let provider = Arc::new(Scripted::default().fails("ensure second", CloudError::Failed("full".into()), 1));
    let controller = cluster.controller(make, &provider).await;
    let second = Key::new("d", "second");
    step(&cluster, &controller, &key()).await.unwrap();
    assert!(step(&cluster, &controller, &second).await.unwrap().after.is_some());
    cluster.delete("services", "d", "web").await;
    assert_eq!(step(&cluster, &controller, &key()).await.unwrap().also, [second]);
}

#[tokio::test]
async fn another_provider_ensures_anew_and_a_lost_service_is_cleaned_up() {
    let cluster = Cluster::with([balanced(), plain("a")]);
    let provider = Arc::new(Scripted::default());
    let controller = cluster.controller(make, &provider).await;
    step(&cluster, &controller, &key()).await.unwrap();
    let successor = Arc::new(Scripted::default());
    cluster.use_provider(&successor);
    step(&cluster, &controller, &key()).await.unwrap();
    assert_eq!(successor.take_calls(), [r#"ensure web ["a"]"#]);
    // Someone takes the finalizer away and the Service goes: known from before, its balancer goes too.
    cluster.change("services", "d", "web", json!({"metadata": {"finalizers": null}})).await;
    cluster.delete("services", "d", "web").await;
    step(&cluster, &controller, &key()).await.unwrap();
    assert_eq!(successor.take_calls(), ["delete web"]);
}
