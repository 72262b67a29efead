//! Versions: `apiserver/pkg/cel/library/semverlib.go` (version 1) over semver 2.0.0. `isGreaterThan`, `isLessThan` and
//! `compareTo` are declared with quantities.

use super::*;
use crate::types::SEMVER;
use crate::value::Opaque;
use std::any::Any;
use std::cmp::Ordering;

pub(super) const ROWS: &[Row] = &[
    ("semver", &["(string):semver", "(string,bool):semver"], |_, args| Ok(Value::opaque(read(args)?.map_err(EvalError::Argument)?))),
    ("isSemver", &["(string):bool", "(string,bool):bool"], |_, args| Ok(Value::Bool(read(args)?.is_ok()))),
    ("major", &["semver.():int"], |_, args| part(args, |v| v.numbers[0])),
    ("minor", &["semver.():int"], |_, args| part(args, |v| v.numbers[1])),
    ("patch", &["semver.():int"], |_, args| part(args, |v| v.numbers[2])),
];

#[derive(Debug)]
struct Version {
    numbers: [u64; 3],
    pre: Vec<Identifier>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    // Numbers come before words.
    Number(u64),
    Word(String),
}

impl Opaque for Version {
    fn type_name(&self) -> &str {
        SEMVER
    }
    fn equals(&self, other: &dyn Opaque) -> bool {
        (other as &dyn Any).downcast_ref::<Self>().is_some_and(|other| self.compare(other) == Ordering::Equal)
    }
}

impl Version {
    fn compare(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => self.pre.cmp(&other.pre),
        })
    }
}

pub(super) fn order(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    Some(a.downcast::<Version>()?.compare(b.downcast::<Version>()?))
}

fn part<'a>(args: &[Value<'a>], f: impl FnOnce(&Version) -> u64) -> Result<Value<'a>> {
    match args {
        [value] => {
            let version = value.downcast::<Version>().ok_or(EvalError::NoSuchOverload)?;
            Ok(Value::Int(i64::try_from(f(version)).unwrap_or(i64::MAX)))
        }
        _ => no_overload(),
    }
}

fn read(args: &[Value<'_>]) -> Result<std::result::Result<Version, String>> {
    match args {
        [Value::String(text)] | [Value::String(text), Value::Bool(false)] => Ok(parse(text)),
        [Value::String(text), Value::Bool(true)] => Ok(normalize(text).and_then(|text| parse(&text))),
        _ => Err(EvalError::NoSuchOverload),
    }
}

/// Without `v`, leading zeros, and with the numbers that are missing.
fn normalize(text: &str) -> std::result::Result<String, String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text.splitn(3, '.').map(str::to_owned).collect();
    for part in parts.iter_mut().filter(|p| p.len() > 1) {
        let trimmed = part.trim_start_matches('0');
        *part = if trimmed.starts_with(|c: char| c.is_ascii_digit()) { trimmed.to_owned() } else { format!("0{trimmed}") };
    }
    if parts.len() < 3 && parts.last().is_some_and(|p| p.contains(['+', '-'])) {
        return Err("short version cannot contain PreRelease/Build meta data".to_owned());
    }
    while parts.len() < 3 {
        parts.push("0".to_owned());
    }
    Ok(parts.join("."))
}

fn parse(text: &str) -> std::result::Result<Version, String> {
    if text.is_empty() {
        return Err("Version string empty".to_owned());
    }
    let mut parts = text.splitn(3, '.');
    let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("No Major.Minor.Patch elements found".to_owned());
    };
    let (rest, build) = rest.split_once('+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
    let (patch, pre) = rest.split_once('-').map_or((rest, None), |(patch, pre)| (patch, Some(pre)));
    let number = |what: &str, text: &str| -> std::result::Result<u64, String> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("Invalid character(s) found in {what} number {text:?}"));
        }
        if text.len() > 1 && text.starts_with('0') {
            return Err(format!("{what} number must not contain leading zeroes {text:?}"));
        }
        text.parse().map_err(|_| format!("{what} number {text:?} is out of range"))
    };
    let numbers = [number("major", major)?, number("minor", minor)?, number("patch", patch)?];
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let mut identifiers = Vec::new();
    for text in pre.into_iter().flat_map(|pre| pre.split('.')) {
        if !word(text) {
            return Err(format!("Invalid character(s) found in prerelease {text:?}"));
        }
        identifiers.push(match text.bytes().all(|b| b.is_ascii_digit()) {
            true => Identifier::Number(number("prerelease", text)?),
            false => Identifier::Word(text.to_owned()),
        });
    }
    if let Some(wrong) = build.into_iter().flat_map(|b| b.split('.')).find(|b| !word(b)) {
        return Err(format!("Invalid character(s) found in build meta data {wrong:?}"));
    }
    Ok(Version { numbers, pre: identifiers })
}
