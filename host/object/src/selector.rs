//! Label and field selectors, in their query form and as `metav1.LabelSelector`.

mod fields;
mod labels;

pub use fields::{FieldSelector, Op};
pub use labels::{LabelSelector, Operator, Requirement};
