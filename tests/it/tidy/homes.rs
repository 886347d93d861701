//! One home per dependency: what a library is taken for happens in one place, so that it can be exchanged there.

use std::collections::BTreeSet;

use super::source::{files, root};

/// Crate, as code names it, and the modules that may.
const HOMES: &[(&str, &[&str])] = &[
    ("redb", &["store/embedded"]),
    ("etcd_client", &["store/etcd"]),
    ("tonic", &["store/etcd"]),
    ("axum", &["api"]),
    // The schemas of matchers and of the answer to a sync stand beside them.
    ("utoipa", &["api", "config/report", "silences"]),
    ("utoipa_axum", &["api"]),
    ("rust_embed", &["api/ui"]),
    ("subtle", &["api"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
    ("lettre", &["alerters/email"]),
    ("hmac", &["alerters/email", "mesh/wire"]),
    ("ipnet", &["mesh/reflecting"]),
    ("rtime_clock", &["mesh/clock"]),
    ("async_snmp", &["alerters/snmp"]),
    // Deliveries, and the client of `cfg --server` and friends.
    ("reqwest", &["alerters", "cli", "notifications"]),
    ("hickory_proto", &["monitors/dns"]),
    ("hickory_resolver", &["monitors/net"]),
    ("tokio_rustls", &["monitors/net", "peers"]),
    ("rcgen", &["peers/credentials"]),
    ("x509_parser", &["monitors/net"]),
    ("webpki_roots", &["alerters/http", "monitors/net"]),
    ("notify", &["config/watch"]),
    ("granit_parser", &["config/yaml"]),
    ("strsim", &["config", "silences"]),
    ("globset", &["silences"]),
    ("tracing_subscriber", &["telemetry"]),
    ("mimalloc", &["main"]),
];

/// Dependencies whose library has another name than the package.
const CALLED: &[(&str, &str)] = &[("md_5", "md5")];

#[test]
fn a_dependency_is_named_in_its_home_only() {
    let mut complaints = Vec::new();
    for file in files("src") {
        let module = file.module();
        for (number, line) in file.shipped() {
            for (name, homes) in HOMES.iter().filter(|(name, _)| names(line, name)) {
                let at_home = homes
                    .iter()
                    .any(|h| module == *h || module.starts_with(&format!("{h}/")));
                if !at_home {
                    complaints.push(format!(
                        "{}:{number}: `{name}` lives in {}",
                        file.path,
                        homes.join(", ")
                    ));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_dependency_is_used() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut section = "";
    let mut wanted = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if ["[dependencies]", "[dev-dependencies]"].contains(&section)
            && let Some((name, _)) = line.split_once(" = ")
            && !name.starts_with('#')
        {
            let name = name.replace('-', "_");
            let called = CALLED.iter().find(|(package, _)| *package == name);
            wanted.insert(called.map_or(name, |(_, called)| (*called).to_owned()));
        }
    }
    for folder in ["src", "tests", "examples", "benches"] {
        if !root().join(folder).exists() {
            continue;
        }
        for file in files(folder) {
            for (_, line) in file.shipped().chain(file.tested()) {
                wanted.retain(|name| !names(line, name));
            }
        }
    }
    assert!(wanted.is_empty(), "in Cargo.toml, but used by nobody: {wanted:?}");
}

#[test]
fn the_descriptors_are_those_of_the_etcd_client_in_the_lock_file() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let version = lock
        .split("name = \"etcd-client\"\nversion = \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    let set = format!("etcd-client-{version}.fds");
    let stand_in = std::fs::read_to_string(root().join("tools/protoc")).unwrap();
    assert!(
        root().join("tools/etcd-proto").join(&set).exists() && stand_in.contains(&set),
        "run tools/etcd-proto/make, and name {set} in tools/protoc"
    );
}

/// Whether a line of code names a crate: `name::`, `use name;`, `extern`.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = &line[..at];
        let after = &line[at + name.len()..];
        let starts = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"')
            && (!before.ends_with("::") || before.ends_with(" ::"));
        starts && (after.starts_with("::") || (before.ends_with("use ") && after.starts_with([';', ' '])))
    })
}
