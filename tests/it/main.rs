//! The integration crate. A test belongs in the file whose name says what it is about.

mod api;
mod binary;
mod configs;
mod examples;
mod tidy;
