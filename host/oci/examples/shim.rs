//! The smallest program around a shim, for the tests: `shim RUN_DIRECTORY`.

fn main() -> std::process::ExitCode {
    oci::shim::main(std::env::args_os().skip(1))
}
