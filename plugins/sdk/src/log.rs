//! Lines in the server's log, under the plugin's name.

pub use crate::bindings::platform::log::{Level, log};

/// `info!("{} nodes", n)`.
#[macro_export]
macro_rules! info {
    ($($text:tt)*) => { $crate::log::log($crate::log::Level::Info, &::std::format!($($text)*)) };
}

/// As [`info`], for what only somebody who searches for a fault wants.
#[macro_export]
macro_rules! debug {
    ($($text:tt)*) => { $crate::log::log($crate::log::Level::Debug, &::std::format!($($text)*)) };
}

/// As [`info`], for what somebody should look at.
#[macro_export]
macro_rules! warn {
    ($($text:tt)*) => { $crate::log::log($crate::log::Level::Warn, &::std::format!($($text)*)) };
}

/// As [`info`], for what went wrong.
#[macro_export]
macro_rules! error {
    ($($text:tt)*) => { $crate::log::log($crate::log::Level::Error, &::std::format!($($text)*)) };
}
