//! `fieldPath` of rules and `jsonPath` of selectable fields: field and map accessors that a schema knows
//! (`apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go` ValidFieldPath).

use super::props::Props;

/// The path as errors tell it, and the schema that it leads to.
pub fn resolve<'s>(path: &str, schema: &'s Props, allow_brackets: bool) -> Result<(String, &'s Props), String> {
    let (mut told, mut schema) = (String::new(), schema);
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        let name = match c {
            '[' if !allow_brackets => return Err("array notation is not allowed".to_owned()),
            '[' => {
                let inside = rest.get(1..).unwrap_or_default();
                let (name, tail) = quoted(inside)?;
                rest = tail.strip_prefix(']').ok_or_else(|| match tail.chars().next() {
                    None => "unexpected end of JSON path".to_owned(),
                    Some(other) => format!("expected ] but got {other}"),
                })?;
                name
            }
            '.' => {
                let tail = rest.get(1..).unwrap_or_default();
                if tail.is_empty() {
                    return Err("unexpected end of JSON path".to_owned());
                }
                let (name, tail) = tail.split_at(tail.find(['.', '[', ']']).unwrap_or(tail.len()));
                rest = tail;
                name.to_owned()
            }
            _ => {
                let end = rest.find(['.', '[', ']']).filter(|at| *at > 0).unwrap_or(rest.len());
                return Err(format!("expected [ or . but got: {}", rest.get(..end).unwrap_or_default()));
            }
        };
        if !schema.properties.is_empty() {
            schema = schema.properties.get(&name).ok_or("does not refer to a valid field")?;
            if !told.is_empty() {
                told.push('.');
            }
            told.push_str(&name);
        } else {
            schema = schema.additional_schema().ok_or("does not refer to a valid field")?;
            told.push_str(&format!("[{name}]"));
        }
    }
    Ok((told, schema))
}

/// A string in single quotes; returns what follows it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let expected = || {
        let end = text.find(['.', '[', ']']).unwrap_or(text.len());
        format!("expected single quoted string but got {}", text.get(..end).unwrap_or_default())
    };
    let inside = text.strip_prefix('\'').ok_or_else(expected)?;
    let mut name = String::new();
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Ok((name, inside.get(at + 1..).unwrap_or_default())),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('a') => name.push('\u{7}'),
                Some('b') => name.push('\u{8}'),
                Some('f') => name.push('\u{c}'),
                Some('n') => name.push('\n'),
                Some('r') => name.push('\r'),
                Some('t') => name.push('\t'),
                Some('v') => name.push('\u{b}'),
                Some(c @ ('\'' | '\\')) => name.push(c),
                Some(c) => return Err(format!("invalid string literal: invalid escape char \\{c}")),
                None => return Err(expected()),
            },
            c => name.push(c),
        }
    }
    Err(expected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn paths_lead_to_schemas() {
        let schema = Props::read(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "a": {"type": "string"}, "m": {"type": "object", "additionalProperties": {"type": "integer"}}, "x.y": {"type": "boolean"}}}}}));
        let ok = |path: &str, told: &str, ty: &str| {
            let (path, schema) = resolve(path, &schema, true).unwrap();
            assert_eq!((path.as_str(), schema.ty.as_str()), (told, ty));
        };
        ok(".spec.a", "spec.a", "string");
        ok(".spec.m['k']", "spec.m[k]", "integer");
        ok(".spec['x.y']", "spec.x.y", "boolean");
        let fails = |path: &str, expect: &str| assert_eq!(resolve(path, &schema, false).unwrap_err(), expect, "{path}");
        fails(".spec.b", "does not refer to a valid field");
        fails("spec.a", "expected [ or . but got: spec");
        fails(".spec['a']", "array notation is not allowed");
        fails(".spec.", "unexpected end of JSON path");
        fails(".spec.a.b", "does not refer to a valid field");
    }
}
