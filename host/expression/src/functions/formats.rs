//! Named formats: `apiserver/pkg/cel/library/format.go`.

use super::*;
use crate::types::FORMAT;
use crate::value::Opaque;
use base64::Engine as _;
use object::names;
use std::any::Any;

pub(super) const ROWS: &[Row] = &[
    ("validate", &["format.(string):optional(list(string))"], |_, args| match args {
        [value, Value::String(text)] => {
            let format = value.downcast::<Format>().ok_or(EvalError::NoSuchOverload)?;
            let wrong = (format.validate)(text);
            let list = || Value::list(wrong.iter().map(|text| Value::string(text.as_str())).collect());
            Ok(Value::optional((!wrong.is_empty()).then(list)))
        }
        _ => no_overload(),
    }),
    ("format.named", &["(string):optional(format)"], |_, args| match args {
        [Value::String(name)] => Ok(Value::optional(named(name))),
        _ => no_overload(),
    }),
    ("format.dns1123Label", CONSTANT, constant),
    ("format.dns1123Subdomain", CONSTANT, constant),
    ("format.dns1035Label", CONSTANT, constant),
    ("format.qualifiedName", CONSTANT, constant),
    ("format.dns1123LabelPrefix", CONSTANT, constant),
    ("format.dns1123SubdomainPrefix", CONSTANT, constant),
    ("format.dns1035LabelPrefix", CONSTANT, constant),
    ("format.labelValue", CONSTANT, constant),
    ("format.uri", CONSTANT, constant),
    ("format.uuid", CONSTANT, constant),
    ("format.byte", CONSTANT, constant),
    ("format.date", CONSTANT, constant),
    ("format.datetime", CONSTANT, constant),
];

const CONSTANT: &[&str] = &["():format"];

/// A format and the length of a pattern that would do its work, which is what it costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    name: &'static str,
    validate: fn(&str) -> Vec<String>,
    pub pattern_length: u64,
}

static FORMATS: [Format; 13] = [
    Format { name: "dns1123Label", validate: names::dns1123_label, pattern_length: 30 },
    Format { name: "dns1123Subdomain", validate: names::dns1123_subdomain, pattern_length: 60 },
    Format { name: "dns1035Label", validate: names::dns1035_label, pattern_length: 30 },
    Format { name: "qualifiedName", validate: names::qualified_name, pattern_length: 60 },
    Format { name: "dns1123LabelPrefix", validate: |text| names::dns1123_label(&prefix(text)), pattern_length: 30 },
    Format { name: "dns1123SubdomainPrefix", validate: |text| names::dns1123_subdomain(&prefix(text)), pattern_length: 60 },
    Format { name: "dns1035LabelPrefix", validate: |text| names::dns1035_label(&prefix(text)), pattern_length: 30 },
    Format { name: "labelValue", validate: names::label_value, pattern_length: 40 },
    Format {
        name: "uri",
        validate: |text| match urls::Url::parse(text) {
            Ok(_) => Vec::new(),
            Err(why) => vec![format!("parse {text:?}: {why}")],
        },
        pattern_length: 1103,
    },
    Format { name: "uuid", validate: |text| said(is_uuid(text), "does not match the UUID format"), pattern_length: 83 },
    Format {
        name: "byte",
        validate: |text| said(!text.is_empty() && base64::engine::general_purpose::STANDARD.decode(text).is_ok(), "invalid base64"),
        pattern_length: 84,
    },
    Format { name: "date", validate: |text| said(times::parse_date(text).is_some(), "invalid date"), pattern_length: 83 },
    Format {
        name: "datetime",
        validate: |text| said(times::parse_timestamp_relaxed(text).is_some(), "invalid datetime"),
        pattern_length: 83,
    },
];

impl Opaque for Format {
    fn type_name(&self) -> &str {
        FORMAT
    }
    fn equals(&self, other: &dyn Opaque) -> bool {
        (other as &dyn Any).downcast_ref::<Self>().is_some_and(|other| self.name == other.name)
    }
}

fn named<'a>(name: &str) -> Option<Value<'a>> {
    FORMATS.iter().find(|f| f.name == name).map(|f| Value::opaque(*f))
}

fn constant<'a>(call: &mut Call<'_>, _: &[Value<'a>]) -> Result<Value<'a>> {
    let name = call.name.strip_prefix("format.").unwrap_or_default();
    named(name).ok_or(EvalError::NoSuchOverload)
}

fn said(fine: bool, what: &str) -> Vec<String> {
    if fine { Vec::new() } else { vec![what.to_owned()] }
}

/// A prefix of a name may end with a dash: the generated part follows.
fn prefix(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => format!("{rest}a"),
        _ => text.to_owned(),
    }
}

fn is_uuid(text: &str) -> bool {
    let plain: String = text.chars().filter(|c| *c != '-').collect();
    let dashes: Vec<usize> = text.char_indices().filter(|(_, c)| *c == '-').map(|(n, _)| n).collect();
    // Each dash may be left out where it would stand.
    let mut places = vec![8, 12, 16, 20];
    let in_place = dashes.iter().enumerate().all(|(before, at)| {
        let digits = at - before;
        let known = places.iter().position(|p| *p == digits);
        known.map(|n| places.remove(n)).is_some()
    });
    plain.len() == 32 && plain.bytes().all(|b| b.is_ascii_hexdigit()) && in_place
}
