//! Real containers, from a root made of a static busybox, under real shims (the `shim` example). They need root and are skipped
//! without.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by unwrap")]

mod fixture;
mod lifecycle;
mod restart;
mod security;
mod surroundings;
