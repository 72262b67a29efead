//! Where components lie, and what loads them.

use interfaces::schedule::PluginError;
use object::{Object, Value, json};
use std::sync::Arc;
use wasm::plugins::Config;
use wasm::plugins::counters::Counters;
use wasm::plugins::prepare::{Around, Failed, Loading};
use wasm::plugins::worlds::{Product, Resident};

pub const TIMEOUT_MS: u64 = 300;
pub const MEMORY_MIB: u64 = 8;

pub struct Place {
    directory: tempfile::TempDir,
    loading: Loading,
}

/// A loaded plugin, and what is counted of it.
pub struct Plugin {
    pub product: Product,
    pub counters: Arc<Counters>,
    pub resident: Arc<dyn Resident>,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plugins_dir = directory.path().to_owned();
        let (cache_dir, data_dir) = (plugins_dir.join("cache"), plugins_dir.join("data"));
        let config = Config { plugins_dir, data_dir, cache_dir, fetch: None, images_only: false, node_name: "node".to_owned() };
        Self { directory, loading: Loading::new(config).unwrap() }
    }

    /// Where the plugin's granted directories are.
    pub fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data/hostile")
    }

    /// The name of a file with this component.
    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let file = format!("{plain}.wasm");
        std::fs::write(self.directory.path().join(&file), bytes).unwrap();
        file
    }

    pub async fn load(&self, file: &str, more: &Value) -> Result<Plugin, Failed> {
        let mut spec = json!({ "path": file, "limits": {"timeoutMilliseconds": TIMEOUT_MS, "memoryMiB": MEMORY_MIB} });
        object::patch::merge::apply(&mut spec, more);
        let object = Object::from_value(json!({ "metadata": {"name": "hostile", "uid": "u"}, "spec": spec })).unwrap();
        let prepared = self.loading.prepare(&Arc::new(object), None, Around::alone()).await?;
        Ok(Plugin { product: prepared.loaded.product, counters: prepared.counters, resident: prepared.loaded.resident })
    }
}

/// How a component is contained.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Its object says why it is not loaded.
    Refused(&'static str),
    Timeout,
    Memory,
    /// A trap with this cause.
    Trap(&'static str),
    /// It answered, in bad words or badly.
    Failed(&'static str),
    /// The host held it off without its noticing: the call is answered.
    Harmless,
    /// The same, and this is part of what the host makes of the answer.
    Answer(&'static str),
}

impl End {
    /// Whether a call that ended with this error, or the answer, ended so; and what is counted: failures, traps, timeouts.
    fn counted(self, outcome: &Result<String, String>) -> Option<(u64, u64, u64)> {
        let error = |variant: PluginError| outcome.as_ref().err() == Some(&variant.to_string());
        let of = |how: &str, part: &str| match outcome {
            Err(said) => said.strip_prefix(&format!("plugin hostile {how}: ")).is_some_and(|cause| cause.contains(part)),
            Ok(_) => false,
        };
        let plugin = || "hostile".to_owned();
        match self {
            Self::Refused(_) => None,
            Self::Timeout => error(PluginError::Timeout { plugin: plugin(), limit_ms: TIMEOUT_MS }).then_some((1, 0, 1)),
            Self::Memory => error(PluginError::Memory { plugin: plugin(), limit_mib: MEMORY_MIB }).then_some((1, 1, 0)),
            Self::Trap(part) => of("trapped", part).then_some((1, 1, 0)),
            Self::Failed(part) => of("failed", part).then_some((1, 0, 0)),
            Self::Harmless => outcome.is_ok().then_some((0, 0, 0)),
            Self::Answer(part) => outcome.as_ref().is_ok_and(|answer| answer.contains(part)).then_some((0, 0, 0)),
        }
    }
}

/// Longest sentence of a plugin's failure: it stands in events and statuses.
const LONGEST: usize = 1024;
/// Of why it is not loaded.
const LONGEST_REFUSAL: usize = 4096;

pub struct Case {
    pub name: String,
    pub bytes: Arc<[u8]>,
    /// Over the usual limits.
    pub spec: Value,
    /// The export that is asked.
    pub ask: String,
    pub end: End,
}

/// What is not as expected.
pub async fn check(place: &Place, case: &Case) -> Result<(), String> {
    let name = &case.name;
    let file = place.write(name, &case.bytes);
    let began = std::time::Instant::now();
    let loaded = place.load(&file, &case.spec).await;
    let plugin = match (loaded, case.end) {
        (Ok(plugin), _) => plugin,
        (Err(failed), End::Refused(part)) if failed.message.contains(part) && failed.message.len() <= LONGEST_REFUSAL => {
            eprintln!("{name}: refused in {:?}: {:.200}", began.elapsed(), failed.message);
            return Ok(());
        }
        (Err(failed), end) => return Err(format!("{name}: refused, not {end:?}: {}", failed.message)),
    };
    let (before, idle) = (plugin.counters.read(), plugin.resident.idle());
    let outcome = super::worlds::ask(&plugin.product, &case.ask).await;
    let said = outcome.as_ref().err().cloned().unwrap_or_default();
    eprintln!("{name}: {:?} {said:.200}", began.elapsed());
    let Some(expect) = case.end.counted(&outcome) else {
        return Err(format!("{name}: {:.2000}, not {:?}", format!("{outcome:?}"), case.end));
    };
    if said.len() > LONGEST {
        return Err(format!("{name}: {} bytes for an event", said.len()));
    }
    let counted = plugin.counters.read();
    let (calls, failures) = (counted.calls - before.calls, counted.failures - before.failures);
    if (calls, (failures, counted.traps - before.traps, counted.timeouts - before.timeouts)) != (1, expect) {
        return Err(format!("{name}: counted as {counted:?}, after {before:?}"));
    }
    if plugin.counters.last_failure() != said {
        return Err(format!("{name}: remembered as {}", plugin.counters.last_failure()));
    }
    // An instance that trapped, took too much or too long is gone with all its memory; another one is kept.
    let gone = matches!(case.end, End::Timeout | End::Memory | End::Trap(_));
    let (kept, bytes) = (plugin.resident.idle(), plugin.resident.memory_bytes());
    let made = counted.instances - before.instances;
    if (idle as u64 + made - kept as u64, bytes == 0) != (u64::from(gone), kept == 0) {
        return Err(format!("{name}: {made} instances were made, {kept} with {bytes} bytes are kept"));
    }
    Ok(())
}
