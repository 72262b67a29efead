//! Validation of pods: a table of `input → causes`.

use super::Fixture;
use super::causes::{container, pod, with};
use object::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";

type Cases<'c> = Vec<(Value, &'c [&'c str])>;

#[tokio::test]
async fn containers() {
    let f = Fixture::new().await;
    let c = json!({ "name": "c", "image": "i" });
    let cases: Cases = vec![
        (pod(&json!({})), &[]),
        (pod(&json!({ "containers": [] })), &["spec.containers: Required value"]),
        (container(&json!({ "name": "" })), &["spec.containers[0].name: Required value"]),
        (
            container(&json!({ "name": "A" })),
            &["spec.containers[0].name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of…"],
        ),
        (container(&json!({ "name": "a.b" })), &["spec.containers[0].name: Invalid value: \"a.b\": must not contain dots"]),
        (container(&json!({ "image": "" })), &["spec.containers[0].image: Required value"]),
        (
            container(&json!({ "image": " i" })),
            &["spec.containers[0].image: Invalid value: \" i\": must not have leading or trailing whitespace"],
        ),
        (pod(&json!({ "containers": [c, c] })), &["spec.containers[1].name: Duplicate value: \"c\""]),
        (pod(&json!({ "initContainers": [c] })), &["spec.initContainers[0].name: Duplicate value: \"c\""]),
        (
            container(&json!({ "imagePullPolicy": "Maybe" })),
            &[
                "spec.containers[0].imagePullPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
            ],
        ),
        (
            container(&json!({ "terminationMessagePolicy": "x" })),
            &[
                "spec.containers[0].terminationMessagePolicy: Unsupported value: \"x\": supported values: \"File\", \"FallbackToLogsOnError\"",
            ],
        ),
        (
            pod(&json!({ "ephemeralContainers": [{ "name": "e", "image": "i" }] })),
            &["spec.ephemeralContainers: Forbidden: cannot be set on create"],
        ),
        // Ports
        (container(&json!({ "ports": [{ "containerPort": 0 }] })), &["spec.containers[0].ports[0].containerPort: Required value"]),
        (
            container(&json!({ "ports": [{ "containerPort": 65536 }] })),
            &["spec.containers[0].ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive"],
        ),
        (
            container(&json!({ "ports": [{ "containerPort": 1, "hostPort": -1 }] })),
            &["spec.containers[0].ports[0].hostPort: Invalid value: -1: must be between 1 and 65535, inclusive"],
        ),
        (
            container(&json!({ "ports": [{ "containerPort": 1, "protocol": "ICMP" }] })),
            &["spec.containers[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\""],
        ),
        (
            container(&json!({ "ports": [{ "containerPort": 1, "name": "a" }, { "containerPort": 2, "name": "a" }] })),
            &["spec.containers[0].ports[1].name: Duplicate value: \"a\""],
        ),
        (
            container(&json!({ "ports": [{ "containerPort": 1, "name": "0" }] })),
            &["spec.containers[0].ports[0].name: Invalid value: \"0\": must contain at least one letter (a-z)"],
        ),
        (
            container(&json!({ "ports": [{ "containerPort": 1, "hostPort": 8 }, { "containerPort": 2, "hostPort": 8 }] })),
            &["spec.containers[0].ports[1].hostPort: Duplicate value: \"TCP//8\""],
        ),
        (
            pod(
                &json!({ "hostNetwork": true, "containers": [{ "name": "c", "image": "i", "ports": [{ "containerPort": 1, "hostPort": 2 }] }] }),
            ),
            &["spec.containers[0].ports[0].hostPort: Invalid value: 2: must match `containerPort` when `hostNetwork` is true"],
        ),
        // Environment
        (container(&json!({ "env": [{ "name": "", "value": "x" }] })), &["spec.containers[0].env[0].name: Required value"]),
        (
            container(&json!({ "env": [{ "name": "a=b" }] })),
            &[
                "spec.containers[0].env[0].name: Invalid value: \"a=b\": a valid environment variable name must consist only of printable ASCII characters other than '='",
            ],
        ),
        (
            container(&json!({ "env": [{ "name": "A", "valueFrom": {} }] })),
            &[
                "spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
            ],
        ),
        (
            container(&json!({ "env": [{ "name": "A", "value": "x", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }] })),
            &["spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty"],
        ),
        (
            container(&json!({ "env": [{ "name": "A", "valueFrom": {
                "fieldRef": { "fieldPath": "metadata.name" }, "secretKeyRef": { "name": "s", "key": "k" } } }] })),
            &["spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not have more than one field specified at a time"],
        ),
        (
            container(&json!({ "env": [{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "metadata.nope" } } }] })),
            &[
                "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"metadata.nope\": error converting fieldPath: field label not supported: metadata.nope",
            ],
        ),
        (
            container(&json!({ "env": [{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels" } } }] })),
            &[
                "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \"metadata.labels\": supported values: \"metadata.name\", \"metadata.namespace\", \"metadata.uid\", \"spec.nodeName\", \"spec.serviceAccountName\", \"status.hostIP\", \"status.hostIPs\", \"status.podIP\", \"status.podIPs\"",
            ],
        ),
        (container(&json!({ "env": [{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['a/b']" } } }] })), &[]),
        (
            container(&json!({ "env": [{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['-']" } } }] })),
            &["spec.containers[0].env[0].valueFrom.fieldRef: Invalid value: \"-\": name part must consist of…"],
        ),
        (
            container(&json!({ "env": [{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "spec['x']" } } }] })),
            &[
                "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec['x']\": error converting fieldPath: field label does not support subscript: spec['x']",
            ],
        ),
        (
            container(&json!({ "env": [{ "name": "A", "valueFrom": { "resourceFieldRef": { "resource": "limits.x" } } }] })),
            &[
                "spec.containers[0].env[0].valueFrom.resourceFieldRef.resource: Unsupported value: \"limits.x\": supported values: \"limits.cpu\", \"limits.ephemeral-storage\", \"limits.memory\", \"requests.cpu\", \"requests.ephemeral-storage\", \"requests.memory\"",
            ],
        ),
        (
            container(
                &json!({ "env": [{ "name": "A", "valueFrom": { "resourceFieldRef": { "resource": "limits.cpu", "divisor": "2" } } }] }),
            ),
            &[
                "spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: \"limits.cpu\": only divisor's values 1m and 1 are supported with the cpu resource",
            ],
        ),
        (
            container(&json!({ "env": [{ "name": "A", "valueFrom": { "secretKeyRef": { "name": "s", "key": "" } } }] })),
            &["spec.containers[0].env[0].valueFrom.secretKeyRef.key: Required value"],
        ),
        (
            container(&json!({ "env": [{ "name": "A", "valueFrom": { "configMapKeyRef": { "name": "S", "key": "a b" } } }] })),
            &[
                "spec.containers[0].env[0].valueFrom.configMapKeyRef.name: Invalid value: \"S\": a lowercase RFC 1123 subdomain must…",
                "spec.containers[0].env[0].valueFrom.configMapKeyRef.key: Invalid value: \"a b\": a valid config key must…",
            ],
        ),
        (
            container(
                &json!({ "env": [{ "name": "A", "valueFrom": { "fileKeyRef": { "volumeName": "v", "path": "../x", "key": "K" } } }] }),
            ),
            &[
                "spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Not found: \"v\"",
                "spec.containers[0].env[0].valueFrom.fileKeyRef.path: Invalid value: \"../x\": must not contain '..'",
            ],
        ),
        (
            container(&json!({ "envFrom": [{}] })),
            &["spec.containers[0].envFrom: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`"],
        ),
        (
            container(&json!({ "envFrom": [{ "configMapRef": { "name": "m" }, "secretRef": { "name": "s" } }] })),
            &["spec.containers[0].envFrom: Invalid value: \"\": may not have more than one field specified at a time"],
        ),
        (
            container(&json!({ "envFrom": [{ "prefix": "a=", "configMapRef": { "name": "" } }] })),
            &[
                "spec.containers[0].envFrom[0].prefix: Invalid value: \"a=\": a valid environment variable name must…",
                "spec.containers[0].envFrom[0].configMapRef.name: Required value",
            ],
        ),
    ];
    f.check_creates(PODS, &cases).await;
}

#[tokio::test]
async fn sidecars_and_restart_rules() {
    let f = Fixture::new().await;
    let init = |patch: Value| pod(&json!({ "initContainers": [with(&json!({ "name": "i", "image": "i" }), &patch)] }));
    let probe = json!({ "exec": { "command": ["x"] } });
    let cases: Cases = vec![
        (init(json!({ "restartPolicy": "Always", "livenessProbe": probe, "lifecycle": { "preStop": probe } })), &[]),
        (
            init(json!({ "livenessProbe": probe })),
            &["spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always"],
        ),
        (
            init(json!({ "lifecycle": { "preStop": probe } })),
            &["spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always"],
        ),
        (
            init(json!({ "resizePolicy": [{ "resourceName": "cpu", "restartPolicy": "NotRequired" }] })),
            &[
                "spec.initContainers[0].resizePolicy: Invalid value: [{\"resourceName\":\"cpu\",\"restartPolicy\":\"NotRequired\"}]: must not be set for init containers",
            ],
        ),
        (
            init(json!({ "restartPolicy": "Sometimes" })),
            &[
                "spec.initContainers[0].restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"Never\", \"OnFailure\"",
            ],
        ),
        (
            container(&json!({ "restartPolicyRules": [{ "action": "Restart", "exitCodes": { "operator": "In", "values": [42] } }] })),
            &["spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used"],
        ),
        (
            container(&json!({ "restartPolicy": "Never", "restartPolicyRules": [{ "action": "Stop" }] })),
            &[
                "spec.containers[0].restartPolicyRules[0].action: Unsupported value: \"Stop\": supported values: \"Restart\", \"RestartAllContainers\"",
                "spec.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified",
            ],
        ),
        (
            container(&json!({ "restartPolicy": "Never", "restartPolicyRules": [
                { "action": "Restart", "exitCodes": { "operator": "Is", "values": vec![1; 256] } }] })),
            &[
                "spec.containers[0].restartPolicyRules[0].exitCodes.operator: Unsupported value: \"Is\": supported values: \"In\", \"NotIn\"",
                "spec.containers[0].restartPolicyRules[0].exitCodes.values: Too many: 256: must have at most 255 items",
            ],
        ),
        (
            pod(&json!({ "restartPolicy": "Never", "containers": [{ "name": "c", "image": "i",
                "resizePolicy": [{ "resourceName": "cpu", "restartPolicy": "RestartContainer" }] }] })),
            &[
                "spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when `restartPolicy` is 'Never'",
            ],
        ),
        (
            container(&json!({ "resizePolicy": [{ "resourceName": "disk", "restartPolicy": "Now" }] })),
            &[
                "spec.containers[0].resizePolicy: Unsupported value: \"disk\": supported values: \"cpu\", \"memory\"",
                "spec.containers[0].resizePolicy: Unsupported value: \"Now\": supported values: \"NotRequired\", \"RestartContainer\"",
            ],
        ),
        (
            container(&json!({ "resizePolicy": [
                { "resourceName": "cpu", "restartPolicy": "NotRequired" }, { "resourceName": "cpu", "restartPolicy": "NotRequired" }] })),
            &["spec.containers[0].resizePolicy[1]: Duplicate value: \"cpu\""],
        ),
    ];
    f.check_creates(PODS, &cases).await;
}

#[tokio::test]
async fn probes_and_hooks() {
    let f = Fixture::new().await;
    let live = |probe: Value| container(&json!({ "livenessProbe": probe }));
    let stop = |hook: Value| container(&json!({ "lifecycle": { "preStop": hook } }));
    let cases: Cases = vec![
        (live(json!({})), &["spec.containers[0].livenessProbe: Required value: must specify a handler type"]),
        (live(json!({ "exec": {} })), &["spec.containers[0].livenessProbe.exec.command: Required value"]),
        (
            live(json!({ "exec": { "command": ["x"] }, "tcpSocket": { "port": 1 } })),
            &["spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
        ),
        (
            live(json!({ "tcpSocket": { "port": 0 } })),
            &["spec.containers[0].livenessProbe.tcpSocket.port: Invalid value: 0: must be between 1 and 65535, inclusive"],
        ),
        (
            live(json!({ "tcpSocket": { "port": "a--b" } })),
            &["spec.containers[0].livenessProbe.tcpSocket.port: Invalid value: \"a--b\": must not contain consecutive hyphens"],
        ),
        (
            live(json!({ "grpc": { "port": 65536 } })),
            &["spec.containers[0].livenessProbe.grpc.port: Invalid value: 65536: must be between 1 and 65535, inclusive"],
        ),
        (
            live(json!({ "httpGet": { "port": 1, "scheme": "ftp", "httpHeaders": [{ "name": "a b", "value": "" }] } })),
            &[
                "spec.containers[0].livenessProbe.httpGet.scheme: Unsupported value: \"ftp\": supported values: \"HTTP\", \"HTTPS\"",
                "spec.containers[0].livenessProbe.httpGet.httpHeaders: Invalid value: \"a b\": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
            ],
        ),
        (
            live(
                json!({ "exec": { "command": ["x"] }, "successThreshold": 2, "initialDelaySeconds": -1, "terminationGracePeriodSeconds": 0 }),
            ),
            &[
                "spec.containers[0].livenessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0",
                "spec.containers[0].livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0",
                "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
            ],
        ),
        (
            container(
                &json!({ "readinessProbe": { "exec": { "command": ["x"] }, "successThreshold": 2, "terminationGracePeriodSeconds": 3 } }),
            ),
            &["spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 3: must not be set for readinessProbes"],
        ),
        (
            container(&json!({ "startupProbe": { "exec": { "command": ["x"] }, "successThreshold": 2 } })),
            &["spec.containers[0].startupProbe.successThreshold: Invalid value: 2: must be 1"],
        ),
        (stop(json!({})), &["spec.containers[0].lifecycle.preStop: Required value: must specify a handler type"]),
        (stop(json!({ "sleep": { "seconds": 0 } })), &[]),
        (
            stop(json!({ "sleep": { "seconds": 31 } })),
            &[
                "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)",
            ],
        ),
        (
            container(&json!({ "lifecycle": { "stopSignal": "SIGUSR1" } })),
            &["spec.containers[0].lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`"],
        ),
        (
            with(&container(&json!({ "lifecycle": { "stopSignal": "SIGUSR1" } })), &json!({ "spec": { "os": { "name": "windows" } } })),
            &["spec.containers[0].lifecycle.stopSignal: Unsupported value: \"SIGUSR1\": supported values: \"SIGKILL\", \"SIGTERM\""],
        ),
        (with(&container(&json!({ "lifecycle": { "stopSignal": "SIGUSR1" } })), &json!({ "spec": { "os": { "name": "linux" } } })), &[]),
    ];
    f.check_creates(PODS, &cases).await;
}

#[tokio::test]
async fn amounts() {
    let f = Fixture::new().await;
    let asks = |resources: Value| container(&json!({ "resources": resources }));
    let cases: Cases = vec![
        (
            asks(json!({ "requests": { "cpu": "2" }, "limits": { "cpu": "1" } })),
            &["spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"],
        ),
        (
            asks(json!({ "limits": { "gpu": "1" } })),
            &[
                "spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource type or fully qualified",
                "spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource for containers",
                "spec.containers[0].resources.requests[gpu]: Invalid value: \"gpu\": must be a standard resource type or fully qualified",
                "spec.containers[0].resources.requests[gpu]: Invalid value: \"gpu\": must be a standard resource for containers",
            ],
        ),
        (
            asks(json!({ "limits": { "memory": "-1" }, "requests": { "memory": "-1" } })),
            &[
                "spec.containers[0].resources.limits[memory]: Invalid value: \"-1\": must be greater than or equal to 0",
                "spec.containers[0].resources.requests[memory]: Invalid value: \"-1\": must be greater than or equal to 0",
            ],
        ),
        (
            asks(json!({ "limits": { "example.com/gpu": "500m" } })),
            &[
                "spec.containers[0].resources.limits[example.com/gpu]: Invalid value: \"500m\": must be an integer",
                "spec.containers[0].resources.requests[example.com/gpu]: Invalid value: \"500m\": must be an integer",
            ],
        ),
        (
            asks(json!({ "requests": { "example.com/gpu": "1" } })),
            &["spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources"],
        ),
        (
            asks(json!({ "requests": { "example.com/gpu": "1" }, "limits": { "example.com/gpu": "2" } })),
            &["spec.containers[0].resources.requests: Invalid value: \"1\": must be equal to example.com/gpu limit of 2"],
        ),
        (
            asks(json!({ "limits": { "hugepages-2Mi": "3Mi", "cpu": "1" } })),
            &[
                "spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer multiple of hugepages-2Mi",
                "spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer multiple of hugepages-2Mi",
            ],
        ),
        (
            asks(json!({ "limits": { "hugepages-2Mi": "2Mi" } })),
            &["spec.containers[0].resources: Forbidden: HugePages require cpu or memory"],
        ),
        (
            asks(json!({ "claims": [{ "name": "x" }] })),
            &[
                "spec.containers[0].resources.claims[0]: Not found: \"x\": must be one of the names in pod.spec.resourceClaims which is empty",
            ],
        ),
        (
            pod(&json!({ "resourceClaims": [{ "name": "a", "resourceClaimName": "r" }, { "name": "b" }], "containers": [
                { "name": "c", "image": "i", "resources": { "claims": [{ "name": "a", "request": "1" }, { "name": "a" }, { "name": "x" }] } }] })),
            &[
                "spec.resourceClaims[1]: Invalid value: {\"name\":\"b\"}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
                "spec.containers[0].resources.claims[1]: Duplicate value: \"a\"",
                "spec.containers[0].resources.claims[2]: Not found: \"x\": must be one of the names in pod.spec.resourceClaims: a, b",
            ],
        ),
        (
            pod(&json!({ "overhead": { "cpu": "-1" } })),
            &["spec.overhead.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"],
        ),
        (
            pod(&json!({ "resources": { "limits": { "example.com/gpu": "1" } } })),
            &[
                "spec.resources.limits[example.com/gpu]: Unsupported value: \"example.com/gpu\": supported values: \"cpu\", \"hugepages-\", \"memory\"",
            ],
        ),
        (
            pod(&json!({ "resources": { "requests": { "cpu": "1" } }, "containers": [
                { "name": "c", "image": "i", "resources": { "requests": { "cpu": "2" } } }] })),
            &["spec.resources.requests[cpu]: Invalid value: \"1\": must be greater than or equal to aggregate container requests of 2"],
        ),
        (
            pod(&json!({ "resources": { "limits": { "cpu": "1" }, "requests": { "cpu": "1" } }, "containers": [
                { "name": "c", "image": "i", "resources": { "limits": { "cpu": "2" }, "requests": { "cpu": "1" } } }] })),
            &["spec.resources.containers[0][cpu].limits: Invalid value: \"2\": must be less than or equal to pod limits of 1"],
        ),
    ];
    f.check_creates(PODS, &cases).await;
}

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

#[tokio::test]
async fn security() {
    let f = Fixture::new().await;
    let ctx = |context: Value| container(&json!({ "securityContext": context }));
    let pod_ctx = |context: Value| pod(&json!({ "securityContext": context }));
    let cases: Cases = vec![
        (
            ctx(json!({ "privileged": true, "allowPrivilegeEscalation": false })),
            &[
                "spec.containers[0].securityContext: Invalid value: {\"allowPrivilegeEscalation\":false,\"privileged\":true}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            ],
        ),
        (
            ctx(json!({ "allowPrivilegeEscalation": false, "capabilities": { "add": ["CAP_SYS_ADMIN"] } })),
            &["spec.containers[0].securityContext: Invalid value: {…"],
        ),
        (
            ctx(json!({ "runAsUser": -1, "runAsGroup": 4294967296i64 })),
            &[
                "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                "spec.containers[0].securityContext.runAsGroup: Invalid value: 4294967296: must be between 0 and 2147483647, inclusive",
            ],
        ),
        (
            ctx(json!({ "procMount": "Unmasked" })),
            &["spec.containers[0].securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use `Unmasked`"],
        ),
        (
            ctx(json!({ "procMount": "x" })),
            &["spec.containers[0].securityContext.procMount: Unsupported value: \"x\": supported values: \"Default\", \"Unmasked\""],
        ),
        (
            ctx(json!({ "seccompProfile": {} })),
            &["spec.containers[0].securityContext.seccompProfile.type: Required value: type is required when seccompProfile is set"],
        ),
        (
            ctx(json!({ "seccompProfile": { "type": "Localhost" } })),
            &[
                "spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
            ],
        ),
        (
            ctx(json!({ "seccompProfile": { "type": "Unconfined", "localhostProfile": "x" } })),
            &[
                "spec.containers[0].securityContext.seccompProfile.localhostProfile: Invalid value: {\"localhostProfile\":\"x\",\"type\":\"Unconfined\"}: can only be set when seccomp type is Localhost",
            ],
        ),
        (
            ctx(json!({ "appArmorProfile": { "type": "Localhost", "localhostProfile": " x" } })),
            &[
                "spec.containers[0].securityContext.appArmorProfile.localhostProfile: Invalid value: \" x\": must not be padded with whitespace",
            ],
        ),
        (
            ctx(json!({ "appArmorProfile": { "type": "None" } })),
            &[
                "spec.containers[0].securityContext.appArmorProfile.type: Unsupported value: \"None\": supported values: \"Localhost\", \"RuntimeDefault\", \"Unconfined\"",
            ],
        ),
        (
            pod_ctx(
                json!({ "fsGroup": -1, "supplementalGroups": [1, -2], "fsGroupChangePolicy": "x", "supplementalGroupsPolicy": "y", "seLinuxChangePolicy": "z" }),
            ),
            &[
                "spec.securityContext.fsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                "spec.securityContext.supplementalGroups[1]: Invalid value: -2: must be between 0 and 2147483647, inclusive",
                "spec.securityContext.fsGroupChangePolicy: Unsupported value: \"x\": supported values: \"Always\", \"OnRootMismatch\"",
                "spec.securityContext.supplementalGroupsPolicy: Unsupported value: \"y\": supported values: \"Merge\", \"Strict\"",
                "spec.securityContext.seLinuxChangePolicy: Unsupported value: \"z\": supported values: \"MountOption\", \"Recursive\"",
            ],
        ),
        (
            pod_ctx(
                json!({ "sysctls": [{ "name": "", "value": "" }, { "name": "A", "value": "" }, { "name": "a.b", "value": "" }, { "name": "a.b", "value": "" }] }),
            ),
            &[
                "spec.securityContext.sysctls[0].name: Required value",
                "spec.securityContext.sysctls[1].name: Invalid value: \"A\": must have at most 253 characters and match regex…",
                "spec.securityContext.sysctls[3].name: Duplicate value: \"a.b\"",
            ],
        ),
        (
            pod(&json!({ "hostNetwork": true, "securityContext": { "sysctls": [{ "name": "net.core.somaxconn", "value": "1" }] } })),
            &[
                "spec.securityContext.sysctls[0].name: Invalid value: \"net.core.somaxconn\": may not be specified when 'hostNetwork' is true",
            ],
        ),
        (
            pod(&json!({ "hostPID": true, "shareProcessNamespace": true })),
            &["spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled"],
        ),
        (pod(&json!({ "hostUsers": false, "hostPID": true })), &["spec.HostPID: Forbidden: when `pod.Spec.HostUsers` is false"]),
        (
            pod_ctx(json!({ "windowsOptions": { "runAsUserName": "a\\b\\c", "gmsaCredentialSpec": "" } })),
            &[
                "spec.securityContext.windowsOptions.gmsaCredentialSpec: Invalid value: \"\": gmsaCredentialSpec cannot be an empty string",
                "spec.securityContext.windowsOptions.runAsUserName: Invalid value: \"a\\\\b\\\\c\": runAsUserName cannot contain more than one backslash",
            ],
        ),
        (
            pod_ctx(json!({ "windowsOptions": { "hostProcess": true } })),
            &["spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers"],
        ),
        (pod(&json!({ "os": { "name": "" } })), &["spec.os.name: Required value: cannot be empty"]),
        (pod(&json!({ "os": { "name": "dos" } })), &["spec.os: Unsupported value: \"dos\": supported values: \"linux\", \"windows\""]),
        (
            pod(&json!({ "os": { "name": "linux" }, "securityContext": { "windowsOptions": {} } })),
            &["spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"],
        ),
        (
            pod(&json!({ "os": { "name": "windows" }, "hostPID": true, "securityContext": { "runAsUser": 1 }, "containers": [
                { "name": "c", "image": "i", "securityContext": { "privileged": false } }] })),
            &[
                "spec.hostPID: Forbidden: cannot be set for a windows pod",
                "spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod",
                "spec.containers[0].securityContext.privileged: Forbidden: cannot be set for a windows pod",
            ],
        ),
    ];
    f.check_creates(PODS, &cases).await;
}

#[tokio::test]
async fn scheduling() {
    let f = Fixture::new().await;
    let node = |term: Value| {
        pod(
            &json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [term] } } } }),
        )
    };
    let near = |term: Value| pod(&json!({ "affinity": { "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } } }));
    let tolerates = |toleration: Value| pod(&json!({ "tolerations": [toleration] }));
    let spreads = |constraint: Value| {
        let base = json!({ "maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {} });
        pod(&json!({ "topologySpreadConstraints": [with(&base, &constraint)] }))
    };
    const NODE: &str = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    const NEAR: &str = "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]";
    let told = |lines: &[String]| -> &'static [&'static str] {
        let lines: Vec<&'static str> = lines.iter().map(|l| &*l.clone().leak()).collect();
        lines.leak()
    };
    let one = |place: &str, rest: &str| told(&[format!("{place}{rest}")]);
    let cases: Cases = vec![
        (
            pod(
                &json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [] } } } }),
            ),
            one(NODE, ": Required value: must have at least one node selector term"),
        ),
        (
            node(json!({ "matchExpressions": [{ "key": "k", "operator": "In" }] })),
            one(NODE, "[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"),
        ),
        (
            node(json!({ "matchExpressions": [{ "key": "k", "operator": "Exists", "values": ["x"] }] })),
            one(NODE, "[0].matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
        ),
        (
            node(json!({ "matchExpressions": [{ "key": "k", "operator": "Gt", "values": ["1", "2"] }] })),
            one(NODE, "[0].matchExpressions[0].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'"),
        ),
        (
            node(json!({ "matchExpressions": [{ "key": "k", "operator": "Near" }] })),
            one(NODE, "[0].matchExpressions[0].operator: Invalid value: \"Near\": not a valid selector operator"),
        ),
        (
            node(json!({ "matchExpressions": [{ "key": "k", "operator": "In", "values": ["-"] }] })),
            one(NODE, "[0].matchExpressions[0].values[0]: Invalid value: \"-\": a valid label must…"),
        ),
        (
            node(json!({ "matchFields": [{ "key": "spec.x", "operator": "In", "values": ["a"] }] })),
            one(NODE, "[0].matchFields[0].key: Invalid value: \"spec.x\": not a valid field selector key"),
        ),
        (
            node(json!({ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": ["a", "b"] }] })),
            one(
                NODE,
                "[0].matchFields[0].values: Required value: must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
            ),
        ),
        (
            pod(
                &json!({ "affinity": { "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 101, "preference": {} }] } } }),
            ),
            &[
                "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100",
            ],
        ),
        (
            near(json!({})),
            told(&[
                format!("{NEAR}.topologyKey: Required value: can not be empty"),
                format!("{NEAR}.topologyKey: Invalid value: \"\": name part must be non-empty"),
                format!("{NEAR}.topologyKey: Invalid value: \"\": name part must consist of…"),
            ]),
        ),
        (
            near(json!({ "topologyKey": "k", "namespaces": ["A"] })),
            one(NEAR, ".namespace: Invalid value: \"A\": a lowercase RFC 1123 label must…"),
        ),
        (
            near(json!({ "topologyKey": "k", "matchLabelKeys": ["a"] })),
            one(NEAR, ".matchLabelKeys: Forbidden: must not be specified when labelSelector is not set"),
        ),
        (
            near(json!({ "topologyKey": "k", "labelSelector": {}, "matchLabelKeys": ["a"], "mismatchLabelKeys": ["a"] })),
            one(NEAR, ".matchLabelKeys[0]: Invalid value: \"a\": exists in both matchLabelKeys and mismatchLabelKeys"),
        ),
        (
            near(json!({ "topologyKey": "k", "labelSelector": { "matchExpressions": [{ "key": "a", "operator": "x" }] } })),
            one(NEAR, ".labelSelector.matchExpressions[0].operator: Invalid value: \"x\": not a valid selector operator"),
        ),
        (
            pod(
                &json!({ "affinity": { "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 0, "podAffinityTerm": { "topologyKey": "k" } }] } } }),
            ),
            &[
                "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100",
            ],
        ),
        (
            tolerates(json!({ "operator": "Equal" })),
            &[
                "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            ],
        ),
        (
            tolerates(json!({ "key": "k", "operator": "Exists", "value": "v" })),
            &["spec.tolerations[0].operator: Invalid value: \"v\": value must be empty when `operator` is 'Exists'"],
        ),
        (
            tolerates(json!({ "key": "k", "operator": "Like" })),
            &["spec.tolerations[0].operator: Unsupported value: \"Like\": supported values: \"Equal\", \"Exists\", \"Lt\", \"Gt\""],
        ),
        (
            tolerates(json!({ "key": "k", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 1 })),
            &["spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` is set"],
        ),
        (
            tolerates(json!({ "key": "k", "operator": "Exists", "effect": "No" })),
            &[
                "spec.tolerations[0].effect: Unsupported value: \"No\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"",
            ],
        ),
        (spreads(json!({ "maxSkew": 0 })), &["spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"]),
        (spreads(json!({ "topologyKey": "" })), &["spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty"]),
        (
            spreads(json!({ "whenUnsatisfiable": "Cry" })),
            &[
                "spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: \"Cry\": supported values: \"DoNotSchedule\", \"ScheduleAnyway\"",
            ],
        ),
        (
            spreads(json!({ "minDomains": 0, "whenUnsatisfiable": "ScheduleAnyway" })),
            &[
                "spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than zero",
                "spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
            ],
        ),
        (
            spreads(json!({ "nodeTaintsPolicy": "x" })),
            &["spec.topologySpreadConstraints[0].nodeTaintsPolicy: Unsupported value: \"x\": supported values: \"Honor\", \"Ignore\""],
        ),
        (
            spreads(json!({ "labelSelector": { "matchLabels": { "a": "b" } }, "matchLabelKeys": ["a"] })),
            &["spec.topologySpreadConstraints[0].matchLabelKeys[0]: Invalid value: \"a\": exists in both matchLabelKeys and labelSelector"],
        ),
        (
            pod(&json!({ "topologySpreadConstraints": [
                { "maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule" },
                { "maxSkew": 2, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule" }] })),
            &["spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: \"{k, DoNotSchedule}\""],
        ),
        (pod(&json!({ "schedulingGates": [{ "name": "a" }, { "name": "a" }] })), &["spec.schedulingGates[1]: Duplicate value: \"a\""]),
        (
            pod(&json!({ "schedulingGates": [{ "name": "a" }], "nodeName": "n" })),
            &["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
        ),
        (
            pod(&json!({ "readinessGates": [{ "conditionType": "-" }] })),
            &["spec.readinessGates[0].conditionType: Invalid value: \"-\": name part must consist of…"],
        ),
        (pod(&json!({ "nodeSelector": { "a b": "c" } })), &["spec.nodeSelector: Invalid value: \"a b\": name part must consist of…"]),
        (pod(&json!({ "nodeName": "A" })), &["spec.nodeName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must…"]),
        (pod(&json!({ "priorityClassName": "A b" })), &["403 pods \"p\" is forbidden: no PriorityClass with name A b was found"]),
        (
            pod(&json!({ "preemptionPolicy": "x" })),
            &[
                "403 pods \"p\" is forbidden: the string value of PreemptionPolicy (x) must not be provided in pod spec; priority admission controller computed PreemptLowerPriority from the given PriorityClass name",
            ],
        ),
        (
            pod(&json!({ "activeDeadlineSeconds": 0 })),
            &["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
        ),
    ];
    f.check_creates(PODS, &cases).await;
}

#[tokio::test]
async fn names_and_network() {
    let f = Fixture::new().await;
    let noted = |key: &str, value: &str, spec: Value| with(&pod(&spec), &json!({ "metadata": { "annotations": { key: value } } }));
    let cases: Cases = vec![
        (
            pod(&json!({ "restartPolicy": "x" })),
            &["spec.restartPolicy: Unsupported value: \"x\": supported values: \"Always\", \"OnFailure\", \"Never\""],
        ),
        (
            pod(&json!({ "dnsPolicy": "x" })),
            &[
                "spec.dnsPolicy: Unsupported value: \"x\": supported values: \"ClusterFirstWithHostNet\", \"ClusterFirst\", \"Default\", \"None\"",
            ],
        ),
        (pod(&json!({ "dnsPolicy": "None" })), &["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"]),
        (
            pod(&json!({ "dnsPolicy": "None", "dnsConfig": {} })),
            &["spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None"],
        ),
        (
            pod(
                &json!({ "dnsConfig": { "nameservers": ["1.1.1.1", "x", "010.1.1.1", "1.1.1.2"], "searches": [".", "a_b.c.", "-"], "options": [{}] } }),
            ),
            &[
                "spec.dnsConfig.nameservers: Invalid value: [\"1.1.1.1\",\"x\",\"010.1.1.1\",\"1.1.1.2\"]: must not have more than 3 nameservers",
                "spec.dnsConfig.nameservers[1]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
                "spec.dnsConfig.nameservers[2]: Invalid value: \"010.1.1.1\": must not have leading 0s",
                "spec.dnsConfig.searches[2]: Invalid value: \"-\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.'…",
                "spec.dnsConfig.options[0]: Required value: must not be empty",
            ],
        ),
        (
            pod(&json!({ "hostAliases": [{ "ip": "::ffff:1.2.3.4", "hostnames": ["A"] }] })),
            &[
                "spec.hostAliases[0].ip: Invalid value: \"::ffff:1.2.3.4\": must not be an IPv4-mapped IPv6 address",
                "spec.hostAliases[0].hostnames[0]: Invalid value: \"A\": a lowercase RFC 1123 subdomain must…",
            ],
        ),
        (pod(&json!({ "hostname": "a.b" })), &["spec.hostname: Invalid value: \"a.b\": must not contain dots"]),
        (pod(&json!({ "subdomain": "A" })), &["spec.subdomain: Invalid value: \"A\": a lowercase RFC 1123 label must…"]),
        (pod(&json!({ "hostnameOverride": "a".repeat(65) })), &["spec.hostnameOverride: Too long: may not be more than 64 bytes"]),
        (pod(&json!({ "runtimeClassName": "A" })), &["403 pods \"p\" is forbidden: pod rejected: RuntimeClass \"A\" not found"]),
        (
            pod(&json!({ "serviceAccountName": "A" })),
            &["spec.serviceAccountName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must…"],
        ),
        (
            noted("controller.kubernetes.io/pod-deletion-cost", "+1", json!({})),
            &["metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: \"+1\": must be a 32bit integer"],
        ),
        (
            noted("kubernetes.io/config.mirror", "x", json!({})),
            &[
                "metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"x\": must set spec.nodeName if mirror pod annotation is set",
            ],
        ),
        (
            noted("seccomp.security.alpha.kubernetes.io/pod", "x", json!({})),
            &["metadata.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: \"x\": must be a valid seccomp profile"],
        ),
        (
            noted("container.apparmor.security.beta.kubernetes.io/x", "runtime/default", json!({})),
            &["metadata.annotations[container.apparmor.security.beta.kubernetes.io/x]: Invalid value: \"x\": container not found"],
        ),
        (
            noted("container.apparmor.security.beta.kubernetes.io/c", "x", json!({})),
            &[
                "metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: Invalid value: \"x\": invalid AppArmor profile name: \"x\"",
            ],
        ),
        (
            noted(
                "container.apparmor.security.beta.kubernetes.io/c",
                "unconfined",
                json!({ "securityContext": { "appArmorProfile": { "type": "RuntimeDefault" } } }),
            ),
            &["spec.containers[0].securityContext.appArmorProfile.type: Forbidden: apparmor type in annotation and field must match"],
        ),
        (
            noted(
                "seccomp.security.alpha.kubernetes.io/pod",
                "unconfined",
                json!({ "securityContext": { "seccompProfile": { "type": "RuntimeDefault" } } }),
            ),
            &["spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match"],
        ),
        (
            noted("scheduler.alpha.kubernetes.io/tolerations", "[{\"operator\":\"Exists\",\"effect\":\"x\"}]", json!({})),
            &[
                "metadata.annotations.scheduler.alpha.kubernetes.io/tolerations[0].effect: Unsupported value: \"x\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"",
            ],
        ),
    ];
    f.check_creates(PODS, &cases).await;
}
