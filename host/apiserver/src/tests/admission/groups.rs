//! Policies that decide together.

use super::*;

const GROUPS: &str = "/apis/coracle.dev/v1alpha1/policygroups";

fn group(expression: &str, more: &Value) -> Value {
    let spec = json!({
        "expression": expression, "message": "the image must be signed or pinned", "policies": { "pinned": { "plugin": "p" }, "signed": { "plugin": "s" } },
        "rules": maps()["rules"],
    });
    json!({ "apiVersion": "coracle.dev/v1alpha1", "kind": "PolicyGroup", "metadata": { "name": "g" }, "spec": and(spec, more) })
}

async fn world(signed: Answer, pinned: Answer) -> World {
    let w = World::new().await;
    // No rules of their own: they serve groups only.
    w.loaded("s", &json!({}), "Fail", (true, false), signed).await;
    w.loaded("p", &json!({}), "Fail", (true, false), pinned).await;
    w
}

#[tokio::test]
async fn the_expression_decides() {
    let check = async |expression: &str, signed: Answer, pinned: Answer, code: u16, calls: &[&str]| {
        let w = world(signed, pinned).await;
        w.f.post(GROUPS, &group(expression, &json!({}))).await.expect(201);
        w.settle().await;
        assert_eq!(w.f.post(MAPS, &config_map("a")).await.code, code, "{expression}");
        let asked: Vec<String> = w.calls().iter().map(|call| call[..1].to_owned()).collect();
        assert_eq!(asked, calls, "{expression}");
    };
    check("signed() || pinned()", fine, never, 201, &["s"]).await;
    check("signed() || pinned()", never, fine, 201, &["s", "p"]).await;
    check("signed() || pinned()", never, never, 403, &["s", "p"]).await;
    check("signed() && !pinned()", fine, never, 201, &["s", "p"]).await;
    check("signed() && !pinned()", never, fine, 403, &["s"]).await;
    check("!signed()", fine, fine, 403, &["s"]).await;
}

#[tokio::test]
async fn a_denial_tells_what_each_said() {
    let w = world(|_, _| denied(422, "Invalid", "no signature"), |_, _| denied(0, "", "a tag")).await;
    w.f.post(GROUPS, &group("signed() || pinned()", &json!({}))).await.expect(201);
    w.settle().await;
    let status = w.f.post(MAPS, &config_map("a")).await.expect(403);
    assert_eq!(status["message"], "admission policy group \"g\" denied the request: the image must be signed or pinned");
    let causes = json!([
        { "message": "no signature", "field": "spec.policies.signed" }, { "message": "a tag", "field": "spec.policies.pinned" }
    ]);
    assert_eq!(status["details"]["causes"], causes);
}

#[tokio::test]
async fn a_member_that_fails_is_a_failure_of_the_group() {
    let check = async |more: Value, code: u16, expect: &str| {
        let w = world(never, |_, _| failed("boom")).await;
        w.f.post(GROUPS, &group("signed() || pinned()", &more)).await.expect(201);
        w.settle().await;
        let answer = w.f.post(MAPS, &config_map("a")).await;
        assert_eq!(answer.code, code);
        let told = if code < 300 { warnings(&answer).join("|") } else { answer.message() };
        assert_eq!(told, expect);
    };
    let failed = "failed calling admission policy group \"g\": plugin g failed: policy \"pinned\": plugin p trapped: boom";
    check(json!({}), 500, &format!("Internal error occurred: {failed}")).await;
    check(json!({ "failurePolicy": "Ignore" }), 201, &format!("{failed} (the request goes on without it)")).await;
    let missing = "failed calling admission policy group \"g\": plugin g failed: policy \"pinned\": plugin q failed: it is not loaded";
    check(json!({ "policies": { "pinned": { "plugin": "q" } } }), 500, &format!("Internal error occurred: {missing}")).await;
}

#[tokio::test]
async fn mistakes_are_causes() {
    let f = Fixture::new().await;
    let check = async |expression: &str, more: Value, expect: &[&str]| {
        let answer = f.post(&format!("{GROUPS}?dryRun=All"), &group(expression, &more)).await;
        let status = answer.json();
        let causes = status["details"]["causes"].as_array().cloned().unwrap_or_default();
        let told: Vec<String> =
            causes.iter().map(|c| format!("{}: {}", c["field"].as_str().unwrap(), c["message"].as_str().unwrap())).collect();
        assert_eq!(told, expect, "{expression} {more}");
    };
    check("signed()", json!({}), &[]).await;
    check("signd()", json!({}), &["spec.expression: Invalid value: \"signd()\": column 1: there is no policy \"signd\""]).await;
    check(
        "true",
        json!({ "policies": { "a-b": { "plugin": "X" }, "pinned": null, "signed": null }, "rules": [], "message": " ", "failurePolicy": "Maybe" }),
        &[
            "spec.failurePolicy: Unsupported value: \"Maybe\": supported values: \"Fail\", \"Ignore\"",
            "spec.rules: Required value",
            "spec.message: Required value",
            "spec.policies[a-b]: Invalid value: \"a-b\": must be a word of letters, digits and underscores that does not begin with a digit",
            "spec.policies[a-b].plugin: Invalid value: \"X\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ],
    )
    .await;
}
