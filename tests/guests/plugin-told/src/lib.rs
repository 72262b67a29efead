//! Refuses nodes with a whole core in use, prefers idle ones; and does what the pod's annotation `do` says.

wit_bindgen::generate!({ path: "../../../wit", world: "scheduler" });

use coracle::plugin::schedule_types::Pod;
use coracle::plugin::{config, log, whole_pod};
use exports::coracle::plugin::filter::{Code, Reason, Verdicts};
use exports::coracle::plugin::{filter, node_table, score};
use std::cell::RefCell;
use std::hint::black_box;

thread_local! {
    /// Millicores in use by number of the node, and how often this instance was told everything.
    static NODES: RefCell<(Vec<i64>, u32)> = const { RefCell::new((Vec::new(), 0)) };
}

struct Plugin;
export!(Plugin);

fn told(pod: &Pod) -> &str {
    pod.annotations.iter().find(|entry| entry.key == "do").map_or("", |entry| entry.value.as_str())
}

/// Refuses those of `candidates` for which `refused` says so.
fn refuse(candidates: &[u32], refused: impl Fn(u32) -> bool, text: &str) -> Verdicts {
    let mut passed = vec![0; candidates.len().div_ceil(8)];
    for (at, node) in candidates.iter().enumerate() {
        if !refused(*node) {
            passed[at / 8] |= 1 << (at % 8);
        }
    }
    Verdicts { passed, reasons: vec![Reason { code: Code::Unschedulable, text: text.to_owned() }], codes: Vec::new() }
}

impl node_table::Guest for Plugin {
    fn sync(delta: node_table::Delta) -> Result<(), String> {
        NODES.with_borrow_mut(|(nodes, fulls)| {
            if delta.full {
                nodes.clear();
                *fulls += 1;
            }
            nodes.resize(delta.length as usize, 0);
            for node in delta.upserts {
                nodes[node.number as usize] = node.usage.requested.milli_cpu;
            }
            for (number, usage) in delta.usages {
                nodes[number as usize] = usage.requested.milli_cpu;
            }
        });
        Ok(())
    }
}

impl filter::Guest for Plugin {
    fn filter(pod: Pod, candidates: Vec<u32>) -> Result<Verdicts, String> {
        match told(&pod) {
            "trap" => core::arch::wasm32::unreachable(),
            "spin" => loop {
                black_box(0);
            },
            "hog" => {
                let mut held: Vec<Vec<u8>> = Vec::new();
                loop {
                    held.push(black_box(vec![1; 1 << 20]));
                }
            }
            "err" => Err("told to fail".to_owned()),
            "nonsense" => Ok(Verdicts { passed: vec![0; 100], ..refuse(&[], |_| true, "nonsense") }),
            "log" => {
                for n in 0..1000 {
                    log::log(log::Level::Info, &format!("{n}"));
                }
                Ok(refuse(&candidates, |_| false, ""))
            }
            "show" => {
                let fulls = NODES.with_borrow(|(_, fulls)| *fulls);
                let text = format!("config {:?}, {} bytes of pod, {fulls} full", config::all(), whole_pod::json().len());
                Ok(refuse(&candidates, |node| node == candidates[0], &text))
            }
            _ => NODES.with_borrow(|(nodes, _)| Ok(refuse(&candidates, |node| nodes[node as usize] >= 1000, "too busy"))),
        }
    }
}

impl score::Guest for Plugin {
    fn score(pod: Pod, candidates: Vec<u32>) -> Result<Vec<u8>, String> {
        match told(&pod) {
            "short" => Ok(vec![1]),
            "high" => Ok(vec![101; candidates.len()]),
            _ => NODES.with_borrow(|(nodes, _)| {
                let free = |node: u32| 100 - (nodes[node as usize] / 10).clamp(0, 100);
                Ok(candidates.into_iter().map(|node| free(node) as u8).collect())
            }),
        }
    }
}
