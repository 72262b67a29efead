//! `host/xtask/data/types.txt`: what Go's declarations tell of the API's types, in a form that a diff shows well.
//!
//! `package io.k8s.api.core.v1` opens a package, a line that begins in the first column a type (with `atomic` for
//! `+structType=atomic`), an indented line one of its fields:
//!
//! `  volumes 1 []Volume omit opt patchStrategy=merge,retainKeys patchMergeKey=name`
//!
//! is JSON name, protobuf number (0 for none), type, and words. A `.` for a name is an embedded struct. Types: `*` pointer,
//! `[]` list, `{}` map with string keys, a small word for a scalar or a type with a form of its own, a name of the same
//! package, or a whole definition name. Words: `omit` is `omitempty`, `zero` is `omitzero`, `opt` is `+optional`, `wrapped`
//! is a list that is a message of its own; the rest are markers, `default` last as its value may have blanks.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Debug)]
pub(super) struct Package {
    pub name: String,
    pub types: BTreeMap<String, Line>,
}

/// A struct.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub atomic: bool,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Empty for an embedded struct.
    pub name: String,
    pub tag: u32,
    pub form: Form,
    pub pointer: bool,
    pub omit_empty: bool,
    pub omit_zero: bool,
    pub optional: bool,
    pub wrapped: bool,
    pub markers: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain(String),
    /// Without dots: of the same package. After reading, always whole.
    Named(String),
    List(Box<Form>),
    Map(Box<Form>),
}

/// All structs by definition name.
pub(super) type Facts = BTreeMap<String, Line>;

/// All values of a marker, in order.
pub(super) fn marked<'a>(markers: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    markers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
}

pub(super) fn write(packages: &[Package]) -> Result<String> {
    let mut out = String::from("# Written by `cargo xtask facts`; the form is told in host/xtask/src/schema/facts.rs.\n");
    for package in packages {
        writeln!(out, "package {}", package.name)?;
        for (name, line) in &package.types {
            writeln!(out, "{name}{}", if line.atomic { " atomic" } else { "" })?;
            for field in &line.fields {
                let name = if field.name.is_empty() { "." } else { &field.name };
                write!(out, " {name} {} {}{}", field.tag, if field.pointer { "*" } else { "" }, field.form)?;
                let words = [("omit", field.omit_empty), ("zero", field.omit_zero), ("opt", field.optional), ("wrapped", field.wrapped)];
                for (word, _) in words.iter().filter(|(_, set)| *set) {
                    write!(out, " {word}")?;
                }
                // A default may have blanks, so it comes last.
                let (defaults, rest): (Vec<_>, Vec<_>) = field.markers.iter().partition(|(n, _)| n == "default");
                for (name, value) in rest.iter().chain(&defaults) {
                    write!(out, " {name}={value}")?;
                }
                out.push('\n');
            }
        }
    }
    Ok(out)
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(name) | Self::Named(name) => f.write_str(name),
            Self::List(item) => write!(f, "[]{item}"),
            Self::Map(value) => write!(f, "{{}}{value}"),
        }
    }
}

/// What the release has and the state of Go's declarations that the file was taken from has not: definition and field. The
/// numbers are the next free ones, as upstream's convention for new fields has it; they go when the file is taken anew.
const LATER: [(&str, &str); 16] = [
    ("io.k8s.api.core.v1.NodeSystemInfo", "runningInUserNamespace 12 *bool omit opt"),
    ("io.k8s.api.resource.v1.DeviceCounterConsumption", COMPATIBILITY_GROUPS),
    ("io.k8s.api.resource.v1beta1.DeviceCounterConsumption", COMPATIBILITY_GROUPS),
    ("io.k8s.api.resource.v1beta2.DeviceCounterConsumption", COMPATIBILITY_GROUPS),
    ("io.k8s.api.resource.v1.DeviceDerivedAttribute", "name 1 string"),
    ("io.k8s.api.resource.v1.DeviceDerivedAttribute", "expression 2 string"),
    ("io.k8s.api.resource.v1beta1.DeviceDerivedAttribute", "name 1 string"),
    ("io.k8s.api.resource.v1beta1.DeviceDerivedAttribute", "expression 2 string"),
    ("io.k8s.api.resource.v1beta2.DeviceDerivedAttribute", "name 1 string"),
    ("io.k8s.api.resource.v1beta2.DeviceDerivedAttribute", "expression 2 string"),
    ("io.k8s.api.resource.v1.ExactDeviceRequest", "derivedAttributes 8 []DeviceDerivedAttribute omit opt listType=atomic"),
    ("io.k8s.api.resource.v1.DeviceSubRequest", "derivedAttributes 8 []DeviceDerivedAttribute omit opt listType=atomic"),
    ("io.k8s.api.resource.v1beta1.DeviceRequest", "derivedAttributes 10 []DeviceDerivedAttribute omit opt listType=atomic"),
    ("io.k8s.api.resource.v1beta1.DeviceSubRequest", "derivedAttributes 9 []DeviceDerivedAttribute omit opt listType=atomic"),
    ("io.k8s.api.resource.v1beta2.ExactDeviceRequest", "derivedAttributes 8 []DeviceDerivedAttribute omit opt listType=atomic"),
    ("io.k8s.api.resource.v1beta2.DeviceSubRequest", "derivedAttributes 8 []DeviceDerivedAttribute omit opt listType=atomic"),
];
const COMPATIBILITY_GROUPS: &str = "compatibilityGroups 3 []string omit opt listType=atomic";

/// The facts, with the later ones.
pub(super) fn read_with_later(text: &str) -> Result<Facts> {
    let mut facts = read(text)?;
    for (name, told) in LATER {
        let (package, _) = name.rsplit_once('.').with_context(|| format!("no package {name}"))?;
        let found = field(told, package)?;
        let line = facts.entry(name.to_owned()).or_default();
        if line.fields.iter().any(|f| f.name == found.name) {
            bail!("{name}.{} is in the file by now; remove it from the later facts", found.name);
        }
        line.fields.push(found);
    }
    Ok(facts)
}

pub(super) fn read(text: &str) -> Result<Facts> {
    let mut facts = Facts::new();
    let mut package = "";
    let mut open = String::new();
    for line in text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
        if let Some(name) = line.strip_prefix("package ") {
            package = name;
        } else if let Some(told) = line.strip_prefix(' ') {
            let found = field(told, package).with_context(|| format!("{open}: {told}"))?;
            facts.get_mut(&open).with_context(|| format!("a field before any type: {told}"))?.fields.push(found);
        } else {
            let (name, atomic) = line.strip_suffix(" atomic").map_or((line, false), |name| (name, true));
            open = format!("{package}.{name}");
            facts.insert(open.clone(), Line { atomic, fields: Vec::new() });
        }
    }
    Ok(facts)
}

fn field(told: &str, package: &str) -> Result<Field> {
    let (told, default) = told.split_once(" default=").map_or((told, None), |(told, default)| (told, Some(default)));
    let mut words = told.split(' ');
    let (Some(name), Some(tag), Some(ty)) = (words.next(), words.next(), words.next()) else { bail!("a field has too few words") };
    let mut found = Field {
        name: name.trim_start_matches('.').to_owned(),
        tag: tag.parse().context("number")?,
        form: form(ty.trim_start_matches('*'), package),
        pointer: ty.starts_with('*'),
        omit_empty: false,
        omit_zero: false,
        optional: false,
        wrapped: false,
        markers: Vec::new(),
    };
    for word in words {
        match (word, word.split_once('=')) {
            ("omit", _) => found.omit_empty = true,
            ("zero", _) => found.omit_zero = true,
            ("opt", _) => found.optional = true,
            ("wrapped", _) => found.wrapped = true,
            (_, Some((name, value))) => found.markers.push((name.to_owned(), value.to_owned())),
            _ => bail!("{word:?} is not known"),
        }
    }
    found.markers.extend(default.map(|value| ("default".to_owned(), value.to_owned())));
    Ok(found)
}

fn form(ty: &str, package: &str) -> Form {
    if let Some(item) = ty.strip_prefix("[]") {
        return Form::List(Box::new(form(item, package)));
    }
    if let Some(value) = ty.strip_prefix("{}") {
        return Form::Map(Box::new(form(value, package)));
    }
    if ty.contains('.') {
        Form::Named(ty.to_owned())
    } else if ty.starts_with(|c: char| c.is_ascii_uppercase()) {
        Form::Named(format!("{package}.{ty}"))
    } else {
        Form::Plain(ty.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = "# Written by `cargo xtask facts`; the form is told in host/xtask/src/schema/facts.rs.\n\
            package a.v1\nEmpty\nOne atomic\n . 1 Empty\n list 2 *[]string omit zero opt wrapped listType=set default={\"a\": 1}\n";
        let read = read(text).unwrap();
        let types = read.iter().map(|(name, line)| (name.trim_start_matches("a.v1.").to_owned(), line.clone())).collect();
        let again = write(&[Package { name: "a.v1".to_owned(), types }]).unwrap();
        assert_eq!(again.replace("a.v1.Empty", "Empty"), text);
    }
}
