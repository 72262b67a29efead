//! Refuses nodes whose name does not begin with what the pod's annotation `example.org/node-prefix` says.

wit_bindgen::generate!({ path: "wit", world: "scheduler-filter" });

use exports::coracle::plugin::filter::{Code, Guest as Filter, Pod, Reason, Refusal, Refusals};
use exports::coracle::plugin::node_table::{Delta, Guest as NodeTable};
use std::cell::RefCell;

struct Plugin;
export!(Plugin);

thread_local! {
    static NAMES: RefCell<Vec<String>> = RefCell::default();
}

impl NodeTable for Plugin {
    fn sync(delta: Delta) -> Result<(), String> {
        NAMES.with_borrow_mut(|names| {
            if delta.full {
                names.clear();
            }
            names.resize(delta.length as usize, String::new());
            for node in delta.upserts {
                names[node.number as usize] = node.name;
            }
        });
        Ok(())
    }
}

impl Filter for Plugin {
    fn filter(pod: Pod, candidates: Vec<u32>) -> Result<Refusals, String> {
        let mut refusals = Refusals { reasons: vec![], nodes: vec![] };
        let Some(wanted) = pod.annotations.iter().find(|a| a.key == "example.org/node-prefix") else { return Ok(refusals) };
        // No other pod's removal changes a node's name.
        let code = Code::UnschedulableAndUnresolvable;
        refusals.reasons.push(Reason { code, text: format!("node(s) are not named {}*", wanted.value) });
        NAMES.with_borrow(|names| {
            let refused = candidates.into_iter().filter(|n| !names[*n as usize].starts_with(&wanted.value));
            refusals.nodes.extend(refused.map(|node| Refusal { node, reason: 0 }));
        });
        Ok(refusals)
    }
}
