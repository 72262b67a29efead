//! The tree. Macros keep their meaning (`Loop`, `OptMap`) instead of becoming general folds: cheaper to run, and what
//! cel-go's expansion costs is known per kind.

use crate::types::Type;
use crate::value::Value;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) struct Expr {
    /// Index into the checker's tables; unique in its tree.
    pub id: u32,
    /// Code point of the source where a message points at.
    pub at: u32,
    /// Levels below and including this.
    pub depth: u16,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Literal(Literal),
    Ident(Arc<str>),
    /// A variable, resolved: its place on the stack. Made by the checker.
    Slot(usize),
    /// A type used as value (`type(x) == int`). Made by the checker.
    TypeName(Type),
    /// Evaluated when compiled: costs nothing when run. Made by folding.
    Constant(Value<'static>),
    Select(Box<Select>),
    Call(Box<Call>),
    /// All terms of an `&&` chain.
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Conditional(Box<[Expr; 3]>),
    List(Vec<Element>),
    Map(Vec<Entry>),
    Struct(Box<Struct>),
    Loop(Box<Loop>),
    OptMap(Box<OptMap>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
}

#[derive(Clone, Debug)]
pub(crate) struct Select {
    pub operand: Expr,
    pub field: Arc<str>,
    /// `has(operand.field)`
    pub test: bool,
    /// `operand.?field`
    pub optional: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Operators are called `_+_`, `!_`, `_[_]`, `_[?_]`, as in messages.
    pub function: Arc<str>,
    pub target: Option<Expr>,
    pub args: Vec<Expr>,
    /// Which of the function's overloads may apply, by their place in its list. Made by the checker.
    pub overloads: Vec<usize>,
    /// The compiled pattern, where a pattern is a literal. Made by the checker.
    pub pattern: Option<regex::Regex>,
    /// Why the literal pattern of `find` or `findAll` is none.
    pub wrong_pattern: Option<String>,
    /// Membership in a list of constants, which cel-go turns into a set: costs nothing. Made by folding.
    pub free: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub optional: bool,
    pub value: Expr,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub optional: bool,
    pub key: Expr,
    pub value: Expr,
}

/// `Type{field: value}`
#[derive(Clone, Debug)]
pub(crate) struct Struct {
    pub name: Arc<str>,
    pub fields: Vec<StructField>,
}

#[derive(Clone, Debug)]
pub(crate) struct StructField {
    pub at: u32,
    pub optional: bool,
    pub name: Arc<str>,
    pub value: Expr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    /// `map`, `transformList`: a list of what the body gives.
    List,
    /// `filter`: a list of the items for which the filter holds.
    Filter,
    /// `transformMap`: the same keys, what the body gives.
    Map,
    /// `transformMapEntry`: the body gives a map of one entry (or more).
    MapEntry,
    /// `sortBy`: the items in the order of what the body gives.
    SortBy,
}

#[derive(Clone, Debug)]
pub(crate) struct Loop {
    pub kind: LoopKind,
    pub range: Expr,
    pub var: Arc<str>,
    pub var2: Option<Arc<str>>,
    /// Only where the macro has both a filter and a body.
    pub filter: Option<Expr>,
    /// The predicate, filter or transformation.
    pub body: Expr,
}

/// `target.optMap(var, body)`
#[derive(Clone, Debug)]
pub(crate) struct OptMap {
    pub target: Expr,
    pub var: Arc<str>,
    pub body: Expr,
    /// The body gives an optional itself.
    pub flat: bool,
}

impl Expr {
    /// Every direct part.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            Kind::Literal(_) | Kind::Ident(_) | Kind::Slot(_) | Kind::TypeName(_) | Kind::Constant(_) => Vec::new(),
            Kind::Select(select) => vec![&select.operand],
            Kind::Call(call) => call.target.iter().chain(&call.args).collect(),
            Kind::And(terms) | Kind::Or(terms) => terms.iter().collect(),
            Kind::Conditional(parts) => parts.iter().collect(),
            Kind::List(elements) => elements.iter().map(|e| &e.value).collect(),
            Kind::Map(entries) => entries.iter().flat_map(|e| [&e.key, &e.value]).collect(),
            Kind::Struct(of) => of.fields.iter().map(|f| &f.value).collect(),
            Kind::Loop(of) => [&of.range].into_iter().chain(&of.filter).chain([&of.body]).collect(),
            Kind::OptMap(of) => vec![&of.target, &of.body],
        }
    }

    /// Every direct part, to change it.
    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match &mut self.kind {
            Kind::Literal(_) | Kind::Ident(_) | Kind::Slot(_) | Kind::TypeName(_) | Kind::Constant(_) => Vec::new(),
            Kind::Select(select) => vec![&mut select.operand],
            Kind::Call(call) => call.target.iter_mut().chain(&mut call.args).collect(),
            Kind::And(terms) | Kind::Or(terms) => terms.iter_mut().collect(),
            Kind::Conditional(parts) => parts.iter_mut().collect(),
            Kind::List(elements) => elements.iter_mut().map(|e| &mut e.value).collect(),
            Kind::Map(entries) => entries.iter_mut().flat_map(|e| [&mut e.key, &mut e.value]).collect(),
            Kind::Struct(of) => of.fields.iter_mut().map(|f| &mut f.value).collect(),
            Kind::Loop(of) => {
                let of = of.as_mut();
                [&mut of.range].into_iter().chain(&mut of.filter).chain([&mut of.body]).collect()
            }
            Kind::OptMap(of) => {
                let of = of.as_mut();
                vec![&mut of.target, &mut of.body]
            }
        }
    }

    /// `a.b.c` as one name, if it is nothing but identifiers and selections.
    pub fn qualified(&self) -> Option<String> {
        match &self.kind {
            Kind::Ident(name) => Some(name.to_string()),
            Kind::Select(select) if !select.test && !select.optional => {
                let mut name = select.operand.qualified()?;
                name.push('.');
                name.push_str(&select.field);
                Some(name)
            }
            _ => None,
        }
    }
}
