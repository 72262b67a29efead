//! Bodies, names, fields, users.

use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use tests::{Cluster, Kubectl, Said};

/// `POST` of bytes as they are.
fn post(kubectl: Kubectl, path: &str, body: &str) -> Said {
    kubectl.run_with(&["create", "--raw", path, "-f", "-"], body, &[])
}

#[test]
fn bad_fields_are_refused_warned_about_or_ignored() {
    let space = Cluster::shared().space("bad-fields");
    let yaml = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, color: red}}\ndatum: {{a: b}}\n");
    let create = |name: &str, mode: &str| space.kubectl().run_with(&["create", &format!("--validate={mode}"), "-f", "-"], &yaml(name), &[]);
    let strict = create("strict", "strict");
    assert_eq!(strict.code, Some(1));
    assert!(
        strict.err.contains("strict decoding error")
            && strict.err.contains("unknown field \"datum\"")
            && strict.err.contains("unknown field \"metadata.color\""),
        "{}",
        strict.err
    );
    space.fails(&["get", "configmap", "strict"], "not found");
    let warn = create("warn", "warn");
    assert_eq!(warn.code, Some(0), "{}", warn.err);
    assert!(warn.err.contains("Warning: unknown field \"datum\""), "{}", warn.err);
    let ignore = create("ignore", "ignore");
    assert_eq!((ignore.code, ignore.err.as_str()), (Some(0), ""));
    for name in ["warn", "ignore"] {
        let map = space.get("configmap", name);
        assert!(map["datum"].is_null() && map["metadata"]["color"].is_null(), "unknown fields are not stored: {map:#}");
    }
}

#[test]
fn bad_bodies_are_refused_with_what_and_where() {
    let space = Cluster::shared().space("bad-bodies");
    let maps = "/api/v1/namespaces/bad-bodies/configmaps?fieldValidation=Strict";
    let deployments = "/apis/apps/v1/namespaces/bad-bodies/deployments";
    let deployment = |replicas: &str| {
        format!(r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"x"}},"spec":{{"replicas":{replicas}}}}}"#)
    };
    for (path, body, part) in [
        (
            maps,
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1","a":"2"}}"#.to_owned(),
            "duplicate field \"data.a\"",
        ),
        (
            maps,
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","name":"y"}}"#.to_owned(),
            "duplicate field \"metadata.name\"",
        ),
        (
            maps,
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":1}}"#.to_owned(),
            "ConfigMap.data of type string",
        ),
        (maps, r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":"x"}"#.to_owned(), "metadata"),
        (maps, r#"{"apiVersion":"v1","kind":"ConfigMap","#.to_owned(), "json parse error"),
        (maps, "not json".to_owned(), "json parse error"),
        (maps, r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"}}"#.to_owned(), "Secret"),
        (maps, r#"{"apiVersion":"v2","kind":"ConfigMap","metadata":{"name":"x"}}"#.to_owned(), "v2"),
        (deployments, deployment("\"three\""), "replicas"),
        (deployments, deployment("1.5"), "replicas"),
        (deployments, deployment("99999999999999999999"), "replicas"),
    ] {
        let said = post(space.kubectl(), path, &body);
        assert_ne!(said.code, Some(0), "{body}");
        assert!(said.err.contains(part), "{body}: {part:?} is not in {}", said.err);
    }
    assert_eq!(space.json(&["get", "configmaps", "--field-selector", "metadata.name=x"])["items"], json!([]));
}

#[test]
fn bad_names_and_values_are_named_with_their_path() {
    let space = Cluster::shared().space("bad-values");
    let map = |metadata: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\n");
    let pod = |spec: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: x}}\nspec: {spec}\n");
    let deployment = |spec: &str| format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: x}}\nspec: {spec}\n");
    let template = "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}";
    for (yaml, parts) in [
        (map("{name: A_b}"), vec!["metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain must consist of"]),
        (map(&format!("{{name: {}}}", "a".repeat(254))), vec!["metadata.name", "must be no more than 253"]),
        (map("{name: x, labels: {a/b/c: d}}"), vec!["metadata.labels: Invalid value: \"a/b/c\""]),
        (map("{name: x, labels: {a: b c}}"), vec!["metadata.labels: Invalid value: \"b c\"", "a valid label must be"]),
        (map("{name: x, annotations: {'a b': c}}"), vec!["metadata.annotations: Invalid value: \"a b\""]),
        (map("{name: x}\ndata: {'a/b': c}"), vec!["data[a/b]: Invalid value", "a valid config key must consist of"]),
        (pod("{}"), vec!["spec.containers: Required value"]),
        (pod("{containers: [{name: A, image: i}]}"), vec!["spec.containers[0].name: Invalid value: \"A\""]),
        (pod("{containers: [{name: a, image: ''}]}"), vec!["spec.containers[0].image: Required value"]),
        (
            pod("{containers: [{name: a, image: i}], restartPolicy: Sometimes}"),
            vec!["spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\""],
        ),
        (
            pod("{containers: [{name: a, image: i, volumeMounts: [{name: v, mountPath: /v}]}]}"),
            vec!["spec.containers[0].volumeMounts[0].name: Not found: \"v\""],
        ),
        (
            pod("{containers: [{name: a, image: i, resources: {limits: {memory: lots}}}]}"),
            vec!["spec.containers[0].resources.limits.memory: quantities must match the regular expression"],
        ),
        (
            pod("{containers: [{name: a, image: i, resources: {requests: {cpu: 2}, limits: {cpu: 1}}}]}"),
            vec!["spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"],
        ),
        (
            pod("{containers: [{name: a, image: i, ports: [{containerPort: 70000}]}]}"),
            vec!["spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"],
        ),
        (
            deployment(&format!("{{replicas: -1, selector: {{matchLabels: {{a: b}}}}, {template}}}")),
            vec!["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            deployment(&format!("{{selector: {{matchLabels: {{a: c}}}}, {template}}}")),
            vec!["spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"],
        ),
        (deployment(&format!("{{{template}}}")), vec!["spec.selector: Required value"]),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: 1x}\nspec: {ports: [{port: 80}]}\n".to_owned(),
            vec!["metadata.name: Invalid value: \"1x\": a DNS-1035 label"],
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: 0}]}\n".to_owned(),
            vec!["spec.ports[0].port: Invalid value: 0"],
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {clusterIP: 9.9.9.9, ports: [{port: 80}]}\n".to_owned(),
            vec!["spec.clusterIPs: Invalid value: [\"9.9.9.9\"]", "the provided IP (9.9.9.9) is not in the valid range"],
        ),
    ] {
        let said = space.kubectl().run_with(&["create", "-f", "-"], &yaml, &[]);
        assert_ne!(said.code, Some(0), "{yaml}");
        for part in parts {
            assert!(said.err.contains(part), "{yaml}{part:?} is not in {}", said.err);
        }
    }
}

#[test]
fn bad_changes_of_what_may_not_change_are_refused() {
    let space = Cluster::shared().space("bad-changes");
    space.apply(
        "apiVersion: v1
kind: ConfigMap
metadata: {name: fixed}
immutable: true
data: {a: b}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}
",
    );
    for (kind, name, patch, part) in [
        ("configmap", "fixed", json!({"data": {"a": "c"}}), "data: Forbidden: field is immutable when `immutable` is set"),
        (
            "service",
            "web",
            json!({"spec": {"clusterIP": "10.43.9.9", "clusterIPs": ["10.43.9.9"]}}),
            "spec.clusterIPs[0]: Invalid value: [\"10.43.9.9\"]: may not change once set",
        ),
        (
            "deployment",
            "web",
            json!({"spec": {"selector": {"matchLabels": {"app": "other"}}, "template": {"metadata": {"labels": {"app": "other"}}}}}),
            "spec.selector: Invalid value",
        ),
        (
            "deployment",
            "web",
            json!({"metadata": {"name": "other"}}),
            "the name of the object (other) does not match the name on the URL (web)",
        ),
        ("deployment", "web", json!({"metadata": {"uid": "x"}}), "UID in precondition: x"),
        ("deployment", "web", json!({"metadata": {"resourceVersion": "1"}}), "the object has been modified"),
        ("deployment", "web", json!({"kind": "Pod"}), "Pod"),
    ] {
        let before = space.get(kind, name);
        space.fails(&["patch", kind, name, "--type=merge", "-p", &patch.to_string()], part);
        assert_eq!(space.get(kind, name), before, "a refused change changes nothing");
    }
}

#[test]
fn bad_sizes_are_refused() {
    let space = Cluster::shared().space("bad-sizes");
    let path = "/api/v1/namespaces/bad-sizes/configmaps";
    let map = |bytes: usize| {
        format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"big"}},"data":{{"a":"{}"}}}}"#, "x".repeat(bytes))
    };
    let said = post(space.kubectl(), path, &map(4 << 20));
    assert!(said.err.contains("Request entity too large: limit is 3145728"), "{}", said.err);
    let said = post(space.kubectl(), path, &map((1 << 20) + 1));
    assert!(said.err.contains("Too long: may not be more than 1048576 bytes"), "{}", said.err);
    assert_eq!(post(space.kubectl(), path, &map(1 << 20 >> 1)).code, Some(0));
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let said =
        post(space.kubectl(), path, &format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"deep"}},"data":{nested}}}"#));
    assert_ne!(said.code, Some(0), "a body of brackets is refused");
    assert_eq!(space.ok(&["get", "--raw", "/readyz"]), "ok", "and does no harm");
}

#[test]
fn bad_requests_are_answered_as_kubernetes_words_them() {
    let cluster = Cluster::shared();
    let space = cluster.space("bad-requests");
    let kubectl = space.kubectl();
    for (args, part) in [
        (vec!["get", "--raw", "/api/v1/namespaces/bad-requests/pods/absent"], "pods \"absent\" not found"),
        (vec!["get", "--raw", "/api/v1/nonsense"], "the server could not find the requested resource"),
        (vec!["get", "--raw", "/apis/nonsense/v1"], "the server could not find the requested resource"),
        (vec!["get", "--raw", "/api/v1/pods?labelSelector=a%3D%3D%3Db"], "unable to parse requirement"),
        (vec!["get", "--raw", "/api/v1/pods?limit=x"], "invalid syntax"),
        (vec!["get", "--raw", "/api/v1/pods?continue=nonsense"], "continue key is not valid"),
        (vec!["get", "--raw", "/api/v1/pods?watch=1&resourceVersion=x"], "invalid syntax"),
        (vec!["delete", "--raw", "/api/v1/namespaces/bad-requests"], ""),
        (vec!["create", "configmap", "x", "--namespace=absent"], "namespaces \"absent\" not found"),
    ] {
        if !part.is_empty() {
            kubectl.fails(&args, part);
        }
    }
    let said = post(
        kubectl,
        "/api/v1/namespaces/bad-requests/pods/absent/binding",
        r#"{"apiVersion":"v1","kind":"Binding","metadata":{"name":"absent"},"target":{"kind":"Node","name":"node-1"}}"#,
    );
    assert!(said.err.contains("pods \"absent\" not found"), "{}", said.err);
}

#[test]
fn strangers_get_health_and_version_only() {
    let cluster = Cluster::shared();
    let ask = |path: &str| {
        let said =
            cluster.on_node("curl", &["--silent", "--insecure", "--write-out", "\n%{http_code}", &format!("https://127.0.0.1:6443{path}")]);
        let (body, status) = said.out.rsplit_once('\n').expect("curl writes a status");
        (status.to_owned(), body.to_owned())
    };
    for path in ["/version", "/healthz", "/readyz", "/livez"] {
        assert_eq!(ask(path).0, "200", "{path}: {}", ask(path).1);
    }
    for path in ["/api", "/apis", "/api/v1/namespaces", "/api/v1/namespaces/default/secrets", "/openapi/v3", "/metrics", "/nonsense"] {
        let (status, body) = ask(path);
        assert!(["401", "403"].contains(&status.as_str()), "{path}: {status} {body}");
        let body: Value = serde_json::from_str(&body).expect("a refusal is a Status");
        assert_eq!((body["kind"].as_str(), body["status"].as_str()), (Some("Status"), Some("Failure")), "{body}");
    }
    let mode = |name: &str| std::fs::metadata(cluster.dir().join(name)).expect("the file is there").permissions().mode() & 0o777;
    assert_eq!(mode("kubeconfig"), 0o600, "the administrator's key is for its owner only");
    assert_eq!(mode("data/state.redb"), 0o600);
    assert_eq!(mode("data/tls/ca.key"), 0o600);
}
