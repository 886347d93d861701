//! Being cut off from the shared store: how this member knows, and what it may do meanwhile.
//!
//! [`rules`] says what follows from what was seen, [`round`] what others say of the store, [`newest`] which tables they know; [`asking`] asks
//! them, [`self_test`] looks whether anybody can be reached at all, and [`standing`] is what everybody else sees of it. [`shell`] is the loop that goes from state to
//! state: to the copy of the store and, by [`returning`], back; [`carry`] says what is written then, and [`bringing`] what goes along into another store. Meanwhile [`courier`] brings what other members'
//! alerters should know to those members, and [`notices`] tell operators of it. [`deciding`] is about a store that is another one than before: an operator says what becomes of it.

pub mod asking;
mod bringing;
mod carry;
pub mod courier;
pub mod deciding;
mod learn;
pub mod newest;
mod notices;
mod returning;
pub mod round;
pub mod rules;
#[cfg(test)]
mod rules_tests;
pub mod self_test;
mod shell;
pub mod standing;

pub use asking::{AskStore, Rounds};
pub use courier::{AskTell, Courier, Taker};
pub use deciding::{Decided, Deciding, Decision, Undecided};
pub use newest::lose;
pub use notices::{Noted, Notices};
pub use round::{Says, Verdict};
pub use rules::{Course, Seen, State, Telling};
pub use self_test::SelfTest;
pub use shell::{CutOff, alone};
pub use standing::{Standing, Stood};
