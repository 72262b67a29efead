//! A scheduler plugin that filters and scores. A node with the label `team` takes only pods with the same label; of what is left,
//! less busy nodes are preferred.

use coracle_plugin::scheduler::{Filter, Node, Pod, Score, Verdict};

/// Nodes that are reserved for a team take its pods only.
struct Team(String);

impl Filter for Team {
    fn of(pod: &Pod) -> Result<Option<Self>, String> {
        Ok(Some(Self(pod.label("team").unwrap_or_default().to_owned())))
    }

    fn judge(&self, node: &Node) -> Verdict {
        match node.label("team") {
            Some(team) if team != self.0 => Verdict::never(format!("node(s) are reserved for team {team}")),
            _ => Verdict::Pass,
        }
    }
}

/// The less of a node's cpu is asked for, the better.
struct Idle;

impl Score for Idle {
    fn of(_pod: &Pod) -> Result<Option<Self>, String> {
        Ok(Some(Self))
    }

    fn score(&self, node: &Node) -> u8 {
        let (all, used) = (node.allocatable.milli_cpu.max(1), node.usage.requested.milli_cpu);
        u8::try_from((all - used).max(0) * 100 / all).unwrap_or(100)
    }
}

coracle_plugin::scheduler!(filter: Team, score: Idle);
