//! Where a custom kind keeps what autoscaling/v1 Scale shows (`pkg/registry/customresource/etcd.go` ScaleREST).

use object::{Object, Value};
use registry::Kind;

/// Paths of replicas and selector: those of the row's definition, or `spec.replicas` and so on.
pub struct Places {
    pub spec_replicas: Vec<String>,
    pub status_replicas: Vec<String>,
    /// A field that holds the selector as text. Built-in kinds have a structured one in `spec.selector` instead.
    pub selector: Option<Vec<String>>,
    pub is_custom: bool,
}

impl Places {
    pub fn of(kind: &Kind) -> Self {
        let scale = kind.custom.as_ref().and_then(|c| c.version.scale.clone());
        let own = |path: &[&str]| path.iter().map(|p| (*p).to_owned()).collect();
        match scale {
            Some(scale) => Self {
                spec_replicas: scale.spec_replicas,
                status_replicas: scale.status_replicas,
                selector: scale.label_selector,
                is_custom: true,
            },
            None => Self {
                spec_replicas: own(&["spec", "replicas"]),
                status_replicas: own(&["status", "replicas"]),
                selector: None,
                is_custom: false,
            },
        }
    }
}

pub fn at<'o>(object: &'o Object, path: &[String]) -> Option<&'o Value> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    object.at(&path)
}

pub fn set(object: &mut Object, path: &[String], value: Value) {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    object.set_at(&path, value);
}
