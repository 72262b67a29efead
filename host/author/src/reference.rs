//! The contract as a page: every world and interface with its prose, read from WIT, so that it cannot say something else.

use crate::Error;
use crate::contract::{Contract, base};
use std::fmt::Write;
use wit_component::{OutputToString, WitPrinter};
use wit_parser::{Function, Interface, InterfaceId, Resolve, TypeDef, TypeDefKind, WorldItem, WorldKey};

/// The page in Markdown.
///
/// # Errors
/// `Contract`.
pub fn page(contract: &Contract) -> Result<String, Error> {
    let resolve = &contract.resolve;
    let mut page = Page { resolve, text: String::new() };
    page.line("<!-- Written by `cargo xtask wit-docs` from wit/. -->\n");
    page.line("# Reference of the plugin contract\n");
    page.line(&format!("Package `{}`. How to write a plugin: [plugins.md](plugins.md).\n", contract.version()));
    let Some(package) = resolve.packages.get(contract.package) else { return Ok(page.text) };
    page.docs(package.docs.contents.as_deref());
    page.line("## Worlds\n");
    for world in package.worlds.values().filter_map(|id| resolve.worlds.get(*id)) {
        page.line(&format!("### World `{}`\n", world.name));
        page.docs(world.docs.contents.as_deref());
        page.items("Exports", world.exports.iter());
        page.items("Imports", world.imports.iter());
    }
    page.line("## Interfaces\n");
    for (name, id) in &package.interfaces {
        if let Some(interface) = resolve.interfaces.get(*id) {
            page.interface(name, *id, interface)?;
        }
    }
    while page.text.ends_with("\n\n") {
        page.text.pop();
    }
    Ok(page.text)
}

struct Page<'a> {
    resolve: &'a Resolve,
    text: String,
}

/// Name, type and prose.
type Row<'a> = (String, String, Option<&'a String>);

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn docs(&mut self, docs: Option<&str>) {
        if let Some(docs) = docs {
            let _ = writeln!(self.text, "{}\n", docs.trim());
        }
    }

    fn items<'b>(&mut self, what: &str, items: impl Iterator<Item = (&'b WorldKey, &'b WorldItem)>) {
        let mut names: Vec<String> = items.map(|(key, _)| base(&self.resolve.name_world_key(key)).to_owned()).collect();
        names.sort();
        if names.is_empty() {
            return;
        }
        let own = |name: &String| match name.strip_prefix("coracle:plugin/") {
            Some(own) => format!("[{own}](#interface-{own})"),
            None => format!("`{name}`"),
        };
        let _ = writeln!(self.text, "{what}: {}.\n", names.iter().map(own).collect::<Vec<_>>().join(", "));
    }

    fn interface(&mut self, name: &str, id: InterfaceId, interface: &Interface) -> Result<(), Error> {
        self.line(&format!("### Interface `{name}`\n"));
        self.docs(interface.docs.contents.as_deref());
        let users = self.users(id);
        if !users.is_empty() {
            self.line(&format!("In {}.\n", users.join(", ")));
        }
        for function in interface.functions.values() {
            let signature = self.signature(function)?;
            let _ = writeln!(self.text, "`{signature}`\n");
            self.docs(function.docs.contents.as_deref());
        }
        let types = interface.types.iter().filter_map(|(name, id)| Some((name, self.resolve.types.get(*id)?)));
        let types: Vec<(&String, &TypeDef)> = types.collect();
        for (name, definition) in types {
            self.definition(name, definition)?;
        }
        Ok(())
    }

    /// Worlds that export or import it.
    fn users(&self, id: InterfaceId) -> Vec<String> {
        let names = |item: &WorldItem| matches!(item, WorldItem::Interface { id: other, .. } if *other == id);
        let mut users = Vec::new();
        for (_, world) in self.resolve.worlds.iter() {
            if world.exports.values().any(names) {
                users.push(format!("`{}` (exported)", world.name));
            } else if world.imports.values().any(names) {
                users.push(format!("`{}`", world.name));
            }
        }
        users
    }

    fn signature(&self, function: &Function) -> Result<String, Error> {
        let mut parameters = Vec::new();
        for parameter in &function.params {
            parameters.push(format!("{}: {}", parameter.name, self.type_name(&parameter.ty)?));
        }
        let mut text = format!("{}: func({})", function.name, parameters.join(", "));
        if let Some(result) = &function.result {
            let _ = write!(text, " -> {}", self.type_name(result)?);
        }
        Ok(text)
    }

    fn type_name(&self, of: &wit_parser::Type) -> Result<String, Error> {
        let mut printer = WitPrinter::<OutputToString>::default();
        printer
            .print_type_name(self.resolve, of)
            .map_err(|error| Error::Contract { what: "wit/".to_owned(), cause: format!("{error:#}") })?;
        Ok(String::from(printer.output))
    }

    fn definition(&mut self, name: &str, definition: &TypeDef) -> Result<(), Error> {
        // The word of WIT, and its rows.
        let (word, rows): (&str, Vec<Row<'_>>) = match &definition.kind {
            TypeDefKind::Record(record) => {
                let mut rows = Vec::new();
                for field in &record.fields {
                    rows.push((field.name.clone(), self.type_name(&field.ty)?, field.docs.contents.as_ref()));
                }
                ("record", rows)
            }
            TypeDefKind::Variant(variant) => {
                let mut rows = Vec::new();
                for case in &variant.cases {
                    let of = case.ty.as_ref().map(|of| self.type_name(of)).transpose()?.unwrap_or_default();
                    rows.push((case.name.clone(), of, case.docs.contents.as_ref()));
                }
                ("variant", rows)
            }
            TypeDefKind::Enum(cases) => {
                ("enum", cases.cases.iter().map(|case| (case.name.clone(), String::new(), case.docs.contents.as_ref())).collect())
            }
            TypeDefKind::Flags(flags) => {
                ("flags", flags.flags.iter().map(|flag| (flag.name.clone(), String::new(), flag.docs.contents.as_ref())).collect())
            }
            TypeDefKind::Resource => ("resource", Vec::new()),
            // A type that another interface defines, by `use`: told there.
            TypeDefKind::Type(wit_parser::Type::Id(_)) => return Ok(()),
            TypeDefKind::Type(of) => {
                let of = self.type_name(of)?;
                self.line(&format!("type `{name}` = `{of}`\n"));
                self.docs(definition.docs.contents.as_deref());
                return Ok(());
            }
            _ => ("type", Vec::new()),
        };
        self.line(&format!("{word} `{name}`\n"));
        self.docs(definition.docs.contents.as_deref());
        if rows.is_empty() {
            return Ok(());
        }
        self.line("| | | |\n| --- | --- | --- |");
        for (name, of, docs) in rows {
            let of = if of.is_empty() { of } else { format!("`{of}`") };
            let docs = docs.map(|docs| docs.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")).unwrap_or_default();
            let _ = writeln!(self.text, "| `{name}` | {of} | {docs} |");
        }
        self.text.push('\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regenerate with `cargo xtask wit-docs`.
    #[test]
    fn the_page_in_docs_is_what_the_contract_says() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plugin-reference.md");
        let page = page(&Contract::embedded().unwrap()).unwrap();
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        let differs = page.lines().zip(written.lines()).find(|(one, other)| one != other);
        assert!(
            page == written,
            "docs/plugin-reference.md is not what wit/ says: run `cargo xtask wit-docs`; first difference: {differs:?}"
        );
    }
}
