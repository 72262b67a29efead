//! The Kubernetes API, as the plugin's own service account.

pub use crate::bindings::platform::api::{
    Deletion, EventType, Failure, Gvr, Page, PatchKind, Query, Reference, apply, create, delete, event, get, list, patch, update,
};

impl Gvr {
    /// `Gvr::new("apps", "v1", "deployments")`.
    pub fn new(group: &str, version: &str, plural: &str) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), plural: plural.to_owned() }
    }

    /// One object; an empty namespace for kinds that have none.
    pub fn named(&self, namespace: &str, name: &str) -> Reference {
        Reference { gvr: self.clone(), namespace: namespace.to_owned(), name: name.to_owned(), subresource: String::new() }
    }

    /// All objects in all namespaces, whole.
    pub fn query(&self) -> Query {
        Query {
            gvr: self.clone(),
            namespace: String::new(),
            label_selector: String::new(),
            field_selector: String::new(),
            fields: Vec::new(),
            limit: 0,
            continue_token: String::new(),
        }
    }
}

impl Reference {
    /// `status`, `scale`, …
    pub fn subresource(mut self, name: &str) -> Self {
        self.subresource = name.to_owned();
        self
    }
}

impl Query {
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = namespace.to_owned();
        self
    }

    pub fn labels(mut self, selector: &str) -> Self {
        self.label_selector = selector.to_owned();
        self
    }

    pub fn fields(mut self, fields: &[&str]) -> Self {
        self.fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self
    }

    /// Every page, as JSON texts.
    ///
    /// # Errors
    /// The API server's.
    pub fn texts(mut self) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        loop {
            let page = list(&self)?;
            all.extend(page.items);
            if page.continue_token.is_empty() {
                return Ok(all);
            }
            self.continue_token = page.continue_token;
        }
    }
}

impl Failure {
    pub fn is_not_found(&self) -> bool {
        self.code == 404
    }

    /// Somebody else wrote first, or the object is there already.
    pub fn is_conflict(&self) -> bool {
        self.code == 409
    }
}

#[cfg(feature = "json")]
mod json {
    use super::{Failure, Gvr, PatchKind, Query, Reference};
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    impl Reference {
        /// `None`: it is not there.
        ///
        /// # Errors
        /// The API server's, but for `NotFound`; 422 when the object is not of this shape.
        pub fn get<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
            match super::get(self, &[]) {
                Ok(text) => parse(&text).map(Some),
                Err(failure) if failure.is_not_found() => Ok(None),
                Err(failure) => Err(failure),
            }
        }

        /// Server-side apply: what `object` has is the plugin's own, and taken from others.
        ///
        /// # Errors
        /// The API server's.
        pub fn apply(&self, object: &impl Serialize) -> Result<Value, Failure> {
            parse(&super::apply(self, &text(object)?, true)?)
        }

        /// A merge patch.
        ///
        /// # Errors
        /// The API server's.
        pub fn merge(&self, patch: &impl Serialize) -> Result<Value, Failure> {
            parse(&super::patch(self, PatchKind::Merge, &text(patch)?)?)
        }
    }

    impl Gvr {
        /// # Errors
        /// The API server's.
        pub fn create(&self, namespace: &str, object: &impl Serialize) -> Result<Value, Failure> {
            parse(&super::create(self, namespace, &text(object)?)?)
        }
    }

    impl Query {
        /// Every page.
        ///
        /// # Errors
        /// The API server's; 422 when an object is not of this shape.
        pub fn all<T: DeserializeOwned>(self) -> Result<Vec<T>, Failure> {
            self.texts()?.iter().map(|text| parse(text)).collect()
        }
    }

    fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
        serde_json::from_str(text).map_err(|error| shape(&error))
    }

    fn text(object: &impl Serialize) -> Result<String, Failure> {
        serde_json::to_string(object).map_err(|error| shape(&error))
    }

    fn shape(error: &serde_json::Error) -> Failure {
        Failure { code: 422, reason: "Invalid".to_owned(), message: format!("not of the expected shape: {error}") }
    }
}

/// Kinds of `k8s-openapi` know where they are.
#[cfg(feature = "k8s")]
impl Gvr {
    /// ```no_run
    /// use coracle_plugin::api::{Failure, Gvr};
    /// use k8s_openapi::api::core::v1::Pod;
    ///
    /// fn images(namespace: &str) -> Result<Vec<String>, Failure> {
    ///     let pods: Vec<Pod> = Gvr::of::<Pod>().query().namespace(namespace).fields(&["spec.containers.image"]).all()?;
    ///     let containers = pods.into_iter().filter_map(|pod| pod.spec).flat_map(|spec| spec.containers);
    ///     Ok(containers.filter_map(|container| container.image).collect())
    /// }
    /// ```
    pub fn of<T: k8s_openapi::Resource>() -> Self {
        Self::new(T::GROUP, T::VERSION, T::URL_PATH_SEGMENT)
    }
}
