//! Bodies in Kubernetes' protobuf, which typed Go clients send.

pub use object::protobuf::{Error, decode_body as decode};
