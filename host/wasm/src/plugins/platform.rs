//! What every plugin may ask of its host: the API as its own service account, figures, state, secrets, and what it was granted
//! of the outer world. The contract is `wit/{api,metrics,state,secrets}.wit`.
//!
//! [`Platform`] is the seam: the server answers by its API ([`cluster`]), a test of a plugin by recorded answers.

pub mod alone;
mod api;
pub mod cluster;
pub(in crate::plugins) mod fields;
pub mod hosts;
pub mod metrics;
mod secrets;
mod state;

pub(crate) use api::link as link_api;
pub(crate) use metrics::link as link_metrics;
pub(crate) use secrets::link as link_secrets;
pub(crate) use state::link as link_state;

use crate::network::Network;
use async_trait::async_trait;
use client::{DeleteOptions, ListOptions, Patch, Type};
use hosts::Hosts;
use object::{Gvr, Value, names};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};

/// An object of the API, or one of its subresources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    pub gvr: Gvr,
    /// Empty for kinds that have none.
    pub namespace: String,
    pub name: String,
    /// Empty for the object itself.
    pub subresource: String,
}

/// Whether this can be the name of a resource. It becomes part of a path, and what a service account may do is asked by it.
pub(in crate::plugins) fn is_resource(gvr: &Gvr) -> bool {
    let label = |text: &str| names::dns1123_label(text).is_empty();
    let group = gvr.group.is_empty() || names::dns1123_subdomain(&gvr.group).is_empty();
    group && label(&gvr.version) && label(&gvr.resource)
}

/// One request to the API, as the plugin's service account.
#[derive(Clone, Debug)]
pub enum Request {
    Get(Reference),
    List { gvr: Gvr, namespace: String, options: ListOptions },
    Create { gvr: Gvr, namespace: String, object: Value },
    Update { object: Reference, content: Value },
    Patch { object: Reference, patch: Patch },
    Delete { object: Reference, options: DeleteOptions },
}

#[derive(Clone, Debug)]
pub enum Answer {
    Object(Value),
    Page { items: Vec<Value>, resource_version: String, continue_token: String },
    Done,
}

/// A refusal in the API's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// As in HTTP.
    pub code: u16,
    pub reason: String,
    pub message: String,
}

/// What a plugin keeps: its entries, and the revision that they were read at (empty: there are none yet).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub entries: BTreeMap<String, Vec<u8>>,
    pub revision: String,
}

/// Who answers a plugin.
#[async_trait]
pub trait Platform: Send + Sync {
    /// # Errors
    /// What the API refuses, or 503 when it cannot be reached.
    async fn request(&self, request: Request) -> Result<Answer, Refused>;

    /// Tells about an object. Never fails: events may be dropped.
    fn event(&self, about: &Reference, ty: Type, reason: &str, message: &str);

    /// # Errors
    /// Why the state cannot be read.
    async fn read_state(&self) -> Result<Kept, String>;

    /// Stores `kept.entries` if the state is still at `kept.revision`; `false`: it is not.
    ///
    /// # Errors
    /// Why the state cannot be written.
    async fn write_state(&self, kept: &Kept) -> Result<bool, String>;

    /// # Errors
    /// `name` was not granted, or the Secret is not there.
    async fn secret(&self, name: &str) -> Result<Vec<u8>, String>;
}

/// A directory of the server that the plugin sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    pub source: PathBuf,
    pub target: String,
    pub read_only: bool,
}

/// What one loaded plugin was given; shared by its instances.
pub struct Given {
    pub name: Arc<str>,
    pub config: BTreeMap<String, String>,
    pub platform: Arc<dyn Platform>,
    pub figures: Arc<metrics::Figures>,
    /// Denied, or limited to the granted hosts.
    pub network: Network,
    pub hosts: Option<Arc<Hosts>>,
    pub directories: Vec<Directory>,
}

impl Given {
    /// A plugin that has no more than its name and its settings.
    pub fn bare(name: &str, config: BTreeMap<String, String>, platform: Arc<dyn Platform>) -> Self {
        Self {
            name: Arc::from(name),
            config,
            platform,
            figures: Arc::default(),
            network: Network::denied(),
            hosts: None,
            directories: Vec::new(),
        }
    }

    /// A context for one instance. It has no environment, no arguments, and no streams.
    pub(super) fn wasi(&self) -> wasmtime::Result<WasiCtx> {
        let mut builder = WasiCtxBuilder::new();
        for directory in &self.directories {
            let permissions = if directory.read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
            builder.preopened_dir(&directory.source, &directory.target, permissions)?;
        }
        if let Some(hosts) = &self.hosts {
            let hosts = hosts.clone();
            builder.inherit_network().allow_tcp(true).allow_udp(true).allow_ip_name_lookup(true);
            builder.socket_addr_check(move |address, usage| {
                let allowed = hosts.allows_use(address, usage);
                Box::pin(async move { allowed })
            });
        }
        Ok(builder.build())
    }
}
