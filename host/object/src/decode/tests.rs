use super::*;
use crate::fixture;
use serde_json::json;

fn decode(text: &str) -> Decoded {
    let graph = fixture::workloads();
    strict(text.as_bytes(), graph.named("io.test.v1.Deployment").unwrap())
}

fn container(text: &str) -> Decoded {
    let graph = fixture::workloads();
    strict(text.as_bytes(), graph.named("io.test.v1.Container").unwrap())
}

#[test]
fn tells_unknown_and_duplicate_fields() {
    let got = decode(
        r#"{"kind":"Deployment","spec":{"replicas":1,"replicas":2,"x":{"y":1},"template":{"spec":{"containers":[{"name":"a"},{"name":"b","bad":1,"name":"c"}]}}},"Kind":"x"}"#,
    );
    assert_eq!(got.errors, [""; 0]);
    assert_eq!(
        got.warnings,
        [
            "duplicate field \"spec.replicas\"",
            "unknown field \"spec.x\"",
            "unknown field \"spec.template.spec.containers[1].bad\"",
            "duplicate field \"spec.template.spec.containers[1].name\"",
            "unknown field \"Kind\"",
        ]
    );
    assert_eq!(
        got.value,
        json!({"kind": "Deployment", "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "a"}, {"name": "c"}]}}}})
    );
}

#[test]
fn refuses_wrong_types() {
    let table = [
        (r#"{"spec":{"replicas":"3"}}"#, "json: cannot unmarshal string into Go struct field .spec.replicas of type int32"),
        (r#"{"spec":{"replicas":1.5}}"#, "json: cannot unmarshal number 1.5 into Go struct field .spec.replicas of type int32"),
        (
            r#"{"spec":{"replicas":3000000000}}"#,
            "json: cannot unmarshal number 3000000000 into Go struct field .spec.replicas of type int32",
        ),
        (r#"{"metadata":{"name":1}}"#, "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string"),
        (
            r#"{"metadata":{"labels":{"a":1}}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            r#"{"metadata":{"labels":[]}}"#,
            "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":[{"name":true}]}}}}"#,
            "json: cannot unmarshal bool into Go struct field Container.spec.template.spec.containers.name of type string",
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":{}}}}}"#,
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (r#"[]"#, "json: cannot unmarshal array into Go value of type v1.Deployment"),
        (
            r#"{"metadata":{"creationTimestamp":"x"}}"#,
            "metadata.creationTimestamp: parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as RFC 3339",
        ),
        (r#"{"a":"#, "json parse error: EOF while parsing a value at line 1 column 5"),
        (r#"{} x"#, "json parse error: trailing characters at line 1 column 4"),
    ];
    for (text, expect) in table {
        assert_eq!(decode(text).errors, [expect], "{text}");
    }
    assert_eq!(container(r#"{"timeout":"1x"}"#).errors, ["timeout: time: invalid duration \"1x\""]);
    assert_eq!(container(r#"{"data":{"a":"??"}}"#).errors, ["data.a: illegal base64 data at input byte 0"]);
    assert_eq!(container(r#"{"resources":{"limits":{"cpu":"1K"}}}"#).errors, ["resources.limits.cpu: unable to parse quantity's suffix"]);
    assert!(decode(&"[".repeat(500)).errors[0].contains("recursion limit"));
}

#[test]
fn normalises() {
    let got = container(
        r#"{"args":[],"env":[null],"image":null,"at":"2020-01-01T00:00:00Z","timeout":"90s","data":{"a":"aGk=","b":null},
            "resources":{"limits":{"cpu":0.5,"memory":"1024Mi","x":"1e3"}},"weight":1,"ports":[{"containerPort":80}]}"#,
    );
    assert_eq!((got.errors.len(), got.warnings.len()), (0, 0));
    assert_eq!(
        got.value,
        json!({"env": [{}], "at": "2020-01-01T00:00:00.000000Z", "timeout": "1m30s", "data": {"a": "aGk=", "b": ""},
            "resources": {"limits": {"cpu": "500m", "memory": "1Gi", "x": "1e3"}}, "weight": 1, "ports": [{"containerPort": 80}]})
    );
    let again = prune(got.value.clone(), fixture::workloads().named("io.test.v1.Container").unwrap());
    assert_eq!(again.value, got.value);
}

#[test]
fn keeps_what_custom_resources_may_hold() {
    let graph = fixture::build(&json!({"C": {"fields": {"list": {"list": "string"}, "raw": "any"}, "preserve": true, "plain": true}}));
    let text = r#"{"list":[],"raw":{"a":null},"other":{"b":null}}"#;
    let got = strict(text.as_bytes(), graph.named("C").unwrap());
    assert_eq!(got.value, json!({"list": [], "raw": {"a": null}, "other": {"b": null}}));
    assert!(got.warnings.is_empty());
}
