//! Services: cluster IPs and node ports (`pkg/registry/core/service/strategy.go`, `storage/alloc.go`).

mod allocator;

pub use allocator::{Allocator, Reservation};

use super::{Context, Strategy};
use crate::server::Shared;
use object::{Object, StatusError};

pub struct ServiceStrategy;

impl Strategy for ServiceStrategy {
    fn allocate<'s>(&self, context: &Context<'s>, new: &mut Object, old: Option<&Object>) -> Result<Option<Reservation<'s>>, StatusError> {
        context.shared.allocator.allocate(context.shared, new, old, context.dry_run).map(Some)
    }

    fn deleted(&self, shared: &Shared, object: &Object) {
        shared.allocator.release(object);
    }
}
