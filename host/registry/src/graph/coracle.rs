//! Definitions of Coracle's own kinds, written by hand. The block of each world is a file of its own.

mod controller;
mod scheduler;

use super::build::{Types, default, field as tagged, required};
use object::schema::{Field, Graph, List, ListKind, Scalar, Shape, TypeId};

/// Adds `dev.coracle.v1alpha1.*`. `ObjectMeta` must be in the graph already, else metadata is any JSON.
pub(super) fn add(graph: &mut Graph) {
    let mut types = Types { graph };
    let words = Words::new(&mut types);
    let spec = spec(&mut types, &words);
    let status = status(&mut types, &words);
    let metadata = types.known("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    types.named(
        "dev.coracle.v1alpha1.WasmPlugin",
        "A sandboxed WebAssembly component that extends the cluster.",
        vec![
            field("apiVersion", words.string, "Version of this object's schema."),
            field("kind", words.string, "Kind of this object."),
            field("metadata", metadata, "Standard metadata."),
            required(field("spec", spec, "What to load, and what it may do.")),
            field("status", status, "What became of it."),
        ],
    );
}

/// Types that definitions are made of.
struct Words {
    string: TypeId,
    boolean: TypeId,
    int32: TypeId,
    int64: TypeId,
    /// A set of texts.
    strings: TypeId,
    any: TypeId,
}

impl Words {
    fn new(types: &mut Types<'_>) -> Self {
        let string = types.scalar(Scalar::String);
        Self {
            string,
            boolean: types.scalar(Scalar::Boolean),
            int32: types.scalar(Scalar::Int32),
            int64: types.scalar(Scalar::Int64),
            strings: types.anonymous(Shape::List(List { item: string, kind: ListKind::Set, merge: None })),
            any: types.anonymous(Shape::Any),
        }
    }
}

/// A list whose items are known by `key`.
fn keyed(types: &mut Types<'_>, item: TypeId, key: &str) -> TypeId {
    types.anonymous(Shape::List(List { item, kind: ListKind::Map(vec![key.into()]), merge: None }))
}

fn spec(types: &mut Types<'_>, words: &Words) -> TypeId {
    let config_map = types.named(
        "dev.coracle.v1alpha1.ConfigMapComponent",
        "A component in the binaryData of a ConfigMap.",
        vec![
            required(field("namespace", words.string, "Namespace of the ConfigMap.")),
            required(field("name", words.string, "Name of the ConfigMap.")),
            required(field("key", words.string, "Key in its binaryData.")),
        ],
    );
    let limits = types.named(
        "dev.coracle.v1alpha1.WasmPluginLimits",
        "What the plugin may use.",
        vec![
            field(
                "timeoutMilliseconds",
                words.int32,
                "How long one call may take, waits in host calls included. Its default depends on the world.",
            ),
            field("memoryMiB", words.int32, "How much memory one instance may use. Its default depends on the world."),
            field("instances", words.int32, "How many instances may work at the same time. Its default depends on the world."),
        ],
    );
    let config = types.anonymous(Shape::Map { value: words.any, atomic: false });
    let secret = types.named(
        "dev.coracle.v1alpha1.LocalSecretReference",
        "A Secret by name.",
        vec![required(field("name", words.string, "Name of the Secret."))],
    );
    let secrets = keyed(types, secret, "name");
    let verification = types.named(
        "dev.coracle.v1alpha1.WasmPluginVerification",
        "Who must have signed the image.",
        vec![field("publicKeys", words.strings, "Public keys in PEM: a cosign signature by one of them is needed.")],
    );
    let grants = grants(types, words);
    let admission = types.known("dev.coracle.v1alpha1.PluginAdmission");
    let fields = vec![
        required(field("world", words.string, "World of the plugin contract that the component implements, e.g. scheduler.")),
        field("image", words.string, "OCI reference of the component, by tag or digest. One of image, path, inline and configMap is set."),
        field("path", words.string, "File on the server, below the data directory's plugins folder."),
        field("inline", words.string, "The component itself in base64, for small ones."),
        field("configMap", config_map, "The component in a ConfigMap, for small ones."),
        field("imagePullSecrets", secrets, "Secrets with credentials for the image, in the namespace of grants.serviceAccount."),
        field("verification", verification, "Who must have signed the image."),
        default(
            field("failurePolicy", words.string, "What a trap or timeout means: Fail refuses, Ignore goes on without the plugin."),
            "Fail",
        ),
        field("limits", limits, "What the plugin may use."),
        field("config", config, "Settings: texts are handed to the plugin as they are, other values as JSON."),
        field("grants", grants, "What the plugin may do beside what its world is for."),
        controller::block(types, words),
        scheduler::block(types, words),
        field("admission", admission, "Which requests a plugin of world admission is asked about."),
    ];
    types.named("dev.coracle.v1alpha1.WasmPluginSpec", "What to load, and what it may do.", fields)
}

fn grants(types: &mut Types<'_>, words: &Words) -> TypeId {
    let account = types.named(
        "dev.coracle.v1alpha1.ServiceAccountReference",
        "A service account.",
        vec![
            required(field("namespace", words.string, "Namespace of the service account.")),
            required(field("name", words.string, "Name of the service account.")),
        ],
    );
    let directory = types.named(
        "dev.coracle.v1alpha1.WasmPluginDirectory",
        "A directory of the plugin's own on the server.",
        vec![
            required(field("name", words.string, "Name of the directory below the plugin's own.")),
            required(field("mountPath", words.string, "Where the plugin sees it.")),
            field("readOnly", words.boolean, "Whether it may only be read."),
        ],
    );
    let directories = keyed(types, directory, "name");
    let secret = types.named(
        "dev.coracle.v1alpha1.WasmPluginSecret",
        "A key of a Secret that the plugin may read under a name.",
        vec![
            required(field("name", words.string, "What the plugin calls it.")),
            required(field("namespace", words.string, "Namespace of the Secret.")),
            required(field("secretName", words.string, "Name of the Secret.")),
            required(field("key", words.string, "Key in its data.")),
        ],
    );
    let secrets = keyed(types, secret, "name");
    types.named(
        "dev.coracle.v1alpha1.WasmPluginGrants",
        "What the plugin may do beside what its world is for.",
        vec![
            field("interfaces", words.strings, "What it may import beside its world: wasi:cli, wasi:filesystem, wasi:sockets, wasi:http."),
            field("hosts", words.strings, "Where it may connect to: host, *.host or address/prefix, each with or without :port."),
            field("directories", directories, "Directories of its own on the server."),
            field("serviceAccount", account, "Whose roles hold for its requests to the API."),
            field("secrets", secrets, "Secrets that it may read by name."),
        ],
    )
}

fn status(types: &mut Types<'_>, words: &Words) -> TypeId {
    let condition = types.known("io.k8s.apimachinery.pkg.apis.meta.v1.Condition");
    let conditions = keyed(types, condition, "type");
    let controller = controller::status(types, words);
    let server = types.named(
        "dev.coracle.v1alpha1.WasmPluginServerStatus",
        "What became of it on one server.",
        vec![
            field("phase", words.string, "Loading, Ready or Failed."),
            field("message", words.string, "Why it is in this phase, or how it failed last."),
            field("servingGeneration", words.int64, "Generation of the spec that is called there now."),
            field("digest", words.string, "Digest of the image, or of the component where there is no image."),
            field("calls", words.int64, "Calls since it was loaded."),
            field("failures", words.int64, "Calls that failed, traps and timeouts among them."),
            field("traps", words.int64, "Calls that trapped, or exceeded their memory."),
            field("timeouts", words.int64, "Calls that took too long."),
            field("p99Microseconds", words.int64, "99 of 100 good calls took at most this."),
            field("memoryKiB", words.int64, "Memory of the instances that are kept."),
            field("instances", words.int64, "Instances that are kept."),
        ],
    );
    let servers = types.anonymous(Shape::Map { value: server, atomic: false });
    types.named(
        "dev.coracle.v1alpha1.WasmPluginStatus",
        "What became of it.",
        vec![
            field("phase", words.string, "Loading, Ready or Failed."),
            field("message", words.string, "Why it is in this phase, or how it failed last."),
            field("conditions", conditions, "Pulled, Verified, Compiled and Ready."),
            field("observedGeneration", words.int64, "Generation of the spec that this status tells of."),
            field(
                "servingGeneration",
                words.int64,
                "Generation of the spec that is called now: an older one while the newest cannot be loaded.",
            ),
            field("digest", words.string, "Digest of the image, or of the component where there is no image."),
            field("world", words.string, "World that was found."),
            field("imports", words.strings, "Interfaces that the component imports, with their versions."),
            field("exports", words.strings, "Interfaces that the component exports, with their versions."),
            field("calls", words.int64, "Calls since it was loaded."),
            field("failures", words.int64, "Calls that failed, traps and timeouts among them."),
            field("traps", words.int64, "Calls that trapped, or exceeded their memory."),
            field("timeouts", words.int64, "Calls that took too long."),
            field("p99Microseconds", words.int64, "99 of 100 good calls took at most this."),
            field("memoryKiB", words.int64, "Memory of the instances that are kept."),
            field("instances", words.int64, "Instances that are kept."),
            field("servers", servers, "Its parts by server, where several share a store. Figures of the status are their sums."),
            controller,
        ],
    )
}

/// Coracle's own kinds have no protobuf form.
fn field(name: &str, ty: TypeId, description: &str) -> Field {
    tagged(name, 0, ty, description)
}
