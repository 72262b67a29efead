//! Integration tests. One binary; a file per subject.

mod adapter;
mod admission;
mod author;
mod bad_input;
mod clients;
mod cloud;
mod conformance;
mod controller;
mod crash;
mod crd;
mod deny;
mod etcd;
mod identity;
mod kubectl;
mod languages;
mod mixed;
mod network;
mod oci;
mod patterns;
mod plugin;
mod plugin_platform;
mod plugin_points;
mod registry;
mod scheduling;
mod server;
mod servers;
mod shipped;
mod survive;
mod tidy;
mod verification;
mod wasm;

use oci::script as oci_script;
