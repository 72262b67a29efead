//! [`Cluster`]: a plugin's platform at a server. The plugin's requests leave as its service account; what the host does for it
//! (state, secrets by reference) leaves as the host.

use super::{Answer, Kept, Platform, Reference, Refused, Request};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::{Client, Error, Recorder, Type, UserInfo, gvr};
use object::{Map, Object, ObjectRef, Value, json};
use std::collections::BTreeMap;

/// Where the state of plugins is kept.
const NAMESPACE: &str = "kube-system";

/// A key of a Secret that is granted under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSource {
    pub namespace: String,
    pub name: String,
    pub key: String,
}

/// The service account that a plugin acts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub namespace: String,
    pub name: String,
}

pub struct Cluster {
    plugin: String,
    /// `None`: the plugin has no account.
    own: Option<Client>,
    host: Client,
    recorder: Recorder,
    secrets: BTreeMap<String, SecretSource>,
}

impl Cluster {
    /// `host` is the identity of the part that loads plugins; `recorder` is its own.
    pub fn new(
        plugin: &str,
        host: &Client,
        recorder: Recorder,
        account: Option<&Account>,
        secrets: BTreeMap<String, SecretSource>,
    ) -> Self {
        let own = account.map(|account| host.with_user(UserInfo::service_account(&account.namespace, &account.name)));
        Self { plugin: plugin.to_owned(), own, host: host.clone(), recorder, secrets }
    }

    /// The plugin's own identity.
    pub fn own(&self) -> Option<&Client> {
        self.own.as_ref()
    }

    fn state_name(&self) -> String {
        state_name(&self.plugin)
    }
}

/// The ConfigMap of a plugin's state.
pub fn state_name(plugin: &str) -> String {
    format!("coracle-plugin-{plugin}")
}

#[async_trait]
impl Platform for Cluster {
    async fn request(&self, request: Request) -> Result<Answer, Refused> {
        let Some(own) = &self.own else {
            let message = "the plugin has no service account: name one in spec.grants.serviceAccount".to_owned();
            return Err(Refused { code: 401, reason: "Unauthorized".to_owned(), message });
        };
        answer(own, request).await.map_err(refused)
    }

    fn event(&self, about: &Reference, ty: Type, reason: &str, message: &str) {
        // Its kind's name, as events have it; a kind that is not known here has no events.
        let Some(kind) = self.host.registry().kind(&about.gvr) else { return };
        let reference = ObjectRef {
            api_version: about.gvr.api_version(),
            kind: kind.kind.clone(),
            namespace: about.namespace.clone(),
            name: about.name.clone(),
            ..ObjectRef::default()
        };
        self.recorder.event(&reference, ty, reason, message);
    }

    async fn read_state(&self) -> Result<Kept, String> {
        match self.host.api(&gvr::config_maps()).get(NAMESPACE, &self.state_name()).await {
            Ok(map) => Ok(kept(&map)),
            Err(error) if error.is_not_found() => Ok(Kept::default()),
            Err(error) => Err(error.chain()),
        }
    }

    async fn write_state(&self, kept: &Kept) -> Result<bool, String> {
        let data: Map<String, Value> = kept.entries.iter().map(|(key, value)| (key.clone(), json!(STANDARD.encode(value)))).collect();
        let mut map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": self.state_name(), "namespace": NAMESPACE, "labels": {"coracle.dev/plugin": self.plugin}},
            "binaryData": data,
        });
        let api = self.host.api(&gvr::config_maps());
        let written = if kept.revision.is_empty() {
            api.create(NAMESPACE, &Object::from_value(map).unwrap_or_default()).await
        } else {
            map["metadata"]["resourceVersion"] = json!(kept.revision);
            api.update(NAMESPACE, &Object::from_value(map).unwrap_or_default()).await
        };
        match written {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() || error.is_already_exists() || error.is_not_found() => Ok(false),
            Err(error) => Err(error.chain()),
        }
    }

    async fn secret(&self, name: &str) -> Result<Vec<u8>, String> {
        let source = self.secrets.get(name).ok_or_else(|| format!("{name:?} is not in spec.grants.secrets"))?;
        let SecretSource { namespace, name, key } = source;
        let secret = self.host.api(&gvr::secrets()).get(namespace, name).await.map_err(|error| error.chain())?;
        let value = secret.str_at(&["data", key]);
        if value.is_empty() && secret.at(&["data", key]).is_none() {
            return Err(format!("Secret {namespace}/{name} has no key {key:?}"));
        }
        STANDARD.decode(value).map_err(|error| format!("key {key:?} of Secret {namespace}/{name}: {error}"))
    }
}

async fn answer(client: &Client, request: Request) -> Result<Answer, Error> {
    Ok(match request {
        Request::Get(Reference { gvr, namespace, name, subresource }) => {
            let api = client.api(&gvr);
            Answer::Object(match subresource.as_str() {
                "" => api.get(&namespace, &name).await?.into_value(),
                subresource => api.get_subresource(&namespace, &name, subresource).await?,
            })
        }
        Request::List { gvr, namespace, options } => {
            let page = client.api(&gvr).list_page(&namespace, &options).await?;
            let items = page.items.into_iter().map(Object::into_value).collect();
            Answer::Page { items, resource_version: page.resource_version, continue_token: page.continue_token }
        }
        Request::Create { gvr, namespace, object } => {
            Answer::Object(client.api(&gvr).create(&namespace, &whole(object)?).await?.into_value())
        }
        Request::Update { object: Reference { gvr, namespace, name, subresource }, content } => {
            let api = client.api(&gvr);
            Answer::Object(match subresource.as_str() {
                "" => api.update(&namespace, &whole(content)?).await?.into_value(),
                subresource => api.update_subresource(&namespace, &name, subresource, &content).await?,
            })
        }
        Request::Patch { object: Reference { gvr, namespace, name, subresource }, patch } => {
            let subresource = (!subresource.is_empty()).then_some(subresource.as_str());
            Answer::Object(client.api(&gvr).patch(&namespace, &name, subresource, &patch).await?.into_value())
        }
        Request::Delete { object: Reference { gvr, namespace, name, .. }, options } => {
            client.api(&gvr).delete(&namespace, &name, &options).await?;
            Answer::Done
        }
    })
}

fn whole(value: Value) -> Result<Object, Error> {
    Object::from_value(value).ok_or_else(|| object::StatusError::bad_request("an object is needed").into())
}

fn refused(error: Error) -> Refused {
    match error.status() {
        Some(status) => Refused { code: status.code, reason: status.reason.as_str().to_owned(), message: status.message.clone() },
        None => Refused { code: 503, reason: "ServiceUnavailable".to_owned(), message: error.chain() },
    }
}

fn kept(map: &Object) -> Kept {
    let data = map.at(&["binaryData"]).and_then(Value::as_object);
    let entries = data.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), STANDARD.decode(value.as_str()?).ok()?)));
    Kept { entries: entries.collect(), revision: map.resource_version().to_owned() }
}
