//! What is set where nothing is.

use crate::quantity;
use pod_specs::{Container, PodSpec};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default)]
    requests: Amounts,
    #[serde(default)]
    limits: Amounts,
}

/// Quantities by resource: checked when the plugin is loaded.
#[derive(Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, Value>")]
struct Amounts(BTreeMap<String, String>);

impl TryFrom<BTreeMap<String, Value>> for Amounts {
    type Error = String;

    fn try_from(given: BTreeMap<String, Value>) -> Result<Self, String> {
        let read = |(name, value): (String, Value)| {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                other => return Err(format!("{name} is no quantity: {other}")),
            };
            quantity::nanos(&text).ok_or_else(|| format!("{name} is no quantity: {text}"))?;
            Ok((name, text))
        };
        given.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl Settings {
    /// One step of a JSON patch for each container that lacks something: its resources, whole.
    pub fn steps(&self, spec: &PodSpec<'_>) -> Vec<Value> {
        spec.containers().filter(|container| !container.field.contains("ephemeralContainers")).filter_map(|c| self.step(&c)).collect()
    }

    fn step(&self, container: &Container<'_>) -> Option<Value> {
        let there = container.value.get("resources").and_then(Value::as_object).cloned().unwrap_or_default();
        let amounts = |name: &str| there.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let (mut requests, mut limits) = (amounts("requests"), amounts("limits"));
        for (name, amount) in &self.limits.0 {
            // A container that asks for more than the default has what it asks for as its limit.
            let least = requests.get(name).filter(|request| exceeds(request, amount)).cloned();
            limits.entry(name).or_insert_with(|| least.unwrap_or_else(|| json!(amount)));
        }
        for (name, amount) in &self.requests.0 {
            let most = limits.get(name).filter(|limit| quantity::less(&quantity::text(limit), amount)).cloned();
            requests.entry(name).or_insert_with(|| most.unwrap_or_else(|| json!(amount)));
        }
        let mut resources = there.clone();
        set(&mut resources, "requests", requests);
        set(&mut resources, "limits", limits);
        (resources != there).then(|| json!({"op": "add", "path": format!("{}/resources", container.pointer), "value": resources}))
    }
}

fn exceeds(request: &Value, amount: &str) -> bool {
    quantity::less(amount, &quantity::text(request))
}

fn set(resources: &mut Map<String, Value>, name: &str, amounts: Map<String, Value>) {
    if !amounts.is_empty() {
        resources.insert(name.to_owned(), Value::Object(amounts));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: Value, resources: Value, expect: Value) {
        let settings: Settings = serde_json::from_value(settings).expect("good settings");
        let pod = json!({"spec": {"containers": [{"name": "a", "resources": resources}]}});
        let steps = settings.steps(&PodSpec::find(&pod).expect("a pod"));
        let got = steps.first().map_or(Value::Null, |step| step["value"].clone());
        assert_eq!(got, expect, "{pod}");
    }

    #[test]
    fn what_is_missing_is_set() {
        let both = json!({"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}});
        check(both.clone(), json!({}), json!({"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}));
        check(both.clone(), Value::Null, json!({"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}));
        let full = json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}});
        check(both.clone(), full, Value::Null);
        check(
            both.clone(),
            json!({"requests": {"cpu": "2"}, "claims": [{"name": "gpu"}]}),
            json!({"requests": {"cpu": "2", "memory": "64Mi"}, "limits": {"memory": "128Mi"}, "claims": [{"name": "gpu"}]}),
        );
        // Neither a request above its limit nor a limit below its request is made.
        check(
            both.clone(),
            json!({"limits": {"memory": "32Mi"}}),
            json!({"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"memory": "32Mi"}}),
        );
        check(
            both,
            json!({"requests": {"memory": "1Gi"}}),
            json!({"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}),
        );
        check(json!({"limits": {"cpu": 1}}), json!({}), json!({"limits": {"cpu": "1"}}));
    }

    #[test]
    fn every_container_of_a_template_is_looked_at() {
        let settings: Settings = serde_json::from_value(json!({"requests": {"cpu": "1m"}})).expect("good settings");
        let job = json!({"spec": {"template": {"spec": {"initContainers": [{}], "containers": [{}, {}]}}}});
        let steps = settings.steps(&PodSpec::find(&job).expect("a template"));
        let paths: Vec<&str> = steps.iter().filter_map(|step| step["path"].as_str()).collect();
        let expect = ["initContainers/0", "containers/0", "containers/1"].map(|at| format!("/spec/template/spec/{at}/resources"));
        assert_eq!(paths, expect);
    }

    #[test]
    fn wrong_settings_are_told() {
        for (settings, part) in [
            (json!({"requests": {"cpu": "a lot"}}), "cpu is no quantity: a lot"),
            (json!({"requests": {"cpu": true}}), "cpu is no quantity: true"),
            (json!({"request": {}}), "unknown field `request`"),
        ] {
            let error = serde_json::from_value::<Settings>(settings).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(part), "{error}");
        }
    }
}
