//! `apiextensions-apiserver/pkg/apis/apiextensions/v1/defaults.go`.

use super::{child, child_or_new, set, text};
use object::{Map, Value, json};

pub(super) fn definition(crd: &mut Map<String, Value>) {
    let Some(spec) = child(crd, "spec") else { return };
    if let Some(names) = child(spec, "names") {
        let kind = text(names, "kind").to_owned();
        if !kind.is_empty() {
            set(names, "singular", kind.to_lowercase());
            set(names, "listKind", format!("{kind}List"));
        }
    }
    if spec.get("conversion").is_none_or(Value::is_null) {
        spec.insert("conversion".to_owned(), json!({ "strategy": "None" }));
    }
    let service = child(spec, "conversion").and_then(|c| child(c, "webhook")).and_then(|w| child(w, "clientConfig"));
    if let Some(service) = service.and_then(|c| child(c, "service")) {
        set(service, "port", 443);
    }
    let versions = spec.get("versions").and_then(Value::as_array).into_iter().flatten();
    let mut stored = versions.filter(|v| v.get("storage") == Some(&json!(true))).filter_map(|v| v.get("name"));
    let stored = stored.next().cloned();
    let has = crd.get("status").and_then(|s| s.get("storedVersions")).and_then(Value::as_array).is_some_and(|v| !v.is_empty());
    if let (Some(version), false, Some(status)) = (stored, has, child_or_new(crd, "status")) {
        status.insert("storedVersions".to_owned(), json!([version]));
    }
}
