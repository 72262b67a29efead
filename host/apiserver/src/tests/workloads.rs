//! Validation of what runs pods: a table of `input → causes`.

mod jobs;

use super::Fixture;
use super::causes::with;
use object::{Value, json};

type Cases<'c> = Vec<(Value, &'c [&'c str])>;

const APPS: &str = "/apis/apps/v1/namespaces/default";
const CORE: &str = "/api/v1/namespaces/default";

fn template() -> Value {
    json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } })
}

/// A workload with a selector and a template, and a patch over its specification.
fn workload(spec: &Value) -> Value {
    let base = json!({ "selector": { "matchLabels": { "a": "b" } }, "template": template() });
    json!({ "metadata": { "name": "w" }, "spec": with(&base, spec) })
}

#[tokio::test]
async fn deployments_and_replica_sets() {
    let f = Fixture::new().await;
    let rolling = |patch: Value| workload(&json!({ "strategy": { "rollingUpdate": patch } }));
    let common: Cases = vec![
        (workload(&json!({})), &[]),
        (
            workload(&json!({ "selector": null })),
            &[
                "spec.selector: Required value",
                "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`",
            ],
        ),
        (
            workload(&json!({ "selector": { "matchLabels": null } })),
            &["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
        ),
        (
            workload(&json!({ "selector": { "matchLabels": { "a": "c" } } })),
            &["spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"],
        ),
        (
            workload(&json!({ "selector": { "matchExpressions": [{ "key": "a", "operator": "Is" }] } })),
            &[
                "spec.selector.matchExpressions[0].operator: Invalid value: \"Is\": not a valid selector operator",
                "spec.selector: Invalid value: {…",
            ],
        ),
        (workload(&json!({ "replicas": -1 })), &["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        (
            workload(&json!({ "template": { "spec": { "restartPolicy": "Never" } } })),
            &["spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""],
        ),
        (
            workload(&json!({ "template": { "spec": { "activeDeadlineSeconds": 1 } } })),
            &["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"],
        ),
        (
            workload(&json!({ "template": { "spec": { "containers": [{ "name": "c" }] } } })),
            &["spec.template.spec.containers[0].image: Required value"],
        ),
        (
            workload(&json!({ "template": { "metadata": { "labels": { "x": "-" } } } })),
            &["spec.template.labels: Invalid value: \"-\": a valid label must…"],
        ),
        (
            workload(&json!({ "template": { "spec": { "ephemeralContainers": [{ "name": "e", "image": "i" }] } } })),
            &["spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template"],
        ),
        // Templates of old hold images with spaces, and leave host ports open.
        (
            workload(
                &json!({ "template": { "spec": { "hostNetwork": true, "containers": [{ "name": "c", "image": " i", "ports": [{ "containerPort": 1 }] }] } } }),
            ),
            &[],
        ),
    ];
    f.check_creates(&format!("{APPS}/replicasets"), &common).await;
    f.check_creates(&format!("{APPS}/deployments"), &common).await;
    let cases: Cases = vec![
        (workload(&json!({ "minReadySeconds": -1 })), &["spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"]),
        (
            workload(&json!({ "revisionHistoryLimit": -1 })),
            &["spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            workload(&json!({ "progressDeadlineSeconds": 5, "minReadySeconds": 5 })),
            &["spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"],
        ),
        (
            workload(&json!({ "strategy": { "type": "Blue" } })),
            &["spec.strategy: Unsupported value: {\"type\":\"Blue\"}: supported values: \"Recreate\", \"RollingUpdate\""],
        ),
        (
            workload(&json!({ "strategy": { "type": "Recreate", "rollingUpdate": {} } })),
            &["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
        ),
        (
            rolling(json!({ "maxSurge": 0, "maxUnavailable": 0 })),
            &["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"],
        ),
        (
            rolling(json!({ "maxUnavailable": "101%" })),
            &["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%"],
        ),
        (rolling(json!({ "maxSurge": "101%" })), &[]),
        (
            rolling(json!({ "maxSurge": "x" })),
            &[
                "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"x\": a valid percent string must be a numeric string followed by an ending '%'…",
            ],
        ),
        (
            rolling(json!({ "maxSurge": -1 })),
            &["spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0"],
        ),
    ];
    f.check_creates(&format!("{APPS}/deployments"), &cases).await;
}

#[tokio::test]
async fn what_deployments_keep() {
    let f = Fixture::new().await;
    let made = f.post(&format!("{APPS}/deployments"), &workload(&json!({}))).await.expect(201);
    assert_eq!((&made["status"], &made["metadata"]["generation"]), (&json!({}), &json!(1)));
    let one = &format!("{APPS}/deployments/w");
    let other = json!({ "spec": { "selector": { "matchLabels": { "c": "d" } }, "template": { "metadata": { "labels": { "c": "d" } } } } });
    let cases: Cases = vec![(other, &["spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\",\"c\":\"d\"}}: field is immutable"])];
    f.check_patches(one, &cases).await;
    // Annotations are copied to replica sets, so they count.
    let noted = f.patch(one, "merge", &json!({ "metadata": { "annotations": { "x": "y" }, "labels": { "l": "1" } } })).await.expect(200);
    assert_eq!(noted["metadata"]["generation"], 2);
    let body = json!({ "metadata": { "annotations": { "x": "z" }, "labels": { "l": "2" } }, "status": { "replicas": 1 } });
    let set = f.patch(&format!("{one}/status"), "merge", &body).await.expect(200);
    assert_eq!(set["metadata"]["annotations"]["x"], "z");
    assert_eq!(
        (&set["metadata"]["labels"]["l"], &set["metadata"]["generation"], &set["status"]["replicas"]),
        (&json!("1"), &json!(2), &json!(1))
    );
    let status = |status: Value| json!({ "status": status });
    let cases: Cases = vec![
        (status(json!({ "readyReplicas": 2 })), &["status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"]),
        (status(json!({ "availableReplicas": 1 })), &["status.availableReplicas: Invalid value: 1: cannot be greater than readyReplicas"]),
        (status(json!({ "replicas": -1 })), &["status.replicas: Invalid value: -1: must be greater than or equal to 0"]),
    ];
    f.check_patches(&format!("{one}/status"), &cases).await;
    f.patch(&format!("{one}/status"), "merge", &status(json!({ "collisionCount": 2 }))).await.expect(200);
    let cases: Cases = vec![
        (status(json!({ "collisionCount": 1 })), &["status.collisionCount: Invalid value: 1: cannot be decremented"]),
        (status(json!({ "collisionCount": null })), &["status.collisionCount: Invalid value: 0: cannot be decremented"]),
    ];
    f.check_patches(&format!("{one}/status"), &cases).await;
}

#[tokio::test]
async fn stateful_sets() {
    let f = Fixture::new().await;
    let path = format!("{APPS}/statefulsets");
    let cases: Cases = vec![
        (workload(&json!({})), &[]),
        (
            workload(&json!({ "selector": null })),
            &[
                "spec.selector: Required value",
                "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`",
            ],
        ),
        (
            workload(&json!({ "selector": { "matchLabels": null } })),
            &["spec.selector: Invalid value: {}: empty selector is invalid for statefulset"],
        ),
        (
            workload(&json!({ "podManagementPolicy": "x" })),
            &["spec.podManagementPolicy: Invalid value: \"x\": must be 'OrderedReady' or 'Parallel'"],
        ),
        (
            workload(&json!({ "updateStrategy": { "type": "x" } })),
            &["spec.updateStrategy: Invalid value: {\"type\":\"x\"}: must be 'RollingUpdate' or 'OnDelete'"],
        ),
        (
            workload(&json!({ "updateStrategy": { "type": "OnDelete", "rollingUpdate": { "partition": 1 } } })),
            &["spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":1}: only allowed for updateStrategy 'RollingUpdate'"],
        ),
        (
            workload(&json!({ "updateStrategy": { "rollingUpdate": { "partition": -1 }, "type": "RollingUpdate" } })),
            &["spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            workload(&json!({ "updateStrategy": { "rollingUpdate": { "maxUnavailable": 0 }, "type": "RollingUpdate" } })),
            &["spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0"],
        ),
        (
            workload(&json!({ "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "x", "whenScaled": "Delete" } })),
            &["spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: \"x\": supported values: \"Retain\", \"Delete\""],
        ),
        (
            workload(&json!({ "ordinals": { "start": -1 } })),
            &["spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            workload(&json!({ "template": { "spec": { "restartPolicy": "Never" } } })),
            &["spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""],
        ),
        (
            with(&workload(&json!({})), &json!({ "metadata": { "name": "a.b" } })),
            &["metadata.name: Invalid value: \"a.b\": must not contain dots"],
        ),
        // Mounts of claims are found when pods are made.
        (
            workload(
                &json!({ "template": { "spec": { "containers": [{ "name": "c", "image": "i", "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }] } } }),
            ),
            &[],
        ),
    ];
    f.check_creates(&path, &cases).await;
    let made = f.post(&path, &workload(&json!({ "serviceName": "s" }))).await.expect(201);
    assert_eq!(made["status"]["replicas"], 0);
    let spec = |spec: Value| json!({ "spec": spec });
    const ONLY: &str = "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
    let cases: Cases = vec![
        (spec(json!({ "replicas": 3, "ordinals": { "start": 1 }, "minReadySeconds": 1, "revisionHistoryLimit": 2 })), &[]),
        (spec(json!({ "serviceName": "t" })), &[ONLY]),
        (spec(json!({ "podManagementPolicy": "Parallel" })), &[ONLY]),
        (spec(json!({ "volumeClaimTemplates": [{ "metadata": { "name": "v" }, "spec": {} }] })), &[ONLY]),
        (spec(json!({ "volumeClaimTemplates": [] })), &[]),
    ];
    f.check_patches(&format!("{path}/w"), &cases).await;
    let cases: Cases = vec![(
        json!({ "status": { "availableReplicas": 1 } }),
        &[
            "status.availableReplicas: Invalid value: 1: cannot be greater than status.replicas",
            "status.availableReplicas: Invalid value: 1: cannot be greater than status.readyReplicas",
        ],
    )];
    f.check_patches(&format!("{path}/w/status"), &cases).await;
}

#[tokio::test]
async fn daemon_sets() {
    let f = Fixture::new().await;
    let path = format!("{APPS}/daemonsets");
    let rolling = |patch: Value| workload(&json!({ "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": patch } }));
    let cases: Cases = vec![
        (workload(&json!({})), &[]),
        (
            workload(&json!({ "selector": null })),
            &["spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"],
        ),
        (
            workload(&json!({ "selector": { "matchLabels": null } })),
            &["spec.selector: Invalid value: {}: empty selector is invalid for daemonset"],
        ),
        (
            workload(&json!({ "updateStrategy": { "type": "x" } })),
            &["spec.updateStrategy: Unsupported value: {\"type\":\"x\"}: supported values: \"RollingUpdate\", \"OnDelete\""],
        ),
        (
            rolling(json!({ "maxUnavailable": 0 })),
            &["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
        ),
        (
            rolling(json!({ "maxSurge": 1 })),
            &["spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"],
        ),
        (
            rolling(json!({ "maxSurge": "101%", "maxUnavailable": 0 })),
            &["spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: \"101%\": must not be greater than 100%"],
        ),
        (
            workload(&json!({ "template": { "spec": { "activeDeadlineSeconds": 1 } } })),
            &["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported"],
        ),
    ];
    f.check_creates(&path, &cases).await;
    let made = f.post(&path, &workload(&json!({}))).await.expect(201);
    let generation = |set: &Value| set["metadata"]["annotations"]["deprecated.daemonset.template.generation"].clone();
    assert_eq!((generation(&made), &made["status"]["numberReady"]), (json!("1"), &json!(0)));
    let one = &format!("{path}/w");
    let same = f.patch(one, "merge", &json!({ "spec": { "minReadySeconds": 1 }, "metadata": { "annotations": null } })).await.expect(200);
    assert_eq!(generation(&same), "1");
    let moved = f.patch(one, "merge", &json!({ "spec": { "template": { "spec": { "hostNetwork": true } } } })).await.expect(200);
    assert_eq!(generation(&moved), "2");
    let cases: Cases = vec![(
        json!({ "spec": { "selector": { "matchLabels": { "c": "d" } }, "template": { "metadata": { "labels": { "c": "d" } } } } }),
        &["spec.selector: Invalid value: {…"],
    )];
    f.check_patches(one, &cases).await;
}

#[tokio::test]
async fn replication_controllers_templates_and_revisions() {
    let f = Fixture::new().await;
    let rc = |spec: Value| json!({ "metadata": { "name": "r" }, "spec": with(&json!({ "selector": { "a": "b" }, "template": template() }), &spec) });
    let cases: Cases = vec![
        (rc(json!({})), &[]),
        (rc(json!({ "selector": null })), &[]),
        (
            rc(json!({ "selector": { "x": "y" } })),
            &["spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"],
        ),
        (rc(json!({ "template": null })), &["spec.template: Required value"]),
        (rc(json!({ "template": null, "selector": null })), &["spec.selector: Required value", "spec.template: Required value"]),
        (
            rc(json!({ "replicas": -1, "minReadySeconds": -1 })),
            &[
                "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0",
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            ],
        ),
        (
            rc(json!({ "template": { "spec": { "activeDeadlineSeconds": 1 } } })),
            &["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported"],
        ),
    ];
    f.check_creates(&format!("{CORE}/replicationcontrollers"), &cases).await;
    let cases: Cases = vec![
        (json!({ "metadata": { "name": "t" }, "template": template() }), &[]),
        (
            json!({ "metadata": { "name": "t" }, "template": { "spec": { "containers": [] } } }),
            &["template.spec.containers: Required value"],
        ),
    ];
    f.check_creates(&format!("{CORE}/podtemplates"), &cases).await;
    let path = format!("{APPS}/controllerrevisions");
    let cases: Cases = vec![
        (json!({ "metadata": { "name": "v" }, "revision": 1 }), &["data: Required value: data is mandatory"]),
        (
            json!({ "metadata": { "name": "v" }, "revision": -1, "data": {} }),
            &["revision: Invalid value: -1: must be greater than or equal to 0"],
        ),
    ];
    f.check_creates(&path, &cases).await;
    f.post(&path, &json!({ "metadata": { "name": "v" }, "revision": 1, "data": { "x": 1 } })).await.expect(201);
    let cases: Cases =
        vec![(json!({ "revision": 2 }), &[]), (json!({ "data": { "x": 2 } }), &["data: Invalid value: {\"x\":2}: field is immutable"])];
    f.check_patches(&format!("{path}/v"), &cases).await;
}

#[tokio::test]
async fn scales() {
    let f = Fixture::new().await;
    let rc = json!({ "metadata": { "name": "w" }, "spec": { "selector": { "a": "b" }, "template": template() } });
    for (path, body) in [
        (format!("{CORE}/replicationcontrollers"), rc),
        (format!("{APPS}/replicasets"), workload(&json!({}))),
        (format!("{APPS}/deployments"), workload(&json!({}))),
        (format!("{APPS}/statefulsets"), workload(&json!({}))),
    ] {
        f.post(&path, &body).await.expect(201);
        let one = format!("{path}/w/scale");
        let scale = f.get(&one).await.expect(200);
        assert_eq!(
            (&scale["kind"], &scale["spec"]["replicas"], &scale["status"]["selector"]),
            (&json!("Scale"), &json!(1), &json!("a=b")),
            "{path}"
        );
        let apply = |manager: &str, replicas: i64| {
            let body =
                json!({ "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "name": "w" }, "spec": { "replicas": replicas } });
            (format!("{one}?fieldManager={manager}"), body)
        };
        // Whoever made it owns the replicas with the value that it has.
        let (first, body) = apply("m", 3);
        let refused = f.patch(&first, "apply", &body).await;
        if refused.code == 409 {
            assert_eq!(refused.json()["details"]["causes"][0]["field"], ".spec.replicas");
            f.patch(&format!("{first}&force=true"), "apply", &body).await.expect(200);
        }
        let live = f.get(&format!("{path}/w")).await.expect(200);
        let managers = live["metadata"]["managedFields"].as_array().unwrap();
        let mine: Vec<_> = managers.iter().filter(|m| m["manager"] == "m").collect();
        assert_eq!((&live["spec"]["replicas"], mine.len()), (&json!(3), 1), "{live}");
        assert_eq!((&mine[0]["operation"], &mine[0]["subresource"]), (&json!("Apply"), &json!("scale")));
        assert_eq!(mine[0]["fieldsV1"], json!({ "f:spec": { "f:replicas": {} } }));
        // Another one must force it, and then it is his.
        let (other, body) = apply("o", 4);
        assert_eq!(f.patch(&other, "apply", &body).await.expect(409)["details"]["causes"][0]["field"], ".spec.replicas");
        f.patch(&format!("{other}&force=true"), "apply", &body).await.expect(200);
        let live = f.get(&format!("{path}/w")).await.expect(200);
        let owners: Vec<&str> = live["metadata"]["managedFields"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|m| m["fieldsV1"]["f:spec"]["f:replicas"].is_object())
            .map(|m| m["manager"].as_str().unwrap())
            .collect();
        assert_eq!(owners, ["o"]);
        // A plain write takes them.
        f.patch(&one, "merge", &json!({ "spec": { "replicas": 5 } })).await.expect(200);
        let live = f.get(&format!("{path}/w")).await.expect(200);
        let taken =
            live["metadata"]["managedFields"].as_array().unwrap().iter().any(|m| m["operation"] == "Update" && m["subresource"] == "scale");
        assert!(taken, "{live}");
        let cases: Cases =
            vec![(json!({ "spec": { "replicas": -1 } }), &["spec.replicas: Invalid value: -1: must be greater than or equal to 0"])];
        f.check_patches(&one, &cases).await;
    }
}
