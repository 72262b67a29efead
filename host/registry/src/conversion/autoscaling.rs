//! HorizontalPodAutoscaler v1 and v2 (`pkg/apis/autoscaling/v1/conversion.go`). v1 has fields for one metric, the CPU
//! utilization; all else of v2 travels in annotations of its objects.

use super::rename;
use object::{Map, Object, Value, json};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const STATUSES: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// The field of each type of metric.
const SOURCES: [&str; 5] = ["object", "pods", "resource", "external", "containerResource"];

/// v1 to v2.
pub(crate) fn to_v2(hpa: &mut Object) {
    let annotation = |hpa: &Object, name: &str| -> Option<Value> { serde_json::from_str(hpa.annotation(name)?).ok() };
    let listed = |value: Option<Value>| value.and_then(|v| v.as_array().cloned());
    let mut metrics: Vec<Value> = Vec::new();
    if let Some(others) = listed(annotation(hpa, METRICS)) {
        metrics.extend(others.iter().map(|m| metric_to_v2(m, "target")));
    }
    if let Some(target) = hpa.remove_at(&["spec", "targetCPUUtilizationPercentage"]).filter(Value::is_number) {
        let target = json!({ "type": "Utilization", "averageUtilization": target });
        metrics.push(json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } }));
    }
    if !metrics.is_empty() {
        hpa.set_at(&["spec", "metrics"], json!(metrics));
    }
    if let Some(behavior) = annotation(hpa, BEHAVIOR).filter(|b| b.as_object().is_some_and(|b| !b.is_empty())) {
        hpa.set_at(&["spec", "behavior"], renamed(&behavior, lower_first));
    }
    let current = hpa.remove_at(&["status", "currentCPUUtilizationPercentage"]).filter(Value::is_number);
    if let Some(statuses) = listed(annotation(hpa, STATUSES)) {
        let statuses: Vec<Value> = statuses.iter().map(|m| metric_to_v2(m, "current")).collect();
        hpa.set_at(&["status", "currentMetrics"], json!(statuses));
    } else if let Some(percent) = current {
        let resource = json!({ "name": "cpu", "current": { "averageUtilization": percent } });
        hpa.set_at(&["status", "currentMetrics"], json!([{ "type": "Resource", "resource": resource }]));
    }
    if let Some(conditions) = listed(annotation(hpa, CONDITIONS)) {
        hpa.set_at(&["status", "conditions"], json!(conditions));
    }
    drop_annotations(hpa);
}

/// v2 to v1.
pub(crate) fn to_v1(hpa: &mut Object) {
    drop_annotations(hpa);
    let taken =
        |hpa: &mut Object, path: &[&str]| -> Vec<Value> { hpa.remove_at(path).and_then(|v| v.as_array().cloned()).unwrap_or_default() };
    let mut others = Vec::new();
    for metric in taken(hpa, &["spec", "metrics"]) {
        match cpu(&metric, "target") {
            Some(percent) => hpa.set_at(&["spec", "targetCPUUtilizationPercentage"], percent),
            None => others.push(metric_to_v1(&metric, "target")),
        }
    }
    // The utilization is kept among the statuses too: they carry the raw value beside it.
    let mut statuses = Vec::new();
    for metric in taken(hpa, &["status", "currentMetrics"]) {
        if let Some(percent) = cpu(&metric, "current") {
            hpa.set_at(&["status", "currentCPUUtilizationPercentage"], percent);
        }
        statuses.push(metric_to_v1(&metric, "current"));
    }
    let conditions = taken(hpa, &["status", "conditions"]);
    let behavior = hpa.remove_at(&["spec", "behavior"]).map(|b| renamed(&b, upper_first));
    for (name, list) in [(METRICS, others), (STATUSES, statuses), (CONDITIONS, conditions)] {
        if !list.is_empty() {
            hpa.set_at(&["metadata", "annotations", name], json!(Value::Array(list).to_string()));
        }
    }
    if let Some(behavior) = behavior {
        hpa.set_at(&["metadata", "annotations", BEHAVIOR], json!(behavior.to_string()));
    }
}

fn drop_annotations(hpa: &mut Object) {
    for name in [METRICS, STATUSES, CONDITIONS, BEHAVIOR] {
        hpa.remove_at(&["metadata", "annotations", name]);
    }
    if hpa.at(&["metadata", "annotations"]).and_then(Value::as_object).is_some_and(Map::is_empty) {
        hpa.remove_at(&["metadata", "annotations"]);
    }
}

/// The CPU utilization that a metric is about; `part` is `target` or `current`.
fn cpu(metric: &Value, part: &str) -> Option<Value> {
    let resource = metric.get("resource")?;
    let is_cpu = metric.get("type")? == "Resource" && resource.get("name")? == "cpu";
    is_cpu.then(|| resource.get(part)?.get("averageUtilization").cloned())?
}

/// v1's flat values by their part: `targetAverageValue`, `currentAverageValue`.
fn flat(part: &str, value: &str) -> String {
    format!("{part}{}", upper_first(value))
}

fn metric_to_v2(metric: &Value, part: &str) -> Value {
    let mut out = metric.clone();
    for field in SOURCES {
        let Some(source) = out.get_mut(field).and_then(Value::as_object_mut) else { continue };
        let mut amounts = Map::new();
        let mut take = |source: &mut Map<String, Value>, from: &str, to: &str, ty: &str| {
            if let Some(value) = source.remove(from).filter(|v| !v.is_null()) {
                amounts.insert(to.to_owned(), value);
                if part == "target" {
                    amounts.insert("type".to_owned(), json!(ty));
                }
            }
        };
        if field == "object" {
            take(source, &flat(part, "value"), "value", "Value");
            // An object's average has the same name in specs and statuses.
            take(source, "averageValue", "averageValue", "AverageValue");
            rename(source, "target", "describedObject");
        } else {
            take(source, &flat(part, "averageUtilization"), "averageUtilization", "Utilization");
            take(source, &flat(part, "value"), "value", "Value");
            take(source, &flat(part, "averageValue"), "averageValue", "AverageValue");
        }
        if part == "target" && amounts.contains_key("averageUtilization") {
            amounts.insert("type".to_owned(), json!("Utilization"));
        }
        if matches!(field, "object" | "pods" | "external") {
            let mut identity = Map::new();
            rename(source, "metricSelector", "selector");
            for (from, to) in [("metricName", "name"), ("selector", "selector")] {
                if let Some(value) = source.remove(from) {
                    identity.insert(to.to_owned(), value);
                }
            }
            source.insert("metric".to_owned(), Value::Object(identity));
        }
        source.insert(part.to_owned(), Value::Object(amounts));
    }
    out
}

fn metric_to_v1(metric: &Value, part: &str) -> Value {
    let mut out = metric.clone();
    for field in SOURCES {
        let Some(source) = out.get_mut(field).and_then(Value::as_object_mut) else { continue };
        let amounts = source.remove(part).and_then(|v| v.as_object().cloned()).unwrap_or_default();
        rename(source, "describedObject", "target");
        if let Some(Value::Object(identity)) = source.remove("metric") {
            for (name, value) in identity {
                let name = match name.as_str() {
                    "name" => "metricName",
                    "selector" if field == "external" => "metricSelector",
                    other => other,
                };
                source.insert(name.to_owned(), value);
            }
        }
        for (name, value) in amounts.into_iter().filter(|(name, _)| name != "type") {
            let name = if field == "object" && name == "averageValue" { name } else { flat(part, &name) };
            source.insert(name, value);
        }
        // Not optional there.
        let needed = match field {
            "object" => Some(flat(part, "value")),
            "pods" => Some(flat(part, "averageValue")),
            "external" if part == "current" => Some(flat(part, "value")),
            "resource" | "containerResource" if part == "current" => Some(flat(part, "averageValue")),
            _ => None,
        };
        if let Some(name) = needed {
            source.entry(name).or_insert_with(|| json!("0"));
        }
    }
    out
}

fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_ascii_lowercase().to_string() + chars.as_str()).unwrap_or_default()
}

/// A tree with other field names. The annotation of the behavior is written by Go names: its type upstream is an internal
/// one, without JSON names. Values that Go would write as null are left out.
fn renamed(value: &Value, name: fn(&str) -> String) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (name(k), renamed(v, name))).collect::<Map<_, _>>().into()
        }
        Value::Array(list) => list.iter().map(|v| renamed(v, name)).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(v2: Value, v1: Value) {
        let mut object = Object::from_value(v2.clone()).unwrap();
        to_v1(&mut object);
        assert_eq!(object.to_value(), v1);
        to_v2(&mut object);
        assert_eq!(object.to_value(), v2, "and back");
    }

    #[test]
    fn one_metric_has_fields() {
        check(
            json!({"metadata": {"name": "h"}, "spec": {"minReplicas": 1, "maxReplicas": 3, "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}}),
            json!({"metadata": {"name": "h"}, "spec": {"minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": 50}}),
        );
    }

    #[test]
    fn all_else_travels_in_annotations() {
        check(
            json!({"metadata": {"annotations": {"a": "b"}}, "spec": {"metrics": [
                    {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "5"}}},
                    {"type": "External", "external": {"metric": {"name": "q", "selector": {"matchLabels": {"x": "y"}}}, "target": {"type": "Value", "value": "9"}}},
                    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
                    {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 7}}},
                    {"type": "Object", "object": {"describedObject": {"kind": "Service", "name": "s"}, "metric": {"name": "m"}, "target": {"type": "Value", "value": "3"}}}],
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]}}},
                "status": {"currentReplicas": 1, "conditions": [{"type": "AbleToScale", "status": "True"}],
                    "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 3, "averageValue": "2m"}}}]}}),
            json!({"metadata": {"annotations": {"a": "b",
                    METRICS: r#"[{"pods":{"metricName":"rps","targetAverageValue":"5"},"type":"Pods"},{"external":{"metricName":"q","metricSelector":{"matchLabels":{"x":"y"}},"targetValue":"9"},"type":"External"},{"resource":{"name":"memory","targetAverageValue":"1Gi"},"type":"Resource"},{"containerResource":{"container":"c","name":"cpu","targetAverageUtilization":7},"type":"ContainerResource"},{"object":{"metricName":"m","target":{"kind":"Service","name":"s"},"targetValue":"3"},"type":"Object"}]"#,
                    BEHAVIOR: r#"{"ScaleDown":{"Policies":[{"PeriodSeconds":15,"Type":"Pods","Value":1}],"StabilizationWindowSeconds":60}}"#,
                    STATUSES: r#"[{"resource":{"currentAverageUtilization":3,"currentAverageValue":"2m","name":"cpu"},"type":"Resource"}]"#,
                    CONDITIONS: r#"[{"status":"True","type":"AbleToScale"}]"#}},
                "spec": {}, "status": {"currentReplicas": 1, "currentCPUUtilizationPercentage": 3}}),
        );
    }

    #[test]
    fn the_field_comes_after_the_annotation() {
        let mut hpa = Object::from_value(
            json!({"metadata": {"annotations": {METRICS: r#"[{"type":"Pods","pods":{"metricName":"m","targetAverageValue":"1"}}]"#}},
            "spec": {"targetCPUUtilizationPercentage": 5}}),
        )
        .unwrap();
        to_v2(&mut hpa);
        let types: Vec<&Value> = hpa.at(&["spec", "metrics"]).unwrap().as_array().unwrap().iter().map(|m| &m["type"]).collect();
        assert_eq!(types, ["Pods", "Resource"]);
        assert!(hpa.at(&["metadata", "annotations"]).is_none());
        let mut broken = Object::from_value(json!({"metadata": {"annotations": {METRICS: "{"}}, "spec": {}})).unwrap();
        to_v2(&mut broken);
        assert_eq!(broken.to_value(), json!({"metadata": {}, "spec": {}}));
    }
}
