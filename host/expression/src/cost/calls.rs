//! Estimates of calls: cel-go `checker/cost.go` (functionCost), `apiserver/pkg/cel/library/cost.go` (EstimateCallCost),
//! `ext/lists.go` and `ext/sets.go`.

use super::*;

const TEXT: f64 = 0.1;
const PATTERN: f64 = 0.25;
/// A long pattern of a named format (`MaxNameFormatRegexSize`).
const FORMAT_PATTERN: f64 = 128.0;

/// What a call adds to its arguments, and the size of what it gives.
type Priced = (Estimate, Option<Size>);

pub(super) fn allocating(factor: f64, size: Size) -> Estimate {
    size.cost(factor).plus(Estimate::fixed(1 + LIST))
}

impl<'a> Coster<'a> {
    pub(super) fn call(&mut self, e: &'a Expr, call: &'a Call) -> Estimate {
        let name = call.function.as_ref();
        if name == "dyn"
            && let [arg] = call.args.as_slice()
        {
            let cost = self.cost(arg);
            if let Some(size) = self.size_known(arg) {
                self.known.insert(e.id, size);
            }
            if let Some(entries) = self.entries_of(arg) {
                self.entries.insert(e.id, entries);
            }
            return cost.plus(Estimate::fixed(1));
        }
        let parts: Vec<&'a Expr> = call.target.iter().chain(&call.args).collect();
        let paid = parts.iter().fold(Estimate::default(), |sum, part| sum.plus(self.cost(part)));
        let Some(function) = self.table.get(name) else { return paid };
        if let Some(cost) = function.cost {
            return paid.plus(Estimate::fixed(cost));
        }
        // A range that covers all overloads which may apply.
        let mut priced: Option<Priced> = None;
        for n in &call.overloads {
            let Some(overload) = function.overloads.get(*n) else { continue };
            let (cost, size) = self.priced(e, name, &overload.args, &parts);
            priced = Some(match priced {
                None => (cost, size),
                Some((before, known)) => {
                    let size = match (known, size) {
                        (Some(a), Some(b)) => Some(a.union(b)),
                        (a, b) => a.or(b),
                    };
                    (before.union(cost), size)
                }
            });
        }
        let (cost, size) = priced.unwrap_or_default();
        if let Some(size) = size {
            self.known.insert(e.id, size);
        }
        paid.plus(cost)
    }

    fn priced(&mut self, e: &'a Expr, name: &str, types: &[Type], parts: &[&'a Expr]) -> Priced {
        let size = |n: usize| parts.get(n).map_or(Size::UNKNOWN, |part| self.size(part));
        let takes = |n: usize, ty: Type| types.get(n) == Some(&ty);
        let texts = takes(0, Type::String) || takes(0, Type::Bytes);
        let one = Estimate::fixed(1);
        let plain = |cost: Estimate| (cost, None);
        match name {
            "_[_]" | "_[?_]" => self.index(e, name, parts),
            "_+_" if texts => {
                let sum = size(0).plus(size(1));
                (sum.cost(TEXT), Some(sum))
            }
            "_+_" if matches!(types.first(), Some(Type::List(_))) => {
                let sum = size(0).plus(size(1));
                if let (Some(a), Some(b)) = (parts.first().and_then(|p| self.entries_of(p)), parts.get(1).and_then(|p| self.entries_of(p)))
                {
                    self.entries.insert(e.id, union(a, b));
                }
                (one, Some(sum))
            }
            "_==_" | "_!=_" => plain(self.equality(name, parts, size(0), size(1))),
            "_<_" | "_<=_" | "_>_" | "_>=_" if texts => plain(compared(size(0), size(1))),
            "@in" if matches!(types.get(1), Some(Type::List(_))) => plain(size(1).cost(1.0)),
            "startsWith" | "endsWith" => plain(size(1).cost(TEXT)),
            "format" => plain(size(0).cost(TEXT)),
            "bytes" if takes(0, Type::String) => {
                let of = size(0);
                (of.cost(TEXT), Some(Size { min: of.min, max: of.max.saturating_mul(4) }))
            }
            "string" if takes(0, Type::Bytes) => {
                let of = size(0);
                (of.cost(TEXT), Some(Size { min: of.min / 4, max: of.max }))
            }
            "strings.quote" => {
                let of = size(0);
                let quoted = Size { min: of.min.saturating_add(2), max: of.max.saturating_mul(2).saturating_add(2) };
                (of.cost(TEXT), Some(quoted))
            }
            "contains" => plain(size(0).cost(TEXT).times(size(1).cost(TEXT))),
            "matches" | "find" | "findAll" => {
                let cost = size(0).plus(Size::fixed(1)).cost(TEXT).times(size(1).cost(PATTERN));
                (cost, (name != "matches").then(|| Size { min: 0, max: size(0).max }))
            }
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes" => plain(self.traversal(name, parts, size(0))),
            "url" | "jsonpatch.escapeKey" | "lowerAscii" | "upperAscii" | "substring" | "trim" => (size(0).cost(TEXT), Some(size(0))),
            "replace" => (size(0).cost(2.0 * TEXT), Some(replaced(size(0), size(1), size(2)))),
            "split" => {
                let limit = literal_int(parts.get(2).copied());
                (size(0).cost(2.0 * TEXT), Some(Size { min: 0, max: limit.unwrap_or(size(0).max) }))
            }
            "join" => {
                let list = size(0);
                let mut joined = parts.first().map_or(Size::UNKNOWN, |part| list.times(self.item_size(part)));
                if parts.len() > 1 {
                    let between = Size { min: list.min.saturating_sub(1), max: list.max.saturating_sub(1) };
                    joined = joined.plus(size(1).times(between));
                }
                (joined.cost(TEXT), Some(joined))
            }
            "cidr" | "isIP" | "isCIDR" | "quantity" | "isQuantity" | "semver" | "isSemver" => plain(size(0).cost(TEXT)),
            "ip" if takes(0, Type::String) => plain(size(0).cost(TEXT)),
            "ip.isCanonical" => plain(size(0).cost(2.0 * TEXT)),
            "containsIP" | "containsCIDR" => {
                let address = Size { min: 4, max: 16 };
                let mut cost = address.plus(address).cost(TEXT);
                if name == "containsCIDR" {
                    cost = cost.plus(address.cost(TEXT)).plus(one);
                }
                if takes(1, Type::String) {
                    cost = cost.plus(size(1).cost(TEXT));
                }
                plain(cost)
            }
            "validate" => {
                let text = size(1).cost(TEXT);
                plain(Size { min: text.min, max: text.max }.cost(FORMAT_PATTERN * PATTERN))
            }
            "slice" => {
                let (from, to) = (literal_int(parts.get(1).copied()), literal_int(parts.get(2).copied()));
                let cut = Size::fixed(to.unwrap_or(size(0).max).saturating_sub(from.unwrap_or(0)));
                (allocating(1.0, cut), Some(cut))
            }
            "lists.range" => {
                let count = Size::fixed(literal_int(parts.first().copied()).unwrap_or(u64::MAX));
                (allocating(1.0, count), Some(count))
            }
            "reverse" => (allocating(1.0, size(0)), Some(size(0))),
            "flatten" => {
                let depth = if parts.len() > 1 { literal_int(parts.get(1).copied()).unwrap_or(u64::MAX) } else { 1 };
                (allocating(depth as f64, size(0)), Some(size(0)))
            }
            "distinct" => (allocating(2.0, size(0).times(size(0))), Some(size(0))),
            "sort" => {
                let texts = types.first().is_some_and(|t| *t == Type::list(Type::String) || *t == Type::list(Type::Bytes));
                (allocating(if texts { 2.0 + TEXT } else { 2.0 }, size(0).times(size(0))), Some(size(0)))
            }
            "sets.contains" | "sets.intersects" => plain(size(0).times(size(1)).cost(1.0).plus(one)),
            "sets.equivalent" => plain(size(0).times(size(1)).cost(2.0).plus(one)),
            _ => plain(one),
        }
    }

    /// An item's size, and its place in the declared data.
    fn index(&mut self, e: &'a Expr, name: &str, parts: &[&'a Expr]) -> Priced {
        let Some(of) = parts.first() else { return (Estimate::fixed(1), None) };
        // Only an index into a list or map itself is a step of a path.
        if name == "_[_]" && !matches!(self.type_of(of), Type::Optional(_)) {
            let below = self.below(of, |decl| decl.item().or_else(|| decl.value()));
            self.places.insert(e.id, below);
        }
        let known = self.entries_of(of).map(|entries| entries.value);
        (Estimate::fixed(1), known.or_else(|| self.size_known(e)))
    }

    fn equality(&self, name: &str, parts: &[&Expr], left: Size, right: Size) -> Estimate {
        let opaque = |n: usize| matches!(parts.get(n).map(|p| self.type_of(p)), Some(Type::Opaque(_)));
        if name == "_==_" && opaque(0) && opaque(1) {
            return Estimate::fixed(1);
        }
        compared(left, right)
    }

    /// Once over a list, with its texts; or over a text.
    fn traversal(&self, name: &str, parts: &[&Expr], size: Size) -> Estimate {
        let of = parts.first().map(|p| self.type_of(p));
        match of {
            Some(Type::List(item)) => {
                let mut each = Estimate::fixed(1);
                if matches!(**item, Type::String | Type::Bytes)
                    && let Some(list) = parts.first()
                {
                    each = each.plus(self.item_size(list).cost(TEXT));
                }
                Estimate { min: size.min, max: size.max }.times(each)
            }
            _ if name == "includes" => Estimate { min: size.min, max: size.max },
            _ => size.cost(TEXT),
        }
    }

    /// Of the items of declared data; what an expression makes is not known by its items here.
    fn item_size(&self, list: &Expr) -> Size {
        match self.places.get(&list.id) {
            Some(Place::At(list)) => list.item().map_or(Size::UNKNOWN, |item| Size { min: 0, max: item.max }),
            _ => Size::UNKNOWN,
        }
    }
}

/// Of two texts, or two scalars: the shorter decides.
fn compared(left: Size, right: Size) -> Estimate {
    let max = left.max.min(right.max);
    Size { min: u64::from(max > 0), max }.cost(TEXT)
}

/// The range of lengths of `text.replace(old, new)`.
fn replaced(text: Size, old: Size, new: Size) -> Size {
    let ratio = |a: u64, b: u64| (a as f64 / b as f64).ceil() as u64;
    let (count_max, kept_max) = if old.min == 0 {
        (text.max.saturating_add(1), text.max)
    } else if new.max <= old.min {
        (0, text.max)
    } else {
        (ratio(text.max, old.min), 0)
    };
    let (count_min, kept_min) = if old.max == 0 {
        (text.min.saturating_add(1), text.min)
    } else if old.max <= new.min {
        (0, text.min)
    } else {
        (ratio(text.min, old.max), 0)
    };
    Size { min: count_min, max: count_max }.times(new).plus(Size { min: kept_min, max: kept_max })
}

fn literal_int(e: Option<&Expr>) -> Option<u64> {
    match e.map(|e| &e.kind) {
        Some(Kind::Literal(Literal::Int(n))) => Some(u64::try_from(*n).unwrap_or(0)),
        _ => None,
    }
}
