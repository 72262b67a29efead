//! Pods and pod templates: `pkg/apis/core/v1/defaults.go`.

use super::{child, child_or_new, is_unset, items, set, text};
use object::{Map, Value, json};

/// Mode of projected files: 0644.
const FILE_MODE: i64 = 0o644;

const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

pub(super) fn pod(root: &mut Map<String, Value>) {
    let Some(spec_map) = child_or_new(root, "spec") else { return };
    spec(spec_map);
    set(spec_map, "enableServiceLinks", true);
    let host_network = spec_map.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["initContainers", "containers"] {
        for container in items(spec_map, list) {
            requests_from_limits(container);
            if host_network {
                items(container, "ports").for_each(host_port);
            }
        }
    }
    super::pod_resources::fill(spec_map);
}

/// The `template` of a workload's spec.
pub(super) fn template(spec: &mut Map<String, Value>) {
    if let Some(pod_spec) = child(spec, "template").and_then(|t| child(t, "spec")) {
        self::spec(pod_spec);
    }
}

/// What pods and templates have in common.
pub(super) fn spec(spec: &mut Map<String, Value>) {
    set(spec, "restartPolicy", "Always");
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "terminationGracePeriodSeconds", 30);
    set(spec, "schedulerName", "default-scheduler");
    set(spec, "securityContext", json!({}));
    service_account_alias(spec);
    for list in CONTAINER_LISTS {
        items(spec, list).for_each(container);
    }
    items(spec, "volumes").for_each(volume);
}

/// `serviceAccount` is the old name of `serviceAccountName`; both always say the same
/// (`pkg/apis/core/v1/conversion.go`).
fn service_account_alias(spec: &mut Map<String, Value>) {
    let name = [text(spec, "serviceAccountName"), text(spec, "serviceAccount")].into_iter().find(|n| !n.is_empty());
    if let Some(name) = name.map(str::to_owned) {
        spec.insert("serviceAccountName".to_owned(), json!(name));
        spec.insert("serviceAccount".to_owned(), json!(name));
    }
}

fn container(container: &mut Map<String, Value>) {
    pull_policy(container, "imagePullPolicy", "image");
    set(container, "terminationMessagePath", "/dev/termination-log");
    set(container, "terminationMessagePolicy", "File");
    set(container, "resources", json!({}));
    items(container, "ports").for_each(|port| set(port, "protocol", "TCP"));
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = child(container, name) {
            probe(found);
        }
    }
    if let Some(lifecycle) = child(container, "lifecycle") {
        for name in ["postStart", "preStop"] {
            if let Some(action) = child(lifecycle, name).and_then(|h| child(h, "httpGet")) {
                http_get(action);
            }
        }
    }
    for variable in items(container, "env") {
        if let Some(source) = child(variable, "valueFrom") {
            field_ref(source);
        }
    }
}

/// Newest images are looked for each time, others once.
fn pull_policy(holder: &mut Map<String, Value>, field: &str, image: &str) {
    if is_unset(holder, field) || text(holder, field).is_empty() {
        let policy = if is_latest(text(holder, image)) { "Always" } else { "IfNotPresent" };
        holder.insert(field.to_owned(), json!(policy));
    }
}

/// Whether an image reference means the newest image: tag `latest`, or neither tag nor digest
/// (`pkg/util/parsers/parsers.go`).
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn probe(probe: &mut Map<String, Value>) {
    for (field, value) in [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)] {
        if is_unset(probe, field) || probe.get(field) == Some(&json!(0)) {
            probe.insert(field.to_owned(), json!(value));
        }
    }
    if let Some(action) = child(probe, "httpGet") {
        http_get(action);
    }
    if let Some(action) = child(probe, "grpc") {
        action.entry("service").or_insert_with(|| json!(""));
    }
}

fn http_get(action: &mut Map<String, Value>) {
    set(action, "path", "/");
    set(action, "scheme", "HTTP");
}

/// Fields are of v1; amounts are divided by nothing, which upstream writes as 0.
fn field_ref(source: &mut Map<String, Value>) {
    if let Some(field) = child(source, "fieldRef") {
        set(field, "apiVersion", "v1");
    }
    if let Some(resource) = child(source, "resourceFieldRef") {
        set(resource, "divisor", "0");
    }
}

fn volume(volume: &mut Map<String, Value>) {
    if volume.iter().all(|(key, value)| key == "name" || value.is_null()) {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(found) = child(volume, source) {
            set(found, "defaultMode", FILE_MODE);
        }
    }
    if let Some(image) = child(volume, "image") {
        pull_policy(image, "pullPolicy", "reference");
    }
    if let Some(host) = child(volume, "hostPath") {
        host.entry("type").or_insert_with(|| json!(""));
    }
    if let Some(api) = child(volume, "downwardAPI") {
        items(api, "items").for_each(field_ref);
    }
    let sources = child(volume, "projected");
    for source in sources.into_iter().flat_map(|p| items(p, "sources")) {
        if let Some(token) = child(source, "serviceAccountToken") {
            set(token, "expirationSeconds", 3600);
        }
        if let Some(certificate) = child(source, "podCertificate") {
            set(certificate, "maxExpirationSeconds", 86_400);
        }
        if let Some(api) = child(source, "downwardAPI") {
            items(api, "items").for_each(field_ref);
        }
    }
    if let Some(template) = child(volume, "ephemeral").and_then(|e| child(e, "volumeClaimTemplate")).and_then(|t| child(t, "spec")) {
        set(template, "volumeMode", "Filesystem");
    }
}

/// A limit without a request is a request too. Pods only: templates keep what was written.
fn requests_from_limits(container: &mut Map<String, Value>) {
    let Some(resources) = child(container, "resources") else { return };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    if let Some(requests) = child_or_new(resources, "requests") {
        for (resource, amount) in limits {
            requests.entry(resource).or_insert(amount);
        }
    }
}

fn host_port(port: &mut Map<String, Value>) {
    let unset = is_unset(port, "hostPort") || port.get("hostPort") == Some(&json!(0));
    if let (true, Some(number)) = (unset, port.get("containerPort").cloned()) {
        port.insert("hostPort".to_owned(), number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;
    use object::{Gvk, Object};

    fn check(group: &str, given: Value, expect: Value) {
        let mut object = Object::from_value(given).unwrap();
        let kind = Registry::builtin().kind_of(&Gvk::new(group, "v1", object.kind())).unwrap();
        crate::defaults::apply(&kind, &mut object);
        assert_eq!(object.to_value(), expect);
        crate::defaults::apply(&kind, &mut object);
        assert_eq!(object.to_value(), expect, "defaults are idempotent");
    }

    #[test]
    fn images_tell_their_pull_policy() {
        for (image, latest) in
            [("a", true), ("a:latest", true), ("h:5000/a", true), ("h:5000/a:1", false), ("a:1", false), ("a@sha256:00", false)]
        {
            assert_eq!(is_latest(image), latest, "{image}");
        }
    }

    #[test]
    fn volumes_and_variables_are_filled_in() {
        let container = |env: &Value| {
            json!({"name": "c", "image": "a:1", "imagePullPolicy": "Never", "resources": {}, "env": [env],
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"})
        };
        let mut given = json!({"restartPolicy": "Never", "dnsPolicy": "Default", "terminationGracePeriodSeconds": 1, "schedulerName": "s",
            "securityContext": {}, "enableServiceLinks": true});
        let mut expect = given.clone();
        given["containers"] = json!([container(&json!({"name": "e", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}))]);
        expect["containers"] =
            json!([container(&json!({"name": "e", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}}))]);
        given["volumes"] = json!([
            {"name": "i", "image": {"reference": "a"}},
            {"name": "p", "projected": {"sources": [{"podCertificate": {"keyType": "ED25519"}}], "defaultMode": 1}},
        ]);
        expect["volumes"] = json!([
            {"name": "i", "image": {"reference": "a", "pullPolicy": "Always"}},
            {"name": "p", "projected": {"sources": [{"podCertificate": {"keyType": "ED25519", "maxExpirationSeconds": 86_400}}], "defaultMode": 1}},
        ]);
        check("", json!({"kind": "Pod", "spec": given}), json!({"kind": "Pod", "spec": expect}));
    }

    #[test]
    fn pods_are_filled_in() {
        check(
            "",
            json!({"kind": "Pod", "spec": {"hostNetwork": true, "serviceAccountName": "s", "volumes": [{"name": "v"}, {"name": "c", "configMap": {"name": "m"}}],
                "containers": [{"name": "c", "image": "a:1", "ports": [{"containerPort": 80}], "livenessProbe": {"httpGet": {"port": 80}},
                    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}}]}}),
            json!({"kind": "Pod", "spec": {
                "hostNetwork": true, "serviceAccountName": "s", "serviceAccount": "s", "restartPolicy": "Always",
                "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30, "schedulerName": "default-scheduler",
                "securityContext": {}, "enableServiceLinks": true,
                "volumes": [{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "m", "defaultMode": 420}}],
                "containers": [{
                    "name": "c", "image": "a:1", "imagePullPolicy": "IfNotPresent",
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                    "ports": [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}],
                    "livenessProbe": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10,
                        "successThreshold": 1, "failureThreshold": 3},
                    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}},
                }],
            }}),
        );
    }

    #[test]
    fn services_and_deployments_are_filled_in() {
        check(
            "",
            json!({"kind": "Service", "spec": {"ports": [{"port": 80}], "type": "NodePort"}}),
            json!({"kind": "Service", "spec": {"ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}], "type": "NodePort",
                "sessionAffinity": "None", "externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster"}}),
        );
        check(
            "apps",
            json!({"kind": "Deployment", "spec": {"template": {}}}),
            json!({"kind": "Deployment", "spec": {"template": {}, "replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}}}),
        );
        check(
            "apps",
            json!({"kind": "Deployment", "spec": {"strategy": {"type": "Recreate"}, "replicas": 0}}),
            json!({"kind": "Deployment", "spec": {"strategy": {"type": "Recreate"}, "replicas": 0, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}}),
        );
    }
}
