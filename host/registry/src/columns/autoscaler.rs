//! Cells of horizontal pod autoscalers: `printHorizontalPodAutoscaler`, `formatHPAMetrics` of upstream's printers. An
//! autoscaling/v1 object has one metric, told by two fields.

use super::{list, quantity, str_of};
use object::{Object, Value, json};

/// How many metrics are told before "more".
const TOLD: usize = 2;
const UNKNOWN: &str = "<unknown>";

pub(crate) fn reference(item: &Object) -> Value {
    let text = |field: &str| item.str_at(&["spec", "scaleTargetRef", field]);
    json!(format!("{}/{}", text("kind"), text("name")))
}

pub(crate) fn min_pods(item: &Object) -> Value {
    json!(item.at(&["spec", "minReplicas"]).and_then(Value::as_i64).map_or("<unset>".to_owned(), |n| n.to_string()))
}

pub(crate) fn max_pods(item: &Object) -> Value {
    json!(super::integer(item, &["spec", "maxReplicas"]))
}

pub(crate) fn replicas(item: &Object) -> Value {
    json!(super::integer(item, &["status", "currentReplicas"]))
}

pub(crate) fn targets(item: &Object) -> Value {
    let percent = |path: &[&str]| item.at(path).and_then(Value::as_i64).map(|n| format!("{n}%"));
    if let Some(wanted) = percent(&["spec", "targetCPUUtilizationPercentage"]) {
        let current = percent(&["status", "currentCPUUtilizationPercentage"]);
        return json!(format!("cpu: {}/{wanted}", current.as_deref().unwrap_or(UNKNOWN)));
    }
    let statuses = list(item, &["status", "currentMetrics"]);
    let told: Vec<String> = list(item, &["spec", "metrics"]).iter().enumerate().map(|(at, m)| metric(m, statuses.get(at))).collect();
    if told.is_empty() {
        return json!("<none>");
    }
    let few: Vec<&str> = told.iter().take(TOLD).map(String::as_str).collect();
    let joined = few.join(", ");
    json!(if told.len() > TOLD { format!("{joined} + {} more...", told.len() - TOLD) } else { joined })
}

fn metric(spec: &Value, status: Option<&Value>) -> String {
    let source = match str_of(spec, "type") {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let target = |field: &str| spec.get(source).and_then(|s| s.get("target")).and_then(|t| t.get(field));
    let current = |field: &str| status.and_then(|s| s.get(source)).and_then(|s| s.get("current")).and_then(|c| c.get(field));
    let amount = |value: Option<&Value>| value.map_or(UNKNOWN.to_owned(), quantity);
    let average = target("averageValue");
    match source {
        "resource" | "containerResource" => {
            let name = spec.get(source).map(|s| str_of(s, "name")).unwrap_or_default();
            if average.is_some() {
                return format!("{name}: {}/{}", amount(current("averageValue")), amount(average));
            }
            let percent = |value: Option<&Value>| value.and_then(Value::as_i64).map(|n| format!("{n}%"));
            let now = percent(current("averageUtilization"));
            let wanted = percent(target("averageUtilization"));
            format!("{name}: {}/{}", now.as_deref().unwrap_or(UNKNOWN), wanted.as_deref().unwrap_or("<auto>"))
        }
        "pods" => format!("{}/{}", amount(current("averageValue")), amount(average)),
        _ if average.is_some() => format!("{}/{} (avg)", amount(current("averageValue")), amount(average)),
        _ => format!("{}/{}", amount(current("value")), amount(target("value"))),
    }
}
