//! Services: what is refused, what an update may change, and health check ports.

use super::Fixture;
use super::causes::{compare, told, with};
use object::{Value, json};

const SERVICES: &str = "/api/v1/namespaces/default/services";

fn service(spec: Value) -> Value {
    let base = json!({ "ports": [{ "port": 80 }] });
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s" }, "spec": with(&base, &spec) })
}

fn annotated(annotations: Value, spec: Value) -> Value {
    with(&service(spec), &json!({ "metadata": { "annotations": annotations } }))
}

#[tokio::test]
async fn ports_and_types() {
    let f = Fixture::new().await;
    let label = "a lowercase RFC 1123 label must consist of…";
    let ports = |ports: Value| service(json!({ "ports": ports }));
    f.check_creates(
        SERVICES,
        &[
            (service(json!({})), &[]),
            (service(json!({ "ports": null })), &["spec.ports: Required value"]),
            (service(json!({ "ports": null, "clusterIP": "None" })), &[]),
            (ports(json!([{ "port": 0 }])), &["spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive", "spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive"]),
            (ports(json!([{ "port": 1, "protocol": "ICMP" }])), &["spec.ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\""]),
            (ports(json!([{ "port": 1, "targetPort": "Ä" }])), &["spec.ports[0].targetPort: Invalid value: \"Ä\": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)", "spec.ports[0].targetPort: Invalid value: \"Ä\": must contain at least one letter (a-z)"]),
            (ports(json!([{ "port": 1, "name": "A" }])), &[&format!("spec.ports[0].name: Invalid value: \"A\": {label}")]),
            (ports(json!([{ "port": 1, "appProtocol": "a b" }])), &["spec.ports[0].appProtocol: Invalid value: \"a b\": name part must consist of…"]),
            (ports(json!([{ "port": 1 }, { "port": 2 }])), &["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"]),
            (
                ports(json!([{ "name": "a", "port": 1 }, { "name": "a", "port": 1 }])),
                &["spec.ports[1].name: Duplicate value: \"a\"", "spec.ports[1]: Duplicate value: {\"port\":1,\"protocol\":\"TCP\"}"],
            ),
            (ports(json!([{ "name": "a", "port": 1 }, { "name": "b", "port": 1, "protocol": "UDP" }])), &[]),
            (ports(json!([{ "port": 1, "nodePort": 30000 }])), &["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]),
            (service(json!({ "type": "Foo" })), &["spec.type: Unsupported value: \"Foo\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\""]),
            (service(json!({ "selector": { "a b": "c" } })), &["spec.selector: Invalid value: \"a b\": name part must consist of…"]),
            (service(json!({ "type": "NodePort", "clusterIP": "None" })), &["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"]),
            (
                service(json!({ "type": "LoadBalancer", "ports": [{ "port": 10250 }] })),
                &["spec.ports[0]: Invalid value: 10250: may not expose port 10250 externally since it is used by kubelet"],
            ),
            (service(json!({ "type": "ExternalName" })), &["spec.externalName: Required value"]),
            (service(json!({ "type": "ExternalName", "externalName": "a.example.com." })), &[]),
            (service(json!({ "type": "ExternalName", "externalName": "A_" })), &["spec.externalName: Invalid value: \"A_\": a lowercase RFC 1123 subdomain must consist of…"]),
            (
                service(json!({ "type": "ExternalName", "externalName": "a", "clusterIP": "10.43.0.9", "ipFamilyPolicy": "SingleStack" })),
                &["spec.clusterIPs: Forbidden: may not be set for ExternalName services", "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn addresses_and_balancing() {
    let f = Fixture::new().await;
    let (hints, mode) = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode");
    let ranges = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let only_balancers = "Forbidden: may only be used when `type` is 'LoadBalancer'";
    f.check_creates(
        SERVICES,
        &[
            (service(json!({ "sessionAffinity": "Foo" })), &["spec.sessionAffinity: Unsupported value: \"Foo\": supported values: \"ClientIP\", \"None\""]),
            (
                service(json!({ "sessionAffinity": "ClientIP", "sessionAffinityConfig": { "clientIP": { "timeoutSeconds": 86401 } } })),
                &["spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400"],
            ),
            (service(json!({ "clusterIP": "x" })), &["spec.clusterIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]),
            (
                service(json!({ "clusterIP": "10.43.0.9", "clusterIPs": ["10.43.0.8"] })),
                &["spec.clusterIPs: Invalid value: [\"10.43.0.8\"]: first value must match `clusterIP`"],
            ),
            (
                service(json!({ "clusterIPs": ["10.43.0.8"] })),
                &["spec.clusterIPs: Invalid value: [\"10.43.0.8\"]: must be empty when `clusterIP` is not specified"],
            ),
            (
                service(json!({ "clusterIP": "None", "clusterIPs": ["None", "10.43.0.8"] })),
                &["spec.clusterIPs: Invalid value: [\"None\",\"10.43.0.8\"]: 'None' must be the first and only value"],
            ),
            (
                service(json!({ "clusterIP": "10.43.0.8", "clusterIPs": ["10.43.0.8", "10.43.0.9"] })),
                &["spec.clusterIPs: Invalid value: [\"10.43.0.8\",\"10.43.0.9\"]: may specify no more than one IP for each IP family"],
            ),
            (
                service(json!({ "clusterIP": "10.43.0.8", "ipFamilies": ["IPv6", "IPv6", "IPv5"] })),
                &[
                    "spec.ipFamilies[1]: Duplicate value: \"IPv6\"",
                    "spec.ipFamilies[2]: Unsupported value: \"IPv5\": supported values: \"IPv4\", \"IPv6\"",
                    "spec.clusterIPs[0]: Invalid value: \"10.43.0.8\": expected an IPv6 value as indicated by `ipFamilies[0]`",
                ],
            ),
            (
                service(json!({ "ipFamilyPolicy": "Foo" })),
                &["spec.ipFamilyPolicy: Unsupported value: \"Foo\": supported values: \"PreferDualStack\", \"RequireDualStack\", \"SingleStack\""],
            ),
            (
                service(json!({ "externalIPs": ["127.0.0.1", "8.8.8.8", "a"] })),
                &[
                    "spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)",
                    "spec.externalIPs[2]: Invalid value: \"a\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
                ],
            ),
            (
                service(json!({ "loadBalancerSourceRanges": ["10.0.0.0/8"], "loadBalancerClass": "a/b", "allocateLoadBalancerNodePorts": true })),
                &[
                    &format!("spec.LoadBalancerSourceRanges: {only_balancers}"),
                    &format!("spec.allocateLoadBalancerNodePorts: {only_balancers}"),
                    &format!("spec.loadBalancerClass: {only_balancers}"),
                ],
            ),
            (
                service(json!({ "type": "LoadBalancer", "loadBalancerSourceRanges": [" 10.0.0.0/8 ", "x"], "loadBalancerClass": "a b" })),
                &[
                    "spec.LoadBalancerSourceRanges[1]: Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
                    "spec.loadBalancerClass: Invalid value: \"a b\": name part must consist of…",
                ],
            ),
            (
                annotated(json!({ ranges: "10.0.0.0/8, y" }), json!({ "type": "LoadBalancer" })),
                &[&format!("metadata.annotations[{ranges}]: Invalid value: \"y\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")],
            ),
            (
                annotated(json!({ hints: "auto", mode: "disabled" }), json!({})),
                &[&format!("metadata.annotations[{mode}]: Invalid value: \"disabled\": must match annotations[{hints}] when both are specified")],
            ),
            (
                service(json!({ "externalTrafficPolicy": "Local" })),
                &["spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services"],
            ),
            (
                service(json!({ "type": "NodePort", "externalTrafficPolicy": "Foo", "internalTrafficPolicy": "Bar", "trafficDistribution": "Baz" })),
                &[
                    "spec.externalTrafficPolicy: Unsupported value: \"Foo\": supported values: \"Cluster\", \"Local\"",
                    "spec.internalTrafficPolicy: Unsupported value: \"Bar\": supported values: \"Cluster\", \"Local\"",
                    "spec.trafficDistribution: Unsupported value: \"Baz\": supported values: \"PreferClose\", \"PreferSameNode\", \"PreferSameZone\"",
                ],
            ),
            (
                service(json!({ "type": "NodePort", "healthCheckNodePort": 31000 })),
                &["spec.healthCheckNodePort: Invalid value: 31000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_may_not_change() {
    let f = Fixture::new().await;
    let made =
        f.post(SERVICES, &service(json!({ "type": "LoadBalancer", "loadBalancerClass": "a/b", "externalTrafficPolicy": "Local" }))).await;
    let made = made.expect(201);
    let (ip, port) = (made["spec"]["clusterIP"].clone(), made["spec"]["healthCheckNodePort"].clone());
    assert!(port.as_u64().is_some_and(|p| (30000..=32767).contains(&p)), "{made}");
    let one = format!("{SERVICES}/s");
    f.check_patches(
        &one,
        &[
            (
                json!({ "spec": { "clusterIP": "10.43.9.9", "clusterIPs": ["10.43.9.9"] } }),
                &["spec.clusterIPs[0]: Invalid value: [\"10.43.9.9\"]: may not change once set"],
            ),
            (
                json!({ "spec": { "loadBalancerClass": "c/d" } }),
                &["spec.loadBalancerClass: Invalid value: \"c/d\": may not change once set"],
            ),
            (json!({ "spec": { "healthCheckNodePort": 31999 } }), &["spec.healthCheckNodePort: Forbidden: field is immutable"]),
            (
                json!({ "spec": { "ipFamilies": ["IPv6"] } }),
                &["spec.clusterIPs[0]: Invalid value: …", "spec.ipFamilies[0]: Invalid value: [\"IPv6\"]: may not change once set"],
            ),
            (json!({ "spec": { "loadBalancerSourceRanges": ["10.0.0.0/8"] } }), &[]),
        ],
    )
    .await;
    // What was allocated stays for clients that leave it out, and goes with the type that needed it.
    let put = f
        .put(&one, &service(json!({ "type": "LoadBalancer", "loadBalancerClass": "a/b", "externalTrafficPolicy": "Local" })))
        .await
        .expect(200);
    assert_eq!((&put["spec"]["clusterIP"], &put["spec"]["healthCheckNodePort"]), (&ip, &port));
    let plain = f.patch(&one, "merge", &json!({ "spec": { "type": "ClusterIP" } })).await.expect(200);
    for field in ["loadBalancerClass", "allocateLoadBalancerNodePorts", "healthCheckNodePort", "externalTrafficPolicy"] {
        assert_eq!(plain["spec"][field], Value::Null, "{field}");
    }
    assert_eq!(plain["spec"]["ports"][0]["nodePort"], Value::Null);
    // The port is free again.
    let again = json!({ "metadata": { "name": "t" }, "spec": { "type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": port, "ports": [{ "port": 1 }] } });
    assert_eq!(f.post(SERVICES, &again).await.expect(201)["spec"]["healthCheckNodePort"], port);
    let taken = json!({ "metadata": { "name": "u" }, "spec": { "type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": port, "ports": [{ "port": 1 }] } });
    assert!(f.post(SERVICES, &taken).await.message().contains("provided port is already allocated"));
    let external = f.patch(&one, "merge", &json!({ "spec": { "type": "ExternalName", "externalName": "a.b" } })).await.expect(200);
    assert_eq!((&external["spec"]["clusterIP"], &external["spec"]["ipFamilies"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn status_of_balancers() {
    let f = Fixture::new().await;
    f.post(SERVICES, &service(json!({ "type": "LoadBalancer" }))).await.expect(201);
    f.post(SERVICES, &with(&service(json!({})), &json!({ "metadata": { "name": "c" } }))).await.expect(201);
    let status = |point: Value| json!({ "status": { "loadBalancer": { "ingress": [point] } } });
    f.check_patches(
        &format!("{SERVICES}/s/status"),
        &[
            (status(json!({ "ip": "1.2.3.4" })), &[]),
            (
                status(json!({ "ip": "x" })),
                &["status.loadBalancer.ingress[0].ip: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"],
            ),
            (
                status(json!({ "hostname": "1.2.3.4" })),
                &["status.loadBalancer.ingress[0].hostname: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address"],
            ),
            (
                status(json!({ "hostname": "a.b", "ipMode": "VIP" })),
                &["status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set"],
            ),
            (
                status(json!({ "ip": "1.2.3.4", "ipMode": "Foo" })),
                &["status.loadBalancer.ingress[0].ipMode: Unsupported value: \"Foo\": supported values: \"Proxy\", \"VIP\""],
            ),
        ],
    )
    .await;
    let refused = f.patch(&format!("{SERVICES}/c/status"), "merge", &status(json!({ "ip": "1.2.3.4" }))).await;
    compare(
        &json!("ClusterIP"),
        &told(&refused),
        &["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"],
    );
}

#[tokio::test]
async fn warnings() {
    let f = Fixture::new().await;
    let check = async |path: &str, body: Value, expect: &[&str]| {
        let answer = f.post(&format!("{path}?dryRun=All"), &body).await;
        assert_eq!(answer.code, 201, "{}", answer.message());
        let told: Vec<String> = answer.headers.get_all("warning").iter().map(|v| v.to_str().unwrap().replace('\\', "")).collect();
        assert_eq!(told, expect.iter().map(|e| format!("299 - \"{e}\"")).collect::<Vec<_>>(), "{body}");
    };
    check(SERVICES, service(json!({})), &[]).await;
    let hints = "service.kubernetes.io/topology-aware-hints";
    let deprecated = format!("annotation {hints} is deprecated, please use service.kubernetes.io/topology-mode instead");
    check(SERVICES, annotated(json!({ hints: "auto" }), json!({})), &[&deprecated]).await;
    check(
        SERVICES,
        service(json!({ "clusterIP": "None", "externalIPs": ["2001:DB8::1"], "sessionAffinity": "ClientIP" })),
        &[
            "spec.externalIPs[0]: IPv6 address \"2001:DB8::1\" should be in RFC 5952 canonical format (\"2001:db8::1\")",
            "spec.externalIPs is ignored for headless services",
            "spec.SessionAffinity is ignored for headless services",
        ],
    )
    .await;
    let volume = json!({ "metadata": { "name": "v", "annotations": { "volume.beta.kubernetes.io/storage-class": "c" } }, "spec": {
        "capacity": { "storage": "1" }, "accessModes": ["ReadWriteOnce"], "hostPath": { "path": "/a" }, "persistentVolumeReclaimPolicy": "Recycle" } });
    check(
        "/api/v1/persistentvolumes",
        volume,
        &[
            "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use \"storageClassName\" attribute instead",
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.",
        ],
    )
    .await;
}

#[tokio::test]
async fn the_range_is_an_object() {
    let f = Fixture::new().await;
    let range = f.get("/apis/networking.k8s.io/v1/servicecidrs/kubernetes").await.expect(200);
    assert_eq!((&range["spec"]["cidrs"], &range["status"]["conditions"][0]["type"]), (&json!(["10.43.0.0/16"]), &json!("Ready")));
}
