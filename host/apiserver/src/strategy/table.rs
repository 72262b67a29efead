//! Which strategy a kind has; all others have the default one.

use super::{
    Strategy, admissionregistration, apiregistration, autoscaler, budget, certificates, cluster, config, endpoints, event, flowcontrol,
    limits, namespace, networking, node, plugin_admission, pod, priority, rbac, resource, service, storage, storagemigration, volume,
    workload,
};
use crate::crd;
use registry::Kind;

struct Plain;
impl Strategy for Plain {}

const RBAC: &str = "rbac.authorization.k8s.io";

/// Group, resource, strategy.
const ROWS: &[(&str, &str, &dyn Strategy)] = &[
    ("", "configmaps", &config::ConfigMapStrategy),
    ("", "endpoints", &endpoints::EndpointsStrategy),
    ("", "events", &event::EventStrategy),
    ("", "limitranges", &limits::LimitRangeStrategy),
    ("", "namespaces", &namespace::NamespaceStrategy),
    ("", "nodes", &node::NodeStrategy),
    ("", "persistentvolumeclaims", &volume::ClaimStrategy),
    ("", "persistentvolumes", &volume::VolumeStrategy),
    ("", "pods", &pod::PodStrategy),
    ("", "podtemplates", &workload::PodTemplateStrategy),
    ("", "replicationcontrollers", &workload::ReplicationControllerStrategy),
    ("", "resourcequotas", &limits::QuotaStrategy),
    ("", "secrets", &config::SecretStrategy),
    ("", "services", &service::ServiceStrategy),
    ("apps", "controllerrevisions", &workload::RevisionStrategy),
    ("apps", "daemonsets", &workload::DaemonSetStrategy),
    ("apps", "deployments", &workload::DeploymentStrategy),
    ("apps", "replicasets", &workload::ReplicaSetStrategy),
    ("apps", "statefulsets", &workload::StatefulSetStrategy),
    ("autoscaling", "horizontalpodautoscalers", &autoscaler::AutoscalerStrategy),
    ("batch", "cronjobs", &workload::CronJobStrategy),
    ("batch", "jobs", &workload::JobStrategy),
    (crd::GROUP, crd::RESOURCE, &crd::DefinitionStrategy),
    ("coordination.k8s.io", "leases", &cluster::LeaseStrategy),
    ("coracle.dev", "policygroups", &plugin_admission::PolicyGroupStrategy),
    ("coracle.dev", "wasmplugins", &cluster::WasmPluginStrategy),
    ("discovery.k8s.io", "endpointslices", &endpoints::EndpointSliceStrategy),
    ("networking.k8s.io", "ingressclasses", &networking::IngressClassStrategy),
    ("networking.k8s.io", "ingresses", &networking::IngressStrategy),
    ("networking.k8s.io", "ipaddresses", &networking::AddressStrategy),
    ("networking.k8s.io", "networkpolicies", &networking::NetworkPolicyStrategy),
    ("networking.k8s.io", "servicecidrs", &networking::ServiceCidrStrategy),
    ("node.k8s.io", "runtimeclasses", &cluster::RuntimeClassStrategy),
    ("policy", "poddisruptionbudgets", &budget::BudgetStrategy),
    (RBAC, "roles", &rbac::RoleStrategy),
    (RBAC, "clusterroles", &rbac::RoleStrategy),
    (RBAC, "rolebindings", &rbac::RoleBindingStrategy),
    (RBAC, "clusterrolebindings", &rbac::RoleBindingStrategy),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies", &admissionregistration::MutatingPolicyStrategy),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings", &admissionregistration::MutatingBindingStrategy),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", &admissionregistration::MutatingWebhooksStrategy),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies", &admissionregistration::PolicyStrategy),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings", &admissionregistration::BindingStrategy),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", &admissionregistration::ValidatingWebhooksStrategy),
    ("apiregistration.k8s.io", "apiservices", &apiregistration::ApiServiceStrategy),
    ("certificates.k8s.io", "certificatesigningrequests", &certificates::SigningRequestStrategy),
    ("certificates.k8s.io", "clustertrustbundles", &certificates::TrustBundleStrategy),
    ("certificates.k8s.io", "podcertificaterequests", &certificates::PodRequestStrategy),
    ("flowcontrol.apiserver.k8s.io", "flowschemas", &flowcontrol::FlowSchemaStrategy),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", &flowcontrol::PriorityLevelStrategy),
    ("resource.k8s.io", "deviceclasses", &resource::ClassStrategy),
    ("resource.k8s.io", "devicetaintrules", &resource::TaintRuleStrategy),
    ("resource.k8s.io", "resourceclaims", &resource::ClaimStrategy),
    ("resource.k8s.io", "resourceclaimtemplates", &resource::ClaimTemplateStrategy),
    ("resource.k8s.io", "resourceslices", &resource::SliceStrategy),
    ("storagemigration.k8s.io", "storageversionmigrations", &storagemigration::MigrationStrategy),
    ("scheduling.k8s.io", "priorityclasses", &priority::PriorityClassStrategy),
    ("storage.k8s.io", "csidrivers", &storage::DriverStrategy),
    ("storage.k8s.io", "csinodes", &storage::NodeStrategy),
    ("storage.k8s.io", "csistoragecapacities", &storage::CapacityStrategy),
    ("storage.k8s.io", "storageclasses", &storage::StorageClassStrategy),
    ("storage.k8s.io", "volumeattachments", &storage::AttachmentStrategy),
    ("storage.k8s.io", "volumeattributesclasses", &storage::AttributesClassStrategy),
];

pub fn of(kind: &Kind) -> &'static dyn Strategy {
    let row = ROWS.iter().find(|(group, resource, _)| *group == kind.group && *resource == kind.resource);
    row.map_or(&Plain, |(_, _, strategy)| *strategy)
}
