//! Definitions of Coracle's own kinds, written by hand.

use super::build::{Types, default, field as tagged, required};
use object::schema::{Field, Graph, List, ListKind, Scalar, Shape, TypeId};

/// Adds `dev.coracle.v1alpha1.*`. `ObjectMeta` must be in the graph already, else metadata is any JSON.
pub(super) fn add(graph: &mut Graph) {
    let mut types = Types { graph };
    let string = types.scalar(Scalar::String);
    let int32 = types.scalar(Scalar::Int32);
    let int64 = types.scalar(Scalar::Int64);
    let strings = types.anonymous(Shape::List(List { item: string, kind: ListKind::Set, merge: None }));
    let config = types.anonymous(Shape::Map { value: string, atomic: false });
    let admission = types.known("dev.coracle.v1alpha1.PluginAdmission");
    let spec = types.named(
        "dev.coracle.v1alpha1.WasmPluginSpec",
        "What to load, and what it may do.",
        vec![
            required(field("world", string, "World of the plugin contract that the component implements: scheduler.")),
            field("image", string, "OCI reference of the component. Either image or path is set."),
            field("path", string, "File on the server, below the data directory's plugins folder."),
            field("extensionPoints", strings, "Where the plugin is called: filter, score."),
            default(
                field("failurePolicy", string, "What a trap or timeout means: Fail refuses, Ignore goes on without the plugin."),
                "Fail",
            ),
            default(field("timeoutMilliseconds", int32, "How long one call may take."), 100),
            default(field("memoryMiB", int32, "How much memory one instance may use."), 16),
            default(field("scoreWeight", int32, "Factor of the plugin's scores."), 1),
            field("admission", admission, "Which requests a plugin of world admission is asked about."),
            field("config", config, "Handed to the plugin as it is."),
            field("grants", strings, "What the plugin may import beside its world. What it imports and was not granted fails at load."),
        ],
    );
    let status = types.named(
        "dev.coracle.v1alpha1.WasmPluginStatus",
        "What became of it.",
        vec![
            field("phase", string, "Loading, Ready or Failed."),
            field("message", string, "Why it is in this phase."),
            field("observedGeneration", int64, "Generation of the spec that this status tells of."),
            field("calls", int64, "Calls since it was loaded."),
            field("traps", int64, "Calls that trapped."),
            field("timeouts", int64, "Calls that took too long."),
        ],
    );
    let metadata = types.known("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    types.named(
        "dev.coracle.v1alpha1.WasmPlugin",
        "A sandboxed WebAssembly component that extends the cluster.",
        vec![
            field("apiVersion", string, "Version of this object's schema."),
            field("kind", string, "Kind of this object."),
            field("metadata", metadata, "Standard metadata."),
            required(field("spec", spec, "What to load, and what it may do.")),
            field("status", status, "What became of it."),
        ],
    );
}

/// Coracle's own kinds have no protobuf form.
fn field(name: &str, ty: TypeId, description: &str) -> Field {
    tagged(name, 0, ty, description)
}
