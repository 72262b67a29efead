//! Reads Go declarations of API types, so far as they tell what neither descriptions nor JSON schemas do: protobuf numbers,
//! what is a pointer, what `omitempty` leaves out, what is embedded, and the comment markers.
//!
//! The declarations are gofmt'ed and follow the API conventions, so lines are enough: `type Name struct {`, one field a
//! line, `}`.

use super::facts::{Field, Form, Line, Package};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Markers that a field or a type is read for.
const MARKERS: [&str; 11] = [
    "default",
    "k8s:listMapKey",
    "k8s:listType",
    "listMapKey",
    "listType",
    "mapType",
    "optional",
    "patchMergeKey",
    "patchStrategy",
    "structType",
    "k8s:optional",
];

/// Types with a form of their own, by import path and name.
const SPECIAL: [(&str, &str, &str); 8] = [
    ("k8s.io/apimachinery/pkg/api/resource", "Quantity", "quantity"),
    ("k8s.io/apimachinery/pkg/apis/meta/v1", "Time", "time"),
    ("k8s.io/apimachinery/pkg/apis/meta/v1", "MicroTime", "microtime"),
    ("k8s.io/apimachinery/pkg/apis/meta/v1", "Duration", "duration"),
    ("k8s.io/apimachinery/pkg/util/intstr", "IntOrString", "intorstring"),
    ("k8s.io/apimachinery/pkg/runtime", "RawExtension", "raw"),
    ("k8s.io/apimachinery/pkg/types", "UID", "string"),
    ("k8s.io/apimachinery/pkg/types", "NodeName", "string"),
];

/// One declared type: its underlying type, or its fields.
#[derive(Debug)]
enum Declared {
    Struct { atomic: bool, fields: Vec<Raw> },
    Other(String),
}

/// A field as it is written.
#[derive(Debug)]
struct Raw {
    /// Empty for an embedded struct.
    name: String,
    ty: String,
    tags: String,
    markers: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Source {
    /// Import path by the name that the package has here.
    imports: BTreeMap<String, String>,
    types: BTreeMap<String, Declared>,
}

/// What all packages below the given folders declare. A folder is a checkout of a repository of `k8s.io`, and is named like
/// it: `api`, `apimachinery`, …
pub(super) fn read(folders: &[PathBuf]) -> Result<Vec<Package>> {
    let mut sources = BTreeMap::new();
    for folder in folders {
        let name = folder.file_name().and_then(|n| n.to_str()).context("a folder needs a name")?;
        below(folder, &format!("k8s.io/{name}"), &mut sources)?;
    }
    let mut packages = Vec::new();
    for (path, source) in &sources {
        let mut types = BTreeMap::new();
        for name in source.types.keys() {
            if let Some(lines) = lines(&sources, path, name).with_context(|| format!("{path}.{name}"))? {
                types.insert(name.clone(), lines);
            }
        }
        if !types.is_empty() {
            packages.push(Package { name: package_name(path), types });
        }
    }
    Ok(packages)
}

/// `io.k8s.api.core.v1` of `k8s.io/api/core/v1`.
fn package_name(path: &str) -> String {
    format!("io.k8s.{}", path.trim_start_matches("k8s.io/").replace('/', "."))
}

fn below(folder: &Path, import: &str, out: &mut BTreeMap<String, Source>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut source = Source::default();
    for entry in entries {
        let path = entry.context("list")?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && !matches!(name.as_str(), "testdata" | "testing" | "testapigroup" | "vendor") {
            below(&path, &format!("{import}/{name}"), out)?;
        } else if name.ends_with(".go") && !name.ends_with("_test.go") && !name.contains("generated") {
            let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            file(&text, &mut source).with_context(|| format!("read {}", path.display()))?;
        }
    }
    // Versions of an API, and nothing else.
    let version = import.rsplit('/').next().unwrap_or_default();
    if version.starts_with('v') && version.as_bytes().get(1).is_some_and(u8::is_ascii_digit) && import.matches('/').count() > 1 {
        out.insert(import.to_owned(), source);
    }
    Ok(())
}

fn file(text: &str, source: &mut Source) -> Result<()> {
    let mut markers = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "import (" {
            lines.by_ref().map(str::trim).take_while(|l| *l != ")").for_each(|l| import(l, source));
        } else if let Some(one) = line.strip_prefix("import ") {
            import(one, source);
        } else if let Some(comment) = line.strip_prefix("//") {
            markers.extend(marker(comment.trim()));
        } else if let Some(declared) = line.strip_prefix("type ") {
            let (name, rest) = declared.split_once(' ').unwrap_or((declared, ""));
            let atomic = markers.iter().any(|(n, v): &(String, String)| n == "structType" && v == "atomic");
            markers.clear();
            let rest = rest.trim_start_matches("= ");
            let declared = match rest.trim() {
                "struct {" => Declared::Struct { atomic, fields: fields(&mut lines)? },
                "struct{}" => Declared::Struct { atomic, fields: Vec::new() },
                other => Declared::Other(other.split("//").next().unwrap_or_default().trim().to_owned()),
            };
            source.types.insert(name.to_owned(), declared);
        } else if !line.trim().is_empty() {
            markers.clear();
        }
    }
    Ok(())
}

fn import(line: &str, source: &mut Source) {
    let Some((alias, path)) = line.split_once('"') else { return };
    let path = path.trim_end_matches('"').to_owned();
    let own = path.rsplit('/').next().unwrap_or_default();
    let name = if alias.trim().is_empty() { own } else { alias.trim() };
    source.imports.insert(name.to_owned(), path);
}

fn fields<'t>(lines: &mut impl Iterator<Item = &'t str>) -> Result<Vec<Raw>> {
    let mut found = Vec::new();
    let mut markers = Vec::new();
    let mut in_comment = false;
    for line in lines {
        let trimmed = line.trim();
        if line == "}" {
            return Ok(found);
        } else if in_comment || trimmed.starts_with("/*") {
            in_comment = !trimmed.ends_with("*/");
        } else if let Some(comment) = trimmed.strip_prefix("//") {
            markers.extend(marker(comment.trim()));
        } else if trimmed.is_empty() {
            markers.clear();
        } else {
            let (declared, tags) = trimmed.split_once('`').unwrap_or((trimmed, ""));
            let tags = tags.split('`').next().unwrap_or_default().to_owned();
            let words: Vec<&str> = declared.split("//").next().unwrap_or_default().split_whitespace().collect();
            let (name, ty) = match words.as_slice() {
                [ty] => (String::new(), (*ty).to_owned()),
                [name, ty @ ..] => ((*name).to_owned(), ty.concat()),
                [] => continue,
            };
            found.push(Raw { name, ty, tags, markers: std::mem::take(&mut markers) });
        }
    }
    bail!("a struct has no end")
}

/// `+name=value` or `+name`.
fn marker(comment: &str) -> Option<(String, String)> {
    let body = comment.strip_prefix('+')?;
    let (name, value) = body.split_once('=').unwrap_or((body, ""));
    MARKERS.contains(&name).then(|| (name.to_owned(), value.to_owned()))
}

/// The value of one struct tag.
fn tag<'t>(tags: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = tags.split_once(&format!("{name}:\""))?;
    rest.split('"').next()
}

/// The lines of a struct that goes over the wire; `None` for any other type.
fn lines(sources: &BTreeMap<String, Source>, path: &str, name: &str) -> Result<Option<Line>> {
    if SPECIAL.iter().any(|(p, n, _)| *p == path && *n == name) {
        return Ok(None);
    }
    let Some((home, fields, atomic)) = structure(sources, path, name) else { return Ok(None) };
    let tagged = fields.iter().any(|f| tag(&f.tags, "protobuf").is_some_and(|t| t != "-"));
    let typed = fields.iter().any(|f| tag(&f.tags, "json").is_some());
    if !tagged && (typed || !fields.is_empty()) {
        return Ok(None);
    }
    let mut out = Vec::new();
    for field in fields {
        if let Some(found) = one(sources, &home, path, field).with_context(|| format!("field {} {}", field.name, field.ty))? {
            out.push(found);
        }
    }
    Ok(Some(Line { atomic, fields: out }))
}

/// The fields behind a name, and the package that they are written in.
fn structure<'s>(sources: &'s BTreeMap<String, Source>, path: &str, name: &str) -> Option<(String, &'s [Raw], bool)> {
    let source = sources.get(path)?;
    match source.types.get(name)? {
        Declared::Struct { atomic, fields } => Some((path.to_owned(), fields, *atomic)),
        Declared::Other(other) => {
            let (path, name) = located(source, path, other)?;
            structure(sources, &path, &name)
        }
    }
}

/// Import path and name of a type as it is written in a package.
fn located(source: &Source, path: &str, written: &str) -> Option<(String, String)> {
    match written.split_once('.') {
        Some((alias, name)) => Some((source.imports.get(alias)?.clone(), name.to_owned())),
        None => Some((path.to_owned(), written.to_owned())),
    }
}

/// `home` is the package whose words the field is written in, `path` the one that the struct belongs to.
fn one(sources: &BTreeMap<String, Source>, home: &str, path: &str, field: &Raw) -> Result<Option<Field>> {
    let json = tag(&field.tags, "json").unwrap_or_default();
    let (json_name, options) = json.split_once(',').unwrap_or((json, ""));
    if json_name == "-" {
        return Ok(None);
    }
    let wire = tag(&field.tags, "protobuf").filter(|t| *t != "-");
    let mut parts = wire.unwrap_or_default().split(',').skip(1);
    let number = parts.next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let label = parts.next().unwrap_or_default();
    let inline = json_name.is_empty() && field.name.is_empty();
    let name = match (inline, json_name) {
        (true, _) => String::new(),
        // Types with their own JSON form have no JSON names.
        (false, "") => field.name.clone(),
        (false, name) => name.to_owned(),
    };
    let pointer = field.ty.starts_with('*');
    let form = form(sources, home, path, field.ty.trim_start_matches('*'))?;
    // Other lists are written with `opt` too, by mistake and without effect.
    let wrapped = matches!(form, Form::List(_)) && label == "opt" && !field.ty.starts_with('[');
    let has = |option: &str| options.split(',').any(|o| o == option);
    let optional = field.markers.iter().any(|(n, _)| n == "optional" || n == "k8s:optional");
    let markers = field.markers.iter().filter(|(n, _)| n != "optional" && n != "k8s:optional").cloned().collect();
    Ok(Some(Field {
        name,
        tag: number,
        form,
        pointer,
        omit_empty: has("omitempty"),
        omit_zero: has("omitzero"),
        optional,
        wrapped,
        markers,
    }))
}

fn form(sources: &BTreeMap<String, Source>, home: &str, path: &str, written: &str) -> Result<Form> {
    if let Some(item) = written.strip_prefix("[]") {
        if matches!(item, "byte" | "uint8") {
            return Ok(Form::Plain("bytes".to_owned()));
        }
        return Ok(Form::List(Box::new(form(sources, home, path, item.trim_start_matches('*'))?)));
    }
    if let Some((_, value)) = written.strip_prefix("map[").and_then(|m| m.split_once(']')) {
        return Ok(Form::Map(Box::new(form(sources, home, path, value.trim_start_matches('*'))?)));
    }
    let plain = match written {
        "string" | "bool" | "int32" | "int64" | "float64" => Some(written),
        "int" => Some("int64"),
        "interface{}" | "any" => Some("raw"),
        _ => None,
    };
    if let Some(plain) = plain {
        return Ok(Form::Plain(plain.to_owned()));
    }
    let source = sources.get(home).context("package")?;
    let (found, name) = located(source, home, written).with_context(|| format!("no import for {written}"))?;
    if let Some((_, _, special)) = SPECIAL.iter().find(|(p, n, _)| *p == found && *n == name) {
        return Ok(Form::Plain((*special).to_owned()));
    }
    let declared = sources.get(&found).and_then(|s| s.types.get(&name)).with_context(|| format!("no type {found}.{name}"))?;
    match declared {
        Declared::Struct { .. } => {
            let package = if found == path { String::new() } else { format!("{}.", package_name(&found)) };
            Ok(Form::Named(format!("{package}{name}")))
        }
        // An alias of a struct of another package is that struct.
        Declared::Other(other) => form(sources, &found, path, other),
    }
}
