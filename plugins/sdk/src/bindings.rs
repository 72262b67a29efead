//! What `wit-bindgen` makes of the contract. An exported interface has a module of its own, so that a plugin exports exactly what
//! it implements; what a module's world imports and a plugin does not use is not in its component.

/// What every plugin may import, and the types of the scheduler.
mod imports {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package coracle:sdk;
            world imports {
                include coracle:plugin/platform@1.1.0;
                import coracle:plugin/whole-pod@1.1.0;
                import coracle:plugin/schedule-types@1.1.0;
                import coracle:plugin/owner@1.1.0;
                import coracle:plugin/http-types@1.1.0;
                import coracle:plugin/admission-types@1.1.0;
            }",
        world: "coracle:sdk/imports",
        generate_unused_types: true,
        generate_all,
    });
}

pub use imports::coracle::plugin as platform;

pub mod node_table {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package coracle:sdk; world sdk-node-table { export coracle:plugin/node-table@1.1.0; }",
        world: "coracle:sdk/sdk-node-table",
        pub_export_macro: true,
        generate_all,
        with: { "coracle:plugin/schedule-types@1.1.0": crate::bindings::platform::schedule_types },
    });
}

pub mod filter {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package coracle:sdk; world sdk-filter { export coracle:plugin/filter@1.1.0; }",
        world: "coracle:sdk/sdk-filter",
        pub_export_macro: true,
        generate_all,
        with: { "coracle:plugin/schedule-types@1.1.0": crate::bindings::platform::schedule_types },
    });
}

pub mod score {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package coracle:sdk; world sdk-score { export coracle:plugin/score@1.1.0; }",
        world: "coracle:sdk/sdk-score",
        pub_export_macro: true,
        generate_all,
        with: { "coracle:plugin/schedule-types@1.1.0": crate::bindings::platform::schedule_types },
    });
}

/// The two are one world, because the keys of both are one type. `keys` is called only where `declare` says so.
pub mod reconcile {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package coracle:sdk;
            world sdk-controller {
                export coracle:plugin/reconcile@1.1.0;
                export coracle:plugin/reconcile-mapping@1.1.0;
            }",
        world: "coracle:sdk/sdk-controller",
        pub_export_macro: true,
        generate_all,
    });
}

pub mod adapt {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package coracle:sdk; world sdk-adapt { export coracle:plugin/adapt@1.1.0; }",
        world: "coracle:sdk/sdk-adapt",
        pub_export_macro: true,
        generate_all,
    });
}

pub mod on_request {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package coracle:sdk; world sdk-on-request { export coracle:plugin/on-request@1.1.0; }",
        world: "coracle:sdk/sdk-on-request",
        pub_export_macro: true,
        generate_all,
        with: { "coracle:plugin/http-types@1.1.0": crate::bindings::platform::http_types },
    });
}

pub mod on_response {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package coracle:sdk; world sdk-on-response { export coracle:plugin/on-response@1.1.0; }",
        world: "coracle:sdk/sdk-on-response",
        pub_export_macro: true,
        generate_all,
        with: { "coracle:plugin/http-types@1.1.0": crate::bindings::platform::http_types },
    });
}

pub mod validate {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package coracle:sdk; world sdk-validate { export coracle:plugin/validate@1.1.0; }",
        world: "coracle:sdk/sdk-validate",
        pub_export_macro: true,
        generate_all,
        with: { "coracle:plugin/admission-types@1.1.0": crate::bindings::platform::admission_types },
    });
}

pub mod mutate {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package coracle:sdk; world sdk-mutate { export coracle:plugin/mutate@1.1.0; }",
        world: "coracle:sdk/sdk-mutate",
        pub_export_macro: true,
        generate_all,
        with: { "coracle:plugin/admission-types@1.1.0": crate::bindings::platform::admission_types },
    });
}

pub mod settings {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package coracle:sdk; world sdk-settings { export coracle:plugin/settings@1.1.0; }",
        world: "coracle:sdk/sdk-settings",
        pub_export_macro: true,
        generate_all,
    });
}
