//! What `wit-bindgen` makes of the contract. An exported interface has a module of its own, so that a plugin exports exactly what
//! it implements; what a module's world imports and a plugin does not use is not in its component.

/// What every plugin may import, and the types that exported interfaces share.
mod imports {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package coracle:sdk;
            world imports {
                include coracle:plugin/platform@1.1.0;
                import coracle:plugin/whole-pod@1.1.0;
                import coracle:plugin/waiting-pods@1.1.0;
                import coracle:plugin/running-pods@1.1.0;
                import coracle:plugin/schedule-types@1.1.0;
                import coracle:plugin/owner@1.1.0;
                import coracle:plugin/http-types@1.1.0;
                import coracle:plugin/admission-types@1.1.0;
                import coracle:plugin/cloud-types@1.1.0;
            }",
        world: "coracle:sdk/imports",
        generate_unused_types: true,
        generate_all,
    });
}

pub use imports::coracle::plugin as platform;

/// A module with a world that exports what is said, and with shared types where [`platform`] has them.
macro_rules! exported {
    ($module:ident, $world:literal, $inline:literal $(, $interface:literal: $types:ident)*) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../../wit",
                inline: $inline,
                world: $world,
                pub_export_macro: true,
                generate_all,
                with: { $($interface: crate::bindings::platform::$types),* },
            });
        }
    };
}

exported!(
    node_table,
    "coracle:sdk/sdk-node-table",
    "package coracle:sdk; world sdk-node-table { export coracle:plugin/node-table@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    filter,
    "coracle:sdk/sdk-filter",
    "package coracle:sdk; world sdk-filter { export coracle:plugin/filter@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    score,
    "coracle:sdk/sdk-score",
    "package coracle:sdk; world sdk-score { export coracle:plugin/score@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    raw_score,
    "coracle:sdk/sdk-raw-score",
    "package coracle:sdk; world sdk-raw-score { export coracle:plugin/raw-score@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    score_normalize,
    "coracle:sdk/sdk-score-normalize",
    "package coracle:sdk; world sdk-score-normalize { export coracle:plugin/score-normalize@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    pre_enqueue,
    "coracle:sdk/sdk-pre-enqueue",
    "package coracle:sdk; world sdk-pre-enqueue { export coracle:plugin/pre-enqueue@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    queue_sort,
    "coracle:sdk/sdk-queue-sort",
    "package coracle:sdk; world sdk-queue-sort { export coracle:plugin/queue-sort@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    requeue,
    "coracle:sdk/sdk-requeue",
    "package coracle:sdk; world sdk-requeue { export coracle:plugin/requeue@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    pre_filter,
    "coracle:sdk/sdk-pre-filter",
    "package coracle:sdk; world sdk-pre-filter { export coracle:plugin/pre-filter@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    pre_filter_extensions,
    "coracle:sdk/sdk-pre-filter-extensions",
    "package coracle:sdk; world sdk-pre-filter-extensions { export coracle:plugin/pre-filter-extensions@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    post_filter,
    "coracle:sdk/sdk-post-filter",
    "package coracle:sdk; world sdk-post-filter { export coracle:plugin/post-filter@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    pre_score,
    "coracle:sdk/sdk-pre-score",
    "package coracle:sdk; world sdk-pre-score { export coracle:plugin/pre-score@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    reserve,
    "coracle:sdk/sdk-reserve",
    "package coracle:sdk; world sdk-reserve { export coracle:plugin/reserve@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    permit,
    "coracle:sdk/sdk-permit",
    "package coracle:sdk; world sdk-permit { export coracle:plugin/permit@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    pre_bind,
    "coracle:sdk/sdk-pre-bind",
    "package coracle:sdk; world sdk-pre-bind { export coracle:plugin/pre-bind@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    bind,
    "coracle:sdk/sdk-bind",
    "package coracle:sdk; world sdk-bind { export coracle:plugin/bind@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);
exported!(
    post_bind,
    "coracle:sdk/sdk-post-bind",
    "package coracle:sdk; world sdk-post-bind { export coracle:plugin/post-bind@1.1.0; }",
    "coracle:plugin/schedule-types@1.1.0": schedule_types
);

exported!(
    validate,
    "coracle:sdk/sdk-validate",
    "package coracle:sdk; world sdk-validate { export coracle:plugin/validate@1.1.0; }",
    "coracle:plugin/admission-types@1.1.0": admission_types
);
exported!(
    mutate,
    "coracle:sdk/sdk-mutate",
    "package coracle:sdk; world sdk-mutate { export coracle:plugin/mutate@1.1.0; }",
    "coracle:plugin/admission-types@1.1.0": admission_types
);
exported!(settings, "coracle:sdk/sdk-settings", "package coracle:sdk; world sdk-settings { export coracle:plugin/settings@1.1.0; }");

// The two are one world, because the keys of both are one type. `keys` is called only where `declare` says so.
exported!(
    reconcile,
    "coracle:sdk/sdk-controller",
    "package coracle:sdk;
        world sdk-controller {
            export coracle:plugin/reconcile@1.1.0;
            export coracle:plugin/reconcile-mapping@1.1.0;
        }"
);

exported!(adapt, "coracle:sdk/sdk-adapt", "package coracle:sdk; world sdk-adapt { export coracle:plugin/adapt@1.1.0; }");
exported!(
    on_request,
    "coracle:sdk/sdk-on-request",
    "package coracle:sdk; world sdk-on-request { export coracle:plugin/on-request@1.1.0; }",
    "coracle:plugin/http-types@1.1.0": http_types
);
exported!(
    on_response,
    "coracle:sdk/sdk-on-response",
    "package coracle:sdk; world sdk-on-response { export coracle:plugin/on-response@1.1.0; }",
    "coracle:plugin/http-types@1.1.0": http_types
);

exported!(
    cloud,
    "coracle:sdk/sdk-cloud",
    "package coracle:sdk; world sdk-cloud { export coracle:plugin/cloud@1.1.0; }",
    "coracle:plugin/cloud-types@1.1.0": cloud_types
);
exported!(
    load_balancer,
    "coracle:sdk/sdk-load-balancer",
    "package coracle:sdk; world sdk-load-balancer { export coracle:plugin/load-balancer@1.1.0; }",
    "coracle:plugin/cloud-types@1.1.0": cloud_types
);
exported!(
    instances,
    "coracle:sdk/sdk-instances",
    "package coracle:sdk; world sdk-instances { export coracle:plugin/instances@1.1.0; }",
    "coracle:plugin/cloud-types@1.1.0": cloud_types
);
exported!(
    routes,
    "coracle:sdk/sdk-routes",
    "package coracle:sdk; world sdk-routes { export coracle:plugin/routes@1.1.0; }",
    "coracle:plugin/cloud-types@1.1.0": cloud_types
);
exported!(
    zones,
    "coracle:sdk/sdk-zones",
    "package coracle:sdk; world sdk-zones { export coracle:plugin/zones@1.1.0; }",
    "coracle:plugin/cloud-types@1.1.0": cloud_types
);
exported!(
    clusters,
    "coracle:sdk/sdk-clusters",
    "package coracle:sdk; world sdk-clusters { export coracle:plugin/clusters@1.1.0; }",
    "coracle:plugin/cloud-types@1.1.0": cloud_types
);
