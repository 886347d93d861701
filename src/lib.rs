//! 9volt: a distributed check scheduler.
//!
//! The modules in reading order: nouns, rules, edges, loops, and the one place that puts them together.
//! `ARCHITECTURE.md` says what each may know; a test holds it to that.

pub mod alerters;
pub mod api;
pub mod app;
pub mod catalog;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod cutoff;
pub mod director;
pub mod events;
pub mod feed;
pub mod manager;
pub mod mesh;
pub mod model;
pub mod monitors;
pub mod notifications;
pub mod peers;
pub mod results;
pub mod schedule;
pub mod silences;
pub mod state;
pub mod store;
pub mod tasks;
pub mod telemetry;
pub mod watchdog;
