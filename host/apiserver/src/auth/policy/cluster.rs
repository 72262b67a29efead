//! Cluster roles and their bindings: upstream's `policy.go`, and at the end what Coracle's own parts need beside.

use super::{Binding, Role, role};

const EVENTS: &str = "create patch update on core events.k8s.io: events";
const TOKEN_REVIEWS: &str = "create on authentication.k8s.io: tokenreviews";
const ACCESS_REVIEWS: &str = "create on authorization.k8s.io: subjectaccessreviews";

/// `system:node`: what the node authorizer grants every node.
pub const NODE: &[&str] = &[
    TOKEN_REVIEWS,
    "create on authorization.k8s.io: localsubjectaccessreviews subjectaccessreviews",
    "read on core: services",
    "create get list watch on core: nodes",
    "patch update on core: nodes/status",
    "patch update on core: nodes",
    "create patch update on core: events",
    "read on core: pods",
    "create delete on core: pods",
    "patch update on core: pods/status",
    "create on core: pods/eviction",
    "read on core: configmaps secrets",
    "get on core: persistentvolumeclaims persistentvolumes",
    "get on core: endpoints",
    "create get list watch on certificates.k8s.io: certificatesigningrequests",
    "create delete get patch update on coordination.k8s.io: leases",
    "get on storage.k8s.io: volumeattachments",
    "create on core: serviceaccounts/token",
    "get patch update on core: persistentvolumeclaims/status",
    "read on storage.k8s.io: csidrivers",
    "create delete get patch update on storage.k8s.io: csinodes",
    "read on node.k8s.io: runtimeclasses",
    "get on resource.k8s.io: resourceclaims",
    "deletecollection on resource.k8s.io: resourceslices",
    "read on certificates.k8s.io: clustertrustbundles",
    "create get list watch on certificates.k8s.io: podcertificaterequests",
];

pub const ROLES: &[Role] = &[
    role("cluster-admin", &["* on *: *", "* at *"]),
    role("system:discovery", &["get at /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"]),
    role("system:public-info-viewer", &["get at /healthz /livez /readyz /version /version/"]),
    role("system:monitoring", &["get at /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*"]),
    role("system:service-account-issuer-discovery", &["get at /.well-known/openid-configuration /openid/v1/jwks"]),
    role(
        "system:basic-user",
        &[
            "create on authorization.k8s.io: selfsubjectaccessreviews selfsubjectrulesreviews",
            "create on authentication.k8s.io: selfsubjectreviews",
        ],
    ),
    Role { name: "admin", part_of: "", whole: true, rules: &[] },
    Role { name: "edit", part_of: "admin", whole: true, rules: &[] },
    Role { name: "view", part_of: "edit", whole: true, rules: &[] },
    Role {
        name: "system:aggregate-to-admin",
        part_of: "admin",
        whole: false,
        rules: &[
            "create on authorization.k8s.io: localsubjectaccessreviews",
            "read write on rbac.authorization.k8s.io: rolebindings roles",
        ],
    },
    Role {
        name: "system:aggregate-to-edit",
        part_of: "edit",
        whole: false,
        rules: &[
            "read on core: pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy",
            "impersonate on core: serviceaccounts",
            "write on core: pods pods/attach pods/exec pods/portforward pods/proxy",
            "create on core: pods/eviction",
            "write on core: configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets \
             serviceaccounts services services/proxy",
            "create on core: serviceaccounts/token",
            "write on apps: daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets \
             statefulsets/scale",
            "write on autoscaling: horizontalpodautoscalers",
            "write on batch: cronjobs jobs",
            "write on extensions: daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets \
             replicasets/scale replicationcontrollers/scale",
            "write on policy: poddisruptionbudgets",
            "write on networking.k8s.io: ingresses networkpolicies",
            "read write on coordination.k8s.io: leases",
            "write on resource.k8s.io: resourceclaims resourceclaimtemplates",
        ],
    },
    Role {
        name: "system:aggregate-to-view",
        part_of: "view",
        whole: false,
        rules: &[
            "read on core: configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers \
             replicationcontrollers/scale serviceaccounts services services/status",
            "read on core: bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status \
             resourcequotas resourcequotas/status",
            "read on core: namespaces",
            "read on discovery.k8s.io: endpointslices",
            "read on apps: controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status \
             replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
            "read on autoscaling: horizontalpodautoscalers horizontalpodautoscalers/status",
            "read on batch: cronjobs cronjobs/status jobs jobs/status",
            "read on extensions: daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses \
             ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale",
            "read on policy: poddisruptionbudgets poddisruptionbudgets/status",
            "read on networking.k8s.io: ingresses ingresses/status networkpolicies",
            "read on resource.k8s.io: resourceclaims resourceclaims/status resourceclaimtemplates",
        ],
    },
    role("system:auth-delegator", &[TOKEN_REVIEWS, ACCESS_REVIEWS]),
    role("system:heapster", &["read on core: events namespaces nodes pods", "read on extensions: deployments"]),
    role("system:kube-aggregator", &["read on core: endpoints services"]),
    role(
        "system:kube-controller-manager",
        &[
            EVENTS,
            "create on coordination.k8s.io: leases",
            "get update on coordination.k8s.io: leases named kube-controller-manager",
            "create on core: secrets serviceaccounts",
            "delete on core: secrets",
            "get on core: configmaps namespaces secrets serviceaccounts",
            "update on core: secrets serviceaccounts",
            TOKEN_REVIEWS,
            ACCESS_REVIEWS,
            "list watch on *: *",
            "create on core: serviceaccounts/token",
        ],
    ),
    role("system:kube-dns", &["list watch on core: endpoints services"]),
    role(
        "system:kube-scheduler",
        &[
            EVENTS,
            "create on coordination.k8s.io: leases",
            "get update on coordination.k8s.io: leases named kube-scheduler",
            "read on core: nodes",
            "delete get list watch on core: pods",
            "create on core: bindings pods/binding",
            "patch update on core: pods/status",
            "read on core: replicationcontrollers services",
            "read on apps extensions: replicasets",
            "read on apps: statefulsets",
            "read on policy: poddisruptionbudgets",
            "read on core: persistentvolumeclaims persistentvolumes",
            TOKEN_REVIEWS,
            ACCESS_REVIEWS,
            "read on storage.k8s.io: csinodes",
            "read on core: namespaces",
            "read on storage.k8s.io: csidrivers",
            "read on storage.k8s.io: csistoragecapacities",
            "read on resource.k8s.io: deviceclasses",
            "read patch update on resource.k8s.io: resourceclaims",
            "read patch update on resource.k8s.io: resourceclaims/status",
            "read patch update on core: pods/finalizers",
            "read on resource.k8s.io: resourceslices",
        ],
    ),
    role(
        "system:kubelet-api-admin",
        &[
            "read on core: nodes",
            "proxy on core: nodes",
            "* on core: nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats",
        ],
    ),
    role("system:node", NODE),
    role("system:node-bootstrapper", &["create get list watch on certificates.k8s.io: certificatesigningrequests"]),
    role("system:node-problem-detector", &["get on core: nodes", "patch on core: nodes/status", EVENTS]),
    role(
        "system:node-proxier",
        &[
            "list watch on core: endpoints services",
            "read on core: nodes",
            EVENTS,
            "list watch on discovery.k8s.io: endpointslices",
            "list watch on networking.k8s.io: servicecidrs",
        ],
    ),
    role(
        "system:persistent-volume-provisioner",
        &[
            "create delete get list watch on core: persistentvolumes",
            "get list update watch on core: persistentvolumeclaims",
            "read on storage.k8s.io: storageclasses",
            "watch on core: events",
            EVENTS,
        ],
    ),
    role(
        "system:volume-scheduler",
        &[
            "get list patch update watch on core: persistentvolumes",
            "read on storage.k8s.io: storageclasses",
            "get list patch update watch on core: persistentvolumeclaims",
        ],
    ),
    role("system:cluster-trust-bundle-discovery", &["read on certificates.k8s.io: clustertrustbundles"]),
    role(
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        &["create on certificates.k8s.io: certificatesigningrequests/nodeclient"],
    ),
    role(
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        &["create on certificates.k8s.io: certificatesigningrequests/selfnodeclient"],
    ),
    role(
        "system:certificates.k8s.io:kube-apiserver-client-approver",
        &["approve on certificates.k8s.io: signers named kubernetes.io/kube-apiserver-client"],
    ),
    role(
        "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
        &["approve on certificates.k8s.io: signers named kubernetes.io/kube-apiserver-client-kubelet"],
    ),
    role(
        "system:certificates.k8s.io:kubelet-serving-approver",
        &["approve on certificates.k8s.io: signers named kubernetes.io/kubelet-serving"],
    ),
    role(
        "system:certificates.k8s.io:legacy-unknown-approver",
        &["approve on certificates.k8s.io: signers named kubernetes.io/legacy-unknown"],
    ),
    // Admission notes what it would have refused, and audits whatever a policy is about.
    role(
        "system:coracle:admission",
        &[
            "read on *: *",
            "create on apiextensions.k8s.io: customresourcedefinitions",
            "create on coordination.k8s.io: leases",
            "get update on coordination.k8s.io: leases named coracle-audit",
            "create delete patch update on wgpolicyk8s.io: clusterpolicyreports policyreports",
            EVENTS,
        ],
    ),
    // All parts of one process read through one cache per kind, which lists and watches whatever they ask for.
    role("system:coracle:informers", &["read on *: *"]),
    role(
        "system:coracle:plugins",
        &[
            "read on coracle.dev: wasmplugins",
            "patch update on coracle.dev: wasmplugins/status",
            // State of plugins, components in ConfigMaps, secrets by reference.
            "get create update delete on core: configmaps",
            "get on core: secrets",
            // Definitions that controllers bring, and the lease of the server that runs them.
            "create get patch on apiextensions.k8s.io: customresourcedefinitions",
            "create get update on coordination.k8s.io: leases",
            EVENTS,
        ],
    ),
    // As the manifest of the CoreDNS add-on grants.
    role(
        "system:coredns",
        &["list watch on core: endpoints namespaces pods services", "list watch on discovery.k8s.io: endpointslices", "get on core: nodes"],
    ),
];

/// `system:node` is bound to nobody: the node authorizer grants what it says.
pub const BINDINGS: &[Binding] = &[
    Binding { role: "cluster-admin", subjects: &["Group:system:masters"] },
    Binding { role: "system:monitoring", subjects: &["Group:system:monitoring"] },
    Binding { role: "system:discovery", subjects: &["Group:system:authenticated"] },
    Binding { role: "system:basic-user", subjects: &["Group:system:authenticated"] },
    Binding { role: "system:public-info-viewer", subjects: &["Group:system:authenticated", "Group:system:unauthenticated"] },
    Binding { role: "system:node-proxier", subjects: &["User:system:kube-proxy"] },
    Binding { role: "system:kube-controller-manager", subjects: &["User:system:kube-controller-manager"] },
    Binding { role: "system:kube-dns", subjects: &["ServiceAccount:kube-system:kube-dns"] },
    Binding { role: "system:kube-scheduler", subjects: &["User:system:kube-scheduler"] },
    Binding { role: "system:volume-scheduler", subjects: &["User:system:kube-scheduler"] },
    Binding { role: "system:service-account-issuer-discovery", subjects: &["Group:system:serviceaccounts"] },
    Binding { role: "system:cluster-trust-bundle-discovery", subjects: &["Group:system:serviceaccounts"] },
    Binding { role: "system:coracle:admission", subjects: &["User:system:coracle:admission"] },
    Binding { role: "system:coracle:informers", subjects: &["User:system:coracle:informers"] },
    Binding { role: "system:coracle:plugins", subjects: &["User:system:coracle:plugins"] },
    Binding { role: "system:coredns", subjects: &["ServiceAccount:kube-system:coredns"] },
];
