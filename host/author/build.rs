//! Embeds the contract, the templates and the Rust SDK: a table of names and texts for each.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Examples that are templates, too: language as its folder and as templates call it.
const LANGUAGES: [(&str, &str); 5] = [("c", "c"), ("go", "go"), ("javascript", "js"), ("typescript", "ts"), ("python", "python")];
/// The same of Rust, where only the sources are: the example's package is one of ours.
const RUST: [(&str, &str); 4] =
    [("filter", "scheduler-filter"), ("admission", "admission"), ("controller", "controller"), ("cloud", "cloud-provider")];
const ROLES: [&str; 3] = ["filter", "admission", "workload"];

/// How a template says where the component is to be had.
const IMAGE: &str = "  # As `coracle plugin push` says; or `path: PLUGIN_NAME.wasm` below the server's <data-dir>/plugins.
  image: registry.example.org/PLUGIN_NAME:v1
";

fn main() -> io::Result<()> {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    let root = here.join("../..");
    let examples = root.join("guest-examples");
    let mut source = String::new();
    table(&mut source, "WIT", "Files of `wit/`.", texts(&root.join("wit"), "")?);
    table(&mut source, "SDK", "Files of `plugins/sdk/`.", texts(&root.join("plugins/sdk"), "")?);
    table(&mut source, "WORLDS", "Files of `guest-examples/wit/`, without the contract.", own(&examples.join("wit"))?);
    table(&mut source, "WASI_HTTP", "Files of `guest-examples/wasi-http/`.", texts(&examples.join("wasi-http"), "")?);
    let mut templates = texts(&here.join("templates"), "")?;
    for (language, short) in LANGUAGES {
        for role in ROLES {
            let world = match (role, language) {
                ("filter", _) => "scheduler-filter",
                ("workload", "c" | "go") => "workload-command",
                ("workload", _) => "workload-http",
                (other, _) => other,
            };
            let mut files = texts(&examples.join(language).join(role), &format!("{short}/{world}/"))?;
            for (name, text) in files.iter_mut().filter(|(name, _)| name.ends_with(".yaml")) {
                let called = format!("{language}-{role}");
                *text = text.replace(&format!("coracle.dev/examples/{called}:"), "registry.example.org/PLUGIN_NAME:");
                *text = text.replace(&called, "PLUGIN_NAME");
                if name.ends_with("wasmplugin.yaml") {
                    *text = text.replace("  path: PLUGIN_NAME.wasm\n", IMAGE);
                }
            }
            templates.extend(files);
        }
        // It only judges, as Rust's does not.
        let about = fs::read_to_string(here.join("templates/others/admission.md"))?;
        templates.push((format!("{short}/admission/README.md"), about));
    }
    for (role, world) in RUST {
        let sources = root.join("guest-examples/rust").join(role).join("src");
        templates.extend(texts(&sources, &format!("rust/{world}/src/"))?);
    }
    table(&mut source, "TEMPLATES", "Files of new projects.", templates);
    fs::write(out.join("embedded.rs"), source)
}

fn table(source: &mut String, name: &str, about: &str, mut files: Vec<(String, String)>) {
    files.sort();
    let _ = writeln!(source, "/// {about}\npub static {name}: &[(&str, &str)] = &[");
    for (inside, text) in files {
        let _ = writeln!(source, "    ({inside:?}, {text:?}),");
    }
    *source += "];\n";
}

/// Names in the table, and texts.
fn texts(place: &Path, prefix: &str) -> io::Result<Vec<(String, String)>> {
    folder(place, prefix)?.into_iter().map(|(name, path)| Ok((name, fs::read_to_string(path)?))).collect()
}

/// The files of a folder itself.
fn own(place: &Path) -> io::Result<Vec<(String, String)>> {
    Ok(texts(place, "")?.into_iter().filter(|(name, _)| !name.contains('/')).collect())
}

/// The files below a folder, if it is there, with their names in the table.
fn folder(folder: &Path, prefix: &str) -> io::Result<Vec<(String, PathBuf)>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    if folder.is_dir() {
        walk(folder, &mut files)?;
    }
    Ok(files.into_iter().map(|file| (format!("{prefix}{}", file.strip_prefix(folder).unwrap_or(&file).display()), file)).collect())
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden || ["target", "build", "node_modules"].iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            walk(&path, files)?;
        } else if path.extension().is_none_or(|end| !["wasm", "o", "lock", "pyc"].iter().any(|other| end == *other)) {
            files.push(path);
        }
    }
    Ok(())
}
