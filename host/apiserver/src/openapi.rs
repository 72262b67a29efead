//! OpenAPI documents, made by the registry on first use and kept.

use crate::call::{Call, Response};
use crate::respond;
use bytes::Bytes;
use http::StatusCode;
use object::StatusError;

pub fn answer(call: &Call, rest: &[&str]) -> Result<Response, StatusError> {
    let registry = &call.shared.registry;
    let cached = |key: &str, make: &dyn Fn() -> Option<object::Value>| -> Result<Response, StatusError> {
        let mut documents = call.shared.openapi.v3.lock();
        let body = match documents.get(key) {
            Some(body) => body.clone(),
            None => {
                let document = make().ok_or_else(StatusError::no_such_path)?;
                let body = Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
                documents.insert(key.to_owned(), body.clone());
                body
            }
        };
        Ok(respond::bytes(StatusCode::OK, respond::JSON, body))
    };
    match rest {
        ["v3"] => cached("", &|| Some(registry::openapi::v3_index(registry))),
        ["v3", "api", version] => cached(&format!("api/{version}"), &|| registry::openapi::v3_group(registry, "", version)),
        ["v3", "apis", group, version] => {
            cached(&format!("apis/{group}/{version}"), &|| registry::openapi::v3_group(registry, group, version))
        }
        _ => Err(StatusError::no_such_path()),
    }
}
