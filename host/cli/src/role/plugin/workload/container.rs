//! The container that a Pod and a case make of a component.

use super::super::cases::Case;
use super::Subject;
use anyhow::{Result, anyhow, bail};
use interfaces::workload::{Container, ImageSource, Resources};
use object::quantity::Quantity;
use object::{Object, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The pod's spec of a Pod, or of what makes Pods.
pub fn pod_spec(object: &Object) -> Option<&Value> {
    let paths: [&[&str]; 3] = [&["spec"], &["spec", "template", "spec"], &["spec", "jobTemplate", "spec", "template", "spec"]];
    paths.iter().filter_map(|path| object.at(path)).find(|spec| spec.get("containers").is_some())
}

/// The texts under `files`, by their path.
///
/// # Errors
/// A path is not absolute, or something is no text.
pub fn files(case: &Case) -> Result<BTreeMap<PathBuf, String>> {
    let files = case.given.get("files").and_then(Value::as_object).into_iter().flatten();
    files
        .map(|(path, text)| match text.as_str() {
            Some(text) if path.starts_with('/') => Ok((PathBuf::from(path), text.to_owned())),
            _ => bail!("{}: `files` has texts by absolute paths; {path} is none", case.name),
        })
        .collect()
}

/// The Pod's container, with what the case has instead.
///
/// # Errors
/// The Pod's limits are no quantities.
pub fn container(subject: &Subject, case: &Case) -> Result<Container> {
    let own = &subject.container;
    let text = |key: &str| own.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let words = |value: Option<&Value>| -> Option<Vec<String>> {
        Some(value?.as_array()?.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect())
    };
    let name = if text("name").is_empty() { subject.pod.clone() } else { text("name") };
    let mut args = words(own.get("command")).unwrap_or_else(|| vec![name.clone()]);
    args.extend(words(case.given.get("args")).or_else(|| words(own.get("args"))).unwrap_or_default());
    let mut env = BTreeMap::new();
    for variable in own.get("env").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = variable.get("name").and_then(Value::as_str) else { continue };
        let value = match variable.pointer("/valueFrom/fieldRef/fieldPath").and_then(Value::as_str) {
            Some("metadata.name") => subject.pod.clone(),
            Some("metadata.namespace") => "default".to_owned(),
            _ => variable.get("value").and_then(Value::as_str).unwrap_or_default().to_owned(),
        };
        env.insert(name.to_owned(), value);
    }
    for (name, value) in case.given.get("env").and_then(Value::as_object).into_iter().flatten() {
        env.insert(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    let memory = own.pointer("/resources/limits/memory").map(Quantity::from_value).transpose();
    let memory = memory.map_err(|error| anyhow!("resources.limits.memory of the Pod: {error}"))?;
    let ports = own.get("ports").and_then(Value::as_array).into_iter().flatten();
    Ok(Container {
        image: ImageSource::Component { path: subject.component.clone(), digest: subject.digest.clone() },
        args,
        env: env.into_iter().collect(),
        working_dir: text("workingDir"),
        resources: Resources { memory_limit_bytes: memory.map(Quantity::value).unwrap_or_default(), ..Resources::default() },
        termination_message_path: "/dev/termination-log".to_owned(),
        ports: ports.filter_map(|port| u16::try_from(port.get("containerPort")?.as_u64()?).ok()).collect(),
        grants: subject.grants.clone(),
        name,
        ..Container::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    fn case(given: Value) -> Case {
        Case { name: "case".to_owned(), given: given.as_object().cloned().unwrap_or_default(), expect: None }
    }

    #[test]
    fn pods_are_found_in_what_makes_them() {
        let spec = json!({"containers": [{"name": "main"}]});
        for (manifest, found) in [
            (json!({"kind": "Pod", "spec": spec}), true),
            (json!({"kind": "Deployment", "spec": {"template": {"spec": spec}}}), true),
            (json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}), true),
            (json!({"kind": "Service", "spec": {"ports": []}}), false),
            (json!({"kind": "ConfigMap", "data": {}}), false),
        ] {
            let object = Object::from_value(manifest).unwrap();
            assert_eq!(pod_spec(&object).is_some(), found, "{}", object.kind());
        }
    }

    #[test]
    fn a_case_is_over_the_pod() {
        let subject = Subject {
            component: PathBuf::from("x.wasm"),
            digest: String::new(),
            serves: true,
            pod: "web".to_owned(),
            container: json!({
                "name": "main", "args": ["a", "b"], "ports": [{"containerPort": 9000}],
                "env": [{"name": "A", "value": "pod"}, {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "resources": {"limits": {"memory": "1Mi"}},
            }),
            grants: Vec::new(),
        };
        let check = |given: Value, args: &[&str], env: &[(&str, &str)]| {
            let made = container(&subject, &case(given)).unwrap();
            let env: Vec<(String, String)> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!((made.args.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), made.env), (args, env));
            assert_eq!((made.ports, made.resources.memory_limit_bytes), (vec![9000], 1 << 20));
        };
        check(json!({}), &["main", "a", "b"], &[("A", "pod"), ("POD", "web")]);
        check(json!({"args": [], "env": {"A": 7}}), &["main"], &[("A", "7"), ("POD", "web")]);
    }

    #[test]
    fn files_are_texts_by_absolute_paths() {
        for (given, good) in [(json!({"/a/b": "text"}), true), (json!({"a/b": "text"}), false), (json!({"/a/b": 1}), false)] {
            assert_eq!(files(&case(json!({ "files": given }))).is_ok(), good, "{given}");
        }
    }
}
