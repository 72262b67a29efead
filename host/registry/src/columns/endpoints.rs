//! Cells of endpoints and endpoint slices: `printEndpoints`, `printEndpointSlice` of upstream's printers.

use super::{list, str_of, text};
use object::{Object, Value, json};

/// How many endpoints are told before "more": `formatEndpoints`.
const TOLD: usize = 3;

pub(crate) fn endpoints(endpoints: &Object) -> Value {
    let mut told = Vec::new();
    for subset in list(endpoints, &["subsets"]) {
        let ports = subset.get("ports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let addresses: Vec<&str> =
            subset.get("addresses").and_then(Value::as_array).into_iter().flatten().map(|a| str_of(a, "ip")).collect();
        if ports.is_empty() {
            told.extend(addresses.iter().map(|a| (*a).to_owned()));
        }
        for port in ports {
            let number = port.get("port").and_then(Value::as_i64).unwrap_or_default();
            told.extend(addresses.iter().map(|a| if a.contains(':') { format!("[{a}]:{number}") } else { format!("{a}:{number}") }));
        }
    }
    first_few(&told, "<none>")
}

pub(crate) fn slice_address_type(slice: &Object) -> Value {
    text(slice, &["addressType"], "")
}

pub(crate) fn slice_ports(slice: &Object) -> Value {
    let told: Vec<String> = list(slice, &["ports"])
        .iter()
        .map(|p| match p.get("port").and_then(Value::as_i64) {
            Some(port) => port.to_string(),
            None => "*".to_owned(),
        })
        .collect();
    first_few(&told, "<unset>")
}

pub(crate) fn slice_endpoints(slice: &Object) -> Value {
    let addresses = list(slice, &["endpoints"]).iter().filter_map(|e| e.get("addresses").and_then(Value::as_array)).flatten();
    let told: Vec<String> = addresses.filter_map(Value::as_str).map(str::to_owned).collect();
    first_few(&told, "<unset>")
}

fn first_few(told: &[String], none: &str) -> Value {
    if told.is_empty() {
        return json!(none);
    }
    let few: Vec<&str> = told.iter().take(TOLD).map(String::as_str).collect();
    let joined = few.join(",");
    json!(if told.len() > TOLD { format!("{joined} + {} more...", told.len() - TOLD) } else { joined })
}
