//! Rules for names, labels and keys, and generated names.
//!
//! Each check returns the violations in upstream's words, empty when the value is fine:
//! `k8s.io/apimachinery/pkg/api/validate/content`, `pkg/util/validation/validation.go`, `pkg/util/rand/rand.go`.

/// What generated names and hashes are written with: no vowels and no look-alikes, so that no words appear.
const SAFE: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Longest generated name; what is generated must fit a DNS label.
const GENERATED_MAX: usize = 63;
const GENERATED_RANDOM: usize = 5;

pub const LABEL_MAX: usize = 63;
pub const SUBDOMAIN_MAX: usize = 253;

const LABEL_FMT: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_FMT: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_KEY_FMT: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_KEY_MSG: &str =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} bytes")
}

fn pattern(message: &str, regex: &str, examples: &[&str]) -> String {
    let told: Vec<String> = examples.iter().map(|e| format!("'{e}', ")).collect();
    if told.is_empty() {
        return format!("{message} (regex used for validation is '{regex}')");
    }
    format!("{message} (e.g. {}regex used for validation is '{regex}')", told.join(" or "))
}

/// Not empty, all of `inner`, first of `first`, last of `last`.
fn shaped(value: &str, first: fn(u8) -> bool, inner: fn(u8) -> bool, last: fn(u8) -> bool) -> bool {
    let bytes = value.as_bytes();
    bytes.first().is_some_and(|b| first(*b)) && bytes.last().is_some_and(|b| last(*b)) && bytes.iter().all(|b| inner(*b))
}

fn lower_alnum(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}
fn lower_alnum_dash(b: u8) -> bool {
    lower_alnum(b) || b == b'-'
}
fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}
fn key_inner(b: u8) -> bool {
    alnum(b) || matches!(b, b'-' | b'_' | b'.')
}
fn is_label(value: &str) -> bool {
    shaped(value, lower_alnum, lower_alnum_dash, lower_alnum)
}
fn is_subdomain(value: &str) -> bool {
    value.split('.').all(is_label)
}
fn is_key_name(value: &str) -> bool {
    shaped(value, alnum, key_inner, alnum)
}

/// RFC 1123 subdomain: most object names.
pub fn dns1123_subdomain(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > SUBDOMAIN_MAX {
        errors.push(too_long(SUBDOMAIN_MAX));
    }
    if !is_subdomain(value) {
        errors.push(pattern(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            SUBDOMAIN_FMT,
            &["example.com"],
        ));
    }
    errors
}

/// RFC 1123 label: namespaces, container names.
pub fn dns1123_label(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_MAX {
        errors.push(too_long(LABEL_MAX));
    }
    if !is_label(value) {
        errors.push(if is_subdomain(value) {
            "must not contain dots".to_owned()
        } else {
            pattern(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                LABEL_FMT,
                &["my-name", "123-abc"],
            )
        });
    }
    errors
}

/// RFC 1035 label: services.
pub fn dns1035_label(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_MAX {
        errors.push(format!("must be no more than {LABEL_MAX} characters"));
    }
    if !shaped(value, |b| b.is_ascii_lowercase(), lower_alnum_dash, lower_alnum) {
        errors.push(pattern(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    errors
}

/// `*.` before a subdomain: hosts of Ingress.
pub fn wildcard_dns1123_subdomain(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > SUBDOMAIN_MAX {
        errors.push(format!("must be no more than {SUBDOMAIN_MAX} characters"));
    }
    if !value.strip_prefix("*.").is_some_and(is_subdomain) {
        errors.push(pattern(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!(r"\*\.{SUBDOMAIN_FMT}"),
            &["*.example.com"],
        ));
    }
    errors
}

/// Key of a label, annotation, taint or resource: an optional DNS subdomain, `/`, and a name.
pub fn qualified_name(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let name = match value.split_once('/') {
        None => value,
        Some((_, rest)) if rest.contains('/') => {
            let told = pattern(LABEL_KEY_MSG, LABEL_KEY_FMT, &["MyName", "my.name", "123-abc"]);
            return vec![format!("a valid label key {told} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")];
        }
        Some((prefix, name)) => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else {
                errors.extend(dns1123_subdomain(prefix).into_iter().map(|e| format!("prefix part {e}")));
            }
            name
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX {
        errors.push(format!("name part {}", too_long(LABEL_MAX)));
    }
    if !is_key_name(name) {
        errors.push(format!("name part {}", pattern(LABEL_KEY_MSG, LABEL_KEY_FMT, &["MyName", "my.name", "123-abc"])));
    }
    errors
}

/// Value of a label; may be empty.
pub fn label_value(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_MAX {
        errors.push(too_long(LABEL_MAX));
    }
    if !value.is_empty() && !is_key_name(value) {
        errors.push(pattern(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            &format!("({LABEL_KEY_FMT})?"),
            &["MyValue", "my_value", "12345"],
        ));
    }
    errors
}

/// Key of a ConfigMap's or Secret's data.
pub fn config_map_key(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > SUBDOMAIN_MAX {
        errors.push(format!("must be no more than {SUBDOMAIN_MAX} characters"));
    }
    if value.is_empty() || !value.bytes().all(key_inner) {
        errors.push(pattern(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    errors.extend(leaves_directory(value));
    errors
}

/// Name of an environment variable: printable ASCII but `=` (KEP-4369).
pub fn env_var_name(value: &str) -> Vec<String> {
    if value.is_empty() {
        return vec!["environment variable name must be non-empty".to_owned()];
    }
    if value.bytes().any(|b| !(0x20..0x7f).contains(&b) || b == b'=') {
        return vec!["a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned()];
    }
    Vec::new()
}

/// Name of a container's or service's port (IANA_SVC_NAME).
pub fn port_name(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > 15 {
        errors.push("must be no more than 15 characters".to_owned());
    }
    if value.is_empty() || !value.bytes().all(lower_alnum_dash) {
        errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !value.bytes().any(|b| b.is_ascii_lowercase()) {
        errors.push("must contain at least one letter (a-z)".to_owned());
    }
    if value.contains("--") {
        errors.push("must not contain consecutive hyphens".to_owned());
    }
    if value.starts_with('-') || value.ends_with('-') {
        errors.push("must not begin or end with a hyphen".to_owned());
    }
    errors
}

pub fn port_number(port: i64) -> Vec<String> {
    in_range(port, 1, 65535)
}

/// `low..=high`.
pub fn in_range(value: i64, low: i64, high: i64) -> Vec<String> {
    if (low..=high).contains(&value) { Vec::new() } else { vec![format!("must be between {low} and {high}, inclusive")] }
}

/// Any name that can be one segment of a path: `pkg/api/validation/path/name.go`.
pub fn path_segment(value: &str) -> Vec<String> {
    if value == "." || value == ".." {
        return vec![format!("may not be '{value}'")];
    }
    ["/", "%"].iter().filter(|c| value.contains(**c)).map(|c| format!("may not contain '{c}'")).collect()
}

fn leaves_directory(value: &str) -> Option<String> {
    match value {
        "." | ".." => Some(format!("must not be '{value}'")),
        _ if value.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

/// A name from `metadata.generateName`: the base, cut to leave room, and five random characters.
pub fn generate(base: &str) -> String {
    let mut end = base.len().min(GENERATED_MAX - GENERATED_RANDOM);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = base.get(..end).unwrap_or_default().to_owned();
    name.push_str(&random());
    name
}

/// Five random characters that are safe in any name.
pub fn random() -> String {
    // The first six bytes of a version 4 UUID are random.
    uuid::Uuid::new_v4().as_bytes().iter().take(GENERATED_RANDOM).map(|b| safe(*b)).collect()
}

/// The decimal form of a number with each digit replaced by a safe character: `rand.SafeEncodeString`.
pub fn safe_encode(number: u32) -> String {
    number.to_string().bytes().map(safe).collect()
}

fn safe(b: u8) -> char {
    SAFE.get(usize::from(b) % SAFE.len()).map_or('b', |c| char::from(*c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_refuses() {
        type Rule = fn(&str) -> Vec<String>;
        let table: &[(Rule, &[&str], &[&str])] = &[
            (dns1123_subdomain, &["a", "a.b", "1-a.b2", "kube-root-ca.crt"], &["", "A", "a..b", "-a", "a-", "a_b", ".a", "a."]),
            (dns1123_label, &["a", "1a", "a-b"], &["", "a.b", "A", "a-", "-a", "ä"]),
            (dns1035_label, &["a", "a1", "a-b"], &["", "1a", "a.b", "a-", "A"]),
            (qualified_name, &["a", "A_b.c", "example.com/a", "1"], &["", "/a", "a/", "a/b/c", "-a", "A.b/", "Ex.com/a", "a b"]),
            (label_value, &["", "a", "A_b.c-1"], &["-a", "a-", "a b", "a/b"]),
            (config_map_key, &["a", ".a", "A_b.c", "a..b"], &["", ".", "..", "..a", "a/b"]),
            (env_var_name, &["A", "1", "a.b c"], &["", "a=b", "ä", "a\n"]),
            (port_name, &["http", "a-1"], &["", "1", "a--b", "-a", "HTTP", "abcdefghijklmnop"]),
            (path_segment, &["a:b", "system:node", ""], &[".", "..", "a/b", "a%"]),
            (wildcard_dns1123_subdomain, &["*.a.b"], &["*", "a.b", "*.*.b", "*."]),
        ];
        for (rule, good, bad) in table {
            for value in *good {
                assert!(rule(value).is_empty(), "{value}: {:?}", rule(value));
            }
            for value in *bad {
                assert!(!rule(value).is_empty(), "{value} should be refused");
            }
        }
        assert!(!dns1123_label(&"a".repeat(64)).is_empty());
        assert!(dns1123_subdomain(&"a".repeat(253)).is_empty());
    }

    #[test]
    fn words() {
        assert_eq!(
            dns1123_label("A"),
            [
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            ]
        );
        assert_eq!(dns1123_label("a.b"), ["must not contain dots"]);
        assert_eq!(in_range(0, 1, 5), ["must be between 1 and 5, inclusive"]);
    }

    #[test]
    fn generates() {
        let name = generate("web-");
        assert!(name.len() == 9 && name.starts_with("web-") && dns1123_label(&name).is_empty(), "{name}");
        assert_eq!(generate(&"x".repeat(80)).len(), 63);
        assert_eq!(safe_encode(0), "4");
        assert_eq!(safe_encode(1234567890), "56789bcdf4");
    }
}
