//! Regenerates the schema tables of `registry`; with `--check` only compares.

#[path = "../src/schema.rs"]
mod schema;

fn main() -> anyhow::Result<()> {
    schema::generate(std::env::args().any(|a| a == "--check"))
}
