//! Group storage.k8s.io: what is refused, and what an update may not change.

use super::Fixture;
use super::causes::with;
use object::{Value, json};

const ROOT: &str = "/apis/storage.k8s.io/v1";

fn named(patch: Value) -> Value {
    with(&json!({ "metadata": { "name": "s" } }), &patch)
}

fn spec(base: &Value, patch: Value) -> Value {
    named(json!({ "spec": with(base, &patch) }))
}

#[tokio::test]
async fn classes() {
    let f = Fixture::new().await;
    let path = format!("{ROOT}/storageclasses");
    let class = |patch: Value| named(with(&json!({ "provisioner": "example.com/p" }), &patch));
    let term = |key: &str, values: Value| json!({ "matchLabelExpressions": [{ "key": key, "values": values }] });
    f.check_creates(
        &path,
        &[
            (class(json!({})), &[]),
            (class(json!({ "provisioner": "" })), &["provisioner: Required value"]),
            (class(json!({ "provisioner": "a/b/c" })), &["provisioner: Invalid value: \"a/b/c\": …"]),
            (
                class(json!({ "reclaimPolicy": "Recycle" })),
                &["reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", \"Retain\""],
            ),
            (
                class(json!({ "volumeBindingMode": "Foo" })),
                &["volumeBindingMode: Unsupported value: \"Foo\": supported values: \"Immediate\", \"WaitForFirstConsumer\""],
            ),
            (class(json!({ "parameters": { "": "a" } })), &["parameters: Invalid value: \"\": field can not be empty."]),
            (class(json!({ "parameters": { "a": "x".repeat(256 * 1024) } })), &["parameters: Too long: may not be more than 262144 bytes"]),
            (
                class(json!({ "allowedTopologies": [term("a b", json!([])), term("z", json!(["1", "1"]))] })),
                &[
                    "allowedTopologies[0].matchLabelExpressions[0].key: Invalid value: \"a b\": …",
                    "allowedTopologies[0].matchLabelExpressions[0].values: Required value",
                    "allowedTopologies[1].matchLabelExpressions[0].values[1]: Duplicate value: \"1\"",
                ],
            ),
            (
                class(json!({ "allowedTopologies": [term("z", json!(["1", "2"])), term("z", json!(["2", "1"]))] })),
                &["allowedTopologies[1].matchLabelExpressions: Duplicate value: \"\""],
            ),
        ],
    )
    .await;
    f.post(&path, &class(json!({}))).await.expect(201);
    f.check_patches(
        &format!("{path}/s"),
        &[
            (json!({ "provisioner": "example.com/q" }), &["provisioner: Forbidden: updates to provisioner are forbidden."]),
            (json!({ "parameters": { "a": "b" } }), &["parameters: Forbidden: updates to parameters are forbidden."]),
            (json!({ "reclaimPolicy": "Retain" }), &["reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden."]),
            (
                json!({ "volumeBindingMode": "WaitForFirstConsumer" }),
                &["volumeBindingMode: Invalid value: \"WaitForFirstConsumer\": field is immutable"],
            ),
            (json!({ "allowVolumeExpansion": true, "mountOptions": ["ro"] }), &[]),
        ],
    )
    .await;
    let path = format!("{ROOT}/volumeattributesclasses");
    let class = |patch: Value| named(with(&json!({ "driverName": "d", "parameters": { "a": "b" } }), &patch));
    f.check_creates(
        &path,
        &[
            (class(json!({})), &[]),
            (class(json!({ "driverName": "" })), &["driverName: Required value"]),
            (class(json!({ "parameters": null })), &["parameters: Required value: must contain at least one key/value pair"]),
        ],
    )
    .await;
    f.post(&path, &class(json!({}))).await.expect(201);
    f.check_patches(
        &format!("{path}/s"),
        &[
            (json!({ "driverName": "e" }), &["driverName: Forbidden: updates to driverName are forbidden."]),
            (json!({ "parameters": { "a": "c" } }), &["parameters: Forbidden: updates to parameters are forbidden."]),
        ],
    )
    .await;
}

#[tokio::test]
async fn drivers() {
    let f = Fixture::new().await;
    let path = format!("{ROOT}/csidrivers");
    let driver = |patch: Value| spec(&json!({}), patch);
    f.check_creates(
        &path,
        &[
            (driver(json!({})), &[]),
            (
                driver(json!({ "fsGroupPolicy": "Foo" })),
                &["spec.fsGroupPolicy: Unsupported value: \"Foo\": supported values: \"File\", \"None\", \"ReadWriteOnceWithFSType\""],
            ),
            (
                driver(json!({ "volumeLifecycleModes": ["Foo"] })),
                &["spec.volumeLifecycleModes: Unsupported value: \"Foo\": supported values: \"Persistent\", \"Ephemeral\""],
            ),
            (
                driver(json!({ "tokenRequests": [{ "audience": "a", "expirationSeconds": 5 }, { "audience": "a" }] })),
                &[
                    "spec.tokenRequests[0].expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes",
                    "spec.tokenRequests[1].audience: Duplicate value: \"a\"",
                ],
            ),
            (
                driver(json!({ "nodeAllocatableUpdatePeriodSeconds": 9 })),
                &["spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds"],
            ),
        ],
    )
    .await;
    f.post(&path, &driver(json!({}))).await.expect(201);
    f.check_patches(
        &format!("{path}/s"),
        &[
            (json!({ "spec": { "attachRequired": false } }), &["spec.attachedRequired: Invalid value: false: field is immutable"]),
            (
                json!({ "spec": { "volumeLifecycleModes": ["Ephemeral"] } }),
                &["spec.volumeLifecycleModes: Invalid value: [\"Ephemeral\"]: field is immutable"],
            ),
            (json!({ "spec": { "podInfoOnMount": true } }), &[]),
        ],
    )
    .await;

    let path = format!("{ROOT}/csinodes");
    let node = |drivers: Value| named(json!({ "spec": { "drivers": drivers } }));
    f.check_creates(
        &path,
        &[
            (node(json!([])), &[]),
            (
                node(json!([{ "name": "", "nodeID": "" }])),
                &[
                    "spec.drivers[0].name: Required value",
                    "spec.drivers[0].name: Invalid value: \"\": …",
                    "spec.drivers[0].nodeID: Required value",
                ],
            ),
            (
                node(json!([{ "name": "d", "nodeID": "n", "allocatable": { "count": -1 }, "topologyKeys": ["a", "a"] }])),
                &[
                    "spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0",
                    "spec.drivers[0]: Duplicate value: \"a\"",
                ],
            ),
        ],
    )
    .await;
    f.post(&path, &node(json!([{ "name": "d", "nodeID": "n" }]))).await.expect(201);
    f.check_patches(
        &format!("{path}/s"),
        &[
            (
                json!({ "spec": { "drivers": [{ "name": "d", "nodeID": "m" }] } }),
                &["spec.drivers: Invalid value: {\"name\":\"d\",\"nodeID\":\"m\"}: field is immutable"],
            ),
            (json!({ "spec": { "drivers": [{ "name": "d", "nodeID": "n", "allocatable": { "count": 3 } }] } }), &[]),
            (json!({ "spec": { "drivers": [] } }), &[]),
        ],
    )
    .await;

    let path = format!("{ROOT}/namespaces/default/csistoragecapacities");
    let capacity = |patch: Value| named(with(&json!({ "storageClassName": "c" }), &patch));
    f.check_creates(
        &path,
        &[
            (capacity(json!({ "storageClassName": "" })), &["storageClassName: Invalid value: \"\": …"]),
            (capacity(json!({ "capacity": "-1" })), &["capacity: Invalid value: \"-1\": must be greater than or equal to 0"]),
        ],
    )
    .await;
    f.post(&path, &capacity(json!({}))).await.expect(201);
    f.check_patches(
        &format!("{path}/s"),
        &[(json!({ "storageClassName": "d" }), &["storageClassName: Invalid value: \"d\": field is immutable"])],
    )
    .await;
}

#[tokio::test]
async fn attachments() {
    let f = Fixture::new().await;
    let path = format!("{ROOT}/volumeattachments");
    let base = json!({ "attacher": "d", "nodeName": "n", "source": { "persistentVolumeName": "v" } });
    let attachment = |patch: Value| spec(&base, patch);
    let one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    let inline = json!({ "csi": { "driver": "d", "volumeHandle": "h" }, "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1" } });
    f.check_creates(
        &path,
        &[
            (attachment(json!({})), &[]),
            (
                attachment(json!({ "attacher": "" })),
                &["spec.attacher: Required value", "spec.attacher: Required value", "spec.attacher: Invalid value: \"\": …"],
            ),
            (attachment(json!({ "source": { "persistentVolumeName": null } })), &[&format!("spec.source: Required value: {one}")]),
            (attachment(json!({ "source": { "inlineVolumeSpec": inline } })), &[&format!("spec.source: Forbidden: {one}")]),
            (
                attachment(json!({ "source": { "persistentVolumeName": null, "inlineVolumeSpec": inline } })),
                &["spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes"],
            ),
            (attachment(json!({ "nodeName": "A" })), &["spec.nodeName: Invalid value: \"A\": …"]),
        ],
    )
    .await;
    let made = f.post(&path, &attachment(json!({}))).await.expect(201);
    assert_eq!(made["status"], json!({ "attached": false }));
    f.check_patches(&format!("{path}/s"), &[(json!({ "spec": { "nodeName": "m" } }), &["spec: Invalid value: {\"attacher\":\"d\",…"])])
        .await;
    f.check_patches(
        &format!("{path}/s/status"),
        &[
            (json!({ "status": { "attached": true } }), &[]),
            (
                json!({ "status": { "attachError": { "errorCode": -1 } } }),
                &["status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive"],
            ),
        ],
    )
    .await;
    // An update must say which state it was made from.
    let put = f.put(&format!("{path}/s"), &attachment(json!({}))).await;
    assert!(put.message().contains("metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"), "{}", put.message());
}
