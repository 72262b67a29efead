//! What may change in a pod, and through which of its subresources.

use super::Fixture;
use super::causes::{compare, pod, told, with};
use object::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const ONE: &str = "/api/v1/namespaces/default/pods/p";

async fn with_pod(spec: Value) -> Fixture {
    let f = Fixture::new().await;
    f.post(PODS, &pod(&spec)).await.expect(201);
    f
}

#[tokio::test]
async fn updates() {
    let tolerations = json!([{ "key": "a", "operator": "Exists" }]);
    let f = with_pod(json!({ "activeDeadlineSeconds": 60, "tolerations": tolerations, "initContainers": [{ "name": "i", "image": "i" }] }))
        .await;
    let spec = |spec: Value| json!({ "spec": spec });
    let tolerate = |list: Value| json!({ "spec": { "tolerations": list } });
    let cases: Vec<(Value, &[&str])> = vec![
        (spec(json!({ "containers": [{ "name": "c", "image": "j" }] })), &[]),
        (
            spec(json!({ "containers": [{ "name": "c", "image": "i", "command": ["x"] }] })),
            &["spec: Forbidden: pod updates may not change fields other than…"],
        ),
        (
            spec(json!({ "containers": [] })),
            &["spec.containers: Required value", "spec.containers: Forbidden: pod updates may not add or remove containers"],
        ),
        (spec(json!({ "initContainers": null })), &["spec.initContainers: Forbidden: pod updates may not add or remove containers"]),
        (spec(json!({ "activeDeadlineSeconds": 30 })), &[]),
        (
            spec(json!({ "activeDeadlineSeconds": 61 })),
            &["spec.activeDeadlineSeconds: Invalid value: 61: must be less than or equal to previous value"],
        ),
        (
            spec(json!({ "activeDeadlineSeconds": null })),
            &["spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"],
        ),
        (tolerate(json!([])), &["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"]),
        (
            spec(json!({ "nodeName": "n" })),
            &[
                "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n@@…",
            ],
        ),
        (spec(json!({ "terminationGracePeriodSeconds": 1 })), &["spec: Forbidden: pod updates may not change fields other than…"]),
        (
            spec(json!({ "schedulingGates": [{ "name": "g" }] })),
            &["spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'g'"],
        ),
        (
            json!({ "metadata": { "annotations": { "kubernetes.io/config.mirror": "x" } } }),
            &[
                "metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"x\": must set spec.nodeName if mirror pod annotation is set",
                "metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation",
            ],
        ),
    ];
    f.check_patches(ONE, &cases).await;
    let live = f.get(ONE).await.expect(200);
    let mut more = live["spec"]["tolerations"].as_array().unwrap().clone();
    more.push(json!({ "key": "b", "operator": "Exists" }));
    f.patch(ONE, "merge", &tolerate(json!(more))).await.expect(200);
    let image = json!({ "spec": { "containers": [{ "name": "c", "image": "j" }] } });
    assert_eq!(f.patch(ONE, "strategic", &image).await.expect(200)["metadata"]["generation"], 3);
}

#[tokio::test]
async fn a_negative_grace_period_can_be_mended() {
    let f = with_pod(json!({ "terminationGracePeriodSeconds": -1 })).await;
    f.patch(ONE, "merge", &json!({ "spec": { "terminationGracePeriodSeconds": 1 } })).await.expect(200);
}

#[tokio::test]
async fn gated_pods_are_narrowed() {
    let required = |terms: Value| json!({ "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } });
    let term = json!({ "matchExpressions": [{ "key": "a", "operator": "Exists" }] });
    let f = with_pod(json!({ "schedulingGates": [{ "name": "g" }], "nodeSelector": { "x": "1" }, "affinity": { "nodeAffinity": required(json!([term])) } })).await;
    let pod = f.get(ONE).await.expect(200);
    assert_eq!(pod["status"]["conditions"][0]["reason"], "SchedulingGated");
    let wider = json!({ "matchExpressions": [{ "key": "a", "operator": "Exists" }, { "key": "b", "operator": "Exists" }] });
    let near = |terms: Value| json!({ "spec": { "affinity": { "nodeAffinity": required(terms) } } });
    const TERMS: &str = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let refused: Vec<String> = vec![
        format!("{TERMS}: Invalid value: […"),
        format!(
            "{TERMS}[0]: Invalid value: {{\"matchExpressions\":[{{\"key\":\"b\",\"operator\":\"Exists\"}}]}}: only additions are allowed (no mutations or deletions)"
        ),
    ];
    let cases: Vec<(Value, Vec<&str>)> = vec![
        (json!({ "spec": { "nodeSelector": { "y": "2" } } }), vec![]),
        (
            json!({ "spec": { "nodeSelector": { "x": "2" } } }),
            vec![
                "spec.nodeSelector: Invalid value: {\"x\":\"2\"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)",
            ],
        ),
        (near(json!([wider])), vec![]),
        (near(json!([term, term])), vec![&refused[0]]),
        (near(json!([{ "matchExpressions": [{ "key": "b", "operator": "Exists" }] }])), vec![&refused[1]]),
        (json!({ "spec": { "schedulingGates": null } }), vec![]),
    ];
    for (patch, expect) in &cases {
        compare(patch, &told(&f.patch(&format!("{ONE}?dryRun=All"), "merge", patch).await), expect);
    }
    let bound = f.post(&format!("{ONE}/binding"), &json!({ "metadata": { "name": "p" }, "target": { "name": "n" } })).await;
    assert_eq!(
        (bound.code, bound.message()),
        (409, "Operation cannot be fulfilled on pods/binding \"p\": pod p has non-empty .spec.schedulingGates".to_owned())
    );
}

#[tokio::test]
async fn status() {
    let f = with_pod(json!({ "restartPolicy": "Never" })).await;
    let path = format!("{ONE}/status");
    let ended = json!({ "name": "c", "state": { "terminated": { "exitCode": 1 } }, "image": "i", "imageID": "", "ready": false, "restartCount": 0 });
    f.patch(&path, "merge", &json!({ "status": { "containerStatuses": [ended] } })).await.expect(200);
    let set = |status: Value| json!({ "status": status });
    let cases: Vec<(Value, &[&str])> = vec![
        (set(json!({ "qosClass": "Guaranteed" })), &["status.qosClass: Invalid value: \"Guaranteed\": field is immutable"]),
        (set(json!({ "qosClass": null })), &[]),
        (
            set(json!({ "nominatedNodeName": "A" })),
            &["status.nominatedNodeName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must…"],
        ),
        (
            set(json!({ "containerStatuses": [with(&ended, &json!({ "state": { "terminated": null, "running": {} } }))] })),
            &["status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"],
        ),
        (
            set(json!({ "podIP": "1.2.3.4", "podIPs": [{ "ip": "1.2.3.4" }, { "ip": "1.2.3.5" }] })),
            &[
                "status.podIPs: Invalid value: [{\"ip\":\"1.2.3.4\"},{\"ip\":\"1.2.3.5\"}]: may specify no more than one IP for each IP family",
            ],
        ),
        (set(json!({ "podIP": "1.2.3.4", "podIPs": [{ "ip": "1.2.3.4" }, { "ip": "fd00::1" }] })), &[]),
        (
            set(json!({ "podIPs": [{ "ip": "x" }] })),
            &["status.podIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"],
        ),
        (
            set(json!({ "hostIP": "1.2.3.4", "hostIPs": [{ "ip": "1.2.3.5" }] })),
            &["status.hostIPs[0].ip: Invalid value: \"1.2.3.5\": must be equal to `hostIP`"],
        ),
        (
            set(json!({ "conditions": [{ "type": "-", "status": "True" }] })),
            &["metadata.conditions[0].Type: Invalid value: \"-\": name part must consist of…"],
        ),
        (
            set(json!({ "resourceClaimStatuses": [{ "name": "x" }] })),
            &["status.resourceClaimStatuses[0].name: Invalid value: \"x\": must match the name of an entry in `spec.resourceClaims`"],
        ),
        (
            set(
                json!({ "ephemeralContainerStatuses": [with(&ended, &json!({ "allocatedResourcesStatus": [{ "name": "a/b", "resources": [] }] }))] }),
            ),
            &["status.ephemeralContainerStatuses[0].allocatedResourcesStatus: Forbidden: must not be specified in container status"],
        ),
        (
            set(json!({ "observedGeneration": -1, "conditions": [{ "type": "Ready", "status": "True", "observedGeneration": -2 }] })),
            &[
                "metadata.conditions[0].observedGeneration: Invalid value: -2: must be a non-negative integer",
                "status.observedGeneration: Invalid value: -1: must be a non-negative integer",
            ],
        ),
        (
            set(json!({ "extendedResourceClaimStatus": { "resourceClaimName": "r", "requestMappings": [
                { "containerName": "x", "resourceName": "a.b/c", "requestName": "q" },
                { "containerName": "c", "resourceName": "a.b/c", "requestName": "Q" }] } })),
            &[
                "status.extendedResourceClaimStatus.requestMappings[0].containerName: Invalid value: \"x\": must match the name of an entry in spec.initContainers.name or spec.containers.name",
                "status.extendedResourceClaimStatus.requestMappings[1].resourceName: Invalid value: \"a.b/c\": must match the extended resource name of an entry in…",
                "status.extendedResourceClaimStatus.requestName: Invalid value: \"Q\": a lowercase RFC 1123 label must consist of…",
            ],
        ),
    ];
    f.check_patches(&path, &cases).await;
    // Conditions merge by their type.
    let condition = |ty: &str, status: &str| json!({ "status": { "conditions": [{ "type": ty, "status": status }] } });
    f.patch(&path, "strategic", &condition("Ready", "False")).await.expect(200);
    f.patch(&path, "strategic", &condition("a.b/c", "True")).await.expect(200);
    let pod = f.patch(&path, "strategic", &condition("Ready", "True")).await.expect(200);
    let conditions: Vec<String> =
        pod["status"]["conditions"].as_array().unwrap().iter().map(|c| format!("{}={}", c["type"], c["status"])).collect();
    assert_eq!(conditions.len(), 2, "{conditions:?}");
    assert_eq!(pod["metadata"]["generation"], 1);
}

#[tokio::test]
async fn ephemeral_containers() {
    let f = with_pod(json!({})).await;
    let path = format!("{ONE}/ephemeralcontainers");
    let debugger = json!({ "name": "d", "image": "i", "targetContainerName": "c" });
    let patch = |list: Value| json!({ "spec": { "ephemeralContainers": list, "activeDeadlineSeconds": 3 } });
    let cases: Vec<(Value, &[&str])> = vec![
        (patch(json!([with(&debugger, &json!({ "name": "c" }))])), &["spec.ephemeralContainers[0].name: Duplicate value: \"c\""]),
        (
            patch(json!([with(&debugger, &json!({ "targetContainerName": "x" }))])),
            &["spec.ephemeralContainers[0].targetContainerName: Not found: \"x\""],
        ),
        (
            patch(json!([with(&debugger, &json!({ "ports": [{ "containerPort": 1 }] }))])),
            &["spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container"],
        ),
        (
            patch(json!([with(&debugger, &json!({ "resources": { "limits": { "cpu": "1" } } }))])),
            &["spec.ephemeralContainers[0].resources: Forbidden: cannot be set for an Ephemeral Container"],
        ),
        (
            patch(json!([with(&debugger, &json!({ "livenessProbe": { "exec": { "command": ["x"] } } }))])),
            &["spec.ephemeralContainers[0].livenessProbe: Forbidden: cannot be set for an Ephemeral Container"],
        ),
    ];
    f.check_patches(&path, &cases).await;
    let pod = f.patch(&path, "strategic", &patch(json!([debugger]))).await.expect(200);
    assert_eq!((&pod["spec"]["ephemeralContainers"][0]["name"], &pod["spec"]["activeDeadlineSeconds"]), (&json!("d"), &Value::Null));
    assert_eq!(pod["metadata"]["generation"], 2);
    assert!(pod["metadata"]["managedFields"].as_array().unwrap().iter().any(|m| m["subresource"] == "ephemeralcontainers"), "{pod}");
    assert_eq!(f.get(&path).await.expect(200)["spec"]["ephemeralContainers"][0]["image"], "i");
    let mut live = f.get(ONE).await.expect(200);
    live["spec"]["ephemeralContainers"] = json!([]);
    let removed = told(&f.put(&path, &live).await);
    compare(&live, &removed, &["spec.ephemeralContainers: Forbidden: existing ephemeral containers \"d\" may not be removed\n"]);
    let changed = told(&f.patch(&path, "strategic", &patch(json!([with(&debugger, &json!({ "image": "j" }))]))).await);
    compare(&live, &changed, &["spec.ephemeralContainers: Forbidden: existing ephemeral containers \"d\" may not be changed\n@@…"]);
    // The pod itself cannot change them.
    assert_eq!(f.patch(ONE, "merge", &json!({ "spec": { "ephemeralContainers": null } })).await.code, 422);
}

#[tokio::test]
async fn resize() {
    let amounts = |cpu: &str| json!({ "requests": { "cpu": cpu, "memory": "1Gi" }, "limits": { "cpu": cpu, "memory": "1Gi" } });
    let of = |name: &str| json!([{ "name": name, "image": "i", "resources": amounts("1") }]);
    let f = with_pod(json!({ "containers": of("c"), "initContainers": of("i") })).await;
    let path = format!("{ONE}/resize");
    let to = |resources: Value| json!({ "spec": { "containers": [{ "name": "c", "resources": resources }] } });
    const CLASS: &str = "spec: Invalid value: \"Guaranteed\": Pod QOS Class may not change as a result of resizing";
    let cases: Vec<(Value, &[&str])> = vec![
        (to(amounts("2")), &[]),
        (to(json!({ "requests": { "cpu": "500m" } })), &[CLASS]),
        (
            to(json!({ "limits": { "cpu": null }, "requests": { "cpu": null } })),
            &[
                CLASS,
                "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
                "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
            ],
        ),
        (to(json!({ "limits": { "ephemeral-storage": "1Gi" } })), &["spec: Forbidden: only cpu and memory resources are mutable"]),
        (
            json!({ "spec": { "initContainers": [{ "name": "i", "resources": { "limits": { "ephemeral-storage": "1Gi" } } }] } }),
            &["spec.initContainers[0]: Forbidden: only cpu and memory resources for init or sidecar containers are mutable"],
        ),
        (
            json!({ "spec": { "initContainers": [{ "name": "i", "resources": amounts("2"),
                "resizePolicy": [{ "resourceName": "cpu", "restartPolicy": "RestartContainer" }] }] } }),
            &[
                "spec.initContainers[0]: Forbidden: only cpu and memory resources for init or sidecar containers are mutable",
                "spec.initContainers[0]: Forbidden: non-sidecar init containers with a resize policy of RestartContainer cannot be resized",
            ],
        ),
        (json!({ "spec": { "initContainers": [{ "name": "i", "resources": amounts("2") }] } }), &[]),
    ];
    for (patch, expect) in &cases {
        compare(patch, &told(&f.patch(&format!("{path}?dryRun=All"), "strategic", patch).await), expect);
    }
    let pod = f.patch(&path, "strategic", &to(amounts("2"))).await.expect(200);
    assert_eq!((&pod["spec"]["containers"][0]["resources"]["limits"]["cpu"], &pod["metadata"]["generation"]), (&json!("2"), &json!(2)));
    assert_eq!(f.patch(ONE, "strategic", &to(amounts("3"))).await.code, 422, "only through resize");
}

#[tokio::test]
async fn what_ended_starts_again_by_its_rules() {
    let rule = |operator: &str, action: &str| json!({ "restartPolicy": "Never", "restartPolicyRules": [{ "action": action, "exitCodes": { "operator": operator, "values": [3] } }] });
    for (own, code, again) in [
        (json!({}), 3, false),
        (json!({ "restartPolicy": "Always" }), 0, true),
        (json!({ "restartPolicy": "OnFailure" }), 0, false),
        (json!({ "restartPolicy": "OnFailure" }), 1, true),
        (rule("In", "Restart"), 3, true),
        (rule("In", "Restart"), 4, false),
        (rule("NotIn", "Restart"), 4, true),
        (rule("In", "RestartAllContainers"), 4, true),
    ] {
        let f = with_pod(json!({ "restartPolicy": "Never", "containers": [with(&json!({ "name": "c", "image": "i" }), &own)] })).await;
        let is = |state: Value| json!({ "status": { "containerStatuses": [{ "name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state }] } });
        let path = format!("{ONE}/status");
        f.patch(&path, "merge", &is(json!({ "terminated": { "exitCode": code } }))).await.expect(200);
        let answer = f.patch(&path, "merge", &is(json!({ "running": {} }))).await;
        assert_eq!(answer.code, if again { 200 } else { 422 }, "{own} after {code}");
    }
}

#[tokio::test]
async fn whole_pods_resize() {
    let f = with_pod(json!({ "resources": { "limits": { "cpu": "1", "memory": "1Gi" }, "requests": { "cpu": "500m" } } })).await;
    let path = format!("{ONE}/resize");
    let to = |resources: Value| json!({ "spec": { "resources": resources } });
    let cases: Vec<(Value, &[&str])> = vec![
        (to(json!({ "limits": { "cpu": "2" } })), &[]),
        (
            to(Value::Null),
            &[
                "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing",
                "spec.resources: Forbidden: pod-level resources cannot be removed",
            ],
        ),
        (
            to(json!({ "limits": { "memory": null }, "requests": { "memory": null } })),
            &[
                "spec.resources.requests: Forbidden: pod-level resource requests cannot be removed",
                "spec.resources.limits: Forbidden: pod-level resource limits cannot be removed",
            ],
        ),
        (to(json!({ "limits": { "hugepages-2Mi": "2Mi" } })), &["spec: Forbidden: only cpu and memory resources are mutable at pod-level"]),
    ];
    for (patch, expect) in &cases {
        compare(patch, &told(&f.patch(&format!("{path}?dryRun=All"), "merge", patch).await), expect);
    }
    let pod = f.patch(&path, "merge", &to(json!({ "requests": { "cpu": "750m" } }))).await.expect(200);
    assert_eq!((&pod["spec"]["resources"]["requests"]["cpu"], &pod["metadata"]["generation"]), (&json!("750m"), &json!(2)));
}

#[tokio::test]
async fn resizing_keeps_the_class() {
    let f = with_pod(json!({ "containers": [{ "name": "c", "image": "i", "resources": { "limits": { "cpu": "1", "memory": "1Gi" } } }] }))
        .await;
    let patch = json!({ "spec": { "containers": [{ "name": "c", "resources": { "requests": { "cpu": "500m" } } }] } });
    let got = told(&f.patch(&format!("{ONE}/resize"), "strategic", &patch).await);
    compare(&patch, &got, &["spec: Invalid value: \"Guaranteed\": Pod QOS Class may not change as a result of resizing"]);
}

#[tokio::test]
async fn binding() {
    let f = with_pod(json!({})).await;
    let node = json!({ "metadata": { "name": "n", "labels": { "topology.kubernetes.io/zone": "z" } } });
    f.post("/api/v1/nodes", &node).await.expect(201);
    // Read back, so that the cache knows it.
    f.get("/api/v1/nodes/n").await.expect(200);
    let bind = |name: &str, target: Value| json!({ "metadata": { "name": name }, "target": target });
    let refused: Vec<(Value, u16, &str)> = vec![
        (bind("q", json!({ "name": "n" })), 400, "name in URL does not match name in Binding object"),
        (bind("p", json!({ "name": "" })), 422, "target.name: Required value"),
        (
            bind("p", json!({ "kind": "Pod", "name": "n" })),
            422,
            "target.kind: Unsupported value: \"Pod\": supported values: \"Node\", \"<empty>\"",
        ),
    ];
    for (body, code, told) in refused {
        let answer = f.post(&format!("{ONE}/binding"), &body).await;
        assert_eq!(answer.code, code, "{body}");
        assert!(answer.message().contains(told), "{}", answer.message());
    }
    f.post("/api/v1/namespaces/default/bindings", &bind("p", json!({ "name": "n" }))).await.expect(201);
    let pod = f.get(ONE).await.expect(200);
    assert_eq!((&pod["spec"]["nodeName"], &pod["metadata"]["labels"]["topology.kubernetes.io/zone"]), (&json!("n"), &json!("z")));
    assert_eq!((&pod["status"]["conditions"][0]["type"], &pod["metadata"]["generation"]), (&json!("PodScheduled"), &json!(1)));
    let again = f.post(&format!("{ONE}/binding"), &bind("p", json!({ "name": "m" }))).await;
    assert_eq!(
        (again.code, again.message()),
        (409, "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n\"".to_owned())
    );
}

#[tokio::test]
async fn eviction() {
    let f = Fixture::new().await;
    let labelled = with(&pod(&json!({ "nodeName": "n" })), &json!({ "metadata": { "labels": { "a": "b" } } }));
    f.post(PODS, &labelled).await.expect(201);
    let running = json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
    f.patch(&format!("{ONE}/status"), "merge", &running).await.expect(200);
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let budget = json!({ "metadata": { "name": "b" }, "spec": { "minAvailable": 1, "selector": { "matchLabels": { "a": "b" } } } });
    f.post(budgets, &budget).await.expect(201);
    let evict = async |query: &str, body: Value| f.post(&format!("{ONE}/eviction{query}"), &body).await;
    let body = json!({ "metadata": { "name": "p" } });
    assert_eq!(evict("", json!({ "metadata": { "name": "q" } })).await.code, 400);
    let status = async |status: Value| {
        f.patch(&format!("{budgets}/b/status"), "merge", &json!({ "status": status })).await.expect(200);
    };
    // The budget has not seen its own specification yet.
    let busy = evict("", body.clone()).await;
    assert_eq!(busy.code, 429);
    let told = busy.json();
    assert_eq!(told["details"]["causes"][0]["reason"], "DisruptionBudget");
    assert_eq!(told["details"]["causes"][0]["message"], "The disruption budget b is still being processed by the server.");
    assert_eq!(told["details"]["retryAfterSeconds"], 10);
    let seen = json!({ "observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1 });
    status(seen).await;
    let none = evict("", body.clone()).await;
    assert_eq!(none.json()["details"]["causes"][0]["message"], "The disruption budget b needs 1 healthy pods and has 1 currently");
    status(json!({ "disruptionsAllowed": 1 })).await;
    evict("?dryRun=All", body.clone()).await.expect(201);
    assert_eq!(f.get(&format!("{budgets}/b")).await.json()["status"]["disruptionsAllowed"], 1);
    let stale = json!({ "metadata": { "name": "p" }, "deleteOptions": { "preconditions": { "uid": "x" } } });
    assert_eq!(evict("?dryRun=All", stale).await.code, 409);
    let done = evict("", body.clone()).await.expect(201);
    assert_eq!((&done["status"], &done["kind"]), (&json!("Success"), &json!("Status")));
    let b = f.get(&format!("{budgets}/b")).await.expect(200);
    assert_eq!((&b["status"]["disruptionsAllowed"], b["status"]["disruptedPods"]["p"].is_string()), (&json!(0), true));
    assert_eq!(b["status"]["conditions"][0]["reason"], "InsufficientPods");
    assert!(f.get(ONE).await.expect(200)["metadata"]["deletionTimestamp"].is_string());
    // On its way out already: nothing guards it.
    evict("", body).await.expect(201);
}

#[tokio::test]
async fn unready_pods_are_evicted_by_policy() {
    let f = Fixture::new().await;
    let labelled = with(&pod(&json!({ "nodeName": "n" })), &json!({ "metadata": { "labels": { "a": "b" } } }));
    f.post(PODS, &labelled).await.expect(201);
    f.patch(&format!("{ONE}/status"), "merge", &json!({ "status": { "phase": "Running" } })).await.expect(200);
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let budget = json!({ "metadata": { "name": "b" }, "spec": { "minAvailable": 1, "selector": { "matchLabels": { "a": "b" } } } });
    f.post(budgets, &budget).await.expect(201);
    let status = json!({ "observedGeneration": 2, "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 1, "expectedPods": 1 });
    f.patch(&format!("{budgets}/b/status"), "merge", &json!({ "status": status })).await.expect(200);
    let body = json!({ "metadata": { "name": "p" } });
    assert_eq!(f.post(&format!("{ONE}/eviction"), &body).await.code, 429);
    f.patch(&format!("{budgets}/b"), "merge", &json!({ "spec": { "unhealthyPodEvictionPolicy": "AlwaysAllow" } })).await.expect(200);
    f.post(&format!("{ONE}/eviction"), &body).await.expect(201);
}

#[tokio::test]
async fn warnings() {
    let f = Fixture::new().await;
    let warned = async |body: &Value| -> Vec<String> {
        let answer = f.post(&format!("{PODS}?dryRun=All"), body).await;
        assert_eq!(answer.code, 201, "{}", answer.message());
        let texts = answer.headers.get_all("warning").iter().map(|v| v.to_str().unwrap().to_owned());
        texts.map(|t| t.strip_prefix("299 - \"").unwrap().strip_suffix('"').unwrap().replace("\\\"", "\"")).collect()
    };
    let c = |patch: Value| pod(&json!({ "containers": [with(&json!({ "name": "c", "image": "i" }), &patch)] }));
    let cases: Vec<(Value, Vec<&str>)> = vec![
        (pod(&json!({})), vec![]),
        (
            pod(&json!({ "terminationGracePeriodSeconds": -1 })),
            vec!["spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"],
        ),
        (
            pod(&json!({ "nodeSelector": { "beta.kubernetes.io/os": "linux" } })),
            vec!["spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead"],
        ),
        (
            c(json!({ "env": [{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }] })),
            vec!["spec.containers[0].env[1]: hides previous definition of \"A\", which may be dropped when using apply"],
        ),
        (c(json!({ "env": [{ "name": "A", "value": "1" }, { "name": "A", "value": "$(A)2" }] })), vec![]),
        (
            c(json!({ "resources": { "requests": { "memory": "1m" } } })),
            vec!["spec.containers[0].resources.requests[memory]: fractional byte value \"1m\" is invalid, must be an integer"],
        ),
        (
            c(json!({ "ports": [{ "containerPort": 1 }, { "containerPort": 1 }] })),
            vec!["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"],
        ),
        (
            pod(&json!({ "volumes": [{ "name": "v", "gitRepo": { "repository": "r" } }] })),
            vec!["spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+"],
        ),
        (
            pod(&json!({ "imagePullSecrets": [{ "name": "a" }, { "name": "a" }] })),
            vec!["spec.imagePullSecrets[1].name: duplicate name \"a\""],
        ),
        (
            pod(&json!({ "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule" }] })),
            vec!["spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod"],
        ),
    ];
    for (body, expect) in &cases {
        assert_eq!(&warned(body).await, expect, "{body}");
    }
}

#[tokio::test]
async fn match_label_keys_become_terms() {
    let f = Fixture::new().await;
    let term = json!({ "topologyKey": "k", "labelSelector": { "matchLabels": { "x": "y" } }, "matchLabelKeys": ["a", "none"], "mismatchLabelKeys": ["b"] });
    let body = with(
        &pod(&json!({ "affinity": { "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } } })),
        &json!({ "metadata": { "labels": { "a": "1", "b": "2" } } }),
    );
    let made = f.post(PODS, &body).await.expect(201);
    let selector = &made["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]["labelSelector"];
    assert_eq!(
        selector["matchExpressions"],
        json!([{ "key": "a", "operator": "In", "values": ["1"] }, { "key": "b", "operator": "NotIn", "values": ["2"] }])
    );
}
