//! PersistentVolumes and their claims.

use super::core;
use crate::columns::volume;
use crate::kind::Kind;

pub(super) fn volumes() -> Kind {
    core("PersistentVolume", "persistentvolumes")
        .cluster()
        .short(&["pv"])
        .status()
        .name_column()
        .show("Capacity", "string", "Size of the volume.", volume::capacity)
        .show("Access Modes", "string", "How the volume can be mounted.", volume::access_modes)
        .show("Reclaim Policy", "string", "What becomes of the volume when its claim is gone.", volume::reclaim_policy)
        .show("Status", "string", "Phase of the volume.", volume::phase)
        .show("Claim", "string", "Claim that the volume is bound to.", volume::claim)
        .show("StorageClass", "string", "Class of the volume.", volume::class)
        .show("VolumeAttributesClass", "string", "Attributes class of the volume.", volume::attributes_class)
        .show("Reason", "string", "Why the volume is in this phase.", volume::reason)
        .age_column()
        .wide("VolumeMode", "string", "Filesystem or Block.", volume::mode)
        .sample(
            r#"{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"sample"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/srv/sample"}}}"#,
        )
}

pub(super) fn claims() -> Kind {
    core("PersistentVolumeClaim", "persistentvolumeclaims")
        .short(&["pvc"])
        .status()
        .name_column()
        .show("Status", "string", "Phase of the claim.", volume::phase)
        .show("Volume", "string", "Volume that backs the claim.", volume::claimed_volume)
        .show("Capacity", "string", "Size of the bound volume.", volume::claimed_capacity)
        .show("Access Modes", "string", "How the bound volume can be mounted.", volume::claimed_access_modes)
        .show("StorageClass", "string", "Class of the claim.", volume::class)
        .show("VolumeAttributesClass", "string", "Attributes class of the claim.", volume::attributes_class)
        .age_column()
        .wide("VolumeMode", "string", "Filesystem or Block.", volume::mode)
        .sample(
            r#"{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"sample"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}"#,
        )
}
