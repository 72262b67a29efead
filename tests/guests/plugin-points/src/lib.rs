//! Every extension point, each doing what the plugin's settings say. Settings, by point; without one it has no opinion:
//!
//! `gate`: pods with the label `gate` stay out of the queue, and this is why.
//! `sort: name`: pods go by the last letter of their name, backwards. `only`, `skip`, `refuse`: what the pre-filter says (a
//! node's name, or a text). Pods with the label `wants` go to nodes with a label of that name. `alone`: a node with pods on it
//! is refused, dry runs included. `victim`: post-filter ends the pod
//! of this name. `prefer`: a node's name, by raw scores. `room`: as many pods may be reserved at once. `permit`: `wait` (for
//! `wait-ms`; the pod labelled `go` lets all go, the one labelled `stop` rejects them), or `deny`. `pre-bind: refuse`.
//! `bind: write` (annotates the pod), `skip`.

wit_bindgen::generate!({ path: "../../../wit", world: "scheduler-points" });

use coracle::plugin::schedule_types::{Entry, Node, Pod, Rejection, Usage};
use coracle::plugin::{config, log, running_pods, waiting_pods};
use exports::coracle::plugin::filter::{Code, Reason, Verdicts};
use exports::coracle::plugin::{
    bind, filter, node_table, permit, post_bind, post_filter, pre_bind, pre_enqueue, pre_filter, pre_filter_extensions, pre_score,
    queue_sort, raw_score, requeue, reserve, score, score_normalize,
};
use std::cell::RefCell;

/// A node: its name, how many pods it has, the names of its labels.
#[derive(Clone)]
struct Row {
    name: String,
    pods: u32,
    labels: Vec<String>,
}

#[derive(Default)]
struct Memory {
    nodes: Vec<Option<Row>>,
    reserved: Vec<String>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

struct Plugin;
export!(Plugin);

fn setting(key: &str) -> String {
    config::get(key).unwrap_or_default()
}

fn label<'a>(labels: &'a [Entry], key: &str) -> Option<&'a str> {
    labels.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}

fn names(nodes: &[u32]) -> Vec<String> {
    let name = |memory: &Memory, node: u32| memory.nodes.get(node as usize).cloned().flatten().map(|row| row.name).unwrap_or_default();
    MEMORY.with_borrow(|memory| nodes.iter().map(|node| name(memory, *node)).collect())
}

fn rejection(text: &str) -> Rejection {
    Rejection { resolvable: true, text: text.to_owned() }
}

fn said(what: &str, pod: &Pod) {
    log::log(log::Level::Info, &format!("{what} {}", pod.name));
}

impl node_table::Guest for Plugin {
    fn sync(delta: node_table::Delta) -> Result<(), String> {
        MEMORY.with_borrow_mut(|memory| {
            if delta.full {
                memory.nodes.clear();
            }
            memory.nodes.resize(delta.length as usize, None);
            for Node { number, name, usage, labels, .. } in delta.upserts {
                let labels = labels.into_iter().map(|entry| entry.key).collect();
                memory.nodes[number as usize] = Some(Row { name, pods: usage.pods, labels });
            }
            for (number, usage) in delta.usages {
                used(memory, number, &usage);
            }
        });
        Ok(())
    }
}

fn used(memory: &mut Memory, node: u32, usage: &Usage) {
    if let Some(Some(row)) = memory.nodes.get_mut(node as usize) {
        row.pods = usage.pods;
    }
}

impl pre_enqueue::Guest for Plugin {
    fn pre_enqueue(pods: Vec<Pod>) -> Result<Vec<Option<String>>, String> {
        let text = setting("gate");
        if text == "fail" {
            return Err("told to fail".to_owned());
        }
        Ok(pods.iter().map(|pod| label(&pod.labels, "gate").filter(|_| !text.is_empty()).map(|_| text.clone())).collect())
    }
}

impl queue_sort::Guest for Plugin {
    fn keys(pods: Vec<Pod>) -> Result<Vec<Vec<i64>>, String> {
        let by_name = setting("sort") == "name";
        Ok(pods.iter().map(|pod| vec![if by_name { -i64::from(pod.name.bytes().last().unwrap_or(0)) } else { 0 }]).collect())
    }
}

impl requeue::Guest for Plugin {
    fn cares_about() -> requeue::EventKinds {
        requeue::EventKinds::NODE_LABELS
    }

    /// A pod is helped by a node with the label that its own label `wants` names; without one, by any.
    fn hint(happened: requeue::Happened, pods: Vec<Pod>) -> Result<Vec<bool>, String> {
        let node = happened.node.ok_or("an event of nodes without a node")?;
        Ok(pods.iter().map(|pod| label(&pod.labels, "wants").is_none_or(|wanted| label(&node.labels, wanted).is_some())).collect())
    }
}

impl pre_filter::Guest for Plugin {
    fn pre_filter(_: Pod) -> Result<pre_filter::Outcome, String> {
        let only = setting("only");
        if !only.is_empty() {
            let all: Vec<u32> = MEMORY.with_borrow(|memory| (0..memory.nodes.len() as u32).collect());
            let chosen = all.iter().zip(names(&all)).filter(|(_, name)| *name == only).map(|(node, _)| *node);
            return Ok(pre_filter::Outcome::Only(chosen.collect()));
        }
        Ok(match (setting("skip").is_empty(), setting("refuse")) {
            (false, _) => pre_filter::Outcome::Skip,
            (_, text) if !text.is_empty() => pre_filter::Outcome::Refuse(rejection(&text)),
            _ => pre_filter::Outcome::Pass,
        })
    }
}

impl pre_filter_extensions::Guest for Plugin {
    fn add_pods(_: Pod, change: pre_filter_extensions::Change) -> Result<(), String> {
        MEMORY.with_borrow_mut(|memory| used(memory, change.node, &change.usage));
        Ok(())
    }

    fn remove_pods(_: Pod, change: pre_filter_extensions::Change) -> Result<(), String> {
        MEMORY.with_borrow_mut(|memory| used(memory, change.node, &change.usage));
        Ok(())
    }
}

impl filter::Guest for Plugin {
    fn filter(pod: Pod, candidates: Vec<u32>) -> Result<Verdicts, String> {
        let alone = !setting("alone").is_empty();
        let wanted = label(&pod.labels, "wants");
        let mut passed = vec![0_u8; candidates.len().div_ceil(8)];
        MEMORY.with_borrow(|memory| {
            for (at, node) in candidates.iter().enumerate() {
                let Some(Some(row)) = memory.nodes.get(*node as usize) else { continue };
                let lacks = wanted.is_some_and(|wanted| !row.labels.iter().any(|label| label == wanted));
                if !(lacks || alone && row.pods > 0) {
                    passed[at / 8] |= 1 << (at % 8);
                }
            }
        });
        let text = if wanted.is_some() { "node(s) had not what was wanted" } else { "node(s) were not alone" };
        Ok(Verdicts { passed, reasons: vec![Reason { code: Code::Unschedulable, text: text.to_owned() }], codes: Vec::new() })
    }
}

impl post_filter::Guest for Plugin {
    fn post_filter(_: Pod, plugins: Vec<String>, refused: Vec<post_filter::Refused>) -> Result<post_filter::Outcome, String> {
        let victim = setting("victim");
        if victim.is_empty() {
            return Ok(post_filter::Outcome::Nothing(String::new()));
        }
        for refused in &refused {
            if let Some(pod) = running_pods::list(refused.node).into_iter().find(|pod| pod.name == victim) {
                return Ok(post_filter::Outcome::Nominate(post_filter::Room { node: refused.node, victims: vec![pod.uid] }));
            }
        }
        Ok(post_filter::Outcome::Nothing(format!("no {victim} on {} nodes refused by {}", refused.len(), plugins.join(","))))
    }
}

impl pre_score::Guest for Plugin {
    fn pre_score(_: Pod, _: Vec<u32>) -> Result<pre_score::Outcome, String> {
        Ok(if setting("prefer").is_empty() { pre_score::Outcome::Skip } else { pre_score::Outcome::Pass })
    }
}

impl score::Guest for Plugin {
    fn score(_: Pod, candidates: Vec<u32>) -> Result<Vec<u8>, String> {
        let prefer = setting("prefer");
        Ok(names(&candidates).into_iter().map(|name| if name == prefer { 100 } else { 0 }).collect())
    }
}

impl raw_score::Guest for Plugin {
    fn score(_: Pod, candidates: Vec<u32>) -> Result<Vec<i64>, String> {
        let prefer = setting("prefer");
        Ok(names(&candidates).into_iter().map(|name| if name == prefer { 5_000_000 } else { -7 }).collect())
    }
}

impl score_normalize::Guest for Plugin {
    fn normalize(_: Pod, _: Vec<u32>, scores: Vec<i64>) -> Result<Vec<u8>, String> {
        let largest = scores.iter().copied().max().unwrap_or(0).max(1);
        Ok(scores.into_iter().map(|score| (score.max(0) * 100 / largest) as u8).collect())
    }
}

impl reserve::Guest for Plugin {
    fn reserve(pod: Pod, _: String) -> Result<Option<Rejection>, String> {
        let Ok(room) = setting("room").parse::<usize>() else { return Ok(None) };
        MEMORY.with_borrow_mut(|memory| {
            if memory.reserved.len() >= room {
                return Ok(Some(rejection("no room is left")));
            }
            memory.reserved.push(pod.uid);
            Ok(None)
        })
    }

    fn unreserve(pod: Pod, _: String) -> Result<(), String> {
        said("unreserved", &pod);
        MEMORY.with_borrow_mut(|memory| memory.reserved.retain(|uid| *uid != pod.uid));
        Ok(())
    }
}

impl permit::Guest for Plugin {
    fn permit(pod: Pod, _: String) -> Result<permit::Outcome, String> {
        if label(&pod.labels, "go").is_some() {
            for waiting in waiting_pods::list() {
                waiting_pods::allow(&waiting.pod.uid);
            }
            return Ok(permit::Outcome::Allow);
        }
        if label(&pod.labels, "stop").is_some() {
            for waiting in waiting_pods::list() {
                waiting_pods::reject(&waiting.pod.uid, "the group is dissolved");
            }
            return Ok(permit::Outcome::Allow);
        }
        Ok(match setting("permit").as_str() {
            "wait" => permit::Outcome::Wait(setting("wait-ms").parse().unwrap_or(600_000)),
            "deny" => permit::Outcome::Deny("not today".to_owned()),
            _ => permit::Outcome::Allow,
        })
    }
}

impl pre_bind::Guest for Plugin {
    fn pre_bind(_: Pod, node: String) -> Result<Option<Rejection>, String> {
        Ok((setting("pre-bind") == "refuse").then(|| rejection(&format!("{node} is not prepared"))))
    }
}

impl bind::Guest for Plugin {
    fn bind(pod: Pod, node: String) -> Result<bind::Outcome, String> {
        Ok(match setting("bind").as_str() {
            "write" => {
                bind::Outcome::Write(vec![Entry { key: "bound-by".to_owned(), value: format!("points for {} to {node}", pod.name) }])
            }
            "done" => bind::Outcome::Done,
            _ => bind::Outcome::Skip,
        })
    }
}

impl post_bind::Guest for Plugin {
    fn post_bind(pod: Pod, _: String) -> Result<(), String> {
        said("bound", &pod);
        Ok(())
    }
}
