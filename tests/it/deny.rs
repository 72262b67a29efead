//! Rules for dependencies, read from `cargo metadata`.

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::OnceLock;
use tests::paths::root;

/// Licences that go together with Apache-2.0 in one binary. None of them is copyleft.
const LICENCES: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Crates whose licence is not in the list, with what it is and why that is bearable. This list may only shrink.
const EXCEPTIONS: [(&str, &str); 2] = [
    // Weak copyleft, of its own files only, used unchanged; libcontainer and libcgroups 0.7 cannot do without: ADR 11.
    ("pathrs", "MPL-2.0 OR LGPL-3.0-or-later"),
    // MIT by its LICENSE file, which cargo's metadata does not name.
    ("rust-criu", ""),
];

/// Layers, lowest first: arrows go down only, and there is none within the parts that meet in `interfaces`.
const LAYERS: [&[&str]; 5] = [
    &["object"],
    &["expression", "interfaces", "registry", "store", "typed"],
    &["author", "client", "image", "workload", "etcd"],
    &["apiserver", "scheduler", "controllers", "node", "net", "wasm", "oci"],
    &["cli"],
];

/// Heavy dependencies and the one crate that names each.
const SOLE_USERS: [(&str, &str); 7] = [
    ("wasmtime", "wasm"),
    ("wasmtime-wasi", "wasm"),
    ("libcontainer", "oci"),
    ("k8s-openapi", "typed"),
    ("redb", "store"),
    ("oci-client", "image"),
    ("tonic", "etcd"),
];

/// What a crate without I/O has no use for.
const IO: [&str; 12] = ["tokio", "hyper", "hyper-util", "reqwest", "redb", "nix", "rustix", "rtnetlink", "kube", "tempfile", "tar", "mio"];

#[test]
fn deny_licences_that_do_not_go_with_apache() {
    let refused: Vec<String> = packages()
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(allowed) && !EXCEPTIONS.contains(&named(package)))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "licences that are not in the list:\n{}", refused.join("\n"));
}

#[test]
fn deny_exceptions_that_nobody_needs() {
    let needless: Vec<_> = EXCEPTIONS.iter().filter(|exception| !packages().iter().any(|package| named(package) == **exception)).collect();
    assert!(needless.is_empty(), "take these out of EXCEPTIONS: {needless:?}");
}

#[test]
fn deny_reads_licence_expressions_as_spdx_does() {
    for (expression, expect) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("MIT/Apache-2.0", true),
        ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
        ("(MIT OR Apache-2.0) AND LGPL-2.1", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
        ("GPL-2.0 OR MIT AND ISC", true),
        ("", false),
    ] {
        assert_eq!(allowed(expression), expect, "{expression}");
    }
}

#[test]
fn deny_arrows_that_go_up_or_between_siblings() {
    let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for (name, package) in members() {
        let Some(from) = layer(&name) else { continue };
        for to in normal(package).filter(|to| members().contains_key(*to)) {
            arrows += 1;
            match layer(to) {
                Some(below) if below < from => {}
                // The lower crates of a layer may build on each other; the parts may not.
                Some(beside) if beside == from && from < 3 => {}
                _ => wrong.push(format!("{name} -> {to}")),
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that are not allowed:\n{}", wrong.join("\n"));
    assert!(arrows > 20, "only {arrows} arrows were found");
}

#[test]
fn deny_crates_that_no_layer_has() {
    let known =
        |name: &&String| LAYERS.iter().any(|layer| layer.contains(&name.as_str())) || ["xtask", "tests", "bench"].contains(&name.as_str());
    let unknown: Vec<String> = members().keys().filter(|name| !known(name)).cloned().collect();
    assert!(unknown.is_empty(), "say in LAYERS where these are: {unknown:?}");
}

#[test]
fn deny_heavy_dependencies_outside_of_their_one_crate() {
    let mut wrong = Vec::new();
    for (dependency, owner) in SOLE_USERS {
        let users: Vec<String> = members()
            .into_iter()
            .filter(|(name, package)| in_binary(name) && normal(package).any(|to| to == dependency))
            .map(|(name, _)| name)
            .collect();
        if users != [owner] {
            wrong.push(format!("{dependency} is named by {users:?}, not by {owner} alone"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn deny_input_and_output_in_crates_without_it() {
    let mut wrong = Vec::new();
    for name in ["object", "registry", "interfaces", "expression"] {
        let package = members()[name];
        wrong.extend(normal(package).filter(|to| IO.contains(to)).map(|to| format!("{name} depends on {to}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn deny_versions_outside_of_the_root_manifest() {
    let mut wrong = Vec::new();
    for (name, package) in members() {
        let path = package["manifest_path"].as_str().unwrap_or_default();
        let manifest = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut within = false;
        for line in manifest.lines() {
            if line.starts_with('[') {
                within = line.ends_with("dependencies]");
            } else if within
                && line.contains('=')
                && !line.trim_start().starts_with('#')
                && !line.contains("workspace")
                && !line.contains("path =")
            {
                wrong.push(format!("{name}: {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "versions are declared in the root manifest, once:\n{}", wrong.join("\n"));
}

/// What ends up in the binary: neither tests nor tools.
fn in_binary(name: &str) -> bool {
    !["xtask", "tests", "bench"].contains(&name)
}

/// A package's name and licence.
fn named(package: &Value) -> (&str, &str) {
    (package["name"].as_str().unwrap_or_default(), package["license"].as_str().unwrap_or_default())
}

/// Whether an SPDX expression can be met by the list. `OR` binds weaker than `AND`; `/` is an old form of `OR`.
fn allowed(expression: &str) -> bool {
    let expression = expression.trim();
    if let Some((a, b)) = split(expression, &[" OR ", "/"]) {
        return allowed(a) || allowed(b);
    }
    if let Some((a, b)) = split(expression, &[" AND "]) {
        return allowed(a) && allowed(b);
    }
    match expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inside) => allowed(inside),
        None => LICENCES.contains(&expression),
    }
}

/// At the first separator outside of parentheses.
fn split<'a>(text: &'a str, separators: &[&str]) -> Option<(&'a str, &'a str)> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0
            && let Some(separator) = separators.iter().find(|separator| text[at..].starts_with(**separator))
        {
            return Some((&text[..at], &text[at + separator.len()..]));
        }
    }
    None
}

/// Names of what a package depends on to be built and run, without what is optional.
fn normal(package: &Value) -> impl Iterator<Item = &str> {
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    dependencies.filter(|d| d["kind"].is_null() && d["optional"] == false).filter_map(|d| d["name"].as_str())
}

fn members() -> BTreeMap<String, &'static Value> {
    let ours = packages().iter().filter(|package| package["source"].is_null());
    ours.map(|package| (package["name"].as_str().unwrap_or_default().to_owned(), package)).collect()
}

fn packages() -> &'static [Value] {
    static METADATA: OnceLock<Value> = OnceLock::new();
    let metadata = METADATA.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let mut command = Command::new(cargo);
        command.args(["metadata", "--format-version=1", "--locked", "--filter-platform", &host]).current_dir(root());
        let output = command.output().expect("cargo can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("cargo speaks JSON")
    });
    let packages = metadata["packages"].as_array().expect("there are packages");
    assert!(packages.len() > 100, "only {} packages", packages.len());
    packages
}
