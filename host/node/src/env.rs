//! A container's environment, command and arguments: `makeEnvironmentVariables` in `pkg/kubelet/kubelet_pods.go` and
//! `pkg/kubelet/envvars`.

use crate::expand::expand;
use crate::fields::{self, Facts};
use object::{Object, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use typed::api::core::v1::{Container, PodSpec};

/// Objects by name, as the pod's namespace has them; `None`: it has no such object.
pub type Found = BTreeMap<String, Option<Arc<Object>>>;

/// What the environment is made from.
pub struct Input<'a> {
    pub pod: &'a Object,
    pub spec: &'a PodSpec,
    pub container: &'a Container,
    pub config_maps: &'a Found,
    pub secrets: &'a Found,
    pub services: &'a [(String, String)],
    pub facts: &'a Facts,
}

/// Names of the config maps and secrets that a container's environment needs.
pub fn references(container: &Container) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut config_maps, mut secrets) = (BTreeSet::new(), BTreeSet::new());
    for from in container.env_from.iter().flatten() {
        config_maps.extend(from.config_map_ref.iter().map(|r| r.name.clone()));
        secrets.extend(from.secret_ref.iter().map(|r| r.name.clone()));
    }
    for source in container.env.iter().flatten().filter_map(|e| e.value_from.as_ref()) {
        config_maps.extend(source.config_map_key_ref.iter().map(|r| r.name.clone()));
        secrets.extend(source.secret_key_ref.iter().map(|r| r.name.clone()));
    }
    (config_maps, secrets)
}

/// The environment, in the order declared. An error is the message of `CreateContainerConfigError`.
pub fn build(input: &Input<'_>) -> Result<Vec<(String, String)>, String> {
    let mut env = Env::default();
    for from in input.container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        if let Some(reference) = &from.config_map_ref {
            let object = required(input.config_maps, "configmap", &reference.name, reference.optional)?;
            for (key, value) in object.iter().flat_map(|o| strings(o, "data")) {
                env.set_valid(format!("{prefix}{key}"), value);
            }
        }
        if let Some(reference) = &from.secret_ref {
            let object = required(input.secrets, "secret", &reference.name, reference.optional)?;
            for (key, value) in object.iter().flat_map(|o| secret_data(o)) {
                env.set_valid(format!("{prefix}{key}"), String::from_utf8_lossy(&value).into_owned());
            }
        }
    }
    for variable in input.container.env.iter().flatten() {
        let value = match &variable.value_from {
            None => {
                let text = variable.value.as_deref().unwrap_or_default();
                Some(expand(text, |name| env.get(name).or_else(|| lookup(input.services, name))))
            }
            Some(source) => from_source(input, source)?,
        };
        if let Some(value) = value {
            env.set(variable.name.clone(), value);
        }
    }
    for (name, value) in input.services {
        if env.get(name).is_none() {
            env.set(name.clone(), value.clone());
        }
    }
    Ok(env.list)
}

fn from_source(input: &Input<'_>, source: &typed::api::core::v1::EnvVarSource) -> Result<Option<String>, String> {
    if let Some(reference) = &source.field_ref {
        return fields::field(input.pod, &reference.field_path, input.facts).map(Some);
    }
    if let Some(reference) = &source.resource_field_ref {
        let name = reference.container_name.as_deref().filter(|n| !n.is_empty()).unwrap_or(&input.container.name);
        let all = input.spec.containers.iter().chain(input.spec.init_containers.iter().flatten());
        let container = all.into_iter().find(|c| c.name == name).ok_or_else(|| format!("container {name} not found"))?;
        return fields::resource(container, reference, input.facts).map(Some);
    }
    let namespace = input.pod.namespace();
    if let Some(reference) = &source.config_map_key_ref {
        let Some(object) = required(input.config_maps, "configmap", &reference.name, reference.optional)? else { return Ok(None) };
        let value = object.at(&["data", &reference.key]).and_then(Value::as_str);
        return match value {
            Some(value) => Ok(Some(value.to_owned())),
            None if reference.optional == Some(true) => Ok(None),
            None => Err(format!("couldn't find key {} in ConfigMap {namespace}/{}", reference.key, reference.name)),
        };
    }
    if let Some(reference) = &source.secret_key_ref {
        let Some(object) = required(input.secrets, "secret", &reference.name, reference.optional)? else { return Ok(None) };
        let value = secret_data(&object).into_iter().find(|(key, _)| *key == reference.key);
        return match value {
            Some((_, value)) => Ok(Some(String::from_utf8_lossy(&value).into_owned())),
            None if reference.optional == Some(true) => Ok(None),
            None => Err(format!("couldn't find key {} in Secret {namespace}/{}", reference.key, reference.name)),
        };
    }
    Err("this node supports fieldRef, resourceFieldRef, configMapKeyRef and secretKeyRef in valueFrom only".to_owned())
}

fn required(found: &Found, kind: &str, name: &str, optional: Option<bool>) -> Result<Option<Arc<Object>>, String> {
    match found.get(name).cloned().flatten() {
        Some(object) => Ok(Some(object)),
        None if optional == Some(true) => Ok(None),
        None => Err(format!("{kind} \"{name}\" not found")),
    }
}

/// The string values of one map of an object, sorted by key.
pub fn strings(object: &Object, field: &str) -> Vec<(String, String)> {
    let map = object.at(&[field]).and_then(Value::as_object);
    map.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

/// The decoded `data` of a secret (or `binaryData` of a config map, by the same encoding).
pub fn secret_data(object: &Object) -> Vec<(String, Vec<u8>)> {
    base64_map(object, "data")
}

/// The base64-encoded values of one map of an object, decoded. What does not decode is left out.
pub fn base64_map(object: &Object, field: &str) -> Vec<(String, Vec<u8>)> {
    use base64::Engine;
    let engine = base64::engine::general_purpose::STANDARD;
    strings(object, field).into_iter().filter_map(|(key, value)| Some((key, engine.decode(value).ok()?))).collect()
}

/// The argument vector: `command` and `args` of the container over `entrypoint` and `cmd` of the image
/// (`ExpandContainerCommandAndArgs` and the CRI's rule: a `command` drops the image's `cmd`).
pub fn arguments(container: &Container, entrypoint: &[String], cmd: &[String], env: &[(String, String)]) -> Vec<String> {
    let expanded =
        |list: &Option<Vec<String>>| -> Vec<String> { list.iter().flatten().map(|text| expand(text, |name| lookup(env, name))).collect() };
    let (command, args) = (expanded(&container.command), expanded(&container.args));
    let mut all = if command.is_empty() { entrypoint.to_vec() } else { command.clone() };
    match (args.is_empty(), command.is_empty()) {
        (false, _) => all.extend(args),
        (true, true) => all.extend_from_slice(cmd),
        (true, false) => {}
    }
    all
}

/// The value of a name in an environment; the last one counts.
pub fn lookup(env: &[(String, String)], name: &str) -> Option<String> {
    env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

/// Variables for the services of the pod's namespace and for `default/kubernetes` (`getServiceEnvVarMap`,
/// `envvars.FromServices`).
pub fn services(all: &[Arc<Object>], namespace: &str, links: bool) -> Vec<(String, String)> {
    let mut by_name: BTreeMap<String, &Arc<Object>> = BTreeMap::new();
    for service in all {
        let ip = service.str_at(&["spec", "clusterIP"]);
        if ip.is_empty() || ip == "None" {
            continue;
        }
        let master = service.namespace() == "default" && service.name() == "kubernetes";
        if links && service.namespace() == namespace {
            by_name.insert(service.name().to_owned(), service);
        } else if master {
            by_name.entry(service.name().to_owned()).or_insert(service);
        }
    }
    let mut env = Vec::new();
    for (name, service) in by_name {
        let Ok(spec) = typed::service(service) else { continue };
        let Some(spec) = &spec.spec else { continue };
        let upper = |text: &str| text.to_uppercase().replace('-', "_");
        let (name, ip) = (upper(&name), spec.cluster_ip.clone().unwrap_or_default());
        let ports = spec.ports.as_deref().unwrap_or_default();
        let Some(first) = ports.first() else { continue };
        let host = if ip.contains(':') { format!("[{ip}]") } else { ip.clone() };
        let url = |port: &typed::api::core::v1::ServicePort| {
            format!("{}://{host}:{}", port.protocol.as_deref().unwrap_or("TCP").to_lowercase(), port.port)
        };
        env.push((format!("{name}_SERVICE_HOST"), ip.clone()));
        env.push((format!("{name}_SERVICE_PORT"), first.port.to_string()));
        for port in ports {
            if let Some(port_name) = port.name.as_deref().filter(|n| !n.is_empty()) {
                env.push((format!("{name}_SERVICE_PORT_{}", upper(port_name)), port.port.to_string()));
            }
        }
        env.push((format!("{name}_PORT"), url(first)));
        for port in ports {
            let protocol = port.protocol.as_deref().unwrap_or("TCP");
            let prefix = format!("{name}_PORT_{}_{}", port.port, protocol.to_uppercase());
            env.push((prefix.clone(), url(port)));
            env.push((format!("{prefix}_PROTO"), protocol.to_lowercase()));
            env.push((format!("{prefix}_PORT"), port.port.to_string()));
            env.push((format!("{prefix}_ADDR"), ip.clone()));
        }
    }
    env
}

/// Keeps the place of a name's first declaration and its last value.
#[derive(Default)]
struct Env {
    list: Vec<(String, String)>,
    places: BTreeMap<String, usize>,
}

impl Env {
    fn get(&self, name: &str) -> Option<String> {
        self.places.get(name).and_then(|at| self.list.get(*at)).map(|(_, value)| value.clone())
    }

    fn set(&mut self, name: String, value: String) {
        match self.places.get(&name).and_then(|at| self.list.get_mut(*at)) {
            Some(slot) => slot.1 = value,
            None => {
                self.places.insert(name.clone(), self.list.len());
                self.list.push((name, value));
            }
        }
    }

    /// Keys of a whole map that cannot name a variable are left out.
    fn set_valid(&mut self, name: String, value: String) {
        if !name.is_empty() && !name.contains('=') && name.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            self.set(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    fn object(value: Value) -> Arc<Object> {
        Arc::new(Object::from_value(value).unwrap())
    }

    fn check(container: Value, expect: Result<&[(&str, &str)], &str>) {
        let mut container = container;
        container["name"] = json!("c");
        let pod = Object::from_value(json!({"metadata": {"name": "p", "namespace": "n"}})).unwrap();
        let spec: PodSpec = typed::part(&json!({"containers": [container]})).unwrap();
        let config_maps = Found::from([
            ("settings".to_owned(), Some(object(json!({"data": {"COLOR": "blue", "bad=key": "x", "size": "9"}})))),
            ("gone".to_owned(), None),
        ]);
        let secrets = Found::from([("keys".to_owned(), Some(object(json!({"data": {"TOKEN": "c2VjcmV0"}}))))]);
        let services = [("KUBERNETES_SERVICE_HOST".to_owned(), "10.43.0.1".to_owned())];
        let got = build(&Input {
            pod: &pod,
            spec: &spec,
            container: &spec.containers[0],
            config_maps: &config_maps,
            secrets: &secrets,
            services: &services,
            facts: &Facts::default(),
        });
        let service = ("KUBERNETES_SERVICE_HOST", "10.43.0.1");
        let got = got.as_ref().map(|l| l.iter().map(|(a, b)| (a.as_str(), b.as_str())).filter(|v| *v != service).collect::<Vec<_>>());
        assert_eq!(got.as_deref().map_err(|e| e.as_str()), expect, "{container}");
    }

    #[test]
    fn sources() {
        check(
            json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)$(KUBERNETES_SERVICE_HOST)"}, {"name": "C"}]}),
            Ok(&[("A", "1"), ("B", "1$(C)10.43.0.1"), ("C", "")]),
        );
        check(json!({"env": [{"name": "P", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}), Ok(&[("P", "p")]));
        check(
            json!({"envFrom": [{"prefix": "X_", "configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}}],
            "env": [{"name": "X_COLOR", "value": "red"}]}),
            Ok(&[("X_COLOR", "red"), ("X_size", "9"), ("TOKEN", "secret")]),
        );
        check(json!({"env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "TOKEN"}}}]}), Ok(&[("T", "secret")]));
        check(
            json!({"env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "NO"}}}]}),
            Err("couldn't find key NO in Secret n/keys"),
        );
        check(
            json!({"env": [{"name": "T", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "NO", "optional": true}}}]}),
            Ok(&[]),
        );
        check(json!({"envFrom": [{"configMapRef": {"name": "gone"}}]}), Err("configmap \"gone\" not found"));
        check(json!({"envFrom": [{"configMapRef": {"name": "gone", "optional": true}}]}), Ok(&[]));
        check(
            json!({"resources": {"limits": {"cpu": "2"}}, "env": [{"name": "N", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]}),
            Ok(&[("N", "2")]),
        );
    }

    #[test]
    fn arguments_over_the_image() {
        let text = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let env = [("A".to_owned(), "1".to_owned())];
        for (command, args, expect) in [
            (None, None, vec!["entry", "cmd"]),
            (None, Some(vec!["$(A)", "$$(A)"]), vec!["entry", "1", "$(A)"]),
            (Some(vec!["own"]), None, vec!["own"]),
            (Some(vec!["own"]), Some(vec!["x"]), vec!["own", "x"]),
        ] {
            let container = Container { command: command.map(|c| text(&c)), args: args.map(|a| text(&a)), ..Container::default() };
            assert_eq!(arguments(&container, &text(&["entry"]), &text(&["cmd"]), &env), text(&expect));
        }
    }

    #[test]
    fn service_links() {
        let service = |namespace: &str, name: &str, ip: &str| {
            object(json!({"metadata": {"namespace": namespace, "name": name},
                "spec": {"clusterIP": ip, "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}}))
        };
        let all = [
            service("default", "kubernetes", "10.43.0.1"),
            service("n", "my-web", "10.43.0.2"),
            service("n", "headless", "None"),
            service("o", "x", "10.43.0.3"),
        ];
        let names = |links| services(&all, "n", links).into_iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>();
        assert_eq!(names(false).len(), 8);
        assert_eq!(
            names(true)[8..],
            [
                "MY_WEB_SERVICE_HOST=10.43.0.2",
                "MY_WEB_SERVICE_PORT=80",
                "MY_WEB_SERVICE_PORT_HTTP=80",
                "MY_WEB_PORT=tcp://10.43.0.2:80",
                "MY_WEB_PORT_80_TCP=tcp://10.43.0.2:80",
                "MY_WEB_PORT_80_TCP_PROTO=tcp",
                "MY_WEB_PORT_80_TCP_PORT=80",
                "MY_WEB_PORT_80_TCP_ADDR=10.43.0.2",
            ]
        );
    }
}
