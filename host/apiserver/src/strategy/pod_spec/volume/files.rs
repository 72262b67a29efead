//! Volumes of files that the cluster makes: secrets, config maps, the downward API.

use super::super::env::{self, FieldPaths};
use super::super::words::file_mode;
use super::super::{given, is_empty_list};
use super::required_local;
use crate::strategy::at::At;
use crate::strategy::read::{items, number, text};
use object::Value;
use object::field::ErrorList;

pub fn secret(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if text(source, "secretName").is_empty() {
        at.child("secretName").required(errors, "");
    }
    modes_and_keys(source, at, errors);
}

pub fn config_map(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if text(source, "name").is_empty() {
        at.child("name").required(errors, "");
    }
    modes_and_keys(source, at, errors);
}

fn modes_and_keys(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    file_mode(number(source, "defaultMode"), &at.child("defaultMode"), errors);
    if !is_empty_list(source, "items") {
        let list = at.child("items");
        items(source, "items").for_each(|(index, item)| key_to_path(item, &list.index(index), errors));
    }
}

/// `validateKeyToPath`.
pub fn key_to_path(item: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if text(item, "key").is_empty() {
        at.child("key").required(errors, "");
    }
    required_local(text(item, "path"), &at.child("path"), errors);
    file_mode(number(item, "mode"), &at.child("mode"), errors);
}

/// Upstream names the source, not the file.
pub fn downward_api(source: &Value, at: &At<'_>, errors: &mut ErrorList) {
    file_mode(number(source, "defaultMode"), &at.child("defaultMode"), errors);
    items(source, "items").for_each(|(_, file)| downward_file(file, at, errors));
}

/// `validateDownwardAPIVolumeFile`.
pub fn downward_file(file: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required_local(text(file, "path"), &at.child("path"), errors);
    match (given(file, "fieldRef"), given(file, "resourceFieldRef")) {
        (Some(field), resource) => {
            env::field_ref(field, FieldPaths::Files, &at.child("fieldRef"), errors);
            if resource.is_some() {
                at.invalid(errors, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
            }
        }
        (None, Some(resource)) => env::resource_ref(resource, true, &at.child("resourceFieldRef"), errors),
        (None, None) => at.required(errors, "one of fieldRef and resourceFieldRef is required"),
    }
    file_mode(number(file, "mode"), &at.child("mode"), errors);
}
