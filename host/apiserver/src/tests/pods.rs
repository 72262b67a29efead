//! Validation of pods: a table of `input → causes`.

mod scheduling;
mod volumes;

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
            init(json!({ "resizePolicy": [{ "resourceName": "disk", "restartPolicy": "NotRequired" }] })),
            &["spec.initContainers[0].resizePolicy: Unsupported value: \"disk\": supported values: \"cpu\", \"memory\""],
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
        (
            pod(&json!({ "resources": { "limits": { "cpu": "1", "hugepages-2Mi": "2Mi" } }, "containers": [
                { "name": "c", "image": "i", "resources": { "limits": { "memory": "1Gi", "hugepages-2Mi": "4Mi" } } }] })),
            &[
                "spec.resources.requests[hugepages-2Mi]: Invalid value: \"2Mi\": must be greater than or equal to aggregate container requests of 4Mi",
                "spec.resources.limits[hugepages-2Mi]: Invalid value: \"2Mi\": must be greater than or equal to aggregate container limits of 4Mi",
                "spec.resources.containers[0][hugepages-2Mi].limits: Invalid value: \"4Mi\": must be less than or equal to pod limits of 2Mi",
            ],
        ),
        (
            pod(&json!({ "resources": { "requests": { "cpu": "1" } }, "containers": [
                { "name": "c", "image": "i", "resources": { "requests": { "memory": "1Gi" } } }] })),
            &[],
        ),
        (
            pod(&json!({ "os": { "name": "windows" }, "resources": { "requests": { "cpu": "1" } } })),
            &["spec.resources: Forbidden: may not be set for a windows pod"],
        ),
    ];
    f.check_creates(PODS, &cases).await;
}
