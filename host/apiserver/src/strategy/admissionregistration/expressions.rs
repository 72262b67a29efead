//! Expressions of webhooks and policies are compiled when they are written, so that none is stored that cannot run: variables
//! of k8s.io/apiserver `pkg/admission/plugin/cel/compile.go`, functions of the authorizer of `pkg/cel/library/authz.go`.
//!
//! They are only compiled here; match conditions are evaluated in `admission/matching`.

use super::authorizer::{self, AUTHORIZER, RESOURCE_CHECK};
use crate::strategy::at::At;
use crate::strategy::read::text;
use expression::{CompileError, Decl, Declarations, Environment, Expected, Program, Type};
use object::Value;
use object::field::ErrorList;
use std::sync::{Arc, LazyLock};

/// What the place of an expression offers beside the objects and the request.
#[derive(Clone, Copy, Default)]
pub struct Offers {
    pub params: bool,
    pub authorizer: bool,
}

static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| Environment::kubernetes().with(authorizer::library()));
static BASE: LazyLock<Declarations> = LazyLock::new(|| {
    Declarations::new()
        .variable("object", Decl::of(Type::Dyn))
        .variable("oldObject", Decl::of(Type::Dyn))
        .variable("namespaceObject", namespace())
        .variable("request", request())
});

/// Compiles the expression of a field that has one; what is wrong is told as upstream does.
pub fn compile(
    tree: &Value,
    field: &str,
    declarations: &Declarations,
    types: &[Type],
    at: &At<'_>,
    errors: &mut ErrorList,
) -> Option<Program> {
    let expression = text(tree, field).trim();
    if expression.is_empty() {
        return None;
    }
    let at = at.child(field);
    match ENVIRONMENT.compile(expression, declarations, &Expected::Any) {
        Err(error @ CompileError::Issues { .. }) => at.invalid(errors, expression, &format!("compilation failed: {error}")),
        Err(error) => at.invalid(errors, expression, &error.to_string()),
        Ok(program) if types.is_empty() || types.contains(program.result()) => return Some(program),
        Ok(program) => {
            let told = match types {
                [one] => one.to_string(),
                several => format!(
                    "one of [{}]",
                    several
                        .iter()
                        .map(|ty| if *ty == Type::Null { "null_type".to_owned() } else { ty.to_string() })
                        .collect::<Vec<_>>()
                        .join(" ")
                ),
            };
            at.invalid(errors, expression, &format!("must evaluate to {told} but got {}", program.result()));
        }
    }
    None
}

pub fn declarations(offers: Offers) -> Declarations {
    let mut all = BASE.clone();
    if offers.params {
        all = all.variable("params", Decl::of(Type::Dyn));
    }
    if offers.authorizer {
        all = all
            .variable("authorizer", Decl::of(Type::opaque(AUTHORIZER)))
            .variable("authorizer.requestResource", Decl::of(Type::opaque(RESOURCE_CHECK)));
    }
    all
}

/// `variables`: of the types of the programs that make them.
pub fn variables<'v>(made: impl Iterator<Item = (&'v str, Option<Type>)>) -> Decl {
    Decl::object("kubernetes.variables", made.map(|(name, ty)| (Arc::from(name), Decl::of(ty.unwrap_or(Type::Dyn)))))
}

fn object(name: &str, fields: &[(&str, Type)]) -> Decl {
    Decl::object(name, fields.iter().map(|(name, ty)| (Arc::from(*name), Decl::of(ty.clone()))))
}

fn texts() -> Type {
    Type::list(Type::String)
}

/// `BuildRequestType`
fn request() -> Decl {
    use Type::{Bool, Dyn, String};
    let kind = object("kubernetes.GroupVersionKind", &[("group", String), ("version", String), ("kind", String)]).ty;
    let resource = object("kubernetes.GroupVersionResource", &[("group", String), ("version", String), ("resource", String)]).ty;
    let extra = Type::map(String, texts());
    let user = object("kubernetes.UserInfo", &[("username", String), ("uid", String), ("groups", texts()), ("extra", extra)]).ty;
    let fields = [
        ("kind", kind.clone()),
        ("resource", resource.clone()),
        ("subResource", String),
        ("requestKind", kind),
        ("requestResource", resource),
        ("requestSubResource", String),
        ("name", String),
        ("namespace", String),
        ("operation", String),
        ("userInfo", user),
        ("dryRun", Bool),
        ("options", Dyn),
    ];
    object("kubernetes.AdmissionRequest", &fields)
}

/// `BuildNamespaceType`
fn namespace() -> Decl {
    use Type::{Int, String, Timestamp};
    let words = Type::map(String, String);
    let meta = [
        ("name", String),
        ("generateName", String),
        ("namespace", String),
        ("labels", words.clone()),
        ("annotations", words),
        ("UID", String),
        ("creationTimestamp", Timestamp),
        ("deletionGracePeriodSeconds", Int),
        ("deletionTimestamp", Timestamp),
        ("generation", Int),
        ("resourceVersion", String),
        ("finalizers", texts()),
    ];
    let condition = [("status", String), ("type", String), ("lastTransitionTime", Timestamp), ("message", String), ("reason", String)];
    let conditions = Type::list(object("kubernetes.NamespaceCondition", &condition).ty);
    let fields = [
        ("metadata", object("kubernetes.NamespaceMetadata", &meta).ty),
        ("spec", object("kubernetes.NamespaceSpec", &[("finalizers", texts())]).ty),
        ("status", object("kubernetes.NamespaceStatus", &[("conditions", conditions), ("phase", String)]).ty),
    ];
    object("kubernetes.Namespace", &fields)
}
