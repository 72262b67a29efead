//! Controllers: what to watch, and what to do about one object.
//!
//! ```no_run
//! use coracle_plugin::api::Gvr as Kind;
//! use coracle_plugin::controller::{Controller, Declaration, Failure, Gvr, Outcome, Request, Watch};
//! use serde_json::{Value, json};
//!
//! /// Every namespace has a ConfigMap with its name.
//! struct Welcome;
//!
//! impl Controller for Welcome {
//!     fn declare() -> Result<Vec<Declaration>, String> {
//!         let namespaces = Watch::all(Gvr::new("", "v1", "namespaces")).fields(&["metadata.labels"]);
//!         Ok(vec![Declaration::new("namespaces", namespaces)])
//!     }
//!
//!     fn reconcile(request: Request) -> Result<Outcome, Failure> {
//!         let Some(namespace) = request.object::<Value>()?.filter(|_| !request.deleting) else { return Ok(Outcome::Done) };
//!         let name = &request.key.name;
//!         let wanted = json!({
//!             "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "welcome", "namespace": name},
//!             "data": {"labels": namespace["metadata"]["labels"].to_string()},
//!         });
//!         Kind::new("", "v1", "configmaps").named(name, "welcome").apply(&wanted)?;
//!         Ok(Outcome::Done)
//!     }
//! }
//!
//! coracle_plugin::controller!(Welcome);
//! # fn main() {}
//! ```

pub use crate::bindings::platform::owner::set_controller;
pub use crate::bindings::reconcile::exports::coracle::plugin::reconcile::{
    Declaration, Failure, Gvr, Key, Mapping, Outcome, Request, Secondary, Watch,
};
pub use crate::bindings::reconcile::exports::coracle::plugin::reconcile_mapping::Event;

/// A controller. `reconcile` makes the world as the object says: read, compare, write the difference.
pub trait Controller {
    /// What is watched. Called once per load.
    ///
    /// # Errors
    /// The settings are wrong.
    fn declare() -> Result<Vec<Declaration>, String>;

    /// One object whose world may have changed.
    ///
    /// # Errors
    /// It comes again after a back-off, or, by [`Failure::Final`], when something changes.
    fn reconcile(request: Request) -> Result<Outcome, Failure>;

    /// The objects that a change concerns; asked only about secondaries with [`Mapping::Exported`].
    ///
    /// # Errors
    /// It is asked again after a back-off.
    fn keys(event: Event) -> Result<Vec<Key>, String> {
        Err(format!("{} maps no changes itself", event.controller))
    }
}

impl Gvr {
    pub fn new(group: &str, version: &str, plural: &str) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), plural: plural.to_owned() }
    }
}

impl Watch {
    /// All objects of a kind, in all namespaces, whole.
    pub fn all(gvr: Gvr) -> Self {
        Self { gvr, namespace: String::new(), label_selector: String::new(), field_selector: String::new(), fields: Vec::new() }
    }

    /// What is read of the objects: a change of anything else wakes nobody.
    pub fn fields(mut self, fields: &[&str]) -> Self {
        self.fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self
    }

    pub fn labels(mut self, selector: &str) -> Self {
        self.label_selector = selector.to_owned();
        self
    }
}

impl Declaration {
    /// A controller of the objects of `primary`, called `name`.
    pub fn new(name: &str, primary: Watch) -> Self {
        Self { name: name.to_owned(), primary, secondaries: Vec::new(), finalizer: None, resync_seconds: 0 }
    }

    /// Objects that it made: a change of one wakes its controlling owner.
    pub fn owns(mut self, watch: Watch) -> Self {
        self.secondaries.push(Secondary { watch, mapping: Mapping::Owner });
        self
    }

    pub fn finalizer(mut self, name: &str) -> Self {
        self.finalizer = Some(name.to_owned());
        self
    }

    pub fn resync(mut self, seconds: u32) -> Self {
        self.resync_seconds = seconds;
        self
    }
}

/// What goes wrong in words is tried again.
impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Retry(text)
    }
}

impl From<crate::api::Failure> for Failure {
    fn from(failure: crate::api::Failure) -> Self {
        Self::Retry(failure.message)
    }
}

#[cfg(feature = "json")]
impl Request {
    /// The object, as a type. `None`: it is gone.
    ///
    /// # Errors
    /// The object is not of this shape; trying again is no use.
    pub fn object<T: serde::de::DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        let parse = |text: &String| serde_json::from_str(text).map_err(|error| Failure::Final(format!("the object: {error}")));
        self.object.as_ref().map(parse).transpose()
    }
}

/// Makes a type the controller of this component.
#[macro_export]
macro_rules! controller {
    ($type:ty) => {
        #[doc(hidden)]
        pub struct CoraclePlugin;

        impl $crate::bindings::reconcile::exports::coracle::plugin::reconcile::Guest for CoraclePlugin {
            fn declare() -> Result<Vec<$crate::controller::Declaration>, String> {
                <$type as $crate::controller::Controller>::declare()
            }

            fn reconcile(request: $crate::controller::Request) -> Result<$crate::controller::Outcome, $crate::controller::Failure> {
                <$type as $crate::controller::Controller>::reconcile(request)
            }
        }
        impl $crate::bindings::reconcile::exports::coracle::plugin::reconcile_mapping::Guest for CoraclePlugin {
            fn keys(event: $crate::controller::Event) -> Result<Vec<$crate::controller::Key>, String> {
                <$type as $crate::controller::Controller>::keys(event)
            }
        }
        $crate::bindings::reconcile::export!(CoraclePlugin with_types_in $crate::bindings::reconcile);
    };
}
