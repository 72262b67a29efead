//! Protobuf messages of the definitions, and whole definitions of what `k8s-openapi` lacks, both from Go's facts.

use super::facts::{Facts, Field, Form};
use super::openapi::{field_facts, list_rules};
use super::{Definition, DefinitionShape, FieldFacts, Json, Scalar, Slot, Target};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;

/// The fields that JSON has, embedded ones among them.
pub(super) fn flat<'f>(facts: &'f Facts, name: &str) -> Result<Vec<&'f Field>> {
    let mut out = Vec::new();
    for field in facts.get(name).map_or(&[][..], |line| line.fields.as_slice()) {
        match (&field.form, field.name.is_empty()) {
            (Form::Named(inner), true) => out.extend(flat(facts, inner).with_context(|| format!("embedded {inner}"))?),
            (_, true) => bail!("{name} embeds what is no struct"),
            _ => out.push(field),
        }
    }
    Ok(out)
}

/// What protobuf has of a struct; fields that JSON does not know are left out.
pub(super) fn slots(facts: &Facts, name: &str, known: &dyn Fn(&str) -> bool) -> Result<Vec<Slot>> {
    let mut out = Vec::new();
    for field in facts.get(name).map_or(&[][..], |line| line.fields.as_slice()).iter().filter(|f| f.tag != 0) {
        let target = match &field.form {
            Form::Named(inner) if field.name.is_empty() => {
                if field.pointer {
                    bail!("{name} embeds a pointer to {inner}");
                }
                Target::Embedded(slots(facts, inner, known)?)
            }
            _ if !known(&field.name) => continue,
            _ => Target::Field {
                name: field.name.clone(),
                pointer: field.pointer,
                omit_empty: field.omit_empty,
                omit_zero: field.omit_zero,
                wrapped: field.wrapped,
            },
        };
        out.push(Slot { tag: field.tag, target });
    }
    out.sort_by_key(|slot| slot.tag);
    Ok(out)
}

/// Adds the named definitions, and those that they refer to, from the facts alone: without descriptions.
pub(super) fn add(definitions: &mut BTreeMap<String, Definition>, facts: &Facts, names: impl IntoIterator<Item = String>) -> Result<()> {
    let mut wanted: Vec<String> = names.into_iter().collect();
    while let Some(name) = wanted.pop() {
        if definitions.contains_key(&name) {
            continue;
        }
        let line = facts.get(&name).with_context(|| format!("nothing is known of {name}"))?;
        let mut fields: Vec<FieldFacts> = Vec::new();
        for field in flat(facts, &name)? {
            let found = from_facts(field, &mut wanted).with_context(|| format!("{name}.{}", field.name))?;
            fields.push(found);
        }
        let shape = DefinitionShape::Struct { fields, atomic: line.atomic, slots: slots(facts, &name, &|_| true)? };
        definitions.insert(name.clone(), Definition { name, description: String::new(), shape });
    }
    Ok(())
}

fn from_facts(field: &Field, wanted: &mut Vec<String>) -> Result<FieldFacts> {
    let json = json(&field.form, &field.markers, wanted)?;
    field_facts(&field.name, String::new(), json, !field.omit_empty && !field.optional, &field.markers)
}

fn json(form: &Form, markers: &[(String, String)], wanted: &mut Vec<String>) -> Result<Json> {
    let named = |name: &str| Json::Named(name.to_owned());
    Ok(match form {
        Form::Named(name) => {
            wanted.push(name.clone());
            named(name)
        }
        Form::List(item) => {
            let (kind, merge) = list_rules(markers)?;
            Json::List { item: Box::new(json(item, &[], wanted)?), kind, merge }
        }
        Form::Map(value) => {
            let atomic = markers.iter().any(|(n, v)| n == "mapType" && v == "atomic");
            Json::Map { value: Box::new(json(value, &[], wanted)?), atomic }
        }
        Form::Plain(plain) => match plain.as_str() {
            "string" => Json::Scalar(Scalar::String),
            "bool" => Json::Scalar(Scalar::Boolean),
            "int32" => Json::Scalar(Scalar::Int32),
            "int64" => Json::Scalar(Scalar::Int64),
            "float64" => Json::Scalar(Scalar::Float64),
            "bytes" => Json::Scalar(Scalar::Bytes),
            "duration" => Json::Scalar(Scalar::Duration),
            "quantity" => named("io.k8s.apimachinery.pkg.api.resource.Quantity"),
            "intorstring" => named("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
            "time" => named("io.k8s.apimachinery.pkg.apis.meta.v1.Time"),
            "microtime" => named("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"),
            "raw" => named("io.k8s.apimachinery.pkg.runtime.RawExtension"),
            other => bail!("type {other} is not known"),
        },
    })
}
