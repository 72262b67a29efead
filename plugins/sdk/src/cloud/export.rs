//! From traits to the exports of a component.

/// Makes types the cloud provider of this component: `cloud_provider!(cloud: C, load_balancer: L)`, with any of `instances`, `routes`,
/// `zones`, `clusters`.
#[macro_export]
macro_rules! cloud_provider {
    ($($part:ident: $type:ty),+ $(,)?) => {
        #[doc(hidden)]
        pub struct CoraclePlugin;

        $($crate::__cloud_part!($part, $type);)+
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __cloud_part {
    (cloud, $type:ty) => {
        $crate::__export!(
            cloud,
            fn initialize() -> Result<(), $crate::cloud::Failure> {
                <$type as $crate::cloud::Cloud>::initialize()
            },
            fn provider_name() -> String {
                <$type as $crate::cloud::Cloud>::provider_name()
            },
            fn has_cluster_id() -> bool {
                <$type as $crate::cloud::Cloud>::has_cluster_id()
            }
        );
    };
    (load_balancer, $type:ty) => {
        $crate::__export!(
            load_balancer,
            fn get(
                cluster: String,
                service: $crate::cloud::Service,
            ) -> Result<Option<Vec<$crate::cloud::Ingress>>, $crate::cloud::Failure> {
                <$type as $crate::cloud::LoadBalancer>::get(&cluster, &service)
            },
            fn name(cluster: String, service: $crate::cloud::Service) -> String {
                <$type as $crate::cloud::LoadBalancer>::name(&cluster, &service)
            },
            fn ensure(
                cluster: String,
                service: $crate::cloud::Service,
                nodes: Vec<$crate::cloud::Node>,
            ) -> Result<Vec<$crate::cloud::Ingress>, $crate::cloud::Failure> {
                <$type as $crate::cloud::LoadBalancer>::ensure(&cluster, &service, &nodes)
            },
            fn update(
                cluster: String,
                service: $crate::cloud::Service,
                nodes: Vec<$crate::cloud::Node>,
            ) -> Result<(), $crate::cloud::Failure> {
                <$type as $crate::cloud::LoadBalancer>::update(&cluster, &service, &nodes)
            },
            fn delete(cluster: String, service: $crate::cloud::Service) -> Result<(), $crate::cloud::Failure> {
                <$type as $crate::cloud::LoadBalancer>::delete(&cluster, &service)
            }
        );
    };
    (instances, $type:ty) => {
        $crate::__export!(
            instances,
            fn exists(node: $crate::cloud::Node) -> Result<bool, $crate::cloud::Failure> {
                <$type as $crate::cloud::Instances>::exists(&node)
            },
            fn shutdown(node: $crate::cloud::Node) -> Result<bool, $crate::cloud::Failure> {
                <$type as $crate::cloud::Instances>::shutdown(&node)
            },
            fn describe(node: $crate::cloud::Node) -> Result<Option<$crate::cloud::Metadata>, $crate::cloud::Failure> {
                <$type as $crate::cloud::Instances>::describe(&node)
            }
        );
    };
    (routes, $type:ty) => {
        $crate::__export!(
            routes,
            fn list(cluster: String) -> Result<Vec<$crate::cloud::Route>, $crate::cloud::Failure> {
                <$type as $crate::cloud::Routes>::list(&cluster)
            },
            fn create(cluster: String, hint: String, route: $crate::cloud::Route) -> Result<(), $crate::cloud::Failure> {
                <$type as $crate::cloud::Routes>::create(&cluster, &hint, &route)
            },
            fn delete(cluster: String, route: $crate::cloud::Route) -> Result<(), $crate::cloud::Failure> {
                <$type as $crate::cloud::Routes>::delete(&cluster, &route)
            }
        );
    };
    (zones, $type:ty) => {
        $crate::__export!(
            zones,
            fn current() -> Result<$crate::cloud::Zone, $crate::cloud::Failure> {
                <$type as $crate::cloud::Zones>::current()
            },
            fn by_provider_id(id: String) -> Result<$crate::cloud::Zone, $crate::cloud::Failure> {
                <$type as $crate::cloud::Zones>::by_provider_id(&id)
            },
            fn by_node_name(name: String) -> Result<$crate::cloud::Zone, $crate::cloud::Failure> {
                <$type as $crate::cloud::Zones>::by_node_name(&name)
            }
        );
    };
    (clusters, $type:ty) => {
        $crate::__export!(
            clusters,
            fn list() -> Result<Vec<String>, $crate::cloud::Failure> {
                <$type as $crate::cloud::Clusters>::list()
            },
            fn master(cluster: String) -> Result<String, $crate::cloud::Failure> {
                <$type as $crate::cloud::Clusters>::master(&cluster)
            }
        );
    };
}
