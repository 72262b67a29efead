//! What may be done at which path: the routes that a row opens, named and described as upstream's installer does
//! (`k8s.io/apiserver/pkg/endpoints/installer.go`, `endpoints/openapi/openapi.go`). Both OpenAPI forms are rendered from these.

use super::parameters::{self, Parameter};
use super::{definition_of, list_definition};
use crate::kind::{Kind, Subresource, Verb};
use object::Gvk;

pub(super) const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
pub(super) const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
pub(super) const WATCH_EVENT: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent";
pub(super) const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

const OBJECT: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const LIST: [&str; 5] = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];
/// Custom kinds have no protobuf form.
const CUSTOM: [&str; 2] = ["application/json", "application/yaml"];
const LOG: [&str; 4] = ["text/plain", "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const ANYTHING: [&str; 1] = ["*/*"];
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
const CUSTOM_PATCHES: [&str; 3] = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];

/// Kinds whose deletion answers with the object (`ReturnDeletedObject` of upstream's stores).
const DELETED_IS_TOLD: [(&str, &str); 10] = [
    ("", "pods"),
    ("", "podtemplates"),
    ("", "services"),
    ("", "serviceaccounts"),
    ("", "resourcequotas"),
    ("", "persistentvolumeclaims"),
    ("", "persistentvolumes"),
    ("storage.k8s.io", "storageclasses"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "volumeattachments"),
];

/// One method of one path.
#[derive(Debug)]
pub(super) struct Operation {
    pub path: String,
    /// In lower case, as a key of a path item.
    pub method: &'static str,
    pub id: String,
    pub tag: String,
    pub description: String,
    /// `x-kubernetes-action`; empty where there is none.
    pub action: &'static str,
    pub gvk: Option<Gvk>,
    pub query: Vec<Parameter>,
    /// `pretty` is taken.
    pub pretty: bool,
    pub body: Option<Body>,
    pub produces: &'static [&'static str],
    pub answers: Vec<Answer>,
}

#[derive(Debug)]
pub(super) struct Body {
    pub definition: String,
    pub consumes: &'static [&'static str],
    pub required: bool,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub code: u16,
    /// A definition; `None` is a string.
    pub definition: Option<String>,
}

/// All operations of a row.
pub(super) fn of(kind: &Kind) -> Vec<Operation> {
    let routes = Routes::new(kind);
    let mut out = Vec::new();
    routes.collection(&mut out);
    routes.item(&mut out);
    for sub in &kind.subresources {
        routes.subresource(sub, &mut out);
    }
    routes.watches(&mut out);
    out
}

struct Routes<'k> {
    kind: &'k Kind,
    /// `/api/v1` or `/apis/<group>/<version>`.
    root: String,
    /// `/namespaces/{namespace}` and the resource.
    place: String,
    /// `CoreV1`.
    prefix: String,
    tag: String,
    namespaced: &'static str,
}

impl<'k> Routes<'k> {
    fn new(kind: &'k Kind) -> Self {
        let root = if kind.group.is_empty() { format!("/api/{}", kind.version) } else { format!("/apis/{}/{}", kind.group, kind.version) };
        let (namespace, namespaced) = if kind.is_namespaced() { ("/namespaces/{namespace}", "Namespaced") } else { ("", "") };
        let (prefix, tag) = names(&kind.group, &kind.version);
        Self { kind, root, place: format!("{namespace}/{}", kind.resource), prefix, tag, namespaced }
    }

    fn can(&self, verb: Verb) -> bool {
        self.kind.verbs.contains(&verb)
    }

    fn collection(&self, out: &mut Vec<Operation>) {
        let path = format!("{}{}", self.root, self.place);
        let kind = &self.kind.kind;
        if self.can(Verb::List) {
            out.push(self.list(path.clone(), self.namespaced, ""));
        }
        if self.can(Verb::Create) {
            let description = format!("create{}{kind}", article(kind));
            out.push(self.create(path.clone(), description, "", &self.kind.schema, self.kind.gvk()));
        }
        if self.can(Verb::DeleteCollection) {
            let query = [parameters::DELETE, parameters::LIST_TO_DELETE].concat();
            out.push(Operation {
                id: format!("delete{}Collection{}{kind}", self.prefix, self.namespaced),
                query,
                body: Some(self.options()),
                answers: vec![Answer { code: 200, definition: Some(STATUS.to_owned()) }],
                ..self.operation(path, "delete", "deletecollection", "deletecollection", "", format!("delete collection of {kind}"))
            });
        }
        if self.kind.is_namespaced() && self.can(Verb::List) {
            out.push(self.list(format!("{}/{}", self.root, self.kind.resource), "", "ForAllNamespaces"));
        }
    }

    fn list(&self, path: String, namespaced: &str, suffix: &str) -> Operation {
        let verb = if self.can(Verb::Watch) { "list or watch" } else { "list" };
        let description = format!("{verb} objects of kind {}", self.kind.kind);
        Operation {
            id: format!("list{}{namespaced}{}{suffix}", self.prefix, self.kind.kind),
            query: parameters::LIST.to_vec(),
            produces: if self.kind.is_custom() { &CUSTOM } else { &LIST },
            answers: vec![Answer { code: 200, definition: Some(list_definition(self.kind)) }],
            ..self.operation(path, "get", "list", "list", "", description)
        }
    }

    fn item(&self, out: &mut Vec<Operation>) {
        let path = format!("{}{}/{{name}}", self.root, self.place);
        let kind = self.kind;
        if self.can(Verb::Get) {
            out.push(self.read(path.clone(), "", format!("read the specified {}", kind.kind), &kind.schema, kind.gvk()));
        }
        if self.can(Verb::Update) {
            out.push(self.replace(path.clone(), "", format!("replace the specified {}", kind.kind), &kind.schema, kind.gvk()));
        }
        if self.can(Verb::Patch) {
            let description = format!("partially update the specified {}", kind.kind);
            out.push(self.patch(path.clone(), "", description, &kind.schema, kind.gvk()));
        }
        if self.can(Verb::Delete) {
            let told = DELETED_IS_TOLD.contains(&(kind.group.as_str(), kind.resource.as_str()));
            let answer = if told { &kind.schema } else { STATUS };
            out.push(Operation {
                query: parameters::DELETE.to_vec(),
                body: Some(self.options()),
                answers: answers(&[200, 202], answer),
                ..self.operation(path, "delete", "delete", "delete", "", format!("delete{}{}", article(&kind.kind), kind.kind))
            });
        }
    }

    fn subresource(&self, sub: &Subresource, out: &mut Vec<Operation>) {
        let path = format!("{}{}/{{name}}/{}", self.root, self.place, sub.name);
        let gvk = sub.gvk.clone().unwrap_or_else(|| self.kind.gvk());
        if gvk.kind.ends_with("Options") {
            return self.connect(sub, &path, &gvk, out);
        }
        let definition = if sub.gvk.is_some() { definition_of(&gvk) } else { self.kind.schema.clone() };
        let (kind, title) = (&self.kind.kind, title(&sub.name));
        let name = &sub.name;
        for verb in &sub.verbs {
            out.push(match verb {
                Verb::Get if name == "log" => self.log(path.clone()),
                Verb::Get => self.read(path.clone(), &title, format!("read {name} of the specified {kind}"), &definition, gvk.clone()),
                Verb::Update => {
                    self.replace(path.clone(), &title, format!("replace {name} of the specified {kind}"), &definition, gvk.clone())
                }
                Verb::Patch => {
                    let description = format!("partially update {name} of the specified {kind}");
                    self.patch(path.clone(), &title, description, &definition, gvk.clone())
                }
                Verb::Create => {
                    let description = format!("create {name} of{}{kind}", article(kind));
                    self.create(path.clone(), description, &title, &definition, gvk.clone())
                }
                _ => continue,
            });
        }
    }

    fn log(&self, path: String) -> Operation {
        Operation {
            query: parameters::LOG.to_vec(),
            produces: &LOG,
            answers: vec![Answer { code: 200, definition: None }],
            ..self.operation(path, "get", "read", "get", "Log", format!("read log of the specified {}", self.kind.kind))
        }
    }

    /// Streams and proxies, which answer any method with whatever the other side says.
    fn connect(&self, sub: &Subresource, path: &str, gvk: &Gvk, out: &mut Vec<Operation>) {
        let methods: &[&'static str] =
            if sub.name == "proxy" { &["get", "put", "post", "delete", "options", "head", "patch"] } else { &["get", "post"] };
        let below = if sub.name == "proxy" { &[("", ""), ("/{path}", "WithPath")][..] } else { &[("", "")][..] };
        for (tail, suffix) in below {
            for method in methods {
                let description = format!("connect {} requests to {} of {}", method.to_uppercase(), sub.name, self.kind.kind);
                let rest = format!("{}{}{}{}{suffix}", title(method), self.namespaced, self.kind.kind, title(&sub.name));
                out.push(Operation {
                    id: format!("connect{}{rest}", self.prefix),
                    gvk: Some(gvk.clone()),
                    query: parameters::connect(&gvk.kind).to_vec(),
                    pretty: false,
                    produces: &ANYTHING,
                    answers: vec![Answer { code: 200, definition: None }],
                    ..self.operation(format!("{path}{tail}"), method, "connect", "connect", "", description)
                });
            }
        }
    }

    /// The old form of watches, by path.
    fn watches(&self, out: &mut Vec<Operation>) {
        if !self.can(Verb::Watch) {
            return;
        }
        let kind = &self.kind.kind;
        let mut watch = |path: String, action: &'static str, id: String, description: String| {
            out.push(Operation {
                id,
                query: parameters::LIST.to_vec(),
                produces: if self.kind.is_custom() { &CUSTOM } else { &LIST },
                answers: vec![Answer { code: 200, definition: Some(WATCH_EVENT.to_owned()) }],
                ..self.operation(path, "get", "watch", action, "", description)
            });
        };
        let list = format!("watch individual changes to a list of {kind}. deprecated: use the 'watch' parameter with a list operation.");
        let one = format!(
            "watch changes to an object of kind {kind}. deprecated: use the 'watch' parameter with a list operation and a 'fieldSelector'."
        );
        let (prefix, namespaced) = (&self.prefix, self.namespaced);
        let place = format!("{}/watch{}", self.root, self.place);
        watch(place.clone(), "watchlist", format!("watch{prefix}{namespaced}{kind}List"), list.clone());
        watch(format!("{place}/{{name}}"), "watch", format!("watch{prefix}{namespaced}{kind}"), one);
        if self.kind.is_namespaced() {
            let path = format!("{}/watch/{}", self.root, self.kind.resource);
            watch(path, "watchlist", format!("watch{prefix}{kind}ListForAllNamespaces"), list);
        }
    }

    fn read(&self, path: String, title: &str, description: String, definition: &str, gvk: Gvk) -> Operation {
        Operation { gvk: Some(gvk), answers: answers(&[200], definition), ..self.operation(path, "get", "read", "get", title, description) }
    }

    fn create(&self, path: String, description: String, title: &str, definition: &str, gvk: Gvk) -> Operation {
        Operation {
            gvk: Some(gvk),
            query: parameters::WRITE.to_vec(),
            body: Some(Body { definition: definition.to_owned(), consumes: &ANYTHING, required: true }),
            answers: answers(&[200, 201, 202], definition),
            ..self.operation(path, "post", "create", "post", title, description)
        }
    }

    fn replace(&self, path: String, title: &str, description: String, definition: &str, gvk: Gvk) -> Operation {
        Operation {
            gvk: Some(gvk),
            query: parameters::WRITE.to_vec(),
            body: Some(Body { definition: definition.to_owned(), consumes: &ANYTHING, required: true }),
            answers: answers(&[200, 201], definition),
            ..self.operation(path, "put", "replace", "put", title, description)
        }
    }

    fn patch(&self, path: String, title: &str, description: String, definition: &str, gvk: Gvk) -> Operation {
        let consumes: &[&str] = if self.kind.is_custom() { &CUSTOM_PATCHES } else { &PATCHES };
        Operation {
            gvk: Some(gvk),
            query: parameters::PATCH.to_vec(),
            body: Some(Body { definition: PATCH.to_owned(), consumes, required: true }),
            answers: answers(&[200, 201], definition),
            ..self.operation(path, "patch", "patch", "patch", title, description)
        }
    }

    fn options(&self) -> Body {
        Body { definition: DELETE_OPTIONS.to_owned(), consumes: &ANYTHING, required: false }
    }

    fn operation(
        &self,
        path: String,
        method: &'static str,
        verb: &str,
        action: &'static str,
        title: &str,
        description: String,
    ) -> Operation {
        Operation {
            path,
            method,
            id: format!("{verb}{}{}{}{title}", self.prefix, self.namespaced, self.kind.kind),
            tag: self.tag.clone(),
            description,
            action,
            gvk: Some(self.kind.gvk()),
            query: Vec::new(),
            pretty: true,
            body: None,
            produces: if self.kind.is_custom() { &CUSTOM } else { &OBJECT },
            answers: Vec::new(),
        }
    }
}

/// An operation that is about no kind: discovery and the version.
pub(super) fn plain(path: &str, id: &str, tag: &str, description: &str, definition: &str) -> Operation {
    Operation {
        path: path.to_owned(),
        method: "get",
        id: id.to_owned(),
        tag: tag.to_owned(),
        description: description.to_owned(),
        action: "",
        gvk: None,
        query: Vec::new(),
        pretty: false,
        body: None,
        produces: if definition == super::VERSION_INFO { &["application/json"] } else { &OBJECT },
        answers: answers(&[200], definition),
    }
}

/// The same where the answer is told as text.
pub(super) fn text(path: &str, id: &str, tag: &str, description: &str, media: &str) -> Operation {
    let produces: &'static [&'static str] = if media == "application/json" { &["application/json"] } else { &["application/jwk-set+json"] };
    Operation { produces, answers: vec![Answer { code: 200, definition: None }], ..plain(path, id, tag, description, "") }
}

fn answers(codes: &[u16], definition: &str) -> Vec<Answer> {
    codes.iter().map(|code| Answer { code: *code, definition: Some(definition.to_owned()) }).collect()
}

/// `CoreV1` and `core_v1`, which operations and tags begin with.
pub(super) fn names(group: &str, version: &str) -> (String, String) {
    let group = if group.is_empty() { "core" } else { group.strip_suffix(".k8s.io").unwrap_or(group) };
    let tag = format!("{}_{}", camel(group, false), camel(version, false));
    (format!("{}{}", camel(group, true), camel(version, true)), tag.trim_end_matches('_').to_owned())
}

/// Letters, digits and underscores, with a capital after each other character: `ToValidOperationID`.
fn camel(text: &str, mut capital: bool) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if !(c.is_alphabetic() || c == '_' || (at != 0 && c.is_ascii_digit())) {
            capital = true;
        } else if std::mem::take(&mut capital) {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

fn title(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// `GetArticleForNoun`: nothing before a plural.
fn article(noun: &str) -> &'static str {
    let plural = noun.ends_with('s') && !noun.ends_with("ss");
    match noun.chars().next() {
        _ if plural => " ",
        Some('A' | 'E' | 'I' | 'O' | 'U') => " an ",
        _ => " a ",
    }
}
