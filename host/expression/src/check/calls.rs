//! Overloads and comprehensions.

use super::*;

impl Checker<'_> {
    pub(super) fn call(&mut self, e: &mut Expr) -> Type {
        let at = e.at;
        let Kind::Call(call) = &mut e.kind else { return Type::Error };
        let mut given: Vec<Type> = call.args.iter_mut().map(|arg| self.check(arg)).collect();
        let table = self.table;
        // Given `a.b.c()`, either `a.b.c` is a function, or `c` is one and `a.b` its receiver.
        if let Some(target) = &call.target
            && let Some(prefix) = target.qualified()
        {
            let name = format!("{prefix}.{}", call.function);
            if table.get(&name).is_some() {
                call.function = name.into();
                call.target = None;
            }
        }
        if let Some(target) = &mut call.target {
            let target = self.check(target);
            given.insert(0, target);
        }
        let member = call.target.is_some();
        let Some(function) = table.get(&call.function) else {
            let name = call.function.clone();
            return self.undeclared(at, &name);
        };
        let mut result: Option<Type> = None;
        let mut matching = Vec::new();
        for (n, overload) in function.overloads.iter().enumerate() {
            if overload.member != member {
                continue;
            }
            let mut letters = Vec::new();
            let wanted: Vec<Type> = overload.args.iter().map(|t| self.mapping.instantiate(t, &mut letters)).collect();
            let gives = self.mapping.instantiate(&overload.result, &mut letters);
            if !self.mapping.are_assignable(&given, &wanted) {
                continue;
            }
            matching.push(n);
            let gives = self.mapping.substitute(&gives, false);
            result = Some(match result {
                None => gives,
                Some(before) if is_dyn(&before) || before == gives => before,
                Some(_) => Type::Dyn,
            });
        }
        call.overloads = matching;
        match result {
            Some(result) => result,
            None => {
                let name = call.function.clone();
                self.no_overload(at, &name, &given, member)
            }
        }
    }

    /// Reports arguments that fit no overload: `(int, string)`, or `string.(int)` for a member.
    pub(super) fn no_overload(&mut self, at: u32, name: &str, given: &[Type], member: bool) -> Type {
        let told: Vec<String> = given.iter().map(|t| self.mapping.substitute(t, true).to_string()).collect();
        let signature = match told.split_first() {
            Some((target, args)) if member => format!("{target}.({})", args.join(", ")),
            _ => format!("({})", told.join(", ")),
        };
        self.issue(at, format!("found no matching overload for '{name}' applied to '{signature}'"));
        Type::Error
    }

    pub(super) fn in_loop(&mut self, at: u32, of: &mut Loop) -> Type {
        let range = self.check(&mut of.range);
        let range = self.mapping.substitute(&range, false);
        let two = of.var2.is_some();
        let (first, second) = match &range {
            Type::List(item) if two => (Type::Int, (**item).clone()),
            Type::List(item) => ((**item).clone(), Type::Error),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Dyn | Type::Error | Type::Param(_) => {
                self.mapping.is_assignable(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let message = format!("expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)");
                self.issue(of.range.at, message);
                (Type::Error, Type::Error)
            }
        };
        // `filter` and `sortBy` give items of their range: of a map, its keys.
        let item = first.clone();
        let depth = self.scope.len();
        self.scope.push((of.var.clone(), first.clone()));
        if let Some(name) = &of.var2 {
            self.scope.push((name.clone(), second));
        }
        if let Some(filter) = &mut of.filter {
            let ty = self.check(filter);
            self.want_bool(filter, &ty);
        }
        let body = self.check(&mut of.body);
        self.scope.truncate(depth);
        match of.kind {
            LoopKind::All | LoopKind::Exists => {
                self.want_bool(&of.body, &body);
                Type::Bool
            }
            LoopKind::ExistsOne => {
                self.want_bool(&of.body, &body);
                Type::Bool
            }
            LoopKind::Filter => {
                self.want_bool(&of.body, &body);
                Type::list(item)
            }
            LoopKind::List => Type::list(self.mapping.substitute(&body, false)),
            LoopKind::Map => Type::map(self.mapping.substitute(&item, false), self.mapping.substitute(&body, false)),
            LoopKind::MapEntry => {
                let wanted = Type::map(self.mapping.fresh(), self.mapping.fresh());
                if !self.mapping.is_assignable(&body, &wanted) {
                    return self.no_overload(of.body.at, "cel.@mapInsert", &[wanted, body], false);
                }
                self.mapping.substitute(&wanted, false)
            }
            LoopKind::SortBy => {
                let key = self.mapping.substitute(&body, false);
                let comparable = matches!(
                    key,
                    Type::Int
                        | Type::Uint
                        | Type::Double
                        | Type::Bool
                        | Type::Duration
                        | Type::Timestamp
                        | Type::String
                        | Type::Bytes
                        | Type::Dyn
                        | Type::Error
                        | Type::Param(_)
                );
                if !comparable || !matches!(range, Type::List(_) | Type::Dyn | Type::Error | Type::Param(_)) {
                    let given = [range, Type::list(key)];
                    return self.no_overload(at, "@sortByAssociatedKeys", &given, true);
                }
                range
            }
        }
    }

    fn want_bool(&mut self, e: &Expr, ty: &Type) {
        if !self.mapping.is_assignable(ty, &Type::Bool) {
            let ty = self.mapping.substitute(ty, true);
            self.mismatch(e.at, &Type::Bool, &ty);
        }
    }
}
