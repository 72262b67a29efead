//! What is required, and what of it an object lacks.

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    labels: Vec<Label>,
    /// Put behind the message: whom to ask, where to read.
    #[serde(default)]
    hint: String,
    /// Whether the pods that an object makes must have them, too.
    #[serde(default)]
    templates: bool,
}

/// A key, or a key with what its value may be.
#[derive(Deserialize)]
#[serde(untagged)]
enum Label {
    Key(String),
    Values(Values),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    key: String,
    /// Any, when there are none.
    #[serde(default)]
    values: Vec<String>,
}

impl Settings {
    /// Fields, and what is wrong with each.
    pub fn missing(&self, object: &Value) -> Vec<(String, String)> {
        let mut places = vec![("/metadata/labels", "metadata.labels")];
        if self.templates {
            let templates = [
                (
                    "/spec/jobTemplate/spec/template",
                    "/spec/jobTemplate/spec/template/metadata/labels",
                    "spec.jobTemplate.spec.template.metadata.labels",
                ),
                ("/spec/template", "/spec/template/metadata/labels", "spec.template.metadata.labels"),
            ];
            let found = templates.iter().find(|(template, ..)| object.pointer(template).is_some_and(|at| at.get("spec").is_some()));
            places.extend(found.map(|(_, pointer, field)| (*pointer, *field)));
        }
        let mut missing = Vec::new();
        for (pointer, field) in places {
            let labels = object.pointer(pointer);
            for label in &self.labels {
                let value = labels.and_then(|labels| labels.get(label.key())).and_then(Value::as_str);
                if let Some(wrong) = label.judge(value) {
                    missing.push((format!("{field}[{}]", label.key()), wrong));
                }
            }
        }
        missing
    }

    pub fn tell(&self, missing: &str) -> String {
        if self.hint.is_empty() { missing.to_owned() } else { format!("{missing}; {}", self.hint) }
    }
}

impl Label {
    fn key(&self) -> &str {
        match self {
            Self::Key(key) | Self::Values(Values { key, .. }) => key,
        }
    }

    fn judge(&self, value: Option<&str>) -> Option<String> {
        let key = self.key();
        let (value, allowed) = match (value, self) {
            (None, _) => return Some(format!("the label {key} is required")),
            (Some(_), Self::Key(_)) => return None,
            (Some(value), Self::Values(Values { values, .. })) => (value, values),
        };
        if allowed.is_empty() || allowed.iter().any(|allowed| allowed == value) {
            return None;
        }
        Some(format!("the label {key} is {value:?}, which is none of {}", allowed.join(", ")))
    }
}

pub fn is_being_deleted(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(settings: Value, object: Value, expect: &[&str]) {
        let settings: Settings = serde_json::from_value(settings).expect("good settings");
        let told: Vec<String> = settings.missing(&object).into_iter().map(|(field, text)| format!("{field}: {text}")).collect();
        assert_eq!(told, expect, "{object}");
    }

    #[test]
    fn labels_are_required() {
        let labelled = |labels: Value| json!({"metadata": {"labels": labels}});
        check(json!({"labels": ["team"]}), labelled(json!({"team": "a"})), &[]);
        check(json!({"labels": ["team"]}), json!({"metadata": {}}), &["metadata.labels[team]: the label team is required"]);
        let tier = json!({"labels": ["team", {"key": "tier", "values": ["web", "db"]}]});
        check(tier.clone(), labelled(json!({"team": "", "tier": "db"})), &[]);
        check(
            tier,
            labelled(json!({"tier": "gold"})),
            &[
                "metadata.labels[team]: the label team is required",
                "metadata.labels[tier]: the label tier is \"gold\", which is none of web, db",
            ],
        );
    }

    #[test]
    fn templates_are_looked_at_where_they_are_wanted() {
        let deployment = json!({"metadata": {"labels": {"team": "a"}}, "spec": {"template": {"spec": {}}}});
        check(json!({"labels": ["team"]}), deployment.clone(), &[]);
        check(
            json!({"labels": ["team"], "templates": true}),
            deployment,
            &["spec.template.metadata.labels[team]: the label team is required"],
        );
        check(json!({"labels": ["team"], "templates": true}), json!({"metadata": {"labels": {"team": "a"}}}), &[]);
    }

    #[test]
    fn wrong_settings_are_told() {
        for (settings, part) in [
            (json!({}), "missing field `labels`"),
            (json!({"labels": [{"values": ["a"]}]}), "did not match any variant"),
            (json!({"labels": ["a"], "lables": []}), "unknown field `lables`"),
        ] {
            let error = serde_json::from_value::<Settings>(settings).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_is_being_deleted_is_known() {
        assert!(is_being_deleted(&json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})));
        assert!(!is_being_deleted(&json!({"metadata": {}})));
    }
}
