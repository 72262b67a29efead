//! Roles within the cluster's own namespaces: upstream's `namespace_policy.go`, and the place where the DNS server publishes
//! itself.

use super::NamespacedRole;

const SYSTEM: &str = "kube-system";
const PUBLIC: &str = "kube-public";

pub const ROLES: &[NamespacedRole] = &[
    NamespacedRole {
        namespace: SYSTEM,
        name: "extension-apiserver-authentication-reader",
        rules: &["read on core: configmaps named extension-apiserver-authentication"],
        subjects: &[],
    },
    NamespacedRole {
        namespace: SYSTEM,
        name: "system:controller:bootstrap-signer",
        rules: &["read on core: secrets"],
        subjects: &["ServiceAccount:kube-system:bootstrap-signer"],
    },
    NamespacedRole {
        namespace: SYSTEM,
        name: "system:controller:cloud-provider",
        rules: &["create get list watch on core: configmaps"],
        subjects: &["ServiceAccount:kube-system:cloud-provider"],
    },
    NamespacedRole {
        namespace: SYSTEM,
        name: "system:controller:token-cleaner",
        rules: &["delete get list watch on core: secrets", "create patch update on core events.k8s.io: events"],
        subjects: &["ServiceAccount:kube-system:token-cleaner"],
    },
    NamespacedRole {
        namespace: SYSTEM,
        name: "system::leader-locking-kube-controller-manager",
        rules: &["watch on core: configmaps", "get update on core: configmaps named kube-controller-manager"],
        subjects: &["User:system:kube-controller-manager", "ServiceAccount:kube-system:kube-controller-manager"],
    },
    NamespacedRole {
        namespace: SYSTEM,
        name: "system::leader-locking-kube-scheduler",
        rules: &["watch on core: configmaps", "get update on core: configmaps named kube-scheduler"],
        subjects: &["User:system:kube-scheduler", "ServiceAccount:kube-system:kube-scheduler"],
    },
    NamespacedRole {
        namespace: PUBLIC,
        name: "system:controller:bootstrap-signer",
        rules: &[
            "read on core: configmaps",
            "update on core: configmaps named cluster-info",
            "create patch update on core events.k8s.io: events",
        ],
        subjects: &["ServiceAccount:kube-system:bootstrap-signer"],
    },
    NamespacedRole {
        namespace: SYSTEM,
        name: "system:coracle:dns",
        rules: &[
            "create on core: services",
            "get on core: services named kube-dns",
            "create on discovery.k8s.io: endpointslices",
            "get on discovery.k8s.io: endpointslices named kube-dns-node",
        ],
        subjects: &["ServiceAccount:kube-system:coredns"],
    },
];
