//! What `bindgen!` makes of `wit/`. The exported interfaces are looked up one by one: a world may have a part of them.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "scheduler",
    exports: { default: async },
    require_store_data_send: true,
});
