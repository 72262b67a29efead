//! One node of a custom resource's schema: `apiextensions.k8s.io/v1 JSONSchemaProps`
//! (`pkg/apis/apiextensions/types_jsonschema.go`), read once.
//!
//! The structural part of a schema and the value validations nested in it (`allOf`, `anyOf`, `oneOf`, `not`) are the same
//! struct here: [`super::structure`] checks what upstream tells apart by types.

use object::{Map, Value};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Props {
    /// `object`, `array`, `string`, …; empty when it is not given.
    pub ty: String,
    pub format: String,
    pub title: String,
    pub description: String,
    /// Never null: a null default is none.
    pub default: Option<Value>,
    pub nullable: bool,
    pub maximum: Option<f64>,
    pub exclusive_maximum: bool,
    pub minimum: Option<f64>,
    pub exclusive_minimum: bool,
    pub multiple_of: Option<f64>,
    pub max_length: Option<i64>,
    pub min_length: Option<i64>,
    pub max_items: Option<i64>,
    pub min_items: Option<i64>,
    pub max_properties: Option<i64>,
    pub min_properties: Option<i64>,
    pub pattern: String,
    pub unique_items: bool,
    pub enumeration: Vec<Value>,
    pub required: Vec<String>,
    pub items: Option<Box<Props>>,
    /// `items` as a list, which is refused.
    pub items_list: Vec<Props>,
    pub all_of: Vec<Props>,
    pub one_of: Vec<Props>,
    pub any_of: Vec<Props>,
    pub not: Option<Box<Props>>,
    pub properties: BTreeMap<String, Props>,
    pub additional: Option<Additional>,
    pub preserve_unknown: Option<bool>,
    pub embedded: bool,
    pub int_or_string: bool,
    pub list_map_keys: Vec<String>,
    pub list_type: Option<String>,
    pub map_type: Option<String>,
    pub rules: Vec<Rule>,
    /// Names of given fields that no schema may have: `id`, `$ref`, `definitions`, …
    pub refused: Vec<&'static str>,
    /// Whether `externalDocs` or `example` is given.
    pub documented: bool,
}

/// `additionalProperties`.
#[derive(Clone, Debug, PartialEq)]
pub enum Additional {
    Allowed(bool),
    Schema(Box<Props>),
}

/// One entry of `x-kubernetes-validations`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    pub rule: String,
    pub message: String,
    pub message_expression: String,
    pub reason: Option<String>,
    pub field_path: String,
    pub optional_old_self: Option<bool>,
}

/// Fields that are refused when they are not empty.
const REFUSED: [&str; 7] = ["id", "$schema", "$ref", "patternProperties", "dependencies", "additionalItems", "definitions"];

impl Props {
    /// Reads a schema. What has the wrong JSON type reads as absent: the API server decodes strictly before.
    pub fn read(value: &Value) -> Self {
        let empty = Map::new();
        let map = value.as_object().unwrap_or(&empty);
        let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let flag = |key: &str| map.get(key).and_then(Value::as_bool).unwrap_or(false);
        let float = |key: &str| map.get(key).and_then(Value::as_f64);
        let integer = |key: &str| map.get(key).and_then(Value::as_i64);
        let one = |key: &str| map.get(key).filter(|v| v.is_object()).map(|v| Box::new(Self::read(v)));
        let some = |key: &str| -> Vec<Self> { list(map.get(key)).iter().map(Self::read).collect() };
        let strings = |key: &str| -> Vec<String> { list(map.get(key)).iter().filter_map(Value::as_str).map(str::to_owned).collect() };
        let properties = map.get("properties").and_then(Value::as_object).into_iter().flatten();
        Self {
            ty: text("type"),
            format: text("format"),
            title: text("title"),
            description: text("description"),
            default: map.get("default").filter(|v| !v.is_null()).cloned(),
            nullable: flag("nullable"),
            maximum: float("maximum"),
            exclusive_maximum: flag("exclusiveMaximum"),
            minimum: float("minimum"),
            exclusive_minimum: flag("exclusiveMinimum"),
            multiple_of: float("multipleOf"),
            max_length: integer("maxLength"),
            min_length: integer("minLength"),
            max_items: integer("maxItems"),
            min_items: integer("minItems"),
            max_properties: integer("maxProperties"),
            min_properties: integer("minProperties"),
            pattern: text("pattern"),
            unique_items: flag("uniqueItems"),
            enumeration: list(map.get("enum")).to_vec(),
            required: strings("required"),
            items: one("items"),
            items_list: some("items"),
            all_of: some("allOf"),
            one_of: some("oneOf"),
            any_of: some("anyOf"),
            not: one("not"),
            properties: properties.map(|(name, schema)| (name.clone(), Self::read(schema))).collect(),
            additional: match map.get("additionalProperties") {
                Some(Value::Bool(allowed)) => Some(Additional::Allowed(*allowed)),
                Some(schema @ Value::Object(_)) => Some(Additional::Schema(Box::new(Self::read(schema)))),
                _ => None,
            },
            preserve_unknown: map.get("x-kubernetes-preserve-unknown-fields").and_then(Value::as_bool),
            embedded: flag("x-kubernetes-embedded-resource"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            list_map_keys: strings("x-kubernetes-list-map-keys"),
            list_type: map.get("x-kubernetes-list-type").and_then(Value::as_str).map(str::to_owned),
            map_type: map.get("x-kubernetes-map-type").and_then(Value::as_str).map(str::to_owned),
            rules: list(map.get("x-kubernetes-validations")).iter().map(Rule::read).collect(),
            refused: REFUSED.into_iter().filter(|key| map.get(*key).is_some_and(is_given)).collect(),
            documented: map.get("externalDocs").is_some_and(is_given) || map.get("example").is_some_and(is_given),
        }
    }

    /// Unknown fields are kept.
    pub fn preserves(&self) -> bool {
        self.preserve_unknown == Some(true)
    }

    /// The schema of additional properties.
    pub fn additional_schema(&self) -> Option<&Props> {
        match &self.additional {
            Some(Additional::Schema(schema)) => Some(schema),
            _ => None,
        }
    }

    /// The schema of a field: declared, or that of all additional ones.
    pub fn of_field(&self, name: &str) -> Option<&Props> {
        self.properties.get(name).or_else(|| self.additional_schema())
    }

    /// The JSON types that a value may have; empty: any.
    pub fn types(&self) -> &[&str] {
        if self.int_or_string {
            return &["integer", "string"];
        }
        match self.ty.as_str() {
            "object" => &["object"],
            "array" => &["array"],
            "string" => &["string"],
            "integer" => &["integer"],
            "number" => &["number"],
            "boolean" => &["boolean"],
            _ => &[],
        }
    }

    /// Calls `f` for this node and all below it until it answers true: `validation.SchemaHas`.
    pub fn any(&self, f: &mut dyn FnMut(&Props) -> bool) -> bool {
        if f(self) {
            return true;
        }
        let boxed = [&self.items, &self.not];
        boxed.into_iter().flatten().any(|p| p.any(f))
            || [&self.items_list, &self.all_of, &self.any_of, &self.one_of].into_iter().flatten().any(|p| p.any(f))
            || self.properties.values().any(|p| p.any(f))
            || self.additional_schema().is_some_and(|p| p.any(f))
    }

    /// Items with identities: the keys of a list of type `map`.
    pub fn is_map_list(&self) -> bool {
        self.list_type.as_deref() == Some("map")
    }
}

impl Rule {
    fn read(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            rule: text("rule"),
            message: text("message"),
            message_expression: text("messageExpression"),
            reason: value.get("reason").and_then(Value::as_str).map(str::to_owned),
            field_path: text("fieldPath"),
            optional_old_self: value.get("optionalOldSelf").and_then(Value::as_bool),
        }
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    }
}
