//! Where a plugin is tried: an API server with an empty store in this process, and the plugin loaded by the server's own code, with
//! its own service account and the rights that its manifest gives it. What it writes is written down on the way.

use super::asks::same;
use anyhow::{Context, Result, anyhow, bail};
use apiserver::ApiServer;
use async_trait::async_trait;
use client::{Client, Patch, Router, Type, UserInfo};
use interfaces::authorize::MASTERS;
use object::{Gvk, Object, Value, json};
use parking_lot::Mutex;
use registry::Registry;
use serde_json::Map;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasm::plugins::platform::cluster::Cluster;
use wasm::plugins::platform::{Answer, Kept, Platform, Reference, Refused, Request};
use wasm::plugins::prepare::{Around, Loading, Prepared};
use wasm::plugins::{Config, Settings};

/// A plugin to try: its component, and the manifest that would load it.
pub struct Subject {
    pub component: PathBuf,
    pub plugin: Object,
    /// What the manifest has beside it: definitions, accounts, roles.
    pub others: Vec<Object>,
}

impl Subject {
    /// # Errors
    /// There is not exactly one WasmPlugin.
    pub fn of(objects: Vec<Object>, component: PathBuf) -> Result<Self> {
        let (plugins, others): (Vec<_>, Vec<_>) = objects.into_iter().partition(|object| object.str_at(&["kind"]) == "WasmPlugin");
        let [plugin] = <[Object; 1]>::try_from(plugins).map_err(|found| anyhow!("it has {} WasmPlugins; it needs one", found.len()))?;
        Ok(Self { component, plugin, others })
    }
}

pub struct Bed {
    // Ends with the last handle.
    _api: ApiServer,
    admin: Client,
    pub prepared: Prepared,
    /// How long it took to make it of its file.
    pub prepared_in: std::time::Duration,
    /// What the plugin wrote, as requests in short form.
    writes: Arc<Mutex<Vec<Value>>>,
    /// The objects that were there first, as they were stored.
    made: Vec<Object>,
}

impl Bed {
    /// An API server with `objects`, and the plugin loaded with `config` over its manifest's own.
    ///
    /// # Errors
    /// An object or the plugin is refused; in words for the author.
    pub async fn make(subject: &Subject, cache: &Path, config: Option<&Value>, objects: &[Object]) -> Result<Self> {
        // Pods of a case need no accounts.
        let settings = apiserver::Config { account_admission: false, ..apiserver::Config::default() };
        let registry = Registry::builtin();
        let api = ApiServer::new(settings, store::memory::MemoryStore::new(), registry.clone())?;
        api.bootstrap().await?;
        let user = UserInfo::component("system:admin", &[MASTERS]);
        let admin = Client::in_process(Router::new(api.service()), registry, user);
        let mut bed = Fresh { admin: &admin, made: Vec::new() };
        for object in subject.others.iter().chain(objects) {
            bed.put(object).await?;
        }
        let made = bed.made;
        let plugin = bed_plugin(&admin, subject, config).await?;

        let plugins_dir = subject.component.parent().map(Path::to_path_buf).unwrap_or_default();
        let data_dir = cache.join("data");
        let loading = Loading::new(Config {
            plugins_dir,
            data_dir,
            cache_dir: cache.join("code"),
            fetch: None,
            images_only: false,
            node_name: "test".to_owned(),
        })?;
        let host = admin.with_user(UserInfo::component("system:coracle:plugins", &[]));
        let granted = Settings::of(&plugin).map_err(|cause| anyhow!(cause))?.grants;
        let recorder = host.recorder("coracle-wasm", "test");
        let cluster = Cluster::new(plugin.name(), &host, recorder, granted.account.as_ref(), granted.secrets);
        let writes = Arc::new(Mutex::new(Vec::new()));
        let platform = Arc::new(Recording { cluster, writes: writes.clone() });
        let around = Around { platform, host: Some(host), ..Around::alone() };
        let begin = std::time::Instant::now();
        let prepared =
            loading.prepare(&Arc::new(plugin), None, around).await.map_err(|failed| anyhow!("it cannot be loaded: {}", failed.message))?;
        Ok(Self { _api: api, admin, prepared, prepared_in: begin.elapsed(), writes, made })
    }

    /// As the administrator.
    pub fn client(&self) -> &Client {
        &self.admin
    }

    /// An object of a case as it was stored: with its uid and defaults. What a case says of its deletion stays.
    pub fn stored(&self, object: &Object) -> Object {
        let Some(made) = self.made.iter().find(|made| same(made, object)) else { return object.clone() };
        let mut made = made.to_value();
        if let (Some(deleted), Some(metadata)) =
            (object.at(&["metadata", "deletionTimestamp"]), made.get_mut("metadata").and_then(Value::as_object_mut))
        {
            metadata.insert("deletionTimestamp".to_owned(), deleted.clone());
        }
        Object::from_value(made).unwrap_or_default()
    }

    /// What the plugin wrote since the last time this was asked.
    pub fn writes(&self) -> Vec<Value> {
        std::mem::take(&mut *self.writes.lock())
    }

    /// `value` with what differs from run to run taken out: uids become the names of their objects, resource versions go.
    pub fn steady(&self, value: Value) -> Value {
        match value {
            Value::String(text) => match self.made.iter().find(|object| object.uid() == text) {
                Some(object) if !text.is_empty() => Value::String(format!("<uid of {} {}>", object.str_at(&["kind"]), object.name())),
                _ => Value::String(text),
            },
            Value::Array(list) => Value::Array(list.into_iter().map(|value| self.steady(value)).collect()),
            Value::Object(map) => Value::Object(
                map.into_iter().filter(|(key, _)| key != "resourceVersion").map(|(key, value)| (key, self.steady(value))).collect(),
            ),
            other => other,
        }
    }
}

/// Puts the WasmPlugin to the API server as a user would, so that what is wrong with it is told by the same words.
async fn bed_plugin(admin: &Client, subject: &Subject, config: Option<&Value>) -> Result<Object> {
    let mut plugin = subject.plugin.clone().into_value();
    let spec = plugin.get_mut("spec").and_then(Value::as_object_mut).context("the WasmPlugin has no spec")?;
    for source in ["image", "inline", "configMap", "verification", "imagePullSecrets"] {
        spec.remove(source);
    }
    let file = subject.component.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    spec.insert("path".to_owned(), json!(file));
    if let Some(Value::Object(config)) = config {
        let all = spec.entry("config").or_insert_with(|| json!({}));
        for (key, value) in config {
            if let Value::Object(all) = all {
                all.insert(key.clone(), value.clone());
            }
        }
    }
    let plugin = Object::from_value(plugin).unwrap_or_default();
    admin
        .api(&client::gvr::wasm_plugins())
        .create("", &plugin)
        .await
        .map_err(|error| anyhow!("the WasmPlugin is refused: {}", error.chain()))
}

/// Objects on their way into a fresh API server.
struct Fresh<'a> {
    admin: &'a Client,
    made: Vec<Object>,
}

impl Fresh<'_> {
    async fn put(&mut self, object: &Object) -> Result<()> {
        let what = || format!("{} {}", object.str_at(&["kind"]), object.name());
        let api = self.api_of(&object.gvk()).await.with_context(what)?;
        let namespace = object.namespace().to_owned();
        if !namespace.is_empty() {
            self.namespace(&namespace).await?;
        }
        let refused = |error: client::Error| anyhow!("{} is refused: {}", what(), error.chain());
        let mut made = api.create(&namespace, object).await.map_err(refused)?;
        if let Some(status) = object.at(&["status"]) {
            let patch = Patch::Merge(json!({ "status": status }));
            made = api.patch(&namespace, object.name(), Some("status"), &patch).await.map_err(refused)?;
        }
        self.made.push(made);
        Ok(())
    }

    async fn namespace(&mut self, name: &str) -> Result<()> {
        let namespace =
            Object::from_value(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).unwrap_or_default();
        match self.admin.api(&client::gvr::namespaces()).create("", &namespace).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_already_exists() => Ok(()),
            Err(error) => bail!("namespace {name} is refused: {}", error.chain()),
        }
    }

    /// A kind that was just defined is served a moment later.
    async fn api_of(&self, gvk: &Gvk) -> Result<client::Api> {
        for _ in 0..200 {
            if let Some(api) = self.admin.api_of(gvk) {
                return Ok(api);
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        bail!("there is no kind {} in {}; a case may define it by a CustomResourceDefinition", gvk.kind, gvk.api_version())
    }
}

/// The platform of a server, with a note of every write.
struct Recording {
    cluster: Cluster,
    writes: Arc<Mutex<Vec<Value>>>,
}

#[async_trait]
impl Platform for Recording {
    async fn request(&self, request: Request) -> Result<Answer, Refused> {
        let note = note(&request);
        let answer = self.cluster.request(request).await;
        if let Some(Value::Object(mut note)) = note {
            if let Err(refused) = &answer {
                note.insert("refused".to_owned(), json!({"code": refused.code, "reason": refused.reason}));
            }
            self.writes.lock().push(Value::Object(note));
        }
        answer
    }

    fn event(&self, about: &Reference, ty: Type, reason: &str, message: &str) {
        let ty = if matches!(ty, Type::Warning) { "Warning" } else { "Normal" };
        self.writes.lock().push(note_of("event", about, [("type", json!(ty)), ("reason", json!(reason)), ("message", json!(message))]));
        self.cluster.event(about, if ty == "Warning" { Type::Warning } else { Type::Normal }, reason, message);
    }

    async fn read_state(&self) -> Result<Kept, String> {
        self.cluster.read_state().await
    }

    async fn write_state(&self, kept: &Kept) -> Result<bool, String> {
        let entries: BTreeMap<&String, String> =
            kept.entries.iter().map(|(key, value)| (key, String::from_utf8_lossy(value).into_owned())).collect();
        let written = self.cluster.write_state(kept).await;
        if written == Ok(true) {
            self.writes.lock().push(json!({"verb": "state", "entries": entries}));
        }
        written
    }

    async fn secret(&self, name: &str) -> Result<Vec<u8>, String> {
        self.cluster.secret(name).await
    }
}

/// What is written down of a request; nothing of a read.
fn note(request: &Request) -> Option<Value> {
    Some(match request {
        Request::Get(_) | Request::List { .. } => return None,
        Request::Create { gvr, namespace, object } => {
            let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let about = Reference { gvr: gvr.clone(), namespace: namespace.clone(), name, subresource: String::new() };
            note_of("create", &about, [("object", object.clone())])
        }
        Request::Update { object, content } => note_of("update", object, [("object", content.clone())]),
        Request::Patch { object, patch } => match patch {
            Patch::Apply { value, .. } => note_of("apply", object, [("object", value.clone())]),
            Patch::Json(value) | Patch::Merge(value) | Patch::Strategic(value) => note_of("patch", object, [("patch", value.clone())]),
        },
        Request::Delete { object, .. } => note_of("delete", object, []),
    })
}

fn note_of<const N: usize>(verb: &str, about: &Reference, more: [(&str, Value); N]) -> Value {
    let resource =
        if about.gvr.group.is_empty() { about.gvr.resource.clone() } else { format!("{}.{}", about.gvr.resource, about.gvr.group) };
    let mut note = Map::from_iter([
        ("verb".to_owned(), json!(verb)),
        ("resource".to_owned(), json!(resource)),
        ("name".to_owned(), json!(about.name)),
    ]);
    for (key, text) in [("namespace", &about.namespace), ("subresource", &about.subresource)] {
        if !text.is_empty() {
            note.insert(key.to_owned(), json!(text));
        }
    }
    note.extend(more.map(|(key, value)| (key.to_owned(), value)));
    Value::Object(note)
}
