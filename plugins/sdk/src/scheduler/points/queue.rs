//! Before a pod's turn: whether, when, and when again.

use crate::bindings::platform::schedule_types::Pod;

pub use crate::bindings::requeue::exports::coracle::plugin::requeue::{EventKinds, Happened};

/// Extension point `preEnqueue`: keeps pods out of the queue until they may be tried.
///
/// ```no_run
/// use coracle_plugin::scheduler::{Pod, PreEnqueue};
///
/// struct Paid;
///
/// impl PreEnqueue for Paid {
///     fn gate(pod: &Pod) -> Result<Option<String>, String> {
///         Ok(pod.label("paid").is_none().then(|| "nobody has paid for it".to_owned()))
///     }
/// }
///
/// coracle_plugin::scheduler!(pre_enqueue: Paid);
/// # fn main() {}
/// ```
pub trait PreEnqueue {
    /// Why the pod must not enter the queue yet; `None`: it may.
    ///
    /// # Errors
    /// The pod waits, or enters, as `spec.failurePolicy` says.
    fn gate(pod: &Pod) -> Result<Option<String>, String>;
}

/// Extension point `queueSort`: who is next.
///
/// ```no_run
/// use coracle_plugin::scheduler::{Pod, QueueSort};
///
/// /// The highest priority first, of equal ones those that ask for little.
/// struct SmallFirst;
///
/// impl QueueSort for SmallFirst {
///     fn key(pod: &Pod) -> Result<Vec<i64>, String> {
///         Ok(vec![-i64::from(pod.priority), pod.requests.milli_cpu])
///     }
/// }
///
/// coracle_plugin::scheduler!(queue_sort: SmallFirst);
/// # fn main() {}
/// ```
pub trait QueueSort {
    /// The pod's place: keys are compared number by number, the smaller is first. At most 8 numbers.
    ///
    /// # Errors
    /// The key is then the negated priority.
    fn key(pod: &Pod) -> Result<Vec<i64>, String>;
}

/// Extension point `requeue`: which events may help a pod that this plugin refused.
///
/// ```no_run
/// use coracle_plugin::scheduler::{EventKinds, Happened, Pod, Requeue};
///
/// struct NewDisks;
///
/// impl Requeue for NewDisks {
///     fn cares_about() -> EventKinds {
///         EventKinds::NODE_ADDED | EventKinds::NODE_LABELS
///     }
///
///     fn hint(happened: &Happened, _pod: &Pod) -> Result<bool, String> {
///         Ok(happened.node.as_ref().is_some_and(|node| node.label("disk").is_some()))
///     }
/// }
///
/// coracle_plugin::scheduler!(requeue: NewDisks);
/// # fn main() {}
/// ```
pub trait Requeue {
    /// Asked once, when the plugin is loaded.
    fn cares_about() -> EventKinds;

    /// Whether what happened may have made the pod schedulable.
    ///
    /// # Errors
    /// All pods that were asked about come back.
    fn hint(_happened: &Happened, _pod: &Pod) -> Result<bool, String> {
        Ok(true)
    }
}
