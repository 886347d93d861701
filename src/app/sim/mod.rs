//! One whole member in simulation: the real parts over a store in memory that misbehaves when asked to, with the clock paused.
//!
//! [`stage`] is what is around it, [`member`] puts it together as `App` does, [`world`] is the operator's hand. `scenarios` and `restarts` hold one
//! behaviour each, `hand_over` those of several members ([`crew`]), `without`, `strange`, `full`, `notices` and `hung` those of members that
//! lose the store, or stop turning; [`schedules`] runs schedules of faults by chance,
//! those of [`chaos`] for one member and of [`storm`] for several, and [`check`] says what must hold after all of them. [`transcripts`] plays `tests/scenarios/`.

mod chaos;
mod check;
mod crew;
mod edits;
mod errands;
mod faults;
mod full;
mod hand_over;
mod hub;
mod hung;
mod member;
mod notices;
mod restarts;
mod scenarios;
mod schedules;
mod stage;
mod storm;
mod strange;
mod transcripts;
mod without;
mod world;
