//! After a pod's turn: it has a node.

use crate::bindings::platform::schedule_types::{Entry, Pod, Rejection};

pub use crate::bindings::bind::exports::coracle::plugin::bind::Outcome as BindOutcome;
pub use crate::bindings::permit::exports::coracle::plugin::permit::Outcome as PermitOutcome;

/// Extension point `reserve`: puts aside what a pod needs on its node.
///
/// ```no_run
/// use coracle_plugin::scheduler::{Pod, Rejection, Reserve};
/// use coracle_plugin::state;
///
/// /// One licence for each node.
/// struct Licence;
///
/// impl Reserve for Licence {
///     fn reserve(pod: &Pod, node: &str) -> Result<Option<Rejection>, String> {
///         match state::replace(&format!("licence.{node}"), None, pod.uid.as_bytes()) {
///             Ok(()) => Ok(None),
///             Err(state::Failure::Changed) => Ok(Some(Rejection::new("the node's licence is in use"))),
///             Err(other) => Err(format!("{other:?}")),
///         }
///     }
///
///     fn unreserve(pod: &Pod, node: &str) -> Result<(), String> {
///         let key = format!("licence.{node}");
///         match state::get(&key) {
///             Ok(Some(holder)) if holder == pod.uid.as_bytes() => state::delete(&key).map_err(|error| format!("{error:?}")),
///             _ => Ok(()),
///         }
///     }
/// }
///
/// coracle_plugin::scheduler!(reserve: Licence);
/// # fn main() {}
/// ```
pub trait Reserve {
    /// A rejection sends the pod back to the queue.
    ///
    /// # Errors
    /// As for [`Filter::of`](crate::scheduler::Filter::of).
    fn reserve(pod: &Pod, node: &str) -> Result<Option<Rejection>, String>;

    /// The pod does not get the node after all. It may be called for a pod that has nothing reserved.
    ///
    /// # Errors
    /// It is logged.
    fn unreserve(_pod: &Pod, _node: &str) -> Result<(), String> {
        Ok(())
    }
}

/// Extension point `permit`: the last word before a pod is bound. Who waits is in [`waiting`](crate::scheduler::waiting).
///
/// ```no_run
/// use coracle_plugin::scheduler::{Permit, PermitOutcome, Pod, waiting};
///
/// /// Pods of a group go together, when three of them have a node.
/// struct Gang;
///
/// impl Permit for Gang {
///     fn permit(pod: &Pod, _node: &str) -> Result<PermitOutcome, String> {
///         let Some(group) = pod.label("group") else { return Ok(PermitOutcome::Allow) };
///         let others: Vec<_> = waiting::list().into_iter().filter(|other| other.pod.label("group") == Some(group)).collect();
///         if others.len() < 2 {
///             return Ok(PermitOutcome::Wait(60_000));
///         }
///         for other in others {
///             waiting::allow(&other.pod.uid);
///         }
///         Ok(PermitOutcome::Allow)
///     }
/// }
///
/// coracle_plugin::scheduler!(permit: Gang);
/// # fn main() {}
/// ```
pub trait Permit {
    /// # Errors
    /// As for [`Filter::of`](crate::scheduler::Filter::of).
    fn permit(pod: &Pod, node: &str) -> Result<PermitOutcome, String>;
}

/// Extension point `preBind`: what must be done before the pod is bound. It may wait.
///
/// ```no_run
/// use coracle_plugin::api::{Gvr, Reference};
/// use coracle_plugin::scheduler::{Pod, PreBind, Rejection};
///
/// /// The pod's volume is told where it will be used.
/// struct Volume;
///
/// impl PreBind for Volume {
///     fn pre_bind(pod: &Pod, node: &str) -> Result<Option<Rejection>, String> {
///         let Some(claim) = pod.annotation("example.org/claim") else { return Ok(None) };
///         let claim: Reference = Gvr::new("", "v1", "persistentvolumeclaims").named(&pod.namespace, claim);
///         let patch = serde_json::json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": node}}});
///         match claim.merge(&patch) {
///             Ok(_) => Ok(None),
///             Err(failure) if failure.is_not_found() => Ok(Some(Rejection::new("its volume claim is gone"))),
///             Err(failure) => Err(failure.message),
///         }
///     }
/// }
///
/// coracle_plugin::scheduler!(pre_bind: Volume);
/// # fn main() {}
/// ```
pub trait PreBind {
    /// A rejection sends the pod back to the queue.
    ///
    /// # Errors
    /// As for [`Filter::of`](crate::scheduler::Filter::of).
    fn pre_bind(pod: &Pod, node: &str) -> Result<Option<Rejection>, String>;
}

/// Extension point `bind`: writes the pod's binding, or says how.
///
/// ```no_run
/// use coracle_plugin::scheduler::{Bind, BindOutcome, Pod, entry};
///
/// struct Marked;
///
/// impl Bind for Marked {
///     fn bind(_pod: &Pod, node: &str) -> Result<BindOutcome, String> {
///         Ok(BindOutcome::Write(vec![entry("example.org/bound-to", node)]))
///     }
/// }
///
/// coracle_plugin::scheduler!(bind: Marked);
/// # fn main() {}
/// ```
pub trait Bind {
    /// # Errors
    /// As for [`Filter::of`](crate::scheduler::Filter::of).
    fn bind(pod: &Pod, node: &str) -> Result<BindOutcome, String>;
}

/// Extension point `postBind`: the pod was bound.
///
/// ```no_run
/// use coracle_plugin::metrics;
/// use coracle_plugin::scheduler::{Pod, PostBind};
///
/// struct Counted;
///
/// impl PostBind for Counted {
///     fn post_bind(_pod: &Pod, node: &str) -> Result<(), String> {
///         metrics::count("bound_total", &[("node", node)], 1.0);
///         Ok(())
///     }
/// }
///
/// coracle_plugin::scheduler!(post_bind: Counted);
/// # fn main() {}
/// ```
pub trait PostBind {
    /// # Errors
    /// It is logged.
    fn post_bind(pod: &Pod, node: &str) -> Result<(), String>;
}

impl Rejection {
    /// Not now; without other pods it might. As it is to stand in the pod's event.
    pub fn new(text: impl Into<String>) -> Self {
        Self { resolvable: true, text: text.into() }
    }

    /// Not whatever pods are removed.
    pub fn never(text: impl Into<String>) -> Self {
        Self { resolvable: false, text: text.into() }
    }
}

/// A label or an annotation.
pub fn entry(key: &str, value: &str) -> Entry {
    Entry { key: key.to_owned(), value: value.to_owned() }
}
