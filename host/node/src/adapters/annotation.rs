//! `adapter.coracle.dev/<container>: <plugin>[?<key>=<value>[&…]][, …]` of a pod.
//!
//! Keys: `source` is `output` (both standard streams; the default), `stdout`, `stderr` or `file:<path in the container>`;
//! `metrics` is the port that samples are served on; `arg.<name>` is told to the plugin. Values are percent-decoded. What
//! several plugins adapt passes them in the order in which they are named.

use client::percent;
use std::collections::BTreeMap;
use std::path::{Component, Path};

pub const PREFIX: &str = "adapter.coracle.dev/";

/// More plugins for one container are a mistake; each has a file watch of its own.
const MOST: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Stdout,
    Stderr,
    Output,
    File(String),
}

/// One plugin attached to one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub plugin: String,
    pub source: Wanted,
    pub metrics: Option<u16>,
    pub arguments: Vec<(String, String)>,
}

/// # Errors
/// What is wrong with the annotation's value, in a sentence.
pub fn parse(value: &str) -> Result<Vec<Attachment>, String> {
    let entries = value.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
    let all = entries.map(entry).collect::<Result<Vec<_>, _>>()?;
    match all.len() {
        0 => Err("no plugin is named".to_owned()),
        n if n > MOST => Err(format!("{n} plugins are named, at most {MOST} are possible")),
        _ => Ok(all),
    }
}

fn entry(text: &str) -> Result<Attachment, String> {
    let (plugin, query) = text.split_once('?').unwrap_or((text, ""));
    if plugin.is_empty() || !plugin.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)) {
        return Err(format!("{plugin:?} is not the name of a plugin"));
    }
    let mut source = Wanted::Output;
    let mut metrics = None;
    let mut arguments = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("{pair:?} is not key=value"))?;
        let value = percent::decode(value).ok_or_else(|| format!("the value of {key} is not percent-encoded UTF-8"))?;
        match key {
            "source" => source = self::source(&value)?,
            "metrics" => {
                let port = value.parse().ok().filter(|port| *port != 0);
                metrics = Some(port.ok_or_else(|| format!("metrics={value} is not a port"))?);
            }
            _ => match key.strip_prefix("arg.").filter(|name| !name.is_empty()) {
                Some(name) => drop(arguments.insert(name.to_owned(), value)),
                None => return Err(format!("{key:?} is not known; there are source, metrics and arg.<name>")),
            },
        }
    }
    Ok(Attachment { plugin: plugin.to_owned(), source, metrics, arguments: arguments.into_iter().collect() })
}

fn source(value: &str) -> Result<Wanted, String> {
    Ok(match value {
        "output" => Wanted::Output,
        "stdout" => Wanted::Stdout,
        "stderr" => Wanted::Stderr,
        other => match other.strip_prefix("file:") {
            Some(path) if is_plain(path) => Wanted::File(path.to_owned()),
            Some(path) => return Err(format!("{path:?} is not an absolute path without '..'")),
            None => return Err(format!("source={other} is none of output, stdout, stderr, file:<path>")),
        },
    })
}

fn is_plain(path: &str) -> bool {
    let path = Path::new(path);
    path.is_absolute() && path.file_name().is_some() && path.components().all(|c| matches!(c, Component::RootDir | Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(plugin: &str, source: Wanted, metrics: Option<u16>, arguments: &[(&str, &str)]) -> Attachment {
        let arguments = arguments.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Attachment { plugin: plugin.into(), source, metrics, arguments }
    }

    #[test]
    fn values() {
        let check = |value: &str, expect: Result<Vec<Attachment>, &str>| match (parse(value), expect) {
            (Ok(got), Ok(expect)) => assert_eq!(got, expect, "{value}"),
            (Err(got), Err(part)) => assert!(got.contains(part), "{value}: {got}"),
            (got, _) => panic!("{value}: {got:?}"),
        };
        check("json", Ok(vec![one("json", Wanted::Output, None, &[])]));
        check(
            "a?source=stdout, b?source=file:/var/report%2C1.txt&metrics=9100&arg.z=1&arg.a=x%20y",
            Ok(vec![
                one("a", Wanted::Stdout, None, &[]),
                one("b", Wanted::File("/var/report,1.txt".into()), Some(9100), &[("a", "x y"), ("z", "1")]),
            ]),
        );
        check("a?source=stderr", Ok(vec![one("a", Wanted::Stderr, None, &[])]));
        for (bad, part) in [
            ("", "no plugin"),
            ("A", "not the name of a plugin"),
            ("a?source", "not key=value"),
            ("a?source=stdin", "none of output"),
            ("a?source=file:relative", "absolute path"),
            ("a?source=file:/a/../b", "absolute path"),
            ("a?source=file:/", "absolute path"),
            ("a?metrics=0", "not a port"),
            ("a?metrics=70000", "not a port"),
            ("a?color=red", "\"color\" is not known"),
            ("a?arg.=1", "\"arg.\" is not known"),
            ("a?arg.x=%zz", "percent-encoded"),
            ("a,b,c,d,e,f,g,h,i", "at most 8"),
        ] {
            check(bad, Err(part));
        }
    }
}
