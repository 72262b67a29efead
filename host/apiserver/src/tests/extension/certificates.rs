//! What is refused of requests for certificates and of bundles of trust: `input → causes`.

use super::*;

#[tokio::test]
async fn certificates() {
    let f = Fixture::new().await;
    const GROUP: &str = "certificates.k8s.io";
    let spec = |patch: Value| json!({ "spec": patch });
    check(
        &f,
        GROUP,
        "v1",
        "certificatesigningrequests",
        vec![
            (json!({}), &[]),
            (
                spec(json!({ "request": "YQ==", "usages": ["any", "any", "flying"], "signerName": "kubernetes.io/legacy-unknown", "expirationSeconds": 599 })),
                &[
                    "spec.request: Invalid value: \"YQ==\": PEM block type must be CERTIFICATE REQUEST",
                    "spec.usages[2]: Unsupported value: \"flying\": supported values: \"any\"…",
                    "spec.usages[1]: Duplicate value: \"any\"",
                    "spec.signerName: Invalid value: \"kubernetes.io/legacy-unknown\": the legacy signerName is not allowed via this API version",
                    "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)",
                ],
            ),
            (spec(json!({ "usages": [] })), &["spec.usages: Required value"]),
            (spec(json!({ "signerName": "a" })), &["spec.signerName: Invalid value: \"a\": must be a fully qualified domain and path of the form 'example.com/signer-name'"]),
            (
                spec(json!({ "signerName": "exAmple/b_c" })),
                &[
                    "spec.signerName: Invalid value: \"exAmple\": validating label \"exAmple\": a lowercase RFC 1123 label…",
                    "spec.signerName: Invalid value: \"exAmple\": should be a domain with at least two segments separated by dots",
                    "spec.signerName: Invalid value: \"b_c\": validating label \"b_c\": a lowercase RFC 1123 subdomain…",
                ],
            ),
        ],
    )
    .await;
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let lie = sample(GROUP, "v1", "certificatesigningrequests", &json!({ "spec": { "username": "root", "groups": ["system:masters"] } }));
    let made = f.post(path, &lie).await.expect(201);
    let user = f.user.clone().unwrap();
    assert_eq!((&made["spec"]["username"], &made["spec"]["groups"]), (&json!(user.name), &json!(user.groups)));
    let one = format!("{path}/sample");
    // The specification never changes, and nobody is told that it did not.
    let after = f.patch(&one, "merge", &json!({ "spec": { "signerName": "example.com/other" } })).await.expect(200);
    assert_eq!(after["spec"], made["spec"]);
    let verdict = |ty: &str, status: &str| json!({ "type": ty, "status": status, "reason": "R" });
    let conditions = |list: Vec<Value>| json!({ "status": { "conditions": list } });
    f.check_patches(
        &format!("{one}/approval"),
        &[
            (
                conditions(vec![verdict("Approved", "False")]),
                &["status.conditions[0].status: Unsupported value: \"False\": supported values: \"True\""],
            ),
            (
                conditions(vec![verdict("Approved", "True"), verdict("Denied", "True")]),
                &["status.conditions: Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive"],
            ),
        ],
    )
    .await;
    let status = format!("{one}/status");
    f.check_patches(
        &status,
        &[
            (
                conditions(vec![verdict("Approved", "True")]),
                &["status.conditions: Forbidden: updates may not add a condition of type \"Approved\""],
            ),
            (
                json!({ "status": { "certificate": "YQ==" } }),
                &["status.certificate: Invalid value: \"<certificate data>\": must contain at least one CERTIFICATE PEM block"],
            ),
        ],
    )
    .await;
    let approved = f.patch(&format!("{one}/approval"), "merge", &conditions(vec![verdict("Approved", "True")])).await.expect(200);
    let condition = &approved["status"]["conditions"][0];
    assert!(condition["lastUpdateTime"].is_string() && condition["lastTransitionTime"].is_string(), "{condition}");
    f.check_patches(
        &format!("{one}/approval"),
        &[(conditions(vec![]), &["status.conditions: Forbidden: updates may not remove a condition of type \"Approved\""])],
    )
    .await;
    // A signer that writes only what it knows does not take the approval away.
    let failed = f.patch(&status, "merge", &conditions(vec![verdict("Failed", "True")])).await.expect(200);
    assert_eq!(failed["status"]["conditions"].as_array().unwrap().len(), 2);
    check(
        &f,
        GROUP,
        "v1",
        "clustertrustbundles",
        vec![
            (json!({}), &[]),
            (json!({ "metadata": { "name": "a:b" } }), &["metadata.name: Invalid value: \"a:b\": ClusterTrustBundle without signer name must not have \":\" in its name", "metadata.name: Invalid value: \"a:b\": a lowercase RFC 1123 subdomain…"]),
            (spec(json!({ "signerName": "example.com/s" })), &["metadata.name: Invalid value: \"sample\": ClusterTrustBundle for signerName example.com/s must be named with prefix example.com:s:"]),
            (json!({ "metadata": { "name": "example.com:s:n" }, "spec": { "signerName": "example.com/s" } }), &[]),
            (spec(json!({ "trustBundle": "none" })), &["spec.trustBundle: Invalid value: \"<value omitted>\": at least one trust anchor must be provided"]),
        ],
    )
    .await;
    let bundle = sample(GROUP, "v1", "clustertrustbundles", &json!({}))["spec"]["trustBundle"].as_str().unwrap().to_owned();
    check(
        &f,
        GROUP,
        "v1",
        "clustertrustbundles",
        vec![(
            spec(json!({ "trustBundle": format!("{bundle}{bundle}") })),
            &["spec.trustBundle: Invalid value: \"<value omitted>\": duplicate trust anchor (indices [0 1])"],
        )],
    )
    .await;
    check(
        &f,
        GROUP,
        "v1",
        "podcertificaterequests",
        vec![
            (json!({}), &[]),
            (
                spec(json!({ "podUID": "", "maxExpirationSeconds": 10, "unverifiedUserAnnotations": { "a": "b" } })),
                &[
                    "spec.unverifiedUserAnnotations: Invalid value: \"a\": must be a domain-prefixed key (such as \"acme.io/foo\")",
                    "spec.podUID: Invalid value: \"\": must not be empty",
                    "spec.maxExpirationSeconds: Invalid value: 10: must be in the range [3600, 7862400]",
                ],
            ),
            (
                spec(json!({ "signerName": "kubernetes.io/s", "maxExpirationSeconds": 100000 })),
                &["spec.maxExpirationSeconds: Invalid value: 100000: must be in the range [3600, 86400]"],
            ),
            (
                spec(json!({ "stubPKCS10Request": "YQ==" })),
                &["spec.stubPKCS10Request: Invalid value: \"YQ==\": must be a valid PKCS#10 certificate signing request…"],
            ),
        ],
    )
    .await;
    let path = "/apis/certificates.k8s.io/v1/namespaces/default/podcertificaterequests";
    f.post(path, &sample(GROUP, "v1", "podcertificaterequests", &json!({}))).await.expect(201);
    let condition = |ty: &str| json!({ "type": ty, "status": "True", "reason": "R", "lastTransitionTime": "2020-01-01T00:00:00Z" });
    f.check_patches(&format!("{path}/sample"), &[(json!({ "spec": { "podName": "q" } }), &["spec: Invalid value: {…"])]).await;
    f.check_patches(
        &format!("{path}/sample/status"),
        &[
            (conditions(vec![condition("Denied")]), &[]),
            (
                conditions(vec![condition("Odd")]),
                &["status.conditions.[0].type: Unsupported value: \"Odd\": supported values: \"Issued\", \"Denied\", \"Failed\""],
            ),
            (
                conditions(vec![condition("Issued")]),
                &["status.certificateChain: Invalid value: \"\": issued certificate chain must contain at least one certificate"],
            ),
            (
                json!({ "status": { "conditions": [condition("Denied")], "certificateChain": "x" } }),
                &["status: Invalid value: non-condition status fields must be empty when denying or failing the PodCertificateRequest"],
            ),
            (
                json!({ "status": { "certificateChain": "x" } }),
                &["status: Invalid value: status is immutable unless transitioning to \"Issued\", \"Denied\", or \"Failed\""],
            ),
        ],
    )
    .await;
    let answer = f.patch(&format!("{path}/sample/status"), "merge", &conditions(vec![condition("Denied")])).await;
    compare(&Value::Null, &told(&answer), &[]);
    f.check_patches(
        &format!("{path}/sample/status"),
        &[(
            conditions(vec![condition("Failed")]),
            &["status: Invalid value: immutable after PodCertificateRequest is issued, denied, or failed"],
        )],
    )
    .await;
}
