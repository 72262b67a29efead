//! The volume types, one row each. A type without a row is refused by name.

use super::{Context, Error, empty_dir, host_path, projected};
use futures::future::BoxFuture;
use std::path::PathBuf;
use typed::api::core::v1::Volume;

pub struct Row {
    /// The field of `volumes[]`.
    pub name: &'static str,
    pub present: fn(&Volume) -> bool,
    /// Makes the volume and answers its place on the node. Idempotent; run again when a source changed.
    pub set_up: for<'a> fn(&'a Context<'a>, &'a Volume) -> BoxFuture<'a, Result<PathBuf, Error>>,
    /// Its content follows its sources while the pod runs.
    pub live: bool,
}

pub const TABLE: &[Row] = &[
    Row { name: "emptyDir", present: |v| v.empty_dir.is_some(), set_up: |c, v| Box::pin(empty_dir::set_up(c, v)), live: false },
    Row { name: "hostPath", present: |v| v.host_path.is_some(), set_up: |c, v| Box::pin(host_path::set_up(c, v)), live: false },
    Row { name: "configMap", present: |v| v.config_map.is_some(), set_up: |c, v| Box::pin(projected::config_map(c, v)), live: true },
    Row { name: "secret", present: |v| v.secret.is_some(), set_up: |c, v| Box::pin(projected::secret(c, v)), live: true },
    Row { name: "downwardAPI", present: |v| v.downward_api.is_some(), set_up: |c, v| Box::pin(projected::downward_api(c, v)), live: true },
    Row { name: "projected", present: |v| v.projected.is_some(), set_up: |c, v| Box::pin(projected::projected(c, v)), live: true },
];
