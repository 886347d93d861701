//! Users' files: YAML and JSON definitions into settings and checks, with all problems at once.

mod advice;
pub mod catalog;
pub mod definition;
pub mod files;
pub mod keys;
pub mod mask;
mod references;
mod rules;
pub mod scalar;
pub mod source;
#[cfg(test)]
mod testing;
pub mod yaml;
