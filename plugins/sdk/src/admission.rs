//! Admission hooks: what is about to be written, judged or changed.
//!
//! ```no_run
//! use coracle_plugin::admission::{Change, Denial, Mutate, Notes, Patch, Request, Validate};
//!
//! struct Names;
//!
//! impl Validate for Names {
//!     fn validate(request: &Request, _notes: &mut Notes) -> Result<(), Denial> {
//!         if request.name.len() > 20 {
//!             return Err(Denial::new("the name is too long").field("metadata.name", "at most 20 characters"));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! impl Mutate for Names {
//!     fn mutate(request: &Request, notes: &mut Notes) -> Result<Change, Denial> {
//!         notes.warn("who made it is written down");
//!         Ok(Patch::new().add("/metadata/annotations", serde_json::json!({"made-by": request.user.name})).into())
//!     }
//! }
//!
//! coracle_plugin::admission!(validate: Names, mutate: Names);
//! # fn main() {}
//! ```

pub use crate::bindings::mutate::exports::coracle::plugin::mutate::{Change, Outcome};
pub use crate::bindings::platform::admission_types::{Cause, Denial, Notes, Operation, Request, User};

/// Judges. `Ok(())` allows.
pub trait Validate {
    /// # Errors
    /// The request is denied. That the plugin cannot work is a panic: then `spec.failurePolicy` says what becomes of it.
    fn validate(request: &Request, notes: &mut Notes) -> Result<(), Denial>;
}

/// Changes. What it gives is what the object becomes.
pub trait Mutate {
    /// # Errors
    /// As for [`Validate::validate`].
    fn mutate(request: &Request, notes: &mut Notes) -> Result<Change, Denial>;
}

/// Judges the plugin's settings when it is loaded.
pub trait Settings {
    /// `config` is `spec.config` as JSON.
    ///
    /// # Errors
    /// What is wrong, one text each.
    fn check(config: &str) -> Result<(), Vec<String>>;
}

/// Any settings that this type can be read from are good.
#[cfg(feature = "json")]
impl<T: serde::de::DeserializeOwned> Settings for T {
    fn check(config: &str) -> Result<(), Vec<String>> {
        serde_json::from_str::<T>(config).map(drop).map_err(|error| vec![format!("spec.config: {error}")])
    }
}

impl Notes {
    pub fn none() -> Self {
        Self { warnings: Vec::new(), audit_annotations: Vec::new() }
    }

    /// Shown to the client.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// For the server's log.
    pub fn annotate(&mut self, key: &str, value: impl Into<String>) {
        self.audit_annotations.push((key.to_owned(), value.into()));
    }
}

impl Denial {
    /// 403, in these words.
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: 0, reason: String::new(), message: message.into(), causes: Vec::new(), notes: Notes::none() }
    }

    /// About one field: `spec.containers[0].image`.
    pub fn field(mut self, field: &str, message: impl Into<String>) -> Self {
        self.causes.push(Cause { field: field.to_owned(), message: message.into() });
        self
    }
}

impl<T: Into<String>> From<T> for Denial {
    fn from(message: T) -> Self {
        Self::new(message)
    }
}

#[cfg(feature = "json")]
impl Request {
    /// The object as it is to be. `None` when it is deleted.
    ///
    /// # Errors
    /// It is not of this shape: the request is denied.
    pub fn object<T: serde::de::DeserializeOwned>(&self) -> Result<Option<T>, Denial> {
        parse(self.object.as_deref())
    }

    /// The object as it is. `None` when it is created.
    ///
    /// # Errors
    /// As for [`Request::object`].
    pub fn old_object<T: serde::de::DeserializeOwned>(&self) -> Result<Option<T>, Denial> {
        parse(self.old_object.as_deref())
    }
}

#[cfg(feature = "json")]
fn parse<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Result<Option<T>, Denial> {
    text.map(|text| serde_json::from_str(text).map_err(|error| Denial::new(format!("the object cannot be read: {error}")))).transpose()
}

/// Steps of a JSON patch.
#[cfg(feature = "json")]
#[derive(Default)]
pub struct Patch(Vec<serde_json::Value>);

#[cfg(feature = "json")]
impl Patch {
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what is at a pointer (`/metadata/labels/app`; `/` in a name is `~1`), or puts it into a list before that place.
    pub fn add(mut self, path: &str, value: impl Into<serde_json::Value>) -> Self {
        self.0.push(serde_json::json!({"op": "add", "path": path, "value": value.into()}));
        self
    }

    pub fn remove(mut self, path: &str) -> Self {
        self.0.push(serde_json::json!({"op": "remove", "path": path}));
        self
    }
}

#[cfg(feature = "json")]
impl From<Patch> for Change {
    fn from(patch: Patch) -> Self {
        if patch.0.is_empty() {
            return Self::None;
        }
        Self::Patch(serde_json::Value::Array(patch.0).to_string())
    }
}

/// Makes types the hooks of this component: `admission!(validate: V, mutate: M, settings: S)`, any of them.
#[macro_export]
macro_rules! admission {
    ($($point:ident: $type:ty),+ $(,)?) => {
        #[doc(hidden)]
        pub struct CoraclePlugin;

        $($crate::__admission_point!($point, $type);)+
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __admission_point {
    (validate, $type:ty) => {
        impl $crate::bindings::validate::exports::coracle::plugin::validate::Guest for CoraclePlugin {
            fn validate(
                request: $crate::admission::Request,
            ) -> Result<$crate::bindings::validate::exports::coracle::plugin::validate::Verdict, String> {
                use $crate::bindings::validate::exports::coracle::plugin::validate::Verdict;
                let mut notes = $crate::admission::Notes::none();
                Ok(match <$type as $crate::admission::Validate>::validate(&request, &mut notes) {
                    Ok(()) => Verdict::Allow(notes),
                    Err(denial) => Verdict::Deny($crate::admission::with_notes(denial, notes)),
                })
            }
        }
        $crate::bindings::validate::export!(CoraclePlugin with_types_in $crate::bindings::validate);
    };
    (mutate, $type:ty) => {
        impl $crate::bindings::mutate::exports::coracle::plugin::mutate::Guest for CoraclePlugin {
            fn mutate(
                request: $crate::admission::Request,
            ) -> Result<$crate::bindings::mutate::exports::coracle::plugin::mutate::Verdict, String> {
                use $crate::bindings::mutate::exports::coracle::plugin::mutate::{Outcome, Verdict};
                let mut notes = $crate::admission::Notes::none();
                Ok(match <$type as $crate::admission::Mutate>::mutate(&request, &mut notes) {
                    Ok(change) => Verdict::Allow(Outcome { change, notes }),
                    Err(denial) => Verdict::Deny($crate::admission::with_notes(denial, notes)),
                })
            }
        }
        $crate::bindings::mutate::export!(CoraclePlugin with_types_in $crate::bindings::mutate);
    };
    (settings, $type:ty) => {
        impl $crate::bindings::settings::exports::coracle::plugin::settings::Guest for CoraclePlugin {
            fn check(config: String) -> Result<(), Vec<String>> {
                <$type as $crate::admission::Settings>::check(&config)
            }
        }
        $crate::bindings::settings::export!(CoraclePlugin with_types_in $crate::bindings::settings);
    };
}

/// What was noted before the denial belongs to it.
#[doc(hidden)]
pub fn with_notes(mut denial: Denial, notes: Notes) -> Denial {
    denial.notes.warnings.splice(0..0, notes.warnings);
    denial.notes.audit_annotations.splice(0..0, notes.audit_annotations);
    denial
}
