//! Group networking.k8s.io: what is refused, and what an update may not change.

use super::Fixture;
use super::causes::with;
use object::{Value, json};

const ROOT: &str = "/apis/networking.k8s.io/v1";

fn object(spec: Value) -> Value {
    json!({ "metadata": { "name": "n" }, "spec": spec })
}

fn backend() -> Value {
    json!({ "service": { "name": "s", "port": { "number": 80 } } })
}

fn rule(path: Value) -> Value {
    let base = json!({ "path": "/", "pathType": "Prefix", "backend": backend() });
    object(json!({ "rules": [{ "http": { "paths": [with(&base, &path)] } }] }))
}

#[tokio::test]
async fn ingresses() {
    let f = Fixture::new().await;
    let path = format!("{ROOT}/namespaces/default/ingresses");
    let at = "spec.rules[0].http.paths[0]";
    let host = |host: &str| object(json!({ "rules": [{ "host": host }] }));
    let annotated = |class: &str| {
        with(
            &with(&rule(json!({})), &json!({ "spec": { "ingressClassName": class } })),
            &json!({ "metadata": { "annotations": { "kubernetes.io/ingress.class": "a" } } }),
        )
    };
    f.check_creates(
        &path,
        &[
            (rule(json!({})), &[]),
            (object(json!({})), &["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"]),
            (object(json!({ "defaultBackend": backend() })), &[]),
            (object(json!({ "defaultBackend": {} })), &["spec.defaultBackend: Invalid value: \"\": resource or service backend is required"]),
            (
                object(json!({ "defaultBackend": { "service": { "name": "", "port": {} } } })),
                &["spec.defaultBackend.service.name: Required value", "spec.defaultBackend: Required value: port name or number is required"],
            ),
            (
                object(json!({ "defaultBackend": { "service": { "name": "1a", "port": { "name": "a", "number": 1 } } } })),
                &["spec.defaultBackend.service.name: Invalid value: \"1a\": a DNS-1035 label must consist of…", "spec.defaultBackend: Invalid value: \"\": cannot set both port name & port number"],
            ),
            (
                object(json!({ "defaultBackend": { "service": { "name": "s", "port": { "number": 70000 } }, "resource": { "kind": "K", "name": "n" } } })),
                &["spec.defaultBackend: Invalid value: \"\": cannot set both resource and service backends"],
            ),
            (
                object(json!({ "defaultBackend": { "resource": { "apiGroup": "A", "kind": "", "name": "a/b" } } })),
                &[
                    "spec.defaultBackend.resource.apiGroup: Invalid value: \"A\": …",
                    "spec.defaultBackend.resource.kind: Required value: kind is required",
                    "spec.defaultBackend.resource.name: Invalid value: \"a/b\": may not contain '/'",
                ],
            ),
            (host("a.example.com"), &[]),
            (host("*.example.com"), &[]),
            (host("*"), &["spec.rules[0].host: Invalid value: \"*\": a wildcard DNS-1123 subdomain must start with…"]),
            (host("1.2.3.4"), &["spec.rules[0].host: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address"]),
            (object(json!({ "rules": [{ "http": { "paths": [] } }] })), &["spec.rules[0].http.paths: Required value"]),
            (rule(json!({ "pathType": null })), &[&format!("{at}.pathType: Required value: pathType must be specified")]),
            (
                rule(json!({ "pathType": "Foo" })),
                &[&format!("{at}.pathType: Unsupported value: \"Foo\": supported values: \"Exact\", \"ImplementationSpecific\", \"Prefix\"")],
            ),
            (rule(json!({ "path": "a" })), &[&format!("{at}.path: Invalid value: \"a\": must be an absolute path")]),
            (rule(json!({ "path": "" , "pathType": "ImplementationSpecific" })), &[]),
            (
                rule(json!({ "path": "/a//b/.." })),
                &[&format!("{at}.path: Invalid value: \"/a//b/..\": must not contain '//'"), &format!("{at}.path: Invalid value: \"/a//b/..\": cannot end with '/..'")],
            ),
            (
                with(&rule(json!({})), &json!({ "spec": { "tls": [{ "hosts": ["A", "*.b"], "secretName": "B" }], "ingressClassName": "C" } })),
                &["spec.tls[0].hosts[0]: Invalid value: \"A\": …", "spec.tls[0].secretName: Invalid value: \"B\": …", "spec.ingressClassName: Invalid value: \"C\": …"],
            ),
            (annotated("a"), &[]),
            (annotated("b"), &["annotations.kubernetes.io/ingress.class: Invalid value: \"a\": must match `ingressClassName` when both are specified"]),
        ],
    )
    .await;
    let made = f.post(&path, &rule(json!({}))).await.expect(201);
    assert_eq!(made["metadata"]["generation"], 1);
    let status = |point: Value| json!({ "status": { "loadBalancer": { "ingress": [point] } } });
    f.check_patches(
        &format!("{path}/n/status"),
        &[
            (status(json!({ "ip": "1.2.3.4" })), &[]),
            (
                status(json!({ "ip": "a" })),
                &["status.loadBalancer.ingress[0].ip: Invalid value: \"a\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"],
            ),
        ],
    )
    .await;

    let path = format!("{ROOT}/ingressclasses");
    let parameters = |p: Value| object(json!({ "controller": "a.b/c", "parameters": with(&json!({ "kind": "K", "name": "n" }), &p) }));
    f.check_creates(
        &path,
        &[
            (object(json!({ "controller": "a.b/c" })), &[]),
            (object(json!({})), &["spec.controller: Required value"]),
            (
                object(json!({ "controller": "a" })),
                &["spec.controller: Invalid value: \"a\": must be a domain-prefixed path (such as \"acme.io/foo\")"],
            ),
            (
                object(json!({ "controller": format!("a/{}", "b".repeat(250)) })),
                &["spec.controller: Too long: may not be more than 250 bytes"],
            ),
            (parameters(json!({})), &[]),
            (
                parameters(json!({ "scope": "Foo" })),
                &["spec.parameters.scope: Unsupported value: \"Foo\": supported values: \"Cluster\", \"Namespace\""],
            ),
            (
                parameters(json!({ "scope": "Namespace" })),
                &["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
            ),
            (parameters(json!({ "namespace": "a" })), &["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"]),
        ],
    )
    .await;
    f.post(&path, &object(json!({ "controller": "a.b/c" }))).await.expect(201);
    f.check_patches(
        &format!("{path}/n"),
        &[(json!({ "spec": { "controller": "a.b/d" } }), &["spec.controller: Invalid value: \"a.b/d\": field is immutable"])],
    )
    .await;
}

#[tokio::test]
async fn policies() {
    let f = Fixture::new().await;
    let path = format!("{ROOT}/namespaces/default/networkpolicies");
    let port = |port: Value| object(json!({ "podSelector": {}, "ingress": [{ "ports": [port] }] }));
    let peer = |peer: Value| object(json!({ "podSelector": {}, "egress": [{ "to": [peer] }] }));
    let cidr = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    f.check_creates(
        &path,
        &[
            (object(json!({ "podSelector": {} })), &[]),
            (
                object(json!({ "podSelector": { "matchLabels": { "a b": "c" } } })),
                &["spec.podSelector.matchLabels: Invalid value: \"a b\": …"],
            ),
            (
                object(json!({ "podSelector": {}, "policyTypes": ["Foo"] })),
                &["spec.policyTypes[0]: Unsupported value: \"Foo\": supported values: \"Ingress\", \"Egress\""],
            ),
            (
                object(json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress", "Ingress"] })),
                &["spec.policyTypes: Invalid value: [\"Ingress\",\"Egress\",\"Ingress\"]: may not specify more than two policyTypes"],
            ),
            (
                port(json!({ "protocol": "Foo" })),
                &["spec.ingress[0].ports[0].protocol: Unsupported value: \"Foo\": supported values: \"TCP\", \"UDP\", \"SCTP\""],
            ),
            (
                port(json!({ "port": 70000 })),
                &["spec.ingress[0].ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive"],
            ),
            (port(json!({ "port": 80, "endPort": 90 })), &[]),
            (
                port(json!({ "port": 80, "endPort": 70 })),
                &["spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`"],
            ),
            (
                port(json!({ "port": "a", "endPort": 70 })),
                &["spec.ingress[0].ports[0].endPort: Invalid value: 70: may not be specified when `port` is non-numeric"],
            ),
            (
                port(json!({ "endPort": 70 })),
                &["spec.ingress[0].ports[0].endPort: Invalid value: 70: may not be specified when `port` is not specified"],
            ),
            (peer(json!({})), &["spec.egress[0].to[0]: Required value: must specify a peer"]),
            (peer(json!({ "podSelector": {}, "namespaceSelector": {} })), &[]),
            (
                peer(json!({ "podSelector": {}, "ipBlock": { "cidr": "10.0.0.0/8" } })),
                &["spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer"],
            ),
            (peer(json!({ "ipBlock": { "cidr": "" } })), &["spec.egress[0].to[0].ipBlock.cidr: Required value"]),
            (peer(json!({ "ipBlock": { "cidr": "x" } })), &[&format!("spec.egress[0].to[0].ipBlock.cidr: Invalid value: \"x\": {cidr}")]),
            (
                peer(json!({ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "11.0.0.0/16", "10.0.0.0/8", "y"] } })),
                &[
                    "spec.egress[0].to[0].ipBlock.except[1]: Invalid value: \"11.0.0.0/16\": must be a strict subset of `cidr`",
                    "spec.egress[0].to[0].ipBlock.except[2]: Invalid value: \"10.0.0.0/8\": must be a strict subset of `cidr`",
                    &format!("spec.egress[0].to[0].ipBlock.except[3]: Invalid value: \"y\": {cidr}"),
                ],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn addresses() {
    let f = Fixture::new().await;
    let path = format!("{ROOT}/servicecidrs");
    let cidrs = |list: Value| object(json!({ "cidrs": list }));
    f.check_creates(
        &path,
        &[
            (cidrs(json!(["10.1.0.0/16", "2001:db8::/64"])), &[]),
            (cidrs(json!([])), &["spec.cidrs: Required value: at least one CIDR required"]),
            (cidrs(json!(["10.1.0.0/16", "10.2.0.0/16"])), &["spec.cidrs: Invalid value: {\"cidrs\":[\"10.1.0.0/16\",\"10.2.0.0/16\"]}: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"]),
            (cidrs(json!(["a", "b", "c"])), &["spec.cidrs: Invalid value: {\"cidrs\":[\"a\",\"b\",\"c\"]}: may only hold up to 2 values"]),
            (cidrs(json!(["10.1.0.1/16"])), &["spec.cidrs[0]: Invalid value: \"10.1.0.1/16\": must not have bits set beyond the prefix length"]),
            (cidrs(json!(["2001:DB8::/64"])), &["spec.cidrs[0]: Invalid value: \"2001:DB8::/64\": must be in canonical form (\"2001:db8::/64\")"]),
        ],
    )
    .await;
    f.post(&path, &cidrs(json!(["10.1.0.0/16"]))).await.expect(201);
    f.check_patches(
        &format!("{path}/n"),
        &[(json!({ "spec": { "cidrs": ["10.2.0.0/16"] } }), &["spec.cidrs: Invalid value: [\"10.2.0.0/16\"]: field is immutable"])],
    )
    .await;

    let path = format!("{ROOT}/ipaddresses");
    let address = |name: &str, parent: Value| json!({ "metadata": { "name": name }, "spec": { "parentRef": parent } });
    let parent = json!({ "resource": "services", "namespace": "default", "name": "s" });
    f.check_creates(
        &path,
        &[
            (address("10.1.0.1", parent.clone()), &[]),
            (address("2001:db8::1", parent.clone()), &[]),
            (
                address("2001:db8:0::1", parent.clone()),
                &["metadata.name: Invalid value: \"2001:db8:0::1\": must be in canonical form (\"2001:db8::1\")"],
            ),
            (
                address("a", parent.clone()),
                &["metadata.name: Invalid value: \"a\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"],
            ),
            (address("10.1.0.1", Value::Null), &["spec.parentRef: Required value"]),
            (
                address("10.1.0.1", json!({ "group": "A", "name": "a/b" })),
                &[
                    "spec.parentRef.group: Invalid value: \"A\": …",
                    "spec.parentRef.resource: Required value",
                    "spec.parentRef.name: Invalid value: \"a/b\": may not contain '/'",
                ],
            ),
        ],
    )
    .await;
    f.post(&path, &address("10.1.0.1", parent)).await.expect(201);
    f.check_patches(
        &format!("{path}/10.1.0.1"),
        &[(json!({ "spec": { "parentRef": { "name": "t" } } }), &["spec.parentRef: Invalid value: {\"name\":\"t\",…"])],
    )
    .await;
}
