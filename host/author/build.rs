//! Embeds the contract, the templates and the Rust SDK: a table of names and texts for each.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Examples that are templates, too: language as its folder and as templates call it, role, world.
const LANGUAGES: [(&str, &str); 5] = [("c", "c"), ("go", "go"), ("javascript", "js"), ("typescript", "ts"), ("python", "python")];
/// The same of Rust, where only the sources are: the example's package is one of ours.
const RUST: [(&str, &str); 4] =
    [("filter", "scheduler-filter"), ("admission", "admission"), ("controller", "controller"), ("cloud", "cloud-provider")];
const ROLES: [(&str, &str); 2] = [("filter", "scheduler-filter"), ("admission", "admission")];

fn main() -> io::Result<()> {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    let root = here.join("../..");
    let mut source = String::new();
    table(&mut source, "WIT", "Files of `wit/`.", folder(&root.join("wit"), "")?);
    table(&mut source, "SDK", "Files of `plugins/sdk/`.", folder(&root.join("plugins/sdk"), "")?);
    let mut templates = folder(&here.join("templates"), "")?;
    for (language, short) in LANGUAGES {
        for (role, world) in ROLES {
            let example = root.join("guest-examples").join(language);
            let mut files = folder(&example.join(role), &format!("{short}/{world}/"))?;
            // What the object is called and asks for is the template's own matter.
            files.retain(|(name, _)| !name.ends_with(".yaml") && !name.ends_with(".md"));
            if short == "c" && !files.is_empty() {
                let stem = world.replace('-', "_");
                let generated = folder(&example.join("gen"), &format!("{short}/{world}/gen/"))?;
                files.extend(generated.into_iter().filter(|(_, path)| path.file_stem().is_some_and(|found| *found == *stem)));
            }
            templates.extend(files);
        }
    }
    for (role, world) in RUST {
        let sources = root.join("guest-examples/rust").join(role).join("src");
        templates.extend(folder(&sources, &format!("rust/{world}/src/"))?);
    }
    table(&mut source, "TEMPLATES", "Files of new projects.", templates);
    fs::write(out.join("embedded.rs"), source)
}

fn table(source: &mut String, name: &str, about: &str, mut files: Vec<(String, PathBuf)>) {
    files.sort();
    let _ = writeln!(source, "/// {about}\npub static {name}: &[(&str, &str)] = &[");
    for (inside, file) in files {
        let _ = writeln!(source, "    ({inside:?}, include_str!({:?})),", file.display().to_string());
    }
    *source += "];\n";
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
        } else if path.extension().is_none_or(|end| !["wasm", "o", "lock"].iter().any(|other| end == *other)) {
            files.push(path);
        }
    }
    Ok(())
}
