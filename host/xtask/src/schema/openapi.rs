//! Reads `k8s-openapi`: the `json_schema!` literal of each generated type.

use super::facts::{Facts, Field, marked};
use super::{Definition, DefinitionShape, FieldFacts, Json, ListKind, Opaque, Scalar, message};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// One generated type: its definition name and its schema. References are `{"$ref": "<module path>"}`.
#[derive(Debug)]
pub(super) struct Type {
    pub name: String,
    schema: Value,
}

/// Constants that a `+default=ref(…)` names; the pinned crates do not carry their values.
const REFERENCED_DEFAULTS: [(&str, &str); 2] =
    [("ref(AzureDataDiskCachingReadWrite)", "\"ReadWrite\""), ("ref(AzureSharedBlobDisk)", "\"Shared\"")];

/// Definitions whose form is not told by their schema.
const LEAVES: [(&str, Json); 12] = [
    ("io.k8s.apimachinery.pkg.api.resource.Quantity", Json::Scalar(Scalar::Quantity)),
    ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", Json::Scalar(Scalar::IntOrString)),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Time", Json::Scalar(Scalar::Time)),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", Json::Scalar(Scalar::MicroTime)),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", Json::Any(Opaque::Raw)),
    ("io.k8s.apimachinery.pkg.runtime.RawExtension", Json::Any(Opaque::Raw)),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON", Json::Any(Opaque::Raw)),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray", Json::Any(Opaque::SchemaOrArray)),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool", Json::Any(Opaque::SchemaOrBool)),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray", Json::Any(Opaque::SchemaOrStrings)),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceStatus", Json::Any(Opaque::Empty)),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.Patch", Json::Any(Opaque::Empty)),
];

/// Calls `each` with every Rust file below `root` and its module path (`api::core::v1` for files in that folder).
pub(super) fn walk(root: &Path, each: &mut dyn FnMut(&Path, &str) -> Result<()>) -> Result<()> {
    fn below(folder: &Path, module: &str, each: &mut dyn FnMut(&Path, &str) -> Result<()>) -> Result<()> {
        let entries = std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
        let mut paths: Vec<_> = entries.collect::<std::io::Result<Vec<_>>>()?.into_iter().map(|e| e.path()).collect();
        paths.sort();
        for path in paths {
            let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() {
                let inner = if module.is_empty() { stem } else { format!("{module}::{stem}") };
                below(&path, &inner, each)?;
            } else if path.extension().is_some_and(|e| e == "rs") {
                each(&path, module)?;
            }
        }
        Ok(())
    }
    below(root, "", each)
}

/// All types by module path, e.g. `api::core::v1::PodSpec`.
pub(super) fn read(root: &Path) -> Result<BTreeMap<String, Type>> {
    let mut types = BTreeMap::new();
    walk(root, &mut |file, module| {
        let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        if let Some((path, ty)) = read_file(&text, module).with_context(|| format!("read {}", file.display()))? {
            types.insert(path, ty);
        }
        Ok(())
    })?;
    Ok(types)
}

fn read_file(text: &str, module: &str) -> Result<Option<(String, Type)>> {
    let between = |before: &str, after: &str| Some(text.split_once(before)?.1.split_once(after)?.0);
    let Some(rust_name) = between("impl crate::schemars::JsonSchema for ", " {") else { return Ok(None) };
    let Some(name) = between("fn schema_name() -> std::borrow::Cow<'static, str> {\n        \"", "\".into()") else { return Ok(None) };
    let Some((_, literal)) = text.split_once("crate::schemars::json_schema!(") else { return Ok(None) };
    let mut parser = Parser { rest: literal };
    let schema = parser.value()?;
    Ok(Some((format!("{module}::{rust_name}"), Type { name: name.to_owned(), schema })))
}

/// Joins a type with what Go tells of it.
pub(super) fn definition(ty: &Type, names: &BTreeMap<&str, &str>, facts: &Facts) -> Result<Definition> {
    let description = text(&ty.schema, "description");
    let leaf = LEAVES.iter().find(|(name, _)| *name == ty.name).map(|(_, json)| json.clone());
    let shape = match (leaf, ty.schema.get("properties").and_then(Value::as_object)) {
        (Some(json), _) => DefinitionShape::Leaf(json),
        (None, None) if ty.schema.get("oneOf").is_some() => DefinitionShape::Leaf(Json::Any(Opaque::None)),
        (None, None) if ty.schema["type"] == "object" => DefinitionShape::Struct { fields: Vec::new(), atomic: false, slots: Vec::new() },
        (None, None) => DefinitionShape::Leaf(json_of(&ty.schema, names, &[])?),
        (None, Some(properties)) => {
            let told = message::flat(facts, &ty.name)?;
            let required: Vec<&str> = ty.schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let mut fields = Vec::new();
            for (name, schema) in properties {
                let found = told.iter().find(|f| f.name == *name).copied();
                fields
                    .push(joined(name, schema, names, found, required.contains(&name.as_str())).with_context(|| format!("field {name}"))?);
            }
            let known = |name: &str| properties.contains_key(name);
            let atomic = facts.get(&ty.name).is_some_and(|line| line.atomic);
            DefinitionShape::Struct { fields, atomic, slots: message::slots(facts, &ty.name, &known)? }
        }
    };
    Ok(Definition { name: ty.name.clone(), description, shape })
}

fn joined(name: &str, schema: &Value, names: &BTreeMap<&str, &str>, found: Option<&Field>, required: bool) -> Result<FieldFacts> {
    let markers = found.map_or(&[][..], |field| field.markers.as_slice());
    field_facts(name, text(schema, "description"), json_of(schema, names, markers)?, required, markers)
}

/// What the markers tell, beside what is known already.
pub(super) fn field_facts(name: &str, description: String, json: Json, required: bool, markers: &[(String, String)]) -> Result<FieldFacts> {
    let strategies: Vec<&str> = marked(markers, "patchStrategy").into_iter().flat_map(|s| s.split(',')).collect();
    let default = marked(markers, "default").first().map(|told| {
        let constant = REFERENCED_DEFAULTS.iter().find(|(reference, _)| reference == told);
        constant.map_or(*told, |(_, value)| value).to_owned()
    });
    if let Some(text) = &default {
        serde_json::from_str::<Value>(text).with_context(|| format!("default {text}"))?;
    }
    Ok(FieldFacts {
        name: name.to_owned(),
        description,
        json,
        required,
        default,
        atomic: marked(markers, "structType").contains(&"atomic"),
        retain_keys: strategies.contains(&"retainKeys"),
    })
}

fn json_of(schema: &Value, names: &BTreeMap<&str, &str>, markers: &[(String, String)]) -> Result<Json> {
    if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
        let name = names.get(path).with_context(|| format!("no type at {path}"))?;
        return Ok(Json::Named((*name).to_owned()));
    }
    if schema.get("x-kubernetes-int-or-string").is_some() {
        return Ok(Json::Scalar(Scalar::IntOrString));
    }
    let format = text(schema, "format");
    Ok(match (schema["type"].as_str().unwrap_or_default(), format.as_str()) {
        ("string", "byte") => Json::Scalar(Scalar::Bytes),
        ("string", _) => Json::Scalar(Scalar::String),
        ("boolean", _) => Json::Scalar(Scalar::Boolean),
        ("integer", "int32") => Json::Scalar(Scalar::Int32),
        ("integer", _) => Json::Scalar(Scalar::Int64),
        ("number", _) => Json::Scalar(Scalar::Float64),
        ("array", _) => {
            let (kind, merge) = list_rules(markers)?;
            Json::List { item: Box::new(json_of(&schema["items"], names, &[])?), kind, merge }
        }
        ("object", _) => match schema.get("additionalProperties") {
            Some(value) => {
                let atomic = marked(markers, "mapType").contains(&"atomic");
                Json::Map { value: Box::new(json_of(value, names, &[])?), atomic }
            }
            None => Json::Any(Opaque::None),
        },
        (other, _) => bail!("type {other:?} is not known"),
    })
}

/// How a list merges, for apply and for strategic merge. Without a list type, the patch strategy tells both
/// (`k8s.io/kube-openapi/pkg/schemaconv/openapi.go`).
pub(super) fn list_rules(markers: &[(String, String)]) -> Result<(ListKind, Option<Option<String>>)> {
    let merges = marked(markers, "patchStrategy").iter().any(|s| s.split(',').any(|part| part == "merge"));
    let merge_key = marked(markers, "patchMergeKey").first().map(|k| (*k).to_owned());
    let either = |name: &str| {
        let plain = marked(markers, name);
        if plain.is_empty() { marked(markers, &format!("k8s:{name}")) } else { plain }
    };
    let keys: Vec<String> = either("listMapKey").into_iter().map(str::to_owned).collect();
    let kind = match either("listType").first() {
        Some(&"map") => ListKind::Map(keys),
        Some(&"set") => ListKind::Set,
        Some(&"atomic") => ListKind::Atomic,
        Some(other) => bail!("list type {other} is not known"),
        None if merges => merge_key.clone().map_or(ListKind::Set, |key| ListKind::Map(vec![key])),
        None => ListKind::Atomic,
    };
    Ok((kind, merges.then_some(merge_key)))
}

fn text(schema: &Value, key: &str) -> String {
    schema.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Reads the literal: JSON with trailing commas, and references written as calls.
struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    fn value(&mut self) -> Result<Value> {
        self.blank();
        if self.take("({") {
            return self.described_reference();
        }
        if self.take("(") {
            let value = self.reference()?;
            self.expect(")")?;
            return Ok(value);
        }
        if self.rest.starts_with("__gen") {
            return self.reference();
        }
        if self.take("{") {
            let mut map = Map::new();
            while !self.take("}") {
                let key = self.string()?;
                self.expect(":")?;
                map.insert(key, self.value()?);
                self.take(",");
            }
            return Ok(Value::Object(map));
        }
        if self.take("[") {
            let mut list = Vec::new();
            while !self.take("]") {
                list.push(self.value()?);
                self.take(",");
            }
            return Ok(Value::Array(list));
        }
        if self.rest.starts_with('"') {
            return Ok(Value::String(self.string()?));
        }
        if self.take("true") {
            return Ok(Value::Bool(true));
        }
        bail!("cannot read {:?}", self.rest.lines().next().unwrap_or_default())
    }

    /// `{ let mut schema_obj = <reference>; schema_obj.ensure_object().insert("description".into(), "…".into()); schema_obj }`
    fn described_reference(&mut self) -> Result<Value> {
        self.expect("let mut schema_obj =")?;
        let mut value = self.reference()?;
        self.expect(";")?;
        self.expect("schema_obj.ensure_object().insert(\"description\".into(),")?;
        value["description"] = Value::String(self.string()?);
        self.expect(".into());")?;
        self.expect("schema_obj")?;
        self.expect("})")?;
        Ok(value)
    }

    fn reference(&mut self) -> Result<Value> {
        self.expect("__gen.subschema_for::<")?;
        let (path, rest) = self.rest.split_once(">()").context("a reference has no end")?;
        self.rest = rest;
        let path = path.strip_prefix("crate::").unwrap_or(path);
        Ok(serde_json::json!({ "$ref": path }))
    }

    /// A Rust string literal; its escapes are those of JSON but for `\u{…}` and `\'`.
    fn string(&mut self) -> Result<String> {
        self.expect("\"")?;
        let mut out = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(out);
                }
                '\\' => match chars.next().map(|(_, escaped)| escaped) {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some('u') => {
                        let code: String = chars.by_ref().map(|(_, c)| c).skip(1).take_while(|c| *c != '}').collect();
                        let code = u32::from_str_radix(&code, 16).context("decode \\u")?;
                        out.push(char::from_u32(code).context("decode \\u")?);
                    }
                    Some(other) => out.push(other),
                    None => break,
                },
                other => out.push(other),
            }
        }
        bail!("a string has no end")
    }

    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.blank();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<()> {
        if self.take(token) {
            return Ok(());
        }
        bail!("expected {token:?} before {:?}", self.rest.lines().next().unwrap_or_default())
    }
}
