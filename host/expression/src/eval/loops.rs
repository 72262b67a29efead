//! Comprehensions. Each kind costs what cel-go's expansion of its macro costs: reading the accumulator, testing the
//! condition, building the step's list.

use super::*;
use crate::value::{List, compare};
use std::cmp::Ordering;

/// `@not_strictly_false(@result)` of `all`; `exists` negates it first. Paid before each turn, also before the one that
/// does not come because the outcome is decided.
const ALL_CONDITION: u64 = IDENT + 1;
const EXISTS_CONDITION: u64 = IDENT + 2;
/// `@result + [x]`: reading, list of one, concatenation.
const APPEND: u64 = IDENT + LIST + 1;
/// `cel.@mapInsert(@result, k, v)`: reading the accumulator, the call.
const INSERT: u64 = IDENT + 1;

impl<'a> Evaluator<'a> {
    pub(super) fn fold(&mut self, of: &'a Loop) -> Result<Value<'a>> {
        let range = self.run(&of.range)?;
        let depth = self.stack.len();
        let out = self.fold_over(of, range);
        self.stack.truncate(depth);
        out
    }

    fn fold_over(&mut self, of: &'a Loop, range: Value<'a>) -> Result<Value<'a>> {
        let mut fold = Fold::default();
        match range {
            Value::List(list) => {
                for n in 0..list.len() {
                    let item = list.get(n)?;
                    let index = || Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
                    let (first, second) = if of.var2.is_some() { (index(), Some(item)) } else { (item, None) };
                    if self.turn(of, &mut fold, first, second)? {
                        if n + 1 < list.len() {
                            self.meter.charge(condition(of.kind))?;
                        }
                        break;
                    }
                }
            }
            Value::Map(map) => {
                self.meter.work_len(map.len())?;
                let keys = map.keys();
                let count = keys.len();
                for (n, key) in keys.into_iter().enumerate() {
                    let value = match &of.var2 {
                        Some(_) => map.find(&key)?,
                        None => None,
                    };
                    if self.turn(of, &mut fold, key, value)? {
                        if n + 1 < count {
                            self.meter.charge(condition(of.kind))?;
                        }
                        break;
                    }
                }
            }
            _ => return Err(EvalError::NoSuchOverload),
        }
        self.finish(of, fold)
    }

    /// One turn of the loop; true when the outcome is decided.
    fn turn(&mut self, of: &'a Loop, fold: &mut Fold<'a>, first: Value<'a>, second: Option<Value<'a>>) -> Result<bool> {
        let depth = self.stack.len();
        self.stack.push(Slot::Value(first.clone()));
        if of.var2.is_some() {
            self.stack.push(Slot::Value(second.unwrap_or(Value::Null)));
        }
        self.meter.work(1)?;
        let out = self.step(of, fold, first);
        self.stack.truncate(depth);
        out
    }

    fn step(&mut self, of: &'a Loop, fold: &mut Fold<'a>, first: Value<'a>) -> Result<bool> {
        match of.kind {
            LoopKind::All | LoopKind::Exists => {
                let decisive = of.kind == LoopKind::Exists;
                self.meter.charge(condition(of.kind) + IDENT)?;
                match self.run(&of.body) {
                    Ok(Value::Bool(b)) if b == decisive => {
                        fold.decided = true;
                        return Ok(true);
                    }
                    Ok(Value::Bool(_)) => {}
                    Ok(_) => drop(fold.failure.get_or_insert(EvalError::NoSuchOverload)),
                    Err(error) if error.is_fatal() => return Err(error),
                    Err(error) => drop(fold.failure.get_or_insert(error)),
                }
            }
            LoopKind::ExistsOne => {
                let holds = self.holds(&of.body)?;
                self.meter.charge(if holds { IDENT + 1 } else { 0 })?;
                fold.count += u64::from(holds);
            }
            LoopKind::Filter => {
                let holds = self.holds(&of.body)?;
                // The item is read once more to be listed.
                self.meter.charge(if holds { APPEND + IDENT } else { 0 })?;
                if holds {
                    fold.items.push(first);
                }
            }
            _ => {
                if let Some(filter) = &of.filter
                    && !self.holds(filter)?
                {
                    return Ok(false);
                }
                let body = self.run(&of.body)?;
                self.gather(of.kind, fold, first, body)?;
            }
        }
        Ok(false)
    }

    fn gather(&mut self, kind: LoopKind, fold: &mut Fold<'a>, first: Value<'a>, body: Value<'a>) -> Result<()> {
        match kind {
            LoopKind::Map => {
                // The key variable is read for the insertion.
                self.meter.charge(INSERT + IDENT)?;
                super::insert(&mut fold.entries, &first, body)
            }
            LoopKind::MapEntry => {
                self.meter.charge(INSERT)?;
                let Value::Map(map) = body else { return Err(EvalError::NoSuchOverload) };
                self.meter.work_len(map.len())?;
                for key in map.keys() {
                    if let Some(value) = map.find(&key)? {
                        super::insert(&mut fold.entries, &key, value)?;
                    }
                }
                Ok(())
            }
            LoopKind::SortBy => {
                self.meter.charge(APPEND)?;
                fold.keys.push((body, first));
                Ok(())
            }
            _ => {
                self.meter.charge(APPEND)?;
                fold.items.push(body);
                Ok(())
            }
        }
    }

    fn holds(&mut self, e: &'a Expr) -> Result<bool> {
        match self.run(e)? {
            Value::Bool(b) => Ok(b),
            _ => Err(EvalError::NoSuchOverload),
        }
    }

    /// The result expression: reading the accumulator, for `exists_one` comparing it with 1.
    fn finish(&mut self, of: &'a Loop, fold: Fold<'a>) -> Result<Value<'a>> {
        self.meter.charge(if of.kind == LoopKind::ExistsOne { IDENT + 1 } else { IDENT })?;
        match of.kind {
            LoopKind::All | LoopKind::Exists => {
                let decisive = of.kind == LoopKind::Exists;
                match fold.failure {
                    _ if fold.decided => Ok(Value::Bool(decisive)),
                    Some(failure) => Err(failure),
                    None => Ok(Value::Bool(!decisive)),
                }
            }
            LoopKind::ExistsOne => Ok(Value::Bool(fold.count == 1)),
            LoopKind::Map | LoopKind::MapEntry => Ok(Value::Map(Map::Built(Arc::new(fold.entries)))),
            LoopKind::SortBy => self.sorted(fold.keys),
            LoopKind::List | LoopKind::Filter => Ok(Value::List(List::Built(Arc::new(fold.items)))),
        }
    }

    /// `@sortByAssociatedKeys`: the list and the list of keys are read, and compared each with each, as the price says.
    fn sorted(&mut self, mut keys: Vec<(Value<'a>, Value<'a>)>) -> Result<Value<'a>> {
        let list = List::Built(Arc::new(keys.iter().take(1).map(|(key, _)| key.clone()).collect()));
        self.meter.charge(2 * IDENT)?;
        self.meter.charge(crate::functions::price::self_compare(&list, keys.len()))?;
        let same = keys.windows(2).all(|w| matches!(w, [(a, _), (b, _)] if compare(a, b).is_some()));
        if !same || keys.first().is_some_and(|(k, _)| compare(k, k).is_none()) {
            return Err(EvalError::argument("list elements must have the same type"));
        }
        keys.sort_by(|(a, _), (b, _)| compare(a, b).unwrap_or(Ordering::Equal));
        Ok(Value::list(keys.into_iter().map(|(_, item)| item).collect()))
    }
}

fn condition(kind: LoopKind) -> u64 {
    match kind {
        LoopKind::All => ALL_CONDITION,
        LoopKind::Exists => EXISTS_CONDITION,
        _ => 0,
    }
}

/// What the turns gather.
#[derive(Default)]
struct Fold<'a> {
    decided: bool,
    failure: Option<EvalError>,
    count: u64,
    items: Vec<Value<'a>>,
    entries: BTreeMap<Key, Value<'a>>,
    keys: Vec<(Value<'a>, Value<'a>)>,
}
