//! `metadata.managedFields`: who set what (`k8s.io/apimachinery/pkg/util/managedfields`, KEP-555).

use super::Write;
use object::patch::apply::{self, ApplyContext};
use object::{Object, StatusError};

impl Write<'_> {
    fn owning<T>(&self, force: bool, f: impl FnOnce(&ApplyContext<'_>) -> T) -> T {
        let now = object::time::now();
        let api_version = self.request.api_version();
        let has_status = self.kind.subresource("status").is_some();
        // What the endpoint keeps as it was is nobody's by writing here (upstream's GetResetFields).
        let reset_fields: &[&[&str]] = match (self.is_status(), has_status) {
            (true, _) if self.strategy.status_writes_metadata() => &[&["spec"]],
            (true, _) => &[&["spec"], &["metadata"]],
            (false, true) if self.subresource.is_none() => &[&["status"]],
            (false, _) => &[],
        };
        f(&ApplyContext {
            schema: self.schema(),
            manager: &self.options.field_manager,
            api_version: &api_version,
            subresource: self.subresource.as_deref().unwrap_or_default(),
            force,
            now: &now,
            reset_fields,
        })
    }

    /// Accounts for a write that is no apply. Fields are named as the request's version has them.
    pub async fn own(&self, old: Option<&Object>, new: &mut Object) -> Result<(), StatusError> {
        if self.is_direct() {
            self.owning(false, |context| apply::update_managers(old, new, context));
            return Ok(());
        }
        let before = match old {
            Some(old) => Some(self.to_request(old.clone()).await?),
            None => None,
        };
        let mut after = self.to_request(new.clone()).await?;
        self.owning(false, |context| apply::update_managers(before.as_ref(), &mut after, context));
        match after.remove_at(&["metadata", "managedFields"]) {
            Some(managers) => new.set_at(&["metadata", "managedFields"], managers),
            None => {
                new.remove_at(&["metadata", "managedFields"]);
            }
        }
        Ok(())
    }

    /// The live object with a manager's configuration merged in; 409 names who owns what would change.
    pub fn merge_applied(&self, old: Option<&Object>, configuration: &Object) -> Result<Object, StatusError> {
        let force = self.call.query.flag("force");
        let merged = self.owning(force, |context| apply::apply(old, configuration, context));
        merged.map_err(StatusError::from)
    }
}
