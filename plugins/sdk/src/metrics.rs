//! Figures for the server's `/metrics`, as `coracle_plugin_<name>`.

use crate::bindings::platform::metrics;

/// Adds to a counter.
pub fn count(name: &str, labels: &[(&str, &str)], value: f64) {
    metrics::count(name, &owned(labels), value);
}

/// Sets a gauge.
pub fn gauge(name: &str, labels: &[(&str, &str)], value: f64) {
    metrics::gauge(name, &owned(labels), value);
}

/// Adds an observation to a histogram, in seconds.
pub fn observe(name: &str, labels: &[(&str, &str)], seconds: f64) {
    metrics::observe(name, &owned(labels), seconds);
}

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
