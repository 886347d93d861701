//! The integration crate.

mod configs;
