//! Assignability with type variables: cel-go `checker/types.go`. Bindings are kept in a journal, so that a failed attempt
//! is undone instead of copied beforehand.

use super::*;
use std::collections::HashMap;

/// What type variables stand for.
#[derive(Default)]
pub(crate) struct Mapping {
    bound: HashMap<u32, Type>,
    journal: Vec<(u32, Option<Type>)>,
    next: u32,
}

impl Mapping {
    /// A type variable of its own.
    pub fn fresh(&mut self) -> Type {
        let id = FIRST_FREE.saturating_add(self.next);
        self.next = self.next.saturating_add(1);
        Type::Param(id)
    }

    /// Whether a value of type `from` can stand where `to` is wanted; binds variables only if so.
    pub fn is_assignable(&mut self, from: &Type, to: &Type) -> bool {
        self.attempt(|m| m.assign(from, to))
    }

    pub fn are_assignable(&mut self, from: &[Type], to: &[Type]) -> bool {
        from.len() == to.len() && self.attempt(|m| from.iter().zip(to).all(|(a, b)| m.assign(a, b)))
    }

    /// Replaces bound variables; free ones by `dyn` when `to_dyn`.
    pub fn substitute(&self, ty: &Type, to_dyn: bool) -> Type {
        let again = |t: &Arc<Type>| Arc::new(self.substitute(t, to_dyn));
        match self.root(ty) {
            Type::Param(_) if to_dyn => Type::Dyn,
            Type::List(item) => Type::List(again(item)),
            Type::Map(key, value) => Type::Map(again(key), again(value)),
            Type::Optional(of) => Type::Optional(again(of)),
            Type::Type(Some(of)) => Type::Type(Some(again(of))),
            other => other.clone(),
        }
    }

    /// A declared type with its letters replaced by variables of this call.
    pub fn instantiate(&mut self, ty: &Type, letters: &mut Vec<(u32, Type)>) -> Type {
        match ty {
            Type::Param(letter) => {
                if let Some((_, var)) = letters.iter().find(|(l, _)| l == letter) {
                    return var.clone();
                }
                let var = self.fresh();
                letters.push((*letter, var.clone()));
                var
            }
            Type::List(item) => Type::list(self.instantiate(item, letters)),
            Type::Map(key, value) => {
                let key = self.instantiate(key, letters);
                Type::map(key, self.instantiate(value, letters))
            }
            Type::Optional(of) => Type::optional(self.instantiate(of, letters)),
            Type::Type(Some(of)) => Type::Type(Some(Arc::new(self.instantiate(of, letters)))),
            other => other.clone(),
        }
    }

    fn attempt(&mut self, step: impl FnOnce(&mut Self) -> bool) -> bool {
        self.journal.clear();
        let worked = step(self);
        while !worked && let Some((id, before)) = self.journal.pop() {
            match before {
                Some(before) => self.bound.insert(id, before),
                None => self.bound.remove(&id),
            };
        }
        worked
    }

    fn bind(&mut self, id: u32, ty: Type) {
        let before = self.bound.insert(id, ty);
        self.journal.push((id, before));
    }

    /// The end of a chain of variables: a type, or a free variable.
    fn root<'t>(&'t self, mut ty: &'t Type) -> &'t Type {
        while let Type::Param(id) = ty
            && let Some(bound) = self.bound.get(id)
        {
            ty = bound;
        }
        ty
    }

    fn assign(&mut self, from: &Type, to: &Type) -> bool {
        if let Type::Param(id) = to {
            let (valid, had) = self.bind_or_agree(from, *id);
            if valid || had {
                return valid;
            }
        }
        if let Type::Param(id) = from {
            return self.bind_or_agree(to, *id).0;
        }
        if is_dyn(from) || is_dyn(to) {
            return true;
        }
        match (from, to) {
            (Type::Null, other) | (other, Type::Null) => {
                matches!(other, Type::Null | Type::Object(_) | Type::Duration | Type::Timestamp | Type::Optional(_) | Type::Opaque(_))
            }
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => self.assign(a, b),
            (Type::Map(a, b), Type::Map(c, d)) => self.assign(a, c) && self.assign(b, d),
            (Type::Type(_), Type::Type(_)) => true,
            (a, b) => a == b,
        }
    }

    /// Whether `ty` may stand for the variable, and whether that was bound before.
    fn bind_or_agree(&mut self, ty: &Type, id: u32) -> (bool, bool) {
        let variable = Type::Param(id);
        if *ty == variable {
            return (true, true);
        }
        let end = self.root(&variable).clone();
        if end == *self.root(ty) {
            return (true, true);
        }
        let Type::Param(free) = end else {
            if !self.assign(ty, &end) {
                return (false, true);
            }
            let general = most_general(ty, &end).clone();
            if !self.occurs(id, &general) {
                self.bind(id, general);
            }
            return (true, true);
        };
        if self.occurs(free, ty) {
            return (false, false);
        }
        self.bind(free, ty.clone());
        (true, false)
    }

    fn occurs(&self, id: u32, ty: &Type) -> bool {
        match self.root(ty) {
            Type::Param(other) => *other == id,
            Type::List(a) | Type::Optional(a) | Type::Type(Some(a)) => self.occurs(id, a),
            Type::Map(a, b) => self.occurs(id, a) || self.occurs(id, b),
            _ => false,
        }
    }
}

/// `dyn`, or already reported as wrong.
pub(crate) fn is_dyn(ty: &Type) -> bool {
    matches!(ty, Type::Dyn | Type::Error)
}

/// The more general of two types that unify.
pub(crate) fn most_general<'t>(a: &'t Type, b: &'t Type) -> &'t Type {
    if is_less_specific(a, b) { a } else { b }
}

fn is_less_specific(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Dyn | Type::Param(_), _) => true,
        (_, Type::Dyn | Type::Param(_)) => false,
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => is_less_specific(a, b),
        (Type::Map(a, b), Type::Map(c, d)) => is_less_specific(a, c) && is_less_specific(b, d),
        (Type::Type(_), Type::Type(_)) => true,
        (a, b) => a == b,
    }
}
