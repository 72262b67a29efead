//! Patterns of Go's `regexp` (RE2) by the `regex` crate: both run in time linear in the text. What is written alike and
//! means something else is translated: `\d`, `\w`, `\s` and `\b` are ASCII in RE2, and classes have no set operations.

use regex::{Regex, RegexBuilder};

/// Largest compiled form, in bytes. Go bounds the program likewise, by the count of its repetitions.
const MAX_SIZE: usize = 1 << 20;
/// Go's limit on `x{n}`.
const MAX_REPEAT: u32 = 1000;

/// The pattern, or why it is none.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern).map_err(|why| format!("error parsing regexp: {why}"))?;
    let built = RegexBuilder::new(&translated).size_limit(MAX_SIZE).dfa_size_limit(MAX_SIZE).nest_limit(200).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "error parsing regexp: expression too large".to_owned(),
        other => {
            let told = other.to_string();
            format!("error parsing regexp: {}", told.rsplit('\n').next().unwrap_or_default().trim_start_matches("error: "))
        }
    })
}

fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut open = 0u32;
    while let Some(c) = rest.chars().next() {
        let behind = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match c {
            ')' if open == 0 => return Err(format!("unexpected ): `{pattern}`")),
            ')' => {
                open -= 1;
                out.push(')');
                behind
            }
            '*' | '+' | '?' => {
                out.push(c);
                stacked(pattern, rest, behind, &mut out)?
            }
            '\\' => escape(behind, false, &mut out)?,
            '[' => class(behind, &mut out)?,
            '{' => {
                let length = out.len();
                let after = repeat(behind, &mut out)?;
                // Literal braces repeat nothing.
                if out.get(length..) == Some("\\{") { after } else { stacked(pattern, rest, after, &mut out)? }
            }
            '(' => {
                open += 1;
                group(behind, &mut out)?
            }
            c => {
                out.push(c);
                behind
            }
        };
    }
    Ok(out)
}

/// Behind a repetition: it may be made lazy, but not be repeated itself.
fn stacked<'p>(pattern: &str, from: &'p str, behind: &'p str, out: &mut String) -> Result<&'p str, String> {
    let behind = match behind.strip_prefix('?') {
        Some(rest) => {
            out.push('?');
            rest
        }
        None => behind,
    };
    let again = match behind.chars().next() {
        Some('*' | '+' | '?') => 1,
        Some('{') => match repeat(behind.get(1..).unwrap_or_default(), &mut String::new()) {
            Ok(rest) if behind.len() - rest.len() > 1 => behind.len() - rest.len(),
            _ => 0,
        },
        _ => 0,
    };
    if again == 0 {
        return Ok(behind);
    }
    let start = pattern.len() - from.len();
    let told = pattern.get(start..pattern.len() - behind.len() + again).unwrap_or_default();
    Err(format!("invalid nested repetition operator: `{told}`"))
}

/// What follows a backslash; gives the rest.
fn escape<'p>(rest: &'p str, in_class: bool, out: &mut String) -> Result<&'p str, String> {
    let Some(c) = rest.chars().next() else { return Err("trailing backslash at end of expression: ``".to_owned()) };
    let behind = rest.get(c.len_utf8()..).unwrap_or_default();
    let told = match (c, in_class) {
        ('d', false) => "[0-9]",
        ('d', true) => "0-9",
        ('D', _) => "[^0-9]",
        ('w', false) => "[0-9A-Za-z_]",
        ('w', true) => "0-9A-Za-z_",
        ('W', _) => "[^0-9A-Za-z_]",
        ('s', false) => "[\\t\\n\\x0c\\r ]",
        ('s', true) => "\\t\\n\\x0c\\r ",
        ('S', _) => "[^\\t\\n\\x0c\\r ]",
        ('b', false) => "(?-u:\\b)",
        ('B', false) => "(?-u:\\B)",
        ('C', false) => "(?s:.)",
        ('Q', false) => {
            let (quoted, behind) = behind.split_once("\\E").unwrap_or((behind, ""));
            out.push_str(&regex::escape(quoted));
            return Ok(behind);
        }
        (c, _) if c.is_ascii_punctuation() => {
            out.push_str(&regex::escape(&c.to_string()));
            // A dash in a class must stay escaped.
            if in_class && c == '-' && !out.ends_with("\\-") {
                out.pop();
                out.push_str("\\-");
            }
            return Ok(behind);
        }
        ('a' | 'f' | 'n' | 'r' | 't' | 'v' | 'x' | 'p' | 'P', _) | ('A' | 'z', false) => {
            out.push('\\');
            out.push(c);
            return Ok(behind);
        }
        ('0'..='7', _) => return octal(rest, out),
        (c, _) => return Err(format!("invalid escape sequence: `\\{c}`")),
    };
    out.push_str(told);
    Ok(behind)
}

/// `\123`, `\0`; back references do not exist.
fn octal<'p>(rest: &'p str, out: &mut String) -> Result<&'p str, String> {
    let end = rest.find(|c: char| !('0'..='7').contains(&c)).unwrap_or(rest.len()).min(3);
    let (digits, behind) = rest.split_at(end);
    if digits.len() == 1 && digits != "0" {
        return Err(format!("invalid escape sequence: `\\{digits}`"));
    }
    let code = u32::from_str_radix(digits, 8).unwrap_or(0);
    out.push_str(&format!("\\x{{{code:x}}}"));
    Ok(behind)
}

fn class<'p>(rest: &'p str, out: &mut String) -> Result<&'p str, String> {
    out.push('[');
    let mut rest = match rest.strip_prefix('^') {
        Some(rest) => {
            out.push('^');
            rest
        }
        None => rest,
    };
    let mut first = true;
    while let Some(c) = rest.chars().next() {
        let behind = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match c {
            ']' if !first => {
                out.push(']');
                return Ok(behind);
            }
            '\\' => escape(behind, true, out)?,
            '[' if behind.starts_with(':') && behind.contains(":]") => {
                let (name, behind) = behind.split_once(":]").unwrap_or((behind, ""));
                out.push('[');
                out.push_str(name);
                out.push_str(":]");
                behind
            }
            // Literal here; in the other syntax nested classes and set operations.
            '[' | ']' | '&' | '~' => {
                out.push('\\');
                out.push(c);
                behind
            }
            '-' if first || behind.starts_with(']') || behind.starts_with('-') => {
                out.push_str("\\-");
                behind
            }
            c => {
                out.push(c);
                behind
            }
        };
        first = false;
    }
    Err("missing closing ]".to_owned())
}

/// `{` is literal unless it is a repetition.
fn repeat<'p>(rest: &'p str, out: &mut String) -> Result<&'p str, String> {
    let inner = rest.split_once('}').map(|(inner, _)| inner);
    let number =
        |text: &str| (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u32>().unwrap_or(u32::MAX));
    let bounds = inner.and_then(|inner| match inner.split_once(',') {
        None => number(inner).map(|n| (n, n)),
        Some((low, "")) => number(low).map(|n| (n, n)),
        Some((low, high)) => number(low).zip(number(high)),
    });
    let Some((low, high)) = bounds else {
        out.push_str("\\{");
        return Ok(rest);
    };
    let inner = inner.unwrap_or_default();
    if low > MAX_REPEAT || high > MAX_REPEAT || low > high {
        return Err(format!("invalid repeat count: `{{{inner}}}`"));
    }
    out.push('{');
    out.push_str(inner);
    out.push('}');
    Ok(rest.get(inner.len() + 1..).unwrap_or_default())
}

/// Look-around does not exist in either; flags beyond RE2's (`imsU`) are refused.
fn group<'p>(rest: &'p str, out: &mut String) -> Result<&'p str, String> {
    out.push('(');
    if let Some(inner) = rest.strip_prefix('?') {
        let named = inner.starts_with('P') || inner.starts_with('<');
        let end = inner.find([':', ')', '<', '=', '!', '#']).unwrap_or(inner.len());
        let flags = inner.get(..end).unwrap_or_default();
        let known = flags.chars().all(|c| "imsU-".contains(c));
        let flagged = known && inner.get(end..).is_some_and(|rest| rest.starts_with([':', ')']));
        if !named && !flagged {
            return Err(format!("invalid or unsupported Perl syntax: `(?{}`", inner.chars().take(2).collect::<String>()));
        }
    }
    Ok(rest)
}
