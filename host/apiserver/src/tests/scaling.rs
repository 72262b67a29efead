//! Autoscalers, disruption budgets and priority classes.

use super::Fixture;
use super::causes::{compare, pod, told, with};
use object::{Value, json};

#[tokio::test]
async fn autoscalers() {
    let f = Fixture::new().await;
    let base = json!({ "scaleTargetRef": { "kind": "Deployment", "name": "d" }, "maxReplicas": 3 });
    let hpa = |spec: Value| json!({ "metadata": { "name": "h" }, "spec": with(&base, &spec) });
    let metric = |metric: Value| hpa(json!({ "metrics": [metric] }));
    let resource = |target: Value| metric(json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } }));
    let down = |rules: Value| hpa(json!({ "behavior": { "scaleDown": rules } }));
    let (at, types) = ("spec.metrics[0]", "supported values: \"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\"");
    let behavior = "spec.behavior.scaleDown";
    f.check_creates(
        "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
        &[
            (hpa(json!({})), &[]),
            (
                hpa(json!({ "minReplicas": 0 })),
                &["spec.minReplicas: Invalid value: 0: must be greater than or equal to 1", "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas"],
            ),
            (hpa(json!({ "minReplicas": 5 })), &["spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"]),
            (
                hpa(json!({ "maxReplicas": 0, "scaleTargetRef": { "kind": "", "name": "a/b" } })),
                &[
                    "spec.maxReplicas: Invalid value: 0: must be greater than 0",
                    "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
                    "spec.scaleTargetRef.kind: Required value",
                    "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'",
                ],
            ),
            (
                metric(json!({ "type": "Foo" })),
                &[&format!("{at}.type: Unsupported value: \"Foo\": {types}"), &format!("{at}.type: Unsupported value: \"Foo\": {types}")],
            ),
            (metric(json!({ "type": "Pods" })), &[&format!("{at}.pods: Required value: must populate information for the given metric source")]),
            (
                metric(json!({ "type": "Pods", "pods": { "metric": { "name": "m" }, "target": { "type": "AverageValue", "averageValue": "1" } }, "resource": { "name": "cpu", "target": { "type": "Value" } } })),
                &[&format!("{at}.resource: Forbidden: must populate the given metric source only")],
            ),
            (resource(json!({ "type": "Utilization" })), &[&format!("{at}.resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization")]),
            (
                resource(json!({ "type": "Foo", "averageUtilization": 0 })),
                &[
                    &format!("{at}.resource.target.type: Invalid value: \"Foo\": must be either Utilization, Value, or AverageValue"),
                    &format!("{at}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0"),
                ],
            ),
            (
                resource(json!({ "type": "AverageValue", "averageUtilization": 1, "averageValue": "0" })),
                &[
                    &format!("{at}.resource.target.averageValue: Invalid value: \"0\": must be positive"),
                    &format!("{at}.resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization"),
                ],
            ),
            (
                metric(json!({ "type": "External", "external": { "metric": { "name": "" }, "target": { "type": "Value", "value": "1", "averageValue": "1" } } })),
                &[
                    &format!("{at}.external.metric.name: Required value: must specify a metric name"),
                    &format!("{at}.external.target.value: Forbidden: may not set both a target value for metric and a per-pod target"),
                ],
            ),
            (
                metric(json!({ "type": "ContainerResource", "containerResource": { "name": "foo", "container": "", "target": { "type": "Utilization", "averageUtilization": 1 } } })),
                &[
                    &format!("{at}.containerResource.name: Invalid value: \"foo\": must be a standard resource type or fully qualified"),
                    &format!("{at}.containerResource.name: Invalid value: \"foo\": must be a standard resource for containers"),
                    &format!("{at}.containerResource.container: Required value: must specify a container"),
                ],
            ),
            (down(json!({ "stabilizationWindowSeconds": 3601 })), &[&format!("{behavior}.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600")]),
            (down(json!({ "selectPolicy": "Foo" })), &[&format!("{behavior}.selectPolicy: Unsupported value: \"Foo\": supported values: \"Disabled\", \"Max\", \"Min\"")]),
            (
                down(json!({ "policies": [{ "type": "Foo", "value": 0, "periodSeconds": 1801 }] })),
                &[
                    &format!("{behavior}.policies[0].type: Unsupported value: \"Foo\": supported values: \"Percent\", \"Pods\""),
                    &format!("{behavior}.policies[0].value: Invalid value: 0: must be greater than zero"),
                    &format!("{behavior}.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800"),
                ],
            ),
        ],
    )
    .await;
    // The first version is judged in the stored one.
    let old = json!({ "metadata": { "name": "h" }, "spec": { "scaleTargetRef": { "kind": "D", "name": "d" }, "maxReplicas": 1, "targetCPUUtilizationPercentage": 0 } });
    f.check_creates(
        "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers",
        &[(old, &["spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0"])],
    )
    .await;
}

#[tokio::test]
async fn budgets() {
    let f = Fixture::new().await;
    let path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let budget = |spec: Value| json!({ "metadata": { "name": "b" }, "spec": spec });
    f.check_creates(
        path,
        &[
            (budget(json!({ "minAvailable": "50%" })), &[]),
            (
                budget(json!({ "minAvailable": 1, "maxUnavailable": 1 })),
                &["spec: Invalid value: {\"maxUnavailable\":1,\"minAvailable\":1}: minAvailable and maxUnavailable cannot be both set"],
            ),
            (budget(json!({ "minAvailable": -1 })), &["spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"]),
            (budget(json!({ "maxUnavailable": "101%" })), &["spec.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%"]),
            (
                budget(json!({ "maxUnavailable": "x" })),
                &["spec.maxUnavailable: Invalid value: \"x\": a valid percent string must be a numeric string followed by an ending '%'…"],
            ),
            (
                budget(json!({ "selector": { "matchExpressions": [{ "key": "a", "operator": "In" }] } })),
                &["spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"],
            ),
            (
                budget(json!({ "unhealthyPodEvictionPolicy": "Foo" })),
                &["spec.unhealthyPodEvictionPolicy: Unsupported value: \"Foo\": supported values: \"AlwaysAllow\", \"IfHealthyBudget\""],
            ),
        ],
    )
    .await;
    f.post(path, &budget(json!({ "minAvailable": 1 }))).await.expect(201);
    let condition = json!({ "type": "a b", "status": "Foo", "reason": "1", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" });
    f.check_patches(
        &format!("{path}/b/status"),
        &[
            (
                json!({ "status": { "disruptionsAllowed": -1 } }),
                &["status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0"],
            ),
            (
                json!({ "status": { "conditions": [condition] } }),
                &[
                    "status.conditions[0].type: Invalid value: \"a b\": …",
                    "status.conditions[0].status: Unsupported value: \"Foo\": supported values: \"False\", \"True\", \"Unknown\"",
                    "status.conditions[0].reason: Invalid value: \"1\": a condition reason must start with…",
                ],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn priority_classes() {
    let f = Fixture::new().await;
    let path = "/apis/scheduling.k8s.io/v1/priorityclasses";
    let class = |name: &str, patch: Value| with(&json!({ "metadata": { "name": name }, "value": 5 }), &patch);
    let reserved = "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error:";
    f.check_creates(
        path,
        &[
            (class("c", json!({})), &[]),
            (
                class("c", json!({ "value": 1_000_000_001 })),
                &["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
            ),
            (
                class("c", json!({ "preemptionPolicy": "Foo" })),
                &["preemptionPolicy: Unsupported value: \"Foo\": supported values: \"PreemptLowerPriority\", \"Never\""],
            ),
            (class("system-foo", json!({})), &[&format!("{reserved} system-foo is not a known system priority class")]),
            (
                class("system-node-critical", json!({})),
                &[&format!("{reserved} value of system-node-critical PriorityClass must be 2000001000")],
            ),
        ],
    )
    .await;
    let made = f.post(path, &class("c", json!({ "preemptionPolicy": "Never" }))).await.expect(201);
    assert_eq!(made["metadata"]["generation"], 1);
    f.check_patches(
        &format!("{path}/c"),
        &[
            (json!({ "value": 6 }), &["value: Forbidden: may not be changed in an update."]),
            (
                json!({ "preemptionPolicy": "PreemptLowerPriority" }),
                &["preemptionPolicy: Invalid value: \"PreemptLowerPriority\": field is immutable"],
            ),
            (json!({ "description": "d" }), &[]),
        ],
    )
    .await;
    // The two classes of the system are there from the first moment, and one class may be the default.
    assert_eq!(f.get(&format!("{path}/system-cluster-critical")).await.expect(200)["value"], 2_000_000_000);
    f.post(path, &class("d", json!({ "value": 7, "globalDefault": true }))).await.expect(201);
    let second = f.post(path, &class("e", json!({ "globalDefault": true }))).await;
    compare(
        &json!("second"),
        &told(&second),
        &[
            "403 priorityclasses.scheduling.k8s.io \"e\" is forbidden: PriorityClass d is already marked as default. Only one default can exist",
        ],
    );
    f.patch(&format!("{path}/d"), "merge", &json!({ "description": "still" })).await.expect(200);

    let pods = "/api/v1/namespaces/default/pods?dryRun=All";
    let priority = |spec: Value, expect: Value| {
        let f = &f;
        async move {
            let made = f.post(pods, &pod(&spec)).await.expect(201);
            let s = &made["spec"];
            assert_eq!(json!([s["priorityClassName"], s["priority"], s["preemptionPolicy"]]), expect);
        }
    };
    priority(json!({}), json!(["d", 7, "PreemptLowerPriority"])).await;
    priority(json!({ "priorityClassName": "c" }), json!(["c", 5, "Never"])).await;
    priority(
        json!({ "priorityClassName": "system-node-critical", "priority": 2_000_001_000 }),
        json!(["system-node-critical", 2_000_001_000, "PreemptLowerPriority"]),
    )
    .await;
    let refused = f.post(pods, &pod(&json!({ "priorityClassName": "c", "priority": 6 }))).await;
    assert_eq!(
        (refused.code, refused.message().as_str()),
        (
            403,
            "pods \"p\" is forbidden: the integer value of priority (6) must not be provided in pod spec; priority admission controller computed 5 from the given PriorityClass name"
        )
    );
}
