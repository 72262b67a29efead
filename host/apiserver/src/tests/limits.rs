//! LimitRanges and ResourceQuotas.

use super::Fixture;
use object::{Value, json};

#[tokio::test]
async fn limit_ranges() {
    let f = Fixture::new().await;
    let of = |limits: Value| json!({ "metadata": { "name": "l" }, "spec": { "limits": limits } });
    let one = |limit: Value| of(json!([limit]));
    let container = "must be a standard resource for containers";
    f.check_creates(
        "/api/v1/namespaces/default/limitranges",
        &[
            (one(json!({ "type": "Container", "max": { "cpu": "1" }, "min": { "cpu": "100m" } })), &[]),
            (one(json!({ "type": "Foo" })), &["spec.limits[0].type: Invalid value: \"Foo\": must be a standard limit type or fully qualified"]),
            (one(json!({ "type": "example.com/foo" })), &[]),
            (of(json!([{ "type": "Pod" }, { "type": "Pod" }])), &["spec.limits[1].type: Duplicate value: \"Pod\""]),
            (
                one(json!({ "type": "Pod", "max": { "foo": "1" } })),
                &["spec.limits[0].max[foo]: Invalid value: \"foo\": must be a standard resource type or fully qualified", &format!("spec.limits[0].max[foo]: Invalid value: \"foo\": {container}")],
            ),
            (one(json!({ "type": "Pod", "max": { "pods": "1" } })), &[&format!("spec.limits[0].max[pods]: Invalid value: \"pods\": {container}")]),
            (
                one(json!({ "type": "Pod", "default": { "cpu": "1" }, "defaultRequest": { "cpu": "1" } })),
                &["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'", "spec.limits[0].defaultRequest: Forbidden: may not be specified when `type` is 'Pod'"],
            ),
            (
                one(json!({ "type": "PersistentVolumeClaim" })),
                &["spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided"],
            ),
            (one(json!({ "type": "PersistentVolumeClaim", "max": { "storage": "1Gi" } })), &[]),
            (
                one(json!({ "type": "Pod", "max": { "cpu": "1" }, "min": { "cpu": "2" } })),
                &["spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1"],
            ),
            (
                one(json!({ "type": "Container", "max": { "cpu": "2" }, "min": { "cpu": "1" }, "default": { "cpu": "3" }, "defaultRequest": { "cpu": "500m" } })),
                &[
                    "spec.limits[0].defaultRequest[cpu]: Invalid value: \"500m\": min value 1 is greater than default request value 500m",
                    "spec.limits[0].default[cpu]: Invalid value: \"2\": default value 3 is greater than max value 2",
                ],
            ),
            (
                one(json!({ "type": "Container", "default": { "cpu": "1" }, "defaultRequest": { "cpu": "2" } })),
                &["spec.limits[0].defaultRequest[cpu]: Invalid value: \"2\": default request value 2 is greater than default limit value 1"],
            ),
            (
                one(json!({ "type": "Pod", "maxLimitRequestRatio": { "cpu": "500m", "memory": "3" }, "max": { "memory": "2Gi" }, "min": { "memory": "1Gi" } })),
                &[
                    "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"500m\": ratio 500m is less than 1",
                    "spec.limits[0].maxLimitRequestRatio[memory]: Invalid value: \"3\": ratio 3 is greater than max/min = 2.000000",
                ],
            ),
            (
                one(json!({ "type": "Container", "default": { "example.com/gpu": "2" }, "defaultRequest": { "example.com/gpu": "1" } })),
                &["spec.limits[0].defaultRequest[example.com/gpu]: Invalid value: \"1\": default value 2 must equal to defaultRequest value 1 in example.com/gpu"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn quotas() {
    let f = Fixture::new().await;
    let path = "/api/v1/namespaces/default/resourcequotas";
    let quota = |spec: Value| json!({ "metadata": { "name": "q" }, "spec": spec });
    let hard = |name: &str, value: &str| quota(json!({ "hard": { name: value } }));
    let select = |r: Value| quota(json!({ "hard": { "pods": "1" }, "scopeSelector": { "matchExpressions": [r] } }));
    let at = "spec.scopeSelector.matchExpressions";
    f.check_creates(
        path,
        &[
            (hard("pods", "1"), &[]),
            (hard("count/deployments.apps", "1"), &[]),
            (hard("gold.storageclass.storage.k8s.io/requests.storage", "1Gi"), &[]),
            (hard("requests.example.com/gpu", "1"), &[]),
            (hard("pods", "1500m"), &["spec.hard[pods]: Invalid value: \"1500m\": must be an integer"]),
            (hard("cpu", "-1"), &["spec.hard[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"]),
            (
                hard("foo", "1"),
                &[
                    "spec.hard[foo]: Invalid value: \"foo\": must be a standard resource type or fully qualified",
                    "spec.hard[foo]: Invalid value: \"foo\": must be a standard resource for quota",
                ],
            ),
            (hard("storage", "1"), &["spec.hard[storage]: Invalid value: \"storage\": must be a standard resource for quota"]),
            (quota(json!({ "hard": { "pods": "1" }, "scopes": ["BestEffort"] })), &[]),
            (quota(json!({ "scopes": ["Foo"] })), &["spec.scopes: Invalid value: [\"Foo\"]: unsupported scope"]),
            (
                quota(json!({ "hard": { "cpu": "1" }, "scopes": ["BestEffort"] })),
                &["spec.scopes: Invalid value: [\"BestEffort\"]: unsupported scope applied to resource"],
            ),
            (
                quota(json!({ "hard": { "pods": "1" }, "scopes": ["Terminating", "NotTerminating"] })),
                &["spec.scopes: Invalid value: [\"Terminating\",\"NotTerminating\"]: conflicting scopes"],
            ),
            (select(json!({ "scopeName": "PriorityClass", "operator": "In", "values": ["high"] })), &[]),
            (
                select(json!({ "scopeName": "PriorityClass", "operator": "In" })),
                &[&format!(
                    "{at}.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                )],
            ),
            (
                select(json!({ "scopeName": "PriorityClass", "operator": "Exists", "values": ["a"] })),
                &[&format!(
                    "{at}.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                )],
            ),
            (
                select(json!({ "scopeName": "BestEffort", "operator": "DoesNotExist" })),
                &[&format!("{at}.operator: Invalid value: \"DoesNotExist\": must be 'Exist' when scope is any of…")],
            ),
            (
                select(json!({ "scopeName": "PriorityClass", "operator": "Foo" })),
                &[&format!("{at}.operator: Invalid value: \"Foo\": not a valid selector operator")],
            ),
        ],
    )
    .await;
    f.post(path, &quota(json!({ "hard": { "pods": "1" }, "scopes": ["BestEffort"] }))).await.expect(201);
    f.check_patches(
        &format!("{path}/q"),
        &[
            (json!({ "spec": { "hard": { "pods": "2" } } }), &[]),
            (json!({ "spec": { "scopes": ["NotBestEffort"] } }), &["spec.scopes: Invalid value: [\"NotBestEffort\"]: field is immutable"]),
        ],
    )
    .await;
    f.check_patches(
        &format!("{path}/q/status"),
        &[(
            json!({ "status": { "used": { "pods": "-1" } } }),
            &["status.used[pods]: Invalid value: \"-1\": must be greater than or equal to 0"],
        )],
    )
    .await;
}
