//! `spec.scheduler`.

use super::{Types, Words, default, field};
use object::schema::Field;

pub(super) fn block(types: &mut Types<'_>, words: &Words) -> Field {
    let block = types.named(
        "dev.coracle.v1alpha1.SchedulerPlugin",
        "How the scheduler asks the plugin.",
        vec![
            field("extensionPoints", words.strings, "Where the plugin is called: filter, score."),
            default(field("scoreWeight", words.int32, "Factor of the plugin's scores."), 1),
        ],
    );
    field("scheduler", block, "How the scheduler asks the plugin, in world scheduler.")
}
