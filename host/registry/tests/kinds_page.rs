//! `docs/kinds.md` is what the rows say. `CORACLE_BLESS=1` writes it (`cargo xtask kinds`), otherwise it is compared.

use registry::{Cell, Kind, NameRule, Persistence, Registry, Verb};
use std::fmt::Write;
use std::path::Path;

const HEAD: &str = "# Kinds

What the API serves. Made from the rows in `host/registry/src/kinds/` by `cargo xtask kinds`; a test compares.

Every kind has the verbs get, list, watch, create, update, patch (JSON, merge, strategic, apply), delete and deletecollection
where its row does not say otherwise. All kinds accept the field selectors `metadata.name` and, when namespaced,
`metadata.namespace`. *Lazy* kinds are acknowledged from memory and reach the disk within three seconds, *heartbeat*
kinds within a minute or with the next durable write; all others are on disk before they are acknowledged.
";

#[test]
fn the_page_is_what_the_rows_say() {
    // As cargo says now: another clone that shares the target directory may have built this.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let path = Path::new(&here).join("../../docs/kinds.md");
    let page = page();
    if std::env::var_os("CORACLE_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
        return;
    }
    let present = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(present == page, "docs/kinds.md is not what the rows say; run `cargo xtask kinds`");
}

fn page() -> String {
    let mut out = HEAD.to_owned();
    let mut last = None;
    for kind in Registry::builtin().kinds() {
        let version = kind.api_version();
        if last.as_ref() != Some(&version) {
            let _ = write!(out, "\n## {version}\n");
            last = Some(version);
        }
        section(&mut out, &kind);
    }
    out
}

fn section(out: &mut String, kind: &Kind) {
    let _ = write!(out, "\n### {}\n\n| | |\n| --- | --- |\n", kind.kind);
    let mut names = vec![kind.resource.clone(), kind.singular.clone()];
    names.extend(kind.short_names.iter().cloned());
    row(out, "names", &code(&names));
    row(out, "scope", if kind.is_namespaced() { "namespaced" } else { "cluster" });
    if kind.verbs.len() < 8 {
        row(out, "verbs", &verbs(&kind.verbs));
    }
    let subresources: Vec<String> = kind.subresources.iter().map(|s| format!("`{}` ({})", s.name, verbs(&s.verbs))).collect();
    row(out, "subresources", &subresources.join(", "));
    row(out, "field selectors", &code(&kind.selectable_fields.iter().map(|f| f.name.clone()).collect::<Vec<_>>()));
    row(out, "categories", &code(&kind.categories));
    let columns: Vec<String> = kind
        .columns
        .iter()
        .map(|c| {
            let path = if let Cell::Path(path) = &c.cell { format!(" (`{path}`)") } else { String::new() };
            let wide = if c.priority > 0 { ", wide" } else { "" };
            format!("{}{path}{wide}", c.name)
        })
        .collect();
    row(out, "columns", &columns.join("; "));
    let rule = match kind.name_rule {
        NameRule::Subdomain => "",
        NameRule::Label => "RFC 1123 label",
        NameRule::Dns1035Label => "RFC 1035 label",
        NameRule::PathSegment => "path segment",
    };
    row(out, "name", rule);
    let persistence = match kind.persistence {
        Persistence::Durable => "",
        Persistence::Lazy => "lazy",
        Persistence::Heartbeat => "heartbeat",
    };
    row(out, "persistence", persistence);
    let stored = match &kind.stored_as {
        Some(s) => format!("as `{}` of {}", s.resource, object::gvk::api_version(&s.group, &s.version)),
        None if kind.is_virtual => "never: answered by code".to_owned(),
        None => String::new(),
    };
    row(out, "stored", &stored);
    row(out, "warning", kind.deprecation.as_deref().unwrap_or_default());
    row(out, "PUT", if kind.create_on_update { "creates what is absent" } else { "" });
    row(out, "generation", if kind.has_generation { "counts changes of spec" } else { "" });
}

fn row(out: &mut String, name: &str, text: &str) {
    if !text.is_empty() {
        let _ = writeln!(out, "| {name} | {text} |");
    }
}

fn code(words: &[String]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

fn verbs(verbs: &[Verb]) -> String {
    verbs.iter().map(|v| v.as_str()).collect::<Vec<_>>().join(", ")
}
