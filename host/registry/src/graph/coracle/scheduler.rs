//! `spec.scheduler`.

use super::{Types, Words, default, field};
use object::schema::Field;

pub(super) fn block(types: &mut Types<'_>, words: &Words) -> Field {
    let block = types.named(
        "dev.coracle.v1alpha1.SchedulerPlugin",
        "How the scheduler asks the plugin.",
        vec![
            field("extensionPoints", words.strings, "Where the plugin is called: preEnqueue, queueSort, preFilter, preFilterExtensions, filter, postFilter, preScore, score, scoreNormalize, reserve, permit, preBind, bind, postBind, requeue."),
            field("profiles", words.strings, "Scheduler names of the profiles it is in, default-scheduler if none is given. One that is not configured is made, of the default plugins and this one."),
            default(field("scoreWeight", words.int32, "Factor of the plugin's scores."), 1),
        ],
    );
    field("scheduler", block, "How the scheduler asks the plugin, in world scheduler.")
}
