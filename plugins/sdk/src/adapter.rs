//! Stream adapters: what a container writes, on its way into the log.
//!
//! ```no_run
//! use coracle_plugin::adapter::{Adapter, Answer, Line, Origin};
//!
//! /// Each line says which container wrote it.
//! struct Named;
//!
//! impl Adapter for Named {
//!     fn process(origin: Origin, _carry: Vec<u8>, lines: Vec<Line>) -> Result<Answer, String> {
//!         let named = |line: &Line| line.with(format!("{}: {}", origin.container, line.lossy()));
//!         Ok(Answer::lines(lines.iter().map(named).collect()))
//!     }
//! }
//!
//! coracle_plugin::adapter!(Named);
//! # fn main() {}
//! ```

pub use crate::bindings::adapt::exports::coracle::plugin::adapt::{Answer, Kind, Line, Origin, Sample, Source};

/// An adapter. What it must remember of a stream it answers as `carry`, and gets back with the next call.
pub trait Adapter {
    /// # Errors
    /// The lines wait, or pass as they are, as `spec.failurePolicy` says.
    fn process(origin: Origin, carry: Vec<u8>, lines: Vec<Line>) -> Result<Answer, String>;

    /// The stream has ended.
    ///
    /// # Errors
    /// As for `process`.
    fn flush(_origin: Origin, _carry: Vec<u8>) -> Result<Answer, String> {
        Ok(Answer::lines(Vec::new()))
    }
}

impl Answer {
    /// Only lines: no samples, and nothing to remember.
    pub fn lines(lines: Vec<Line>) -> Self {
        Self { carry: Vec::new(), lines, samples: Vec::new() }
    }
}

impl Line {
    /// This line with another text.
    pub fn with(&self, text: impl Into<Vec<u8>>) -> Self {
        Self { time: self.time, text: text.into(), continues: self.continues }
    }

    /// The text, with `\u{fffd}` for what is not UTF-8.
    pub fn lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.text)
    }
}

impl Origin {
    /// The argument `name` of the pod's annotation.
    pub fn argument(&self, name: &str) -> Option<&str> {
        self.arguments.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Makes a type the adapter of this component.
#[macro_export]
macro_rules! adapter {
    ($type:ty) => {
        #[doc(hidden)]
        pub struct CoraclePlugin;

        impl $crate::bindings::adapt::exports::coracle::plugin::adapt::Guest for CoraclePlugin {
            fn process(
                origin: $crate::adapter::Origin,
                carry: Vec<u8>,
                lines: Vec<$crate::adapter::Line>,
            ) -> Result<$crate::adapter::Answer, String> {
                <$type as $crate::adapter::Adapter>::process(origin, carry, lines)
            }

            fn flush(origin: $crate::adapter::Origin, carry: Vec<u8>) -> Result<$crate::adapter::Answer, String> {
                <$type as $crate::adapter::Adapter>::flush(origin, carry)
            }
        }
        $crate::bindings::adapt::export!(CoraclePlugin with_types_in $crate::bindings::adapt);
    };
}
