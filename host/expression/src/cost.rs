//! What an expression can cost at worst: cel-go `checker/cost.go`, with sizes from the declarations
//! (`sizeEstimator` of apiextensions' `compilation.go`).

mod calls;
mod size;

pub(crate) use size::Size;

use crate::declare::{Decl, Declarations};
use crate::eval::{IDENT, LIST, MAP, SELECT, STRUCT};
use crate::functions::Table;
use crate::syntax::ast::*;
use crate::types::Type;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Least and most; the most is `u64::MAX` where nothing bounds the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    pub min: u64,
    pub max: u64,
}

impl Estimate {
    pub(crate) fn fixed(cost: u64) -> Self {
        Self { min: cost, max: cost }
    }
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }
    pub(crate) fn times(self, other: Self) -> Self {
        Self { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }
    pub(crate) fn union(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

pub(crate) fn estimate(tree: &Expr, types: &[Type], declarations: &Declarations, table: &Table) -> Estimate {
    let locals = declarations.variables.iter().map(|(_, decl)| Local { place: Place::At(decl), ..Local::default() }).collect();
    let root = declarations.variables.first().map(|(_, decl)| decl.as_ref());
    Coster { types, table, locals, root, known: HashMap::new(), entries: HashMap::new(), places: HashMap::new() }.cost(tree)
}

/// Sizes of the parts of a list or map that an expression makes.
#[derive(Clone, Copy, Debug)]
struct Entries {
    is_list: bool,
    key: Size,
    value: Size,
}

/// Where an expression is in the declared data.
#[derive(Clone, Copy, Default)]
enum Place<'a> {
    #[default]
    Nowhere,
    At(&'a Decl),
    /// Below a place, where nothing is declared.
    Lost,
}

/// Keys of maps have no size of their own upstream.
static KEY: LazyLock<Decl> = LazyLock::new(|| Decl::of(Type::String));

/// What is known of a variable.
#[derive(Clone, Copy, Default)]
struct Local<'a> {
    place: Place<'a>,
    size: Option<Size>,
    entries: Option<Entries>,
}

struct Coster<'a> {
    types: &'a [Type],
    table: &'a Table,
    /// By slot.
    locals: Vec<Local<'a>>,
    /// Sizes of results and their parts, by expression.
    known: HashMap<u32, Size>,
    entries: HashMap<u32, Entries>,
    places: HashMap<u32, Place<'a>>,
    /// The declaration of the first variable, `self`.
    root: Option<&'a Decl>,
}

impl<'a> Coster<'a> {
    fn cost(&mut self, e: &'a Expr) -> Estimate {
        match &e.kind {
            Kind::Literal(_) | Kind::Constant(_) => Estimate::default(),
            Kind::Slot(slot) => {
                let place = self.locals.get(*slot).map_or(Place::Nowhere, |l| l.place);
                self.places.insert(e.id, place);
                Estimate::fixed(IDENT)
            }
            Kind::Ident(_) | Kind::TypeName(_) => {
                // A name is a path, whatever it names.
                self.places.insert(e.id, self.start());
                Estimate::fixed(IDENT)
            }
            Kind::Select(select) => self.select(e, select),
            Kind::Call(call) => self.call(e, call),
            Kind::And(terms) | Kind::Or(terms) => {
                let costs: Vec<Estimate> = terms.iter().map(|t| self.cost(t)).collect();
                // The first term may decide.
                let max = costs.iter().fold(0u64, |sum, c| sum.saturating_add(c.max));
                Estimate { min: costs.first().map_or(0, |c| c.min), max }
            }
            Kind::Conditional(parts) => {
                let [condition, then, otherwise] = parts.as_ref();
                let condition = self.cost(condition);
                let branches = self.cost(then).union(self.cost(otherwise));
                let size = self.size(then).union(self.size(otherwise));
                self.known.insert(e.id, size);
                if let (Some(a), Some(b)) = (self.entries_of(then), self.entries_of(otherwise)) {
                    self.entries.insert(e.id, union(a, b));
                }
                condition.plus(branches)
            }
            Kind::List(elements) => {
                let mut sum = Estimate::default();
                let mut value = Size::nothing(elements.is_empty());
                for element in elements {
                    sum = sum.plus(self.cost(&element.value));
                    value = value.union(self.size(&element.value));
                }
                self.entries.insert(e.id, Entries { is_list: true, key: Size::fixed(1), value });
                sum.plus(Estimate::fixed(LIST))
            }
            Kind::Map(entries) => {
                let mut sum = Estimate::default();
                let (mut key, mut value) = (Size::nothing(entries.is_empty()), Size::nothing(entries.is_empty()));
                for entry in entries {
                    sum = sum.plus(self.cost(&entry.key)).plus(self.cost(&entry.value));
                    key = key.union(self.size(&entry.key));
                    value = value.union(self.size(&entry.value));
                }
                self.entries.insert(e.id, Entries { is_list: false, key, value });
                sum.plus(Estimate::fixed(MAP))
            }
            Kind::Struct(of) => {
                let sum = of.fields.iter().fold(Estimate::default(), |sum, f| sum.plus(self.cost(&f.value)));
                sum.plus(Estimate::fixed(STRUCT))
            }
            Kind::Loop(of) => self.fold(e, of),
            Kind::OptMap(of) => self.opt_map(e, of),
        }
    }

    fn select(&mut self, e: &'a Expr, select: &'a Select) -> Estimate {
        let operand = self.cost(&select.operand);
        if select.test {
            return operand;
        }
        if select.optional {
            return operand.plus(Estimate::fixed(1));
        }
        let place = self.below(&select.operand, |decl| decl.field(&select.field));
        self.places.insert(e.id, place);
        match self.type_of(&select.operand) {
            Type::Map(..) | Type::Object(_) | Type::Param(_) => operand.plus(Estimate::fixed(SELECT)),
            _ => operand,
        }
    }

    fn opt_map(&mut self, e: &'a Expr, of: &'a OptMap) -> Estimate {
        let target = self.cost(&of.target);
        let has_value = target.plus(Estimate::fixed(1));
        let local = Local { size: self.size_known(&of.target), ..Local::default() };
        self.locals.push(local);
        let body = self.cost(&of.body);
        let size = self.size(&of.body);
        self.locals.pop();
        self.known.insert(e.id, size);
        // `optional.of(cel.bind(var, target.value(), body))`, or `optional.none()`.
        let mut then = Estimate::fixed(LIST + 1).plus(target).plus(body);
        if !of.flat {
            then = then.plus(Estimate::fixed(1));
        }
        has_value.plus(then.union(Estimate::fixed(1)))
    }

    /// The range, the accumulator's start, the steps as often as the range has items, the result.
    fn fold(&mut self, e: &'a Expr, of: &'a Loop) -> Estimate {
        let mut sum = self.cost(&of.range);
        let makes = match of.kind {
            LoopKind::List | LoopKind::Filter | LoopKind::SortBy => LIST,
            LoopKind::Map | LoopKind::MapEntry => MAP,
            _ => 0,
        };
        sum = sum.plus(Estimate::fixed(makes));
        let (first, second) = self.iteration(of);
        self.locals.push(first);
        if of.var2.is_some() {
            self.locals.push(second);
        }
        let filter = of.filter.as_ref().map(|f| self.cost(f));
        let body = self.cost(&of.body);
        let body_size = self.size_known(&of.body);
        let depth = self.locals.len() - if of.var2.is_some() { 2 } else { 1 };
        self.locals.truncate(depth);
        let fixed = Estimate::fixed;
        let append = fixed(IDENT + LIST + 1);
        let step = match of.kind {
            // Condition and step; the step's first operand may decide it.
            LoopKind::All => fixed(IDENT + 1).plus(Estimate { min: IDENT, max: body.max.saturating_add(IDENT) }),
            LoopKind::Exists => fixed(IDENT + 2).plus(Estimate { min: IDENT, max: body.max.saturating_add(IDENT) }),
            LoopKind::ExistsOne => body.plus(Estimate { min: IDENT, max: IDENT + 1 }),
            LoopKind::Filter => body.plus(fixed(IDENT).union(append.plus(fixed(IDENT)))),
            LoopKind::List | LoopKind::SortBy => optional(filter, append.plus(body)),
            LoopKind::Map => optional(filter, fixed(IDENT + 1 + IDENT).plus(body)),
            LoopKind::MapEntry => optional(filter, fixed(IDENT + 1).plus(body)),
        };
        let count = self.size(&of.range);
        let looped = Estimate { min: count.min.saturating_mul(step.min), max: count.max.saturating_mul(step.max) };
        let result = if of.kind == LoopKind::ExistsOne { IDENT + 1 } else { IDENT };
        sum = sum.plus(looped).plus(fixed(result));
        if makes == 0 {
            self.known.insert(e.id, Size::fixed(1));
        } else {
            self.known.insert(e.id, count);
            let value = match of.kind {
                LoopKind::Filter | LoopKind::SortBy => first.size,
                _ => body_size,
            };
            if let (LoopKind::List | LoopKind::Filter, Some(value)) = (of.kind, value) {
                self.entries.insert(e.id, Entries { is_list: true, key: Size::fixed(1), value });
            }
        }
        if of.kind == LoopKind::SortBy {
            let texts = matches!(self.type_of(&of.body), Type::String | Type::Bytes);
            let factor = if texts { 2.1 } else { 2.0 };
            // Bound as a variable, which is read twice; the keys are a list of their own.
            sum = sum.plus(fixed(LIST + 2 * IDENT)).plus(calls::allocating(factor, count.times(count)));
        }
        sum
    }

    /// What is known of the variables of a loop.
    fn iteration(&self, of: &'a Loop) -> (Local<'a>, Local<'a>) {
        let entries = self.entries_of(&of.range);
        let is_list = entries.map_or_else(|| matches!(self.type_of(&of.range), Type::List(_)), |e| e.is_list);
        let keys = self.below(&of.range, |decl| decl.value().filter(|_| !is_list).map(|_| &*KEY));
        let key = Local { place: keys, size: entries.map(|e| e.key), entries: None };
        let values = self.below(&of.range, |decl| if is_list { decl.item() } else { decl.value() });
        let value = Local { place: values, size: entries.map(|e| e.value), entries: None };
        match (of.var2.is_some(), is_list) {
            (true, _) => (key, value),
            (false, true) => (value, key),
            (false, false) => (key, value),
        }
    }

    /// A step below an expression's place.
    fn below(&self, e: &Expr, step: impl FnOnce(&'a Decl) -> Option<&'a Decl>) -> Place<'a> {
        match self.places.get(&e.id).copied().unwrap_or_default() {
            Place::At(decl) => step(decl).map_or(Place::Lost, Place::At),
            Place::Nowhere => self.start(),
            Place::Lost => Place::Lost,
        }
    }

    /// The first step of a path is not looked at upstream: it stands for `self`. So a path that starts at a result, whose
    /// first step is what it took there, is read as `self` too. Rules are accepted or refused by that, so it is kept.
    fn start(&self) -> Place<'a> {
        self.root.map_or(Place::Lost, Place::At)
    }

    fn type_of(&self, e: &Expr) -> &'a Type {
        self.types.get(e.id as usize).unwrap_or(&Type::Dyn)
    }

    fn entries_of(&self, e: &Expr) -> Option<Entries> {
        let local = match e.kind {
            Kind::Slot(slot) => self.locals.get(slot).and_then(|l| l.entries),
            _ => None,
        };
        self.entries.get(&e.id).copied().or(local)
    }

    fn size(&self, e: &Expr) -> Size {
        self.size_known(e).unwrap_or(Size::UNKNOWN)
    }

    /// By what was computed, by the expression itself, by the declaration, by the type.
    fn size_known(&self, e: &Expr) -> Option<Size> {
        if let Some(size) = self.known.get(&e.id) {
            return Some(*size);
        }
        let count = |n: usize| Size::fixed(u64::try_from(n).unwrap_or(u64::MAX));
        match &e.kind {
            Kind::Literal(Literal::String(text)) => return Some(count(text.chars().count())),
            Kind::Literal(Literal::Bytes(bytes)) => return Some(count(bytes.len())),
            Kind::Literal(_) => return Some(Size::fixed(1)),
            Kind::List(elements) => return Some(count(elements.len())),
            Kind::Map(entries) => return Some(count(entries.len())),
            _ => {}
        }
        if let Some(Place::At(decl)) = self.places.get(&e.id) {
            return Some(Size { min: 0, max: decl.max });
        }
        if size::is_scalar(self.type_of(e)) {
            return Some(Size::fixed(1));
        }
        match e.kind {
            Kind::Slot(slot) => self.locals.get(slot).and_then(|l| l.size),
            _ => None,
        }
    }
}

/// A step that runs only if the filter holds; else the accumulator is read.
fn optional(filter: Option<Estimate>, step: Estimate) -> Estimate {
    match filter {
        Some(filter) => filter.plus(Estimate::fixed(IDENT).union(step)),
        None => step,
    }
}

fn union(a: Entries, b: Entries) -> Entries {
    Entries { is_list: a.is_list, key: a.key.union(b.key), value: a.value.union(b.value) }
}
