//! Embeds the contract, the templates and the Rust SDK: a table of names and texts for each.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    let mut source = String::new();
    for (name, about, folder) in [
        ("WIT", "Files of `wit/`.", "../../wit"),
        ("TEMPLATES", "Files of `templates/`.", "templates"),
        ("SDK", "Files of `plugins/sdk/`.", "../../plugins/sdk"),
    ] {
        let folder = here.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        if folder.is_dir() {
            walk(&folder, &mut files)?;
        }
        files.sort();
        let _ = writeln!(source, "/// {about}\npub static {name}: &[(&str, &str)] = &[");
        for file in files {
            let inside = file.strip_prefix(&folder).unwrap_or(&file).display().to_string();
            let _ = writeln!(source, "    ({inside:?}, include_str!({:?})),", file.display().to_string());
        }
        source += "];\n";
    }
    fs::write(out.join("embedded.rs"), source)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden || path.ends_with("target") {
            continue;
        }
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
