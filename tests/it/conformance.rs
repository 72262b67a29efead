//! What the conformance suite demands of kubectl and of controllers with pods that run; docs/conformance.md has the entries.

mod clients;
mod collector;
mod published;

use std::collections::BTreeMap;
use tests::paths::root;

/// The page cannot rot: every test it names is there, and its numbers are those of its rows.
#[test]
fn the_page_names_tests_that_exist() {
    let page = std::fs::read_to_string(root().join("docs/conformance.md")).expect("the page is there");
    let mut group = "";
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut told: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            group = title;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if !line.starts_with("| ") || matches!(cells[0], "entry" | "group" | "---") {
            continue;
        }
        if group.is_empty() {
            let numbers: Vec<usize> = cells[1..].iter().map(|n| n.parse().expect("a number")).collect();
            assert_eq!(numbers[..3].iter().sum::<usize>(), numbers[3], "{line}");
            told.insert(cells[0], [numbers[0], numbers[1], numbers[2]]);
            continue;
        }
        let [entry, state, tests] = cells[..] else { panic!("three cells are expected in {line}") };
        let index = match state {
            "met" => 0,
            but if but.starts_with("met but ") => 1,
            later if later.starts_with("later: ") => 2,
            other => panic!("{entry}: {other} is no state"),
        };
        counts.entry(group).or_default()[index] += 1;
        counts.entry("all").or_default()[index] += 1;
        assert!(index == 2 || !tests.is_empty(), "{entry} is met: by which test?");
        for test in tests.split('`').skip(1).step_by(2) {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test} is no test"));
            let source = std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(source.contains(&format!("fn {name}(")), "{file} has no test {name}");
        }
    }
    assert_eq!(told, counts);
}
