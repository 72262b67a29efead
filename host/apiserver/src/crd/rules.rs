//! `x-kubernetes-validations`: rules in CEL at the nodes of a schema
//! (`pkg/apiserver/schema/cel/{compilation,validation}.go`).

use expression::{Bindings, Budget, CompileError, Decl, Declarations, Environment, EvalError, Expected, MESSAGE_LIMIT, Program};
use object::Value;
use object::field::{ErrorList, Path};
use registry::custom::props::{Props, Rule};
use registry::custom::validate::{Correlated, same_item};
use registry::custom::{Version, field_path};
use std::collections::BTreeMap;

/// Upstream tells the root's path so.
const NO_PATH: &str = "<nil>";
const SELF: &str = "self";
const OLD_SELF: &str = "oldSelf";

/// One rule, compiled.
pub struct Compiled {
    pub rule: Rule,
    /// `None`: the rule is empty.
    pub program: Option<Result<Program, String>>,
    pub message: Option<Result<Program, String>>,
    pub uses_old_self: bool,
    /// Below the node's path.
    path: String,
}

/// The rules of a node and of all below it; only nodes that have any.
#[derive(Default)]
pub struct Rules {
    own: Vec<Compiled>,
    /// Why none of them could be compiled.
    failed: Option<String>,
    items: Option<Box<Rules>>,
    properties: BTreeMap<String, Rules>,
    additional: Option<Box<Rules>>,
}

/// Compiles the rules of one node. `root`: the schema of a whole resource. The error is about the schema.
pub fn compile(raw: &Value, schema: &Props, root: bool) -> Result<(Vec<Compiled>, Decl), String> {
    let decl = Decl::from_openapi(raw, root, SELF).ok_or("unable to convert structural schema to CEL declarations")?;
    let plain = Declarations::new().variable(SELF, decl.clone()).variable(OLD_SELF, decl.clone());
    let optional = Declarations::new().variable(SELF, decl.clone()).variable(OLD_SELF, decl.clone().optional());
    let compiled = schema.rules.iter().map(|rule| {
        let declarations = if rule.optional_old_self == Some(true) { &optional } else { &plain };
        one(rule, schema, declarations)
    });
    Ok((compiled.collect(), decl))
}

fn one(rule: &Rule, schema: &Props, declarations: &Declarations) -> Compiled {
    let environment = Environment::kubernetes();
    let program = (!rule.rule.trim().is_empty()).then(|| {
        environment.compile(&rule.rule, declarations, &Expected::BOOL).map_err(|error| match &error {
            CompileError::Issues { .. } => format!("compilation failed: {error}"),
            _ if matches!(error, CompileError::Result { .. }) => format!("cel expression {error}"),
            _ => error.to_string(),
        })
    });
    let is_compiled = matches!(program, Some(Ok(_)));
    let message = (is_compiled && !rule.message_expression.is_empty()).then(|| {
        environment.compile(&rule.message_expression, declarations, &Expected::STRING).map_err(|error| match &error {
            CompileError::Issues { .. } => format!("messageExpression compilation failed: {error}"),
            _ => format!("messageExpression {error}"),
        })
    });
    let uses_old_self = matches!(&program, Some(Ok(program)) if program.uses(OLD_SELF));
    let path = match rule.field_path.as_str() {
        "" => String::new(),
        path => field_path::resolve(path, schema, true).map(|(path, _)| path).unwrap_or_default(),
    };
    Compiled { rule: rule.clone(), program, message, uses_old_self, path }
}

/// The rules of a version, compiled on first use.
pub fn of(version: &Version) -> Option<&Rules> {
    let compiled = version.compiled.get_or_init(|| Box::new(Rules::of(&version.raw, &version.schema, true)));
    compiled.downcast_ref::<Option<Rules>>()?.as_ref()
}

impl Rules {
    /// `None` when there are no rules.
    pub fn of(raw: &Value, schema: &Props, root: bool) -> Option<Self> {
        let mut rules = Self::default();
        if !schema.rules.is_empty() {
            match compile(raw, schema, root) {
                Ok((own, _)) => rules.own = own,
                Err(error) => rules.failed = Some(error),
            }
        }
        let below = |raw: Option<&Value>, schema: &Props| raw.and_then(|raw| Self::of(raw, schema, schema.embedded));
        if let Some(items) = &schema.items {
            rules.items = below(raw.get("items"), items).map(Box::new);
        }
        if let Some(additional) = schema.additional_schema() {
            rules.additional = below(raw.get("additionalProperties"), additional).map(Box::new);
        }
        for (name, property) in &schema.properties {
            let raw = raw.get("properties").and_then(|p| p.get(name));
            if let Some(found) = below(raw, property) {
                rules.properties.insert(name.clone(), found);
            }
        }
        let any = !rules.own.is_empty()
            || rules.failed.is_some()
            || rules.items.is_some()
            || rules.additional.is_some()
            || !rules.properties.is_empty();
        any.then_some(rules)
    }
}

/// A run of the rules over one object.
pub struct Run<'e> {
    pub errors: &'e mut ErrorList,
    pub budget: Budget,
}

/// What an unchanged part does to its errors (`ratchetingOptions`).
#[derive(Clone, Copy)]
pub struct Ratchet<'v> {
    current: Option<Correlated<'v>>,
    nearest: Option<Correlated<'v>>,
}

impl<'v> Ratchet<'v> {
    /// Of a new object, where nothing is unchanged.
    pub const NONE: Ratchet<'static> = Ratchet { current: None, nearest: None };

    pub fn new(root: Correlated<'v>) -> Self {
        Self { current: Some(root), nearest: None }
    }

    fn passes(self) -> bool {
        self.current.or(self.nearest).is_some_and(Correlated::is_same)
    }

    fn key(self, key: &str) -> Self {
        let Some(current) = self.current else { return self };
        if self.nearest.is_none() && matches!(key, "apiVersion" | "kind") {
            return Self::NONE;
        }
        Self { current: current.key(key), nearest: Some(current) }
    }

    fn index(self, index: usize) -> Self {
        let Some(current) = self.current else { return self };
        Self { current: current.index(index), nearest: Some(current) }
    }
}

impl Run<'_> {
    /// All rules that hold for a value. `old`: what stood in its place; rules about transitions need one. False when the
    /// budget is used up and nothing more may be asked.
    pub fn node(&mut self, rules: &Rules, schema: &Props, value: &Value, old: Option<&Value>, at: &Path, ratchet: Ratchet<'_>) -> bool {
        if value.is_null() {
            return true;
        }
        if !self.own(rules, schema, value, old.filter(|o| !o.is_null()), at, ratchet) {
            return false;
        }
        match value {
            Value::Object(map) => {
                let before = old.and_then(Value::as_object);
                for (key, value) in map {
                    let old = before.and_then(|b| b.get(key));
                    let (below, schema, at) = match (rules.properties.get(key), schema.properties.get(key)) {
                        (Some(rules), Some(schema)) => (rules, schema, child(at, key)),
                        (_, Some(_)) => continue,
                        (_, None) => match (rules.additional.as_deref(), schema.additional_schema()) {
                            (Some(rules), Some(schema)) => (rules, schema, keyed(at, key)),
                            _ => continue,
                        },
                    };
                    if !self.node(below, schema, value, old, &at, ratchet.key(key)) {
                        return false;
                    }
                }
                true
            }
            Value::Array(items) => {
                let (Some(rules), Some(item_schema)) = (&rules.items, schema.items.as_deref()) else { return true };
                let before = old.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                items.iter().enumerate().all(|(index, item)| {
                    let old = same_item(schema, before, item);
                    self.node(rules, item_schema, item, old, &indexed(at, index), ratchet.index(index))
                })
            }
            _ => true,
        }
    }

    fn own(&mut self, rules: &Rules, schema: &Props, value: &Value, old: Option<&Value>, at: &Path, ratchet: Ratchet<'_>) -> bool {
        let path = told(at);
        let ty = schema.ty.as_str();
        if let Some(error) = &rules.failed {
            self.errors.invalid(&path, ty, &format!("rule compiler initialization error: {error}"));
            return true;
        }
        if rules.own.is_empty() {
            return true;
        }
        if self.budget.is_exhausted() {
            self.errors.invalid(&path, ty, &EvalError::BudgetExceeded.to_string());
            return false;
        }
        for compiled in &rules.own {
            let program = match &compiled.program {
                None => continue,
                Some(Err(error)) => {
                    self.errors.invalid(&path, ty, &format!("rule compile error: {error}"));
                    continue;
                }
                Some(Ok(program)) => program,
            };
            let optional = compiled.rule.optional_old_self == Some(true);
            if compiled.uses_old_self && old.is_none() && !optional {
                continue;
            }
            let mut bindings = Bindings::new().json(SELF, value);
            if let Some(old) = old {
                bindings = bindings.json(OLD_SELF, old);
            }
            let name = error_name(&compiled.rule);
            match program.evaluate(&bindings, &mut self.budget).map(|v| v.as_bool()) {
                Ok(Some(true)) => continue,
                Ok(_) => {}
                Err(EvalError::BudgetExceeded) => {
                    self.errors.invalid(&path, ty, &EvalError::BudgetExceeded.to_string());
                    return false;
                }
                Err(error @ EvalError::CallLimit) => {
                    let detail =
                        format!("'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {name}");
                    self.errors.invalid(&path, ty, &detail);
                    return false;
                }
                Err(error @ EvalError::NoSuchOverload) => {
                    let detail = format!(
                        "'{error}': call arguments did not match a supported operator, function or macro signature for rule: {name}"
                    );
                    self.errors.invalid(&path, ty, &detail);
                    continue;
                }
                Err(error) => {
                    self.errors.invalid(&path, ty, &format!("{error} evaluating rule: {name}"));
                    continue;
                }
            }
            if !self.refuse(compiled, schema, value, &bindings, at, ratchet) {
                return false;
            }
        }
        true
    }

    /// Tells a rule that does not hold.
    fn refuse(
        &mut self,
        compiled: &Compiled,
        schema: &Props,
        value: &Value,
        bindings: &Bindings<'_>,
        at: &Path,
        ratchet: Ratchet<'_>,
    ) -> bool {
        let passes = !compiled.uses_old_self && ratchet.passes();
        let path = if compiled.path.is_empty() { told(at) } else { child(at, &compiled.path) };
        let detail = match self.message(compiled, bindings) {
            Ok(Some(message)) => message,
            Ok(None) if compiled.rule.message.is_empty() => format!("failed rule: {}", error_name(&compiled.rule)),
            Ok(None) => compiled.rule.message.trim().to_owned(),
            Err(detail) => {
                if !passes {
                    self.errors.invalid(&path, schema.ty.as_str(), &detail);
                }
                return false;
            }
        };
        if passes {
            return true;
        }
        let whole = matches!(schema.ty.as_str(), "object" | "array");
        match compiled.rule.reason.as_deref() {
            Some("FieldValueForbidden") => self.errors.forbidden(&path, &detail),
            Some("FieldValueRequired") => self.errors.required(&path, &detail),
            Some("FieldValueDuplicate") if whole => self.errors.duplicate(&path, schema.ty.as_str()),
            Some("FieldValueDuplicate") => self.errors.duplicate(&path, value.clone()),
            _ if whole => self.errors.invalid_as_a_whole(&path, &detail),
            _ => self.errors.invalid(&path, value.clone(), &detail),
        }
        true
    }

    /// What the rule's message expression says; none when it has none or says nothing fit. The error ends the run.
    fn message(&mut self, compiled: &Compiled, bindings: &Bindings<'_>) -> Result<Option<String>, String> {
        let Some(Ok(program)) = &compiled.message else { return Ok(None) };
        // Rules with an optional `oldSelf` give their messages the plain one, so it is bound the same.
        let said = match program.evaluate(bindings, &mut self.budget) {
            Ok(value) => value.as_str().map(|text| text.trim().to_owned()),
            Err(EvalError::BudgetExceeded) => {
                let told = "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run";
                return Err(told.to_owned());
            }
            Err(EvalError::CallLimit) => {
                let source = &compiled.rule.message_expression;
                return Err(format!(
                    "no further validation rules will be run due to call cost exceeds limit for messageExpression: {source:?}"
                ));
            }
            Err(_) => None,
        };
        Ok(said.filter(|text| !text.is_empty() && text.len() <= MESSAGE_LIMIT && !text.contains('\n')))
    }
}

fn error_name(rule: &Rule) -> &str {
    if rule.message.is_empty() { rule.rule.trim() } else { rule.message.trim() }
}

fn told(at: &Path) -> Path {
    if at.as_str().is_empty() { Path::new(NO_PATH) } else { at.clone() }
}

fn child(at: &Path, name: &str) -> Path {
    at.child(name)
}

fn keyed(at: &Path, key: &str) -> Path {
    at.key(key)
}

fn indexed(at: &Path, index: usize) -> Path {
    at.index(index)
}
