//! Makes components that misbehave, from the WIT of their world and a few lines of text: included by the tests that need them.
//!
//! A guest exports everything its world has. What a test says nothing about answers with zeros, which every world takes for a
//! friendly answer: `ok`, no opinion, nothing to do. So a case is the one function that does not.

mod answer;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Function, LiftLowerAbi, ManglingAndAbi, Resolve, WasmExport, WasmExportKind, WasmImport, WorldId, WorldItem, WorldKey};

const SYNC: ManglingAndAbi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);

/// Where answers lie: 8 KiB of zeros that nobody writes to but a case.
pub const ANSWER: u32 = 1024;
/// Where `realloc` begins, anew with each call.
const HEAP: u32 = 65_536;
/// Where answers lie that a case gives: behind the heap of any call.
const ANSWERS: u32 = 4 * HEAP;

/// A component in the making.
#[derive(Clone, Default)]
pub struct Guest {
    world: String,
    bodies: BTreeMap<String, String>,
    answers: BTreeMap<String, Value>,
    imports: Vec<(String, String)>,
    fields: String,
    realloc: Option<String>,
    wasi: bool,
    pages: u32,
    without: Vec<String>,
}

#[allow(dead_code, reason = "each test that includes this uses a part of it")]
impl Guest {
    /// `world` as in `wit/worlds.wit`.
    pub fn of(world: &str) -> Self {
        Self { world: world.to_owned(), pages: 4, ..Self::default() }
    }

    /// What an export does: `filter#filter` and a body of wasm text that leaves its result. Parameters are `(local.get 0)`, ….
    pub fn on(mut self, export: &str, body: &str) -> Self {
        self.bodies.insert(export.to_owned(), body.to_owned());
        self
    }

    /// What an export answers: see [`answer`].
    pub fn answers(mut self, export: &str, answer: Value) -> Self {
        self.answers.insert(export.to_owned(), answer);
        self
    }

    /// Takes that back.
    pub fn without_answer(mut self, export: &str) -> Self {
        self.answers.remove(export);
        self
    }

    /// Imports a function, as `$name` with what is not a letter or digit as `-`: `import("log", "log")`.
    pub fn import(mut self, interface: &str, function: &str) -> Self {
        self.imports.push((interface.to_owned(), function.to_owned()));
        self
    }

    /// The same of WASI (`wasi.wit` beside this file): `wasi("io/poll", "[method]pollable.block")`.
    pub fn wasi(mut self, interface: &str, function: &str) -> Self {
        self.wasi = true;
        self.import(interface, function)
    }

    /// Further fields of the module: data, globals, functions, a start.
    pub fn with(mut self, fields: &str) -> Self {
        self.fields.push_str(fields);
        self.fields.push('\n');
        self
    }

    /// Body of the function that the host calls for memory; parameters: old place, old size, alignment, new size.
    pub fn realloc(mut self, body: &str) -> Self {
        self.realloc = Some(body.to_owned());
        self
    }

    /// Memory at the start, in pages of 64 KiB.
    pub fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    /// Leaves an interface out.
    pub fn without(mut self, export: &str) -> Self {
        self.without.push(export.to_owned());
        self
    }

    /// The component.
    pub fn build(&self) -> Vec<u8> {
        let (resolve, world) = self.resolve();
        let text = self.text(&resolve, world);
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        let encoded = ComponentEncoder::default().validate(true).module(&module).and_then(|mut encoder| encoder.encode());
        encoded.unwrap_or_else(|error| panic!("{error:?}\n{text}"))
    }

    /// The result that an export answers with in memory, if it does.
    pub fn answers_in_memory(&self, export: &str) -> bool {
        let (resolve, world) = self.resolve();
        let found = self.functions(&resolve, world).into_iter().find(|(key, function)| short(&resolve, key, function) == export);
        found.is_some_and(|(_, function)| resolve.wasm_signature(AbiVariant::GuestExport, function).retptr)
    }

    /// Names of all exported functions of the world: `filter#filter`.
    pub fn exports(&self) -> Vec<String> {
        let (resolve, world) = self.resolve();
        self.functions(&resolve, world).into_iter().map(|(key, function)| short(&resolve, key, function)).collect()
    }

    fn resolve(&self) -> (Resolve, WorldId) {
        let mut resolve = Resolve::default();
        let (contract, _) = resolve.push_dir(contract()).unwrap();
        let wasi = if self.wasi { include_str!("wasi.wit") } else { "" };
        let imports = if self.wasi { "include all-of-wasi;" } else { "" };
        let version = resolve.packages[contract].name.version.as_ref().unwrap().to_string();
        let leave = format!("include coracle:plugin/{}@{version};", self.world);
        let text = format!("package test:hostile;\n{}\nworld guest {{ {leave} {imports} }}", wasi);
        let package = resolve.push_source("hostile.wit", &text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        let world = resolve.select_world(&[package], Some("guest")).unwrap();
        let left = |resolve: &Resolve, key: &WorldKey| {
            let name = resolve.name_world_key(key);
            self.without.iter().any(|without| interface_of(&name) == without)
        };
        let keys: Vec<WorldKey> = resolve.worlds[world].exports.keys().filter(|key| left(&resolve, key)).cloned().collect();
        for key in keys {
            resolve.worlds[world].exports.shift_remove(&key);
        }
        (resolve, world)
    }

    fn functions<'r>(&self, resolve: &'r Resolve, world: WorldId) -> Vec<(&'r WorldKey, &'r Function)> {
        let exports = resolve.worlds[world].exports.iter();
        let interfaces = exports.filter_map(|(key, item)| match item {
            WorldItem::Interface { id, .. } => Some((key, &resolve.interfaces[*id])),
            _ => None,
        });
        interfaces.flat_map(|(key, interface)| interface.functions.values().map(move |function| (key, function))).collect()
    }

    fn text(&self, resolve: &Resolve, world: WorldId) -> String {
        let mut text = String::from("(module\n");
        for (wanted, name) in &self.imports {
            let found = resolve.worlds[world].imports.iter().find_map(|(key, item)| match item {
                WorldItem::Interface { id, .. } if interface_of(&resolve.name_world_key(key)) == wanted => {
                    Some((key, resolve.interfaces[*id].functions.get(name.as_str()).unwrap_or_else(|| panic!("no {wanted} {name}"))))
                }
                _ => None,
            });
            let (key, function) = found.unwrap_or_else(|| panic!("the world {} does not import {wanted}", self.world));
            let (module, field) = resolve.wasm_import_name(SYNC, WasmImport::Func { interface: Some(key), func: function });
            let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
            let own = identifier(name);
            text += &format!("(import {module:?} {field:?} (func ${own} {}))\n", types(&signature.params, &signature.results));
        }
        let mut layout = answer::Layout::new(resolve, ANSWERS);
        let mut bodies = self.bodies.clone();
        for (key, function) in self.functions(resolve, world) {
            let name = short(resolve, key, function);
            if let (Some(value), Some(ty)) = (self.answers.get(&name), &function.result) {
                let at = layout.put(ty, value);
                bodies.insert(name, format!("(i32.const {at})"));
            }
        }
        layout.finish();
        let bytes: String = layout.bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let data = format!("(data (i32.const {ANSWERS}) \"{bytes}\")\n");
        let end = if layout.bytes.is_empty() { 0 } else { ANSWERS as usize + layout.bytes.len() + layout.zeros };
        let pages = self.pages.max(u32::try_from(end.div_ceil(65_536)).unwrap());
        if !layout.bytes.is_empty() {
            text += &data;
        }
        text += &format!("(memory (export \"memory\") {pages})\n(global $top (mut i32) (i32.const {HEAP}))\n");
        let grow = format!(
            "(local $at i32)
            (local.set $at (i32.and (i32.add (global.get $top) (i32.sub (local.get 2) (i32.const 1))) (i32.sub (i32.const 0) (local.get 2))))
            (global.set $top (i32.add (local.get $at) (local.get 3)))
            (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const {HEAP})))
                (then (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get 3) (i32.const {HEAP})))))))
            (local.get $at)"
        );
        let realloc = self.realloc.as_deref().unwrap_or(&grow);
        text += &format!("(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) {realloc})\n");
        for (key, function) in self.functions(resolve, world) {
            let export = WasmExport::Func { interface: Some(key), func: function, kind: WasmExportKind::Normal };
            let name = resolve.wasm_export_name(SYNC, export);
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
            let body = match bodies.get(&short(resolve, key, function)) {
                Some(body) => body.clone(),
                None => match signature.results.first() {
                    None => String::new(),
                    Some(WasmType::I64) => "(i64.const 0)".to_owned(),
                    Some(WasmType::F32) => "(f32.const 0)".to_owned(),
                    Some(WasmType::F64) => "(f64.const 0)".to_owned(),
                    Some(_) if signature.retptr => format!("(i32.const {ANSWER})"),
                    Some(_) => "(i32.const 0)".to_owned(),
                },
            };
            let types = types(&signature.params, &signature.results);
            text += &format!("(func (export {name:?}) {types} {body} (global.set $top (i32.const {HEAP})))\n");
        }
        for name in bodies.keys().chain(self.answers.keys()) {
            let known = self.functions(resolve, world).into_iter().any(|(key, function)| short(resolve, key, function) == *name);
            assert!(known, "the world {} does not export {name}", self.world);
        }
        text + &self.fields + ")\n"
    }
}

/// The version of the contract in `wit/`.
#[allow(dead_code, reason = "each test that includes this uses a part of it")]
pub fn version() -> String {
    let mut resolve = Resolve::default();
    let (contract, _) = resolve.push_dir(contract()).unwrap();
    resolve.packages[contract].name.version.as_ref().unwrap().to_string()
}

fn contract() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|folder| folder.join("wit/worlds.wit").exists());
    root.unwrap().join("wit")
}

/// `coracle:plugin/filter@1.1.0` → `filter`; `wasi:io/poll@0.2.0` → `io/poll`.
fn interface_of(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    name.strip_prefix("coracle:plugin/").or_else(|| name.strip_prefix("wasi:")).unwrap_or(name)
}

fn short(resolve: &Resolve, key: &WorldKey, function: &Function) -> String {
    format!("{}#{}", interface_of(&resolve.name_world_key(key)), function.name)
}

fn identifier(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn types(params: &[WasmType], results: &[WasmType]) -> String {
    let name = |ty: &WasmType| match ty {
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
    };
    let list = |what: &str, list: &[WasmType]| match list {
        [] => String::new(),
        list => format!("({what} {})", list.iter().map(name).collect::<Vec<_>>().join(" ")),
    };
    format!("{} {}", list("param", params), list("result", results))
}
