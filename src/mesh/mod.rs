//! Measuring the network between places: who answers probes of others, and in which form they travel.
//!
//! Pure: [`wire`] (the packets) and [`reflecting`] (whom the reflector answers, and how often). A shell: [`reflector`].

pub mod clock;
pub mod reflecting;
pub mod reflector;
pub mod socket;
pub mod wire;
