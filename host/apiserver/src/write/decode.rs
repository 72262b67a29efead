//! Bodies to objects, strict by schema (`k8s.io/apiserver/pkg/endpoints/handlers/{create,rest}.go`).

use super::Write;
use crate::call::Call;
use crate::options::FieldValidation;
use crate::{crd, protobuf, yaml};
use object::decode::Decoded;
use object::gvk::split_api_version;
use object::patch::apply;
use object::{Object, StatusError, Value};

/// Media type without parameters, lower case.
pub fn media_type(call: &Call) -> String {
    call.header("content-type").split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The body as JSON bytes: YAML is converted, and duplicate keys in it are reported.
fn json_of<'b>(call: &'b Call, media: &str) -> Result<std::borrow::Cow<'b, [u8]>, StatusError> {
    match media {
        "" | "application/json" => Ok(std::borrow::Cow::Borrowed(&call.body)),
        "application/yaml" => Ok(std::borrow::Cow::Owned(yaml_to_json(&call.body)?)),
        _ => Err(StatusError::unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, \
             application/vnd.kubernetes.protobuf",
        )),
    }
}

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Definitions of bodies that are no served kind.
const BODIES: [(&str, &str); 5] = [
    ("DeleteOptions", "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"),
    ("Binding", "io.k8s.api.core.v1.Binding"),
    ("Scale", "io.k8s.api.autoscaling.v1.Scale"),
    ("TokenRequest", "io.k8s.api.authentication.v1.TokenRequest"),
    ("Eviction", "io.k8s.api.policy.v1.Eviction"),
];

fn protobuf_error(error: &protobuf::Error) -> StatusError {
    match error {
        // Custom kinds have no protobuf form: the client is to send JSON.
        protobuf::Error::NoMessage(_) => StatusError::unsupported_media_type(error.to_string()),
        _ => StatusError::bad_request(format!("couldn't get version/kind; protobuf: {error}")),
    }
}

/// One YAML document as JSON.
pub fn yaml_to_json(body: &[u8]) -> Result<Vec<u8>, StatusError> {
    yaml::to_json(body).map_err(|e| StatusError::bad_request(format!("error converting YAML to JSON: yaml: {e}")))
}

/// A body whose kind is none of the rows (DeleteOptions, Scale, Binding): `None` when empty.
pub fn body_value(call: &Call) -> Result<Option<Value>, StatusError> {
    if call.body.is_empty() {
        return Ok(None);
    }
    let media = media_type(call);
    if media == PROTOBUF {
        let graph = call.shared.registry.graph();
        let schema =
            |_: &str, kind: &str| BODIES.iter().find(|(name, _)| *name == kind).and_then(|(_, definition)| graph.named(definition));
        return protobuf::decode(&call.body, schema).map(Some).map_err(|e| protobuf_error(&e));
    }
    let json = json_of(call, &media)?;
    untyped(&json).map(Some)
}

/// A tree as one of [`BODIES`]. What has another shape is refused: a field that is overlooked reads as its zero value, and a
/// Scale of zero or a delete without its precondition is not what the client meant.
pub fn body_of(call: &Call, kind: &str, body: Value) -> Result<Value, StatusError> {
    let refused = |told: &str| StatusError::bad_request(format!("{kind} in version \"v1\" cannot be handled as a {kind}: {told}"));
    if !body.is_object() {
        return Err(refused(&format!("json: cannot unmarshal into Go value of type v1.{kind}")));
    }
    let given = body.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !given.is_empty() && given != kind {
        return Err(refused(&format!("no kind \"{given}\" is expected here")));
    }
    let definition = BODIES.iter().find(|(name, _)| *name == kind).map(|(_, definition)| *definition);
    let Some(schema) = definition.and_then(|d| call.shared.registry.graph().named(d)) else { return Ok(body) };
    let decoded = object::decode::prune(body, schema);
    if decoded.errors.is_empty() { Ok(decoded.value) } else { Err(refused(&decoded.errors.join(", "))) }
}

/// The body as one of [`BODIES`]; 400 when there is none.
pub fn required_body(call: &Call, kind: &str) -> Result<Value, StatusError> {
    let body = body_value(call)?.ok_or_else(|| StatusError::bad_request(format!("{kind}: no body was sent")))?;
    body_of(call, kind, body)
}

pub fn untyped(json: &[u8]) -> Result<Value, StatusError> {
    serde_json::from_slice(json).map_err(|e| parse_error(&e.to_string()))
}

pub fn parse_error(told: &str) -> StatusError {
    StatusError::bad_request(format!("couldn't get version/kind; json parse error: {told}"))
}

impl Write<'_> {
    /// The object in the body, pruned and normalised, of the kind that the path names.
    pub fn decode_body(&self) -> Result<Object, StatusError> {
        let media = media_type(self.call);
        if media == PROTOBUF && self.request.is_custom() {
            // Custom kinds have no protobuf form: the client is to send JSON.
            return Err(StatusError::unsupported_media_type(format!(
                "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml; got {media}"
            )));
        }
        if media == PROTOBUF {
            let value = protobuf::decode(&self.call.body, |_, _| Some(self.schema())).map_err(|e| protobuf_error(&e))?;
            return self.decode_value(value);
        }
        let json = json_of(self.call, &media)?;
        if media != "application/yaml" {
            return self.decode_json(&json);
        }
        let twice = yaml::duplicates(&self.call.body);
        self.decode_text(&json, &|findings| {
            if let Some(told) = &twice {
                findings.retain(|f| !f.starts_with("duplicate field "));
                findings.insert(0, told.clone());
            }
        })
    }

    /// A configuration to apply. Fields that are not of the schema are refused whatever `fieldValidation` says, since nobody
    /// could own them; only keys that are there twice depend on it (`applyPatcher`, `handlers/patch.go`).
    pub fn decode_applied(&self, json: &[u8]) -> Result<Object, StatusError> {
        let (value, duplicates) = object::decode::untyped(json).map_err(|e| parse_error(&e.to_string()))?;
        if let Some(mut raw) = Object::from_value(value) {
            self.check_kind(&mut raw)?;
            apply::declared(&raw, self.schema())?;
        }
        if !duplicates.is_empty() {
            let told = yaml::duplicates(&self.call.body).unwrap_or_else(|| duplicates.join(", "));
            self.findings(&format!("error strict decoding YAML: error converting YAML to JSON: {told}"))?;
        }
        self.decode_text(json, &|findings| findings.clear())
    }

    /// The same for JSON text.
    pub fn decode_json(&self, json: &[u8]) -> Result<Object, StatusError> {
        self.decode_text(json, &|_| {})
    }

    /// The same; strict findings are told as `revise` leaves them.
    fn decode_text(&self, json: &[u8], revise: &dyn Fn(&mut Vec<String>)) -> Result<Object, StatusError> {
        if json.is_empty() {
            return Err(StatusError::bad_request(format!(
                "{} in version \"{}\" cannot be handled as a {}: no body was sent",
                self.request.kind, self.request.version, self.request.kind
            )));
        }
        if self.request.is_custom() {
            let (value, duplicates) = object::decode::untyped(json).map_err(|e| parse_error(&e.to_string()))?;
            return self.custom_from(value, duplicates, revise);
        }
        let mut decoded = object::decode::strict(json, self.schema());
        revise(&mut decoded.warnings);
        self.object_from(decoded)
    }

    /// The same for a tree, as a patch made it.
    pub fn decode_value(&self, value: Value) -> Result<Object, StatusError> {
        if self.request.is_custom() {
            return self.custom_from(value, Vec::new(), &|_| {});
        }
        let decoded = object::decode::prune(value, self.schema());
        self.object_from(decoded)
    }

    /// Of a custom kind: wrong types are left to validation, which tells them with their fields.
    fn custom_from(&self, value: Value, mut findings: Vec<String>, revise: &dyn Fn(&mut Vec<String>)) -> Result<Object, StatusError> {
        let Some(mut object) = Object::from_value(value) else {
            return Err(parse_error("json: cannot unmarshal into Go value of type struct { APIVersion string; Kind string }"));
        };
        self.check_kind(&mut object)?;
        let mut value = object.into_value();
        findings.extend(crd::decode(&self.request, &mut value)?);
        revise(&mut findings);
        self.strictness(&findings)?;
        Ok(Object::from_value(value).unwrap_or_default())
    }

    fn object_from(&self, decoded: Decoded) -> Result<Object, StatusError> {
        if let Some(syntax) = decoded.errors.iter().find_map(|e| e.strip_prefix("json parse error: ")) {
            return Err(parse_error(syntax));
        }
        let Some(mut object) = Object::from_value(decoded.value) else {
            return Err(parse_error("json: cannot unmarshal into Go value of type struct { APIVersion string; Kind string }"));
        };
        self.check_kind(&mut object)?;
        if !decoded.errors.is_empty() {
            return Err(StatusError::bad_request(format!(
                "{} in version \"{}\" cannot be handled as a {}: {}",
                self.request.kind,
                self.request.version,
                self.request.kind,
                decoded.errors.join(", ")
            )));
        }
        self.strictness(&decoded.warnings)?;
        Ok(object)
    }

    /// What `fieldValidation` makes of strict findings.
    pub fn strictness(&self, findings: &[String]) -> Result<(), StatusError> {
        match self.options.field_validation {
            FieldValidation::Strict if !findings.is_empty() => Err(StatusError::bad_request(format!(
                "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
                self.request.kind,
                self.request.version,
                self.request.kind,
                findings.join(", ")
            ))),
            FieldValidation::Warn => {
                findings.iter().for_each(|w| self.call.warn(w.as_str()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The same for what is told by itself.
    fn findings(&self, told: &str) -> Result<(), StatusError> {
        match self.options.field_validation {
            FieldValidation::Strict => Err(StatusError::bad_request(told)),
            FieldValidation::Warn => {
                self.call.warn(told);
                Ok(())
            }
            FieldValidation::Ignore => Ok(()),
        }
    }

    /// `apiVersion` and `kind` may be left out; when given they must be the path's.
    fn check_kind(&self, object: &mut Object) -> Result<(), StatusError> {
        let expect = self.request.gvk();
        let (group, version) = split_api_version(object.api_version());
        let given = (group.to_owned(), version.to_owned(), object.kind().to_owned());
        let told = format!("{}, Kind={}", expect.api_version(), expect.kind);
        if !object.api_version().is_empty() && (given.0 != expect.group || given.1 != expect.version) {
            return Err(StatusError::bad_request(format!(
                "the API version in the data ({}) does not match the expected API version ({})",
                object.api_version(),
                expect.api_version()
            )));
        }
        if !given.2.is_empty() && given.2 != expect.kind {
            let got = format!("{}, Kind={}", object.api_version(), given.2);
            return Err(StatusError::bad_request(format!(
                "{} in version \"{}\" cannot be handled as a {}: no kind \"{}\" is expected here: {got} instead of {told}",
                given.2, expect.version, expect.kind, given.2
            )));
        }
        object.set_at(&["apiVersion"], expect.api_version().into());
        object.set_at(&["kind"], expect.kind.into());
        Ok(())
    }
}
