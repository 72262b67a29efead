//! The `coracle` binary. The shim's role is taken before anything else starts, because libcontainer forks and must find
//! one thread.

mod cloud;
mod config;
mod fetch;
mod lead;
mod role;
mod state;
mod wire;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "coracle", version = config::VERSION, about = "A WebAssembly-native orchestrator that serves the Kubernetes API")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a node: API server, scheduler, controllers, node agent, service proxy and DNS in one process.
    Server(Box<config::ServerArgs>),
    /// List, import and remove images in this node's image store.
    #[command(subcommand)]
    Image(role::image::Command),
    /// For authors of plugins: begin, build, test, measure, inspect and push one.
    #[command(subcommand)]
    Plugin(role::plugin::Command),
    /// Hold the wasm containers of a node (started by the server).
    #[command(hide = true)]
    WasmHost(role::wasm_host::Args),
}

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    if args.nth(1).is_some_and(|first| first == "shim") {
        return oci::shim::main(args);
    }
    let args = match config::with_file(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => return fail(&error),
    };
    let done = match Cli::parse_from(args).command {
        Command::Server(args) => role::server::run(*args),
        Command::Image(command) => role::image::run(command),
        Command::Plugin(command) => role::plugin::run(command),
        Command::WasmHost(args) => role::wasm_host::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// One line on stderr: what failed, then why.
fn fail(error: &anyhow::Error) -> ExitCode {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string().replace('\n', " ");
        // Some libraries repeat their source in their own message.
        if !line.ends_with(&cause) {
            line = if line.is_empty() { cause } else { format!("{line}: {cause}") };
        }
    }
    eprintln!("coracle: {line}");
    ExitCode::FAILURE
}
