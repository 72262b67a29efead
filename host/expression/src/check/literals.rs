//! Literals that functions read at run time are read once at compile time: patterns are kept compiled, wrong ones are
//! errors of the expression (`ValidateRegexLiterals`, `ValidateDurationLiterals`, `ValidateTimestampLiterals` of cel-go
//! `cel/validator.go`).

use super::*;
use crate::functions::{pattern, times};
use crate::value::Timestamp;

pub(super) fn validate(e: &mut Expr, types: &[Type], in_format: bool, issues: &mut Vec<Issue>) {
    let mut in_format = in_format;
    if let Kind::Call(call) = &mut e.kind {
        read(call, issues);
        in_format |= call.function.as_ref() == "format";
    }
    if !in_format {
        homogeneous(e, types, issues);
    }
    e.children_mut().into_iter().for_each(|part| validate(part, types, in_format, issues));
}

/// Elements of a list or map literal are of one type, but in the arguments of `format`.
fn homogeneous(e: &Expr, types: &[Type], issues: &mut Vec<Issue>) {
    let of = |e: &Expr, optional: bool| {
        let ty = types.get(e.id as usize).cloned().unwrap_or(Type::Dyn);
        if optional { ty.unwrap_optional().0.clone() } else { ty }
    };
    let mut differs = |first: &Option<Type>, ty: &Type, at: u32| {
        let wrong = first.as_ref().filter(|first| *first != ty);
        if let Some(first) = wrong {
            issues.push(Issue::new(at as usize, format!("expected type '{first}' but found '{ty}'")));
        }
        wrong.is_some()
    };
    match &e.kind {
        Kind::List(elements) => {
            let mut first = None;
            for element in elements {
                let ty = of(&element.value, element.optional);
                if differs(&first, &ty, element.value.at) {
                    break;
                }
                first.get_or_insert(ty);
            }
        }
        Kind::Map(entries) => {
            let (mut key, mut value) = (None, None);
            for entry in entries {
                let (k, v) = (of(&entry.key, false), of(&entry.value, entry.optional));
                differs(&key, &k, entry.key.at);
                differs(&value, &v, entry.value.at);
                key.get_or_insert(k);
                value.get_or_insert(v);
            }
        }
        _ => {}
    }
}

fn read(call: &mut Call, issues: &mut Vec<Issue>) {
    let literal = |e: Option<&Expr>| match e {
        Some(Expr { kind: Kind::Literal(Literal::String(text)), at, .. }) => Some((text.clone(), *at)),
        _ => None,
    };
    match call.function.as_ref() {
        "matches" | "find" | "findAll" => {
            let place = usize::from(call.target.is_none());
            let Some((text, at)) = literal(call.args.get(place)) else { return };
            match pattern::compile(&text) {
                Ok(compiled) => call.pattern = Some(compiled),
                // Upstream finds this one step later, when the program is planned.
                Err(why) if call.function.as_ref() != "matches" => call.wrong_pattern = Some(why),
                Err(_) => issues.push(Issue::new(at as usize, "invalid matches argument".to_owned())),
            }
        }
        "duration" => {
            if let Some((text, at)) = literal(call.args.first())
                && times::parse_duration(&text).is_none()
            {
                issues.push(Issue::new(at as usize, "invalid duration argument".to_owned()));
            }
        }
        "timestamp" => {
            if let Some(Expr { kind: Kind::Literal(Literal::Int(seconds)), at, .. }) = call.args.first()
                && !times::in_range(Timestamp::utc(i128::from(*seconds) * 1_000_000_000))
            {
                issues.push(Issue::new(*at as usize, "invalid timestamp argument".to_owned()));
            }
            if let Some((text, at)) = literal(call.args.first())
                && times::parse_timestamp(&text).is_none()
            {
                issues.push(Issue::new(at as usize, "invalid timestamp argument".to_owned()));
            }
        }
        _ => {}
    }
}
