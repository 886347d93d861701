//! The addresses of a host for kinds that make their own sockets.

use std::net::IpAddr;

use tokio::time::{Instant, timeout_at};

use super::connect::Host;
use super::failure::Failure;
use crate::model::{Dur, Phase, Phases, Reason};
use crate::monitors::{CheckCx, Run};

/// Looks up `host` inside the run's deadline. The phase is noted only where there was a name to look up.
pub(crate) async fn addresses(
    cx: &CheckCx,
    host: &Host,
    run: &Run<'_>,
    phases: &mut Phases,
) -> Result<Vec<IpAddr>, Failure> {
    let name = match host {
        Host::Ip(ip) => return Ok(vec![*ip]),
        Host::Name(name) => name,
    };
    let begun = Instant::now();
    let found = timeout_at(run.deadline, cx.resolve(name)).await;
    phases.add(Phase::Resolve, begun.elapsed());
    match found {
        Ok(found) => found.map_err(|(reason, message)| Failure::new(reason, message)),
        Err(_) => Err(Failure::new(
            Reason::Timeout,
            format!("looking up {name} exceeded run timeout ({})", Dur(run.timeout)),
        )),
    }
}
