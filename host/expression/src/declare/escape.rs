//! Field names as CEL identifiers: apiserver/pkg/cel/escaping.go.

use crate::RESERVED;

const ESCAPES: [(&str, &str); 4] = [("underscores", "__"), ("dot", "."), ("dash", "-"), ("slash", "/")];

/// `a-b` → `a__dash__b`, `if` → `__if__`; `None` for what cannot be told as an identifier.
pub fn escape(name: &str) -> Option<String> {
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        if let Some((word, told)) = ESCAPES.iter().find(|(_, told)| rest.starts_with(told)) {
            out.push_str("__");
            out.push_str(word);
            out.push_str("__");
            rest = rest.get(told.len()..).unwrap_or_default();
            continue;
        }
        if !first.is_ascii_alphanumeric() && first != '_' {
            return None;
        }
        out.push(first);
        rest = rest.get(1..).unwrap_or_default();
    }
    Some(out)
}

/// The reverse; `None` for escapes that do not exist.
pub fn unescape(name: &str) -> Option<String> {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(start) = rest.find("__") {
        let (before, after) = rest.split_at(start);
        let inner = after.get(2..).unwrap_or_default();
        let length = inner.find('_').unwrap_or(inner.len());
        let (word, behind) = inner.split_at(length);
        if word.is_empty() || !behind.starts_with("__") {
            // Not of the form `__word__`: one underscore is plain text, the search goes on behind it.
            out.push_str(before);
            out.push('_');
            rest = after.get(1..).unwrap_or_default();
            continue;
        }
        out.push_str(before);
        match ESCAPES.iter().find(|(w, _)| *w == word) {
            Some((_, told)) => out.push_str(told),
            None if RESERVED.contains(&word) && word.len() + 4 == name.len() => out.push_str(word),
            None => return None,
        }
        rest = behind.get(2..).unwrap_or_default();
    }
    out.push_str(rest);
    Some(out)
}
