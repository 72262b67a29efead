//! Integration tests. One binary; a file per subject.

mod deny;
mod kubectl;
mod mixed;
mod network;
mod oci;
mod tidy;
mod wasm;

use oci::script as oci_script;
