//! What a request is to admission: `k8s.io/apiserver/pkg/admission/attributes.go`.

use crate::cache::Item;
use crate::server::Shared;
use interfaces::admit::Operation;
use interfaces::authorize::UserInfo;
use object::{Gvk, Value};
use registry::Kind;
use std::sync::Arc;

#[derive(Clone)]
pub struct Attributes<'a> {
    pub shared: &'a Arc<Shared>,
    pub user: &'a Arc<UserInfo>,
    /// That the path names.
    pub row: &'a Arc<Kind>,
    /// `""` on the main resource.
    pub subresource: &'a str,
    /// Of the body, when it is not the row's: Scale, Eviction, ….
    pub body: Option<Gvk>,
    pub operation: Operation,
    /// `""` of cluster resources; of a namespace, its name.
    pub namespace: &'a str,
    /// `""` of a collection.
    pub name: &'a str,
    pub dry_run: bool,
    pub options: Arc<Value>,
}

impl Attributes<'_> {
    /// Kind of the objects that are told, in the form of a row.
    pub fn kind(&self, row: &Kind) -> Gvk {
        self.body.clone().unwrap_or_else(|| row.gvk())
    }

    /// Other rows with the same objects (`EquivalentResourceMapper`).
    pub fn equivalents(&self) -> Vec<Arc<Kind>> {
        let registry = &self.shared.registry;
        let stored = registry.stored(self.row);
        let same = |row: &Arc<Kind>| {
            let other = registry.stored(row);
            Arc::ptr_eq(&other, &stored) || other.shares_storage(&stored)
        };
        registry.kinds().into_iter().filter(|row| !Arc::ptr_eq(row, self.row) && same(row)).collect()
    }

    pub fn namespace_item(&self, name: &str) -> Option<Arc<Item>> {
        let row = self.shared.registry.resource_by_name("", "v1", "namespaces")?;
        self.shared.caches.of(&row).ok()?.get(name)
    }
}
