//! What is refused of the kinds that extend and guard the cluster: `input → causes`.

mod certificates;

use super::Fixture;
use super::causes::{compare, told, with};
use object::{Value, json};
use registry::Registry;

/// The sample of a row with a merge patch over it.
fn sample(group: &str, version: &str, resource: &str, patch: &Value) -> Value {
    let kind = Registry::builtin().resource_by_name(group, version, resource).unwrap();
    with(&serde_json::from_str(&kind.sample).unwrap(), patch)
}

async fn check(f: &Fixture, group: &str, version: &str, resource: &str, cases: Vec<(Value, &[&str])>) {
    let kind = Registry::builtin().resource_by_name(group, version, resource).unwrap();
    let namespace = if kind.is_namespaced() { "namespaces/default/" } else { "" };
    let cases: Vec<(Value, &[&str])> = cases.into_iter().map(|(p, e)| (sample(group, version, resource, &p), e)).collect();
    f.check_creates(&format!("/apis/{group}/{version}/{namespace}{resource}"), &cases).await;
}

#[tokio::test]
async fn roles() {
    let f = Fixture::new().await;
    const GROUP: &str = "rbac.authorization.k8s.io";
    let rule = |rule: Value| json!({ "rules": [rule] });
    check(
        &f,
        GROUP,
        "v1",
        "roles",
        vec![
            (json!({}), &[]),
            (
                rule(json!({})),
                &[
                    "rules[0].verbs: Required value: verbs must contain at least one value",
                    "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
                    "rules[0].resources: Required value: resource rules must supply at least one resource",
                ],
            ),
            (
                rule(json!({ "verbs": ["get"], "nonResourceURLs": ["/x"] })),
                &["rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs"],
            ),
        ],
    )
    .await;
    check(
        &f,
        GROUP,
        "v1",
        "clusterroles",
        vec![
            (rule(json!({ "verbs": ["get"], "nonResourceURLs": ["/x"] })), &[]),
            (
                rule(json!({ "verbs": ["get"], "nonResourceURLs": ["/x"], "resources": ["pods"] })),
                &["rules[0].nonResourceURLs: Invalid value: [\"/x\"]: rules cannot apply to both regular resources and non-resource URLs"],
            ),
            (
                json!({ "aggregationRule": {} }),
                &["aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil"],
            ),
            (
                json!({ "aggregationRule": { "clusterRoleSelectors": [{ "matchExpressions": [{ "key": "a", "operator": "Is" }] }] } }),
                &["aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: Invalid value: \"Is\": not a valid selector operator"],
            ),
            (json!({ "metadata": { "name": "system:a:b" } }), &[]),
            (json!({ "metadata": { "name": "a/b" } }), &["metadata.name: Invalid value: \"a/b\": may not contain '/'"]),
        ],
    )
    .await;
    let subjects = |subject: Value| json!({ "subjects": [subject] });
    check(
        &f,
        GROUP,
        "v1",
        "clusterrolebindings",
        vec![
            (json!({}), &[]),
            (json!({ "subjects": null }), &[]),
            (json!({ "roleRef": { "kind": "Role" } }), &["roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\""]),
            (
                json!({ "roleRef": { "apiGroup": "x", "name": "a%b" } }),
                &[
                    "roleRef.apiGroup: Unsupported value: \"x\": supported values: \"rbac.authorization.k8s.io\"",
                    "roleRef.name: Invalid value: \"a%b\": may not contain '%'",
                ],
            ),
            (subjects(json!({ "kind": "ServiceAccount", "name": "a" })), &["subjects[0].namespace: Required value"]),
            (
                subjects(json!({ "kind": "ServiceAccount", "apiGroup": "x", "name": "A", "namespace": "n" })),
                &[
                    "subjects[0].name: Invalid value: \"A\": a lowercase RFC 1123 subdomain…",
                    "subjects[0].apiGroup: Unsupported value: \"x\": supported values: \"\"",
                ],
            ),
            (
                subjects(json!({ "kind": "Robot", "name": "" })),
                &[
                    "subjects[0].name: Required value",
                    "subjects[0].kind: Unsupported value: \"Robot\": supported values: \"Group\", \"ServiceAccount\", \"User\"",
                ],
            ),
            (
                subjects(json!({ "kind": "User", "apiGroup": "x", "name": "a" })),
                &["subjects[0].apiGroup: Unsupported value: \"x\": supported values: \"rbac.authorization.k8s.io\""],
            ),
        ],
    )
    .await;
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    f.post(path, &sample(GROUP, "v1", "clusterrolebindings", &json!({}))).await.expect(201);
    f.check_patches(
        &format!("{path}/sample"),
        &[(json!({ "roleRef": { "name": "other" } }), &["roleRef: Invalid value: {\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"other\"}: cannot change roleRef"])],
    )
    .await;
}

#[tokio::test]
async fn webhooks() {
    let f = Fixture::new().await;
    const GROUP: &str = "admissionregistration.k8s.io";
    let base = sample(GROUP, "v1", "validatingwebhookconfigurations", &json!({}))["webhooks"][0].clone();
    let hook = |patch: Value| json!({ "webhooks": [with(&base, &patch)] });
    let rule = |patch: Value| hook(json!({ "rules": [with(&base["rules"][0], &patch)] }));
    let client = |config: Value| {
        hook(json!({ "clientConfig": { "url": null } }))
            .as_object()
            .map(|_| {
                let mut one = with(&base, &json!({}));
                one["clientConfig"] = config;
                json!({ "webhooks": [one] })
            })
            .unwrap()
    };
    check(
        &f,
        GROUP,
        "v1",
        "validatingwebhookconfigurations",
        vec![
            (json!({}), &[]),
            (json!({ "webhooks": [base, base] }), &["webhooks[1].name: Duplicate value: \"w.example.com\""]),
            (
                hook(json!({ "name": "w", "sideEffects": null, "timeoutSeconds": 31, "failurePolicy": "Maybe", "matchPolicy": "Almost" })),
                &[
                    "webhooks[0].name: Invalid value: \"w\": should be a domain with at least three segments separated by dots",
                    "webhooks[0].failurePolicy: Unsupported value: \"Maybe\": supported values: \"Fail\", \"Ignore\"",
                    "webhooks[0].matchPolicy: Unsupported value: \"Almost\": supported values: \"Equivalent\", \"Exact\"",
                    "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
                    "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
                ],
            ),
            (hook(json!({ "sideEffects": "Some" })), &["webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\""]),
            (
                hook(json!({ "admissionReviewVersions": ["v2", "v2", "V"] })),
                &[
                    "webhooks[0].admissionReviewVersions[1]: Invalid value: \"v2\": duplicate version",
                    "webhooks[0].admissionReviewVersions[2]: Invalid value: \"V\": a DNS-1035 label…",
                    "webhooks[0].admissionReviewVersions: Invalid value: [\"v2\",\"v2\",\"V\"]: must include at least one of v1, v1beta1",
                ],
            ),
            (client(json!({})), &["webhooks[0].clientConfig: Required value: exactly one of url or service is required"]),
            (
                client(json!({ "url": "http://u@/p?q#f" })),
                &[
                    "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
                    "webhooks[0].clientConfig.url: Invalid value: \"\": host must be specified; desired format: https://host[/path]",
                    "webhooks[0].clientConfig.url: Invalid value: \"u\": user information is not permitted in the URL",
                    "webhooks[0].clientConfig.url: Invalid value: \"f\": fragments are not permitted in the URL",
                    "webhooks[0].clientConfig.url: Invalid value: \"q\": query parameters are not permitted in the URL",
                ],
            ),
            (
                client(json!({ "service": { "name": "", "namespace": "n", "port": 70000, "path": "a//b" } })),
                &[
                    "webhooks[0].clientConfig.service.name: Required value",
                    "webhooks[0].clientConfig.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive",
                    "webhooks[0].clientConfig.service.path: Invalid value: \"a//b\": must start with a '/'",
                    "webhooks[0].clientConfig.service.path: Invalid value: \"a//b\": segment[0] may not be empty",
                    "webhooks[0].clientConfig.service.path: Invalid value: \"a//b\": segment[1] may not be empty",
                ],
            ),
            (
                rule(json!({ "operations": ["*", "READ"], "apiGroups": [], "apiVersions": ["", "*"], "resources": ["a/*", "a/b", "*/*"], "scope": "Some" })),
                &[
                    "webhooks[0].rules[0].operations: Invalid value: [\"*\",\"READ\"]: if '*' is present, must not specify other operations",
                    "webhooks[0].rules[0].operations[1]: Unsupported value: \"READ\": supported values: \"*\", \"CONNECT\", \"CREATE\", \"DELETE\", \"UPDATE\"",
                    "webhooks[0].rules[0].apiGroups: Required value",
                    "webhooks[0].rules[0].apiVersions: Invalid value: [\"\",\"*\"]: if '*' is present, must not specify other API versions",
                    "webhooks[0].rules[0].apiVersions[0]: Required value",
                    "webhooks[0].rules[0].resources[1]: Invalid value: \"a/b\": if 'a/*' is present, must not specify a/b",
                    "webhooks[0].rules[0].resources: Invalid value: [\"a/*\",\"a/b\",\"*/*\"]: if '*/*' is present, must not specify other resources",
                    "webhooks[0].rules[0].scope: Unsupported value: \"Some\": supported values: \"*\", \"Cluster\", \"Namespaced\"",
                ],
            ),
            (
                hook(json!({ "matchConditions": [{ "name": "a b", "expression": " " }, { "name": "", "expression": "true" }] })),
                &[
                    "webhooks[0].matchConditions[0].expression: Required value",
                    "webhooks[0].matchConditions[0].name: Invalid value: \"a b\": name part must consist of…",
                    "webhooks[0].matchConditions[1].name: Required value",
                ],
            ),
            (
                hook(json!({ "namespaceSelector": { "matchLabels": { "a b": "c" } } })),
                &["webhooks[0].namespaceSelector.matchLabels: Invalid value: \"a b\": name part must consist of…"],
            ),
        ],
    )
    .await;
    check(
        &f,
        GROUP,
        "v1",
        "mutatingwebhookconfigurations",
        vec![(
            hook(json!({ "reinvocationPolicy": "Always" })),
            &["webhooks[0].reinvocationPolicy: Unsupported value: \"Always\": supported values: \"IfNeeded\", \"Never\""],
        )],
    )
    .await;
}

#[tokio::test]
async fn policies() {
    let f = Fixture::new().await;
    const GROUP: &str = "admissionregistration.k8s.io";
    let spec = |patch: Value| json!({ "spec": patch });
    check(
        &f,
        GROUP,
        "v1",
        "validatingadmissionpolicies",
        vec![
            (json!({}), &[]),
            (
                spec(json!({ "failurePolicy": "Perhaps", "matchConstraints": null, "validations": null })),
                &[
                    "spec.failurePolicy: Unsupported value: \"Perhaps\": supported values: \"Fail\", \"Ignore\"",
                    "spec.matchConstraints: Required value",
                    "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
                    "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
                ],
            ),
            (spec(json!({ "matchConstraints": { "resourceRules": null } })), &["spec.matchConstraints.resourceRules: Required value"]),
            (
                spec(json!({ "paramKind": { "apiVersion": "a/b/c", "kind": "a_b" } })),
                &[
                    "spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
                    "spec.paramKind.kind: Invalid value: \"a_b\": may have mixed case, but should otherwise match: a DNS-1035 label…",
                ],
            ),
            (
                spec(json!({ "variables": [{ "name": "in", "expression": "1" }, { "name": "", "expression": "" }] })),
                &[
                    "spec.variables[0].name: Invalid value: \"in\": name is not a valid CEL identifier",
                    "spec.variables[1].name: Required value: name is not specified",
                    "spec.variables[1].expression: Required value: expression is not specified",
                ],
            ),
            (
                spec(json!({ "validations": [{ "expression": "", "message": "a\nb", "messageExpression": " ", "reason": "Other" }] })),
                &[
                    "spec.validations[0].expression: Required value: expression is not specified",
                    "spec.validations[0].messageExpression: Invalid value: \" \": must be non-empty if specified",
                    "spec.validations[0].message: Invalid value: \"a\\nb\": message must not contain line breaks",
                    "spec.validations[0].reason: Unsupported value: \"Other\": supported values: \"Forbidden\", \"Invalid\", \"RequestEntityTooLarge\"",
                ],
            ),
            (
                spec(json!({ "auditAnnotations": [{ "key": "k", "valueExpression": "'a'" }, { "key": "k", "valueExpression": "" }] })),
                &[
                    "spec.auditAnnotations[1].valueExpression: Required value: valueExpression is not specified",
                    "spec.auditAnnotations[1].key: Duplicate value: \"k\"",
                ],
            ),
        ],
    )
    .await;
    check(
        &f,
        GROUP,
        "v1",
        "validatingadmissionpolicybindings",
        vec![
            (json!({}), &[]),
            (
                spec(json!({ "policyName": "", "validationActions": ["Deny", "Warn", "Deny", "Shout"] })),
                &[
                    "spec.policyName: Required value",
                    "spec.validationActions[2]: Duplicate value: \"Deny\"",
                    "spec.validationActions[3]: Unsupported value: \"Shout\": supported values: \"Audit\", \"Deny\", \"Warn\"",
                    "spec.validationActions: Invalid value: [\"Deny\",\"Warn\",\"Deny\",\"Shout\"]: must not contain both Deny and Warn…",
                ],
            ),
            (
                spec(json!({ "paramRef": { "name": "a", "selector": {} } })),
                &[
                    "spec.paramRef.name: Forbidden: name and selector are mutually exclusive",
                    "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive",
                    "spec.paramRef.parameterNotFoundAction: Required value",
                ],
            ),
            (
                spec(json!({ "paramRef": { "parameterNotFoundAction": "Deny" } })),
                &["spec.paramRef: Required value: one of name or selector must be specified"],
            ),
        ],
    )
    .await;
    check(
        &f,
        GROUP,
        "v1",
        "mutatingadmissionpolicies",
        vec![
            (json!({}), &[]),
            (spec(json!({ "mutations": null })), &["spec.mutations: Required value: mutations must contain at least one item"]),
            (
                spec(json!({ "mutations": [{ "patchType": "Merge" }, { "patchType": "JSONPatch" }] })),
                &[
                    "spec.mutations[0].patchType: Unsupported value: \"Merge\": supported values: \"ApplyConfiguration\", \"JSONPatch\"",
                    "spec.mutations[1].jsonPatch: Required value: must be specified when patchType is JSONPatch",
                ],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn flow_control() {
    let f = Fixture::new().await;
    const GROUP: &str = "flowcontrol.apiserver.k8s.io";
    let spec = |patch: Value| json!({ "spec": patch });
    let rule = |rule: Value| json!({ "spec": { "rules": [rule] } });
    let everyone = json!([{ "kind": "Group", "group": { "name": "g" } }]);
    check(
        &f,
        GROUP,
        "v1",
        "flowschemas",
        vec![
            (json!({}), &[]),
            (
                spec(json!({ "matchingPrecedence": 10001, "distinguisherMethod": { "type": "ByMood" }, "priorityLevelConfiguration": { "name": "" } })),
                &[
                    "spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000",
                    "spec.distinguisherMethod.type: Unsupported value: {\"type\":\"ByMood\"}: supported values: \"ByNamespace\", \"ByUser\"",
                    "spec.priorityLevelConfiguration.name: Required value: must reference a priority level",
                ],
            ),
            (spec(json!({ "matchingPrecedence": 1 })), &["spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"]),
            (
                rule(json!({})),
                &[
                    "spec.rules[0].subjects: Required value: subjects must contain at least one value",
                    "spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty",
                ],
            ),
            (
                rule(json!({ "subjects": [{ "kind": "User", "group": { "name": "g" } }, { "kind": "Robot" }, { "kind": "ServiceAccount", "serviceAccount": { "name": "*", "namespace": "" } }],
                    "nonResourceRules": [{ "verbs": ["get", "do"], "nonResourceURLs": ["x", "/a//b", "/a*", "/b/*", "/"] }] })),
                &[
                    "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
                    "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
                    "spec.rules[0].subjects[1].kind: Unsupported value: \"Robot\": supported values: \"Group\", \"ServiceAccount\", \"User\"",
                    "spec.rules[0].subjects[2].serviceAccount.namespace: Required value: must specify namespace for service account",
                    "spec.rules[0].nonResourceRules[0].verbs: Unsupported value: [\"get\",\"do\"]: supported values: \"create\"…",
                    "spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"x\": must start with slash",
                    "spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: \"/a//b\": must not contain double slash",
                    "spec.rules[0].nonResourceRules[0].nonResourceURLs[2]: Invalid value: \"/a*\": wildcard can only do suffix matching",
                ],
            ),
            (
                rule(json!({ "subjects": everyone, "resourceRules": [{ "verbs": ["*", "get"], "apiGroups": ["*", ""], "resources": [], "namespaces": ["A"] }, { "verbs": ["get"], "apiGroups": [""], "resources": ["pods"] }] })),
                &[
                    "spec.rules[0].resourceRules[0].verbs: Invalid value: [\"*\",\"get\"]: if '*' is present, must not specify other verbs",
                    "spec.rules[0].resourceRules[0].apiGroups: Invalid value: [\"*\",\"\"]: if '*' is present, must not specify other api groups",
                    "spec.rules[0].resourceRules[0].resources: Required value: resource rules must supply at least one resource",
                    "spec.rules[0].resourceRules[0].namespaces[0]: Invalid value: \"A\": each member of this list must be '*' or a DNS-1123 label; a lowercase RFC 1123 label…",
                    "spec.rules[0].resourceRules[1].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace",
                ],
            ),
            (json!({ "metadata": { "name": "catch-all" } }), &["spec: Invalid value: {…"]),
        ],
    )
    .await;
    let queuing = |queuing: Value| json!({ "spec": { "limited": { "limitResponse": { "queuing": queuing } } } });
    check(
        &f,
        GROUP,
        "v1",
        "prioritylevelconfigurations",
        vec![
            (json!({}), &[]),
            (spec(json!({ "type": "Exempt", "limited": null })), &["spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'"]),
            (
                spec(json!({ "limited": null, "exempt": {} })),
                &["spec.exempt: Forbidden: must be nil if the type is Limited", "spec.limited: Required value: must not be empty when type is Limited"],
            ),
            (
                spec(json!({ "limited": { "nominalConcurrencyShares": -1, "lendablePercent": 101, "borrowingLimitPercent": -1, "limitResponse": { "type": "Reject" } } })),
                &[
                    "spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer",
                    "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive",
                    "spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer",
                    "spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited",
                ],
            ),
            (queuing(json!({ "handSize": 20, "queues": 10 })), &["spec.limited.limitResponse.queuing.handSize: Invalid value: 20: should not be greater than queues (10)"]),
            (
                queuing(json!({ "handSize": 8, "queues": 1000 })),
                &["spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits of deckSize 1000 and handSize 8 should not be greater than 60"],
            ),
            (queuing(json!({ "handSize": 8, "queues": 128, "queueLengthLimit": -1 })), &["spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: -1: must be positive"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn devices() {
    let f = Fixture::new().await;
    const GROUP: &str = "resource.k8s.io";
    let devices = |patch: Value| json!({ "spec": { "devices": patch } });
    let exactly = |exactly: Value| devices(json!({ "requests": [{ "name": "r", "exactly": exactly }] }));
    check(
        &f,
        GROUP,
        "v1",
        "resourceclaims",
        vec![
            (json!({}), &[]),
            (devices(json!({ "requests": [{ "name": "R" }] })), &["spec.devices.requests[0].name: Invalid value: \"R\": a lowercase RFC 1123 label…", "spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"]),
            (
                exactly(json!({ "deviceClassName": "", "allocationMode": "Some", "tolerations": [{ "key": "a", "operator": "Exists", "value": "b", "effect": "Never" }] })),
                &[
                    "spec.devices.requests[0].exactly.deviceClassName: Required value",
                    "spec.devices.requests[0].exactly.allocationMode: Unsupported value: \"Some\": supported values: \"All\", \"ExactCount\"",
                    "spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: \"b\": must be empty for operator `Exists`",
                    "spec.devices.requests[0].exactly.tolerations[0].effect: Unsupported value: \"Never\": supported values: \"NoExecute\", \"NoSchedule\", \"None\"",
                ],
            ),
            (exactly(json!({ "deviceClassName": "c", "allocationMode": "All", "count": 2 })), &["spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"]),
            (exactly(json!({ "deviceClassName": "c", "selectors": [{}] })), &["spec.devices.requests[0].exactly.selectors[0].cel: Required value"]),
            (
                devices(json!({ "constraints": [{ "requests": ["x"], "matchAttribute": "name" }], "config": [{ "requests": ["r", "r"] }] })),
                &[
                    "spec.devices.constraints[0].requests[0]: Invalid value: \"x\": must be the name of a request in the claim or…",
                    "spec.devices.constraints[0].matchAttribute: Invalid value: \"name\": a fully qualified name must be a domain and a name separated by a slash",
                    "spec.devices.config[0].requests[1]: Duplicate value: \"r\"",
                    "spec.devices.config[0].opaque: Required value",
                ],
            ),
        ],
    )
    .await;
    let spec = |patch: Value| json!({ "spec": patch });
    let device = |device: Value| json!({ "spec": { "devices": [device] } });
    check(
        &f,
        GROUP,
        "v1",
        "resourceslices",
        vec![
            (json!({}), &[]),
            (spec(json!({ "nodeName": null })), &["spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"]),
            (
                spec(json!({ "allNodes": true })),
                &["spec: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set"],
            ),
            (
                spec(json!({ "driver": "", "pool": { "name": "a//b", "generation": -1, "resourceSliceCount": 0 } })),
                &[
                    "spec.driver: Required value",
                    "spec.driver: Invalid value: \"\": a lowercase RFC 1123 subdomain…",
                    "spec.pool.name: Invalid value: \"\": a lowercase RFC 1123 subdomain…",
                    "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero",
                    "spec.pool.generation: Invalid value: -1: must be greater than or equal to zero",
                ],
            ),
            (
                device(json!({ "name": "d", "attributes": { "a-b": { "int": 1 }, "v": { "version": "1.0" }, "x/y": { "int": 1, "bool": true }, "z": {} } })),
                &[
                    "spec.devices[0].attributes[a-b]: Invalid value: \"a-b\": a valid C identifier…",
                    "spec.devices[0].attributes[v].version: Invalid value: \"1.0\": must be a string compatible with semver.org spec 2.0.0",
                    "spec.devices[0].attributes[x/y]: Invalid value: {\"bool\":true,\"int\":1}: exactly one value must be specified",
                    "spec.devices[0].attributes[z]: Invalid value: \"\": exactly one value must be specified",
                ],
            ),
            (
                device(json!({ "name": "d", "nodeName": "n", "taints": [{ "key": "k", "effect": "x" }], "capacity": { "c": { "value": "1", "requestPolicy": { "default": "1" } } } })),
                &[
                    "spec.devices[0].capacity[c].requestPolicy: Forbidden: allowMultipleAllocations must be true",
                    "spec.devices[0].taints[0].effect: Unsupported value: \"x\": supported values: \"NoExecute\", \"NoSchedule\", \"None\"",
                    "spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true…",
                ],
            ),
            (
                device(json!({ "name": "d", "allowMultipleAllocations": true, "capacity": { "c": { "value": "10", "requestPolicy": { "default": "3", "validRange": { "min": "2", "max": "20", "step": "2" } } } } })),
                &[
                    "spec.devices[0].capacity[c].requestPolicy.validRange.max: Invalid value: \"20\": max is larger than capacity value: 10",
                    "spec.devices[0].capacity[c].requestPolicy.validRange.step: Invalid value: \"3\": value is not a multiple of a given step (2) from (2)",
                ],
            ),
        ],
    )
    .await;
    let (path, claim) = ("/apis/resource.k8s.io/v1/namespaces/default/resourceclaims", sample(GROUP, "v1", "resourceclaims", &json!({})));
    f.post(path, &claim).await.expect(201);
    f.check_patches(
        &format!("{path}/sample"),
        &[(
            json!({ "spec": { "devices": { "requests": [{ "name": "q", "exactly": { "deviceClassName": "c" } }] } } }),
            &["spec: Invalid value: {…"],
        )],
    )
    .await;
    let result = json!({ "request": "r", "driver": "d.example.com", "pool": "p", "device": "d" });
    f.check_patches(
        &format!("{path}/sample/status"),
        &[
            (json!({ "status": { "reservedFor": [{ "resource": "pods", "name": "p", "uid": "u" }] } }), &["status.reservedFor: Forbidden: may not be specified when `allocated` is not set"]),
            (json!({ "status": { "allocation": { "devices": { "results": [result] } }, "devices": [{ "driver": "d.example.com", "pool": "p", "device": "d" }] } }), &[]),
            (
                json!({ "status": { "allocation": { "devices": { "results": [with(&result, &json!({ "request": "x", "shareID": "u" }))] } }, "devices": [{ "driver": "d.example.com", "pool": "p", "device": "e" }] } }),
                &[
                    "status.devices[0]: Invalid value: \"d.example.com/p/e\": must be an allocated device in the claim",
                    "status.allocation.devices.results[0].request: Invalid value: \"x\": must be the name of a request in the claim or…",
                    "status.allocation.devices.results[0].shareID: Invalid value: \"u\": error validating uid…",
                ],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn api_services_and_migrations() {
    let f = Fixture::new().await;
    let spec = |patch: Value| json!({ "spec": patch });
    check(
        &f,
        "apiregistration.k8s.io",
        "v1",
        "apiservices",
        vec![
            (json!({}), &[]),
            (
                json!({ "metadata": { "name": "x" }, "spec": { "groupPriorityMinimum": 0, "versionPriority": 1001 } }),
                &[
                    "metadata.name: Invalid value: \"x\": must be `spec.version+\".\"+spec.group`: \"v1.sample.example.com\"",
                    "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
                    "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000",
                ],
            ),
            (
                spec(json!({ "service": null })),
                &["spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify"],
            ),
            (
                spec(json!({ "caBundle": "YQ==", "service": { "name": "", "port": 0 } })),
                &[
                    "spec.service.name: Required value",
                    "spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
                    "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
                ],
            ),
        ],
    )
    .await;
    check(
        &f,
        "storagemigration.k8s.io",
        "v1",
        "storageversionmigrations",
        vec![
            (json!({}), &[]),
            (spec(json!({ "resource": { "resource": "" } })), &["spec.resource.resource: Required value: resource is required"]),
        ],
    )
    .await;
    let path = "/apis/storagemigration.k8s.io/v1/storageversionmigrations";
    f.post(path, &sample("storagemigration.k8s.io", "v1", "storageversionmigrations", &json!({}))).await.expect(201);
    f.check_patches(&format!("{path}/sample"), &[(json!({ "spec": { "resource": { "resource": "x" } } }), &["spec: Invalid value: {…"])])
        .await;
    let condition = |ty: &str| json!({ "type": ty, "status": "True", "reason": "R", "lastTransitionTime": "2020-01-01T00:00:00Z" });
    let status = |types: &[&str]| json!({ "status": { "conditions": types.iter().map(|t| condition(t)).collect::<Vec<_>>() } });
    f.check_patches(
        &format!("{path}/sample/status"),
        &[
            (status(&["Succeeded"]), &[]),
            (status(&["Succeeded", "Failed"]), &["status.conditions: Invalid value: […"]),
            (
                json!({ "status": { "conditions": [{ "type": "a b", "status": "Yes", "reason": "1" }] } }),
                &[
                    "status.conditions[0].type: Invalid value: \"a b\": name part…",
                    "status.conditions[0].status: Unsupported value: \"Yes\": supported values: \"False\", \"True\", \"Unknown\"",
                    "status.conditions[0].lastTransitionTime: Required value: must be set",
                    "status.conditions[0].reason: Invalid value: \"1\": a condition reason must start with…",
                ],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn plugins() {
    let f = Fixture::new().await;
    let spec = |patch: Value| json!({ "spec": patch });
    check(
        &f,
        "coracle.dev",
        "v1alpha1",
        "wasmplugins",
        vec![
            (json!({}), &[]),
            (
                spec(json!({ "world": "", "path": "../x", "limits": { "timeoutMilliseconds": 0, "memoryMiB": -1 }, "failurePolicy": "Maybe" })),
                &[
                    "spec.world: Required value",
                    "spec.failurePolicy: Unsupported value: \"Maybe\": supported values: \"Fail\", \"Ignore\"",
                    "spec.path: Invalid value: \"../x\": must be a relative path that does not leave the plugins folder",
                    "spec.limits.timeoutMilliseconds: Invalid value: 0: must be greater than zero",
                    "spec.limits.memoryMiB: Invalid value: -1: must be greater than zero",
                ],
            ),
            (spec(json!({ "path": null })), &["spec.image: Required value: must specify one of `image`, `path`, `inline` and `configMap`"]),
            (spec(json!({ "image": "i" })), &["spec.path: Forbidden: may not be specified beside `image`"]),
        ],
    )
    .await;
}
