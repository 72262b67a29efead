//! What a guest says is not believed: a plugin that answers nonsense has failed, it has not refused.

use crate::plugins::bindings::coracle::plugin::schedule_types;
use crate::plugins::bindings::exports::coracle::plugin::{bind, filter, permit, post_filter, pre_filter, pre_score, requeue};
use interfaces::schedule::{Bind, Code, Events, Permit, PostFilter, PreFilter, PreScore, Refusal, Refused, Rejection, SortKey};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// As `wit/scheduler.wit` says.
const REASONS: usize = 64;
const LONGEST_REASON: usize = 256;
pub const MAX_SCORE: u8 = 100;
/// As `wit/scheduler-queue-sort.wit` says: keys are compared all the time.
const LONGEST_KEY: usize = 8;
/// What a pod's annotations may take in all, as the API server allows.
const ANNOTATIONS: usize = 256 << 10;

pub fn text(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST_REASON));
    text
}

fn code(resolvable: bool) -> Code {
    if resolvable { Code::Unschedulable } else { Code::UnschedulableAndUnresolvable }
}

pub fn rejection(told: schedule_types::Rejection) -> Rejection {
    Rejection { code: code(told.resolvable), reason: text(told.text) }
}

/// One answer for each pod.
pub fn one_each<T>(told: Vec<T>, pods: usize) -> Result<Vec<T>, String> {
    if told.len() == pods { Ok(told) } else { Err(format!("it gave {} answers for {pods} pods", told.len())) }
}

pub fn gates(told: Vec<Option<String>>, pods: usize) -> Result<Vec<Option<String>>, String> {
    Ok(one_each(told, pods)?.into_iter().map(|why| why.map(text)).collect())
}

pub fn keys(told: Vec<Vec<i64>>, pods: usize) -> Result<Vec<SortKey>, String> {
    let cut = |mut key: Vec<i64>| {
        key.truncate(LONGEST_KEY);
        key.into_boxed_slice()
    };
    Ok(one_each(told, pods)?.into_iter().map(cut).collect())
}

const KINDS: [(requeue::EventKinds, Events); 9] = [
    (requeue::EventKinds::NODE_ADDED, Events::NODE_ADDED),
    (requeue::EventKinds::NODE_REMOVED, Events::NODE_REMOVED),
    (requeue::EventKinds::NODE_ALLOCATABLE, Events::NODE_ALLOCATABLE),
    (requeue::EventKinds::NODE_LABELS, Events::NODE_LABELS),
    (requeue::EventKinds::NODE_TAINTS, Events::NODE_TAINTS),
    (requeue::EventKinds::NODE_OTHER, Events::NODE_OTHER),
    (requeue::EventKinds::POD_FREED, Events::POD_FREED),
    (requeue::EventKinds::POD_PLACED, Events::POD_PLACED),
    (requeue::EventKinds::POD_ITSELF, Events::POD_ITSELF),
];

pub fn events(kinds: requeue::EventKinds) -> Events {
    KINDS.iter().filter(|(kind, _)| kinds.contains(*kind)).fold(Events::NONE, |all, (_, event)| all | *event)
}

pub fn kinds(events: Events) -> requeue::EventKinds {
    KINDS.iter().filter(|(_, event)| events.overlaps(*event)).fold(requeue::EventKinds::empty(), |all, (kind, _)| all | *kind)
}

pub fn pre_filter(told: pre_filter::Outcome, nodes: usize) -> Result<PreFilter, String> {
    Ok(match told {
        pre_filter::Outcome::Pass => PreFilter::Pass,
        pre_filter::Outcome::Skip => PreFilter::Skip,
        pre_filter::Outcome::Only(only) => match only.iter().find(|node| **node as usize >= nodes) {
            Some(node) => return Err(format!("it named node {node} of {nodes}")),
            None => PreFilter::Only(only),
        },
        pre_filter::Outcome::Refuse(refused) => PreFilter::Refuse(rejection(refused)),
    })
}

pub fn verdicts(verdicts: filter::Verdicts, candidates: &[u32]) -> Result<Vec<Refusal>, String> {
    let filter::Verdicts { passed, reasons, codes } = verdicts;
    if passed.is_empty() {
        return Ok(Vec::new());
    }
    if passed.len() != candidates.len().div_ceil(8) {
        return Err(format!("it gave {} bytes of verdicts for {} nodes", passed.len(), candidates.len()));
    }
    if reasons.len() > REASONS {
        return Err(format!("it gave {} reasons, at most {REASONS} are allowed", reasons.len()));
    }
    let reasons: Vec<(Code, Arc<str>)> = reasons
        .into_iter()
        .map(|reason| {
            let code = match reason.code {
                filter::Code::Unschedulable => Code::Unschedulable,
                filter::Code::UnschedulableAndUnresolvable => Code::UnschedulableAndUnresolvable,
            };
            (code, text(reason.text).into())
        })
        .collect();
    let bytes = passed.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    let refused: Vec<u32> = candidates.iter().zip(bytes).filter(|(_, passed)| !passed).map(|(node, _)| *node).collect();
    if codes.len() != refused.len() && !(codes.is_empty() && reasons.len() == 1) && !refused.is_empty() {
        return Err(format!("it refused {} nodes and gave {} codes with {} reasons", refused.len(), codes.len(), reasons.len()));
    }
    let codes = codes.into_iter().chain(std::iter::repeat(0));
    let mut answer = Vec::with_capacity(refused.len());
    for (node, code) in refused.into_iter().zip(codes) {
        let (kind, reason) = reasons
            .get(usize::from(code))
            .cloned()
            .ok_or_else(|| format!("it refused node {node} for reason {code} of {}", reasons.len()))?;
        answer.push(Refusal { node, code: kind, reason });
    }
    Ok(answer)
}

/// The nodes that were refused, and who did: each name once.
pub fn refused(refused: &[Refused<'_>]) -> (Vec<String>, Vec<post_filter::Refused>) {
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut plugins: Vec<String> = Vec::new();
    let mut all = Vec::with_capacity(refused.len());
    for Refused { node, code, plugin } in refused {
        let next = u32::try_from(plugins.len()).unwrap_or(u32::MAX);
        let number = *numbers.entry(plugin).or_insert_with(|| {
            plugins.push((*plugin).to_owned());
            next
        });
        all.push(post_filter::Refused { node: *node, resolvable: *code == Code::Unschedulable, plugin: number });
    }
    (plugins, all)
}

pub fn post_filter(told: post_filter::Outcome) -> PostFilter {
    match told {
        post_filter::Outcome::Nothing(why) => PostFilter::Nothing(text(why)),
        post_filter::Outcome::Unresolvable(why) => PostFilter::Unresolvable(text(why)),
        post_filter::Outcome::Nominate(room) => PostFilter::Nominate { node: room.node, victims: room.victims },
    }
}

pub fn pre_score(told: pre_score::Outcome) -> PreScore {
    match told {
        pre_score::Outcome::Pass => PreScore::Pass,
        pre_score::Outcome::Skip => PreScore::Skip,
    }
}

/// `largest` is 100 unless the plugin normalizes.
pub fn scores(scores: Vec<u8>, candidates: usize, largest: u8) -> Result<Vec<i64>, String> {
    let scores = raw_scores(scores, candidates)?;
    match scores.iter().find(|score| **score > largest) {
        Some(score) => Err(format!("it gave a score of {score}, beyond {largest}")),
        None => Ok(scores.into_iter().map(i64::from).collect()),
    }
}

/// Of any size.
pub fn raw_scores<T>(scores: Vec<T>, candidates: usize) -> Result<Vec<T>, String> {
    if !scores.is_empty() && scores.len() != candidates {
        return Err(format!("it gave {} scores for {candidates} nodes", scores.len()));
    }
    Ok(scores)
}

pub fn permit(told: permit::Outcome) -> Permit {
    match told {
        permit::Outcome::Allow => Permit::Allow,
        permit::Outcome::Deny(why) => Permit::Deny(text(why)),
        permit::Outcome::Wait(milliseconds) => Permit::Wait(Duration::from_millis(milliseconds.into())),
    }
}

pub fn bind(told: bind::Outcome) -> Result<Bind, String> {
    Ok(match told {
        bind::Outcome::Skip => Bind::Skip,
        bind::Outcome::Done => Bind::Done,
        bind::Outcome::Write(annotations) => {
            let size: usize = annotations.iter().map(|entry| entry.key.len() + entry.value.len()).sum();
            if size > ANNOTATIONS {
                return Err(format!("it gave {size} bytes of annotations, at most {ANNOTATIONS} are allowed"));
            }
            Bind::Write(annotations.into_iter().map(|entry| (entry.key, entry.value)).collect())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(passed: &[u8], reasons: usize, codes: &[u8]) -> filter::Verdicts {
        let reason = filter::Reason { code: filter::Code::Unschedulable, text: "ä".repeat(200) };
        filter::Verdicts { passed: passed.to_vec(), reasons: vec![reason; reasons], codes: codes.to_vec() }
    }

    #[test]
    fn answers_are_checked() {
        let check = |passed: &[u8], reasons, codes: &[u8]| {
            let found = super::verdicts(verdicts(passed, reasons, codes), &[3, 5, 9])?;
            Ok::<_, String>(found.into_iter().map(|r| (r.node, r.code, r.reason.len())).collect::<Vec<_>>())
        };
        let one = Ok(vec![(5, Code::Unschedulable, 256)]);
        assert_eq!(check(&[0b101], 1, &[]), one);
        assert_eq!(check(&[0b1111_1101], 2, &[1]), one);
        assert_eq!(check(&[], 0, &[]), Ok(vec![]));
        assert_eq!(check(&[0b111], 0, &[]), Ok(vec![]));
        assert_eq!(check(&[0b101, 0], 1, &[]).unwrap_err(), "it gave 2 bytes of verdicts for 3 nodes");
        assert_eq!(check(&[0b001], 2, &[0]).unwrap_err(), "it refused 2 nodes and gave 1 codes with 2 reasons");
        assert_eq!(check(&[0b001], 0, &[]).unwrap_err(), "it refused 2 nodes and gave 0 codes with 0 reasons");
        assert_eq!(check(&[0b101], 1, &[1]).unwrap_err(), "it refused node 5 for reason 1 of 1");
        assert_eq!(check(&[0b101], 65, &[0]).unwrap_err(), "it gave 65 reasons, at most 64 are allowed");

        assert_eq!(scores(vec![0, 100], 2, MAX_SCORE), Ok(vec![0, 100]));
        assert_eq!(scores(vec![], 2, MAX_SCORE), Ok(vec![]));
        assert!(scores(vec![1], 2, MAX_SCORE).is_err());
        assert!(scores(vec![101, 0], 2, MAX_SCORE).is_err());
    }

    #[test]
    fn events_have_the_same_names_on_both_sides() {
        let all = KINDS.iter().fold(requeue::EventKinds::empty(), |all, (kind, _)| all | *kind);
        assert_eq!(all, requeue::EventKinds::all());
        for (kind, event) in KINDS {
            assert_eq!((events(kind), kinds(event)), (event, kind));
        }
    }

    #[test]
    fn answers_about_pods_are_checked() {
        assert_eq!(gates(vec![None, Some("x".repeat(300))], 2).unwrap()[1].as_ref().map(String::len), Some(256));
        assert_eq!(gates(vec![None], 2).unwrap_err(), "it gave 1 answers for 2 pods");
        assert_eq!(keys(vec![(0..9).collect()], 1).unwrap()[0].len(), 8);
        assert_eq!(pre_filter(pre_filter::Outcome::Only(vec![0, 2]), 2).unwrap_err(), "it named node 2 of 2");
        let (plugins, nodes) = refused(&[
            Refused { node: 4, code: Code::Unschedulable, plugin: "x" },
            Refused { node: 1, code: Code::UnschedulableAndUnresolvable, plugin: "y" },
            Refused { node: 2, code: Code::Unschedulable, plugin: "x" },
        ]);
        assert_eq!(plugins, ["x", "y"]);
        let told: Vec<_> = nodes.iter().map(|refused| (refused.node, refused.resolvable, refused.plugin)).collect();
        assert_eq!(told, [(4, true, 0), (1, false, 1), (2, true, 0)]);
        let huge = schedule_types::Entry { key: "k".to_owned(), value: "v".repeat(ANNOTATIONS) };
        assert!(bind(bind::Outcome::Write(vec![huge])).is_err());
        assert_eq!(scores(vec![200], 1, u8::MAX), Ok(vec![200]));
    }
}
