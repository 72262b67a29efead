//! What the conformance suite demands of kubectl and of controllers with pods that run; docs/conformance.md has the entries.

mod clients;
mod collector;
mod published;
