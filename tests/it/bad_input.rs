//! Whatever is wrong gets a clear error, and nothing is lost or half-written.

mod disk;
mod images;
mod requests;
mod start;
