//! The pod's own facts that `fieldRef` and `resourceFieldRef` name: `pkg/fieldpath/fieldpath.go` and
//! `pkg/api/v1/resource/helpers.go`.

use object::Object;
use object::quantity::Quantity;
use std::net::IpAddr;
use typed::api::core::v1::{Container, ResourceFieldSelector};

/// What the node knows beyond the object.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub pod_addresses: Vec<IpAddr>,
    pub host_addresses: Vec<IpAddr>,
    /// Allocatable CPU in thousandths, memory and ephemeral storage in bytes: the limit of a container that has none.
    pub allocatable_cpu_milli: i64,
    pub allocatable_memory: i64,
    pub allocatable_storage: i64,
}

/// The value at `path`. Errors in upstream's words.
pub fn field(pod: &Object, path: &str, facts: &Facts) -> Result<String, String> {
    let list = |addresses: &[IpAddr]| addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>();
    let first = |addresses: &[IpAddr]| addresses.first().map(IpAddr::to_string).unwrap_or_default();
    if let Some((map, key)) = path.strip_suffix("']").and_then(|p| p.split_once("['")) {
        return match map {
            "metadata.labels" => Ok(pod.label(key).unwrap_or_default().to_owned()),
            "metadata.annotations" => Ok(pod.annotation(key).unwrap_or_default().to_owned()),
            _ => Err(format!("fieldPath \"{path}\" does not support subscript")),
        };
    }
    Ok(match path {
        "metadata.name" => pod.name().to_owned(),
        "metadata.namespace" => pod.namespace().to_owned(),
        "metadata.uid" => pod.uid().to_owned(),
        "metadata.labels" => format_map(pod, "labels"),
        "metadata.annotations" => format_map(pod, "annotations"),
        "spec.nodeName" => pod.str_at(&["spec", "nodeName"]).to_owned(),
        "spec.serviceAccountName" => pod.str_at(&["spec", "serviceAccountName"]).to_owned(),
        "status.hostIP" => first(&facts.host_addresses),
        "status.hostIPs" => list(&facts.host_addresses).join(","),
        "status.podIP" => first(&facts.pod_addresses),
        "status.podIPs" => list(&facts.pod_addresses).join(","),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    })
}

/// `FormatMap`: one `key="value"` line each, sorted, Go-quoted.
fn format_map(pod: &Object, name: &str) -> String {
    let map = pod.at(&["metadata", name]).and_then(object::Value::as_object);
    let lines = map.into_iter().flatten().map(|(k, v)| format!("{k}={}", quote(v.as_str().unwrap_or_default())));
    lines.collect::<Vec<_>>().join("\n")
}

/// Go's `%q` for text.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `ExtractContainerResourceValue`: limits or requests of a container, rounded up to the divisor.
pub fn resource(container: &Container, selector: &ResourceFieldSelector, facts: &Facts) -> Result<String, String> {
    let parse = |q: &typed::Quantity| Quantity::parse(&q.0).map_err(|e| format!("resource quantity {:?}: {e}", q.0));
    let divisor = match &selector.divisor {
        Some(q) => Some(parse(q)?).filter(|q| !q.is_zero()),
        None => None,
    };
    let resources = container.resources.as_ref();
    let (from, name) = selector.resource.split_once('.').unwrap_or(("", &selector.resource));
    let map = match from {
        "limits" => resources.and_then(|r| r.limits.as_ref()),
        "requests" => resources.and_then(|r| r.requests.as_ref()),
        _ => return Err(format!("unsupported container resource : {}", selector.resource)),
    };
    let known = map.and_then(|m| m.get(name)).map(parse).transpose()?;
    let milli = match known {
        Some(quantity) => quantity.milli(),
        None if from == "requests" => 0,
        None => match name {
            "cpu" => i128::from(facts.allocatable_cpu_milli),
            "memory" => i128::from(facts.allocatable_memory) * 1000,
            "ephemeral-storage" => i128::from(facts.allocatable_storage) * 1000,
            _ => 0,
        },
    };
    let divisor = divisor.map_or(1000, Quantity::milli).max(1);
    Ok(((milli + divisor - 1) / divisor).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn fields() {
        let pod = Object::from_value(json!({"metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"b": "2", "a": "x\"y"}},
            "spec": {"nodeName": "node1", "serviceAccountName": "default"}}))
        .unwrap();
        let facts = Facts {
            pod_addresses: vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
            host_addresses: vec!["192.0.2.1".parse().unwrap()],
            ..Facts::default()
        };
        for (path, expect) in [
            ("metadata.name", Ok("p")),
            ("metadata.namespace", Ok("n")),
            ("metadata.uid", Ok("u")),
            ("metadata.labels['b']", Ok("2")),
            ("metadata.labels['none']", Ok("")),
            ("metadata.labels", Ok("a=\"x\\\"y\"\nb=\"2\"")),
            ("spec.nodeName", Ok("node1")),
            ("spec.serviceAccountName", Ok("default")),
            ("status.podIP", Ok("10.0.0.1")),
            ("status.podIPs", Ok("10.0.0.1,fd00::1")),
            ("status.hostIP", Ok("192.0.2.1")),
            ("spec.color", Err("unsupported fieldPath: spec.color")),
        ] {
            assert_eq!(field(&pod, path, &facts).as_deref().map_err(String::as_str), expect, "{path}");
        }
    }

    #[test]
    fn resources() {
        let container: Container = typed::part(&json!({"name": "c", "resources":
            {"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "250m"}}}))
        .unwrap();
        let facts = Facts { allocatable_storage: 1000, ..Facts::default() };
        for (resource_name, divisor, expect) in [
            ("limits.cpu", None, "2"),
            ("limits.cpu", Some("1m"), "1500"),
            ("requests.cpu", Some("1m"), "250"),
            ("limits.memory", None, "67108864"),
            ("limits.memory", Some("1Mi"), "64"),
            ("requests.memory", None, "0"),
            ("limits.ephemeral-storage", None, "1000"),
        ] {
            let selector = ResourceFieldSelector {
                resource: resource_name.into(),
                divisor: divisor.map(|d| typed::Quantity(d.into())),
                container_name: None,
            };
            assert_eq!(resource(&container, &selector, &facts).unwrap(), expect, "{resource_name}");
        }
    }
}
