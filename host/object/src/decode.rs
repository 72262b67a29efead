//! Strict decoding of JSON by schema: what `runtime/serializer/json` with `sigs.k8s.io/json` does for Go structs.
//!
//! One walk finds unknown fields and wrong types, drops nulls and unknown fields, and writes quantities, times and
//! durations canonically, so that stored objects have one form. Duplicate keys are found while reading.

mod read;
mod walk;

use crate::schema::Schema;
use serde_json::Value;

/// Strict findings kept per object; more help nobody and cost memory (`sigs.k8s.io/json` stops at the same number).
const MAX_WARNINGS: usize = 100;

/// An object as it will be stored, and what was wrong with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// Pruned and normalised; meaningless when there are errors.
    pub value: Value,
    /// `unknown field "spec.x"`, `duplicate field "spec.x"`: refused under `fieldValidation=Strict`, told in `Warning`
    /// headers under `Warn`, dropped under `Ignore`.
    pub warnings: Vec<String>,
    /// Syntax errors and wrong types: refused always.
    pub errors: Vec<String>,
}

/// Reads JSON bytes. The last of duplicate keys wins.
pub fn strict(bytes: &[u8], schema: Schema<'_>) -> Decoded {
    match read::tree(bytes) {
        Ok((value, mut duplicates)) => {
            let mut decoded = prune(value, schema);
            duplicates.append(&mut decoded.warnings);
            duplicates.truncate(MAX_WARNINGS);
            decoded.warnings = if duplicates.len() > 1 { read::in_order(bytes, duplicates) } else { duplicates };
            decoded
        }
        Err(error) => Decoded { errors: vec![format!("json parse error: {error}")], ..Decoded::default() },
    }
}

/// The same for a tree that was read already, as after a patch.
pub fn prune(mut value: Value, schema: Schema<'_>) -> Decoded {
    let mut walk = walk::Walk::default();
    walk.visit(&mut value, schema, &At::ROOT, "");
    Decoded { value, warnings: walk.warnings, errors: walk.errors }
}

/// Reads JSON bytes without a schema; returns duplicates as `strict` words them.
pub fn untyped(bytes: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    read::tree(bytes)
}

/// Where the walk is: a list of steps on the stack, written out only when something is to be told.
struct At<'p> {
    parent: Option<&'p At<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    /// A declared field.
    Field(&'p str),
    /// A key of a map.
    Key(&'p str),
    Index(usize),
}

impl<'p> At<'p> {
    const ROOT: At<'static> = At { parent: None, step: Step::Root };

    fn down(&'p self, step: Step<'p>) -> At<'p> {
        At { parent: Some(self), step }
    }

    /// `spec.containers[0].image`
    fn path(&self) -> String {
        let mut path = self.parent.map(At::path).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Field(name) | Step::Key(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
        path
    }

    /// `spec.containers.image`: only declared fields, as Go's decoder tells them.
    fn fields(&self) -> String {
        let mut path = self.parent.map(At::fields).unwrap_or_default();
        if let Step::Field(name) = self.step {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(name);
        }
        path
    }
}

#[cfg(test)]
mod tests;
