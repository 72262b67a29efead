//! Texts: the standard functions and cel-go `ext/strings.go` (version 2, as Kubernetes has it). Positions are characters.

use super::*;
use crate::value::Text;

pub(super) const ROWS: &[Row] = &[
    ("contains", &["string.(string):bool"], |call, args| match args {
        [Value::String(text), Value::String(part)] => {
            call.work(text.len() / 16)?;
            Ok(Value::Bool(text.contains(&**part)))
        }
        _ => no_overload(),
    }),
    ("startsWith", &["string.(string):bool"], |_, args| two(args, |text, part| text.starts_with(part))),
    ("endsWith", &["string.(string):bool"], |_, args| two(args, |text, part| text.ends_with(part))),
    ("charAt", &["string.(int):string"], |_, args| match args {
        [Value::String(text), Value::Int(at)] => match usize::try_from(*at).ok().and_then(|n| text.chars().nth(n)) {
            Some(c) => Ok(Value::string(c.to_string())),
            None if usize::try_from(*at) == Ok(text.chars().count()) => Ok(Value::string("")),
            None => Err(out_of_range(*at)),
        },
        _ => no_overload(),
    }),
    ("indexOf", &["string.(string):int", "string.(string,int):int", "list(A).(A):int"], |call, args| match args {
        [Value::List(list), item] => lists::position(call, list, item, false),
        [Value::String(text), Value::String(part)] => index_of(call, text, part, 0),
        [Value::String(text), Value::String(part), Value::Int(from)] => index_of(call, text, part, *from),
        _ => no_overload(),
    }),
    ("lastIndexOf", &["string.(string):int", "string.(string,int):int", "list(A).(A):int"], |call, args| match args {
        [Value::List(list), item] => lists::position(call, list, item, true),
        [Value::String(text), Value::String(part)] => last_index_of(call, text, part, None),
        [Value::String(text), Value::String(part), Value::Int(from)] => last_index_of(call, text, part, Some(*from)),
        _ => no_overload(),
    }),
    ("lowerAscii", &["string.():string"], |_, args| one(args, |text| Ok(text.to_ascii_lowercase()))),
    ("upperAscii", &["string.():string"], |_, args| one(args, |text| Ok(text.to_ascii_uppercase()))),
    ("trim", &["string.():string"], |_, args| one(args, |text| Ok(text.trim_matches(is_space).to_owned()))),
    ("replace", &["string.(string,string):string", "string.(string,string,int):string"], |call, args| match args {
        [Value::String(text), Value::String(old), Value::String(new)] => replace(call, text, old, new, -1),
        [Value::String(text), Value::String(old), Value::String(new), Value::Int(n)] => replace(call, text, old, new, *n),
        _ => no_overload(),
    }),
    ("split", &["string.(string):list(string)", "string.(string,int):list(string)"], |call, args| match args {
        [Value::String(text), Value::String(by)] => split(call, text, by, -1),
        [Value::String(text), Value::String(by), Value::Int(n)] => split(call, text, by, *n),
        _ => no_overload(),
    }),
    ("substring", &["string.(int):string", "string.(int,int):string"], |_, args| match args {
        [Value::String(text), Value::Int(from)] => substring(text, *from, None),
        [Value::String(text), Value::Int(from), Value::Int(to)] => substring(text, *from, Some(*to)),
        _ => no_overload(),
    }),
    ("join", &["list(string).():string", "list(string).(string):string"], |call, args| match args {
        [Value::List(list)] => join(call, list, ""),
        [Value::List(list), Value::String(between)] => join(call, list, between),
        _ => no_overload(),
    }),
    ("strings.quote", &["(string):string"], |_, args| one(args, |text| Ok(quote(text)))),
    ("jsonpatch.escapeKey", &["(string):string"], |_, args| one(args, |text| Ok(text.replace('~', "~0").replace('/', "~1")))),
];

fn one<'a>(args: &[Value<'a>], f: impl FnOnce(&str) -> Result<String>) -> Result<Value<'a>> {
    match args {
        [Value::String(text)] => Ok(Value::string(f(text)?)),
        _ => no_overload(),
    }
}

fn two<'a>(args: &[Value<'a>], f: impl FnOnce(&str, &str) -> bool) -> Result<Value<'a>> {
    match args {
        [Value::String(a), Value::String(b)] => Ok(Value::Bool(f(a, b))),
        _ => no_overload(),
    }
}

fn out_of_range(at: i64) -> EvalError {
    EvalError::Argument(format!("index out of range: {at}"))
}

/// Unicode's White_Space, as Go's `strings.TrimSpace`.
fn is_space(c: char) -> bool {
    c.is_whitespace()
}

/// Byte place of a character; the end of the text for its length.
fn place(text: &str, at: usize) -> Option<usize> {
    text.char_indices().map(|(n, _)| n).chain([text.len()]).nth(at)
}

fn count(text: &str) -> i64 {
    int(text.chars().count())
}

fn index_of<'a>(call: &mut Call<'_>, text: &str, part: &str, from: i64) -> Result<Value<'a>> {
    let start = usize::try_from(from).map_err(|_| out_of_range(from))?;
    call.work(text.len() / 4)?;
    if part.is_empty() {
        return Ok(Value::Int(from.min(count(text))));
    }
    let found = place(text, start).and_then(|at| {
        let rest = text.get(at..)?;
        Some(from + count(rest.get(..rest.find(part)?)?))
    });
    Ok(Value::Int(found.unwrap_or(-1)))
}

fn last_index_of<'a>(call: &mut Call<'_>, text: &str, part: &str, from: Option<i64>) -> Result<Value<'a>> {
    call.work(text.len() / 4)?;
    let length = count(text);
    if let Some(from) = from
        && from < 0
    {
        return Err(out_of_range(from));
    }
    if part.is_empty() {
        return Ok(Value::Int(from.map_or(length, |from| from.min(length))));
    }
    let found = match from {
        Some(from) if from >= length => None,
        // The match may start at `from` at the latest.
        Some(from) => usize::try_from(from)
            .ok()
            .and_then(|from| place(text, from))
            .map(|at| at.saturating_add(part.len()).min(text.len()))
            .and_then(|end| (end..=text.len()).find(|n| text.is_char_boundary(*n)))
            .and_then(|end| text.get(..end)?.rfind(part)),
        None => text.rfind(part),
    };
    Ok(Value::Int(found.and_then(|at| text.get(..at)).map_or(-1, count)))
}

fn replace<'a>(call: &mut Call<'_>, text: &str, old: &str, new: &str, n: i64) -> Result<Value<'a>> {
    let found = if old.is_empty() { text.chars().count() + 1 } else { text.matches(old).count() };
    let times = usize::try_from(n).map_or(found, |n| n.min(found));
    call.reserve(text.len().saturating_add(times.saturating_mul(new.len())))?;
    Ok(Value::string(text.replacen(old, new, times)))
}

/// Go's `strings.SplitN`: an empty separator gives characters; 0 gives nothing.
fn split<'a>(call: &mut Call<'_>, text: &str, by: &str, n: i64) -> Result<Value<'a>> {
    let limit = match n {
        0 => return Ok(Value::list(Vec::new())),
        n => usize::try_from(n).unwrap_or(usize::MAX),
    };
    call.work(text.len())?;
    let owned = |part: &str| Value::string(part);
    if !by.is_empty() {
        return Ok(Value::list(text.splitn(limit, by).map(owned).collect()));
    }
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if out.len() + 1 == limit {
            out.push(owned(rest));
            return Ok(Value::list(out));
        }
        let (first, behind) = rest.split_at(c.len_utf8());
        out.push(owned(first));
        rest = behind;
    }
    Ok(Value::list(out))
}

fn substring<'a>(text: &Text<'a>, from: i64, to: Option<i64>) -> Result<Value<'a>> {
    let length = count(text);
    let to = to.unwrap_or(length);
    if from > to && to != length {
        return Err(EvalError::Argument(format!("invalid substring range. start: {from}, end: {to}")));
    }
    if !(0..=length).contains(&from) {
        return Err(out_of_range(from));
    }
    if !(0..=length).contains(&to) {
        return Err(out_of_range(to));
    }
    if from > to {
        return Err(EvalError::Argument(format!("invalid substring range. start: {from}, end: {to}")));
    }
    let at = |n: i64| usize::try_from(n).ok().and_then(|n| place(text, n));
    let range = at(from).zip(at(to)).map(|(from, to)| from..to);
    Ok(match (text, range) {
        (Text::Borrowed(text), Some(range)) => Value::String(Text::Borrowed(text.get(range).unwrap_or_default())),
        (text, Some(range)) => Value::string(text.get(range).unwrap_or_default()),
        _ => Value::string(""),
    })
}

fn join<'a>(call: &mut Call<'_>, list: &crate::value::List<'a>, between: &str) -> Result<Value<'a>> {
    call.work(list.len())?;
    let mut parts = Vec::with_capacity(list.len());
    let mut size = list.len().saturating_mul(between.len());
    for item in list.iter() {
        match item? {
            Value::String(text) => {
                size = size.saturating_add(text.len());
                parts.push(text);
            }
            other => return Err(EvalError::Argument(format!("join: invalid input: {}", text_of(&other)))),
        }
    }
    call.reserve(size)?;
    let parts: Vec<&str> = parts.iter().map(|t| &**t).collect();
    Ok(Value::string(parts.join(between)))
}

/// A literal that reads back as the text.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
