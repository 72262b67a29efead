//! The settings in `spec.config`. They do not change while an instance lives.

pub use crate::bindings::platform::config::{all, get};

/// All settings as one type. What is text in `spec.config` is text here, too; anything else is what it is.
///
/// # Errors
/// A setting is missing, of another type, or unknown to a type that denies unknown fields; in words for the plugin's status.
#[cfg(feature = "json")]
pub fn read<T: serde::de::DeserializeOwned>() -> Result<T, String> {
    parse(all())
}

#[cfg(feature = "json")]
fn parse<T: serde::de::DeserializeOwned>(settings: Vec<(String, String)>) -> Result<T, String> {
    use serde_json::Value;
    // The host gives text as it is, and everything else as JSON: text that looks like a number is tried as both.
    let as_json = |text: &String| serde_json::from_str::<Value>(text).ok().filter(|value| !value.is_string());
    let typed = settings.iter().map(|(key, text)| (key.clone(), as_json(text).unwrap_or_else(|| Value::String(text.clone()))));
    serde_json::from_value(Value::Object(typed.collect())).or_else(|error| {
        let texts = settings.iter().map(|(key, text)| (key.clone(), Value::String(text.clone())));
        serde_json::from_value(Value::Object(texts.collect())).map_err(|_| format!("spec.config: {error}"))
    })
}
