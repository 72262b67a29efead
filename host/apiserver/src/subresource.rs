//! Subresources beside `status`, which is the object itself: a row of [`table`] each.

pub mod binding;
mod eviction;
mod finalize;
mod log;
mod scale;
mod stream;
mod table;
mod token;
mod whole;

pub use scale::view as scale_of;

use crate::call::{Call, Response, Target};
use async_trait::async_trait;
use object::StatusError;

#[async_trait]
pub trait Handler: Send + Sync {
    async fn answer(&self, call: &Call, target: &Target) -> Result<Response, StatusError>;
}

pub async fn answer(call: &Call, target: &Target) -> Result<Response, StatusError> {
    let name = target.subresource.as_ref().map_or("", |s| s.name.as_str());
    match table::of(&target.kind, name) {
        Some(handler) => handler.answer(call, target).await,
        None => Err(StatusError::no_such_path()),
    }
}
