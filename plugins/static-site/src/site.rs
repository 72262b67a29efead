//! What a StaticSite asks for: its children and its status, as values.

use serde_json::{Map, Value, json};

pub const GROUP: &str = "web.coracle.dev";
pub const VERSION: &str = "v1alpha1";

/// Of all pages together: what a ConfigMap takes, with room for its own fields.
const LARGEST: usize = 1_000_000;

/// What a site that does not say otherwise is served by.
pub struct Defaults {
    pub image: String,
    /// Where the image's server looks for files.
    pub folder: String,
}

/// What is wrong with the object, in a sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake(pub String);

#[derive(Debug)]
pub struct Site {
    name: String,
    namespace: String,
    pages: Map<String, Value>,
    replicas: u64,
    image: String,
    folder: String,
    port: u64,
    runtime_class: String,
    service_type: String,
}

impl Site {
    /// # Errors
    /// What the schema cannot say: names of pages, and their size.
    pub fn read(object: &Value, defaults: &Defaults) -> Result<Self, Mistake> {
        let spec = &object["spec"];
        let text = |field: &str, default: &str| spec[field].as_str().unwrap_or(default).to_owned();
        let pages = spec["pages"].as_object().cloned().unwrap_or_default();
        if pages.is_empty() {
            return Err(Mistake("spec.pages: a site needs at least one page".to_owned()));
        }
        let good = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) && !name.starts_with('.');
        if let Some(name) = pages.keys().find(|name| !good(name)) {
            return Err(Mistake(format!("spec.pages: {name:?} is no file name: letters, digits, '-', '_' and '.' only")));
        }
        let size: usize = pages.iter().map(|(name, page)| name.len() + page.as_str().map_or(0, str::len)).sum();
        if size > LARGEST {
            return Err(Mistake(format!("spec.pages: {size} bytes are more than {LARGEST}")));
        }
        Ok(Self {
            name: object["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            namespace: object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned(),
            pages,
            replicas: spec["replicas"].as_u64().unwrap_or(1),
            image: text("image", &defaults.image),
            folder: text("folder", &defaults.folder),
            port: spec["port"].as_u64().unwrap_or(80),
            runtime_class: text("runtimeClassName", ""),
            service_type: text("serviceType", "ClusterIP"),
        })
    }

    /// ConfigMap, Deployment, Service.
    pub fn children(&self) -> [Value; 3] {
        [self.config_map(), self.deployment(), self.service()]
    }

    fn config_map(&self) -> Value {
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": self.metadata(), "data": self.pages })
    }

    fn deployment(&self) -> Value {
        let mut pod = json!({
            "containers": [{
                "name": "server",
                "image": self.image,
                "ports": [{ "name": "http", "containerPort": self.port }],
                "readinessProbe": { "tcpSocket": { "port": "http" }, "periodSeconds": 2 },
                "volumeMounts": [{ "name": "pages", "mountPath": self.folder, "readOnly": true }],
            }],
            "volumes": [{ "name": "pages", "configMap": { "name": self.name } }],
        });
        if !self.runtime_class.is_empty() {
            pod["runtimeClassName"] = json!(self.runtime_class);
        }
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": self.metadata(),
            "spec": {
                "replicas": self.replicas,
                "selector": { "matchLabels": self.selector() },
                // Other pages are another revision: the Deployment rolls over to it.
                "template": {
                    "metadata": { "labels": self.labels(), "annotations": { "web.coracle.dev/pages": self.digest() } },
                    "spec": pod,
                },
            },
        })
    }

    fn service(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": self.metadata(),
            "spec": {
                "type": self.service_type,
                "selector": self.selector(),
                "ports": [{ "name": "http", "port": 80, "protocol": "TCP", "targetPort": "http" }],
            },
        })
    }

    /// Ready when as many replicas as asked for serve the pages of this generation.
    pub fn status(&self, object: &Value, deployment: &Value) -> Value {
        let count = |field: &str| deployment["status"][field].as_u64().unwrap_or(0);
        let seen = deployment["status"]["observedGeneration"].as_u64() >= deployment["metadata"]["generation"].as_u64();
        let ready = count("readyReplicas");
        let rolled = seen && count("updatedReplicas") >= self.replicas && count("replicas") == self.replicas;
        let (is_ready, reason) = match (rolled, ready >= self.replicas) {
            (true, true) => (true, "Serving"),
            (true, false) => (false, "Starting"),
            (false, _) => (false, "RollingOut"),
        };
        let message = format!("{ready} of {} replicas are ready", self.replicas);
        let selector: Vec<String> = self
            .selector()
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect();
        json!({
            "observedGeneration": object["metadata"]["generation"],
            "pages": self.pages.len(),
            "replicas": count("replicas"),
            "readyReplicas": ready,
            "selector": selector.join(","),
            "url": format!("http://{}.{}", self.name, self.namespace),
            "conditions": [condition(object, is_ready, reason, &message)],
        })
    }

    fn metadata(&self) -> Value {
        json!({ "name": self.name, "namespace": self.namespace, "labels": self.labels() })
    }

    fn labels(&self) -> Value {
        json!({
            "app.kubernetes.io/name": "static-site",
            "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/managed-by": "static-site",
        })
    }

    fn selector(&self) -> Value {
        json!({ "app.kubernetes.io/name": "static-site", "app.kubernetes.io/instance": self.name })
    }

    /// FNV-1a of all pages: equal pages have equal digests on every machine.
    fn digest(&self) -> String {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for (name, page) in &self.pages {
            for byte in name.bytes().chain([0]).chain(page.as_str().unwrap_or_default().bytes()).chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        format!("{hash:016x}")
    }
}

/// The status of a site that cannot be made.
pub fn invalid(object: &Value, cause: &str) -> Value {
    let mut status = object["status"].as_object().cloned().unwrap_or_default();
    status.insert("observedGeneration".to_owned(), object["metadata"]["generation"].clone());
    status.insert("conditions".to_owned(), json!([condition(object, false, "Invalid", cause)]));
    Value::Object(status)
}

pub fn is_ready(status: &Value) -> bool {
    status["conditions"].as_array().into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

fn condition(object: &Value, ready: bool, reason: &str, message: &str) -> Value {
    let status = if ready { "True" } else { "False" };
    json!({ "type": "Ready", "status": status, "reason": reason, "message": message, "observedGeneration": object["metadata"]["generation"] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Defaults {
        Defaults { image: "nginx".to_owned(), folder: "/html".to_owned() }
    }

    fn object(spec: Value) -> Value {
        json!({ "metadata": { "name": "s", "namespace": "n", "generation": 3 }, "spec": spec })
    }

    fn site(spec: Value) -> Site {
        Site::read(&object(spec), &defaults()).unwrap()
    }

    #[test]
    fn mistakes_are_named() {
        let check = |spec: Value, part: &str| {
            let Mistake(cause) = Site::read(&object(spec), &defaults()).unwrap_err();
            assert!(cause.contains(part), "{cause}");
        };
        check(json!({}), "at least one page");
        check(json!({ "pages": { "a/b": "" } }), "\"a/b\" is no file name");
        check(json!({ "pages": { "..": "" } }), "\"..\" is no file name");
        check(json!({ "pages": { "a": "x".repeat(LARGEST) } }), "are more than");
    }

    #[test]
    fn other_pages_are_another_revision() {
        let template = |page: &str| site(json!({ "pages": { "index.html": page } })).children()[1]["spec"]["template"].clone();
        assert_eq!(template("a"), template("a"));
        assert_ne!(template("a"), template("b"));
    }

    #[test]
    fn children_say_what_the_site_asks_for() {
        let [map, deployment, service] =
            site(json!({ "pages": { "index.html": "hi" }, "replicas": 3, "port": 8080, "image": "own" })).children();
        assert_eq!(map["data"], json!({ "index.html": "hi" }));
        assert_eq!(deployment["spec"]["replicas"], 3);
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!((&container["image"], &container["ports"][0]["containerPort"]), (&json!("own"), &json!(8080)));
        assert_eq!(container["volumeMounts"][0]["mountPath"], "/html");
        assert_eq!(service["spec"]["selector"], deployment["spec"]["selector"]["matchLabels"]);
    }

    #[test]
    fn a_site_is_ready_when_its_newest_pages_are_served() {
        let site = site(json!({ "pages": { "index.html": "hi" }, "replicas": 2 }));
        let check = |deployment: Value, expect: &str| {
            let status = site.status(&object(json!({})), &deployment);
            assert_eq!(status["conditions"][0]["reason"], expect, "{deployment}");
            assert_eq!(is_ready(&status), expect == "Serving");
        };
        let deployment = |seen: u64, replicas: u64, updated: u64, ready: u64| {
            json!({ "metadata": { "generation": 2 }, "status": {
                "observedGeneration": seen, "replicas": replicas, "updatedReplicas": updated, "readyReplicas": ready } })
        };
        check(Value::Null, "RollingOut");
        check(deployment(1, 2, 2, 2), "RollingOut");
        check(deployment(2, 3, 2, 2), "RollingOut");
        check(deployment(2, 2, 2, 1), "Starting");
        check(deployment(2, 2, 2, 2), "Serving");
        assert!(!is_ready(&invalid(&object(json!({})), "no")));
    }
}
