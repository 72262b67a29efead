//! Running a tree over data, with cel-go's cost accounting (`interpreter/interpretable.go`, `runtimecost.go`).

mod fold;
mod loops;
mod meter;

pub(crate) use fold::fold;
pub use meter::Budget;
pub(crate) use meter::Meter;

use crate::declare::{Decl, Declarations};
use crate::error::EvalError;
use crate::functions::{Call as Context, Table};
use crate::syntax::ast::*;
use crate::types::Type;
use crate::value::{Key, Map, Result, Text, Value, from_json};
use regex::Regex;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Costs of `common/cost.go`.
pub(crate) const IDENT: u64 = 1;
pub(crate) const SELECT: u64 = 1;
pub(crate) const LIST: u64 = 10;
pub(crate) const MAP: u64 = 30;
pub(crate) const STRUCT: u64 = 40;

/// The data of one evaluation.
#[derive(Clone, Debug, Default)]
pub struct Bindings<'a> {
    bound: BTreeMap<&'a str, Bound<'a>>,
}

#[derive(Clone, Debug)]
enum Bound<'a> {
    Json(&'a Json),
    Value(Value<'a>),
}

impl<'a> Bindings<'a> {
    pub fn new() -> Self {
        Self::default()
    }
    /// JSON, read by the variable's declaration. Of a variable declared optional: its content.
    #[must_use]
    pub fn json(mut self, name: &'a str, value: &'a Json) -> Self {
        self.bound.insert(name, Bound::Json(value));
        self
    }
    #[must_use]
    pub fn value(mut self, name: &'a str, value: Value<'a>) -> Self {
        self.bound.insert(name, Bound::Value(value));
        self
    }
}

/// A place on the stack.
#[derive(Clone)]
enum Slot<'a> {
    Json(&'a Json, &'a Decl),
    Value(Value<'a>),
    /// Declared, not bound.
    Missing(&'a str),
}

pub(crate) struct Evaluator<'a> {
    stack: Vec<Slot<'a>>,
    table: &'a Table,
    meter: Meter,
    /// Patterns that are not literals, compiled in this evaluation.
    patterns: HashMap<String, Regex>,
}

impl<'a> Evaluator<'a> {
    pub fn new(declarations: &'a Declarations, table: &'a Table, bindings: &Bindings<'a>, limit: u64) -> Self {
        let slot = |(name, decl): &'a (Arc<str>, Arc<Decl>)| {
            let optional = matches!(decl.ty, Type::Optional(_));
            match bindings.bound.get(name.as_ref()) {
                Some(Bound::Json(json)) => Slot::Json(json, decl),
                Some(Bound::Value(value)) => Slot::Value(value.clone()),
                None if optional => Slot::Value(Value::Optional(None)),
                None => Slot::Missing(name),
            }
        };
        let stack = declarations.variables.iter().map(slot).collect();
        Self { stack, table, meter: Meter::new(limit), patterns: HashMap::new() }
    }

    pub fn spent(&self) -> u64 {
        self.meter.spent()
    }

    pub fn run(&mut self, e: &'a Expr) -> Result<Value<'a>> {
        match &e.kind {
            Kind::Literal(literal) => Ok(value_of(literal)),
            Kind::Slot(slot) => self.slot(*slot),
            Kind::TypeName(ty) => Ok(Value::Type(ty.clone())),
            Kind::Constant(value) => Ok(value.clone()),
            Kind::Ident(name) => Err(EvalError::NoSuchAttribute(name.to_string())),
            Kind::Select(select) => self.select(select),
            Kind::Call(call) => self.call(call),
            Kind::And(terms) => self.logical(terms, false),
            Kind::Or(terms) => self.logical(terms, true),
            Kind::Conditional(parts) => self.conditional(parts),
            Kind::List(elements) => self.list(elements),
            Kind::Map(entries) => self.map(entries),
            Kind::Struct(of) => self.construct(of),
            Kind::Loop(of) => self.fold(of),
            Kind::OptMap(of) => self.opt_map(of),
        }
    }

    fn slot(&mut self, slot: usize) -> Result<Value<'a>> {
        self.meter.charge(IDENT)?;
        match self.stack.get(slot) {
            Some(Slot::Value(Value::Failed(error))) => Err(error.as_ref().clone()),
            Some(Slot::Value(value)) => Ok(value.clone()),
            Some(Slot::Json(json, decl)) => {
                let value = from_json(json, decl)?;
                Ok(if matches!(decl.ty, Type::Optional(_)) { Value::optional(Some(value)) } else { value })
            }
            Some(Slot::Missing(name)) => Err(EvalError::NoSuchAttribute((*name).to_owned())),
            None => Err(EvalError::NoSuchAttribute(slot.to_string())),
        }
    }

    fn select(&mut self, select: &'a Select) -> Result<Value<'a>> {
        let operand = self.run(&select.operand)?;
        if !select.test {
            self.meter.charge(SELECT + from_result(&select.operand))?;
        }
        let (target, optional) = match operand {
            Value::Optional(None) if select.test => return Ok(Value::Bool(false)),
            Value::Optional(None) => return Ok(Value::Optional(None)),
            Value::Optional(Some(of)) => (of.as_ref().clone(), true),
            other => (other, select.optional),
        };
        let Value::Map(map) = target else {
            // A test of something without fields finds none there.
            return match (select.test, optional) {
                (true, _) => Ok(Value::Bool(false)),
                (_, true) => Ok(Value::Optional(None)),
                _ => Err(EvalError::NoSuchOverload),
            };
        };
        let found = map.field(&select.field)?;
        if optional && !select.test && found.is_none() {
            self.meter.refund(SELECT);
        }
        match (select.test, optional, found) {
            (true, _, found) => Ok(Value::Bool(found.is_some())),
            (_, true, found) => Ok(Value::optional(found)),
            (_, _, Some(found)) => Ok(found),
            (_, _, None) => Err(EvalError::NoSuchKey(select.field.to_string())),
        }
    }

    /// `&&` is false if any term is, `||` true if any is, whatever the others fail with.
    fn logical(&mut self, terms: &'a [Expr], decisive: bool) -> Result<Value<'a>> {
        let mut failure = None;
        for term in terms {
            match self.run(term) {
                Ok(Value::Bool(b)) if b == decisive => return Ok(Value::Bool(b)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => drop(failure.get_or_insert(EvalError::NoSuchOverload)),
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        failure.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn conditional(&mut self, parts: &'a [Expr; 3]) -> Result<Value<'a>> {
        let [condition, then, otherwise] = parts;
        match self.run(condition)? {
            Value::Bool(true) => self.branch(then),
            Value::Bool(false) => self.branch(otherwise),
            _ => Err(EvalError::NoSuchOverload),
        }
    }

    /// A place that starts at a variable pays for its steps only.
    fn branch(&mut self, e: &'a Expr) -> Result<Value<'a>> {
        let value = self.run(e)?;
        self.meter.refund(u64::from(rooted(e)));
        Ok(value)
    }

    fn list(&mut self, elements: &'a [Element]) -> Result<Value<'a>> {
        let mut items = Vec::with_capacity(elements.len());
        for element in elements {
            let value = self.run(&element.value)?;
            if let Some(value) = present(element.optional, value)? {
                items.push(value);
            }
        }
        self.meter.charge(LIST)?;
        Ok(Value::list(items))
    }

    fn map(&mut self, entries: &'a [Entry]) -> Result<Value<'a>> {
        let mut out = BTreeMap::new();
        for entry in entries {
            let key = self.run(&entry.key)?;
            let value = self.run(&entry.value)?;
            if let Some(value) = present(entry.optional, value)? {
                insert(&mut out, &key, value)?;
            }
        }
        self.meter.charge(MAP)?;
        Ok(Value::Map(Map::Built(Arc::new(out))))
    }

    /// An object of a declared type is a map of its JSON names.
    fn construct(&mut self, of: &'a Struct) -> Result<Value<'a>> {
        let mut out = BTreeMap::new();
        for field in &of.fields {
            let value = self.run(&field.value)?;
            if let Some(value) = present(field.optional, value)? {
                let name = crate::unescape(&field.name).unwrap_or_else(|| field.name.to_string());
                out.insert(Key::String(name.into()), value);
            }
        }
        self.meter.charge(STRUCT)?;
        Ok(Value::Map(Map::Built(Arc::new(out))))
    }

    fn call(&mut self, call: &'a Call) -> Result<Value<'a>> {
        let function = self.table.get(&call.function).ok_or(EvalError::NoSuchOverload)?;
        let mut args = Vec::with_capacity(call.args.len() + 1);
        let mut lazy = None;
        for (n, arg) in call.target.iter().chain(&call.args).enumerate() {
            // `optional.or(…)` and `orValue(…)` look at their argument only when the optional is empty.
            if n == 1 && matches!(call.function.as_ref(), "or" | "orValue") {
                match args.first() {
                    Some(Value::Optional(None)) => return self.run(arg),
                    Some(Value::Optional(Some(of))) => {
                        lazy = Some(if call.function.as_ref() == "or" { Value::Optional(Some(of.clone())) } else { of.as_ref().clone() });
                        break;
                    }
                    _ => return Err(EvalError::NoSuchOverload),
                }
            }
            match self.run(arg) {
                Ok(value) => args.push(value),
                Err(error) if error.is_fatal() => return Err(error),
                // Both sides of an operator are evaluated, and it is paid, also when a side fails.
                Err(error) => {
                    if n == 0
                        && let ([_, right], None) = (call.args.as_slice(), &call.target)
                        && let Err(worse) = self.run(right)
                        && worse.is_fatal()
                    {
                        return Err(worse);
                    }
                    self.meter.charge(1)?;
                    return Err(error);
                }
            }
        }
        if let Some(value) = lazy {
            return Ok(value);
        }
        if matches!(call.function.as_ref(), "_[_]" | "_[?_]")
            && let [operand, index] = call.args.as_slice()
        {
            self.meter.charge(from_result(operand))?;
            self.meter.refund(u64::from(rooted(index)));
        }
        let mut context = Context::new(&call.function, call.pattern.as_ref(), &mut self.meter, &mut self.patterns);
        let value = if call.free { function.run(&mut context, &args)? } else { function.invoke(&mut context, &args)? };
        if call.function.as_ref() == "_[?_]" && matches!(value, Value::Optional(None)) {
            self.meter.refund(SELECT);
        }
        Ok(value)
    }

    /// The target is evaluated twice upstream (`hasValue()`, then `value()`), so it is paid twice.
    fn opt_map(&mut self, of: &'a OptMap) -> Result<Value<'a>> {
        let before = self.meter.spent();
        let target = self.run(&of.target)?;
        let paid = self.meter.spent() - before;
        self.meter.charge(1)?;
        let Value::Optional(target) = target else { return Err(EvalError::NoSuchOverload) };
        let Some(held) = target else {
            self.meter.charge(1)?;
            return Ok(Value::Optional(None));
        };
        self.meter.charge(paid + 1)?;
        self.stack.push(Slot::Value(held.as_ref().clone()));
        let body = self.run(&of.body);
        self.stack.pop();
        let body = body?;
        if of.flat {
            return Ok(body);
        }
        self.meter.charge(1)?;
        Ok(Value::optional(Some(body)))
    }
}

/// Places of data are paid by their steps; one that starts at a result pays for that start too.
fn from_result(e: &Expr) -> u64 {
    let place = match &e.kind {
        Kind::Slot(_) | Kind::Select(_) | Kind::Conditional(_) => true,
        Kind::Call(call) => matches!(call.function.as_ref(), "_[_]" | "_[?_]"),
        _ => false,
    };
    u64::from(!place)
}

/// A place that starts at a variable: as an index it pays for its steps only.
fn rooted(e: &Expr) -> bool {
    match &e.kind {
        Kind::Slot(_) => true,
        Kind::Select(select) => !select.test && rooted(&select.operand),
        Kind::Call(call) => matches!(call.function.as_ref(), "_[_]" | "_[?_]") && call.args.first().is_some_and(rooted),
        _ => false,
    }
}

fn value_of(literal: &Literal) -> Value<'_> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(b) => Value::Bool(*b),
        Literal::Int(n) => Value::Int(*n),
        Literal::Uint(n) => Value::Uint(*n),
        Literal::Double(d) => Value::Double(*d),
        Literal::String(text) => Value::String(Text::Borrowed(text)),
        Literal::Bytes(bytes) => Value::Bytes(bytes.clone()),
    }
}

/// The value of an element; `None` for an element marked `?` that is an empty optional.
fn present(optional: bool, value: Value<'_>) -> Result<Option<Value<'_>>> {
    match (optional, value) {
        (false, value) => Ok(Some(value)),
        (true, Value::Optional(of)) => Ok(of.map(|of| of.as_ref().clone())),
        (true, _) => Err(EvalError::NoSuchOverload),
    }
}

fn insert<'a>(map: &mut BTreeMap<Key, Value<'a>>, key: &Value<'a>, value: Value<'a>) -> Result<()> {
    let Some(place) = Key::of(key) else {
        return Err(EvalError::Argument(format!("unsupported key type: {}", key.type_of().runtime_name())));
    };
    if map.contains_key(&place) {
        return Err(EvalError::Argument(format!("insert failed: key {} already exists", crate::functions::text_of(key))));
    }
    map.insert(place, value);
    Ok(())
}
