//! The integration crate. A test belongs in the file whose name says what it is about.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should say where"
)]

mod api;
mod binary;
mod configs;
mod examples;
mod tidy;
