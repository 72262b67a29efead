//! What a client accepts: `k8s.io/apiserver/pkg/endpoints/handlers/negotiation/negotiate.go`.

use object::StatusError;
use registry::discovery::Aggregated;

/// The chosen form of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accept {
    pub yaml: bool,
    pub form: Form,
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

/// One clause of an `Accept` header.
struct Clause<'a> {
    media: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut found: Vec<(u32, Clause)> = header
        .split(',')
        .map(|clause| {
            let mut parts = clause.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let parameters: Vec<(&str, &str)> = parts.filter_map(|p| p.split_once('=')).map(|(k, v)| (k.trim(), v.trim())).collect();
            let quality = parameters.iter().find(|(k, _)| *k == "q").and_then(|(_, v)| v.parse::<f32>().ok()).unwrap_or(1.0);
            ((quality.clamp(0.0, 1.0) * 1000.0) as u32, Clause { media, parameters })
        })
        .filter(|(_, clause)| !clause.media.is_empty())
        .collect();
    // Stable: the client's order decides among equals.
    found.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    found.into_iter().map(|(_, clause)| clause).collect()
}

impl Clause<'_> {
    fn parameter(&self, key: &str) -> &str {
        self.parameters.iter().find(|(k, _)| *k == key).map_or("", |(_, v)| v)
    }

    fn yaml(&self) -> Option<bool> {
        match self.media {
            "application/json" | "*/*" | "application/*" => Some(false),
            "application/yaml" => Some(true),
            _ => None,
        }
    }
}

/// The form of an object or list.
pub fn accept(header: &str) -> Result<Accept, StatusError> {
    if header.is_empty() {
        return Ok(Accept::default());
    }
    for clause in clauses(header) {
        let Some(yaml) = clause.yaml() else { continue };
        let form = match clause.parameter("as") {
            "" => Form::Object,
            _ if clause.parameter("g") != "meta.k8s.io" || !matches!(clause.parameter("v"), "v1" | "v1beta1") => continue,
            "Table" => Form::Table,
            "PartialObjectMetadata" | "PartialObjectMetadataList" => Form::Partial,
            _ => continue,
        };
        return Ok(Accept { yaml, form });
    }
    Err(StatusError::not_acceptable("only the following media types are accepted: application/json, application/yaml"))
}

/// The aggregated form that a discovery client takes, if it does.
pub fn aggregated(header: &str) -> Option<Aggregated> {
    for clause in clauses(header) {
        if clause.yaml().is_none() {
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

/// Whether a client takes JSON, whatever it would like better.
pub fn accepts_json(header: &str) -> bool {
    header.is_empty() || clauses(header).iter().any(|clause| clause.yaml() == Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expect: Option<(bool, Form)>) {
        assert_eq!(accept(header).ok().map(|a| (a.yaml, a.form)), expect, "{header}");
    }

    #[test]
    fn forms() {
        check("", Some((false, Form::Object)));
        check("*/*", Some((false, Form::Object)));
        check("application/yaml", Some((true, Form::Object)));
        check("application/vnd.kubernetes.protobuf, application/json", Some((false, Form::Object)));
        check("application/vnd.kubernetes.protobuf", None);
        check("text/html", None);
        check(
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
            Some((false, Form::Table)),
        );
        check("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;q=0.9", Some((false, Form::Partial)));
        check("application/json;q=0.5,application/yaml", Some((true, Form::Object)));
        check("application/json;as=Unknown;g=x;v=v1,application/json", Some((false, Form::Object)));
        let discovery = |v: &str| format!("application/json;g=apidiscovery.k8s.io;v={v};as=APIGroupDiscoveryList");
        assert_eq!(aggregated(&format!("{},{},application/json", discovery("v2"), discovery("v2beta1"))), Some(Aggregated::V2));
        assert_eq!(aggregated(&format!("{},application/json", discovery("v2beta1"))), Some(Aggregated::V2Beta1));
        assert_eq!(aggregated(&format!("{},application/json", discovery("v3"))), None);
        assert_eq!(aggregated("application/json"), None);
        assert!(accepts_json("text/html, */*;q=0.1") && !accepts_json("application/com.github.proto-openapi.spec.v3@v1.0+protobuf"));
    }
}
