//! Volumes of every source, and how containers mount them.

use super::{Cases, PODS};
use crate::tests::Fixture;
use crate::tests::causes::{pod, with};
use object::{Value, json};

#[tokio::test]
async fn volumes() {
    let f = Fixture::new().await;
    let of = |source: Value| pod(&json!({ "volumes": [with(&json!({ "name": "v" }), &source)] }));
    let projected = |source: Value| of(json!({ "projected": { "sources": [source] } }));
    let vct = |spec: Value| of(json!({ "ephemeral": { "volumeClaimTemplate": { "spec": spec } } }));
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    let cases: Cases = vec![
        (of(json!({})), &[]),
        (of(json!({ "name": "" })), &["spec.volumes[0].name: Required value"]),
        (of(json!({ "name": "V" })), &["spec.volumes[0].name: Invalid value: \"V\": a lowercase RFC 1123 label must…"]),
        (pod(&json!({ "volumes": [{ "name": "v" }, { "name": "v" }] })), &["spec.volumes[1].name: Duplicate value: \"v\""]),
        (
            of(json!({ "emptyDir": {}, "hostPath": { "path": "/x" } })),
            &["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
        ),
        (
            of(json!({ "emptyDir": { "sizeLimit": "-1" } })),
            &["spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"],
        ),
        (of(json!({ "hostPath": { "path": "" } })), &["spec.volumes[0].hostPath.path: Required value"]),
        (
            of(json!({ "hostPath": { "path": "/a/../b", "type": "Pipe" } })),
            &[
                "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
                "spec.volumes[0].hostPath.type: Unsupported value: \"Pipe\": supported values: \"\", \"BlockDevice\", \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", \"FileOrCreate\", \"Socket\"",
            ],
        ),
        (of(json!({ "secret": {} })), &["spec.volumes[0].secret.secretName: Required value"]),
        (
            of(json!({ "secret": { "secretName": "s", "defaultMode": 512 } })),
            &["spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive"],
        ),
        (of(json!({ "configMap": {} })), &["spec.volumes[0].configMap.name: Required value"]),
        (
            of(
                json!({ "configMap": { "name": "m", "items": [{ "key": "", "path": "" }, { "key": "k", "path": "/p" }, { "key": "k", "path": "..p", "mode": -1 }] } }),
            ),
            &[
                "spec.volumes[0].configMap.items[0].key: Required value",
                "spec.volumes[0].configMap.items[0].path: Required value",
                "spec.volumes[0].configMap.items[1].path: Invalid value: \"/p\": must be a relative path",
                "spec.volumes[0].configMap.items[2].path: Invalid value: \"..p\": must not start with '..'",
                "spec.volumes[0].configMap.items[2].mode: Invalid value: -1: must be a number between 0 and 0777 (octal), both inclusive",
            ],
        ),
        (of(json!({ "persistentVolumeClaim": { "claimName": "" } })), &["spec.volumes[0].persistentVolumeClaim.claimName: Required value"]),
        (
            of(json!({ "downwardAPI": { "items": [{ "path": "p" }, { "path": "q", "fieldRef": { "fieldPath": "status.podIP" } },
                { "path": "r", "resourceFieldRef": { "resource": "limits.cpu" } }] } })),
            &[
                "spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required",
                "spec.volumes[0].downwardAPI.fieldRef.fieldPath: Unsupported value: \"status.podIP\": supported values: \"metadata.annotations\", \"metadata.labels\", \"metadata.name\", \"metadata.namespace\", \"metadata.uid\"",
                "spec.volumes[0].downwardAPI.resourceFieldRef.containerName: Required value",
            ],
        ),
        (
            of(json!({ "nfs": { "server": "", "path": "x" } })),
            &["spec.volumes[0].nfs.server: Required value", "spec.volumes[0].nfs.path: Invalid value: \"x\": must be an absolute path"],
        ),
        (
            of(json!({ "csi": { "driver": "" } })),
            &[
                "spec.volumes[0].csi.driver: Required value",
                "spec.volumes[0].csi.driver: Invalid value: \"\": a lowercase RFC 1123 subdomain must…",
            ],
        ),
        (
            of(json!({ "iscsi": { "targetPortal": "", "iqn": "x", "lun": 256, "chapAuthSession": true } })),
            &[
                "spec.volumes[0].iscsi.targetPortal: Required value",
                "spec.volumes[0].iscsi.iqn: Invalid value: \"x\": must be valid format starting with iqn, eui, or naa",
                "spec.volumes[0].iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive",
                "spec.volumes[0].iscsi.secretRef: Required value",
            ],
        ),
        (of(json!({ "iscsi": { "targetPortal": "t", "iqn": "iqn.2015-02.example.com:test", "lun": 1 } })), &[]),
        (
            of(json!({ "iscsi": { "targetPortal": "t", "iqn": "iqn.2015", "lun": 1 } })),
            &["spec.volumes[0].iscsi.iqn: Invalid value: \"iqn.2015\": must be valid format"],
        ),
        (
            of(json!({ "fc": {} })),
            &["spec.volumes[0].fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both"],
        ),
        (
            of(json!({ "fc": { "targetWWNs": ["a"] } })),
            &["spec.volumes[0].fc.lun: Required value: lun is required if targetWWNs is specified"],
        ),
        (
            of(json!({ "flexVolume": { "driver": "", "options": { "kubernetes.io/a": "b" } } })),
            &[
                "spec.volumes[0].flexVolume.driver: Required value",
                "spec.volumes[0].flexVolume.options[kubernetes.io/a]: Invalid value: \"kubernetes.io/a\": kubernetes.io and k8s.io namespaces are reserved",
            ],
        ),
        (
            of(json!({ "gcePersistentDisk": { "pdName": "", "partition": 256 } })),
            &[
                "spec.volumes[0].persistentDisk.pdName: Required value",
                "spec.volumes[0].persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive",
            ],
        ),
        (
            of(json!({ "azureDisk": { "diskName": "d", "diskURI": "x", "kind": "Managed" } })),
            &["spec.volumes[0].azureDisk.diskURI: Unsupported value: \"x\": supported values: \"/subscriptions/…"],
        ),
        (
            of(json!({ "rbd": { "monitors": [], "image": "" } })),
            &["spec.volumes[0].rbd.monitors: Required value", "spec.volumes[0].rbd.image: Required value"],
        ),
        (
            of(json!({ "quobyte": { "registry": "a", "volume": "v" } })),
            &["spec.volumes[0].quobyte.registry: Invalid value: \"a\": must be a host:port pair or multiple pairs separated by commas"],
        ),
        (of(json!({ "flocker": {} })), &["spec.volumes[0].flocker: Required value: one of datasetName and datasetUUID is required"]),
        (
            of(json!({ "gitRepo": { "repository": "", "directory": "/x" } })),
            &[
                "spec.volumes[0].gitRepo.repository: Required value",
                "spec.volumes[0].gitRepo.directory: Invalid value: \"/x\": must be a relative path",
            ],
        ),
        (of(json!({ "image": { "pullPolicy": "Always" } })), &["spec.volumes[0].image.reference: Required value"]),
        (
            of(json!({ "image": { "reference": "r", "pullPolicy": "x" } })),
            &["spec.volumes[0].image.pullPolicy: Unsupported value: \"x\": supported values: \"Always\", \"IfNotPresent\", \"Never\""],
        ),
        (of(json!({ "ephemeral": {} })), &["spec.volumes[0].ephemeral.volumeClaimTemplate: Required value"]),
        (vct(claim.clone()), &[]),
        (
            vct(json!({})),
            &[
                "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required",
                "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value",
            ],
        ),
        (
            vct(with(&claim, &json!({ "accessModes": ["ReadWriteOncePod", "ReadWriteMany", "x"], "volumeMode": "y" }))),
            &[
                "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Unsupported value: \"x\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"",
                "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
                "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.volumeMode: Unsupported value: \"y\": supported values: \"Block\", \"Filesystem\"",
            ],
        ),
        (
            vct(with(&claim, &json!({ "resources": { "requests": { "storage": "0" } } }))),
            &["spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Invalid value: \"0\": must be greater than zero"],
        ),
        (
            of(json!({ "ephemeral": { "volumeClaimTemplate": { "metadata": { "name": "x" }, "spec": claim } } })),
            &["spec.volumes[0].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set"],
        ),
        (
            pod(
                &json!({ "volumes": [{ "name": "v", "ephemeral": { "volumeClaimTemplate": { "spec": claim } } }, { "name": "w", "persistentVolumeClaim": { "claimName": "p-v" } }] }),
            ),
            &[
                "spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: \"p-v\": must not reference a PVC that gets created for an ephemeral volume",
            ],
        ),
        // Projected
        (projected(json!({ "secret": {} })), &["spec.volumes[0].projected.sources[0].secret.name: Required value"]),
        (
            projected(json!({ "secret": { "name": "s" }, "configMap": { "name": "m" } })),
            &["spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source"],
        ),
        (
            projected(json!({ "serviceAccountToken": { "expirationSeconds": 1, "path": "" } })),
            &[
                "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes",
                "spec.volumes[0].projected.path: Required value",
            ],
        ),
        (
            of(json!({ "projected": { "sources": [
                { "secret": { "name": "s", "items": [{ "key": "k", "path": "p" }] } },
                { "configMap": { "name": "m", "items": [{ "key": "k", "path": "p" }] } }] } })),
            &["spec.volumes[0].projected: Invalid value: \"m\": conflicting duplicate paths"],
        ),
        (
            projected(json!({ "clusterTrustBundle": { "path": "p" } })),
            &["spec.volumes[0].projected.sources[0].clusterTrustBundle: Required value: either name or signerName must be specified"],
        ),
        (
            projected(json!({ "podCertificate": { "signerName": "example.com/s", "keyType": "DSA", "maxExpirationSeconds": 60 } })),
            &[
                "spec.volumes[0].projected.sources[0].podCertificate.keyType: Unsupported value: \"DSA\": supported values: \"RSA3072\", \"RSA4096\", \"ECDSAP256\", \"ECDSAP384\", \"ECDSAP521\", \"ED25519\"",
                "spec.volumes[0].projected.sources[0].podCertificate.maxExpirationSeconds: Invalid value: 60: if provided, maxExpirationSeconds must be >= 3600",
                "spec.volumes[0].projected.sources[0].podCertificate: Required value: specify at least one of credentialBundlePath, keyPath, and certificateChainPath",
            ],
        ),
    ];
    f.check_creates(PODS, &cases).await;
}

#[tokio::test]
async fn mounts() {
    let f = Fixture::new().await;
    let mounts = |mounts: Value| {
        pod(&json!({ "volumes": [{ "name": "v" }, { "name": "p", "persistentVolumeClaim": { "claimName": "x" } }],
            "containers": [{ "name": "c", "image": "i", "volumeMounts": mounts }] }))
    };
    let devices = |devices: Value, mounts: Value| {
        pod(&json!({ "volumes": [{ "name": "v" }, { "name": "p", "persistentVolumeClaim": { "claimName": "x" } }],
            "containers": [{ "name": "c", "image": "i", "volumeDevices": devices, "volumeMounts": mounts }] }))
    };
    let cases: Cases = vec![
        (mounts(json!([{ "name": "v", "mountPath": "/v" }])), &[]),
        (mounts(json!([{ "name": "x", "mountPath": "/v" }])), &["spec.containers[0].volumeMounts[0].name: Not found: \"x\""]),
        (mounts(json!([{ "name": "v", "mountPath": "" }])), &["spec.containers[0].volumeMounts[0].mountPath: Required value"]),
        (
            mounts(json!([{ "name": "v", "mountPath": "/v" }, { "name": "v", "mountPath": "/v" }])),
            &["spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/v\": must be unique"],
        ),
        (
            mounts(json!([{ "name": "v", "mountPath": "/v", "subPath": "/x" }])),
            &["spec.containers[0].volumeMounts.subPath: Invalid value: \"/x\": must be a relative path"],
        ),
        (
            mounts(json!([{ "name": "v", "mountPath": "/v", "subPath": "x", "subPathExpr": "../y" }])),
            &[
                "spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: \"../y\": subPathExpr and subPath are mutually exclusive",
                "spec.containers[0].volumeMounts.subPathExpr: Invalid value: \"../y\": must not contain '..'",
            ],
        ),
        (
            mounts(json!([{ "name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional" }])),
            &[
                "spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers",
            ],
        ),
        (
            mounts(json!([{ "name": "v", "mountPath": "/v", "mountPropagation": "x" }])),
            &[
                "spec.containers[0].volumeMounts.mountPropagation: Unsupported value: \"x\": supported values: \"Bidirectional\", \"HostToContainer\", \"None\"",
            ],
        ),
        (
            mounts(json!([{ "name": "v", "mountPath": "/v", "recursiveReadOnly": "Enabled", "mountPropagation": "HostToContainer" }])),
            &[
                "spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true",
                "spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not specified",
            ],
        ),
        (devices(json!([{ "name": "p", "devicePath": "/d" }]), json!([])), &[]),
        (
            devices(json!([{ "name": "v", "devicePath": "/a/../b" }]), json!([])),
            &[
                "spec.containers[0].volumeDevices[0].name: Invalid value: \"v\": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode",
                "spec.containers[0].volumeDevices[0].devicePath: Invalid value: \"/a/../b\": can not contain backsteps ('..')",
            ],
        ),
        (
            devices(json!([{ "name": "p", "devicePath": "/d" }]), json!([{ "name": "p", "mountPath": "/d" }])),
            &[
                "spec.containers[0].volumeMounts[0].name: Invalid value: \"p\": must not already exist in volumeDevices",
                "spec.containers[0].volumeMounts[0].mountPath: Invalid value: \"/d\": must not already exist as a path in volumeDevices",
                "spec.containers[0].volumeDevices[0].name: Invalid value: \"p\": must not already exist in volumeMounts",
                "spec.containers[0].volumeDevices[0].devicePath: Invalid value: \"/d\": must not already exist as a path in volumeMounts",
            ],
        ),
    ];
    f.check_creates(PODS, &cases).await;
}
