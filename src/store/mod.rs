//! A typed handle over a dumb backend, and list-then-watch, once, for everybody.

pub mod backend;
pub mod keys;
pub mod records;
