//! Scheduler plugins: what to refuse and what to prefer, told per node; batches, bit sets and the mirror of the nodes are kept here.
//! Every other extension point is a trait, too.

mod export;
mod points;
mod table;

pub use crate::bindings::platform::running_pods::list as running_pods;
pub use crate::bindings::platform::schedule_types::{Amounts, Entry, Image, Pod, Rejection, Taint, Usage};
/// The pods that wait because a plugin's `permit` said so.
pub use crate::bindings::platform::waiting_pods as waiting;
pub use crate::bindings::platform::whole_pod::json as whole_pod;
pub use points::*;
pub use table::{Labels, Row, Table};

/// One row of the node table, whole.
pub use crate::bindings::platform::schedule_types::Node;

use crate::bindings::filter::exports::coracle::plugin::filter::{Code, Reason, Verdicts};
use std::borrow::Cow;

/// What the contract allows in one answer.
const REASONS: usize = 64;

/// Takes nodes out of a pod's choice. `N` is what is kept of a node: the whole of it, [`Labels`], or a type of your own.
///
/// ```no_run
/// use coracle_plugin::scheduler::{Filter, Node, Pod, Verdict};
///
/// /// Refuses nodes whose name does not begin as the pod asks for.
/// struct NamePrefix(String);
///
/// impl Filter for NamePrefix {
///     fn of(pod: &Pod) -> Result<Option<Self>, String> {
///         Ok(pod.annotation("example.org/node-prefix").map(|prefix| Self(prefix.to_owned())))
///     }
///
///     fn judge(&self, node: &Node) -> Verdict {
///         if node.name.starts_with(&self.0) {
///             return Verdict::Pass;
///         }
///         Verdict::never(format!("node(s) are not named {}*", self.0))
///     }
/// }
///
/// coracle_plugin::scheduler!(filter: NamePrefix);
/// # fn main() {}
/// ```
pub trait Filter<N: Row = Node>: Sized {
    /// What this pod asks for. `None`: it goes anywhere, and no node is looked at.
    ///
    /// # Errors
    /// The plugin cannot work: the pod waits, or passes, as `spec.failurePolicy` says.
    fn of(pod: &Pod) -> Result<Option<Self>, String>;

    /// Whether the pod may go to `node`.
    fn judge(&self, node: &N) -> Verdict;
}

/// Prefers some nodes to others.
///
/// ```no_run
/// use coracle_plugin::scheduler::{Node, Pod, Score};
///
/// struct Empty;
///
/// impl Score for Empty {
///     fn of(_pod: &Pod) -> Result<Option<Self>, String> {
///         Ok(Some(Self))
///     }
///
///     fn score(&self, node: &Node) -> u8 {
///         100u32.saturating_sub(node.usage.pods) as u8
///     }
/// }
///
/// coracle_plugin::scheduler!(score: Empty);
/// # fn main() {}
/// ```
pub trait Score<N: Row = Node>: Sized {
    /// What this pod likes. `None`: no opinion about it.
    ///
    /// # Errors
    /// As for [`Filter::of`].
    fn of(pod: &Pod) -> Result<Option<Self>, String>;

    /// 0 to 100; more is better, and what is beyond is 100.
    fn score(&self, node: &N) -> u8;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// Not now; without other pods on the node it might (preemption may help). As it is to stand in the pod's event, equal for
    /// equal causes: `node(s) had too many pods of the shop`.
    Refuse(Cow<'static, str>),
    /// Not whatever pods are removed.
    Never(Cow<'static, str>),
}

impl Verdict {
    pub fn refuse(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Refuse(text.into())
    }

    pub fn never(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Never(text.into())
    }
}

impl Pod {
    pub fn label(&self, key: &str) -> Option<&str> {
        value(&self.labels, key)
    }

    pub fn annotation(&self, key: &str) -> Option<&str> {
        value(&self.annotations, key)
    }
}

impl Node {
    pub fn label(&self, key: &str) -> Option<&str> {
        value(&self.labels, key)
    }

    pub fn annotation(&self, key: &str) -> Option<&str> {
        value(&self.annotations, key)
    }
}

impl Amounts {
    /// By the name that Kubernetes gives it, in the contract's units.
    pub fn get(&self, name: &str) -> i64 {
        match name {
            "cpu" => self.milli_cpu,
            "memory" => self.memory,
            "ephemeral-storage" => self.ephemeral_storage,
            _ => self.others.iter().find(|amount| amount.name == name).map_or(0, |amount| amount.value),
        }
    }
}

/// The value of `key` in a sorted list.
pub fn value<'a>(entries: &'a [Entry], key: &str) -> Option<&'a str> {
    let place = entries.binary_search_by(|entry| entry.key.as_str().cmp(key)).ok()?;
    Some(entries[place].value.as_str())
}

#[doc(hidden)]
pub fn filter<N: Row, F: Filter<N>>(table: &Table<N>, pod: &Pod, candidates: &[u32]) -> Result<Verdicts, String> {
    let mut verdicts = Verdicts { passed: Vec::new(), reasons: Vec::new(), codes: Vec::new() };
    let Some(filter) = F::of(pod)? else { return Ok(verdicts) };
    verdicts.passed = vec![0; candidates.len().div_ceil(8)];
    for (place, number) in candidates.iter().enumerate() {
        let (code, text) = match filter.judge(table.row(*number)?) {
            Verdict::Pass => {
                verdicts.passed[place / 8] |= 1 << (place % 8);
                continue;
            }
            Verdict::Refuse(text) => (Code::Unschedulable, text),
            Verdict::Never(text) => (Code::UnschedulableAndUnresolvable, text),
        };
        let known = verdicts.reasons.iter().position(|reason| reason.code == code && reason.text == text);
        let reason = known.unwrap_or_else(|| {
            // One too many: the last one stands for all further ones.
            if verdicts.reasons.len() < REASONS {
                verdicts.reasons.push(Reason { code, text: text.into_owned() });
            }
            verdicts.reasons.len() - 1
        });
        verdicts.codes.push(reason as u8);
    }
    if verdicts.codes.is_empty() {
        verdicts.passed.clear();
    }
    Ok(verdicts)
}

#[doc(hidden)]
pub fn score<N: Row, S: Score<N>>(table: &Table<N>, pod: &Pod, candidates: &[u32]) -> Result<Vec<u8>, String> {
    let Some(score) = S::of(pod)? else { return Ok(Vec::new()) };
    candidates.iter().map(|number| Ok(score.score(table.row(*number)?).min(100))).collect()
}

#[doc(hidden)]
pub fn raw_score<N: Row, S: RawScore<N>>(table: &Table<N>, pod: &Pod, candidates: &[u32]) -> Result<Vec<i64>, String> {
    let Some(score) = S::of(pod)? else { return Ok(Vec::new()) };
    candidates.iter().map(|number| Ok(score.score(table.row(*number)?))).collect()
}
