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
            .show("Phase", "string", "Loading, Ready or Failed.", wasm_plugin::phase)
            .age_column()
            .wide("Source", "string", "Image or file the component is loaded from.", wasm_plugin::source)
            .wide("Calls", "integer", "Calls since it was loaded.", wasm_plugin::calls)
            .wide("Traps", "integer", "Calls that trapped.", wasm_plugin::traps)
            .wide("Timeouts", "integer", "Calls that took too long.", wasm_plugin::timeouts)
            .wide("Message", "string", "Why it is in this phase.", wasm_plugin::message)
            .sample(
                r#"{"apiVersion":"coracle.dev/v1alpha1","kind":"WasmPlugin","metadata":{"name":"sample"},"spec":{"world":"scheduler","path":"sample.wasm","extensionPoints":["filter"]}}"#,
            ),
    ]
}
