//! Values as JSON: results that become part of an object (patches of mutating policies, messages, annotations).

use super::*;
use crate::functions::times;
use base64::Engine as _;

impl Value<'_> {
    /// As cel-go converts to `google.protobuf.Value`: whole numbers stay whole, times become strings, bytes base64.
    /// Fails for what JSON cannot tell.
    pub fn to_json(&self) -> Result<Json> {
        Ok(match self {
            Self::Null => Json::Null,
            Self::Bool(b) => Json::Bool(*b),
            Self::Int(n) => Json::from(*n),
            Self::Uint(n) => Json::from(*n),
            Self::Double(d) => serde_json::Number::from_f64(*d).map(Json::Number).ok_or(EvalError::Arithmetic("not a finite number"))?,
            Self::String(text) => Json::String(text.to_string()),
            Self::Bytes(bytes) => Json::String(base64::engine::general_purpose::STANDARD.encode(bytes)),
            Self::Timestamp(at) => Json::String(times::format_timestamp(*at)),
            Self::Duration(d) => Json::String(times::format_seconds(*d)),
            Self::List(list) => Json::Array(list.iter().map(|item| item?.to_json()).collect::<Result<_>>()?),
            Self::Map(Map::Object { entries, .. } | Map::Json { entries, .. }) => Json::Object((*entries).clone()),
            Self::Map(Map::Built(entries)) => {
                let text = |key: &Key| match key {
                    Key::String(text) => text.to_string(),
                    Key::Bool(b) => b.to_string(),
                    Key::Int(n) => n.to_string(),
                    Key::Uint(n) => n.to_string(),
                };
                Json::Object(entries.iter().map(|(k, v)| Ok((text(k), v.to_json()?))).collect::<Result<_>>()?)
            }
            Self::Optional(Some(of)) => of.to_json()?,
            Self::Optional(None) => Json::Null,
            Self::Preserved(json) => (*json).clone(),
            Self::Failed(error) => return Err(error.as_ref().clone()),
            Self::Opaque(of) => match of.to_text() {
                Some(text) => Json::String(text),
                None => return Err(EvalError::Conversion { from: of.type_name().to_owned(), to: "json" }),
            },
            Self::Type(ty) => Json::String(ty.runtime_name().to_owned()),
        })
    }
}
