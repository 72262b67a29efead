//! A filter built against version 1.0.0 of the contract (`wit/` beside this file is a copy of it, never to be changed). It refuses
//! nodes with the name in its setting `avoid`.

wit_bindgen::generate!({ path: "wit", world: "scheduler-filter" });

use coracle::plugin::{config, log};
use exports::coracle::plugin::filter::{Code, Guest as Filter, Pod, Reason, Verdicts};
use exports::coracle::plugin::node_table::{Delta, Guest as NodeTable};
use std::cell::RefCell;

struct Plugin;
export!(Plugin);

thread_local! {
    static NAMES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

impl NodeTable for Plugin {
    fn sync(delta: Delta) -> Result<(), String> {
        NAMES.with_borrow_mut(|names| {
            names.resize(delta.length as usize, String::new());
            for node in delta.upserts {
                names[node.number as usize] = node.name;
            }
        });
        Ok(())
    }
}

impl Filter for Plugin {
    fn filter(pod: Pod, candidates: Vec<u32>) -> Result<Verdicts, String> {
        let avoided = config::get("avoid").unwrap_or_default();
        log::log(log::Level::Debug, &pod.name);
        let mut passed = vec![u8::MAX; candidates.len().div_ceil(8)];
        NAMES.with_borrow(|names| {
            for at in (0..candidates.len()).filter(|at| names[candidates[*at] as usize] == avoided) {
                passed[at / 8] &= !(1 << (at % 8));
            }
        });
        let reason = Reason { code: Code::Unschedulable, text: "node(s) were to be avoided".to_owned() };
        Ok(Verdicts { passed, reasons: vec![reason], codes: Vec::new() })
    }
}
