//! From what the operating system says to the closed set of reasons.

use std::io;
use std::net::IpAddr;

use nix::errno::Errno;
use tokio::time::{Instant, timeout_at};

use super::{CheckCx, Run};
use crate::model::{Dur, Phase, Phases, Reason, Verdict};

/// Why a run cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// Of an I/O error, after a few words about what was being done.
    pub(crate) fn io(doing: impl std::fmt::Display, err: &io::Error) -> Self {
        let words = match err.raw_os_error() {
            Some(number) => Errno::from_raw(number).desc().to_lowercase(),
            None => err.to_string(),
        };
        Self::new(reason_of(err), format!("{doing}: {words}"))
    }

    /// The verdict: unknown where the reason is our own, otherwise the target's failure.
    pub(crate) fn verdict(self) -> Verdict {
        match self.reason {
            Reason::Permission | Reason::Resources | Reason::Network | Reason::PlugIn | Reason::Panic => {
                Verdict::unknown(self.reason, self.message)
            }
            _ => Verdict::fail(self.reason, self.message),
        }
    }
}

/// The reason behind an I/O error of a socket.
pub(crate) fn reason_of(err: &io::Error) -> Reason {
    match err.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ECONNREFUSED) => Reason::Refused,
        Some(Errno::EHOSTUNREACH | Errno::EHOSTDOWN) => Reason::Unreachable,
        Some(Errno::ENETUNREACH | Errno::ENETDOWN | Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT) => Reason::Network,
        Some(Errno::EACCES | Errno::EPERM) => Reason::Permission,
        Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM | Errno::EAGAIN) => Reason::Resources,
        Some(Errno::ETIMEDOUT) => Reason::Timeout,
        _ => Reason::Closed,
    }
}

/// The addresses of `host`, inside the run's deadline. The phase is noted only where there was a name to look up.
pub(crate) async fn addresses(
    cx: &CheckCx,
    host: &str,
    run: &Run<'_>,
    phases: &mut Phases,
) -> Result<Vec<IpAddr>, Failure> {
    let begun = Instant::now();
    let found = timeout_at(run.deadline, cx.resolve(host)).await;
    if bare(host).parse::<IpAddr>().is_err() {
        phases.add(Phase::Resolve, begun.elapsed());
    }
    match found {
        Err(_) => Err(Failure::new(
            Reason::Timeout,
            format!("looking up {host} exceeded run timeout ({})", Dur(run.timeout)),
        )),
        Ok(Err((reason, message))) => Err(Failure::new(reason, message)),
        Ok(Ok(found)) if found.is_empty() => Err(Failure::new(Reason::Resolve, format!("{host} has no address"))),
        Ok(Ok(found)) => Ok(found),
    }
}

/// A literal address without the brackets that URLs put around it.
pub(crate) fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;

    #[test]
    fn what_is_wrong_here_is_unknown_and_what_is_wrong_there_is_a_failure() {
        for (errno, reason, outcome) in [
            (Errno::ECONNREFUSED, Reason::Refused, Outcome::Fail),
            (Errno::EHOSTUNREACH, Reason::Unreachable, Outcome::Fail),
            (Errno::ECONNRESET, Reason::Closed, Outcome::Fail),
            (Errno::ENETUNREACH, Reason::Network, Outcome::Unknown),
            (Errno::EMFILE, Reason::Resources, Outcome::Unknown),
            (Errno::EPERM, Reason::Permission, Outcome::Unknown),
        ] {
            let failure = Failure::io("asking", &io::Error::from(errno));
            assert_eq!(failure.reason, reason, "{errno}");
            assert!(failure.message.starts_with("asking: "));
            assert_eq!(failure.verdict().outcome, outcome, "{errno}");
        }
    }
}
