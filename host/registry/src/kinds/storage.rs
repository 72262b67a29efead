//! Group storage.k8s.io, v1: `pkg/registry/storage`.

use super::row;
use crate::columns::storage;
use crate::kind::{Cell, Kind};

pub(crate) fn rows() -> Vec<Kind> {
    vec![storage_classes(), volume_attributes_classes(), csi_drivers(), csi_nodes(), csi_storage_capacities(), volume_attachments()]
}

fn of_group(kind: &str, resource: &str) -> Kind {
    Kind { schema: format!("io.k8s.api.storage.v1.{kind}"), ..row("storage.k8s.io", "v1", kind, resource) }
}

/// The default one is marked in its name.
fn class_name_column(kind: Kind) -> Kind {
    let description = "Unique name; chosen when the object is created and never changed.";
    kind.column_format("Name", "string", "name", 0, description, Cell::Computed(storage::class_name))
}

fn storage_classes() -> Kind {
    class_name_column(of_group("StorageClass", "storageclasses").cluster().short(&["sc"]))
        .show("Provisioner", "string", "What makes volumes of the class.", storage::provisioner)
        .show("ReclaimPolicy", "string", "What becomes of volumes when their claim is gone.", storage::reclaim_policy)
        .show("VolumeBindingMode", "string", "When claims are bound.", storage::binding_mode)
        .show("AllowVolumeExpansion", "string", "Whether claims may grow.", storage::allow_expansion)
        .age_column()
        .sample(r#"{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"sample"},"provisioner":"example.com/none"}"#)
}

fn volume_attributes_classes() -> Kind {
    class_name_column(of_group("VolumeAttributesClass", "volumeattributesclasses").cluster().short(&["vac"]))
        .show("DriverName", "string", "CSI driver that the attributes are for.", storage::driver_name)
        .age_column()
        .sample(
            r#"{"apiVersion":"storage.k8s.io/v1","kind":"VolumeAttributesClass","metadata":{"name":"sample"},"driverName":"csi.example.com","parameters":{"iops":"500"}}"#,
        )
}

fn csi_drivers() -> Kind {
    of_group("CSIDriver", "csidrivers")
        .cluster()
        .name_column()
        .show("AttachRequired", "boolean", "Volumes are attached before they are mounted.", storage::attach_required)
        .show("PodInfoOnMount", "boolean", "The driver is told of the pod.", storage::pod_info_on_mount)
        .show("StorageCapacity", "boolean", "The scheduler minds published capacity.", storage::storage_capacity)
        .show("TokenRequests", "string", "Audiences of the tokens that the driver gets.", storage::token_requests)
        .show("RequiresRepublish", "boolean", "The driver is called again while a pod runs.", storage::requires_republish)
        .show("Modes", "string", "Kinds of volumes that the driver serves.", storage::modes)
        .age_column()
        .sample(
            r#"{"apiVersion":"storage.k8s.io/v1","kind":"CSIDriver","metadata":{"name":"sample.example.com"},"spec":{"attachRequired":false}}"#,
        )
}

fn csi_nodes() -> Kind {
    of_group("CSINode", "csinodes")
        .cluster()
        .name_column()
        .show("Drivers", "integer", "Number of drivers on the node.", storage::drivers)
        .age_column()
        .sample(
            r#"{"apiVersion":"storage.k8s.io/v1","kind":"CSINode","metadata":{"name":"sample"},"spec":{"drivers":[{"name":"csi.example.com","nodeID":"n"}]}}"#,
        )
}

fn csi_storage_capacities() -> Kind {
    of_group("CSIStorageCapacity", "csistoragecapacities")
        .name_column()
        .show("StorageClassName", "string", "Class that the capacity is for.", storage::class_of_capacity)
        .show("Capacity", "string", "How much is left.", storage::capacity)
        .sample(
            r#"{"apiVersion":"storage.k8s.io/v1","kind":"CSIStorageCapacity","metadata":{"name":"sample"},"storageClassName":"sample","capacity":"1Gi"}"#,
        )
}

fn volume_attachments() -> Kind {
    of_group("VolumeAttachment", "volumeattachments")
        .cluster()
        .status()
        .name_column()
        .column_format(
            "Attacher",
            "string",
            "name",
            0,
            "CSI driver that attaches the volume.",
            Cell::Computed(storage::attacher),
        )
        .show("PV", "string", "Volume that is attached.", storage::attached_volume)
        .show("Node", "string", "Node that the volume is attached to.", storage::attached_node)
        .show("Attached", "boolean", "Whether it is attached.", storage::attached)
        .age_column()
        .sample(
            r#"{"apiVersion":"storage.k8s.io/v1","kind":"VolumeAttachment","metadata":{"name":"sample"},"spec":{"attacher":"csi.example.com","nodeName":"none","source":{"persistentVolumeName":"none"}}}"#,
        )
}
