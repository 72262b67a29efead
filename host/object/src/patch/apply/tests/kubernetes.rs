use super::*;

const KIND: &str = "io.test.v1.Deployment";

fn ctx<'a>(graph: &'a Graph, manager: &'a str, subresource: &'a str, force: bool) -> ApplyContext<'a> {
    let schema = graph.named(KIND).unwrap();
    ApplyContext { schema, manager, api_version: "apps/v1", subresource, force, now: "2020-01-01T00:00:00Z", reset_fields: &[] }
}

fn deployment(mut value: Value) -> Object {
    value["apiVersion"] = json!("apps/v1");
    value["kind"] = json!("Deployment");
    value["metadata"]["name"] = json!("web");
    Object::from_value(value).unwrap()
}

fn fields(object: &Object, manager: &str) -> Value {
    let list = object.at(&["metadata", "managedFields"]).and_then(Value::as_array).cloned().unwrap_or_default();
    list.into_iter().find(|e| e["manager"] == manager).map(|mut e| e["fieldsV1"].take()).unwrap_or_default()
}

fn stored(mut object: Object) -> Object {
    object.set_at(&["metadata", "uid"], json!("u1"));
    object.set_at(&["metadata", "resourceVersion"], json!("7"));
    object
}

#[test]
fn book_of_a_created_object() {
    let graph = fixture::workloads();
    let mut new = deployment(json!({
        "metadata": {"labels": {"app": "web"}, "generation": 1},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"containers": [
            {"name": "c", "image": "i", "args": ["x"], "ports": [{"containerPort": 80}]}]}}}
    }));
    update_managers(None, &mut new, &ctx(&graph, "kubectl-create", "", false));
    assert_eq!(
        new.at(&["metadata", "managedFields"]),
        Some(&json!([{"manager": "kubectl-create", "operation": "Update", "apiVersion": "apps/v1", "time": "2020-01-01T00:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": {
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {".": {}, "f:spec": {".": {}, "f:containers": {".": {},
                "k:{\"name\":\"c\"}": {".": {}, "f:name": {}, "f:image": {}, "f:args": {}, "f:ports": {".": {},
                    "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}}}
        }}]))
    );
}

#[test]
fn updates_of_object_and_status() {
    let graph = fixture::workloads();
    let mut created = deployment(json!({"spec": {"replicas": 1, "paused": true}}));
    update_managers(None, &mut created, &ctx(&graph, "creator", "", false));
    let live = stored(created);

    // Nothing changed: the book stands, times and all, whatever the client sent back.
    let mut same = live.clone();
    same.remove_at(&["metadata", "managedFields"]);
    same.set_at(&["metadata", "generation"], json!(5));
    update_managers(Some(&live), &mut same, &ctx(&graph, "other", "", false));
    assert_eq!(same.at(&["metadata", "managedFields"]), live.at(&["metadata", "managedFields"]));

    let mut new = live.clone();
    new.set_at(&["status", "replicas"], json!(1));
    update_managers(Some(&live), &mut new, &ctx(&graph, "controller", "status", false));
    let entries = new.at(&["metadata", "managedFields"]).unwrap();
    assert_eq!(entries[0]["manager"], "controller");
    assert_eq!(entries[0]["subresource"], "status");
    assert_eq!(fields(&new, "controller"), json!({"f:status": {"f:replicas": {}}}));

    let mut scaled = new.clone();
    scaled.set_at(&["spec", "replicas"], json!(5));
    scaled.remove_at(&["spec", "paused"]);
    update_managers(Some(&new), &mut scaled, &ctx(&graph, "scaler", "scale", false));
    assert_eq!(fields(&scaled, "creator"), Value::Null);
    assert_eq!(fields(&scaled, "scaler"), json!({"f:spec": {"f:replicas": {}}}));

    let refused = apply(Some(&scaled), &deployment(json!({"spec": {"replicas": 3}})), &ctx(&graph, "me", "", false)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Apply failed with 1 conflict: conflict with \"scaler\" with subresource \"scale\" using apps/v1: .spec.replicas"
    );
    let status = StatusError::from(refused);
    assert_eq!((status.code, status.reason), (409, Reason::Conflict));
    assert_eq!(
        status.causes,
        [StatusCause {
            reason: "FieldManagerConflict".to_owned(),
            message: "conflict with \"scaler\" with subresource \"scale\" using apps/v1".to_owned(),
            field: ".spec.replicas".to_owned(),
        }]
    );
    let both =
        apply(Some(&scaled), &deployment(json!({"spec": {"replicas": 3}, "status": {"replicas": 9}})), &ctx(&graph, "me", "", false));
    assert_eq!(
        both.unwrap_err().to_string(),
        "Apply failed with 2 conflicts: conflicts with \"controller\" with subresource \"status\" using apps/v1:\n- .status.replicas\n\
         conflicts with \"scaler\" with subresource \"scale\" using apps/v1:\n- .spec.replicas"
    );
}

#[test]
fn clients_may_rewrite_the_book() {
    let graph = fixture::workloads();
    let mut created = deployment(json!({"spec": {"replicas": 1}}));
    update_managers(None, &mut created, &ctx(&graph, "creator", "", false));
    let live = stored(created);
    let entry = json!([{"manager": "x", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
    let check = |sent: Value, subresource: &str, expect: Option<&Value>| {
        let mut new = live.clone();
        new.set_at(&["metadata", "managedFields"], sent);
        update_managers(Some(&live), &mut new, &ctx(&graph, "creator", subresource, false));
        assert_eq!(new.at(&["metadata", "managedFields"]), expect);
    };
    let kept = live.at(&["metadata", "managedFields"]);
    check(entry.clone(), "", Some(&entry));
    check(entry, "status", kept);
    check(json!([]), "", None);
    check(json!([{}]), "", None);
    check(json!([{"manager": "x", "operation": "Zap"}]), "", kept);
}

#[test]
fn objects_without_a_book() {
    let graph = fixture::workloads();
    let live = stored(deployment(json!({"spec": {"replicas": 1}})));
    let mut new = live.clone();
    new.set_at(&["spec", "replicas"], json!(2));
    update_managers(Some(&live), &mut new, &ctx(&graph, "u", "", false));
    assert_eq!(new.at(&["metadata", "managedFields"]), None);

    let applied = deployment(json!({"spec": {"replicas": 2}}));
    let refused = apply(Some(&live), &applied, &ctx(&graph, "me", "", false)).unwrap_err();
    assert_eq!(refused.to_string(), "Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1: .spec.replicas");
    let forced = apply(Some(&live), &applied, &ctx(&graph, "me", "", true)).unwrap();
    assert_eq!(fields(&forced, "me"), json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!(forced.str_at(&["metadata", "resourceVersion"]), "7");
}

#[test]
fn kubectl_takes_over_what_it_applied_from_the_client_side() {
    let graph = fixture::workloads();
    let last = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 1, "paused": true}});
    let mut live = deployment(json!({"spec": {"replicas": 1, "paused": true}}));
    live.set_at(&["metadata", "annotations", LAST_APPLIED], json!(last.to_string()));
    update_managers(None, &mut live, &ctx(&graph, "kubectl-client-side-apply", "", false));
    let live = stored(live);
    let applied = deployment(json!({"spec": {"replicas": 3, "paused": true}}));
    assert!(apply(Some(&live), &applied, &ctx(&graph, "other", "", false)).is_err());
    let got = apply(Some(&live), &applied, &ctx(&graph, "kubectl", "", false)).unwrap();
    assert_eq!(got.at(&["spec", "replicas"]), Some(&json!(3)));
    assert_eq!(
        got.annotation(LAST_APPLIED),
        Some(
            "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"paused\":true,\"replicas\":3}}\n"
        )
    );
    // What someone changed since is a conflict as ever.
    let mut scaled = live.clone();
    scaled.set_at(&["spec", "replicas"], json!(2));
    update_managers(Some(&live), &mut scaled, &ctx(&graph, "scaler", "", false));
    assert!(apply(Some(&scaled), &applied, &ctx(&graph, "kubectl", "", false)).is_err());
}

#[test]
fn applied_lists_shrink_and_vanish() {
    let graph = fixture::workloads();
    let applied = |containers: Value| {
        deployment(json!({"metadata": {"labels": {"a": "1"}}, "spec": {"template": {"spec": {"containers": containers}}}}))
    };
    let me = ctx(&graph, "me", "", false);
    let first = apply(None, &applied(json!([{"name": "a", "image": "1", "ports": [{"containerPort": 80}]}, {"name": "b"}])), &me).unwrap();
    let second = apply(Some(&stored(first)), &applied(json!([{"name": "a", "image": "2"}])), &me).unwrap();
    assert_eq!(second.at(&["spec", "template", "spec"]), Some(&json!({"containers": [{"name": "a", "image": "2"}]})));
    assert_eq!(second.str_at(&["metadata", "uid"]), "u1");
    let third = apply(Some(&second), &deployment(json!({"spec": {"replicas": 1}})), &me).unwrap();
    assert_eq!(third.at(&["spec"]), Some(&json!({"replicas": 1})));
    assert_eq!(third.labels(), None);
    // Applying the same again changes nothing, not even a time.
    let later = ApplyContext { now: "2021-01-01T00:00:00Z", ..me };
    assert_eq!(apply(Some(&third), &deployment(json!({"spec": {"replicas": 1}})), &later).unwrap(), third);
}

#[test]
fn refuses_bad_configurations() {
    let graph = fixture::workloads();
    let subject = "failed to create typed patch object (/web; apps/v1, Kind=Deployment): ";
    let container = |c: Value| json!({"spec": {"template": {"spec": {"containers": c}}}});
    let table = [
        (json!({"spec": {"x": 1}}), format!("{subject}.spec.x: field not declared in schema")),
        (json!({"spec": []}), format!("{subject}.spec: expected map, got []")),
        (container(json!({})), format!("{subject}.spec.template.spec.containers: expected list, got {{}}")),
        (
            container(json!([{"image": "x"}])),
            format!(
                "{subject}.spec.template.spec.containers: element 0: associative list with keys has an element that omits all key fields [\"name\"] (and doesn't have default values for any key fields)"
            ),
        ),
        (
            container(json!([{"name": "a"}, {"name": "a"}])),
            format!("{subject}.spec.template.spec.containers: duplicate entries for key [name=\"a\"]"),
        ),
        (json!({"metadata": {"managedFields": []}}), "metadata.managedFields must be nil".to_owned()),
    ];
    for (value, expect) in table {
        let error = apply(None, &deployment(value), &ctx(&graph, "me", "", true)).unwrap_err();
        assert_eq!(error.to_string(), expect);
        // Upstream gives what is not of the schema no code of its own.
        let code = if expect.starts_with(subject) { 500 } else { 400 };
        assert_eq!(StatusError::from(error).code, code);
    }
    let mut other = deployment(json!({}));
    other.set_at(&["apiVersion"], json!("apps/v2"));
    assert_eq!(
        apply(None, &other, &ctx(&graph, "me", "", true)).unwrap_err().to_string(),
        "Incorrect version specified in apply patch. Specified patch version: apps/v2, expected: apps/v1"
    );
}

#[test]
fn many_updaters_are_folded() {
    let graph = fixture::workloads();
    let mut live = deployment(json!({}));
    update_managers(None, &mut live, &ctx(&graph, "creator", "", false));
    for n in 0..15 {
        let mut new = live.clone();
        let key = format!("k{n:02}");
        new.set_at(&["metadata", "labels", &key], json!("v"));
        let (manager, now) = (format!("m{n:02}"), format!("2020-01-01T00:00:{n:02}Z"));
        let ctx = ApplyContext { now: &now, ..ctx(&graph, &manager, "", false) };
        update_managers(Some(&live), &mut new, &ctx);
        live = new;
    }
    let entries = live.at(&["metadata", "managedFields"]).and_then(Value::as_array).unwrap();
    let managers: Vec<&str> = entries.iter().map(|e| e["manager"].as_str().unwrap()).collect();
    assert_eq!(managers, ["ancient-changes", "m06", "m07", "m08", "m09", "m10", "m11", "m12", "m13", "m14"]);
    assert_eq!(
        fields(&live, "ancient-changes"),
        json!({"f:metadata": {"f:labels": {".": {}, "f:k00": {}, "f:k01": {}, "f:k02": {}, "f:k03": {}, "f:k04": {}, "f:k05": {}}}})
    );
}
