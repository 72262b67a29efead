//! `key-value BUCKET`: counts its runs there, and tells what it found.

wit_bindgen::generate!({ path: "../../../host/wasm/wit/workload", world: "imports", generate_all });

use wasi::config::store as config;
use wasi::keyvalue::{atomics, batch, store};

fn main() -> Result<(), store::Error> {
    let identifier = std::env::args().nth(1).unwrap_or_default();
    let bucket = store::open(&identifier).inspect_err(|error| println!("open: {error:?}"))?;
    let runs = atomics::increment(&bucket, "runs", 1)?;
    batch::set_many(&bucket, &[("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())])?;
    let found = batch::get_many(&bucket, &["b".to_owned(), "none".to_owned()])?;
    bucket.delete("a")?;
    let keys = bucket.list_keys(None)?.keys.join(",");
    let greeting = config::get("GREETING").ok().flatten().unwrap_or_default();
    println!("run {runs}, keys {keys}, found {}, {greeting}", found.iter().flatten().count());
    assert!(bucket.exists("b")? && bucket.get("a")?.is_none());
    Ok(())
}
