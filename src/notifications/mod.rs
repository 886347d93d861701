//! From a recorded transition to a delivery.

mod dedup;
mod lane;
mod limits;
