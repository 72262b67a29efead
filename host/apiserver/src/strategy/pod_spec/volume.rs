//! A pod's volumes: `validateVolumes`.

use super::unique_label;
use crate::strategy::read::{items, text};
use object::Value;
use object::field::{ErrorList, Path};
use std::collections::HashSet;

/// The names of the pod's volumes.
pub fn validate<'v>(spec: &'v Value, path: &Path, errors: &mut ErrorList) -> HashSet<&'v str> {
    let mut seen = HashSet::new();
    for (at, volume) in items(spec, "volumes") {
        let path = path.index(at);
        unique_label(text(volume, "name"), &mut seen, &path.child("name"), errors);
        let sources: Vec<&String> = volume.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| *key != "name").collect();
        for extra in sources.iter().skip(1) {
            errors.forbidden(&path.child(extra), "may not specify more than 1 volume type");
        }
        match sources.first() {
            None => errors.required(&path, "must specify a volume type"),
            Some(kind) => source(kind, volume.get(kind.as_str()).unwrap_or(&Value::Null), &path.child(kind), errors),
        }
    }
    seen
}

fn source(kind: &str, source: &Value, path: &Path, errors: &mut ErrorList) {
    match kind {
        "hostPath" => {
            let place = text(source, "path");
            if place.is_empty() {
                errors.required(&path.child("path"), "");
            } else if place.split('/').any(|part| part == "..") {
                errors.invalid(&path.child("path"), place, "must not contain '..'");
            }
            let ty = text(source, "type");
            let types = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
            if !types.contains(&ty) {
                errors.not_supported(&path.child("type"), ty, &types);
            }
        }
        "secret" => {
            if text(source, "secretName").is_empty() {
                errors.required(&path.child("secretName"), "");
            }
            keys(source, path, errors);
        }
        "configMap" => {
            if text(source, "name").is_empty() {
                errors.required(&path.child("name"), "");
            }
            keys(source, path, errors);
        }
        "persistentVolumeClaim" if text(source, "claimName").is_empty() => errors.required(&path.child("claimName"), ""),
        "emptyDir" => {
            let limit = source.get("sizeLimit").and_then(|q| object::quantity::Quantity::from_value(q).ok());
            if limit.is_some_and(|q| q.is_negative()) {
                errors.forbidden(&path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
            }
        }
        "projected" => {
            for (at, one) in items(source, "sources") {
                let path = path.child("sources").index(at);
                let kinds = one.as_object().map_or(0, |o| o.len());
                if kinds > 1 {
                    errors.forbidden(&path, "may not specify more than 1 volume type per source");
                }
                if kinds == 0 {
                    errors.required(&path, "must specify a volume type");
                }
            }
        }
        _ => {}
    }
}

/// Which keys go where.
fn keys(source: &Value, path: &Path, errors: &mut ErrorList) {
    for (at, item) in items(source, "items") {
        let path = path.child("items").index(at);
        if text(item, "key").is_empty() {
            errors.required(&path.child("key"), "");
        }
        let place = text(item, "path");
        if place.is_empty() {
            errors.required(&path.child("path"), "");
        } else if place.starts_with('/') {
            errors.invalid(&path.child("path"), place, "must be a relative path");
        } else if place.split('/').any(|part| part == "..") {
            errors.invalid(&path.child("path"), place, "must not contain '..'");
        }
    }
}
