//! A pod's turn: which nodes, and which of them is best.

use crate::bindings::platform::schedule_types::{Pod, Usage};
use crate::scheduler::{Node, Row, Table};

pub use crate::bindings::post_filter::exports::coracle::plugin::post_filter::{Outcome as PostFilterOutcome, Refused, Room};
pub use crate::bindings::pre_filter::exports::coracle::plugin::pre_filter::Outcome as PreFilterOutcome;
pub use crate::bindings::pre_filter_extensions::exports::coracle::plugin::pre_filter_extensions::Change;
pub use crate::bindings::pre_score::exports::coracle::plugin::pre_score::Outcome as PreScoreOutcome;

/// Extension point `preFilter`: one look at the pod before its nodes are filtered.
///
/// ```no_run
/// use coracle_plugin::scheduler::{Node, Pod, PreFilter, PreFilterOutcome, Table};
///
/// struct Pinned;
///
/// impl PreFilter for Pinned {
///     fn pre_filter(pod: &Pod, nodes: &Table<Node>) -> Result<PreFilterOutcome, String> {
///         let Some(name) = pod.annotation("example.org/node") else { return Ok(PreFilterOutcome::Skip) };
///         Ok(PreFilterOutcome::Only(nodes.numbered().filter(|(_, node)| node.name == name).map(|(number, _)| number).collect()))
///     }
/// }
///
/// coracle_plugin::scheduler!(pre_filter: Pinned);
/// # fn main() {}
/// ```
pub trait PreFilter<N: Row = Node> {
    /// # Errors
    /// The plugin cannot work: the pod waits, or passes, as `spec.failurePolicy` says.
    fn pre_filter(pod: &Pod, nodes: &Table<N>) -> Result<PreFilterOutcome, String>;
}

/// Extension point `preFilterExtensions`: lets the plugin's filter take part in dry runs of preemption. What is used of the node with
/// the change made is in the table already: a filter that goes by the usage alone has nothing to do here.
///
/// ```no_run
/// use coracle_plugin::scheduler::{Filter, Node, Pod, PreFilterExtensions, Verdict};
///
/// /// At most so many pods on a node.
/// struct Most(u32);
///
/// impl Filter for Most {
///     fn of(_pod: &Pod) -> Result<Option<Self>, String> {
///         Ok(Some(Self(10)))
///     }
///
///     fn judge(&self, node: &Node) -> Verdict {
///         if node.usage.pods < self.0 { Verdict::Pass } else { Verdict::refuse("node(s) had ten pods") }
///     }
/// }
///
/// impl PreFilterExtensions for Most {}
///
/// coracle_plugin::scheduler!(filter: Most, pre_filter_extensions: Most);
/// # fn main() {}
/// ```
pub trait PreFilterExtensions<N: Row = Node> {
    /// `filter` is asked as if these pods were on the node, too.
    ///
    /// # Errors
    /// The dry run ends.
    fn add_pods(_pod: &Pod, _node: &N, _added: &[Pod]) -> Result<(), String> {
        Ok(())
    }

    /// `filter` is asked as if these pods were not on the node.
    ///
    /// # Errors
    /// As for [`PreFilterExtensions::add_pods`].
    fn remove_pods(_pod: &Pod, _node: &N, _removed: &[Pod]) -> Result<(), String> {
        Ok(())
    }
}

/// Extension point `postFilter`: what to do for a pod that no node takes. [`running_pods`](crate::scheduler::running_pods) tells who could go.
///
/// ```no_run
/// use coracle_plugin::scheduler::{Node, Pod, PostFilter, PostFilterOutcome, Refused, Room, Table, running_pods};
///
/// /// Makes room where one pod with the label `spare` is enough.
/// struct Spare;
///
/// impl PostFilter for Spare {
///     fn post_filter(pod: &Pod, _nodes: &Table<Node>, _plugins: &[String], refused: &[Refused]) -> Result<PostFilterOutcome, String> {
///         for refused in refused.iter().filter(|refused| refused.resolvable) {
///             let spare = |other: &Pod| other.label("spare").is_some() && other.priority < pod.priority;
///             if let Some(spare) = running_pods(refused.node).into_iter().find(spare) {
///                 return Ok(PostFilterOutcome::Nominate(Room { node: refused.node, victims: vec![spare.uid] }));
///             }
///         }
///         Ok(PostFilterOutcome::Nothing("no pod can be spared".to_owned()))
///     }
/// }
///
/// coracle_plugin::scheduler!(post_filter: Spare);
/// # fn main() {}
/// ```
pub trait PostFilter<N: Row = Node> {
    /// `plugins` are those that refused nodes, as [`Refused::plugin`] counts them.
    ///
    /// # Errors
    /// The next plugin is asked, or the attempt fails, as `spec.failurePolicy` says.
    fn post_filter(pod: &Pod, nodes: &Table<N>, plugins: &[String], refused: &[Refused]) -> Result<PostFilterOutcome, String>;
}

/// Extension point `preScore`: one look at the nodes that are left before they are scored.
///
/// ```no_run
/// use coracle_plugin::scheduler::{Labels, Pod, PreScore, PreScoreOutcome};
///
/// /// Without a label to tell them apart, nodes need no scores.
/// struct Told;
///
/// impl PreScore<Labels> for Told {
///     fn pre_score(_pod: &Pod, nodes: &[&Labels]) -> Result<PreScoreOutcome, String> {
///         let any = nodes.iter().any(|node| node.label("disk").is_some());
///         Ok(if any { PreScoreOutcome::Pass } else { PreScoreOutcome::Skip })
///     }
/// }
///
/// coracle_plugin::scheduler!(nodes: Labels, pre_score: Told);
/// # fn main() {}
/// ```
pub trait PreScore<N: Row = Node> {
    /// # Errors
    /// As for [`Filter::of`](crate::scheduler::Filter::of).
    fn pre_score(pod: &Pod, nodes: &[&N]) -> Result<PreScoreOutcome, String>;
}

/// Extension point `score` with any numbers, for plugins that also have [`Normalize`].
///
/// ```no_run
/// use coracle_plugin::scheduler::{Node, Normalize, Pod, RawScore};
///
/// struct Images;
///
/// impl RawScore for Images {
///     fn of(_pod: &Pod) -> Result<Option<Self>, String> {
///         Ok(Some(Self))
///     }
///
///     fn score(&self, node: &Node) -> i64 {
///         node.images.iter().map(|image| image.size).sum()
///     }
/// }
///
/// impl Normalize for Images {}
///
/// coracle_plugin::scheduler!(raw_score: Images, normalize: Images);
/// # fn main() {}
/// ```
pub trait RawScore<N: Row = Node>: Sized {
    /// What this pod likes. `None`: no opinion about it.
    ///
    /// # Errors
    /// As for [`Filter::of`](crate::scheduler::Filter::of).
    fn of(pod: &Pod) -> Result<Option<Self>, String>;

    fn score(&self, node: &N) -> i64;
}

/// Extension point `scoreNormalize`: brings the plugin's own scores to 0 to 100.
pub trait Normalize {
    /// One for each of `scores`. Without an own one: [`by_largest`].
    ///
    /// # Errors
    /// As for [`Filter::of`](crate::scheduler::Filter::of).
    fn normalize(_pod: &Pod, scores: &[i64]) -> Result<Vec<u8>, String> {
        Ok(by_largest(scores, false))
    }
}

/// The largest score is 100, the others in proportion, negative ones 0; `reverse`: the largest is 0, and 0 is 100. As upstream's
/// `DefaultNormalizeScore` (`pkg/scheduler/framework/plugins/helper/normalize_score.go`).
pub fn by_largest(scores: &[i64], reverse: bool) -> Vec<u8> {
    let largest = scores.iter().copied().max().unwrap_or(0).max(0);
    let share = |score: i64| match largest {
        0 => 0,
        largest => u8::try_from(i128::from(score.max(0)) * 100 / i128::from(largest)).unwrap_or(100),
    };
    scores.iter().map(|score| if reverse { 100 - share(*score) } else { share(*score) }).collect()
}

/// One change of a dry run.
#[doc(hidden)]
pub fn change<N: Row>(
    table: &mut Table<N>,
    pod: &Pod,
    change: Change,
    tell: fn(&Pod, &N, &[Pod]) -> Result<(), String>,
) -> Result<(), String> {
    let Change { node, pods, usage } = change;
    let usage: Usage = usage;
    table.used(node, usage)?;
    tell(pod, table.row(node)?, &pods)
}

#[cfg(test)]
mod tests {
    use super::by_largest;

    #[test]
    fn scores_go_by_the_largest() {
        for (scores, reverse, expect) in [
            (&[][..], false, &[][..]),
            (&[0, 0], false, &[0, 0]),
            (&[0, 0], true, &[100, 100]),
            (&[-7, 50, 200], false, &[0, 25, 100]),
            (&[0, 50, 200], true, &[100, 75, 0]),
            (&[i64::MAX, 1], false, &[100, 0]),
        ] {
            assert_eq!(by_largest(scores, reverse), expect, "{scores:?}");
        }
    }
}
