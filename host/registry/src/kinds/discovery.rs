//! Group discovery.k8s.io, v1.

use super::row;
use crate::columns::endpoints;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![
        row("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
            .definition("io.k8s.api.discovery.v1.EndpointSlice")
            .generation()
            .name_column()
            .show("AddressType", "string", "IPv4, IPv6 or FQDN.", endpoints::slice_address_type)
            .show("Ports", "string", "Ports of the endpoints.", endpoints::slice_ports)
            .show("Endpoints", "string", "Addresses of the endpoints.", endpoints::slice_endpoints)
            .age_column()
            .sample(
                r#"{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"sample"},"addressType":"IPv4","endpoints":[]}"#,
            ),
    ]
}
