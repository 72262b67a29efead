//! Types and references of a tree: cel-go `checker/checker.go`, with the options of Kubernetes' base environment
//! (homogeneous literals, literal patterns, durations and timestamps checked at compile time).

mod calls;
mod literals;

use crate::declare::Declarations;
use crate::error::Issue;
use crate::functions::Table;
use crate::syntax::ast::*;
use crate::types::{Mapping, Type, is_dyn, most_general};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The outcome: the tree is rewritten in place (names to slots and types, patterns compiled).
pub(crate) struct Checked {
    /// By expression id.
    pub types: Vec<Type>,
    /// Names of the variables referred to.
    pub used: BTreeSet<Arc<str>>,
}

pub(crate) fn check(tree: &mut Expr, ids: u32, declarations: &Declarations, table: &Table) -> Result<Checked, Vec<Issue>> {
    let scope = declarations.variables.iter().map(|(name, decl)| (name.clone(), decl.ty.clone())).collect();
    let types = vec![Type::Error; usize::try_from(ids).unwrap_or(0)];
    let mut checker = Checker { table, declarations, scope, mapping: Mapping::default(), types, used: BTreeSet::new(), issues: Vec::new() };
    checker.check(tree);
    for ty in &mut checker.types {
        *ty = checker.mapping.substitute(ty, true);
    }
    if checker.issues.is_empty() {
        literals::validate(tree, &checker.types, false, &mut checker.issues);
    }
    if checker.issues.is_empty() { Ok(Checked { types: checker.types, used: checker.used }) } else { Err(checker.issues) }
}

struct Checker<'a> {
    table: &'a Table,
    declarations: &'a Declarations,
    /// Variables in sight, the innermost last: their places are the slots at run time.
    scope: Vec<(Arc<str>, Type)>,
    mapping: Mapping,
    types: Vec<Type>,
    used: BTreeSet<Arc<str>>,
    issues: Vec<Issue>,
}

impl Checker<'_> {
    /// Checks an expression and everything below it, and gives its type.
    fn check(&mut self, e: &mut Expr) -> Type {
        let mut ty = match &mut e.kind {
            Kind::Literal(literal) => literal_type(literal),
            Kind::Ident(_) => self.ident(e),
            Kind::Slot(_) | Kind::TypeName(_) | Kind::Constant(_) => self.type_of(e),
            Kind::Select(_) => self.select(e),
            Kind::Call(_) => self.call(e),
            Kind::And(_) | Kind::Or(_) => self.logical(e),
            Kind::Conditional(parts) => self.conditional(e.at, parts),
            Kind::List(elements) => self.list(elements),
            Kind::Map(entries) => self.map(entries),
            Kind::Struct(of) => self.construct(e.at, of),
            Kind::Loop(of) => self.in_loop(e.at, of),
            Kind::OptMap(of) => self.opt_map(of),
        };
        if ty.is_too_large() {
            self.issue(e.at, "type of the expression is too complex".to_owned());
            ty = Type::Error;
        }
        if let Some(place) = self.types.get_mut(e.id as usize) {
            *place = ty.clone();
        }
        ty
    }

    fn type_of(&self, e: &Expr) -> Type {
        self.types.get(e.id as usize).cloned().unwrap_or(Type::Error)
    }
    fn issue(&mut self, at: u32, message: String) {
        self.issues.push(Issue::new(at as usize, message));
    }
    fn mismatch(&mut self, at: u32, wanted: &Type, got: &Type) {
        self.issue(at, format!("expected type '{wanted}' but found '{got}'"));
    }
    fn undeclared(&mut self, at: u32, name: &str) -> Type {
        self.issue(at, format!("undeclared reference to '{name}' (in container '')"));
        Type::Error
    }

    fn ident(&mut self, e: &mut Expr) -> Type {
        let Kind::Ident(name) = &e.kind else { return Type::Error };
        let name = name.clone();
        if let Some((kind, ty)) = self.resolve(&name) {
            e.kind = kind;
            return ty;
        }
        self.undeclared(e.at, &name)
    }

    /// A variable or the name of a type.
    fn resolve(&mut self, name: &str) -> Option<(Kind, Type)> {
        if let Some(slot) = self.scope.iter().rposition(|(n, _)| n.as_ref() == name) {
            let (name, ty) = self.scope.get(slot)?.clone();
            if slot < self.declarations.variables.len() {
                self.used.insert(name);
            }
            return Some((Kind::Slot(slot), ty));
        }
        let ty = type_named(name).or_else(|| self.declarations.types.get(name).map(|t| Type::Object(t.clone())))?;
        Some((Kind::TypeName(ty.clone()), Type::Type(Some(Arc::new(ty)))))
    }

    fn select(&mut self, e: &mut Expr) -> Type {
        let qualified = e.qualified().filter(|name| name.contains('.'));
        if let Some((kind, ty)) = qualified.and_then(|name| self.resolve(&name)) {
            e.kind = kind;
            return ty;
        }
        let Kind::Select(select) = &mut e.kind else { return Type::Error };
        let (field, optional, test) = (select.field.clone(), select.optional, select.test);
        let operand = self.check(&mut select.operand);
        let operand = self.mapping.substitute(&operand, false);
        let (target, was_optional) = operand.unwrap_optional();
        let result = match target {
            Type::Map(_, value) => (**value).clone(),
            Type::Object(object) => match object.field(&field) {
                Some(found) => found.decl.ty.clone(),
                None => {
                    self.issue(e.at, format!("undefined field '{field}'"));
                    Type::Error
                }
            },
            Type::Param(_) => {
                let target = target.clone();
                self.mapping.is_assignable(&Type::Dyn, &target);
                Type::Dyn
            }
            other => {
                if !is_dyn(other) {
                    self.issue(e.at, format!("type '{other}' does not support field selection"));
                }
                Type::Dyn
            }
        };
        match (test, was_optional || optional) {
            (true, _) => Type::Bool,
            (_, true) => Type::optional(result),
            _ => self.mapping.substitute(&result, false),
        }
    }

    fn logical(&mut self, e: &mut Expr) -> Type {
        let (Kind::And(terms) | Kind::Or(terms)) = &mut e.kind else { return Type::Error };
        let mut out = Type::Bool;
        for term in terms {
            let ty = self.check(term);
            if !self.mapping.is_assignable(&ty, &Type::Bool) {
                let ty = self.mapping.substitute(&ty, true);
                self.mismatch(term.at, &Type::Bool, &ty);
                out = Type::Error;
            }
        }
        out
    }

    fn conditional(&mut self, at: u32, parts: &mut [Expr; 3]) -> Type {
        let [condition, then, otherwise] = parts;
        let given = [self.check(condition), self.check(then), self.check(otherwise)];
        let result = self.mapping.fresh();
        if self.mapping.are_assignable(&given, &[Type::Bool, result.clone(), result.clone()]) {
            return self.mapping.substitute(&result, false);
        }
        self.no_overload(at, "_?_:_", &given, false)
    }

    fn list(&mut self, elements: &mut [Element]) -> Type {
        let mut item = None;
        for element in elements {
            let ty = self.check(&mut element.value);
            let ty = self.unwrap_element(element.optional, &element.value, ty);
            item = Some(self.join(item, ty));
        }
        Type::list(item.unwrap_or_else(|| self.mapping.fresh()))
    }

    fn map(&mut self, entries: &mut [Entry]) -> Type {
        let (mut key, mut value) = (None, None);
        for entry in entries {
            let ty = self.check(&mut entry.key);
            key = Some(self.join(key, ty));
            let ty = self.check(&mut entry.value);
            let ty = self.unwrap_element(entry.optional, &entry.value, ty);
            value = Some(self.join(value, ty));
        }
        match (key, value) {
            (Some(key), Some(value)) => Type::map(key, value),
            _ => Type::map(self.mapping.fresh(), self.mapping.fresh()),
        }
    }

    /// The type of an element marked `?`, which must be an optional.
    fn unwrap_element(&mut self, optional: bool, e: &Expr, ty: Type) -> Type {
        if !optional {
            return ty;
        }
        let ty = self.mapping.substitute(&ty, false);
        match ty.unwrap_optional() {
            (inner, true) => inner.clone(),
            (other, false) => {
                if !is_dyn(other) {
                    self.mismatch(e.at, &Type::optional(other.clone()), other);
                }
                other.clone()
            }
        }
    }

    /// The common type of a literal's elements. Whether they may differ is checked when all types are known.
    fn join(&mut self, previous: Option<Type>, current: Type) -> Type {
        let Some(previous) = previous else { return current };
        if self.mapping.is_assignable(&previous, &current) {
            return most_general(&previous, &current).clone();
        }
        Type::Dyn
    }

    fn construct(&mut self, at: u32, of: &mut Struct) -> Type {
        let Some(object) = self.declarations.types.get(&of.name).cloned() else {
            return self.undeclared(at, &of.name.clone());
        };
        for field in &mut of.fields {
            let ty = self.check(&mut field.value);
            let ty = self.unwrap_element(field.optional, &field.value, ty);
            let Some(declared) = object.field(&field.name) else {
                self.issue(field.at, format!("undefined field '{}'", field.name));
                continue;
            };
            let wanted = declared.decl.ty.clone();
            if !self.mapping.is_assignable(&wanted, &ty) {
                let ty = self.mapping.substitute(&ty, true);
                self.issue(field.at, format!("expected type of field '{}' is '{wanted}' but provided type is '{ty}'", field.name));
            }
        }
        Type::Object(object)
    }

    fn opt_map(&mut self, of: &mut OptMap) -> Type {
        let target = self.check(&mut of.target);
        let held = self.mapping.fresh();
        if !self.mapping.is_assignable(&target, &Type::optional(held.clone())) {
            self.no_overload(of.target.at, "hasValue", &[target], true);
        }
        let held = self.mapping.substitute(&held, false);
        self.scope.push((of.var.clone(), held));
        let body = self.check(&mut of.body);
        self.scope.pop();
        if !of.flat {
            return Type::optional(body);
        }
        let inner = self.mapping.fresh();
        if !self.mapping.is_assignable(&body, &Type::optional(inner)) {
            let none = Type::optional(Type::Dyn);
            return self.no_overload(of.body.at, "_?_:_", &[Type::Bool, body, none], false);
        }
        self.mapping.substitute(&body, false)
    }
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}

/// Types that can be named in an expression.
fn type_named(name: &str) -> Option<Type> {
    Some(match name {
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "null_type" => Type::Null,
        "list" => Type::list(Type::Dyn),
        "map" => Type::map(Type::Dyn, Type::Dyn),
        "type" => Type::Type(None),
        "dyn" => Type::Dyn,
        "optional_type" => Type::optional(Type::Dyn),
        "google.protobuf.Timestamp" => Type::Timestamp,
        "google.protobuf.Duration" => Type::Duration,
        crate::types::QUANTITY
        | crate::types::URL
        | crate::types::IP
        | crate::types::CIDR
        | crate::types::SEMVER
        | crate::types::FORMAT => Type::opaque(name),
        _ => return None,
    })
}
