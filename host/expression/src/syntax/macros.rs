//! Macros: cel-go `parser/macro.go`, `ext/comprehensions.go` (two variables), `cel/library.go` (optMap), `ext/lists.go`
//! (sortBy). A call whose name or number of arguments fits no macro stays a call.

use super::ast::*;
use super::parse::Parser;
use std::sync::Arc;

impl Parser<'_> {
    /// `has(x.y)`: anything but a selection is refused.
    pub(super) fn has(&mut self, at: u32, mut argument: Expr) -> Expr {
        argument.at = at;
        match &mut argument.kind {
            Kind::Select(select) if !select.optional && !select.test => select.test = true,
            _ => self.issue(at as usize, "invalid argument to has() macro"),
        }
        argument
    }

    /// The macro of a member call, or the arguments again.
    pub(super) fn member_macro(&mut self, at: u32, name: &str, target: Expr, args: Vec<Expr>) -> Result<Expr, (Expr, Vec<Expr>)> {
        use LoopKind::*;
        let (kind, vars, filter) = match (name, args.len()) {
            ("all", 2) => (All, 1, false),
            ("exists", 2) => (Exists, 1, false),
            ("exists_one" | "existsOne", 2) => (ExistsOne, 1, false),
            ("map", 2) => (List, 1, false),
            ("map", 3) => (List, 1, true),
            ("filter", 2) => (Filter, 1, false),
            ("sortBy", 2) => (SortBy, 1, false),
            ("all", 3) => (All, 2, false),
            ("exists", 3) => (Exists, 2, false),
            ("exists_one" | "existsOne", 3) => (ExistsOne, 2, false),
            ("transformList", 3) => (List, 2, false),
            ("transformList", 4) => (List, 2, true),
            ("transformMap", 3) => (Map, 2, false),
            ("transformMap", 4) => (Map, 2, true),
            ("transformMapEntry", 3) => (MapEntry, 2, false),
            ("transformMapEntry", 4) => (MapEntry, 2, true),
            ("optMap" | "optFlatMap", 2) => return Ok(self.opt_map(at, name, target, args)),
            _ => return Err((target, args)),
        };
        let mut args = args.into_iter();
        let var = self.variable(args.next());
        let var2 = (vars == 2).then(|| {
            let second = args.next();
            let place = second.as_ref().map_or(at, |e| e.at);
            let name = self.variable(second);
            if name == var {
                self.issue(place as usize, format!("duplicate variable name: {name}"));
            }
            name
        });
        let filter = if filter { args.next() } else { None };
        let Some(body) = args.next() else { return Ok(target) };
        Ok(self.node(at, Kind::Loop(Box::new(Loop { kind, range: target, var, var2, filter, body }))))
    }

    fn opt_map(&mut self, at: u32, name: &str, target: Expr, args: Vec<Expr>) -> Expr {
        let mut args = args.into_iter();
        let first = args.next();
        let var = match first.as_ref().map(|e| &e.kind) {
            Some(Kind::Ident(var)) => var.clone(),
            _ => {
                let place = first.as_ref().map_or(at, |e| e.at);
                self.issue(place as usize, format!("{name}() variable name must be a simple identifier"));
                Arc::from("_")
            }
        };
        let Some(body) = args.next() else { return target };
        self.node(at, Kind::OptMap(Box::new(OptMap { target, var, body, flat: name == "optFlatMap" })))
    }

    fn variable(&mut self, argument: Option<Expr>) -> Arc<str> {
        match argument {
            Some(Expr { kind: Kind::Ident(name), at, .. }) => {
                if matches!(name.as_ref(), "__result__" | "@result") {
                    self.issue(at as usize, "iteration variable overwrites accumulator variable");
                }
                name
            }
            other => {
                self.issue(other.map_or(0, |e| e.at as usize), "argument must be a simple name");
                Arc::from("_")
            }
        }
    }
}
