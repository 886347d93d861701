//! The real binary over real sockets: what an operator sees of it.

mod cluster;
mod commands;
mod editing;
mod etcd;
mod flags;
mod members;
mod probe;
mod reflector;
mod restarts;
mod snmp;
mod starting;
mod stores;
mod telling;
mod world;
