//! The reflectors of this member, each on a thread of its own: a flood of probes takes time from no check.

use std::net::SocketAddr;

use super::{App, Ended, StartError};
use crate::mesh::reflecting::{IN_ALL, Networks, PER_SOURCE, Policy};
use crate::mesh::reflector::Reflector;
use crate::mesh::wire::Key;
use crate::tasks::Tasks;

/// What the reflectors were asked for.
#[derive(Debug, Clone, Default)]
pub struct ReflectorOptions {
    /// Where they listen; nowhere: nobody is answered.
    pub listen: Vec<SocketAddr>,
    /// Who is answered, beside this machine.
    pub networks: Networks,
    /// With it, only packets that are signed with it.
    pub key: Option<Key>,
}

impl App {
    /// The addresses that probes are answered on.
    pub fn reflect_on(&self) -> Vec<SocketAddr> {
        self.reflectors.iter().map(Reflector::address).collect()
    }
}

/// Binds them.
pub(super) fn bind(options: &ReflectorOptions) -> Result<Vec<Reflector>, StartError> {
    let bind = |address: &SocketAddr| {
        let policy = Policy {
            networks: options.networks.clone(),
            key: options.key.clone(),
            per_source: PER_SOURCE,
            in_all: IN_ALL,
        };
        Reflector::bind(*address, policy).map_err(|why| StartError::Listen {
            listen: address.to_string(),
            hint: match why.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    "; ports below 1024 need a capability, choose another one with --reflector-listen"
                }
                _ => "; probes are answered there, choose an address with --reflector-listen",
            },
            why,
        })
    };
    options.listen.iter().map(bind).collect()
}

/// Starts them.
pub(super) fn start(reflectors: Vec<Reflector>, tasks: &mut Tasks<Ended>) -> anyhow::Result<()> {
    for reflector in reflectors {
        let token = tasks.stop().clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        tasks.spawn_blocking(move || {
            // For who looks at threads: `top -H`. Nothing depends on it.
            let _ = nix::sys::prctl::set_name(c"reflector");
            match runtime.block_on(reflector.run(token)) {
                Ok(()) => Ended::Quietly("reflector"),
                Err(error) => Ended::Lost(format!("reflector ({error})")),
            }
        });
    }
    Ok(())
}
