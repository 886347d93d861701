//! Users' files: YAML and JSON definitions into settings and checks, with all problems at once.

mod advice;
pub mod definition;
pub mod files;
pub mod keys;
pub mod kinds;
pub mod mask;
mod references;
pub mod report;
mod rules;
pub mod scalar;
pub mod source;
pub mod sync;
#[cfg(test)]
mod testing;
pub mod watch;
pub mod write;
pub mod yaml;
