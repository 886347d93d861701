//! What this program says of itself: version and logs.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

/// The version from `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that this was built from, where the build knew it.
pub const COMMIT: &str = match option_env!("NINEVOLT_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// `<semver> - <commit>`, as the original prints it.
#[must_use]
pub fn version_line() -> String {
    format!("{VERSION} - {COMMIT}")
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error. `RUST_LOG` overrides the level where it is set.
pub fn start(format: LogFormat, debug: bool) {
    let default = if debug { "info,ninevolt=debug" } else { "info" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let registry = tracing_subscriber::registry().with(filter);
    let started = match format {
        LogFormat::Text => {
            use std::io::IsTerminal;
            let ansi = std::io::stderr().is_terminal();
            registry
                .with(
                    tracing_subscriber::fmt::layer()
                        .with_writer(std::io::stderr)
                        .with_ansi(ansi),
                )
                .try_init()
        }
        LogFormat::Json => {
            let layer = tracing_subscriber::fmt::layer()
                .json()
                .flatten_event(true)
                .with_writer(std::io::stderr);
            registry.with(layer).try_init()
        }
    };
    // Only a second start in one process fails, and then the first one's log goes on.
    drop(started);
}
