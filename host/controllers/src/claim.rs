//! Adoption and release: `pkg/controller/controller_ref_manager.go`.
//!
//! An object that the selector matches and nobody controls is adopted; one that is controlled and matches no more is
//! released. Before an adoption the controller's live state is read: one that is being deleted, or that was replaced by
//! another of the same name, must adopt nothing.

use crate::error::Error;
use crate::view::controller_reference;
use client::{Api, Client, Patch};
use object::selector::LabelSelector;
use object::{Gvr, Object, json};
use std::sync::Arc;

pub(crate) struct Claimer<'c> {
    client: &'c Client,
    owner: &'c Object,
    owners: Gvr,
    selector: LabelSelector,
    /// Read once per reconcile: whether the owner may adopt.
    may_adopt: Option<bool>,
}

impl<'c> Claimer<'c> {
    pub(crate) fn new(client: &'c Client, owners: Gvr, owner: &'c Object, selector: LabelSelector) -> Self {
        Self { client, owner, owners, selector, may_adopt: None }
    }

    /// The candidates that belong to the owner after adoption and release. `kept` decides which orphans are worth adopting.
    pub(crate) async fn claim(
        &mut self,
        resource: &Gvr,
        candidates: Vec<Arc<Object>>,
        kept: fn(&Object) -> bool,
    ) -> Result<Vec<Arc<Object>>, Error> {
        let api = self.client.api(resource);
        let mut claimed = Vec::new();
        for candidate in candidates {
            let matches = self.selector.matches_object(&candidate);
            match candidate.controller() {
                Some(controller) if controller.uid != self.owner.uid() => {}
                Some(_) if matches => claimed.push(candidate),
                Some(_) if self.owner.is_deleting() => {}
                Some(_) => self.release(&api, &candidate).await?,
                None if self.owner.is_deleting() || candidate.is_deleting() || !matches || !kept(&candidate) => {}
                None => claimed.extend(self.adopt(&api, &candidate).await?),
            }
        }
        Ok(claimed)
    }

    async fn adopt(&mut self, api: &Api, orphan: &Object) -> Result<Option<Arc<Object>>, Error> {
        if self.may_adopt.is_none() {
            let live = self.client.api(&self.owners).get(self.owner.namespace(), self.owner.name()).await?;
            self.may_adopt = Some(live.uid() == self.owner.uid() && !live.is_deleting());
        }
        if self.may_adopt != Some(true) {
            return Ok(None);
        }
        let patch = json!({ "metadata": { "uid": orphan.uid(), "ownerReferences": [controller_reference(self.owner)] } });
        match api.patch(orphan.namespace(), orphan.name(), None, &Patch::Strategic(patch)).await {
            Ok(adopted) => Ok(Some(Arc::new(adopted))),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    async fn release(&self, api: &Api, object: &Object) -> Result<(), Error> {
        let gone = json!({ "$patch": "delete", "uid": self.owner.uid() });
        let patch = json!({ "metadata": { "uid": object.uid(), "ownerReferences": [gone] } });
        match api.patch(object.namespace(), object.name(), None, &Patch::Strategic(patch)).await {
            Ok(_) => Ok(()),
            // Gone, or another of the same name: there is nothing to release.
            Err(e) if e.is_not_found() || e.is_invalid() || e.is_conflict() => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}
