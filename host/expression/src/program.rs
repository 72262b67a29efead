//! Compiled expressions: cel-go's `Env.Compile`, `Env.EstimateCost` and `Program.Eval` in one.

use crate::check;
use crate::cost::{self, Estimate};
use crate::declare::Declarations;
use crate::error::{CompileError, EvalError};
use crate::eval::{Bindings, Budget, Evaluator, fold};
use crate::functions::{Library, Table};
use crate::syntax::{
    ast::{Expr, Kind},
    parse,
};
use crate::types::Type;
use crate::value::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

static KUBERNETES: LazyLock<Environment> = LazyLock::new(|| Environment { table: Arc::new(Table::standard()) });

/// The functions that expressions may call.
#[derive(Clone, Debug)]
pub struct Environment {
    table: Arc<Table>,
}

/// What an expression must give.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// Exactly this: `dyn` is not enough.
    Type(Type),
    Any,
}

impl Expected {
    pub const BOOL: Self = Self::Type(Type::Bool);
    pub const STRING: Self = Self::Type(Type::String);
}

impl Environment {
    /// Standard functions and all libraries that Kubernetes 1.37 gives to new expressions, but the authorizer's.
    pub fn kubernetes() -> &'static Environment {
        &KUBERNETES
    }

    /// The same and a caller's functions.
    #[must_use]
    pub fn with(&self, library: Library) -> Environment {
        let mut table = Table::clone(&self.table);
        table.add(library);
        Environment { table: Arc::new(table) }
    }

    /// Parses, checks and estimates. Errors are in the order of the text.
    pub fn compile(&self, expression: &str, declarations: &Declarations, expected: &Expected) -> Result<Program, CompileError> {
        let failed = |issues| CompileError::issues(expression, issues);
        let source: Vec<char> = expression.chars().take(crate::syntax::MAX_LENGTH + 1).collect();
        let (mut tree, ids) = parse(&source).map_err(failed)?;
        let checked = check::check(&mut tree, ids, declarations, &self.table).map_err(failed)?;
        let result = checked.types.get(tree.id as usize).cloned().unwrap_or(Type::Error);
        if let Expected::Type(wanted) = expected
            && *wanted != result
        {
            return Err(CompileError::Result { wanted: wanted.clone(), got: result });
        }
        let estimate = cost::estimate(&tree, &checked.types, declarations, &self.table);
        fold(&mut tree, &self.table).map_err(CompileError::Constant)?;
        Ok(Program { tree, declarations: declarations.clone(), table: self.table.clone(), used: checked.used, result, estimate })
    }
}

/// An expression ready to run, any number of times and from any thread.
#[derive(Clone, Debug)]
pub struct Program {
    tree: Expr,
    declarations: Declarations,
    table: Arc<Table>,
    used: BTreeSet<Arc<str>>,
    result: Type,
    estimate: Estimate,
}

impl Program {
    /// Runs it on the data. What it cost is taken from the budget, also when it fails.
    pub fn evaluate<'a>(&'a self, bindings: &Bindings<'a>, budget: &mut Budget) -> Result<Value<'a>, EvalError> {
        let mut evaluator = Evaluator::new(&self.declarations, &self.table, bindings, budget.call_limit);
        let result = evaluator.run(&self.tree);
        budget.spend(evaluator.spent())?;
        result
    }

    /// Whether the expression refers to the variable.
    pub fn uses(&self, variable: &str) -> bool {
        self.used.contains(variable)
    }
    /// The variables that the expression refers to.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.used.iter().map(AsRef::as_ref)
    }
    /// Which fields of a variable the expression can read: those that it selects by name. None when it uses the variable
    /// otherwise, so that any field may matter. Policies compute only the `variables` that someone reads.
    pub fn fields_of(&self, variable: &str) -> Option<BTreeSet<&str>> {
        let slot = self.declarations.variables.iter().rposition(|(name, _)| name.as_ref() == variable)?;
        let mut fields = BTreeSet::new();
        let mut open = vec![&self.tree];
        while let Some(e) = open.pop() {
            match &e.kind {
                Kind::Slot(found) if *found == slot => return None,
                Kind::Select(select) if matches!(select.operand.kind, Kind::Slot(found) if found == slot) => {
                    fields.insert(select.field.as_ref());
                }
                _ => open.extend(e.children()),
            }
        }
        Some(fields)
    }

    /// What it gives.
    pub fn result(&self) -> &Type {
        &self.result
    }
    /// Least and most that one evaluation can cost, as far as the declarations bound their data.
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }
}
