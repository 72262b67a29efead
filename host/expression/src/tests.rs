//! Tables: expression × data → value, error or cost.

mod smoke;
