//! Image references, as container runtimes complete them (`distribution/reference`, normalize.go).

/// An image by registry, path, tag and digest.
#[derive(Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// `docker.io` where none is named.
    pub registry: &'a str,
    /// With `library/` before a name that stands alone on docker.io.
    pub path: String,
    pub tag: Option<&'a str>,
    pub digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    pub fn parse(text: &'a str) -> Self {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A colon after the last slash begins a tag; one before it, a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost" || first.chars().any(char::is_uppercase);
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if is_host(first) => (first, path),
            _ => ("docker.io", name),
        };
        let registry = if registry == "index.docker.io" { "docker.io" } else { registry };
        let path = if registry == "docker.io" && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
        Self { registry, path, tag, digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, registry: &str, path: &str, tag: Option<&str>, digest: Option<&str>) {
        assert_eq!(Reference::parse(text), Reference { registry, path: path.to_owned(), tag, digest }, "{text}");
    }

    #[test]
    fn references_are_completed_as_runtimes_do() {
        check("nginx", "docker.io", "library/nginx", None, None);
        check("nginx:1.27", "docker.io", "library/nginx", Some("1.27"), None);
        check("team/app", "docker.io", "team/app", None, None);
        check("index.docker.io/nginx", "docker.io", "library/nginx", None, None);
        check("ghcr.io/team/app:v1@sha256:ab", "ghcr.io", "team/app", Some("v1"), Some("sha256:ab"));
        check("localhost/app", "localhost", "app", None, None);
        check("registry:5000/app", "registry:5000", "app", None, None);
        check("registry:5000/app:v2", "registry:5000", "app", Some("v2"), None);
        check("10.0.0.1:5000/a/b/c", "10.0.0.1:5000", "a/b/c", None, None);
    }
}
