//! Definitions of admission by plugins: `spec.admission` of a WasmPlugin, and PolicyGroup. Rules, selectors and conditions are
//! those of webhook configurations.

use super::build::{Types, default, field as tagged, required};
use object::schema::{Field, Graph, List, ListKind, Scalar, Shape, TypeId};

/// Adds `dev.coracle.v1alpha1.PluginAdmission` and `dev.coracle.v1alpha1.PolicyGroup`.
pub(super) fn add(graph: &mut Graph) {
    let mut types = Types { graph };
    let string = types.scalar(Scalar::String);
    let strings = types.anonymous(Shape::List(List { item: string, kind: ListKind::Set, merge: None }));
    let mut fields = matching(&mut types, string);
    fields.push(default(
        field("sideEffects", string, "None, NoneOnDryRun or Some: what has Some is not asked about dry runs, which are refused."),
        "None",
    ));
    fields.push(default(
        field("reinvocationPolicy", string, "IfNeeded: asked to mutate again when another plugin changed the object since. Never: once."),
        "Never",
    ));
    fields.push(field(
        "fields",
        strings,
        "Paths of the object and the old object that the plugin is told, such as spec.containers; all of it when empty. Always told: apiVersion, kind, and name, namespace, labels and annotations of the metadata.",
    ));
    types.named("dev.coracle.v1alpha1.PluginAdmission", "Which requests a plugin of world admission is asked about.", fields);

    let member = types.named(
        "dev.coracle.v1alpha1.PolicyGroupMember",
        "One policy of a group.",
        vec![required(field("plugin", string, "Name of a WasmPlugin of world admission. It needs no rules of its own."))],
    );
    let members = types.anonymous(Shape::Map { value: member, atomic: false });
    let mut fields = matching(&mut types, string);
    fields.extend([
        required(field("policies", members, "The policies by the names that the expression calls them.")),
        required(field(
            "expression",
            string,
            "When the request is allowed: calls of the policies joined by &&, || and !, such as a() && !b().",
        )),
        required(field(
            "message",
            string,
            "What a client is told whose request is denied. The messages of the policies stand in its causes.",
        )),
        default(
            field("failurePolicy", string, "What the failure of a policy means: Fail refuses, Ignore goes on without the group."),
            "Fail",
        ),
    ]);
    let spec = types.named("dev.coracle.v1alpha1.PolicyGroupSpec", "Which policies decide together, and about what.", fields);
    let metadata = types.known("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    types.named(
        "dev.coracle.v1alpha1.PolicyGroup",
        "Admission policies joined by a boolean expression.",
        vec![
            field("apiVersion", string, "Version of this object's schema."),
            field("kind", string, "Kind of this object."),
            field("metadata", metadata, "Standard metadata."),
            required(field("spec", spec, "Which policies decide together, and about what.")),
        ],
    );
}

/// What both have.
fn matching(types: &mut Types<'_>, string: TypeId) -> Vec<Field> {
    let boolean = types.scalar(Scalar::Boolean);
    let list = |types: &mut Types<'_>, item: &str| {
        let item = types.known(item);
        types.anonymous(Shape::List(List { item, kind: ListKind::Atomic, merge: None }))
    };
    let rules = list(types, "io.k8s.api.admissionregistration.v1.RuleWithOperations");
    let conditions = list(types, "io.k8s.api.admissionregistration.v1.MatchCondition");
    let selector = types.known("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector");
    vec![
        field("rules", rules, "Operations on resources that it is asked about; none when empty."),
        default(
            field("matchPolicy", string, "Equivalent: also requests of other versions of the resources. Exact: only those named."),
            "Equivalent",
        ),
        field("namespaceSelector", selector, "Namespaces of the objects; all when absent."),
        field("objectSelector", selector, "Labels of the object or the old object; all when absent."),
        field("matchConditions", conditions, "Expressions in CEL that must all hold."),
        default(
            field(
                "mode",
                string,
                "Enforce: a refusal refuses. Warn: it is a warning to the client. Audit: it is an event and an annotation in the log.",
            ),
            "Enforce",
        ),
        default(field("backgroundAudit", boolean, "Whether existing objects are looked at, too, and told of in policy reports."), false),
        field("severity", string, "Of its results in policy reports: critical, high, medium, low or info."),
        field("category", string, "Of its results in policy reports."),
    ]
}

/// Coracle's own kinds have no protobuf form.
fn field(name: &str, ty: TypeId, description: &str) -> Field {
    tagged(name, 0, ty, description)
}
