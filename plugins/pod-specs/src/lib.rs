//! Pod specs in the objects that carry them: Pods, and whatever has a template of them (ReplicationController, ReplicaSet,
//! Deployment, StatefulSet, DaemonSet, Job, CronJob, PodTemplate, and custom kinds of the same shape).
//!
//! Everything is read as JSON: a plugin that types the whole object would refuse what it does not know, and be larger.

use serde_json::Value;

/// Where a pod's spec may stand. The deepest first: a CronJob's `spec` has a template as well, of Jobs.
const PLACES: [(&str, &str); 4] = [
    ("/spec/jobTemplate/spec/template/spec", "spec.jobTemplate.spec.template.spec"),
    ("/spec/template/spec", "spec.template.spec"),
    ("/template/spec", "template.spec"),
    ("/spec", "spec"),
];

/// Lists of containers, in the order in which they start.
const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// The spec of a pod, or of pods to be.
#[derive(Clone, Copy, Debug)]
pub struct PodSpec<'a> {
    pub value: &'a Value,
    /// A JSON pointer to it: `/spec/template/spec`.
    pub pointer: &'static str,
    /// The same as messages name it: `spec.template.spec`.
    pub field: &'static str,
}

#[derive(Clone, Debug)]
pub struct Container<'a> {
    pub value: &'a Value,
    pub pointer: String,
    /// `spec.containers[0]`.
    pub field: String,
}

impl<'a> PodSpec<'a> {
    /// `None`: the object carries none.
    pub fn find(object: &'a Value) -> Option<Self> {
        PLACES.iter().find_map(|(pointer, field)| {
            let value = object.pointer(pointer)?;
            value.get("containers")?.as_array()?;
            Some(Self { value, pointer, field })
        })
    }

    /// Whether the object is a template of pods, and none itself.
    pub fn is_template(&self) -> bool {
        self.field != "spec"
    }

    /// All containers: init, ordinary and ephemeral ones.
    pub fn containers(&self) -> impl Iterator<Item = Container<'a>> + '_ {
        LISTS.iter().flat_map(move |list| {
            items(self.value, list).enumerate().map(move |(at, value)| Container {
                value,
                pointer: format!("{}/{list}/{at}", self.pointer),
                field: format!("{}.{list}[{at}]", self.field),
            })
        })
    }

    /// Items of a list in the spec, with what messages call them.
    pub fn list(&self, name: &'static str) -> impl Iterator<Item = (String, &'a Value)> + '_ {
        items(self.value, name).enumerate().map(move |(at, value)| (format!("{}.{name}[{at}]", self.field), value))
    }
}

impl<'a> Container<'a> {
    pub fn name(&self) -> &'a str {
        text(self.value, "name")
    }

    pub fn image(&self) -> &'a str {
        text(self.value, "image")
    }
}

/// The items of a list; none where it is absent or null.
pub fn items<'a>(value: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// A text; empty where it is absent.
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(object: Value, expect: &[&str]) {
        let spec = PodSpec::find(&object);
        let fields: Vec<String> =
            spec.iter().flat_map(|spec| spec.containers().map(|container| container.field).collect::<Vec<_>>()).collect();
        assert_eq!(fields, expect, "{object}");
        for container in spec.iter().flat_map(|spec| spec.containers().collect::<Vec<_>>()) {
            assert_eq!(object.pointer(&container.pointer), Some(container.value));
        }
    }

    #[test]
    fn containers_are_found_wherever_pods_are_described() {
        let pod = json!({"initContainers": [{"name": "i"}], "containers": [{"name": "a"}, {"name": "b"}]});
        check(json!({"spec": pod}), &["spec.initContainers[0]", "spec.containers[0]", "spec.containers[1]"]);
        check(
            json!({"spec": {"replicas": 1, "template": {"spec": {"containers": [{}], "ephemeralContainers": [{}]}}}}),
            &["spec.template.spec.containers[0]", "spec.template.spec.ephemeralContainers[0]"],
        );
        check(json!({"template": {"spec": {"containers": [{}]}}}), &["template.spec.containers[0]"]);
        check(
            json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{}]}}}}}}),
            &["spec.jobTemplate.spec.template.spec.containers[0]"],
        );
        check(json!({"data": {"containers": "none"}}), &[]);
        check(json!({"spec": {"containers": null}}), &[]);
    }
}
