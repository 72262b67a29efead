//! Which files a config map, secret or downward source becomes: `MakePayload` in `pkg/volume/configmap/configmap.go`
//! and `pkg/volume/secret/secret.go`, `CollectData` in `pkg/volume/downwardapi`.

use super::atomic::{File, Payload};
use crate::env::{base64_map, strings};
use crate::fields::{self, Facts};
use object::Object;
use typed::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, PodSpec};

pub type Data = Vec<(String, Vec<u8>)>;

pub fn config_map_data(object: &Object) -> Data {
    let mut data: Data = strings(object, "data").into_iter().map(|(k, v)| (k, v.into_bytes())).collect();
    data.extend(base64_map(object, "binaryData"));
    data
}

pub fn bits(mode: Option<i32>, default: i32) -> u32 {
    u32::try_from(mode.unwrap_or(default)).unwrap_or(0o644) & 0o777
}

/// All keys, or the ones in `items` under the paths given there.
pub fn files(data: &Data, items: &[KeyToPath], default_mode: i32, optional: bool, about: &str) -> Result<Payload, String> {
    if items.is_empty() {
        let whole = data.iter().map(|(key, value)| (key.clone(), File { data: value.clone(), mode: bits(None, default_mode) }));
        return Ok(whole.collect());
    }
    let mut payload = Payload::new();
    for item in items {
        match data.iter().find(|(key, _)| *key == item.key) {
            Some((_, value)) => {
                payload.insert(item.path.clone(), File { data: value.clone(), mode: bits(item.mode, default_mode) });
            }
            None if optional => {}
            None => return Err(format!("references non-existent {about} key: {}", item.key)),
        }
    }
    Ok(payload)
}

pub fn downward(
    pod: &Object,
    spec: &PodSpec,
    items: &[DownwardAPIVolumeFile],
    default_mode: i32,
    facts: &Facts,
) -> Result<Payload, String> {
    let mut payload = Payload::new();
    for item in items {
        let text = if let Some(reference) = &item.field_ref {
            fields::field(pod, &reference.field_path, facts)?
        } else if let Some(reference) = &item.resource_field_ref {
            let name = reference.container_name.as_deref().unwrap_or_default();
            let mut all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
            let container = all.find(|c| c.name == name).ok_or_else(|| format!("container {name} not found"))?;
            fields::resource(container, reference, facts)?
        } else {
            String::new()
        };
        payload.insert(item.path.clone(), File { data: text.into_bytes(), mode: bits(item.mode, default_mode) });
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    #[test]
    fn keys_items_modes_and_absent_keys() {
        let object = Object::from_value(json!({"data": {"a": "1", "b": "2"}, "binaryData": {"c": "AAE="}})).unwrap();
        let data = config_map_data(&object);
        let item = |key: &str, path: &str, mode| KeyToPath { key: key.into(), path: path.into(), mode, ..KeyToPath::default() };
        type Files<'a> = &'a [(&'a str, &'a [u8], u32)];
        let check = |items: &[KeyToPath], optional, expect: Result<Files<'_>, &str>| {
            let got = files(&data, items, 0o640, optional, "config");
            let got = got.as_ref().map(|p| p.iter().map(|(k, f)| (k.as_str(), f.data.as_slice(), f.mode)).collect::<Vec<_>>());
            assert_eq!(got.as_deref().map_err(|e| e.as_str()), expect);
        };
        check(&[], false, Ok(&[("a", b"1", 0o640), ("b", b"2", 0o640), ("c", &[0, 1], 0o640)]));
        check(&[item("a", "x/y", Some(0o400))], false, Ok(&[("x/y", b"1", 0o400)]));
        check(&[item("z", "z", None)], false, Err("references non-existent config key: z"));
        check(&[item("z", "z", None)], true, Ok(&[]));
    }
}
