//! Being cut off from the shared store: how this member knows, and what it may do meanwhile.
//!
//! [`rules`] says what follows from what was seen, [`round`] what others say of the store, [`newest`] which tables they know; [`asking`] asks
//! them, [`self_test`] looks whether anybody can be reached at all, and [`standing`] is what everybody else sees of it.

pub mod asking;
pub mod newest;
pub mod round;
pub mod rules;
#[cfg(test)]
mod rules_tests;
pub mod self_test;
pub mod standing;

pub use asking::{AskStore, Rounds};
pub use newest::lose;
pub use round::{Says, Verdict};
pub use rules::{Course, Seen, State, Telling};
pub use self_test::SelfTest;
pub use standing::{Standing, Stood};
