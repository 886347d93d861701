//! Members and a real etcd, and what may happen to them: killed, stopped, put to sleep, cut off, lied to.
//!
//! Nothing in the product records for these tests. What is run is seen by the target, what is told is what the members print.

mod away;
mod clocks;
mod crew;
mod crowd;
mod deaths;
mod edits;
mod network;
mod orders;
mod partitions;
mod poison;
mod relay;
mod slow;
mod told;
mod twins;
mod watched;
mod without;
