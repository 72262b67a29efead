//! [`At`]: where a check stands in an object. A chain on the stack: text is made of it only when something is wrong, so
//! that checking a sound object costs no allocation.

use object::Value;
use object::field::{ErrorList, Path};

#[derive(Clone, Copy)]
pub struct At<'p> {
    up: Option<&'p At<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Child(&'p str),
    Index(usize),
    Key(&'p str),
}

impl<'p> At<'p> {
    /// A field of the object, or fields with dots between them.
    pub fn new(path: &'p str) -> Self {
        Self { up: None, step: Step::Child(path) }
    }
    pub fn of(path: &'p Path) -> Self {
        Self::new(path.as_str())
    }
    /// A field below, or fields with dots between them.
    pub fn child<'c>(&'c self, name: &'c str) -> At<'c> {
        At { up: Some(self), step: Step::Child(name) }
    }
    pub fn index(&self, index: usize) -> At<'_> {
        At { up: Some(self), step: Step::Index(index) }
    }
    pub fn key<'c>(&'c self, key: &'c str) -> At<'c> {
        At { up: Some(self), step: Step::Key(key) }
    }
    pub fn path(&self) -> Path {
        let mut text = String::new();
        self.write(&mut text);
        Path::new(&text)
    }

    fn write(&self, text: &mut String) {
        if let Some(up) = self.up {
            up.write(text);
        }
        match self.step {
            Step::Child(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Key(key) => {
                text.push('[');
                text.push_str(key);
                text.push(']');
            }
        }
    }

    pub fn required(&self, errors: &mut ErrorList, detail: &str) {
        errors.required(&self.path(), detail);
    }
    pub fn invalid(&self, errors: &mut ErrorList, value: impl Into<Value>, detail: &str) {
        errors.invalid(&self.path(), value, detail);
    }
    /// One cause per message.
    pub fn invalid_all(&self, errors: &mut ErrorList, value: &str, details: &[String]) {
        for detail in details {
            errors.invalid(&self.path(), value, detail);
        }
    }
    /// One cause per message about a number.
    pub fn invalid_number(&self, errors: &mut ErrorList, value: i64, details: &[String]) {
        for detail in details {
            errors.invalid(&self.path(), value, detail);
        }
    }
    pub fn invalid_as_a_whole(&self, errors: &mut ErrorList, detail: &str) {
        errors.invalid_as_a_whole(&self.path(), detail);
    }
    pub fn forbidden(&self, errors: &mut ErrorList, detail: &str) {
        errors.forbidden(&self.path(), detail);
    }
    pub fn not_supported(&self, errors: &mut ErrorList, value: impl Into<Value>, supported: &[&str]) {
        errors.not_supported(&self.path(), value, supported);
    }
    pub fn duplicate(&self, errors: &mut ErrorList, value: impl Into<Value>) {
        errors.duplicate(&self.path(), value);
    }
    pub fn not_found(&self, errors: &mut ErrorList, value: impl Into<Value>) {
        errors.not_found(&self.path(), value);
    }
    pub fn too_long(&self, errors: &mut ErrorList, max: usize) {
        errors.too_long(&self.path(), max);
    }
    pub fn too_many(&self, errors: &mut ErrorList, actual: usize, max: usize) {
        errors.too_many(&self.path(), actual, max);
    }

    /// `ValidateNonnegativeField`.
    pub fn non_negative(&self, errors: &mut ErrorList, value: Option<i64>) {
        if let Some(value) = value.filter(|v| *v < 0) {
            self.invalid(errors, value, "must be greater than or equal to 0");
        }
    }
    /// One of a closed set; empty is missing.
    pub fn one_of(&self, errors: &mut ErrorList, value: &str, allowed: &[&str]) {
        if value.is_empty() {
            self.required(errors, "");
        } else if !allowed.contains(&value) {
            self.not_supported(errors, value, allowed);
        }
    }
    /// One of a closed set when it is given at all.
    pub fn one_of_given(&self, errors: &mut ErrorList, value: Option<&str>, allowed: &[&str]) {
        if let Some(value) = value.filter(|v| !allowed.contains(v)) {
            self.not_supported(errors, value, allowed);
        }
    }
    pub fn range(&self, errors: &mut ErrorList, value: Option<i64>, low: i64, high: i64) {
        if let Some(value) = value.filter(|v| !(low..=high).contains(v)) {
            self.invalid(errors, value, &format!("must be between {low} and {high}, inclusive"));
        }
    }
    /// A required DNS label.
    pub fn label(&self, errors: &mut ErrorList, value: &str) {
        if value.is_empty() {
            self.required(errors, "");
        } else {
            self.invalid_all(errors, value, &object::names::dns1123_label(value));
        }
    }
    /// A DNS subdomain when it is not empty.
    pub fn subdomain(&self, errors: &mut ErrorList, value: &str) {
        if !value.is_empty() {
            self.invalid_all(errors, value, &object::names::dns1123_subdomain(value));
        }
    }
    pub fn qualified(&self, errors: &mut ErrorList, value: &str) {
        self.invalid_all(errors, value, &object::names::qualified_name(value));
    }
    /// An address (`IsValidIP` of fields that are older than strict checking).
    pub fn ip(&self, errors: &mut ErrorList, value: &str) {
        let detail = match value.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => "must not be an IPv4-mapped IPv6 address",
            Ok(_) => return,
            Err(_) if is_padded(value) => "must not have leading 0s",
            Err(_) => "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        };
        self.invalid(errors, value, detail);
    }
}

/// An IPv4 address but for zeros before its numbers.
fn is_padded(value: &str) -> bool {
    let sound = |part: &str| {
        let number = part.trim_start_matches('0');
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && (number.is_empty() || number.parse::<u8>().is_ok())
    };
    value.split('.').count() == 4 && value.split('.').all(sound)
}
