//! Custom kinds: from a CustomResourceDefinition to rows that have all that a built-in kind's have
//! (`k8s.io/apiextensions-apiserver`).
//!
//! [`rows::of`] makes the rows. Each holds a [`Custom`]: the schema of its version, and the [`Family`] that all versions of
//! a definition share.
//!
//! Invariants
//! - No I/O: conversion webhooks are called by the API server, which finds their address here.
//! - Wrong values are told by [`validate`] with their causes, never by decoding: what pruning and defaulting do not
//!   understand they leave alone.

pub mod definition;
pub mod field_path;
pub mod formats;
mod graph;
pub mod lists;
pub mod pattern;
pub mod props;
pub mod rows;
pub mod structure;
pub mod validate;
pub mod walk;

pub use props::Props;

use object::Value;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use validate::Patterns;

/// What a custom row knows beside what every row knows.
pub struct Custom {
    pub family: Arc<Family>,
    /// Of the row's version.
    pub version: Arc<Version>,
    /// No more objects can be created: the definition is being deleted.
    pub terminating: bool,
}

/// What all versions of a definition share. One made again of the same definition is the same as long as its spec and
/// accepted names are.
#[derive(Debug)]
pub struct Family {
    /// Name of the definition, `<plural>.<group>`.
    pub definition: String,
    pub uid: String,
    pub group: String,
    pub kind: String,
    pub list_kind: String,
    /// The version in whose form objects are stored.
    pub storage: String,
    /// By name, also those that are not served.
    pub versions: BTreeMap<String, Arc<Version>>,
    /// `None`: versions differ in `apiVersion` only.
    pub webhook: Option<Webhook>,
}

/// Who converts between the versions: `spec.conversion.webhook`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhook {
    pub url: Option<String>,
    pub service: Option<ServiceReference>,
    /// PEM; empty: the system's roots.
    pub ca_bundle: String,
    /// `conversionReviewVersions`, preferred first.
    pub review_versions: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceReference {
    pub namespace: String,
    pub name: String,
    pub path: String,
    pub port: u16,
}

/// One version of a definition.
pub struct Version {
    pub name: String,
    pub schema: Props,
    /// As it was given, for documentation.
    pub raw: Value,
    /// No field is pruned: `spec.preserveUnknownFields`, or there is no schema.
    pub preserves: bool,
    pub has_status: bool,
    pub scale: Option<Scale>,
    /// Told to whoever uses the version.
    pub deprecation: Option<String>,
    pub patterns: Patterns,
    /// What the API server made of the schema's rules, once.
    pub compiled: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// `subresources.scale`: paths of field names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scale {
    pub spec_replicas: Vec<String>,
    pub status_replicas: Vec<String>,
    pub label_selector: Option<Vec<String>>,
}

impl Family {
    /// The schema of an object's own version.
    pub fn version_of(&self, api_version: &str) -> Option<&Arc<Version>> {
        self.versions.get(object::gvk::split_api_version(api_version).1)
    }
}

impl Version {
    /// Removes unknown fields and nulls; returns the paths of what was unknown.
    pub fn prune(&self, value: &mut Value) -> Vec<String> {
        if self.preserves {
            return Vec::new();
        }
        let unknown = walk::prune(value, &self.schema, true);
        walk::drop_nulls(value, Some(&self.schema));
        unknown
    }

    /// Sets defaults, on the way in and on the way out of the store.
    pub fn default(&self, value: &mut Value) {
        if !self.preserves {
            walk::default(value, &self.schema);
        }
    }
}

impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Version").field("name", &self.name).field("schema", &self.raw).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Custom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Custom").field("family", &self.family).field("version", &self.version.name).finish_non_exhaustive()
    }
}
