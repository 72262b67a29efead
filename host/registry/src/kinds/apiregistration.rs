//! Group apiregistration.k8s.io, v1: which server answers for a group and version.

use super::row;
use crate::columns::extension;
use crate::kind::Kind;

pub(crate) fn rows() -> Vec<Kind> {
    vec![
        row("apiregistration.k8s.io", "v1", "APIService", "apiservices")
            .definition("io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService")
            .cluster()
            .category("api-extensions")
            .status()
            .name_column()
            .show("Service", "string", "Service behind the group and version, or Local.", extension::service)
            .show("Available", "string", "Whether that service can be reached.", extension::available)
            .age_column()
            .sample(
                r#"{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","metadata":{"name":"v1.sample.example.com"},"spec":{"group":"sample.example.com","version":"v1","groupPriorityMinimum":1000,"versionPriority":15,"insecureSkipTLSVerify":true,"service":{"namespace":"default","name":"s"}}}"#,
            ),
    ]
}
