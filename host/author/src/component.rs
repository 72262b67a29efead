//! A component as a file: made of a core module, and described without running or compiling it.

use crate::Error;
use crate::contract::{Contract, Names, base};
use wasi_preview1_component_adapter_provider as adapters;
use wit_component::ComponentEncoder;
use wit_parser::decoding::{DecodedWasm, decode};

/// What a core module may import beside its world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// Nothing: built without WASI.
    None,
    /// `wasi_snapshot_preview1`, of a module without `main`: C and Go plugins.
    Reactor,
    /// `wasi_snapshot_preview1`, of a module with `main`.
    Command,
}

/// A component of the core module `module`, which carries its world in a custom section, as bindings generators put it there.
///
/// # Errors
/// `Component`: it has no world, lacks an export of it, or imports what no adapter gives.
pub fn encode(module: &[u8], adapter: Adapter, what: &str) -> Result<Vec<u8>, Error> {
    // A component is what is wanted already.
    if is_component(module) {
        return Ok(module.to_vec());
    }
    let failed = |error: &dyn std::fmt::Display| Error::Component { what: what.to_owned(), cause: error.to_string() };
    let encoder = ComponentEncoder::default().validate(true).module(module).map_err(|error| failed(&format!("{error:#}")))?;
    let bytes = match adapter {
        Adapter::None => None,
        Adapter::Reactor => Some(adapters::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER),
        Adapter::Command => Some(adapters::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER),
    };
    let encoder = match bytes {
        Some(bytes) => encoder.adapter(adapters::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, bytes),
        None => Ok(encoder),
    };
    let made = encoder.and_then(|mut encoder| encoder.encode());
    made.map_err(|error| failed(&format!("{error:#}")))
}

/// Puts the world `world` of `contract` into `module`, for a compiler whose bindings do not.
///
/// # Errors
/// `Component`: there is no such world.
pub fn embed(module: &mut Vec<u8>, contract: &Contract, world: &str, what: &str) -> Result<(), Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Component { what: what.to_owned(), cause: error.to_string() };
    let id = contract.resolve.select_world(&[contract.package], Some(world)).map_err(|error| failed(&format!("{error:#}")))?;
    wit_component::embed_component_metadata(module, &contract.resolve, id, wit_component::StringEncoding::UTF8)
        .map_err(|error| failed(&format!("{error:#}")))
}

/// Whether these are the first bytes of a component.
pub fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0, b'a', b's', b'm', 0x0d, 0, 1, 0])
}

/// What a component imports and exports.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Described {
    /// Interfaces with their versions (`coracle:plugin/log@1.0.0`), and functions that stand alone, in the component's order.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// Reads what `bytes` import and export.
///
/// # Errors
/// `Component`: it is none.
pub fn describe(bytes: &[u8], what: &str) -> Result<Described, Error> {
    let failed = |cause: String| Error::Component { what: what.to_owned(), cause };
    if !is_component(bytes) {
        let cause = if bytes.starts_with(b"\0asm") {
            "it is a core module; `coracle plugin build` makes a component of it"
        } else {
            "it is not WebAssembly"
        };
        return Err(failed(cause.to_owned()));
    }
    match decode(bytes).map_err(|error| failed(format!("{error:#}")))? {
        DecodedWasm::WitPackage(..) => Err(failed("it is a WIT package, not a component".to_owned())),
        DecodedWasm::Component(resolve, world) => {
            let world = resolve.worlds.get(world).ok_or_else(|| failed("it has no world".to_owned()))?;
            Ok(Described {
                imports: world.imports.keys().map(|key| resolve.name_world_key(key)).collect(),
                exports: world.exports.keys().map(|key| resolve.name_world_key(key)).collect(),
            })
        }
    }
}

impl Described {
    /// The worlds of the contract whose exports this has, those with most exports first: what `spec.world` can say.
    pub fn worlds<'a>(&self, worlds: &'a [Names]) -> Vec<&'a Names> {
        let has = |wanted: &String| self.exports.iter().any(|export| base(export) == wanted);
        let mut fit: Vec<&Names> = worlds.iter().filter(|names| !names.exports.is_empty() && names.exports.iter().all(has)).collect();
        fit.sort_by_key(|names| std::cmp::Reverse(names.exports.len()));
        fit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_told() {
        for (bytes, expect) in [
            (wat::parse_str("(module)").unwrap(), "x.wasm is not a component of this contract: it is a core module"),
            (b"#!/bin/sh".to_vec(), "it is not WebAssembly"),
            (Vec::new(), "it is not WebAssembly"),
        ] {
            let error = describe(&bytes, "x.wasm").unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        }
    }

    #[test]
    fn a_core_module_of_a_world_becomes_a_component_of_it() {
        let contract = Contract::embedded().unwrap();
        let mut module = wat::parse_str(r#"(module (import "coracle:plugin/nowhere" "log" (func)))"#).unwrap();
        embed(&mut module, &contract, "scheduler-filter", "x").unwrap();
        let error = encode(&module, Adapter::None, "x").unwrap_err().to_string();
        assert!(error.starts_with("x is not a component of this contract: "), "{error}");
        assert!(embed(&mut module, &contract, "no-such", "x").is_err());
    }

    #[test]
    fn worlds_are_found_by_their_exports() {
        let names = |world: &str, exports: &[&str]| Names {
            world: world.to_owned(),
            imports: Vec::new(),
            exports: exports.iter().map(|name| (*name).to_owned()).collect(),
        };
        let worlds =
            [names("f", &["p:q/table", "p:q/filter"]), names("both", &["p:q/table", "p:q/filter", "p:q/score"]), names("none", &[])];
        for (exports, expect) in [
            (vec!["p:q/table@1.0.0", "p:q/filter@1.1.0"], vec!["f"]),
            (vec!["p:q/table@1.0.0", "p:q/filter@1.0.0", "p:q/score@1.0.0"], vec!["both", "f"]),
            (vec!["wasi:cli/run@0.2.0"], vec![]),
        ] {
            let described = Described { imports: Vec::new(), exports: exports.iter().map(|e| (*e).to_owned()).collect() };
            let found: Vec<&str> = described.worlds(&worlds).iter().map(|names| names.world.as_str()).collect();
            assert_eq!(found, expect);
        }
    }
}
