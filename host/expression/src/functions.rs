//! The functions that expressions can call: one table of names, each with its overloads and one implementation that
//! looks at the values it is given.

mod conversions;
mod formats;
mod lists;
mod network;
mod operators;
mod optionals;
pub(crate) mod pattern;
pub(crate) mod price;
mod quantities;
mod regexes;
mod semvers;
mod sets;
mod strings;
mod template;
pub(crate) mod times;
mod urls;

pub(crate) use conversions::text_of;

use crate::error::EvalError;
use crate::eval::Meter;
use crate::types::{Type, signature};
use crate::value::{Result, Value};
use regex::Regex;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// What runs when a function is called: its context and its arguments, the receiver first.
pub type Implementation = Arc<dyn for<'a> Fn(&mut Call<'_>, &[Value<'a>]) -> Result<Value<'a>> + Send + Sync>;

/// Functions to add to an [`crate::Environment`].
#[derive(Clone, Debug, Default)]
pub struct Library {
    pub functions: Vec<(String, Function)>,
}

#[derive(Clone)]
pub struct Function {
    pub overloads: Vec<Overload>,
    pub implementation: Implementation,
    /// What a call costs: fixed, or `None` for what is known of standard functions.
    pub cost: Option<u64>,
}

/// One way to call a function.
#[derive(Clone, Debug)]
pub struct Overload {
    /// The receiver first.
    pub args: Vec<Type>,
    /// Called as `receiver.name(…)`.
    pub member: bool,
    pub result: Type,
}

/// What an implementation can use beside its arguments.
pub struct Call<'c> {
    pub(crate) name: &'c str,
    pattern: Option<&'c Regex>,
    meter: &'c mut Meter,
    patterns: &'c mut HashMap<String, Regex>,
}

/// No function makes a text longer than this many bytes, or a list of more items: what fits a request, several times.
pub(crate) const MAX_RESULT: usize = 16 * 1024 * 1024;
/// Compiling a pattern is paid with this many steps, and more for its length.
const COMPILE_WORK: usize = 20_000;

impl<'c> Call<'c> {
    pub(crate) fn new(name: &'c str, pattern: Option<&'c Regex>, meter: &'c mut Meter, patterns: &'c mut HashMap<String, Regex>) -> Self {
        Self { name, pattern, meter, patterns }
    }

    /// Pays for work that grows with the data.
    pub(crate) fn work(&mut self, steps: usize) -> Result<()> {
        self.meter.work_len(steps)
    }

    pub(crate) fn equal(&mut self, a: &Value<'_>, b: &Value<'_>) -> Result<bool> {
        crate::value::equal(a, b, self.meter)
    }

    /// The compiled pattern: that of the literal, or of a text of this evaluation.
    pub(crate) fn pattern(&mut self, text: &str) -> Result<Regex> {
        if let Some(pattern) = self.pattern.or_else(|| self.patterns.get(text)) {
            return Ok(pattern.clone());
        }
        self.meter.work_len(COMPILE_WORK.saturating_add(text.len().saturating_mul(1000)))?;
        let compiled = pattern::compile(text).map_err(EvalError::Argument)?;
        self.patterns.insert(text.to_owned(), compiled.clone());
        Ok(compiled)
    }

    /// Refuses what would not fit, before it is built.
    pub(crate) fn reserve(&mut self, size: usize) -> Result<()> {
        if size > MAX_RESULT {
            return Err(EvalError::argument(format!("result of {} is too large", self.name)));
        }
        self.meter.work_len(size / 16)
    }
}

impl Function {
    /// Of a caller's library. Overloads are given with their types.
    pub fn new<F>(overloads: Vec<Overload>, cost: u64, implementation: F) -> Self
    where
        F: for<'a> Fn(&mut Call<'_>, &[Value<'a>]) -> Result<Value<'a>> + Send + Sync + 'static,
    {
        Self { overloads, implementation: Arc::new(implementation), cost: Some(cost) }
    }

    /// Runs it.
    pub(crate) fn run<'a>(&self, call: &mut Call<'_>, args: &[Value<'a>]) -> Result<Value<'a>> {
        (self.implementation)(call, args)
    }

    /// Runs it and pays for it.
    pub(crate) fn invoke<'a>(&self, call: &mut Call<'_>, args: &[Value<'a>]) -> Result<Value<'a>> {
        match self.cost {
            Some(cost) => {
                call.meter.charge(cost)?;
                (self.implementation)(call, args)
            }
            None => match price::before(call.name, args, call.meter)? {
                Some(cost) => {
                    call.meter.charge(cost)?;
                    (self.implementation)(call, args)
                }
                None => {
                    let result = (self.implementation)(call, args)?;
                    call.meter.charge(price::after(&result, args))?;
                    Ok(result)
                }
            },
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("overloads", &self.overloads).finish_non_exhaustive()
    }
}

/// How the modules here declare: name, overloads as text, implementation.
type Row = (&'static str, &'static [&'static str], for<'a, 'b, 'c> fn(&'b mut Call<'c>, &'b [Value<'a>]) -> Result<Value<'a>>);

/// All functions by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    functions: HashMap<String, Function>,
}

impl Table {
    pub fn standard() -> Self {
        let mut table = Self::default();
        let modules: [&[Row]; 14] = [
            operators::ROWS,
            conversions::ROWS,
            times::ROWS,
            strings::ROWS,
            template::ROWS,
            lists::ROWS,
            sets::ROWS,
            optionals::ROWS,
            regexes::ROWS,
            urls::ROWS,
            quantities::ROWS,
            network::ROWS,
            formats::ROWS,
            semvers::ROWS,
        ];
        for (name, overloads, implementation) in modules.into_iter().flatten() {
            let overloads = overloads.iter().map(|text| {
                let signature = signature(text);
                Overload { args: signature.args, member: signature.member, result: signature.result }
            });
            let implementation = *implementation;
            let function = Function {
                overloads: overloads.collect(),
                implementation: Arc::new(move |call: &mut Call<'_>, args: &[Value<'_>]| implementation(call, args)),
                cost: None,
            };
            table.insert(name, function);
        }
        table
    }

    pub fn get(&self, name: &str) -> Option<&Function> {
        self.functions.get(name)
    }

    /// A caller's functions; one whose name exists adds its overloads before those.
    pub fn add(&mut self, library: Library) {
        for (name, function) in library.functions {
            self.insert(&name, function);
        }
    }

    fn insert(&mut self, name: &str, function: Function) {
        let Some(existing) = self.functions.remove(name) else {
            self.functions.insert(name.to_owned(), function);
            return;
        };
        // Both answer to the name: the newer is asked first, the older takes what that does not know.
        let overloads = existing.overloads.iter().chain(&function.overloads).cloned().collect();
        let (newer, older, cost) = (function.implementation, existing.implementation, function.cost);
        let priced = cost.is_some();
        let both: Implementation = Arc::new(move |call: &mut Call<'_>, args: &[Value<'_>]| match newer(call, args) {
            Err(EvalError::NoSuchOverload) => older(call, args),
            other => other,
        });
        let cost = if priced { cost } else { existing.cost };
        self.functions.insert(name.to_owned(), Function { overloads, implementation: both, cost });
    }
}

/// What implementations say of arguments they do not take.
pub(crate) fn no_overload<'a>() -> Result<Value<'a>> {
    Err(EvalError::NoSuchOverload)
}

pub(crate) fn int(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
