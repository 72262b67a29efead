use crate::Registry;
use object::{Gvk, Object, Value, json};

/// `given` gets exactly `added`, by JSON pointer, and nothing the second time.
fn check(version: &str, kind: &str, given: Value, added: &[(&str, Value)]) {
    let (group, v) = version.rsplit_once('/').unwrap_or(("", version));
    let row = Registry::builtin().kind_of(&Gvk::new(group, v, kind)).unwrap();
    let mut object = Object::from_value(given.clone()).unwrap();
    object.set_at(&["apiVersion"], json!(version));
    object.set_at(&["kind"], json!(kind));
    let mut expect = object.to_value();
    crate::defaults::apply(&row, &mut object);
    for (pointer, value) in added {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = expect.pointer_mut(parent).unwrap_or_else(|| panic!("{kind}: no parent of {pointer}"));
        match parent {
            Value::Array(list) => list[field.parse::<usize>().unwrap()] = value.clone(),
            parent => parent[field] = value.clone(),
        }
    }
    assert_eq!(object.to_value(), expect, "{kind}");
    crate::defaults::apply(&row, &mut object);
    assert_eq!(object.to_value(), expect, "defaults of {kind} are idempotent");
}

#[test]
fn workloads() {
    let retain = json!({ "whenDeleted": "Retain", "whenScaled": "Retain" });
    check(
        "apps/v1",
        "StatefulSet",
        json!({ "spec": { "volumeClaimTemplates": [{ "metadata": { "name": "d" }, "spec": {} }] } }),
        &[
            ("/spec/podManagementPolicy", json!("OrderedReady")),
            ("/spec/updateStrategy", json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0, "maxUnavailable": 1 } })),
            ("/spec/persistentVolumeClaimRetentionPolicy", retain.clone()),
            ("/spec/replicas", json!(1)),
            ("/spec/revisionHistoryLimit", json!(10)),
            (
                "/spec/volumeClaimTemplates/0",
                json!({
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "d" },
                    "spec": { "volumeMode": "Filesystem" }, "status": { "phase": "Pending" },
                }),
            ),
        ],
    );
    check(
        "apps/v1",
        "StatefulSet",
        json!({ "spec": { "replicas": 0, "updateStrategy": { "type": "OnDelete" } } }),
        &[
            ("/spec/podManagementPolicy", json!("OrderedReady")),
            ("/spec/persistentVolumeClaimRetentionPolicy", retain),
            ("/spec/revisionHistoryLimit", json!(10)),
        ],
    );
    check(
        "apps/v1",
        "DaemonSet",
        json!({ "spec": {} }),
        &[
            ("/spec/updateStrategy", json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 1, "maxSurge": 0 } })),
            ("/spec/revisionHistoryLimit", json!(10)),
        ],
    );
    let template = json!({ "metadata": { "labels": { "a": "b" } } });
    check(
        "v1",
        "ReplicationController",
        json!({ "metadata": {}, "spec": { "template": template } }),
        &[("/spec/replicas", json!(1)), ("/spec/selector", json!({ "a": "b" })), ("/metadata/labels", json!({ "a": "b" }))],
    );
    check(
        "v1",
        "PodTemplate",
        json!({ "template": { "spec": {} } }),
        &[(
            "/template/spec",
            json!({
                "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30,
                "schedulerName": "default-scheduler", "securityContext": {},
            }),
        )],
    );
}

#[test]
fn jobs() {
    let common = [
        ("/spec/parallelism", json!(1)),
        ("/spec/backoffLimit", json!(6)),
        ("/spec/completionMode", json!("NonIndexed")),
        ("/spec/suspend", json!(false)),
        ("/spec/manualSelector", json!(false)),
        ("/spec/podReplacementPolicy", json!("TerminatingOrFailed")),
    ];
    let mut plain = common.to_vec();
    plain.push(("/spec/completions", json!(1)));
    plain.push(("/metadata/labels", json!({ "a": "b" })));
    check("batch/v1", "Job", json!({ "metadata": {}, "spec": { "template": { "metadata": { "labels": { "a": "b" } } } } }), &plain);
    let mut queue = common.to_vec();
    queue[0].1 = json!(3);
    check("batch/v1", "Job", json!({ "metadata": { "labels": { "x": "y" } }, "spec": { "parallelism": 3 } }), &queue);
    let mut indexed = common.to_vec();
    indexed[1].1 = json!(2_147_483_647);
    indexed[5].1 = json!("Failed");
    indexed.push(("/spec/podFailurePolicy/rules/0/onPodConditions/0/status", json!("True")));
    check(
        "batch/v1",
        "Job",
        json!({ "spec": { "completions": 2, "backoffLimitPerIndex": 1, "podFailurePolicy": { "rules": [{ "action": "Ignore", "onPodConditions": [{ "type": "T" }] }] } } }),
        &indexed,
    );
    check(
        "batch/v1",
        "CronJob",
        json!({ "spec": { "schedule": "@daily" } }),
        &[
            ("/spec/concurrencyPolicy", json!("Allow")),
            ("/spec/suspend", json!(false)),
            ("/spec/successfulJobsHistoryLimit", json!(3)),
            ("/spec/failedJobsHistoryLimit", json!(1)),
        ],
    );
}

#[test]
fn autoscalers() {
    let cpu = json!([{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } }]);
    check(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        json!({ "spec": { "behavior": { "scaleUp": { "selectPolicy": "Disabled" } } } }),
        &[
            ("/spec/minReplicas", json!(1)),
            ("/spec/metrics", cpu),
            (
                "/spec/behavior",
                json!({
                    "scaleUp": { "selectPolicy": "Disabled", "stabilizationWindowSeconds": 0, "policies": [
                        { "type": "Pods", "value": 4, "periodSeconds": 15 }, { "type": "Percent", "value": 100, "periodSeconds": 15 }] },
                    "scaleDown": { "selectPolicy": "Max", "policies": [{ "type": "Percent", "value": 100, "periodSeconds": 15 }] },
                }),
            ),
        ],
    );
    check("autoscaling/v1", "HorizontalPodAutoscaler", json!({ "spec": {} }), &[("/spec/minReplicas", json!(1))]);
}

#[test]
fn storage() {
    check(
        "v1",
        "PersistentVolume",
        json!({ "spec": { "hostPath": { "path": "/a" } } }),
        &[
            ("/spec/persistentVolumeReclaimPolicy", json!("Retain")),
            ("/spec/volumeMode", json!("Filesystem")),
            ("/spec/hostPath/type", json!("")),
            ("/status", json!({ "phase": "Pending" })),
        ],
    );
    check(
        "v1",
        "PersistentVolumeClaim",
        json!({ "spec": {}, "status": { "phase": "Bound" } }),
        &[("/spec/volumeMode", json!("Filesystem"))],
    );
    check(
        "storage.k8s.io/v1",
        "StorageClass",
        json!({ "provisioner": "p" }),
        &[("/reclaimPolicy", json!("Delete")), ("/volumeBindingMode", json!("Immediate"))],
    );
    check(
        "storage.k8s.io/v1",
        "CSIDriver",
        json!({ "spec": { "attachRequired": false } }),
        &[
            ("/spec/podInfoOnMount", json!(false)),
            ("/spec/requiresRepublish", json!(false)),
            ("/spec/seLinuxMount", json!(false)),
            ("/spec/storageCapacity", json!(false)),
            ("/spec/fsGroupPolicy", json!("ReadWriteOnceWithFSType")),
            ("/spec/volumeLifecycleModes", json!(["Persistent"])),
        ],
    );
    check(
        "v1",
        "LimitRange",
        json!({ "spec": { "limits": [{ "type": "Container", "max": { "cpu": "2" }, "min": { "memory": "1Mi" } }, { "type": "Pod", "max": { "cpu": "9" } }] } }),
        &[("/spec/limits/0/default", json!({ "cpu": "2" })), ("/spec/limits/0/defaultRequest", json!({ "cpu": "2", "memory": "1Mi" }))],
    );
}

#[test]
fn networking_and_scheduling() {
    check(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        json!({ "spec": { "egress": [{ "ports": [{ "port": 53 }] }] } }),
        &[("/spec/egress/0/ports/0/protocol", json!("TCP")), ("/spec/policyTypes", json!(["Ingress", "Egress"]))],
    );
    check("networking.k8s.io/v1", "NetworkPolicy", json!({ "spec": {} }), &[("/spec/policyTypes", json!(["Ingress"]))]);
    check(
        "networking.k8s.io/v1",
        "IngressClass",
        json!({ "spec": { "controller": "c", "parameters": { "kind": "K", "name": "n" } } }),
        &[("/spec/parameters/scope", json!("Cluster"))],
    );
    check("scheduling.k8s.io/v1", "PriorityClass", json!({ "value": 1 }), &[("/preemptionPolicy", json!("PreemptLowerPriority"))]);
}
