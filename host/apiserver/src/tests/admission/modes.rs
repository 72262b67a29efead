//! Modes, dry runs, failure policies, warnings.

use super::*;

#[tokio::test]
async fn modes_decide_what_a_refusal_does() {
    let check = async |mode: &str, policy: &str, answer: Answer, code: u16, told: &[&str]| {
        let w = World::new().await;
        let admission = and(maps(), &json!({ "mode": mode }));
        w.loaded("p", &admission, policy, (true, false), answer).await;
        let got = w.f.post(MAPS, &config_map("a")).await;
        assert_eq!((got.code, warnings(&got)), (code, told.iter().map(|t| (*t).to_owned()).collect()), "{mode} {policy}");
    };
    let warned: Answer = |_, _| Ok(Admitted { warnings: vec!["careful".to_owned()], ..Admitted::default() });
    check("Enforce", "Fail", warned, 201, &["careful"]).await;
    check("Warn", "Fail", warned, 201, &["careful"]).await;
    check("Audit", "Fail", warned, 201, &[]).await;
    check("Enforce", "Fail", never, 403, &[]).await;
    check("Warn", "Fail", never, 201, &["admission plugin \"p\" would have denied the request: no"]).await;
    check("Audit", "Fail", never, 201, &[]).await;
    let broken: Answer = |_, _| failed("boom");
    let open = "failed calling admission plugin \"p\": plugin p trapped: boom (the request goes on without it)";
    check("Enforce", "Fail", broken, 500, &[]).await;
    check("Enforce", "Ignore", broken, 201, &[open]).await;
    check("Warn", "Fail", broken, 201, &[open]).await;
    check("Audit", "Fail", broken, 201, &[]).await;
}

#[tokio::test]
async fn what_only_warns_changes_nothing() {
    let w = World::new().await;
    w.plugin("p", &and(maps(), &json!({ "mode": "Warn" })), |_, _| patched(json!([{ "op": "remove", "path": "/data" }]))).await;
    let made = w.f.post(MAPS, &config_map("a")).await.expect(201);
    assert_eq!(made["data"], json!({ "k": "v" }));
}

#[tokio::test]
async fn audited_refusals_are_events() {
    let w = World::with_roles().await;
    let mut events = w.f.watch("/api/v1/namespaces/default/events?watch=true").await;
    w.plugin("p", &and(maps(), &json!({ "mode": "Audit" })), never).await;
    w.f.post(MAPS, &config_map("a")).await.expect(201);
    let event = events.next().await.unwrap()["object"].clone();
    assert_eq!((&event["reason"], &event["type"], &event["count"]), (&json!("PolicyViolation"), &json!("Warning"), &json!(1)));
    assert_eq!(event["message"], "admission plugin \"p\" would have denied the request: no");
    assert_eq!((&event["involvedObject"]["kind"], &event["involvedObject"]["name"]), (&json!("ConfigMap"), &json!("a")));
    // The same again is counted.
    w.f.patch(&format!("{MAPS}/a"), "merge", &json!({ "data": { "x": "y" } })).await.expect(200);
    let event = events.next().await.unwrap()["object"].clone();
    assert_eq!(event["count"], 2);
}

#[tokio::test]
async fn dry_runs_are_not_told_to_what_has_side_effects() {
    let check = async |effects: &str, mode: &str, code: u16, calls: usize| {
        let w = World::new().await;
        w.plugin("p", &and(maps(), &json!({ "sideEffects": effects, "mode": mode })), fine).await;
        let answer = w.f.post(&format!("{MAPS}?dryRun=All"), &config_map("a")).await;
        assert_eq!((answer.code, w.calls().len()), (code, calls), "{effects}");
        if code == 400 {
            assert_eq!(answer.message(), "admission plugin \"p\" does not support dry run");
        }
        w.f.post(MAPS, &config_map("a")).await.expect(201);
        assert_eq!(w.calls().len(), 2);
    };
    check("None", "Enforce", 201, 2).await;
    check("NoneOnDryRun", "Enforce", 201, 2).await;
    check("Some", "Enforce", 400, 0).await;
    check("Some", "Warn", 201, 0).await;
}

#[tokio::test]
async fn the_first_refusal_in_order_counts() {
    let w = World::new().await;
    w.plugin("b", &maps(), |_, m| if m { Ok(Admitted::default()) } else { denied(0, "", "from b") }).await;
    w.plugin("a", &maps(), |_, m| if m { Ok(Admitted::default()) } else { denied(0, "", "from a") }).await;
    assert_eq!(w.f.post(MAPS, &config_map("a")).await.message(), "admission plugin \"a\" denied the request: from a");
    // All that judge were asked.
    assert_eq!(w.calls().len(), 4);
}
