//! What is accepted but likely not what was meant: `pkg/api/pod/warnings.go`.

use crate::strategy::at::At;
use crate::strategy::pod_spec::{containers, given};
use crate::strategy::read::{entries, items, number, text};
use object::Value;
use object::quantity::Quantity;
use std::collections::{HashMap, HashSet};

/// Volumes that were removed, and since when.
const VOLUMES: [(&str, &str, &str); 9] = [
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

const ANNOTATIONS: [(&str, &str); 3] = [
    ("scheduler.alpha.kubernetes.io/critical-pod", "non-functional in v1.16+; use the \"priorityClassName\" field instead"),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
];
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_TOLD: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
const NO_SELECTOR: &str = "a null labelSelector results in matching no pod";

struct Told(Vec<String>);

impl Told {
    fn add(&mut self, at: &At<'_>, told: impl std::fmt::Display) {
        self.0.push(format!("{}: {told}", at.path()));
    }
}

pub fn of_pod(metadata: &Value, spec: &Value) -> Vec<String> {
    of(metadata, spec, &At::new(""), false)
}

/// Of a template at a path.
pub fn of_template(template: &Value, path: &str) -> Vec<String> {
    let empty = Value::Null;
    of(template.get("metadata").unwrap_or(&empty), template.get("spec").unwrap_or(&empty), &At::new(path), true)
}

fn of(metadata: &Value, spec: &Value, root: &At<'_>, is_template: bool) -> Vec<String> {
    let mut told = Told(Vec::new());
    let at = root.child("spec");
    node_labels(spec, &at, &mut told);
    let annotation = |key: &str| metadata.get("annotations").is_some_and(|a| a.get(key).is_some());
    let notes = root.child("metadata.annotations");
    if metadata.get("annotations").is_some() {
        for (key, message) in ANNOTATIONS.iter().filter(|(key, _)| annotation(key)) {
            told.add(&notes.key(key), message);
        }
    }
    volumes(spec, &at, &mut told);
    twice(spec, "hostAliases", "ip", &at, &mut told);
    twice(spec, "imagePullSecrets", "name", &at, &mut told);
    for (index, _) in items(spec, "imagePullSecrets").filter(|(_, s)| text(*s, "name").is_empty()) {
        told.add(&at.child("imagePullSecrets").index(index).child("name"), "invalid empty name \"\"");
    }
    fractions(spec, "overhead", &at.child("overhead"), &mut told);
    let profile = |value: &Value, field: &str| given(value, "securityContext").is_some_and(|c| given(c, field).is_some());
    if annotation(SECCOMP_POD) && !profile(spec, "seccompProfile") {
        told.add(&notes.key(SECCOMP_POD), SECCOMP_TOLD);
    }
    for (list, index, container) in containers(spec) {
        let list = at.child(list);
        let at = list.index(index);
        if metadata.get("annotations").is_some() {
            let key = format!("{SECCOMP_CONTAINER}{}", text(container, "name"));
            if annotation(&key) && !profile(container, "seccompProfile") {
                told.add(&notes.key(&key), SECCOMP_TOLD);
            }
            let key = format!("{APPARMOR}{}", text(container, "name"));
            let has_field = profile(spec, "appArmorProfile") || profile(container, "appArmorProfile");
            if is_template && annotation(&key) && !has_field {
                told.add(&notes.key(&key), "deprecated since v1.30; use the \"appArmorProfile\" field instead");
            }
        }
        for list in ["limits", "requests"] {
            if let Some(resources) = given(container, "resources") {
                fractions(resources, list, &at.child("resources").child(list), &mut told);
            }
        }
        environment(container, &at.child("env"), &mut told);
    }
    ports(spec, &at, &mut told);
    if number(spec, "terminationGracePeriodSeconds").is_some_and(|g| g < 0) {
        told.add(&at.child("terminationGracePeriodSeconds"), "must be >= 0; negative values are invalid and will be treated as 1");
    }
    pod_affinity(spec, &at.child("affinity"), &mut told);
    told.0
}

/// Labels of nodes that have newer names.
fn deprecated(label: &str) -> Option<String> {
    let newer = match label {
        "beta.kubernetes.io/arch" => "kubernetes.io/arch",
        "beta.kubernetes.io/os" => "kubernetes.io/os",
        "failure-domain.beta.kubernetes.io/region" => "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone" => "topology.kubernetes.io/zone",
        "beta.kubernetes.io/instance-type" => "node.kubernetes.io/instance-type",
        _ => return None,
    };
    let since = if label.ends_with("/arch") || label.ends_with("/os") { "v1.14" } else { "v1.17" };
    Some(format!("deprecated since {since}; use \"{newer}\" instead"))
}

fn node_labels(spec: &Value, at: &At<'_>, told: &mut Told) {
    for (key, _) in entries(spec, "nodeSelector") {
        if let Some(message) = deprecated(key) {
            told.add(&at.child("nodeSelector").key(key), message);
        }
    }
    if let Some(node) = given(spec, "affinity").and_then(|a| given(a, "nodeAffinity")) {
        let at = at.child("affinity.nodeAffinity");
        let (required, preferred) = ("requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution");
        for (index, term) in given(node, required).into_iter().flat_map(|r| items(r, "nodeSelectorTerms")) {
            let list = at.child(required);
            let list = list.child("nodeSelectorTerms");
            node_term(term, &list.index(index), told);
        }
        for (index, one) in items(node, preferred) {
            if let Some(term) = given(one, "preference") {
                let list = at.child(preferred);
                node_term(term, &list.index(index).child("preference"), told);
            }
        }
    }
    for (index, constraint) in items(spec, "topologySpreadConstraints") {
        let list = at.child("topologySpreadConstraints");
        let at = list.index(index);
        let key = text(constraint, "topologyKey");
        if let Some(message) = deprecated(key) {
            told.add(&at.child("topologyKey"), format!("{key} is {message}"));
        }
        if given(constraint, "labelSelector").is_none() {
            told.add(&at.child("labelSelector"), NO_SELECTOR);
        }
    }
}

fn node_term(term: &Value, at: &At<'_>, told: &mut Told) {
    for (index, requirement) in items(term, "matchExpressions") {
        let key = text(requirement, "key");
        let list = at.child("matchExpressions");
        if let Some(message) = deprecated(key) {
            told.add(&list.index(index).child("key"), format!("{key} is {message}"));
        }
    }
}

fn volumes(spec: &Value, at: &At<'_>, told: &mut Told) {
    let list = at.child("volumes");
    for (index, volume) in items(spec, "volumes") {
        for (field, name, message) in VOLUMES {
            if given(volume, field).is_some() {
                told.add(&list.index(index).child(name), message);
            }
        }
    }
    let sources = |volume: &'_ Value| -> Vec<Value> {
        given(volume, "projected").map(|p| items(p, "sources").map(|(_, s)| s.clone()).collect()).unwrap_or_default()
    };
    let is_projected = |(_, v): &(usize, &Value)| given(v, "projected").is_some();
    if !items(spec, "volumes").any(|v| is_projected(&v)) {
        return;
    }
    let mut tokens: HashSet<String> = HashSet::new();
    for (_, volume) in items(spec, "volumes").filter(is_projected) {
        let paths = sources(volume).into_iter().filter_map(|s| given(&s, "serviceAccountToken").map(|t| text(t, "path").to_owned()));
        tokens.extend(paths);
    }
    for (index, volume) in items(spec, "volumes").filter(is_projected) {
        let place = list.index(index);
        for source in sources(volume) {
            for (kind, name) in [("configMap", "configMap"), ("secret", "secrets"), ("downwardAPI", "downwardAPI")] {
                let files = given(&source, kind).into_iter().flat_map(|files| items(files, "items"));
                for (j, item) in files.filter(|(_, item)| tokens.contains(text(*item, "path"))) {
                    let message = format!("has duplicated path with ServiceAccountToken {:?}", text(item, "path"));
                    told.add(&place.child("projected.sources").child(name).index(j), message);
                }
            }
            let bundle = given(&source, "clusterTrustBundle").map_or("", |b| text(b, "path"));
            if !bundle.is_empty() && tokens.contains(bundle) {
                let message = format!("has duplicated path with ServiceAccountToken {bundle:?}");
                told.add(&place.child("projected.sources.ClusterTrustBundle"), message);
            }
        }
    }
}

/// Entries of a list with the same name.
fn twice(spec: &Value, list: &str, field: &str, at: &At<'_>, told: &mut Told) {
    let mut seen = HashSet::new();
    for (index, one) in items(spec, list) {
        let value = text(one, field);
        if !seen.insert(value) {
            told.add(&at.child(list).index(index).child(field), format!("duplicate {field} {value:?}"));
        }
    }
}

/// Parts of a byte.
fn fractions(holder: &Value, list: &str, at: &At<'_>, told: &mut Told) {
    for name in ["memory", "ephemeral-storage"] {
        let Some(value) = given(holder, list).and_then(|l| given(l, name)) else { continue };
        if let Some(amount) = Quantity::from_value(value).ok().filter(|a| a.milli() % 1000 != 0) {
            told.add(&at.key(name), format!("fractional byte value {:?} is invalid, must be an integer", amount.to_string()));
        }
    }
}

fn environment(container: &Value, at: &At<'_>, told: &mut Told) {
    let mut seen = HashSet::new();
    for (index, variable) in items(container, "env") {
        let name = text(variable, "name");
        if seen.insert(name) {
            continue;
        }
        // A value that builds on the one before is meant.
        let reference = format!("$({name})");
        let value = text(variable, "value");
        if given(variable, "valueFrom").is_some() || value == reference || !value.contains(&reference) {
            let message = format!("hides previous definition of {name:?}, which may be dropped when using apply");
            told.add(&at.index(index), message);
        }
    }
}

fn ports(spec: &Value, at: &At<'_>, told: &mut Told) {
    /// Where it is, host address, host port.
    type Known<'v> = (&'static str, usize, usize, &'v str, i64);
    let mut known: HashMap<(i64, &str), Vec<Known<'_>>> = HashMap::new();
    for (list, c, container) in containers(spec) {
        for (p, port) in items(container, "ports") {
            let (ip, outer) = (text(port, "hostIP"), number(port, "hostPort").unwrap_or(0));
            let lists = at.child(list);
            let lists = lists.index(c);
            let lists = lists.child("ports");
            let place = lists.index(p);
            if !ip.is_empty() && outer == 0 {
                told.add(&place, format!("hostIP set without hostPort: {port}"));
            }
            let key = (number(port, "containerPort").unwrap_or(0), text(port, "protocol"));
            let others = known.entry(key).or_default();
            for (other_list, other_c, other_p, other_ip, other_outer) in others.iter() {
                let what = if ip == *other_ip && outer == *other_outer {
                    "duplicate"
                } else if outer == 0 || *other_outer == 0 {
                    "overlapping"
                } else if outer == *other_outer && ip.is_empty() != other_ip.is_empty() {
                    "dangerously ambiguous"
                } else {
                    continue;
                };
                let other = at.child(other_list);
                let other = other.index(*other_c);
                let other = other.child("ports").index(*other_p).path();
                told.add(&place, format!("{what} port definition with {other}"));
            }
            others.push((list, c, p, ip, outer));
        }
    }
}

fn pod_affinity(spec: &Value, at: &At<'_>, told: &mut Told) {
    let Some(affinity) = given(spec, "affinity") else { return };
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(pods) = given(affinity, kind) else { continue };
        let at = at.child(kind);
        let required = "requiredDuringSchedulingIgnoredDuringExecution";
        for (index, _) in items(pods, required).filter(|(_, t)| given(t, "labelSelector").is_none()) {
            told.add(&at.child(required).index(index).child("labelSelector"), NO_SELECTOR);
        }
        let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
        for (index, term) in items(pods, preferred) {
            if given(term, "podAffinityTerm").is_none_or(|t| given(t, "labelSelector").is_none()) {
                told.add(&at.child(preferred).index(index).child("podAffinityTerm.labelSelector"), NO_SELECTOR);
            }
        }
    }
}
