//! Go's regular expressions (RE2 syntax, `regexp/syntax`) as those of the `regex` crate: both run in linear time and know
//! the same operators; they differ in which classes are ASCII and in what brackets may hold.

use regex::Regex;

/// Compiled programs larger than this are refused: a schema must not take the server's memory.
const SIZE_LIMIT: usize = 4 * 1024 * 1024;

/// Compiles a Go pattern. The error is one line.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern)?;
    let built = regex::RegexBuilder::new(&translated).size_limit(SIZE_LIMIT).build();
    built.map_err(|error| match error {
        regex::Error::Syntax(_) => format!("error parsing regexp: `{pattern}`"),
        other => format!("error parsing regexp: {other}"),
    })
}

fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let tail = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match c {
            '\\' => escape(tail, &mut out, false)?,
            '[' => class(tail, &mut out)?,
            // A brace that opens no repetition stands for itself.
            '{' if !is_repetition(tail) => {
                out.push_str("\\{");
                tail
            }
            '}' if !closes_repetition(&out) => {
                out.push_str("\\}");
                tail
            }
            ']' => {
                out.push_str("\\]");
                tail
            }
            _ => {
                out.push(c);
                tail
            }
        };
    }
    Ok(out)
}

/// `n}`, `n,}` or `n,m}` follows.
fn is_repetition(tail: &str) -> bool {
    let Some((inside, _)) = tail.split_once('}') else { return false };
    let (low, high) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    !low.is_empty() && digits(low) && digits(high)
}

/// What was written so far ends in an open repetition.
fn closes_repetition(out: &str) -> bool {
    let Some(open) = out.rfind('{') else { return false };
    let escaped = out.get(..open).is_some_and(|o| o.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1);
    // `\p{L}` and `\x{41}` are written whole, so what is open here is a repetition.
    let inside = out.get(open + 1..).unwrap_or_default();
    !escaped && !inside.is_empty() && inside.bytes().all(|b| b.is_ascii_digit() || b == b',')
}

/// After a backslash; returns what follows the escape.
fn escape<'p>(rest: &'p str, out: &mut String, in_class: bool) -> Result<&'p str, String> {
    let Some(c) = rest.chars().next() else { return Err("error parsing regexp: trailing backslash at end of expression: ``".to_owned()) };
    let tail = rest.get(c.len_utf8()..).unwrap_or_default();
    match c {
        // Go's Perl classes are ASCII.
        'd' => out.push_str(if in_class { "0-9" } else { "[0-9]" }),
        'D' => out.push_str("[^0-9]"),
        'w' => out.push_str(if in_class { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" }),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        's' => out.push_str(if in_class { "\\t\\n\\x0C\\r " } else { "[\\t\\n\\x0C\\r ]" }),
        'S' => out.push_str("[^\\t\\n\\x0C\\r ]"),
        'b' => out.push_str("(?-u:\\b)"),
        'B' => out.push_str("(?-u:\\B)"),
        'Q' if !in_class => {
            let (literal, after) = tail.split_once("\\E").unwrap_or((tail, ""));
            out.push_str(&regex::escape(literal));
            return Ok(after);
        }
        'p' | 'P' | 'x' => {
            out.push('\\');
            out.push(c);
            if tail.starts_with('{') {
                let Some((name, after)) = tail.split_once('}') else {
                    return Err(format!("error parsing regexp: invalid escape sequence: `\\{c}`"));
                };
                out.push_str(name);
                out.push('}');
                return Ok(after);
            }
            let width = if c == 'x' { 2 } else { 1 };
            let taken: String = tail.chars().take(width).collect();
            out.push_str(&taken);
            return Ok(tail.get(taken.len()..).unwrap_or_default());
        }
        '0'..='7' => {
            let digits: String = rest.chars().take(3).take_while(|d| matches!(d, '0'..='7')).collect();
            // `\1` would be a back reference, which RE2 has not.
            if c != '0' && digits.len() < 2 {
                return Err(format!("error parsing regexp: invalid escape sequence: `\\{c}`"));
            }
            let value = u32::from_str_radix(&digits, 8).unwrap_or_default();
            out.push_str(&format!("\\x{{{value:X}}}"));
            return Ok(rest.get(digits.len()..).unwrap_or_default());
        }
        'a' | 'f' | 'n' | 'r' | 't' | 'v' => {
            out.push('\\');
            out.push(c);
        }
        'A' | 'z' if !in_class => {
            out.push('\\');
            out.push(c);
        }
        _ if c.is_ascii_punctuation() => out.push_str(&format!("\\x{{{:X}}}", u32::from(c))),
        _ => return Err(format!("error parsing regexp: invalid escape sequence: `\\{c}`")),
    }
    Ok(tail)
}

/// After an opening bracket; returns what follows the class.
fn class<'p>(rest: &'p str, out: &mut String) -> Result<&'p str, String> {
    out.push('[');
    let mut rest = rest;
    if let Some(tail) = rest.strip_prefix('^') {
        out.push('^');
        rest = tail;
    }
    let mut first = true;
    loop {
        let Some(c) = rest.chars().next() else { return Err("error parsing regexp: missing closing ]".to_owned()) };
        let tail = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match c {
            ']' if !first => {
                out.push(']');
                return Ok(tail);
            }
            '\\' => escape(tail, out, true)?,
            '[' if tail.starts_with(':') => match tail.split_once(":]") {
                Some((name, after)) => {
                    out.push_str(&format!("[{name}:]"));
                    after
                }
                None => {
                    out.push_str("\\[");
                    tail
                }
            },
            // A dash that makes no range, and what this crate would read as set operators, stand for themselves.
            '-' if first || tail.starts_with(']') => {
                out.push_str("\\-");
                tail
            }
            '[' | ']' | '&' | '~' => {
                out.push('\\');
                out.push(c);
                tail
            }
            _ => {
                out.push(c);
                tail
            }
        };
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_patterns() {
        let check = |pattern: &str, yes: &[&str], no: &[&str]| {
            let regex = compile(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            yes.iter().for_each(|text| assert!(regex.is_match(text), "{pattern} {text}"));
            no.iter().for_each(|text| assert!(!regex.is_match(text), "{pattern} {text}"));
        };
        check(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", &["a", "a-b"], &["-a", "A", ""]);
        check(r"^\d{2,3}$", &["12", "123"], &["1", "1234", "١٢"]);
        check(r"^[\w-]+$", &["a_b-c"], &["ä", ""]);
        check(r"^{x}$", &["{x}"], &["x"]);
        check(r"^[[&&a]+$", &["[&a"], &["b"]);
        check(r"^(?P<n>\pL+)\s\p{Lu}$", &["äb Ä"], &["äb ä"]);
        check(r"^\Qa.b\E+$", &["a.bb"], &["axb"]);
        check(r"^[^\s/]+/\S$", &["a/b"], &["a b/c"]);
        check(r"^((\d+|\*)(/\d+)?)$", &["*/5", "12"], &["x"]);
        check(r"^[[:alpha:]]+\.\-\_$", &["ab.-_"], &["1.-_"]);
        check(r"(?i)^ok\z", &["OK"], &["OK\n"]);
        for bad in [r"[", r"(", r"\1", r"*a", r"(?=a)", r"\y", r"a{3,1}"] {
            assert!(compile(bad).is_err(), "{bad}");
        }
    }
}
