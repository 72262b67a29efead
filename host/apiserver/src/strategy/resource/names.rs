//! Names of drivers, pools, attributes and devices.

use crate::strategy::at::At;
use object::field::ErrorList;
use object::names;

/// `ValidateCSIDriverName`, which drivers of devices share.
pub fn driver(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    if name.is_empty() {
        at.required(errors, "");
    }
    if name.len() > 63 {
        at.too_long(errors, 63);
    }
    at.invalid_all(errors, name, &names::dns1123_subdomain(&name.to_lowercase()));
}

/// Subdomains with slashes between.
pub fn pool(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    if name.is_empty() {
        return at.required(errors, "");
    }
    if name.len() > 253 {
        at.too_long(errors, 253);
    }
    for part in name.split('/') {
        at.invalid_all(errors, part, &names::dns1123_subdomain(part));
    }
}

pub fn device(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    at.invalid_all(errors, name, &names::dns1123_label(name));
}

const IDENTIFIER: &str = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric \
    characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";

fn identifier(id: &str, at: &At<'_>, errors: &mut ErrorList) {
    if id.len() > 32 {
        at.too_long(errors, 32);
    }
    let first = id.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        at.invalid(errors, id, IDENTIFIER);
    }
}

/// An identifier, with a domain before it or without.
pub fn qualified(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    match name.split('/').collect::<Vec<_>>().as_slice() {
        [id] => identifier(id, at, errors),
        [domain, id] => {
            if domain.is_empty() {
                at.invalid(errors, "", "the domain must not be empty");
            } else {
                driver(domain, at, errors);
            }
            if id.is_empty() {
                at.invalid(errors, "", "the name must not be empty");
            } else {
                identifier(id, at, errors);
            }
        }
        _ => {}
    }
}

pub fn fully_qualified(name: &str, at: &At<'_>, errors: &mut ErrorList) {
    qualified(name, at, errors);
    if !name.contains('/') {
        at.invalid(errors, name, "a fully qualified name must be a domain and a name separated by a slash");
    }
}

/// A UUID in lower case.
pub fn uid(uid: &str, at: &At<'_>, errors: &mut ErrorList) {
    let parts: Vec<usize> = uid.split('-').map(str::len).collect();
    let hex = uid.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
    if parts != [8, 4, 4, 4, 12] || !hex {
        at.invalid(errors, uid, &format!("error validating uid: invalid UUID length: {}", uid.len()));
    } else if uid.bytes().any(|b| b.is_ascii_uppercase()) {
        let told = "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters";
        at.invalid(errors, uid, told);
    }
}
