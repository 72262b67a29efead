//! PersistentVolumes and their claims: what is refused, and what an update may change.

use super::Fixture;
use super::causes::with;
use object::{Value, json};

const VOLUMES: &str = "/api/v1/persistentvolumes";
const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";
const MODES: &str = "supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"";

fn volume(spec: Value) -> Value {
    let base = json!({ "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "hostPath": { "path": "/a" } });
    json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "v" }, "spec": with(&base, &spec) })
}

fn claim(spec: Value) -> Value {
    let base = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "c" }, "spec": with(&base, &spec) })
}

/// A volume of another source.
fn of(field: &str, source: Value) -> Value {
    volume(json!({ "hostPath": null, field: source }))
}

#[tokio::test]
async fn volumes() {
    let f = Fixture::new().await;
    let subdomain = "a lowercase RFC 1123 subdomain must consist of…";
    f.check_creates(
        VOLUMES,
        &[
            (volume(json!({})), &[]),
            (volume(json!({ "accessModes": null })), &["spec.accessModes: Required value"]),
            (volume(json!({ "accessModes": ["Foo"] })), &[&format!("spec.accessModes: Unsupported value: \"Foo\": {MODES}")]),
            (
                volume(json!({ "accessModes": ["ReadWriteOncePod", "ReadWriteOnce"] })),
                &["spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"],
            ),
            (
                volume(json!({ "capacity": null })),
                &["spec.capacity: Required value", "spec.capacity: Unsupported value: null: supported values: \"storage\""],
            ),
            (
                volume(json!({ "capacity": { "storage": "0" } })),
                &["spec.capacity[storage]: Invalid value: \"0\": must be greater than zero"],
            ),
            (
                volume(json!({ "persistentVolumeReclaimPolicy": "Foo" })),
                &["spec.persistentVolumeReclaimPolicy: Unsupported value: \"Foo\": supported values: \"Delete\", \"Recycle\", \"Retain\""],
            ),
            (
                volume(json!({ "persistentVolumeReclaimPolicy": "Recycle", "hostPath": { "path": "/" } })),
                &["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"],
            ),
            (volume(json!({ "hostPath": null })), &["spec: Required value: must specify a volume type"]),
            (volume(json!({ "nfs": { "server": "s", "path": "/p" } })), &["spec.nfs: Forbidden: may not specify more than 1 volume type"]),
            (volume(json!({ "hostPath": { "path": "" } })), &["spec.hostPath.path: Required value"]),
            (
                volume(json!({ "hostPath": { "path": "/a/../b" } })),
                &["spec.hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"],
            ),
            (of("nfs", json!({ "server": "s", "path": "p" })), &["spec.nfs.path: Invalid value: \"p\": must be an absolute path"]),
            (of("local", json!({ "path": "/a" })), &["spec.nodeAffinity: Required value: Local volume requires node affinity"]),
            (
                volume(json!({ "nodeAffinity": { "required": { "nodeSelectorTerms": [] } } })),
                &["spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term"],
            ),
            (
                volume(json!({ "nodeAffinity": {} })),
                &["spec.nodeAffinity.required: Required value: must specify required node constraints"],
            ),
            (of("csi", json!({ "driver": "d", "volumeHandle": "" })), &["spec.csi.volumeHandle: Required value"]),
            (
                of("csi", json!({ "driver": "d", "volumeHandle": "h", "nodeStageSecretRef": { "name": "", "namespace": "N" } })),
                &[
                    "spec.csi.nodeStageSecretRef.name: Required value",
                    "spec.csi.nodeStageSecretRef.namespace: Invalid value: \"N\": a lowercase RFC 1123 label must consist of…",
                ],
            ),
            (
                of("gcePersistentDisk", json!({ "pdName": "", "partition": 256 })),
                &[
                    "spec.persistentDisk.pdName: Required value",
                    "spec.persistentDisk.partition: Invalid value: 256: must be between 0 and 255, inclusive",
                ],
            ),
            (of("fc", json!({})), &["spec.fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both"]),
            (of("fc", json!({ "targetWWNs": ["a"] })), &["spec.fc.lun: Required value: lun is required if targetWWNs is specified"]),
            (
                of("iscsi", json!({ "targetPortal": "p", "iqn": "x", "lun": 0 })),
                &["spec.iscsi.iqn: Invalid value: \"x\": must be valid format starting with iqn, eui, or naa"],
            ),
            (of("cephfs", json!({})), &["spec.cephfs.monitors: Required value"]),
            (volume(json!({ "storageClassName": "A" })), &[&format!("spec.storageClassName: Invalid value: \"A\": {subdomain}")]),
            (
                volume(json!({ "volumeMode": "Foo" })),
                &["spec.volumeMode: Unsupported value: \"Foo\": supported values: \"Block\", \"Filesystem\""],
            ),
            (
                volume(json!({ "volumeAttributesClassName": "a" })),
                &["spec.csi: Required value: has to be specified when using volumeAttributesClassName"],
            ),
        ],
    )
    .await;
    f.post(VOLUMES, &volume(json!({}))).await.expect(201);
    f.check_patches(
        &format!("{VOLUMES}/v"),
        &[
            (json!({ "spec": { "hostPath": { "path": "/b" } } }), &["spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"]),
            (json!({ "spec": { "volumeMode": "Block" } }), &["volumeMode: Invalid value: \"Block\": field is immutable"]),
            (json!({ "spec": { "capacity": { "storage": "2Gi" } } }), &[]),
            (json!({ "spec": { "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [{ "key": "a", "operator": "Exists" }] }] } } } }), &[]),
        ],
    )
    .await;
    let bound = f.patch(&format!("{VOLUMES}/v/status"), "merge", &json!({ "status": { "phase": "Bound" } })).await.expect(200);
    assert!(bound["status"]["lastPhaseTransitionTime"].is_string(), "{bound}");
}

#[tokio::test]
async fn claims() {
    let f = Fixture::new().await;
    let source = |kind: &str, group: Value| json!({ "apiGroup": group, "kind": kind, "name": "x" });
    f.check_creates(
        CLAIMS,
        &[
            (claim(json!({})), &[]),
            (claim(json!({ "accessModes": null })), &["spec.accessModes: Required value: at least 1 access mode is required"]),
            (claim(json!({ "accessModes": ["Foo"] })), &[&format!("spec.accessModes: Unsupported value: \"Foo\": {MODES}")]),
            (claim(json!({ "resources": null })), &["spec.resources[storage]: Required value"]),
            (claim(json!({ "resources": { "requests": { "storage": "-1" } } })), &["spec.resources[storage]: Invalid value: \"-1\": must be greater than zero"]),
            (claim(json!({ "volumeMode": "Foo" })), &["spec.volumeMode: Unsupported value: \"Foo\": supported values: \"Block\", \"Filesystem\""]),
            (claim(json!({ "storageClassName": "A" })), &["spec.storageClassName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of…"]),
            (claim(json!({ "storageClassName": "" })), &[]),
            (
                claim(json!({ "selector": { "matchExpressions": [{ "key": "a", "operator": "Foo" }] } })),
                &["spec.selector.matchExpressions[0].operator: Invalid value: \"Foo\": not a valid selector operator"],
            ),
            (
                claim(json!({ "dataSourceRef": { "kind": "Foo", "name": "" } })),
                &[
                    "spec.dataSource.name: Required value",
                    "spec.dataSource: Invalid value: \"Foo\": must be 'PersistentVolumeClaim' when referencing the default apiGroup",
                    "spec.dataSourceRef.name: Required value",
                    "spec.dataSourceRef: Invalid value: \"Foo\": must be 'PersistentVolumeClaim' when referencing the default apiGroup",
                ],
            ),
            (
                claim(json!({ "dataSource": source("PersistentVolumeClaim", Value::Null), "dataSourceRef": source("VolumeSnapshot", json!("snapshot.storage.k8s.io")) })),
                &["spec: Invalid value: \"spec.dataSource\": must match dataSourceRef"],
            ),
        ],
    )
    .await;
    let made =
        f.post(CLAIMS, &claim(json!({ "dataSource": source("VolumeSnapshot", json!("snapshot.storage.k8s.io")) }))).await.expect(201);
    assert_eq!((&made["spec"]["dataSourceRef"], &made["status"]), (&made["spec"]["dataSource"], &json!({ "phase": "Pending" })));
    let ignored = with(&claim(json!({ "dataSource": source("Foo", json!("example.com")) })), &json!({ "metadata": { "name": "d" } }));
    assert_eq!(f.post(CLAIMS, &ignored).await.expect(201)["spec"]["dataSource"], Value::Null);

    let one = format!("{CLAIMS}/c");
    let size = |size: &str| json!({ "spec": { "resources": { "requests": { "storage": size } } } });
    let fixed =
        "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
    f.check_patches(
        &one,
        &[
            (size("2Gi"), &[fixed]),
            (json!({ "spec": { "accessModes": ["ReadOnlyMany"] } }), &[fixed]),
            (json!({ "spec": { "volumeMode": "Block" } }), &[fixed, "volumeMode: Invalid value: \"Block\": field is immutable"]),
            (json!({ "spec": { "volumeName": "v" } }), &[]),
            (json!({ "spec": { "storageClassName": "late" } }), &[]),
            (json!({ "spec": { "volumeAttributesClassName": "fast" } }), &[]),
        ],
    )
    .await;
    f.patch(&one, "merge", &json!({ "spec": { "volumeName": "v", "volumeAttributesClassName": "fast" } })).await.expect(200);
    f.patch(&format!("{one}/status"), "merge", &json!({ "status": { "phase": "Bound", "capacity": { "storage": "1Gi" } } }))
        .await
        .expect(200);
    f.patch(&one, "merge", &size("3Gi")).await.expect(200);
    f.check_patches(
        &one,
        &[
            (size("2Gi"), &[]),
            (size("1Gi"), &["spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"]),
            (json!({ "spec": { "volumeName": "w" } }), &[fixed]),
            (
                json!({ "spec": { "volumeAttributesClassName": null } }),
                &["spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden"],
            ),
        ],
    )
    .await;
    f.check_patches(
        &format!("{one}/status"),
        &[
            (json!({ "status": { "capacity": { "storage": "-1" } } }), &["status.capacity[storage]: Invalid value: -1: must be a valid resource quantity"]),
            (
                json!({ "status": { "allocatedResourceStatuses": { "storage": "Foo" } } }),
                &["status.allocatedResourceStatus: Unsupported value: \"storage\": supported values: \"ControllerResizeFailed\", \"ControllerResizeInProgress\", \"NodeResizeFailed\", \"NodeResizeInProgress\", \"NodeResizePending\""],
            ),
            (json!({ "status": { "allocatedResources": { "cpu": "1" } } }), &["status.allocatedResources: Unsupported value: \"cpu\": supported values: \"storage\""]),
        ],
    )
    .await;
}
