//! All capabilities: a new one is a row here, and a file if it is not wasmtime's own.

use super::{http, names, sockets, workload};
use crate::ctx::State;
use crate::load::base;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings;
use wasmtime_wasi::random::WasiRandom;

pub struct Capability {
    /// What a grant says.
    pub name: &'static str,
    /// Packages (`wasi:io`) or interfaces (`wasi:http/types`) that it brings.
    pub brings: &'static [&'static str],
    pub link: fn(&mut Linker<State>) -> Result<()>,
    /// In a sentence, for documentation and errors.
    pub about: &'static str,
}

impl Capability {
    /// Whether import `name` (`wasi:io/poll@0.2.3`) is this capability's.
    pub fn covers(&self, name: &str) -> bool {
        let name = base(name);
        let package = name.split('/').next().unwrap_or(name);
        self.brings.iter().any(|brought| *brought == name || *brought == package)
    }
}

pub static ALL: &[Capability] = &[
    Capability { name: "wasi:io", brings: &["wasi:io"], link: io, about: "streams and polling, which other WASI packages are made of" },
    Capability { name: "wasi:clocks", brings: &["wasi:clocks"], link: clocks, about: "wall clock, monotonic clock, timers" },
    Capability { name: "wasi:random", brings: &["wasi:random"], link: random, about: "random bytes" },
    Capability { name: "wasi:cli", brings: &["wasi:cli"], link: cli, about: "arguments, environment, standard streams, exit" },
    Capability { name: "wasi:filesystem", brings: &["wasi:filesystem"], link: filesystem, about: "the mounted directories" },
    Capability { name: "wasi:sockets", brings: &["wasi:sockets"], link: sockets, about: "TCP, UDP and name lookup on the pod's network" },
    Capability {
        name: "wasi:http",
        brings: &["wasi:http"],
        link: http::link,
        about: "HTTP requests from the pod's network, and the types of incoming ones",
    },
    Capability {
        name: "coracle:plugin/log",
        brings: &["coracle:plugin/log"],
        link: crate::plugins::link_log,
        about: "lines in the log of the server",
    },
    Capability {
        name: "coracle:plugin/config",
        brings: &["coracle:plugin/config"],
        link: crate::plugins::link_config,
        about: "spec.config of the plugin",
    },
    Capability {
        name: "coracle:plugin/whole-pod",
        brings: &["coracle:plugin/whole-pod"],
        link: crate::plugins::link_whole_pod,
        about: "the pod that is being scheduled, as JSON",
    },
    Capability {
        name: "coracle:plugin/api",
        brings: &["coracle:plugin/api"],
        link: crate::plugins::link_api,
        about: "the Kubernetes API as the plugin's service account",
    },
    Capability {
        name: "coracle:plugin/metrics",
        brings: &["coracle:plugin/metrics"],
        link: crate::plugins::link_metrics,
        about: "figures on /metrics",
    },
    Capability {
        name: "coracle:plugin/state",
        brings: &["coracle:plugin/state"],
        link: crate::plugins::link_state,
        about: "what the plugin keeps between calls",
    },
    Capability {
        name: "coracle:plugin/secrets",
        brings: &["coracle:plugin/secrets"],
        link: crate::plugins::link_secrets,
        about: "secrets that spec.grants names",
    },
    Capability {
        name: "coracle:plugin/waiting-pods",
        brings: &["coracle:plugin/waiting-pods"],
        link: crate::plugins::link_waiting_pods,
        about: "the pods that wait for permission to be bound",
    },
    Capability {
        name: "coracle:plugin/running-pods",
        brings: &["coracle:plugin/running-pods"],
        link: crate::plugins::link_running_pods,
        about: "the pods on a node, for a pod that found none",
    },
    Capability {
        name: "coracle:plugin/owner",
        brings: &["coracle:plugin/owner"],
        link: crate::plugins::link_owner,
        about: "owner references to the object that is being reconciled",
    },
    Capability {
        name: "coracle:plugin/schedule-types",
        brings: &["coracle:plugin/schedule-types"],
        link: crate::plugins::link_types,
        about: "types only",
    },
    Capability {
        name: "coracle:plugin/admission-types",
        brings: &["coracle:plugin/admission-types"],
        link: crate::plugins::link_admission_types,
        about: "types only",
    },
    Capability {
        name: "coracle:plugin/http-types",
        brings: &["coracle:plugin/http-types"],
        link: crate::plugins::link_http_types,
        about: "types only",
    },
    Capability {
        name: "wasi:config",
        brings: &["wasi:config/store"],
        link: workload::link_config,
        about: "the container's environment as settings",
    },
    Capability {
        name: "wasi:keyvalue",
        brings: &["wasi:keyvalue/store", "wasi:keyvalue/atomics", "wasi:keyvalue/batch"],
        link: workload::link_keyvalue,
        about: "buckets in memory and in volumes",
    },
    Capability {
        name: "coracle:plugin/cloud-types",
        brings: &["coracle:plugin/cloud-types"],
        link: crate::plugins::link_cloud_types,
        about: "types only",
    },
];

/// What every workload has: it is a Pod.
pub static WORKLOAD: &[&str] =
    &["wasi:io", "wasi:clocks", "wasi:random", "wasi:cli", "wasi:filesystem", "wasi:sockets", "wasi:http", "wasi:config"];

/// What a workload may be granted besides, by the annotation `coracle.dev/grants` of its RuntimeClass or its pod.
pub static WORKLOAD_GRANTABLE: &[&str] = &["wasi:keyvalue"];

/// What every plugin has.
pub static PLATFORM: &[&str] = &[
    "wasi:io",
    "wasi:clocks",
    "wasi:random",
    "coracle:plugin/log",
    "coracle:plugin/config",
    "coracle:plugin/api",
    "coracle:plugin/metrics",
    "coracle:plugin/state",
    "coracle:plugin/secrets",
];

/// What a plugin may be granted besides. `wasi:cli` has no arguments, no environment and no streams; `wasi:filesystem` the granted
/// directories, `wasi:sockets` and `wasi:http` the granted hosts, without any: nothing.
pub static GRANTABLE: &[&str] = &["wasi:cli", "wasi:filesystem", "wasi:sockets", "wasi:http"];

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

fn io(l: &mut Linker<State>) -> Result<()> {
    bindings::io::error::add_to_linker::<State, Table>(l, |state| state.ctx().table)?;
    bindings::io::poll::add_to_linker::<State, Table>(l, |state| state.ctx().table)?;
    bindings::io::streams::add_to_linker::<State, Table>(l, |state| state.ctx().table)
}

fn clocks(l: &mut Linker<State>) -> Result<()> {
    bindings::clocks::wall_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
    bindings::clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)
}

fn random(l: &mut Linker<State>) -> Result<()> {
    bindings::random::random::add_to_linker::<State, WasiRandom>(l, |state| state.wasi.random())?;
    bindings::random::insecure::add_to_linker::<State, WasiRandom>(l, |state| state.wasi.random())?;
    bindings::random::insecure_seed::add_to_linker::<State, WasiRandom>(l, |state| state.wasi.random())
}

fn cli(l: &mut Linker<State>) -> Result<()> {
    bindings::cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    bindings::cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    bindings::cli::stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    bindings::cli::stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    bindings::cli::stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    bindings::cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    bindings::cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    bindings::cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    bindings::cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    bindings::cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)
}

fn filesystem(l: &mut Linker<State>) -> Result<()> {
    bindings::filesystem::types::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    bindings::filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)
}

fn sockets(l: &mut Linker<State>) -> Result<()> {
    sockets::link(l)?;
    names::link(l)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(import: &str, expect: Option<&str>) {
        let found = ALL.iter().find(|capability| capability.covers(import));
        assert_eq!(found.map(|capability| capability.name), expect, "{import}");
    }

    #[test]
    fn imports_belong_to_one_capability() {
        check("wasi:io/poll@0.2.0", Some("wasi:io"));
        check("wasi:http/outgoing-handler@0.2.9", Some("wasi:http"));
        check("wasi:keyvalue/store@0.2.0-draft", Some("wasi:keyvalue"));
        check("coracle:plugin/log@1.0.0", Some("coracle:plugin/log"));
        check("coracle:plugin/secrets@1.1.0", Some("coracle:plugin/secrets"));
        check("coracle:plugin/none@1.1.0", None);
        check("wasi:iot/gpio", None);
    }
}
