//! Literals that functions read at run time are read once at compile time: patterns are kept compiled, wrong ones are
//! errors of the expression (`ValidateRegexLiterals`, `ValidateDurationLiterals`, `ValidateTimestampLiterals` of cel-go
//! `cel/validator.go`).

use super::*;
use crate::functions::{pattern, times};

pub(super) fn validate(e: &mut Expr, issues: &mut Vec<Issue>) {
    match &mut e.kind {
        Kind::Literal(_) | Kind::Ident(_) | Kind::Slot(_) | Kind::TypeName(_) => {}
        Kind::Select(select) => validate(&mut select.operand, issues),
        Kind::Call(call) => {
            read(call, issues);
            call.target.iter_mut().chain(&mut call.args).for_each(|part| validate(part, issues));
        }
        Kind::And(terms) | Kind::Or(terms) => terms.iter_mut().for_each(|part| validate(part, issues)),
        Kind::Conditional(parts) => parts.iter_mut().for_each(|part| validate(part, issues)),
        Kind::List(elements) => elements.iter_mut().for_each(|part| validate(&mut part.value, issues)),
        Kind::Map(entries) => {
            for entry in entries {
                validate(&mut entry.key, issues);
                validate(&mut entry.value, issues);
            }
        }
        Kind::Struct(of) => of.fields.iter_mut().for_each(|part| validate(&mut part.value, issues)),
        Kind::Loop(of) => {
            validate(&mut of.range, issues);
            of.filter.iter_mut().chain([&mut of.body]).for_each(|part| validate(part, issues));
        }
        Kind::OptMap(of) => {
            validate(&mut of.target, issues);
            validate(&mut of.body, issues);
        }
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
                // Only `matches` is validated upstream; the others fail when they run.
                Err(_) if call.function.as_ref() != "matches" => {}
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
            if let Some((text, at)) = literal(call.args.first())
                && times::parse_timestamp(&text).is_none()
            {
                issues.push(Issue::new(at as usize, "invalid timestamp argument".to_owned()));
            }
        }
        _ => {}
    }
}
