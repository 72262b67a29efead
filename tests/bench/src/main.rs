//! Benchmarks of the release build, against the budgets of `docs/ARCHITECTURE.md`. Prints tables; asserts nothing.
//!
//! The load and the server share the machine: rates are what both together reach, CPU figures are the server's alone.

mod idle;
mod plugins;
mod pods;
mod process;
mod reads;
mod scheduling;
mod table;
mod watches;
mod writes;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let sections: [(&str, fn()); 15] = [
        ("idle", idle::run),
        ("writes", writes::run),
        ("writes-etcd", writes::etcd),
        ("reads", reads::run),
        ("reads-etcd", reads::etcd),
        ("watches", watches::run),
        ("wasm-pods", pods::wasm),
        ("oci-pods", pods::oci),
        ("scheduling", scheduling::run),
        ("plugin-calls", plugins::calls::run),
        ("plugin-nodes", plugins::nodes::run),
        ("plugin-admission", plugins::admission::run),
        ("plugin-controllers", plugins::controllers::run),
        ("plugin-update", plugins::update::run),
        ("plugin-streams", plugins::streams::run),
    ];
    for (name, run) in sections {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            run();
        }
    }
}
