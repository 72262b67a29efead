//! `coracle wasm-host`: holds the wasm containers of a node and outlives the server.

use anyhow::Result;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[arg(long)]
    run_dir: PathBuf,
    #[arg(long)]
    cache_dir: PathBuf,
}

pub fn run(args: Args) -> Result<()> {
    super::server::log("info", false);
    let config = wasm::host::Config::new(args.run_dir, args.cache_dir);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(config.threads).enable_all().build()?;
    let shutdown = CancellationToken::new();
    runtime.block_on(async {
        let stop = shutdown.clone();
        tokio::spawn(async move {
            if super::server::signal().await.is_ok() {
                stop.cancel();
            }
        });
        wasm::host::serve(config, shutdown).await
    })?;
    Ok(())
}
