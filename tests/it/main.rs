//! The integration crate.

mod api;
mod configs;
