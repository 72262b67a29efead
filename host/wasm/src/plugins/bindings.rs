//! What `bindgen!` makes of `wit/`. The exported interfaces are looked up one by one: a component may have a part of its world.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "all",
    imports: {
        "coracle:plugin/api": async,
        "coracle:plugin/state": async,
        "coracle:plugin/secrets": async,
    },
    exports: { default: async },
    require_store_data_send: true,
});
