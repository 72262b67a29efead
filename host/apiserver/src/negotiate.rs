//! What a client accepts: `k8s.io/apiserver/pkg/endpoints/handlers/negotiation/negotiate.go`.

use crate::query::Query;
use http::HeaderMap;
use object::StatusError;
use registry::discovery::Aggregated;
use registry::{Kind, Verb};

/// The chosen form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accept {
    pub encoding: Encoding,
    pub form: Form,
    /// By the media type's parameter; see [`Wish`] for the query and the user agent.
    pub pretty: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    #[default]
    Json,
    Yaml,
    Protobuf,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Object,
    /// `as=Table`.
    Table,
    /// `as=PartialObjectMetadata` or `as=PartialObjectMetadataList`.
    Partial,
}

/// What a request says of any answer to it, errors among them.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    accept: String,
    pub pretty: bool,
}

/// In the order of preference, for clients that take anything.
const ENCODINGS: [Encoding; 3] = [Encoding::Json, Encoding::Yaml, Encoding::Protobuf];
const MEDIA_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
/// YAML has no framing, so that nothing can be streamed in it.
const STREAM_TYPES: &str = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
/// Programs that people read the answers of.
const HUMANS: [&str; 3] = ["curl", "Wget", "Mozilla/5.0"];

impl Encoding {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    fn matches(self, media: &str) -> bool {
        matches!(media, "*/*" | "application/*") || media == self.media_type()
    }
}

impl Wish {
    pub fn of(headers: &HeaderMap, query: &Query) -> Self {
        let header = |name: http::HeaderName| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let pretty = match query.get("pretty") {
            "" => HUMANS.iter().any(|human| header(http::header::USER_AGENT).starts_with(human)),
            asked => matches!(asked, "1" | "t" | "T" | "true" | "TRUE" | "True"),
        };
        Self { accept: header(http::header::ACCEPT).to_owned(), pretty }
    }

    /// The encoding of an answer that has one form only.
    pub fn plain(&self) -> Result<Accept, StatusError> {
        chosen(&self.accept, &|_, clause| !clause.transforms()).ok_or_else(not_acceptable)
    }
}

/// One clause of an `Accept` header.
struct Clause<'a> {
    media: String,
    parameters: Vec<(&'a str, &'a str)>,
}

/// By quality, then the exact before the wild; the client's order decides among equals.
fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut found: Vec<((u32, u8), Clause)> = header
        .split(',')
        .map(|clause| {
            let mut parts = clause.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameters: Vec<(&str, &str)> =
                parts.filter_map(|p| p.split_once('=')).map(|(k, v)| (k.trim(), v.trim().trim_matches('"'))).collect();
            let quality = parameters.iter().find(|(k, _)| *k == "q").and_then(|(_, v)| v.parse::<f32>().ok()).unwrap_or(1.0);
            let wild = match media.split_once('/') {
                Some(("*", _)) => 2,
                Some((_, "*")) => 1,
                _ => 0,
            };
            ((1000 - (quality.clamp(0.0, 1.0) * 1000.0) as u32, wild), Clause { media, parameters })
        })
        .filter(|(_, clause)| !clause.media.is_empty())
        .collect();
    found.sort_by_key(|(order, _)| *order);
    found.into_iter().map(|(_, clause)| clause).collect()
}

impl Clause<'_> {
    fn parameter(&self, key: &str) -> &str {
        self.parameters.iter().find(|(k, _)| *k == key).map_or("", |(_, v)| v)
    }

    /// Asks for another type than the one that is there.
    fn transforms(&self) -> bool {
        self.parameters.iter().any(|(k, _)| matches!(*k, "as" | "g" | "v"))
    }

    /// The form that is asked for; `None` when there is no such form.
    fn form(&self) -> Option<Form> {
        if !self.transforms() {
            return Some(Form::Object);
        }
        if self.parameter("g") != "meta.k8s.io" || !matches!(self.parameter("v"), "v1" | "v1beta1") {
            return None;
        }
        match self.parameter("as") {
            "Table" => Some(Form::Table),
            "PartialObjectMetadata" | "PartialObjectMetadataList" => Some(Form::Partial),
            _ => None,
        }
    }

    /// Whether an encoding can have the parameters that are no form.
    fn fits(&self, encoding: Encoding) -> bool {
        let stream = self.parameter("stream");
        matches!(self.parameter("sv"), "" | "v1") && (stream.is_empty() || (stream == "watch" && encoding != Encoding::Yaml))
    }
}

/// The first clause and encoding that go together and are allowed.
fn chosen(header: &str, allowed: &dyn Fn(Encoding, &Clause<'_>) -> bool) -> Option<Accept> {
    if header.is_empty() {
        return Some(Accept::default());
    }
    for clause in clauses(header) {
        for encoding in ENCODINGS {
            if encoding.matches(&clause.media)
                && clause.fits(encoding)
                && allowed(encoding, &clause)
                && let Some(form) = clause.form()
            {
                return Some(Accept { encoding, form, pretty: clause.parameter("pretty") == "1" });
            }
        }
    }
    None
}

/// A kind without a protobuf form has it of its metadata only; Tables have none.
fn forms(header: &str, has_message: bool) -> Option<Accept> {
    chosen(header, &|encoding, clause| has_form(encoding, clause, has_message))
}

fn has_form(encoding: Encoding, clause: &Clause<'_>, has_message: bool) -> bool {
    match (encoding, clause.form()) {
        (Encoding::Protobuf, Some(Form::Object)) => has_message,
        (Encoding::Protobuf, Some(Form::Table)) | (_, None) => false,
        _ => true,
    }
}

fn not_acceptable() -> StatusError {
    StatusError::not_acceptable(format!("only the following media types are accepted: {MEDIA_TYPES}"))
}

/// The form of an object or list of a kind that has all encodings.
pub fn accept(header: &str) -> Result<Accept, StatusError> {
    forms(header, true).ok_or_else(not_acceptable)
}

/// The form of an object or list of a kind: custom ones have no protobuf form, and questions (kinds that are only created)
/// have no metadata to show (`AllowsMediaTypeTransform`, `pkg/endpoints/handlers/rest.go`).
pub fn accept_of(header: &str, kind: &Kind) -> Result<Accept, StatusError> {
    let is_question = kind.is_virtual && !kind.verbs.iter().any(|v| matches!(v, Verb::Get | Verb::List));
    let has_message = object::protobuf::is_message(kind.schema());
    let accept = chosen(header, &|encoding, clause| has_form(encoding, clause, has_message) && !(is_question && clause.transforms()));
    accept.ok_or_else(not_acceptable)
}

/// The form of a watch's events.
pub fn accept_stream(header: &str, kind: &Kind) -> Result<Accept, StatusError> {
    let found = forms(header, object::protobuf::is_message(kind.schema())).filter(|a| a.encoding != Encoding::Yaml);
    found.ok_or_else(|| StatusError::not_acceptable(format!("only the following media types are accepted: {STREAM_TYPES}")))
}

/// The aggregated form that a discovery client takes, if it does.
pub fn aggregated(header: &str) -> Option<Aggregated> {
    for clause in clauses(header) {
        if !Encoding::Json.matches(&clause.media) && !Encoding::Yaml.matches(&clause.media) {
            continue;
        }
        match (clause.parameter("as"), clause.parameter("g"), clause.parameter("v")) {
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => return Some(Aggregated::V2),
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2beta1") => return Some(Aggregated::V2Beta1),
            ("", _, _) => return None,
            _ => {}
        }
    }
    None
}

/// The first of the served media types that a client takes, as it names it; `None` when it takes none of them.
pub fn first_of(header: &str, served: &[&'static str]) -> Option<&'static str> {
    if header.is_empty() {
        return served.first().copied();
    }
    let wild = |media: &str| matches!(media, "*/*" | "application/*");
    clauses(header).iter().find_map(|clause| served.iter().find(|s| **s == clause.media || wild(&clause.media)).copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Encoding::{Json, Protobuf, Yaml};
    use http::HeaderValue;

    fn check(header: &str, expect: Option<(Encoding, Form)>) {
        assert_eq!(forms(header, true).map(|a| (a.encoding, a.form)), expect, "{header}");
    }

    /// For a custom resource.
    fn custom(header: &str, expect: Option<(Encoding, Form)>) {
        assert_eq!(forms(header, false).map(|a| (a.encoding, a.form)), expect, "{header}");
    }

    #[test]
    fn forms_of_objects() {
        check("", Some((Json, Form::Object)));
        check("*/*", Some((Json, Form::Object)));
        check("application/yaml", Some((Yaml, Form::Object)));
        check("application/vnd.kubernetes.protobuf, application/json", Some((Protobuf, Form::Object)));
        check("*/*, application/vnd.kubernetes.protobuf", Some((Protobuf, Form::Object)));
        check("application/*;q=0.9, application/vnd.kubernetes.protobuf;q=0.8", Some((Json, Form::Object)));
        check("application/vnd.kubernetes.protobuf;stream=watch", Some((Protobuf, Form::Object)));
        check("application/yaml;stream=watch, application/json;stream=watch", Some((Json, Form::Object)));
        check("application/json;stream=other", None);
        check("Application/JSON; charset=utf-8", Some((Json, Form::Object)));
        check("text/html", None);
        check("application/cbor", None);
        check(
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
            Some((Json, Form::Table)),
        );
        check("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json", Some((Json, Form::Object)));
        check("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;q=0.9", Some((Json, Form::Partial)));
        check("application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", Some((Protobuf, Form::Partial)));
        check("application/json;q=0.5,application/yaml", Some((Yaml, Form::Object)));
        check("application/json;as=Unknown;g=x;v=v1,application/json", Some((Json, Form::Object)));
        check("application/json;sv=v2", None);
        custom("application/vnd.kubernetes.protobuf,application/json", Some((Json, Form::Object)));
        custom("application/vnd.kubernetes.protobuf", None);
        custom("application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", Some((Protobuf, Form::Partial)));
        let discovery = |v: &str| format!("application/json;g=apidiscovery.k8s.io;v={v};as=APIGroupDiscoveryList");
        assert_eq!(aggregated(&format!("{},{},application/json", discovery("v2"), discovery("v2beta1"))), Some(Aggregated::V2));
        assert_eq!(aggregated(&format!("{},application/json", discovery("v2beta1"))), Some(Aggregated::V2Beta1));
        assert_eq!(aggregated(&format!("{},application/json", discovery("v3"))), None);
        assert_eq!(aggregated("application/json"), None);
        for (header, expect) in [
            ("", Some("a/b")),
            ("text/html, */*;q=0.1", Some("a/b")),
            ("c/d, a/b", Some("c/d")),
            ("a/b;q=0.5,c/d", Some("c/d")),
            ("x/y", None),
        ] {
            assert_eq!(first_of(header, &["a/b", "c/d"]), expect, "{header}");
        }
    }

    #[test]
    fn people_get_pretty_answers() {
        let check = |agent: &'static str, query: &str, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::USER_AGENT, HeaderValue::from_static(agent));
            assert_eq!(Wish::of(&headers, &Query::parse(query)).pretty, expect, "{agent} {query}");
        };
        check("curl/8.5", "", true);
        check("Mozilla/5.0 (X11)", "", true);
        check("kubectl/v1.37", "", false);
        check("curl/8.5", "pretty=false", false);
        check("curl/8.5", "pretty=yes", false);
        check("kubectl/v1.37", "pretty=true", true);
        check("kubectl/v1.37", "pretty=1", true);
    }
}
