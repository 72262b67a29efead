//! The roles of controllers, each bound to the service account of its name in `kube-system`: upstream's
//! `controller_policy.go`.

use super::{Role, role};

pub const PREFIX: &str = "system:controller:";
const EVENTS: &str = "create patch update on core events.k8s.io: events";
const PODS_STATUS: &str = "patch update on core: pods/status";

pub const ROLES: &[Role] = &[
    role(
        "system:controller:attachdetach-controller",
        &[
            "list watch on core: persistentvolumeclaims persistentvolumes",
            "read on core: nodes",
            "patch update on core: nodes/status",
            "list watch on core: pods",
            EVENTS,
            "create delete get list watch on storage.k8s.io: volumeattachments",
            "read on storage.k8s.io: csidrivers",
            "read on storage.k8s.io: csinodes",
        ],
    ),
    role(
        "system:controller:clusterrole-aggregation-controller",
        &["escalate get list patch update watch on rbac.authorization.k8s.io: clusterroles"],
    ),
    role(
        "system:controller:cronjob-controller",
        &[
            "get list update watch on batch: cronjobs",
            "create delete get list patch update watch on batch: jobs",
            "update on batch: cronjobs/status",
            "update on batch: cronjobs/finalizers",
            "delete list watch on core: pods",
            EVENTS,
        ],
    ),
    role(
        "system:controller:daemon-set-controller",
        &[
            "read on apps extensions: daemonsets",
            "update on apps extensions: daemonsets/status",
            "update on apps extensions: daemonsets/finalizers",
            "list watch on core: nodes",
            "create delete list patch watch on core: pods",
            "create on core: pods/binding",
            "create delete get list patch update watch on apps: controllerrevisions",
            EVENTS,
        ],
    ),
    role(
        "system:controller:deployment-controller",
        &[
            "get list update watch on apps extensions: deployments",
            "update on apps extensions: deployments/status",
            "update on apps extensions: deployments/finalizers",
            "create delete get list patch update watch on apps extensions: replicasets",
            "get list update watch on core: pods",
            EVENTS,
        ],
    ),
    role(
        "system:controller:disruption-controller",
        &[
            "read on apps extensions: deployments",
            "read on apps extensions: replicasets",
            "read on core: replicationcontrollers",
            "read on policy: poddisruptionbudgets",
            "read on apps: statefulsets",
            "update on policy: poddisruptionbudgets/status",
            PODS_STATUS,
            "get on *: */scale",
            EVENTS,
        ],
    ),
    role(
        "system:controller:endpoint-controller",
        &[
            "read on core: pods services",
            "create delete get list update watch on core: endpoints",
            "create on core: endpoints/restricted",
            EVENTS,
        ],
    ),
    role(
        "system:controller:endpointslice-controller",
        &[
            "read on core: nodes pods services",
            "update on core: services/finalizers",
            "create delete get list update watch on discovery.k8s.io: endpointslices",
            EVENTS,
        ],
    ),
    role(
        "system:controller:endpointslicemirroring-controller",
        &[
            "read on core: endpoints services",
            "update on core: services/finalizers",
            "update on core: endpoints/finalizers",
            "create delete get list update watch on discovery.k8s.io: endpointslices",
            EVENTS,
        ],
    ),
    role(
        "system:controller:expand-controller",
        &[
            "get list patch update watch on core: persistentvolumes",
            "patch update on core: persistentvolumeclaims/status",
            "read on core: persistentvolumeclaims",
            EVENTS,
            "get on core: services",
        ],
    ),
    role(
        "system:controller:ephemeral-volume-controller",
        &["read on core: pods", "update on core: pods/finalizers", "create get list watch on core: persistentvolumeclaims", EVENTS],
    ),
    role(
        "system:controller:resource-claim-controller",
        &[
            "read on core: pods",
            "update on core: pods/finalizers",
            "create delete get list watch on resource.k8s.io: resourceclaims",
            "patch update on resource.k8s.io: resourceclaims resourceclaims/status",
            PODS_STATUS,
            EVENTS,
        ],
    ),
    role(
        "system:controller:device-taint-eviction-controller",
        &[
            "delete get list watch on core: pods",
            PODS_STATUS,
            "read on resource.k8s.io: resourceclaims",
            "read on resource.k8s.io: resourceslices",
            "read on resource.k8s.io: deviceclasses",
            "read on resource.k8s.io: devicetaintrules",
            EVENTS,
        ],
    ),
    role("system:controller:generic-garbage-collector", &["delete get list patch update watch on *: *", EVENTS]),
    role(
        "system:controller:horizontal-pod-autoscaler",
        &[
            "read on autoscaling: horizontalpodautoscalers",
            "update on autoscaling: horizontalpodautoscalers/status",
            "get update on *: */scale",
            "list watch on core: pods",
            "list watch on metrics.k8s.io: pods",
            "read on custom.metrics.k8s.io: *",
            "read on external.metrics.k8s.io: *",
            EVENTS,
        ],
    ),
    role(
        "system:controller:job-controller",
        &[
            "get list patch update watch on batch: jobs",
            "update on batch: jobs/status",
            "update on batch: jobs/finalizers",
            "create delete list patch watch on core: pods",
            EVENTS,
        ],
    ),
    role(
        "system:controller:namespace-controller",
        &[
            "delete get list watch on core: namespaces",
            "update on core: namespaces/finalize namespaces/status",
            "delete deletecollection get list watch on *: *",
        ],
    ),
    role(
        "system:controller:node-controller",
        &[
            "delete get list patch update watch on core: nodes",
            "patch update on core: nodes/status",
            PODS_STATUS,
            "delete get list watch on core: pods",
            EVENTS,
        ],
    ),
    role(
        "system:controller:persistent-volume-binder",
        &[
            "create delete get list update watch on core: persistentvolumes",
            "update on core: persistentvolumes/status",
            "get list update watch on core: persistentvolumeclaims",
            "update on core: persistentvolumeclaims/status",
            "create delete get list watch on core: pods",
            "read on storage.k8s.io: storageclasses",
            "list watch on core: nodes",
            EVENTS,
            "watch on core: events",
            "get on core: services",
        ],
    ),
    role(
        "system:controller:pod-garbage-collector",
        &["delete list watch on core: pods", "read on core: nodes", "patch on core: pods/status"],
    ),
    role(
        "system:controller:replicaset-controller",
        &[
            "get list update watch on apps extensions: replicasets",
            "update on apps extensions: replicasets/status",
            "update on apps extensions: replicasets/finalizers",
            "create delete list patch watch on core: pods",
            EVENTS,
        ],
    ),
    role(
        "system:controller:replication-controller",
        &[
            "get list update watch on core: replicationcontrollers",
            "update on core: replicationcontrollers/status",
            "update on core: replicationcontrollers/finalizers",
            "create delete list patch watch on core: pods",
            EVENTS,
        ],
    ),
    role("system:controller:resourcequota-controller", &["list watch on *: *", "update on core: resourcequotas/status", EVENTS]),
    role("system:controller:route-controller", &["list watch on core: nodes", "patch on core: nodes/status", EVENTS]),
    role("system:controller:service-account-controller", &["create on core: serviceaccounts", EVENTS]),
    role(
        "system:controller:service-controller",
        &["read on core: services", "patch update on core: services/status", "list watch on core: nodes", EVENTS],
    ),
    role(
        "system:controller:service-cidrs-controller",
        &[
            "get list patch update watch on networking.k8s.io: servicecidrs",
            "patch update on networking.k8s.io: servicecidrs/finalizers",
            "patch update on networking.k8s.io: servicecidrs/status",
            "read on networking.k8s.io: ipaddresses",
            EVENTS,
        ],
    ),
    role(
        "system:controller:statefulset-controller",
        &[
            "list watch on core: pods",
            "read on apps: statefulsets",
            "update on apps: statefulsets/status",
            "update on apps: statefulsets/finalizers",
            "create delete get patch update on core: pods",
            "create delete get list patch update watch on apps: controllerrevisions",
            "create get list watch on core: persistentvolumeclaims",
            "delete update on core: persistentvolumeclaims",
            "update on core: pods/finalizers",
            EVENTS,
        ],
    ),
    role("system:controller:ttl-controller", &["list patch update watch on core: nodes", EVENTS]),
    role(
        "system:controller:certificate-controller",
        &[
            "delete get list watch on certificates.k8s.io: certificatesigningrequests",
            "update on certificates.k8s.io: certificatesigningrequests/approval certificatesigningrequests/status",
            "approve on certificates.k8s.io: signers named kubernetes.io/kube-apiserver-client-kubelet",
            "sign on certificates.k8s.io: signers named kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet \
             kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown",
            "create on authorization.k8s.io: subjectaccessreviews",
            EVENTS,
        ],
    ),
    role("system:controller:podcertificaterequestcleaner", &["delete get list watch on certificates.k8s.io: podcertificaterequests"]),
    role(
        "system:controller:pvc-protection-controller",
        &["get list update watch on core: persistentvolumeclaims", "read on core: pods", EVENTS],
    ),
    role("system:controller:pv-protection-controller", &["get list update watch on core: persistentvolumes", EVENTS]),
    role(
        "system:controller:volumeattributesclass-protection-controller",
        &[
            "read on core: persistentvolumeclaims",
            "read on core: persistentvolumes",
            "get list update watch on storage.k8s.io: volumeattributesclasses",
            EVENTS,
        ],
    ),
    role("system:controller:ttl-after-finished-controller", &["delete get list watch on batch: jobs", EVENTS]),
    role("system:controller:root-ca-cert-publisher", &["create update on core: configmaps", EVENTS]),
    role(
        "system:controller:kube-apiserver-serving-clustertrustbundle-publisher",
        &[
            "attest on certificates.k8s.io: signers named kubernetes.io/kube-apiserver-serving",
            "create delete list update watch on certificates.k8s.io: clustertrustbundles",
            EVENTS,
        ],
    ),
    role(
        "system:controller:validatingadmissionpolicy-status-controller",
        &[
            "read on admissionregistration.k8s.io: validatingadmissionpolicies",
            "get patch update on admissionregistration.k8s.io: validatingadmissionpolicies/status",
            EVENTS,
        ],
    ),
    role(
        "system:controller:legacy-service-account-token-cleaner",
        &["get on core: configmaps named kube-apiserver-legacy-service-account-token-tracking", "delete patch on core: secrets"],
    ),
    role(
        "system:controller:storage-version-migrator-controller",
        &["create list patch watch on *: *", "update on storagemigration.k8s.io: storageversionmigrations/status"],
    ),
    role(
        "system:controller:selinux-warning-controller",
        &[
            EVENTS,
            "read on core: persistentvolumes",
            "read on core: persistentvolumeclaims",
            "read on core: pods",
            "read on storage.k8s.io: csidrivers",
        ],
    ),
];
