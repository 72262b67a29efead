//! From traits to the exports of a component.

/// Makes types the exports of this component: `scheduler!(filter: F, score: S)`, or any others of `pre_enqueue`, `queue_sort`, `requeue`,
/// `pre_filter`, `pre_filter_extensions`, `filter`, `post_filter`, `pre_score`, `score` or `raw_score` with `normalize`, `reserve`,
/// `permit`, `pre_bind`, `bind`, `post_bind`. With `nodes: N` first, that is what is kept of the nodes.
#[macro_export]
macro_rules! scheduler {
    (nodes: $row:ty, $($point:ident: $type:ty),+ $(,)?) => {
        #[doc(hidden)]
        pub struct CoraclePlugin;

        ::std::thread_local! {
            static CORACLE_NODES: ::std::cell::RefCell<$crate::scheduler::Table<$row>> = const { ::std::cell::RefCell::new($crate::scheduler::Table::new()) };
        }

        impl $crate::bindings::node_table::exports::coracle::plugin::node_table::Guest for CoraclePlugin {
            fn sync(delta: $crate::bindings::node_table::exports::coracle::plugin::node_table::Delta) -> Result<(), String> {
                CORACLE_NODES.with_borrow_mut(|table| table.apply(delta))
            }
        }
        $crate::bindings::node_table::export!(CoraclePlugin with_types_in $crate::bindings::node_table);

        $($crate::__scheduler_point!($point, $row, $type);)+
    };
    ($($point:ident: $type:ty),+ $(,)?) => { $crate::scheduler!(nodes: $crate::scheduler::Node, $($point: $type),+); };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __scheduler_point {
    (filter, $row:ty, $type:ty) => {
        $crate::__export!(
            filter,
            fn filter(
                pod: $crate::scheduler::Pod,
                candidates: Vec<u32>,
            ) -> Result<$crate::bindings::filter::exports::coracle::plugin::filter::Verdicts, String> {
                CORACLE_NODES.with_borrow(|table| $crate::scheduler::filter::<$row, $type>(table, &pod, &candidates))
            }
        );
    };
    (score, $row:ty, $type:ty) => {
        $crate::__export!(
            score,
            fn score(pod: $crate::scheduler::Pod, candidates: Vec<u32>) -> Result<Vec<u8>, String> {
                CORACLE_NODES.with_borrow(|table| $crate::scheduler::score::<$row, $type>(table, &pod, &candidates))
            }
        );
    };
    (raw_score, $row:ty, $type:ty) => {
        $crate::__export!(
            raw_score,
            fn score(pod: $crate::scheduler::Pod, candidates: Vec<u32>) -> Result<Vec<i64>, String> {
                CORACLE_NODES.with_borrow(|table| $crate::scheduler::raw_score::<$row, $type>(table, &pod, &candidates))
            }
        );
    };
    (normalize, $row:ty, $type:ty) => {
        $crate::__export!(
            score_normalize,
            fn normalize(pod: $crate::scheduler::Pod, _candidates: Vec<u32>, scores: Vec<i64>) -> Result<Vec<u8>, String> {
                <$type as $crate::scheduler::Normalize>::normalize(&pod, &scores)
            }
        );
    };
    (pre_enqueue, $row:ty, $type:ty) => {
        $crate::__export!(
            pre_enqueue,
            fn pre_enqueue(pods: Vec<$crate::scheduler::Pod>) -> Result<Vec<Option<String>>, String> {
                pods.iter().map(<$type as $crate::scheduler::PreEnqueue>::gate).collect()
            }
        );
    };
    (queue_sort, $row:ty, $type:ty) => {
        $crate::__export!(
            queue_sort,
            fn keys(pods: Vec<$crate::scheduler::Pod>) -> Result<Vec<Vec<i64>>, String> {
                pods.iter().map(<$type as $crate::scheduler::QueueSort>::key).collect()
            }
        );
    };
    (requeue, $row:ty, $type:ty) => {
        $crate::__export!(
            requeue,
            fn cares_about() -> $crate::scheduler::EventKinds {
                <$type as $crate::scheduler::Requeue>::cares_about()
            },
            fn hint(happened: $crate::scheduler::Happened, pods: Vec<$crate::scheduler::Pod>) -> Result<Vec<bool>, String> {
                pods.iter().map(|pod| <$type as $crate::scheduler::Requeue>::hint(&happened, pod)).collect()
            }
        );
    };
    (pre_filter, $row:ty, $type:ty) => {
        $crate::__export!(
            pre_filter,
            fn pre_filter(pod: $crate::scheduler::Pod) -> Result<$crate::scheduler::PreFilterOutcome, String> {
                CORACLE_NODES.with_borrow(|table| <$type as $crate::scheduler::PreFilter<$row>>::pre_filter(&pod, table))
            }
        );
    };
    (pre_filter_extensions, $row:ty, $type:ty) => {
        $crate::__export!(
            pre_filter_extensions,
            fn add_pods(pod: $crate::scheduler::Pod, change: $crate::scheduler::Change) -> Result<(), String> {
                let tell = <$type as $crate::scheduler::PreFilterExtensions<$row>>::add_pods;
                CORACLE_NODES.with_borrow_mut(|table| $crate::scheduler::change(table, &pod, change, tell))
            },
            fn remove_pods(pod: $crate::scheduler::Pod, change: $crate::scheduler::Change) -> Result<(), String> {
                let tell = <$type as $crate::scheduler::PreFilterExtensions<$row>>::remove_pods;
                CORACLE_NODES.with_borrow_mut(|table| $crate::scheduler::change(table, &pod, change, tell))
            }
        );
    };
    (post_filter, $row:ty, $type:ty) => {
        $crate::__export!(
            post_filter,
            fn post_filter(
                pod: $crate::scheduler::Pod,
                plugins: Vec<String>,
                refused: Vec<$crate::scheduler::Refused>,
            ) -> Result<$crate::scheduler::PostFilterOutcome, String> {
                CORACLE_NODES
                    .with_borrow(|table| <$type as $crate::scheduler::PostFilter<$row>>::post_filter(&pod, table, &plugins, &refused))
            }
        );
    };
    (pre_score, $row:ty, $type:ty) => {
        $crate::__export!(
            pre_score,
            fn pre_score(pod: $crate::scheduler::Pod, candidates: Vec<u32>) -> Result<$crate::scheduler::PreScoreOutcome, String> {
                CORACLE_NODES.with_borrow(|table| <$type as $crate::scheduler::PreScore<$row>>::pre_score(&pod, &table.those(&candidates)?))
            }
        );
    };
    (reserve, $row:ty, $type:ty) => {
        $crate::__export!(
            reserve,
            fn reserve(pod: $crate::scheduler::Pod, node: String) -> Result<Option<$crate::scheduler::Rejection>, String> {
                <$type as $crate::scheduler::Reserve>::reserve(&pod, &node)
            },
            fn unreserve(pod: $crate::scheduler::Pod, node: String) -> Result<(), String> {
                <$type as $crate::scheduler::Reserve>::unreserve(&pod, &node)
            }
        );
    };
    (permit, $row:ty, $type:ty) => {
        $crate::__export!(
            permit,
            fn permit(pod: $crate::scheduler::Pod, node: String) -> Result<$crate::scheduler::PermitOutcome, String> {
                <$type as $crate::scheduler::Permit>::permit(&pod, &node)
            }
        );
    };
    (pre_bind, $row:ty, $type:ty) => {
        $crate::__export!(
            pre_bind,
            fn pre_bind(pod: $crate::scheduler::Pod, node: String) -> Result<Option<$crate::scheduler::Rejection>, String> {
                <$type as $crate::scheduler::PreBind>::pre_bind(&pod, &node)
            }
        );
    };
    (bind, $row:ty, $type:ty) => {
        $crate::__export!(
            bind,
            fn bind(pod: $crate::scheduler::Pod, node: String) -> Result<$crate::scheduler::BindOutcome, String> {
                <$type as $crate::scheduler::Bind>::bind(&pod, &node)
            }
        );
    };
    (post_bind, $row:ty, $type:ty) => {
        $crate::__export!(
            post_bind,
            fn post_bind(pod: $crate::scheduler::Pod, node: String) -> Result<(), String> {
                <$type as $crate::scheduler::PostBind>::post_bind(&pod, &node)
            }
        );
    };
}
