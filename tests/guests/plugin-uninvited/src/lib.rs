//! A scheduler plugin whose world has one import more than the contract's: it must fail at load, and be told which.

wit_bindgen::generate!({
    inline: "
        package test:uninvited;
        interface secrets {
            read: func() -> string;
        }
        world uninvited {
            import secrets;
            include coracle:plugin/scheduler-filter@1.1.0;
        }
    ",
    path: "../../../wit",
    world: "test:uninvited/uninvited",
    generate_all,
});

use exports::coracle::plugin::filter::{Guest as Filter, Pod, Verdicts};
use exports::coracle::plugin::node_table::{Delta, Guest as NodeTable};

struct Plugin;

export!(Plugin);

impl NodeTable for Plugin {
    fn sync(_: Delta) -> Result<(), String> {
        Ok(())
    }
}

impl Filter for Plugin {
    fn filter(_: Pod, _: Vec<u32>) -> Result<Verdicts, String> {
        Err(test::uninvited::secrets::read())
    }
}
