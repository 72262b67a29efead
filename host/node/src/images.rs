//! Which runtime an image asks for, and with which credentials it is pulled. Keeping and pulling is crate `image`'s.

use image::{Credential, Image, Kind};
use interfaces::workload::ImageSource;
use object::Object;
use std::path::Path;
use typed::api::core::v1::Container;

/// The credentials of one `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg` secret; none of what cannot be read.
pub fn credentials(secret: &Object) -> Vec<Credential> {
    let files = crate::env::secret_data(secret).into_iter();
    let configs = files.filter(|(name, _)| matches!(name.as_str(), ".dockerconfigjson" | ".dockercfg"));
    configs.flat_map(|(_, bytes)| image::auth::parse(&bytes).unwrap_or_default()).collect()
}

/// What `imageID` tells: the image's name by digest, or its digest alone when it was never pulled.
pub fn id(image: &Image) -> String {
    image.repo_digests.first().unwrap_or(&image.digest).clone()
}

/// The runtime's name, and what it is given to run. A wasm artifact runs as wasm wherever it appears. An ordinary image
/// does when its command is a `.wasm` file, or when the pod asks for wasm (`wanted`) and the image can be nothing else;
/// so that an OCI container can stand beside wasm ones in a pod of class `wasm`.
pub fn source(image: &Image, container: &Container, wanted: bool) -> Result<(&'static str, ImageSource), String> {
    let command = container.command.as_deref().and_then(<[String]>::first).map(String::as_str);
    let layers = match &image.kind {
        Kind::Wasm { component } => return Ok(("wasm", component_source(component))),
        Kind::Oci { layers } => layers,
    };
    let config = &image.config;
    let named = match command {
        Some(command) => command.ends_with(".wasm"),
        None => image.is_wasm(),
    };
    let foreign = config.architecture.starts_with("wasm") || config.os.starts_with("wasi");
    let empty = command.is_none() && config.entrypoint.is_empty() && config.cmd.is_empty();
    if named || foreign || (wanted && empty) {
        let component = image.wasm_component(command).map_err(|e| e.to_string())?;
        return Ok(("wasm", component_source(&component)));
    }
    Ok(("oci", ImageSource::Layers { layers: layers.clone() }))
}

/// A blob's file name is its digest; of another file the runtime computes it.
fn component_source(component: &Path) -> ImageSource {
    let name = component.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let is_digest = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    let digest = if is_digest { format!("sha256:{name}") } else { String::new() };
    ImageSource::Component { path: component.to_owned(), digest }
}

/// Number of the signal that an image's `StopSignal` or a pod's `stopSignal` names; 15 for what is not known.
pub fn signal(name: &str) -> i32 {
    if let Ok(number) = name.parse::<i32>() {
        return if (1..=64).contains(&number) { number } else { 15 };
    }
    let name = name.to_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    if let Some(offset) = name.strip_prefix("SIGRTMIN+").and_then(|n| n.parse::<i32>().ok()) {
        return 34 + offset.clamp(0, 30);
    }
    name.parse::<nix::sys::signal::Signal>().map_or(15, |signal| signal as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn image(kind: Kind, entrypoint: &[&str]) -> Image {
        let config = image::Config { entrypoint: entrypoint.iter().map(|s| (*s).to_owned()).collect(), ..image::Config::default() };
        Image { digest: "sha256:1".into(), references: vec![], repo_digests: vec![], config, kind, size: 0, definitions: None }
    }

    #[test]
    fn runtimes() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("app.wasm"), "").unwrap();
        let (layers, blob) = (vec![dir.path().to_owned()], format!("/b/{}", "a".repeat(64)));
        let check = |image: Image, command: Option<&str>, wanted: bool, expect: Option<(&str, &str)>| {
            let container = Container { command: command.map(|c| vec![c.to_owned()]), ..Container::default() };
            let got = source(&image, &container, wanted).ok();
            let got = got.map(|(name, source)| match source {
                ImageSource::Component { digest, .. } => (name, digest),
                ImageSource::Layers { .. } => (name, "layers".to_owned()),
            });
            assert_eq!(got.as_ref().map(|(n, d)| (*n, d.as_str())), expect);
        };
        let digest = format!("sha256:{}", "a".repeat(64));
        check(image(Kind::Wasm { component: PathBuf::from(blob) }, &[]), None, false, Some(("wasm", digest.as_str())));
        let oci = |entrypoint: &[&str]| image(Kind::Oci { layers: layers.clone() }, entrypoint);
        check(oci(&["/bin/sh"]), None, false, Some(("oci", "layers")));
        check(oci(&["/bin/sh"]), None, true, Some(("oci", "layers")));
        check(oci(&["/app.wasm"]), None, false, Some(("wasm", "")));
        check(oci(&["/app.wasm"]), Some("/bin/sh"), false, Some(("oci", "layers")));
        check(oci(&["/bin/sh"]), Some("/app.wasm"), false, Some(("wasm", "")));
        check(oci(&["/none.wasm"]), None, false, None);
        check(oci(&[]), None, true, Some(("wasm", "")));
        check(oci(&[]), None, false, Some(("oci", "layers")));
    }

    #[test]
    fn signals() {
        for (name, expect) in
            [("", 15), ("SIGTERM", 15), ("SIGQUIT", 3), ("QUIT", 3), ("sigint", 2), ("9", 9), ("SIGRTMIN+3", 37), ("NOPE", 15), ("900", 15)]
        {
            assert_eq!(signal(name), expect, "{name}");
        }
    }
}
