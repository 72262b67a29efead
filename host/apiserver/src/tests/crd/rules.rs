//! `x-kubernetes-validations` of objects.

use super::*;

async fn with(spec: Value) -> Fixture {
    let api = Fixture::new().await;
    api.post(CRDS, &widgets(json!({"spec": spec}))).await.expect(201);
    api
}

#[tokio::test]
async fn rules_hold_or_are_told() {
    let api = with(json!({"type": "object", "x-kubernetes-validations": [
        {"rule": "self.low <= self.high", "message": "low must not be above high"},
        {"rule": "!has(self.mode) || self.mode != 'x' || self.low > 0", "messageExpression": "'mode ' + self.mode + ' needs low'", "fieldPath": ".low", "reason": "FieldValueForbidden"},
    ], "properties": {
        "low": {"type": "integer"}, "high": {"type": "integer"}, "mode": {"type": "string"},
        "name": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "name is immutable"}]},
        "list": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 5, "x-kubernetes-validations": [{"rule": "self.startsWith('a')"}]}},
    }}))
    .await;
    let post = async |name: &str, spec: Value| api.post(WIDGETS, &widget(name, spec)).await;
    post("ok", json!({"low": 1, "high": 2, "name": "n", "list": ["ab"]})).await.expect(201);
    assert_eq!(causes(post("a", json!({"low": 3, "high": 2})).await), ["spec: Invalid value: low must not be above high"]);
    assert_eq!(causes(post("a", json!({"low": 0, "high": 2, "mode": "x"})).await), ["spec.low: Forbidden: mode x needs low"]);
    assert_eq!(
        causes(post("a", json!({"low": 0, "high": 2, "list": ["a", "b"]})).await),
        ["spec.list[1]: Invalid value: \"b\": failed rule: self.startsWith('a')",]
    );
    assert_eq!(
        causes(post("a", json!({"low": 0})).await),
        ["spec: Invalid value: \"object\": no such key: high evaluating rule: low must not be above high"]
    );
    let changed = api.patch(&format!("{WIDGETS}/ok"), "merge", &json!({"spec": {"name": "m"}})).await;
    assert_eq!(causes(changed), ["spec.name: Invalid value: \"m\": name is immutable"]);
    // Rules are about values of the right types.
    assert_eq!(
        causes(post("a", json!({"low": "x", "high": 2})).await),
        [
            "spec.low: Invalid value: \"string\": spec.low in body must be of type integer: \"string\"",
            "<nil>: Invalid value: \"null\": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
        ]
    );
}

#[tokio::test]
async fn rules_ratchet_and_correlate() {
    let api = with(json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "m": {
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "maxItems": 5,
        "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]}}}}}}))
    .await;
    let path = format!("{WIDGETS}/a");
    api.post(WIDGETS, &widget("a", json!({"a": "x", "m": [{"k": "p", "v": 5}, {"k": "q", "v": 1}]}))).await.expect(201);
    let mut crd = api.get(&format!("{CRDS}/widgets.example.com")).await.expect(200);
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["a"]["x-kubernetes-validations"] =
        json!([{"rule": "self == 'y'"}]);
    api.put(&format!("{CRDS}/widgets.example.com"), &crd).await.expect(200);
    api.patch(&path, "merge", &json!({"spec": {"b": "z"}})).await.expect(200);
    assert_eq!(
        causes(api.patch(&path, "merge", &json!({"spec": {"a": "z"}})).await),
        ["spec.a: Invalid value: \"z\": failed rule: self == 'y'"]
    );
    // Items are found again by their keys, wherever they stand.
    let moved = json!({"spec": {"m": [{"k": "q", "v": 2}, {"k": "p", "v": 5}, {"k": "new", "v": 0}]}});
    api.patch(&path, "merge", &moved).await.expect(200);
    let lower = json!({"spec": {"m": [{"k": "q", "v": 1}]}});
    assert_eq!(causes(api.patch(&path, "merge", &lower).await), ["spec.m[0].v: Invalid value: 1: failed rule: self >= oldSelf"]);
}

#[tokio::test]
async fn an_absent_old_value_is_optional() {
    let api = with(json!({"type": "object", "properties": {"a": {"type": "string", "x-kubernetes-validations": [
        {"rule": "oldSelf.orValue('new') != 'old' || self == 'old'", "optionalOldSelf": true, "message": "old stays"},
        {"rule": "oldSelf.hasValue() || self != 'late'", "optionalOldSelf": true, "message": "late only by update"}]}}}))
    .await;
    assert_eq!(
        causes(api.post(WIDGETS, &widget("a", json!({"a": "late"}))).await),
        ["spec.a: Invalid value: \"late\": late only by update"]
    );
    api.post(WIDGETS, &widget("a", json!({"a": "early"}))).await.expect(201);
    api.patch(&format!("{WIDGETS}/a"), "merge", &json!({"spec": {"a": "late"}})).await.expect(200);
    api.patch(&format!("{WIDGETS}/a"), "merge", &json!({"spec": {"a": "old"}})).await.expect(200);
    let refused = api.patch(&format!("{WIDGETS}/a"), "merge", &json!({"spec": {"a": "other"}})).await;
    assert_eq!(causes(refused), ["spec.a: Invalid value: \"other\": old stays"]);
}
