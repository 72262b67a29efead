//! Group apiextensions.k8s.io, v1: kinds that clients add.

use super::row;
use crate::columns::rbac;
use crate::kind::{Cell, Kind};

pub(crate) fn rows() -> Vec<Kind> {
    vec![
        row("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions")
            .definition("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition")
            .cluster()
            .short(&["crd", "crds"])
            .category("api-extensions")
            .generation()
            .status()
            .name_column()
            .column("Created At", "date", 0, "When the object was created.", Cell::Computed(rbac::created_at))
            .sample(
                r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"samples.example.com"},"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"samples","kind":"Sample"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}"#,
            ),
    ]
}
