//! Users' files: YAML and JSON definitions into settings and checks, with all problems at once.

pub mod definition;
pub mod scalar;
pub mod yaml;
