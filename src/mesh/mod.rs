//! Measuring the network between places: who answers probes of others, and in which form they travel.
//!
//! Pure: [`wire`] (the packets), [`reflecting`] (whom the reflector answers, and how often) and [`probing`] (what became of probes). Shells: [`reflector`] and
//! [`prober`], over one kind of [`socket`].

pub mod clock;
pub mod prober;
pub mod probing;
pub mod reflecting;
pub mod reflector;
pub mod socket;
pub mod wire;
