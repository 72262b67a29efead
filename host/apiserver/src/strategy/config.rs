//! ConfigMaps and Secrets (`pkg/apis/core/validation/validation.go`).

use super::read::{entries, flag, immutable};
use super::{Context, Strategy};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use object::field::{ErrorList, Path};
use object::{Object, Value, json, names};

pub struct ConfigMapStrategy;
pub struct SecretStrategy;

/// `MaxSecretSize`.
const MAX: usize = 1024 * 1024;

impl Strategy for ConfigMapStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let tree = new.as_map();
        let mut total = 0;
        for (key, value) in entries(tree, "data") {
            errors.invalid_all(&Path::new("data").key(key), key, names::config_map_key(key));
            if new.at(&["binaryData", key]).is_some() {
                errors.invalid(&Path::new("data").key(key), key.as_str(), "duplicate of key present in binaryData");
            }
            total += value.as_str().map_or(0, str::len);
        }
        for (key, value) in entries(tree, "binaryData") {
            errors.invalid_all(&Path::new("binaryData").key(key), key, names::config_map_key(key));
            total += decoded_len(value);
        }
        if total > MAX {
            errors.too_long(&Path::root(), MAX);
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        frozen(new, old, &["data", "binaryData"], errors);
    }
}

impl Strategy for SecretStrategy {
    fn prepare_create(&self, _: &Context, new: &mut Object) {
        merge_string_data(new);
    }

    fn prepare_update(&self, _: &Context, new: &mut Object, old: &Object) {
        merge_string_data(new);
        if new.str_at(&["type"]).is_empty() {
            new.set_at(&["type"], json!(old.str_at(&["type"])));
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let tree = new.as_map();
        let data = Path::new("data");
        let mut total = 0;
        for (key, value) in entries(tree, "data") {
            errors.invalid_all(&data.key(key), key, names::config_map_key(key));
            total += decoded_len(value);
        }
        if total > MAX {
            errors.too_long(&data, MAX);
        }
        let required: &[&str] = match new.str_at(&["type"]) {
            "kubernetes.io/dockercfg" => &[".dockercfg"],
            "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
            "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
            "kubernetes.io/tls" => &["tls.crt", "tls.key"],
            "kubernetes.io/service-account-token" => {
                if new.annotation("kubernetes.io/service-account.name").is_none_or(str::is_empty) {
                    errors.required(&Path::new("metadata").child("annotations").key("kubernetes.io/service-account.name"), "");
                }
                &[]
            }
            "kubernetes.io/basic-auth" => {
                if new.at(&["data", "username"]).is_none() && new.at(&["data", "password"]).is_none() {
                    errors.required(&data.key("username"), "");
                    errors.required(&data.key("password"), "");
                }
                &[]
            }
            _ => &[],
        };
        for key in required {
            match new.at(&["data", key]).and_then(Value::as_str).map(|text| STANDARD.decode(text)) {
                None => errors.required(&data.key(key), ""),
                Some(Ok(bytes)) if key.starts_with(".docker") && serde_json::from_slice::<Value>(&bytes).is_err() => {
                    errors.invalid(&data.key(key), "<secret contents redacted>", "invalid character: the value is not valid JSON");
                }
                Some(_) => {}
            }
        }
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        immutable(new.at(&["type"]), old.at(&["type"]), &Path::new("type"), errors);
        frozen(new, old, &["data"], errors);
    }
}

/// `stringData` is written only: it ends up in `data`.
fn merge_string_data(secret: &mut Object) {
    let Some(Value::Object(texts)) = secret.as_map_mut().remove("stringData") else { return };
    for (key, text) in texts {
        let encoded = STANDARD.encode(text.as_str().unwrap_or_default());
        secret.set_at(&["data", &key], json!(encoded));
    }
}

fn decoded_len(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default().trim_end_matches('=');
    text.len() * 3 / 4
}

/// What `immutable: true` forbids.
fn frozen(new: &Object, old: &Object, fields: &[&str], errors: &mut ErrorList) {
    if !flag(old.as_map(), "immutable") {
        return;
    }
    let detail = "field is immutable when `immutable` is set";
    if new.at(&["immutable"]) != Some(&Value::Bool(true)) {
        errors.forbidden(&Path::new("immutable"), detail);
    }
    for field in fields {
        if new.at(&[field]) != old.at(&[field]) {
            errors.forbidden(&Path::new(field), detail);
        }
    }
}
