//! What definitions are refused for, in upstream's words and at its paths.

use super::*;

/// Changes a valid definition by JSON pointers and tells the causes of its refusal.
async fn check(api: &Fixture, changes: &[(&str, Value)], expect: &[&str]) {
    let mut crd = widgets(json!({"spec": {"type": "object", "properties": {"a": {"type": "string"}}}}));
    crd["spec"]["names"]["singular"] = json!("widget");
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = crd.pointer_mut(parent).unwrap();
        match parent {
            Value::Array(list) => list.insert(key.parse().unwrap(), value.clone()),
            parent if value.is_null() => drop(parent.as_object_mut().unwrap().remove(key)),
            parent => parent[key] = value.clone(),
        }
    }
    let answer = api.post(&format!("{CRDS}?dryRun=All"), &crd).await;
    let got = if answer.code == 201 { Vec::new() } else { causes(answer) };
    assert_eq!(got, expect, "{changes:?}");
}

const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema";

#[tokio::test]
async fn names_versions_and_scope() {
    let api = Fixture::new().await;
    check(&api, &[], &[]).await;
    check(
        &api,
        &[("/metadata/name", json!("other.example.com"))],
        &["metadata.name: Invalid value: \"other.example.com\": must be spec.names.plural+\".\"+spec.group"],
    )
    .await;
    check(
        &api,
        &[("/spec/group", json!("example")), ("/metadata/name", json!("widgets.example"))],
        &["spec.group: Invalid value: \"example\": should be a domain with at least one dot"],
    )
    .await;
    check(
        &api,
        &[("/spec/scope", json!("Global"))],
        &["spec.scope: Unsupported value: \"Global\": supported values: \"Cluster\", \"Namespaced\""],
    )
    .await;
    check(
        &api,
        &[("/spec/names/listKind", json!("Widget"))],
        &["spec.names.listKind: Invalid value: \"Widget\": kind and listKind may not be the same"],
    )
    .await;
    check(&api, &[("/spec/versions/0/schema", Value::Null)], &["spec.versions[0].schema.openAPIV3Schema: Required value"]).await;
    check(&api, &[("/spec/preserveUnknownFields", json!(true))], &[
        "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
    ])
    .await;
    let second = json!({"name": "v2", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}});
    let got = {
        let mut crd = widgets(any());
        crd["spec"]["versions"].as_array_mut().unwrap().push(second);
        causes(api.post(CRDS, &crd).await)
    };
    assert!(got[0].ends_with("must have exactly one version marked as storage version"), "{got:?}");
    assert_eq!(got[1..], ["status.storedVersions: Invalid value: [\"v1\"]: must have the storage version v2"]);
    check(&api, &[("/metadata/name", json!("widgets.test.k8s.io")), ("/spec/group", json!("test.k8s.io"))], &[
        "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111",
    ])
    .await;
    check(
        &api,
        &[("/spec/versions/0/deprecationWarning", json!("old"))],
        &["spec.versions[0].deprecationWarning: Invalid value: \"old\": can only be set for deprecated versions"],
    )
    .await;
}

#[tokio::test]
async fn schemas() {
    let api = Fixture::new().await;
    let spec = |s: Value| vec![(format!("{SCHEMA}/properties/spec"), s)];
    let root = "spec.validation.openAPIV3Schema.properties[spec]";
    let table: &[(Value, &[&str])] = &[
        (json!({"properties": {"a": {"type": "string"}}}), &[".type: Required value: must not be empty for specified object fields"]),
        (
            json!({"type": "text"}),
            &[
                ".type: Unsupported value: \"text\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"",
            ],
        ),
        (json!({"type": "array"}), &[".items: Required value: must be specified"]),
        (json!({"type": "object", "$ref": "x"}), &[".$ref: Forbidden: $ref is not supported"]),
        (
            json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}}),
            &[".uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false}),
            &[".additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"],
        ),
        (json!({"type": "string", "default": 1}), &[".default: Invalid value: \"integer\":  in body must be of type string: \"integer\""]),
        (
            json!({"type": "object", "default": {"x": 1}, "properties": {"a": {"type": "string"}}}),
            &[".default: Invalid value: {\"x\":1}: must not have unknown fields"],
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object", "properties": {"k": {"type": "string"}}}}),
            &[
                ".items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            ],
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}),
            &[".x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"],
        ),
        (
            json!({"type": "object", "x-kubernetes-map-type": "odd"}),
            &[".x-kubernetes-map-type: Unsupported value: \"odd\": supported values: \"atomic\", \"granular\""],
        ),
        (json!({"type": "string", "x-kubernetes-validations": [{"rule": "self.size() >"}]}), &["compile"]),
        (
            json!({"type": "string", "x-kubernetes-validations": [{"rule": "1"}]}),
            &[".x-kubernetes-validations[0].rule: Invalid value: {\"rule\":\"1\"}: cel expression must evaluate to a bool"],
        ),
        (
            json!({"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 3, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}),
            &[
                ".items.x-kubernetes-validations[0].rule: Invalid value: \"self == oldSelf\": oldSelf cannot be used on the uncorrelatable portion of the schema within spec.validation.openAPIV3Schema.properties[spec]",
            ],
        ),
        (
            json!({"type": "object", "properties": {"l": {"type": "array", "items": {"type": "string"}}}, "x-kubernetes-validations": [{"rule": "self.l.all(a, self.l.all(b, a == b))"}]}),
            &["budget"],
        ),
        (
            json!({"type": "string", "x-kubernetes-validations": [{"rule": "true", "reason": "No", "fieldPath": ".a"}]}),
            &[
                ".x-kubernetes-validations[0].reason: Unsupported value: \"No\": supported values: \"FieldValueDuplicate\", \"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\"",
                ".x-kubernetes-validations[0].fieldPath: Invalid value: \".a\": must be a valid path",
            ],
        ),
    ];
    for (schema, expect) in table {
        let changes = spec(schema.clone());
        let changes: Vec<(&str, Value)> = changes.iter().map(|(p, v)| (p.as_str(), v.clone())).collect();
        match *expect {
            ["compile"] => {
                let got = refused(&api, schema).await;
                assert!(got[0].contains("compilation failed: ERROR: <input>:1:14: Syntax error"), "{got:?}");
            }
            ["budget"] => {
                let got = refused(&api, schema).await;
                assert!(
                    got[0].starts_with(&format!(
                        "{root}.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x"
                    )),
                    "{got:?}"
                );
            }
            expect => {
                let expect: Vec<String> = expect.iter().map(|e| format!("{root}{e}")).collect();
                check(&api, &changes, &expect.iter().map(String::as_str).collect::<Vec<_>>()).await;
            }
        }
    }
}

async fn refused(api: &Fixture, spec: &Value) -> Vec<String> {
    causes(api.post(&format!("{CRDS}?dryRun=All"), &widgets(json!({"spec": spec}))).await)
}

#[tokio::test]
async fn columns_subresources_selectors_and_conversion() {
    let api = Fixture::new().await;
    check(
        &api,
        &[("/spec/versions/0/additionalPrinterColumns", json!([{"name": "A", "type": "text", "jsonPath": "spec.a"}]))],
        &[
            "spec.additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of boolean,date,integer,number,string",
            "spec.additionalPrinterColumns[0].JSONPath: Invalid value: \"spec.a\": must be a simple json path starting with .",
        ],
    )
    .await;
    check(
        &api,
        &[("/spec/versions/0/subresources", json!({"scale": {"specReplicasPath": ".status.a", "statusReplicasPath": ".status.b"}}))],
        &["spec.subresources.scale.specReplicasPath: Invalid value: \".status.a\": should be a json path under .spec"],
    )
    .await;
    check(&api, &[("/spec/versions/0/selectableFields", json!([{"jsonPath": ".spec.b"}, {"jsonPath": ".spec"}]))], &[
        "spec.selectableFields[0].jsonPath: Invalid value: \".spec.b\": is an invalid path: does not refer to a valid field",
        "spec.selectableFields[1].jsonPath: Invalid value: \".spec\": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.",
    ])
    .await;
    check(&api, &[("/spec/conversion", json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v9"], "clientConfig": {"url": "http://a/b?c"}}}))], &[
        "spec.conversion.webhookClientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
        "spec.conversion.webhookClientConfig.url: Invalid value: \"c\": query parameters are not permitted in the URL",
        "spec.conversion.conversionReviewVersions: Invalid value: [\"v9\"]: must include at least one of v1, v1beta1",
    ])
    .await;
    check(
        &api,
        &[("/spec/conversion", json!({"strategy": "Webhook"}))],
        &[
            "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
            "spec.conversion.conversionReviewVersions: Required value",
        ],
    )
    .await;
}

#[tokio::test]
async fn what_an_update_may_not_change() {
    let api = Fixture::new().await;
    api.post(CRDS, &widgets(any())).await.expect(201);
    let crd = condition(&api, "widgets.example.com", "Established", "True InitialNamesAccepted").await;
    let path = format!("{CRDS}/widgets.example.com");
    let mut changed = crd.clone();
    changed["spec"]["scope"] = json!("Cluster");
    changed["spec"]["names"]["kind"] = json!("Gadget");
    assert_eq!(
        causes(api.put(&path, &changed).await),
        ["spec.scope: Invalid value: \"Cluster\": field is immutable", "spec.names.kind: Invalid value: \"Gadget\": field is immutable",]
    );
    let mut changed = crd.clone();
    changed["spec"]["versions"][0]["name"] = json!("v2");
    let got = causes(api.put(&path, &changed).await);
    assert!(
        got[0].starts_with(
            "status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions; v1 was previously a storage version"
        ),
        "{got:?}"
    );
    let mut unconditional = crd.clone();
    unconditional["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    api.put(&path, &unconditional).await.expect(422);
}
