//! Reads `k8s-pb`: prost structs whose doc comments are those of the Go types.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Messages by module path with a plain type name, e.g. `api::core::v1::podspec`: the two crates case acronyms differently.
pub(super) type Messages = BTreeMap<String, Message>;

#[derive(Debug, Default)]
pub(super) struct Message {
    pub markers: Vec<(String, String)>,
    pub fields: Vec<MessageField>,
}

#[derive(Debug, Default)]
pub(super) struct MessageField {
    pub name: String,
    pub tag: u32,
    pub markers: Vec<(String, String)>,
    /// Module path of a single message's type.
    pub message: Option<String>,
}

/// All values of a marker, in order.
pub(super) fn marked<'a>(markers: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    markers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
}

/// The message of a type.
pub(super) fn message<'m>(messages: &'m Messages, path: &str) -> Option<&'m Message> {
    messages.get(&plain_path(path))
}

/// The field of a message by its JSON name, and its tag. Go embeds structs that protobuf nests, so what a message lacks is
/// looked up in its nested messages; a type that is newer than `k8s-pb` takes the markers of the same type in an older
/// version of its group. Both have the tag 0.
pub(super) fn field<'m>(messages: &'m Messages, path: &str, json_name: &str) -> Option<(&'m MessageField, u32)> {
    let wanted = plain(json_name);
    let Some(message) = message(messages, path) else {
        return in_older_version(messages, path, &wanted).map(|f| (f, 0));
    };
    if let Some(found) = message.fields.iter().find(|f| plain(&f.name) == wanted) {
        return Some((found, found.tag));
    }
    let mut nested = message.fields.iter().filter_map(|f| f.message.as_deref()).filter(|p| *p != path);
    nested.find_map(|p| message_field(messages, p, &wanted)).map(|f| (f, 0))
}

fn message_field<'m>(messages: &'m Messages, path: &str, wanted: &str) -> Option<&'m MessageField> {
    message(messages, path)?.fields.iter().find(|f| plain(&f.name) == wanted)
}

fn in_older_version<'m>(messages: &'m Messages, path: &str, wanted: &str) -> Option<&'m MessageField> {
    let (module, name) = path.rsplit_once("::")?;
    let (group, version) = module.rsplit_once("::")?;
    if !version.starts_with('v') {
        return None;
    }
    let suffix = format!("::{}", plain(name));
    let of_group = messages.keys().rev().filter(|p| p.starts_with(&format!("{group}::v")) && p.ends_with(&suffix));
    of_group.filter_map(|p| messages.get(p)).find_map(|m| m.fields.iter().find(|f| plain(&f.name) == wanted))
}

fn plain_path(path: &str) -> String {
    path.rsplit_once("::").map_or_else(|| plain(path), |(module, name)| format!("{module}::{}", plain(name)))
}

/// Protobuf and JSON spell a name with different cases and separators.
fn plain(name: &str) -> String {
    name.trim_start_matches("r#").chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

pub(super) fn read(root: &Path) -> Result<Messages> {
    let mut messages = Messages::new();
    super::openapi::walk(root, &mut |file, module| {
        let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        // `mod.rs` holds all messages of its folder.
        read_file(&text, module, &mut messages);
        Ok(())
    })?;
    Ok(messages)
}

fn read_file(text: &str, module: &str, messages: &mut Messages) {
    let mut markers: Vec<(String, String)> = Vec::new();
    let mut tag = 0;
    let mut message: Option<(String, Message)> = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix("///") {
            markers.extend(marker(comment.trim()));
        } else if let Some(attributes) = line.strip_prefix("#[prost(") {
            tag = attributes.split("tag = \"").nth(1).and_then(|t| t.split('"').next()).and_then(|t| t.parse().ok()).unwrap_or(0);
        } else if let Some(name) = line.strip_prefix("pub struct ") {
            let name = name.trim_end_matches(['{', '}', ' ']).to_owned();
            message = Some((name, Message { markers: std::mem::take(&mut markers), fields: Vec::new() }));
            if line.ends_with('}') {
                finish(&mut message, module, messages);
            }
        } else if line == "}" {
            finish(&mut message, module, messages);
            markers.clear();
        } else if let (Some((_, open)), Some(declared)) = (message.as_mut(), line.strip_prefix("pub ")) {
            let mut declared = declared.to_owned();
            while !declared.ends_with(',') {
                let Some(more) = lines.next() else { break };
                declared.push_str(more.trim());
            }
            let (name, ty) = declared.split_once(':').unwrap_or((&declared, ""));
            open.fields.push(MessageField {
                name: name.trim().to_owned(),
                tag: std::mem::take(&mut tag),
                markers: std::mem::take(&mut markers),
                message: message_path(ty, module),
            });
        }
    }
}

fn finish(message: &mut Option<(String, Message)>, module: &str, messages: &mut Messages) {
    if let Some((name, done)) = message.take() {
        messages.insert(format!("{module}::{}", plain(&name)), done);
    }
}

/// `+name=value` or `+name`.
fn marker(comment: &str) -> Option<(String, String)> {
    let (name, value) = {
        let body = comment.strip_prefix('+')?;
        body.split_once('=').unwrap_or((body, ""))
    };
    Some((name.to_owned(), value.to_owned()))
}

/// The module path of `Option<T>` where `T` is a message; `None` for anything else.
fn message_path(ty: &str, module: &str) -> Option<String> {
    let inner = ty.trim().trim_end_matches(',').strip_prefix("::core::option::Option<")?.strip_suffix('>')?;
    let inner = inner.strip_prefix("::prost::alloc::boxed::Box<").and_then(|i| i.strip_suffix('>')).unwrap_or(inner);
    if inner.starts_with("::") || inner.starts_with(|c: char| c.is_ascii_lowercase()) && !inner.starts_with("super::") {
        return None;
    }
    let mut here: Vec<&str> = module.split("::").collect();
    let mut rest = inner;
    while let Some(above) = rest.strip_prefix("super::") {
        here.pop();
        rest = above;
    }
    here.push(rest);
    Some(here.join("::"))
}
