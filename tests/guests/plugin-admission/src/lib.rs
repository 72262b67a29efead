//! Judges and changes objects as their field `do` says. Objects come as canonical JSON, so that looking for a text is enough.

wit_bindgen::generate!({ path: "../../../wit", world: "admission", generate_all });

use coracle::plugin::admission_types::{Cause, Denial, Notes, Operation, Request};
use coracle::plugin::config;
use exports::coracle::plugin::{mutate, settings, validate};
use std::hint::black_box;

struct Plugin;
export!(Plugin);

fn told(request: &Request) -> &str {
    let object = request.object.as_deref().or(request.old_object.as_deref()).unwrap_or_default();
    let Some((_, rest)) = object.split_once("\"do\":\"") else { return "" };
    rest.split('"').next().unwrap_or_default()
}

fn notes(warnings: &[&str]) -> Notes {
    Notes { warnings: warnings.iter().map(|w| (*w).to_owned()).collect(), audit_annotations: vec![("seen".to_owned(), "yes".to_owned())] }
}

fn denial(code: u16, reason: &str, message: String) -> Denial {
    let causes = vec![Cause { field: "data.do".to_owned(), message: "it says so".to_owned() }];
    Denial { code, reason: reason.to_owned(), message, causes, notes: notes(&[]) }
}

/// What the request looks like from here.
fn shown(request: &Request) -> String {
    let operation = match request.operation {
        Operation::Create => "create",
        Operation::Update => "update",
        Operation::Delete => "delete",
        Operation::Connect => "connect",
    };
    format!(
        "{operation} {}/{} {} {}/{} by {}, dry {}, old {}, options {}, object {}",
        request.resource.version,
        request.resource.resource,
        request.kind.kind,
        request.namespace,
        request.name,
        request.user.name,
        request.dry_run,
        request.old_object.is_some(),
        request.options,
        request.object.as_deref().unwrap_or("none"),
    )
}

impl validate::Guest for Plugin {
    fn validate(request: Request) -> Result<validate::Verdict, String> {
        match told(&request) {
            "deny" => {
                let message = config::get("message").unwrap_or_else(|| "told to deny".to_owned());
                Ok(validate::Verdict::Deny(denial(0, "", message)))
            }
            "invalid" => Ok(validate::Verdict::Deny(denial(422, "Invalid", String::new()))),
            "warn" => Ok(validate::Verdict::Allow(notes(&["told to warn"]))),
            "show" => Ok(validate::Verdict::Deny(denial(0, "", shown(&request)))),
            "err" => Err("told to fail".to_owned()),
            "trap" => core::arch::wasm32::unreachable(),
            "spin" => loop {
                black_box(0);
            },
            "long" => Ok(validate::Verdict::Deny(denial(0, "", "x".repeat(1 << 20)))),
            _ => Ok(validate::Verdict::Allow(notes(&[]))),
        }
    }
}

impl mutate::Guest for Plugin {
    fn mutate(request: Request) -> Result<mutate::Verdict, String> {
        let change = match (told(&request), &request.object) {
            ("patch", _) => mutate::Change::Patch("[{\"op\":\"add\",\"path\":\"/data/patched\",\"value\":\"yes\"}]".to_owned()),
            ("no-patch", _) => mutate::Change::Patch("{".to_owned()),
            ("whole", Some(object)) => mutate::Change::Whole(object.replacen("\"do\":\"whole\"", "\"do\":\"replaced\"", 1)),
            _ => mutate::Change::None,
        };
        Ok(mutate::Verdict::Allow(mutate::Outcome { change, notes: notes(&[]) }))
    }
}

impl settings::Guest for Plugin {
    fn check(config: String) -> Result<(), Vec<String>> {
        if config.contains("\"bad\":") {
            return Err(vec!["bad: it is no setting of this plugin".to_owned(), "message: it is missing".to_owned()]);
        }
        Ok(())
    }
}
