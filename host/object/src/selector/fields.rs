//! `fieldSelector`: `k8s.io/apimachinery/pkg/fields/selector.go`.

use std::fmt;

/// All of its requirements must hold; none means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    requirements: Vec<(String, Op, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Equals,
    NotEquals,
}

impl FieldSelector {
    /// Reads `a=b,c!=d`; `\`, `,` and `=` in a value are escaped by `\`.
    pub fn parse(selector: &str) -> Result<Self, String> {
        let mut terms = split_terms(selector);
        terms.sort_unstable();
        let mut requirements = Vec::new();
        for term in terms.into_iter().filter(|t| !t.is_empty()) {
            let Some((field, op, value)) = split_term(term) else {
                return Err(format!("invalid selector: '{selector}'; can't understand '{term}'"));
            };
            requirements.push((field.to_owned(), op, unescape(value)?));
        }
        Ok(Self { requirements })
    }

    pub fn requirements(&self) -> &[(String, Op, String)] {
        &self.requirements
    }
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }
    /// The value that the field must have, if the selector names one.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.requirements.iter().find(|(f, op, _)| f == field && *op == Op::Equals).map(|(_, _, v)| v.as_str())
    }
    /// `value` gives a field's value; none counts as the empty string.
    pub fn matches(&self, mut value: impl FnMut(&str) -> Option<String>) -> bool {
        self.requirements.iter().all(|(field, op, wanted)| {
            let equal = value(field).unwrap_or_default() == *wanted;
            equal == (*op == Op::Equals)
        })
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (field, op, value)) in self.requirements.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let op = if *op == Op::Equals { "=" } else { "!=" };
            write!(f, "{comma}{field}{op}{}", escape(value))?;
        }
        Ok(())
    }
}

fn split_terms(selector: &str) -> Vec<&str> {
    let (mut terms, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in selector.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.extend(selector.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.extend(selector.get(start..));
    terms
}

fn split_term(term: &str) -> Option<(&str, Op, &str)> {
    for (at, _) in term.char_indices() {
        let (field, rest) = term.split_at(at);
        for (sign, op) in [("!=", Op::NotEquals), ("==", Op::Equals), ("=", Op::Equals)] {
            if let Some(value) = rest.strip_prefix(sign) {
                return Some((field, op, value));
            }
        }
    }
    None
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=")
}

fn unescape(value: &str) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(c) => return Err(format!("invalid field selector: invalid escape sequence: \\{c}")),
                None => return Err("invalid field selector: invalid escape sequence: \\".to_owned()),
            },
            ',' | '=' => return Err(format!("invalid field selector: unescaped character in value: {}", u32::from(c))),
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses() {
        let table = [
            ("", Ok("")),
            ("a=b", Ok("a=b")),
            ("b==c,a!=", Ok("a!=,b=c")),
            (r"x=a\,b\=c\\", Ok(r"x=a\,b\=c\\")),
            ("spec.nodeName=n,,", Ok("spec.nodeName=n")),
            ("a", Err("invalid selector: 'a'; can't understand 'a'")),
            (r"a=\x", Err(r"invalid field selector: invalid escape sequence: \x")),
            ("a=b=c", Err("invalid field selector: unescaped character in value: 61")),
        ];
        for (input, expect) in table {
            let got = FieldSelector::parse(input).map(|s| s.to_string());
            assert_eq!(got.as_deref().map_err(String::as_str), expect, "{input}");
        }
    }

    #[test]
    fn matches() {
        let value = |f: &str| (f == "spec.nodeName").then(|| "n1".to_owned());
        for (selector, expect) in
            [("", true), ("spec.nodeName=n1", true), ("spec.nodeName!=n1", false), ("x=", true), ("x=,spec.nodeName=n2", false)]
        {
            assert_eq!(FieldSelector::parse(selector).unwrap().matches(value), expect, "{selector}");
        }
    }
}
