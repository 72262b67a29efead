//! `spec.controller` and `status.controller`.

use super::{Types, Words, default, field, keyed};
use object::schema::{Field, List, ListKind, Shape};

pub(super) fn block(types: &mut Types<'_>, words: &Words) -> Field {
    let definitions = types.anonymous(Shape::List(List { item: words.any, kind: ListKind::Atomic, merge: None }));
    let block = types.named(
        "dev.coracle.v1alpha1.ControllerPlugin",
        "How the plugin's controllers are run.",
        vec![
            default(field("workers", words.int32, "How many keys are worked on at once, each in an instance of its own."), 1),
            default(
                field("idleSeconds", words.int32, "Instances that did nothing for so long are dropped; the next event makes a new one."),
                30,
            ),
            field("crds", definitions, "CustomResourceDefinitions that are applied before the controllers run."),
            default(
                field("crdDeletion", words.string, "What becomes of the definitions when the plugin is deleted: Retain or Delete."),
                "Retain",
            ),
        ],
    );
    field("controller", block, "How the plugin's controllers are run, in world controller.")
}

pub(super) fn status(types: &mut Types<'_>, words: &Words) -> Field {
    let one = types.named(
        "dev.coracle.v1alpha1.ControllerPluginController",
        "One controller of the plugin.",
        vec![
            field("name", words.string, "As the plugin calls it."),
            field("resource", words.string, "The kind of its objects."),
            field("phase", words.string, "Running, Waiting or Denied."),
            field("message", words.string, "What it waits for, or what its service account may not read."),
        ],
    );
    let controllers = keyed(types, one, "name");
    let status = types.named(
        "dev.coracle.v1alpha1.ControllerPluginStatus",
        "What the plugin's controllers do.",
        vec![
            field("phase", words.string, "Running, Waiting, Denied or Failed: the worst of all."),
            field("message", words.string, "Why it is in this phase."),
            field("controllers", controllers, "Each controller."),
            field("objects", words.int64, "Objects that the controllers look after."),
            field("reconciles", words.int64, "Calls for a key since the controllers were started."),
            field("failures", words.int64, "Those that failed."),
            field("lastFailure", words.string, "The key and the cause of the last of them."),
        ],
    );
    field("controller", status, "What the plugin's controllers do.")
}
