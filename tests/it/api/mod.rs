//! The API as a client sees it: the router is called directly, over a store in memory with the real catalog and notifier behind it.
//!
//! `NINEVOLT_BLESS=1 cargo test --test it api` rewrites `tests/snapshots/api/*.json` and `openapi.json`, for reading the difference.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bed;
mod cluster;
mod cluster_bed;
mod definitions;
mod door;
mod members;
mod original;
mod resources;
mod server;
mod snapshots;
mod state;
mod stream;
