//! Group coracle.dev: what Coracle adds to Kubernetes. Its definitions stand in `graph/coracle.rs`.

use super::row;
use crate::columns::wasm_plugin;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![
        row("coracle.dev", "v1alpha1", "WasmPlugin", "wasmplugins")
            .definition("dev.coracle.v1alpha1.WasmPlugin")
            .cluster()
            .short(&["wp"])
            .generation()
            .status()
            .name_column()
            .show("World", "string", "Which world of the plugin contract it implements.", wasm_plugin::world)
            .show("Ready", "string", "Whether it is called now.", wasm_plugin::ready)
            .show("Phase", "string", "Loading, Ready or Failed.", wasm_plugin::phase)
            .age_column()
            .wide("Source", "string", "Where the component is loaded from.", wasm_plugin::source)
            .wide("Digest", "string", "Digest of the image or of the component.", wasm_plugin::digest)
            .wide("Calls", "integer", "Calls since it was loaded.", wasm_plugin::calls)
            .wide("Failures", "integer", "Calls that failed, traps and timeouts among them.", wasm_plugin::failures)
            .wide("Traps", "integer", "Calls that trapped.", wasm_plugin::traps)
            .wide("Timeouts", "integer", "Calls that took too long.", wasm_plugin::timeouts)
            .wide("P99", "string", "99 of 100 good calls took at most this.", wasm_plugin::p99)
            .wide("Memory", "string", "Memory of the instances that are kept.", wasm_plugin::memory)
            .wide("Message", "string", "Why it is in this phase.", wasm_plugin::message)
            .sample(
                r#"{"apiVersion":"coracle.dev/v1alpha1","kind":"WasmPlugin","metadata":{"name":"sample"},"spec":{"world":"scheduler","path":"sample.wasm","scheduler":{"extensionPoints":["filter"]}}}"#,
            ),
    ]
}
