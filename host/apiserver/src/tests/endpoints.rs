//! Endpoints, EndpointSlices, events, nodes, namespaces, secrets and runtime classes: what is refused.

use super::Fixture;
use super::causes::with;
use object::{Value, json};

const SPECIAL: &str = "may not be in the loopback range (127.0.0.0/8, ::1/128)";
const ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

fn named(patch: Value) -> Value {
    with(&json!({ "metadata": { "name": "n" } }), &patch)
}

#[tokio::test]
async fn endpoints() {
    let f = Fixture::new().await;
    let subset = |patch: Value| {
        named(json!({ "subsets": [with(&json!({ "addresses": [{ "ip": "8.8.8.8" }], "ports": [{ "port": 1 }] }), &patch)] }))
    };
    let address = |patch: Value| subset(json!({ "addresses": [with(&json!({ "ip": "8.8.8.8" }), &patch)] }));
    f.check_creates(
        "/api/v1/namespaces/default/endpoints",
        &[
            (subset(json!({})), &[]),
            (subset(json!({ "addresses": null })), &["subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"]),
            (address(json!({ "ip": "127.0.0.1" })), &[&format!("subsets[0].addresses[0].ip: Invalid value: \"127.0.0.1\": {SPECIAL}")]),
            (
                address(json!({ "ip": "x" })),
                &[
                    &format!("subsets[0].addresses[0].ip: Invalid value: \"x\": {ADDRESS}"),
                    "subsets[0].addresses[0].ip: Invalid value: \"x\": must be a valid IP address",
                ],
            ),
            (
                address(json!({ "hostname": "A", "nodeName": "B" })),
                &["subsets[0].addresses[0].hostname: Invalid value: \"A\": …", "subsets[0].addresses[0].nodeName: Invalid value: \"B\": …"],
            ),
            (
                subset(json!({ "ports": [{ "port": 0, "protocol": "Foo", "appProtocol": "a b" }, { "name": "A", "port": 1 }] })),
                &[
                    "subsets[0].ports[0].name: Required value",
                    "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
                    "subsets[0].ports[0].protocol: Unsupported value: \"Foo\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
                    "subsets[0].ports[0].appProtocol: Invalid value: \"a b\": …",
                    "subsets[0].ports[1].name: Invalid value: \"A\": …",
                ],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn slices() {
    let f = Fixture::new().await;
    let path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    let slice = |ty: &str, endpoint: Value| named(json!({ "addressType": ty, "endpoints": [endpoint] }));
    let address = |ty: &str, address: &str| slice(ty, json!({ "addresses": [address] }));
    let at = "endpoints[0].addresses[0]";
    let hint = |list: &str, names: &[&str]| {
        let names: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
        slice("IPv4", json!({ "addresses": ["8.8.8.8"], "hints": { list: names } }))
    };
    f.check_creates(
        path,
        &[
            (address("IPv4", "8.8.8.8"), &[]),
            (address("Foo", "8.8.8.8"), &["addressType: Unsupported value: \"Foo\": supported values: \"FQDN\", \"IPv4\", \"IPv6\""]),
            (address("IPv6", "8.8.8.8"), &[&format!("{at}: Invalid value: \"8.8.8.8\": must be an IPv6 address")]),
            (address("IPv4", "x"), &[&format!("{at}: Invalid value: \"x\": {ADDRESS}")]),
            (address("IPv4", "127.0.0.1"), &[&format!("{at}: Invalid value: \"127.0.0.1\": {SPECIAL}")]),
            (address("FQDN", "a.example.com"), &[]),
            (address("FQDN", "a"), &[&format!("{at}: Invalid value: \"a\": should be a domain with at least two segments separated by dots")]),
            (slice("IPv4", json!({ "addresses": [] })), &["endpoints[0].addresses: Required value: must contain at least 1 address"]),
            (
                slice("IPv4", json!({ "addresses": ["8.8.8.8"], "hostname": "A", "nodeName": "B" })),
                &["endpoints[0].nodeName: Invalid value: \"B\": …", "endpoints[0].hostname: Invalid value: \"A\": …"],
            ),
            (hint("forZones", &["a", "a"]), &["endpoints[0].hints.forZones[1].name: Duplicate value: \"a\""]),
            (hint("forNodes", &["A"]), &["endpoints[0].hints.forNodes[0].name: Invalid value: \"A\": …"]),
            (hint("forZones", &["1", "2", "3", "4", "5", "6", "7", "8", "9"]), &["endpoints[0].hints.forZones: Too many: 9: must have at most 8 items"]),
            (
                named(json!({ "addressType": "IPv4", "endpoints": [], "ports": [{ "name": "A" }, { "name": "b", "port": 1 }, { "name": "b", "port": 2, "appProtocol": "a b" }] })),
                &["ports[0].name: Invalid value: \"A\": …", "ports[2].name: Duplicate value: \"b\"", "ports[2].appProtocol: Invalid value: \"a b\": …"],
            ),
        ],
    )
    .await;
    let generation = |v: &Value| v["metadata"]["generation"].clone();
    assert_eq!(generation(&f.post(path, &address("IPv4", "8.8.8.8")).await.expect(201)), 1);
    let one = format!("{path}/n");
    f.check_patches(
        &one,
        &[(json!({ "addressType": "IPv6", "endpoints": [] }), &["addressType: Invalid value: \"IPv6\": field is immutable"])],
    )
    .await;
    // Labels count: they say which Service it is of.
    assert_eq!(generation(&f.patch(&one, "merge", &json!({ "metadata": { "labels": { "a": "b" } } })).await.expect(200)), 2);
    assert_eq!(generation(&f.patch(&one, "merge", &json!({ "metadata": { "annotations": { "a": "b" } } })).await.expect(200)), 2);
    assert_eq!(generation(&f.patch(&one, "merge", &json!({ "endpoints": [] })).await.expect(200)), 3);
}

#[tokio::test]
async fn events() {
    let f = Fixture::new().await;
    let (core, new) = ("/api/v1/namespaces/default/events", "/apis/events.k8s.io/v1/namespaces/default/events");
    let about = |namespace: &str| json!({ "kind": "Pod", "namespace": namespace, "name": "p" });
    let event = |patch: Value| {
        named(with(
            &json!({ "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "c", "reportingInstance": "i", "action": "a", "reason": "r", "type": "Normal", "regarding": about("default") }),
            &patch,
        ))
    };
    f.check_creates(
        core,
        &[
            (named(json!({ "involvedObject": about("default") })), &[]),
            (
                named(json!({ "involvedObject": about("other") })),
                &["involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"],
            ),
            (
                named(json!({ "involvedObject": about("default"), "eventTime": "2026-01-01T00:00:00.000000Z" })),
                &[
                    "reportingController: Required value",
                    "reportingController: Invalid value: \"\": name part must be non-empty",
                    "reportingController: Invalid value: \"\": name part must consist of…",
                    "reportingInstance: Required value",
                    "action: Required value",
                    "reason: Required value",
                ],
            ),
        ],
    )
    .await;
    f.check_creates(
        new,
        &[
            (event(json!({})), &[]),
            (event(json!({ "type": "Foo" })), &["type: Invalid value: \"\": has invalid value: Foo"]),
            (event(json!({ "eventTime": null })), &["eventTime: Required value"]),
            (event(json!({ "note": "x".repeat(1025) })), &["message: Invalid value: \"\": can have at most 1024 characters"]),
            (event(json!({ "series": { "count": 1, "lastObservedTime": "2026-01-01T00:00:00.000000Z" } })), &["series.count: Invalid value: \"\": should be at least 2"]),
            (
                event(json!({ "deprecatedCount": 2, "deprecatedSource": { "component": "c" }, "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z" })),
                &["firstTimestamp: Invalid value: \"\": needs to be unset", "count: Invalid value: \"\": needs to be unset", "source: Invalid value: \"\": needs to be unset"],
            ),
        ],
    )
    .await;
    f.post(new, &event(json!({}))).await.expect(201);
    f.check_patches(
        &format!("{new}/n"),
        &[
            (json!({ "note": "other" }), &["message: Invalid value: \"other\": field is immutable"]),
            (json!({ "series": { "count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z" } }), &[]),
        ],
    )
    .await;
    // The older API lets more change.
    f.check_patches(&format!("{core}/n"), &[(json!({ "message": "other" }), &[])]).await;
}

#[tokio::test]
async fn nodes_and_namespaces() {
    let f = Fixture::new().await;
    let node = |patch: Value| named(json!({ "spec": patch }));
    f.check_creates(
        "/api/v1/nodes",
        &[
            (node(json!({ "podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24", "2001:db8::/64"] })), &[]),
            (
                node(json!({ "podCIDRs": ["10.0.0.0/24", "x"] })),
                &[
                    "spec.podCIDRs[1]: Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
                    "spec.podCIDRs: Invalid value: [\"10.0.0.0/24\",\"x\"]: may specify no more than one CIDR for each IP family",
                ],
            ),
            (node(json!({ "taints": [{ "key": "a", "effect": "Foo" }] })), &["spec.taints[0].effect: Unsupported value: \"Foo\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\""]),
            (
                named(json!({ "status": { "capacity": { "pods": "1500m", "foo": "1" } } })),
                &["status.capacity[foo]: Invalid value: \"foo\": must be a standard resource type or fully qualified", "status.capacity[pods]: Invalid value: \"1500m\": must be an integer", "status.allocatable[foo]: Invalid value: …", "status.allocatable[pods]: Invalid value: …"],
            ),
        ],
    )
    .await;
    f.post("/api/v1/nodes", &node(json!({ "providerID": "p", "podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"] }))).await.expect(201);
    f.check_patches(
        "/api/v1/nodes/n",
        &[
            (
                json!({ "spec": { "providerID": "q" } }),
                &["spec.providerID: Forbidden: node updates may not change providerID except from \"\" to valid"],
            ),
            (
                json!({ "spec": { "podCIDRs": ["10.0.1.0/24"], "podCIDR": "10.0.1.0/24" } }),
                &["spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid"],
            ),
            (json!({ "spec": { "unschedulable": true } }), &[]),
        ],
    )
    .await;
    let namespace = |finalizer: &str| named(json!({ "spec": { "finalizers": [finalizer] } }));
    f.check_creates(
        "/api/v1/namespaces",
        &[
            (namespace("example.com/f"), &[]),
            (
                namespace("foo"),
                &["spec.finalizers: Invalid value: \"foo\": name is neither a standard finalizer name nor is it fully qualified"],
            ),
        ],
    )
    .await;
    f.check_patches(
        "/api/v1/namespaces/default/status",
        &[(
            json!({ "status": { "phase": "Terminating" } }),
            &["status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"],
        )],
    )
    .await;
}

#[tokio::test]
async fn runtime_classes_and_secrets() {
    let f = Fixture::new().await;
    let class = |patch: Value| named(with(&json!({ "handler": "h" }), &patch));
    let toleration = json!({ "key": "a", "operator": "Exists" });
    f.check_creates(
        "/apis/node.k8s.io/v1/runtimeclasses",
        &[
            (class(json!({ "overhead": { "podFixed": { "cpu": "10m" } }, "scheduling": { "nodeSelector": { "a": "b" }, "tolerations": [toleration] } })), &[]),
            (class(json!({ "handler": "A" })), &["handler: Invalid value: \"A\": …"]),
            (class(json!({ "scheduling": { "tolerations": [toleration, toleration] } })), &["scheduling.tolerations[1]: Duplicate value: {\"key\":\"a\",\"operator\":\"Exists\"}"]),
            (class(json!({ "scheduling": { "nodeSelector": { "a b": "c" } } })), &["scheduling.nodeSelector: Invalid value: \"a b\": …"]),
            (class(json!({ "overhead": { "podFixed": { "cpu": "-1" } } })), &["overhead.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"]),
        ],
    )
    .await;
    let secret = |ty: &str, data: Value| named(json!({ "type": ty, "data": data }));
    f.check_creates(
        "/api/v1/namespaces/default/secrets",
        &[
            (secret("kubernetes.io/basic-auth", json!({ "username": "" })), &[]),
            (secret("kubernetes.io/basic-auth", json!({})), &["data[username]: Required value", "data[password]: Required value"]),
            (secret("kubernetes.io/ssh-auth", json!({})), &["data[ssh-privatekey]: Required value"]),
            (
                secret("kubernetes.io/dockerconfigjson", json!({ ".dockerconfigjson": "eA==" })),
                &["data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": …"],
            ),
            (
                secret("kubernetes.io/service-account-token", json!({})),
                &["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
            ),
        ],
    )
    .await;
}
