//! Where the exports of a component are: it has those that its object asks for.

use crate::ctx::State;
use crate::load::Error;
use crate::plugins::bindings::exports::coracle::plugin::{
    bind, filter, node_table, permit, post_bind, post_filter, pre_bind, pre_enqueue, pre_filter, pre_filter_extensions, pre_score,
    queue_sort, raw_score, requeue, reserve, score, score_normalize,
};
use crate::plugins::pool::Exports;
use crate::plugins::worlds::Made;
use crate::plugins::worlds::mirror::Mirror;
use interfaces::schedule::Points;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::Instance;

/// One row for each interface: field, when it is looked for.
macro_rules! interfaces {
    ($($field:ident, $wanted:expr;)*) => {
        /// In the component.
        #[derive(Default)]
        pub struct Found {
            $($field: Option<$field::GuestIndices>,)*
        }

        /// In one instance; and what it knows of the nodes.
        pub struct Guest {
            $(pub $field: Option<$field::Guest>,)*
            pub mirror: Mirror,
        }

        impl Found {
            /// # Errors
            /// An export has other types than this version's.
            pub fn of(made: &Made, points: Points) -> Result<Self, Error> {
                Ok(Self {
                    $($field: {
                        let wanted: fn(&Made, Points) -> bool = $wanted;
                        wanted(made, points).then(|| $field::GuestIndices::new(&made.pre)).transpose().map_err(|cause| made.mismatch(cause))?
                    },)*
                })
            }
        }

        impl Exports for Arc<Found> {
            type Guest = Guest;

            fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Guest> {
                Ok(Guest {
                    $($field: self.$field.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,)*
                    mirror: Mirror::default(),
                })
            }
        }
    };
}

impl Found {
    /// Whether its scores are any numbers.
    pub fn is_raw(&self) -> bool {
        self.raw_score.is_some()
    }
}

fn is_raw(made: &Made, points: Points) -> bool {
    points.has(Points::SCORE | Points::SCORE_NORMALIZE) && made.exports("coracle:plugin/raw-score")
}

interfaces! {
    node_table, |made, _| made.exports("coracle:plugin/node-table");
    pre_enqueue, |_, points| points.has(Points::PRE_ENQUEUE);
    queue_sort, |_, points| points.has(Points::QUEUE_SORT);
    requeue, |_, points| points.has(Points::REQUEUE);
    pre_filter, |_, points| points.has(Points::PRE_FILTER);
    pre_filter_extensions, |_, points| points.has(Points::PRE_FILTER_EXTENSIONS);
    filter, |_, points| points.has(Points::FILTER);
    post_filter, |_, points| points.has(Points::POST_FILTER);
    pre_score, |_, points| points.has(Points::PRE_SCORE);
    score, |made, points| points.has(Points::SCORE) && !is_raw(made, points);
    raw_score, is_raw;
    score_normalize, |_, points| points.has(Points::SCORE_NORMALIZE);
    reserve, |_, points| points.has(Points::RESERVE);
    permit, |_, points| points.has(Points::PERMIT);
    pre_bind, |_, points| points.has(Points::PRE_BIND);
    bind, |_, points| points.has(Points::BIND);
    post_bind, |_, points| points.has(Points::POST_BIND);
}
