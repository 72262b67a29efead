//! `wit/controller.wit`, interface `owner`: controllerutil.SetControllerReference.

use crate::ctx::State;
use crate::plugins::bindings::coracle::plugin::owner as wit;
use crate::plugins::guest::{GuestView, HasGuest, view};
use object::{Object, OwnerRef, Value};
use wasmtime::Result;
use wasmtime::component::Linker;

pub(crate) fn link(l: &mut Linker<State>) -> Result<()> {
    wit::add_to_linker::<State, HasGuest>(l, view)
}

/// The object that is being reconciled, as others name it.
#[derive(Clone, Debug, Default)]
pub struct Owner {
    namespace: String,
    reference: OwnerRef,
}

impl Owner {
    pub fn of(object: &Object) -> Self {
        let reference = OwnerRef {
            api_version: object.api_version().to_owned(),
            kind: object.kind().to_owned(),
            name: object.name().to_owned(),
            uid: object.uid().to_owned(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        };
        Self { namespace: object.namespace().to_owned(), reference }
    }

    /// Makes it the controlling owner of `object`.
    fn control(&self, object: &mut Object) -> std::result::Result<(), String> {
        if !self.namespace.is_empty() && object.namespace() != self.namespace {
            let place =
                if object.namespace().is_empty() { "in no namespace".to_owned() } else { format!("in namespace {}", object.namespace()) };
            return Err(format!("{} is {place}, its owner in {}", object.name(), self.namespace));
        }
        let mut owners = object.owners();
        if let Some(other) = owners.iter().find(|owner| owner.controller == Some(true) && owner.uid != self.reference.uid) {
            return Err(format!("{} is controlled by {} {} already", object.name(), other.kind, other.name));
        }
        match owners.iter_mut().find(|owner| owner.uid == self.reference.uid) {
            Some(known) => *known = self.reference.clone(),
            None => owners.push(self.reference.clone()),
        }
        let owners = serde_json::to_value(owners).map_err(|error| error.to_string())?;
        object.set_at(&["metadata", "ownerReferences"], owners);
        Ok(())
    }
}

impl wit::Host for GuestView<'_> {
    fn set_controller(&mut self, object: String) -> std::result::Result<String, String> {
        let owner = self.0.as_ref().and_then(|guest| guest.owner()).ok_or("no object is being reconciled")?;
        let object: Value = serde_json::from_str(&object).map_err(|error| format!("not JSON: {error}"))?;
        let mut object = Object::from_value(object).ok_or("not an object")?;
        owner.control(&mut object)?;
        Ok(object.into_value().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn owners_are_set_as_the_garbage_collector_reads_them() {
        let owner = |namespace: &str| {
            let site = json!({"apiVersion": "e.com/v1", "kind": "Site", "metadata": {"name": "s", "namespace": namespace, "uid": "1"}});
            Owner::of(&Object::from_value(site).unwrap())
        };
        let child = |namespace: &str, owners: Value| {
            Object::from_value(json!({"metadata": {"name": "c", "namespace": namespace, "ownerReferences": owners}})).unwrap()
        };
        let ours =
            json!({"apiVersion": "e.com/v1", "kind": "Site", "name": "s", "uid": "1", "controller": true, "blockOwnerDeletion": true});
        let loose = json!({"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "2"});
        let check = |owner: Owner, mut child: Object, expect: std::result::Result<Value, &str>| match (owner.control(&mut child), expect) {
            (Ok(()), Ok(expect)) => assert_eq!(child.at(&["metadata", "ownerReferences"]), Some(&expect)),
            (Err(found), Err(expect)) => assert_eq!(found, expect),
            (found, _) => panic!("{found:?}"),
        };
        check(owner("n"), child("n", json!([])), Ok(json!([ours])));
        check(owner(""), child("n", json!([loose])), Ok(json!([loose, ours])));
        check(owner("n"), child("n", json!([ours])), Ok(json!([ours])));
        check(owner("n"), child("m", json!([])), Err("c is in namespace m, its owner in n"));
        check(owner("n"), child("", json!([])), Err("c is in no namespace, its owner in n"));
        let other = json!([{"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "3", "controller": true}]);
        check(owner("n"), child("n", other), Err("c is controlled by Other o already"));
    }
}
