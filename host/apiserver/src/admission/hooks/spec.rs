//! What an object says of its hook.

use super::expression::{Expression, parse};
use crate::admission::matching::{Matching, OnError};
use crate::strategy::read::{entries, flag, text};
use object::{Object, Value};

/// What a refusal does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Enforce,
    /// It is told to the client, and the request goes on.
    Warn,
    /// It is noted, and the client learns nothing.
    Audit,
}

/// A plugin's `spec.admission`, or a group's `spec`.
pub struct Spec {
    pub name: String,
    pub uid: String,
    pub generation: i64,
    pub asked: Asked,
    /// The error: why it cannot be read. Objects are validated when they are written, so that is a change of this server.
    pub matching: Result<Matching, String>,
    pub mode: Mode,
    pub on_error: OnError,
    /// Dry runs are refused rather than told to it.
    pub side_effects: bool,
    pub reinvokes: bool,
    pub background_audit: bool,
    /// As reports show it.
    pub severity: String,
    pub category: String,
}

pub enum Asked {
    Plugin,
    Group {
        expression: Result<Expression, String>,
        message: String,
        /// Name in the expression, name of the plugin.
        members: Vec<(String, String)>,
    },
}

/// Whether a WasmPlugin takes part in admission.
pub fn is_admission(plugin: &Object) -> bool {
    plugin.str_at(&["spec", "world"]) == "admission"
}

impl Spec {
    pub fn of_plugin(object: &Object) -> Self {
        let empty = Value::Null;
        let spec = object.at(&["spec"]).unwrap_or(&empty);
        let tree = spec.get("admission").unwrap_or(&empty);
        Self { on_error: on_error(spec), ..Self::read(object, tree, Asked::Plugin) }
    }

    pub fn of_group(object: &Object) -> Self {
        let empty = Value::Null;
        let tree = object.at(&["spec"]).unwrap_or(&empty);
        let members: Vec<_> = entries(tree, "policies").map(|(name, policy)| (name.clone(), text(policy, "plugin").to_owned())).collect();
        let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        let expression = parse(text(tree, "expression"), &names);
        Self::read(object, tree, Asked::Group { expression, message: text(tree, "message").to_owned(), members })
    }

    fn read(object: &Object, tree: &Value, asked: Asked) -> Self {
        Self {
            name: object.name().to_owned(),
            uid: object.uid().to_owned(),
            generation: object.generation(),
            asked,
            matching: Matching::read(tree),
            mode: match text(tree, "mode") {
                "Warn" => Mode::Warn,
                "Audit" => Mode::Audit,
                _ => Mode::Enforce,
            },
            on_error: on_error(tree),
            side_effects: text(tree, "sideEffects") == "Some",
            reinvokes: text(tree, "reinvocationPolicy") == "IfNeeded",
            background_audit: flag(tree, "backgroundAudit"),
            severity: text(tree, "severity").to_owned(),
            category: text(tree, "category").to_owned(),
        }
    }

    /// What it is called in messages.
    pub fn told(&self) -> String {
        let what = match self.asked {
            Asked::Plugin => "admission plugin",
            Asked::Group { .. } => "admission policy group",
        };
        format!("{what} {:?}", self.name)
    }

    /// The plugins that answer for a group.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let members: &[(String, String)] = match &self.asked {
            Asked::Plugin => &[],
            Asked::Group { members, .. } => members,
        };
        members.iter().map(|(_, plugin)| plugin.as_str())
    }
}

fn on_error(tree: &Value) -> OnError {
    if text(tree, "failurePolicy") == "Ignore" { OnError::Skip } else { OnError::Refuse }
}
