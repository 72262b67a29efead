//! A scheduler plugin that misbehaves. The settings `filter`, `score` and `sync` say how each of the calls does:
//!
//! - `trap`: panics
//! - `spin`: never returns
//! - `hog`: takes memory until there is none
//! - `recurse`: uses up the stack
//! - `fail`: answers with an error
//! - `lie`: refuses nodes that were no candidates, with a reason that does not exist; gives scores of 255, one too many
//! - `flood`: logs without end of measure
//! - `remember`: refuses every candidate, telling how many calls this instance has had
//! - anything else, or nothing: behaves

wit_bindgen::generate!({ path: "../../../wit", world: "scheduler" });

use coracle::plugin::{config, log};
use exports::coracle::plugin::filter::{Code, Guest as Filter, Pod, Reason, Verdicts};
use exports::coracle::plugin::node_table::{Delta, Guest as NodeTable};
use exports::coracle::plugin::score::{Guest as Score, Pod as ScoredPod};
use std::cell::Cell;
use std::hint::black_box;

struct Plugin;

export!(Plugin);

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Does what the setting says; comes back for those that change the answer.
fn misbehave(setting: &str) -> Result<String, String> {
    let how = config::get(setting).unwrap_or_default();
    match how.as_str() {
        "trap" => panic!("asked to trap"),
        "spin" => loop {
            black_box(0);
        },
        "hog" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        "recurse" => drop(black_box(recurse(0))),
        "fail" => return Err("asked to fail".to_owned()),
        "flood" => (0..10_000).for_each(|i| log::log(log::Level::Info, &format!("line {i} {}", "x".repeat(8192)))),
        _ => {}
    }
    Ok(how)
}

#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    let room = black_box([depth; 64]);
    recurse(depth + 1) + room[(depth % 64) as usize]
}

impl NodeTable for Plugin {
    fn sync(_: Delta) -> Result<(), String> {
        misbehave("sync").map(drop)
    }
}

impl Filter for Plugin {
    fn filter(_: Pod, candidates: Vec<u32>) -> Result<Verdicts, String> {
        CALLS.set(CALLS.get() + 1);
        let none = Verdicts { passed: Vec::new(), reasons: Vec::new(), codes: Vec::new() };
        Ok(match misbehave("filter")?.as_str() {
            "lie" => Verdicts { passed: vec![0; candidates.len() + 1], reasons: Vec::new(), codes: vec![7] },
            "remember" => Verdicts {
                passed: vec![0; candidates.len().div_ceil(8)],
                reasons: vec![Reason { code: Code::Unschedulable, text: format!("node(s) seen in call {}", CALLS.get()) }],
                codes: Vec::new(),
            },
            _ => none,
        })
    }
}

impl Score for Plugin {
    fn score(_: ScoredPod, candidates: Vec<u32>) -> Result<Vec<u8>, String> {
        Ok(match misbehave("score")?.as_str() {
            "lie" => vec![255; candidates.len() + 1],
            _ => Vec::new(),
        })
    }
}
