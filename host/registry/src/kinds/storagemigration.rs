//! Group storagemigration.k8s.io, v1 (KEP-4192).

use super::row;
use crate::columns::extension;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![
        row("storagemigration.k8s.io", "v1", "StorageVersionMigration", "storageversionmigrations")
            .definition("io.k8s.api.storagemigration.v1.StorageVersionMigration")
            .cluster()
            .status()
            .name_column()
            .show("Resource", "string", "Resource whose stored objects are written anew.", extension::migrated)
            .sample(
                r#"{"apiVersion":"storagemigration.k8s.io/v1","kind":"StorageVersionMigration","metadata":{"name":"sample"},"spec":{"resource":{"group":"apps","resource":"deployments"}}}"#,
            ),
    ]
}
