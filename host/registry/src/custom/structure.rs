//! Whether a schema is structural (`apiextensions-apiserver/pkg/apiserver/schema/{validation,complete}.go`): every field
//! that is validated is also described, so that pruning and defaulting know each value.

use super::pattern;
use super::props::{Additional, Props};
use object::field::{ErrorList, Path};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Why a schema cannot be read as a structural one at all; see `NewStructural`.
pub fn unsupported(schema: &Props) -> Option<String> {
    let mut found = None;
    schema.any(&mut |p| {
        if let Some(field) = p.refused.first() {
            let field = if *field == "$schema" { "schema" } else { field };
            found = Some(format!("OpenAPIV3Schema '{field}' is not supported"));
        } else if !p.items_list.is_empty() {
            found = Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
        } else if p.preserve_unknown == Some(false) {
            found = Some("internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined".to_owned());
        }
        found.is_some()
    });
    found
}

/// All that keeps a schema from being structural, sorted as upstream sorts it.
pub fn validate(schema: &Props, at: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    invariants(schema, Level::Root, at, &mut errors);
    complete(schema, schema, at, at, &mut errors);
    errors.sort();
    errors
}

fn invariants(s: &Props, level: Level, at: &Path, errors: &mut ErrorList) {
    if s.ty == "array" && s.items.is_none() {
        errors.required(&at.child("items"), "must be specified");
    }
    if let Some(items) = &s.items {
        invariants(items, Level::Item, &at.child("items"), errors);
    }
    for (name, property) in &s.properties {
        invariants(property, Level::Field, &at.child("properties").key(name), errors);
    }
    if let Some(additional) = &s.additional {
        let at = at.child("additionalProperties");
        if level == Level::Root {
            errors.forbidden(&at, "must not be used at the root");
        }
        if let Additional::Schema(schema) = additional {
            invariants(schema, Level::Field, &at, errors);
        }
    }
    if s.int_or_string && s.preserves() {
        let detail = "must be false if x-kubernetes-int-or-string is true";
        errors.invalid(&at.child("x-kubernetes-preserve-unknown-fields"), true, detail);
    }
    if s.int_or_string && s.embedded {
        errors.invalid(&at.child("x-kubernetes-embedded-resource"), true, "must be false if x-kubernetes-int-or-string is true");
    }
    value_validation(s, is_int_or_string(&s.any_of), s.all_of.first().is_some_and(|a| is_int_or_string(&a.any_of)), at, errors);
    types(s, level, at, errors);
    meta(s, level, at, errors);
}

fn types(s: &Props, level: Level, at: &Path, errors: &mut ErrorList) {
    let ty = at.child("type");
    if s.embedded && s.ty != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        if s.ty.is_empty() {
            errors.required(&ty, detail);
        } else {
            errors.invalid(&ty, s.ty.as_str(), detail);
        }
    } else if s.ty.is_empty() && !s.int_or_string && !s.preserves() {
        errors.required(
            &ty,
            match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            },
        );
    }
    if s.embedded && s.additional.is_some() {
        errors.forbidden(&at.child("additionalProperties"), "must not be used if x-kubernetes-embedded-resource is set");
    }
    if level == Level::Root && !s.ty.is_empty() && s.ty != "object" {
        errors.invalid(&ty, s.ty.as_str(), "must be object at the root");
    }
}

/// What may be said of `apiVersion`, `kind` and `metadata`.
fn meta(s: &Props, level: Level, at: &Path, errors: &mut ErrorList) {
    let checked = level == Level::Root || s.embedded;
    let properties = at.child("properties");
    for name in ["kind", "apiVersion"] {
        if let Some(property) = s.properties.get(name).filter(|p| checked && p.ty != "string") {
            errors.invalid(&properties.key(name).child("type"), property.ty.as_str(), "must be string");
        }
    }
    if let Some(metadata) = s.properties.get("metadata") {
        let at = properties.key("metadata");
        if checked && metadata.ty != "object" {
            errors.invalid(&at.child("type"), metadata.ty.as_str(), "must be object");
        }
        if level == Level::Root {
            let mut rest = metadata.clone();
            let named = rest.properties.keys().all(|name| matches!(name.as_str(), "name" | "generateName"));
            if named {
                rest.properties.clear();
            }
            rest.ty.clear();
            rest.default = None;
            if rest != Props::default() {
                let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
                errors.forbidden(&at, detail);
            }
        }
    }
    if s.embedded && !s.preserves() && s.properties.is_empty() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.required(&properties, detail);
    }
}

/// `[{type: integer}, {type: string}]`
fn is_int_or_string(any_of: &[Props]) -> bool {
    let only = |ty: &str| Props { ty: ty.to_owned(), ..Props::default() };
    matches!(any_of, [a, b] if *a == only("integer") && *b == only("string"))
}

fn value_validation(s: &Props, skip_any_of: bool, skip_first: bool, at: &Path, errors: &mut ErrorList) {
    if !skip_any_of {
        for (index, part) in s.any_of.iter().enumerate() {
            nested(part, false, &at.child("anyOf").index(index), errors);
        }
    }
    for (index, part) in s.all_of.iter().enumerate() {
        nested(part, skip_first && index == 0, &at.child("allOf").index(index), errors);
    }
    for (index, part) in s.one_of.iter().enumerate() {
        nested(part, false, &at.child("oneOf").index(index), errors);
    }
    if let Some(not) = &s.not {
        nested(not, false, &at.child("not"), errors);
    }
    if !s.pattern.is_empty()
        && let Err(error) = pattern::compile(&s.pattern)
    {
        let detail = format!("must be a valid regular expression, but isn't: {error}");
        errors.invalid(&at.child("pattern"), s.pattern.as_str(), &detail);
    }
}

/// What stands under a logical junctor may validate values, not describe them.
fn nested(v: &Props, skip_any_of: bool, at: &Path, errors: &mut ErrorList) {
    value_validation(v, skip_any_of, false, at, errors);
    if let Some(items) = &v.items {
        nested(items, false, &at.child("items"), errors);
    }
    for (name, property) in &v.properties {
        nested(property, false, &at.child("properties").key(name), errors);
    }
    let mut forbid = |given: bool, field: &str, detail: &str| {
        if given {
            errors.forbidden(&at.child(field), &format!("must be {detail} to be structural"));
        }
    };
    forbid(!v.ty.is_empty(), "type", "empty");
    forbid(!matches!(v.additional, None | Some(Additional::Allowed(false))), "additionalProperties", "undefined");
    forbid(v.default.is_some(), "default", "undefined");
    forbid(!v.title.is_empty(), "title", "empty");
    forbid(!v.description.is_empty(), "description", "empty");
    forbid(v.nullable, "nullable", "false");
    forbid(v.preserves(), "x-kubernetes-preserve-unknown-fields", "false");
    forbid(v.embedded, "x-kubernetes-embedded-resource", "false");
    forbid(v.int_or_string, "x-kubernetes-int-or-string", "false");
    forbid(!v.list_map_keys.is_empty(), "x-kubernetes-list-map-keys", "empty");
    forbid(v.list_type.is_some(), "x-kubernetes-list-type", "undefined");
    forbid(v.map_type.is_some(), "x-kubernetes-map-type", "undefined");
    forbid(!v.rules.is_empty(), "x-kubernetes-validations", "empty");
    if v.properties.contains_key("metadata") {
        errors.forbidden(&at.child("properties").key("metadata"), "must not be specified in a nested context");
    }
}

/// Every value validation has a described value. `v` stands under junctors of `s`, which is the description of the same value.
fn complete(v: &Props, s: &Props, described: &Path, at: &Path, errors: &mut ErrorList) {
    let parts = [("allOf", &v.all_of), ("anyOf", &v.any_of), ("oneOf", &v.one_of)];
    if let Some(not) = &v.not {
        complete_nested(not, Some(s), described, &at.child("not"), errors);
    }
    for (name, list) in parts {
        for (index, part) in list.iter().enumerate() {
            complete_nested(part, Some(s), described, &at.child(name).index(index), errors);
        }
    }
}

fn complete_nested(v: &Props, s: Option<&Props>, described: &Path, at: &Path, errors: &mut ErrorList) {
    let because = |at: &Path| format!("because it is defined in {at}");
    let Some(s) = s else {
        errors.required(described, &because(at));
        return;
    };
    complete(v, s, described, at, errors);
    if let Some(items) = &v.items {
        complete_nested(items, s.items.as_deref(), &described.child("items"), &at.child("items"), errors);
    }
    for (name, property) in &v.properties {
        let (described, at) = (described.child("properties").key(name), at.child("properties").key(name));
        match s.properties.get(name) {
            Some(s) => complete_nested(property, Some(s), &described, &at, errors),
            None => errors.required(&described, &because(&at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{Value, json};

    #[test]
    fn invariants_of_structural_schemas() {
        let check = |schema: Value, expect: &[&str]| {
            let got = validate(&Props::read(&schema), &Path::new("s"));
            let got: Vec<String> = got.causes().iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
            assert_eq!(got, expect, "{schema}");
        };
        check(json!({"type": "object", "properties": {"a": {"type": "string"}}}), &[]);
        check(json!({}), &["s.type: Required value: must not be empty at the root"]);
        check(
            json!({"type": "array"}),
            &["s.items: Required value: must be specified", r#"s.type: Invalid value: "array": must be object at the root"#],
        );
        check(
            json!({"type": "object", "properties": {"a": {}, "l": {"type": "array", "items": {}}}}),
            &[
                "s.properties[a].type: Required value: must not be empty for specified object fields",
                "s.properties[l].items.type: Required value: must not be empty for specified array items",
            ],
        );
        check(
            json!({"type": "object", "anyOf": [{"properties": {"b": {"type": "string", "minLength": 1}}}]}),
            &[
                "s.anyOf[0].properties[b].type: Forbidden: must be empty to be structural",
                "s.properties[b]: Required value: because it is defined in s.anyOf[0].properties[b]",
            ],
        );
        check(
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
            &[
                "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
            ],
        );
        check(
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}}}}}),
            &[],
        );
        check(
            json!({"type": "object", "properties": {"a": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}}}),
            &[],
        );
        check(
            json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}),
            &[r#"s.properties[a].pattern: Invalid value: "(": must be a valid regular expression, but isn't: error parsing regexp: `(`"#],
        );
        check(
            json!({"type": "object", "additionalProperties": true}),
            &["s.additionalProperties: Forbidden: must not be used at the root"],
        );
        assert_eq!(
            unsupported(&Props::read(&json!({"properties": {"a": {"$ref": "x"}}}))).unwrap(),
            "OpenAPIV3Schema '$ref' is not supported"
        );
    }
}
