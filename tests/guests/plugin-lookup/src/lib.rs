//! Allows what is named `<anything>.<tenant>` if the tenant's Namespace is there. The setting `lookup` says how it is found: `get`, the
//! Namespace of that name; `list`, one whose label `tenant` says so; none: it is believed.

use coracle_plugin::admission::{Denial, Notes, Request, Validate};
use coracle_plugin::api::{self, Gvr};
use coracle_plugin::config;

struct Lookup;

coracle_plugin::admission!(validate: Lookup);

impl Validate for Lookup {
    fn validate(request: &Request, _: &mut Notes) -> Result<(), Denial> {
        let (_, tenant) = request.name.rsplit_once('.').ok_or("its name has no tenant")?;
        let namespaces = Gvr::new("", "v1", "namespaces");
        let failed = |failure: api::Failure| Denial::new(format!("cannot look {tenant} up: {}", failure.message));
        match config::get("lookup").as_deref() {
            Some("get") => match api::get(&namespaces.named("", tenant), &["metadata.labels".to_owned()]) {
                Ok(_) => Ok(()),
                Err(failure) if failure.is_not_found() => Err(Denial::new(format!("there is no tenant {tenant}"))),
                Err(failure) => Err(failed(failure)),
            },
            Some("list") => {
                let query = namespaces.query().labels(&format!("tenant={tenant}")).fields(&["metadata.name"]);
                match query.texts().map_err(failed)?.len() {
                    0 => Err(Denial::new(format!("there is no tenant {tenant}"))),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
