use crate::Registry;
use object::{Object, Value, json};

/// The cells of an object, in the order of the columns; `…` stands for what depends on the time.
fn check(api_version: &str, resource: &str, object: Value, expect: Value) {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let kind = Registry::builtin().resource_by_name(group, version, resource).unwrap();
    let object = Object::from_value(object).unwrap();
    let row = super::row(&kind, &object, super::IncludeObject::None);
    let mut cells = row["cells"].as_array().unwrap().clone();
    let expect = expect.as_array().unwrap();
    for (cell, _) in cells.iter_mut().zip(expect).filter(|(_, e)| **e == "…") {
        *cell = json!("…");
    }
    assert_eq!(&cells, expect, "{resource}");
}

fn named(spec: Value, status: Value) -> Value {
    json!({ "metadata": { "name": "n" }, "spec": spec, "status": status })
}

#[test]
fn workloads() {
    let template = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "nodeSelector": { "k": "v" }, "containers": [{ "name": "c", "image": "i" }, { "name": "d", "image": "j" }] } });
    let selector = json!({ "matchLabels": { "a": "b" } });
    check("v1", "podtemplates", json!({ "metadata": { "name": "n" }, "template": template }), json!(["n", "c,d", "i,j", "a=b"]));
    check(
        "v1",
        "replicationcontrollers",
        named(json!({ "replicas": 3, "selector": { "a": "b" }, "template": template }), json!({ "replicas": 2, "readyReplicas": 1 })),
        json!(["n", 3, 2, 1, "…", "c,d", "i,j", "a=b"]),
    );
    check(
        "apps/v1",
        "daemonsets",
        named(
            json!({ "selector": selector, "template": template }),
            json!({ "desiredNumberScheduled": 5, "currentNumberScheduled": 4, "numberReady": 3, "updatedNumberScheduled": 2, "numberAvailable": 1 }),
        ),
        json!(["n", 5, 4, 3, 2, 1, "k=v", "…", "c,d", "i,j", "a=b"]),
    );
    check(
        "apps/v1",
        "statefulsets",
        named(json!({ "replicas": 2, "template": template }), json!({ "readyReplicas": 1 })),
        json!(["n", "1/2", "…", "c,d", "i,j"]),
    );
    let owner = json!([{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s", "uid": "u", "controller": true }]);
    check(
        "apps/v1",
        "controllerrevisions",
        json!({ "metadata": { "name": "n", "ownerReferences": owner }, "revision": 7 }),
        json!(["n", "statefulset.apps/s", 7, "…"]),
    );
    check("apps/v1", "controllerrevisions", json!({ "metadata": { "name": "n" } }), json!(["n", "<none>", 0, "…"]));
}

#[test]
fn jobs() {
    let job = |spec: Value, status: Value, expect: [&str; 3]| {
        check("batch/v1", "jobs", named(spec, status), json!(["n", expect[0], expect[1], expect[2], "…", "", "", "<none>"]));
    };
    let condition = |ty: &str| json!([{ "type": ty, "status": "True" }]);
    job(json!({ "completions": 3 }), json!({ "succeeded": 1 }), ["Running", "1/3", ""]);
    job(json!({ "parallelism": 4 }), json!({}), ["Running", "0/1 of 4", ""]);
    job(json!({ "parallelism": 1 }), json!({ "conditions": condition("Suspended") }), ["Suspended", "0/1", ""]);
    job(
        json!({ "completions": 1 }),
        json!({ "succeeded": 1, "conditions": condition("Complete"), "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:05Z" }),
        ["Complete", "1/1", "65s"],
    );
    job(json!({ "completions": 1 }), json!({ "conditions": condition("Failed") }), ["Failed", "0/1", ""]);
    check(
        "batch/v1",
        "cronjobs",
        named(json!({ "schedule": "@daily", "suspend": false, "jobTemplate": {} }), json!({ "active": [{}, {}] })),
        json!(["n", "@daily", "<none>", "False", 2, "<none>", "…", "", "", "<none>"]),
    );
}

#[test]
fn volumes() {
    check(
        "v1",
        "persistentvolumes",
        named(
            json!({ "capacity": { "storage": "1024Mi" }, "accessModes": ["ReadWriteMany", "ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": { "namespace": "a", "name": "b" }, "storageClassName": "s", "volumeMode": "Block" }),
            json!({ "phase": "Bound" }),
        ),
        json!(["n", "1Gi", "RWO,RWX", "Retain", "Bound", "a/b", "s", "<unset>", "", "…", "Block"]),
    );
    let claim = json!({ "volumeName": "v", "volumeAttributesClassName": "fast", "volumeMode": "Filesystem" });
    let status = json!({ "phase": "Bound", "capacity": { "storage": "2Gi" }, "accessModes": ["ReadWriteOncePod"] });
    check(
        "v1",
        "persistentvolumeclaims",
        named(claim, status.clone()),
        json!(["n", "Bound", "v", "2Gi", "RWOP", "", "fast", "…", "Filesystem"]),
    );
    let annotated = json!({ "metadata": { "name": "n", "annotations": { "volume.beta.kubernetes.io/storage-class": "old" }, "deletionTimestamp": "2026-01-01T00:00:00Z" }, "spec": { "storageClassName": "new" }, "status": status });
    check("v1", "persistentvolumeclaims", annotated, json!(["n", "Terminating", "", "", "", "old", "<unset>", "…", "<unset>"]));
    let default = json!({ "name": "n", "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } });
    check(
        "storage.k8s.io/v1",
        "storageclasses",
        json!({ "metadata": default, "provisioner": "p", "allowVolumeExpansion": true }),
        json!(["n (default)", "p", "Delete", "Immediate", true, "…"]),
    );
    check(
        "storage.k8s.io/v1",
        "csidrivers",
        named(json!({ "tokenRequests": [{ "audience": "a" }, { "audience": "b" }], "volumeLifecycleModes": ["Persistent"] }), Value::Null),
        json!(["n", true, false, false, "a,b", false, "Persistent", "…"]),
    );
    check("storage.k8s.io/v1", "csinodes", named(json!({ "drivers": [{}, {}] }), Value::Null), json!(["n", 2, "…"]));
    check(
        "storage.k8s.io/v1",
        "volumeattachments",
        named(json!({ "attacher": "a", "nodeName": "m", "source": { "persistentVolumeName": "v" } }), json!({ "attached": true })),
        json!(["n", "a", "v", "m", true, "…"]),
    );
    check(
        "storage.k8s.io/v1",
        "csistoragecapacities",
        json!({ "metadata": { "name": "n" }, "storageClassName": "c", "capacity": "1024Mi" }),
        json!(["n", "c", "1Gi"]),
    );
}

#[test]
fn networking() {
    let rule = |host: &str| json!({ "host": host });
    check(
        "networking.k8s.io/v1",
        "ingresses",
        named(
            json!({ "ingressClassName": "c", "rules": [rule("a"), rule("b"), rule("c"), rule("d")], "tls": [{}] }),
            json!({ "loadBalancer": { "ingress": [{ "ip": "9.9.9.9" }, { "hostname": "h" }, { "ip": "1.1.1.1" }] } }),
        ),
        json!(["n", "c", "a,b,c + 1 more...", "1.1.1.1,9.9.9.9,h", "80, 443", "…"]),
    );
    check("networking.k8s.io/v1", "ingresses", named(json!({ "rules": [{}] }), Value::Null), json!(["n", "<none>", "*", "", "80", "…"]));
    let parameters = json!({ "apiGroup": "g", "kind": "K", "name": "p" });
    check(
        "networking.k8s.io/v1",
        "ingressclasses",
        named(json!({ "controller": "a/b", "parameters": parameters }), Value::Null),
        json!(["n", "a/b", "K.g/p", "…"]),
    );
    check("networking.k8s.io/v1", "networkpolicies", named(json!({ "podSelector": {} }), Value::Null), json!(["n", "<none>", "…"]));
    check(
        "networking.k8s.io/v1",
        "servicecidrs",
        named(json!({ "cidrs": ["10.0.0.0/8", "2001:db8::/64"] }), Value::Null),
        json!(["n", "10.0.0.0/8,2001:db8::/64", "…"]),
    );
    let parent = |parent: Value| named(json!({ "parentRef": parent }), Value::Null);
    check(
        "networking.k8s.io/v1",
        "ipaddresses",
        parent(json!({ "resource": "services", "namespace": "a", "name": "s" })),
        json!(["n", "services/a/s", "…"]),
    );
    check(
        "networking.k8s.io/v1",
        "ipaddresses",
        parent(json!({ "group": "G.io", "resource": "gateways", "name": "s" })),
        json!(["n", "gateways.g.io/s", "…"]),
    );
}

#[test]
fn limits_and_priorities() {
    check(
        "v1",
        "resourcequotas",
        named(
            json!({}),
            json!({ "hard": { "pods": "10", "limits.cpu": "4", "requests.cpu": "2" }, "used": { "pods": "3", "requests.cpu": "500m" } }),
        ),
        json!(["n", "pods: 3/10, requests.cpu: 500m/2", "limits.cpu: 0/4", "…"]),
    );
    check(
        "policy/v1",
        "poddisruptionbudgets",
        named(json!({ "minAvailable": "50%" }), json!({ "disruptionsAllowed": 2 })),
        json!(["n", "50%", "N/A", 2, "…"]),
    );
    check(
        "scheduling.k8s.io/v1",
        "priorityclasses",
        json!({ "metadata": { "name": "n" }, "value": 7, "preemptionPolicy": "Never" }),
        json!(["n", 7, false, "…", "Never"]),
    );
    let metric = |ty: &str, field: &str, source: Value| json!({ "type": ty, field: source });
    check(
        "autoscaling/v2",
        "horizontalpodautoscalers",
        named(
            json!({ "scaleTargetRef": { "kind": "Deployment", "name": "d" }, "maxReplicas": 5, "metrics": [
                metric("External", "external", json!({ "target": { "averageValue": "10" } })),
                metric("Object", "object", json!({ "target": { "value": "1500m" } })),
                metric("Resource", "resource", json!({ "name": "cpu", "target": {} })) ] }),
            json!({ "currentReplicas": 2, "currentMetrics": [metric("External", "external", json!({ "current": { "averageValue": "3" } }))] }),
        ),
        json!(["n", "Deployment/d", "3/10 (avg), <unknown>/1500m + 1 more...", "<unset>", 5, 2, "…"]),
    );
}
