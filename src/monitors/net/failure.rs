//! What errors of the operating system and of TLS say about a target, or about us.

use std::io;

use nix::libc;

use crate::model::{Reason, Verdict};

/// Why a step of a run did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) message: String,
    /// The run could not be made: it says nothing about the target.
    ours: bool,
}

/// Whether this reason lies with this process or host, not with the target: such a run is `Unknown`, never a failure.
pub(crate) const fn is_ours(reason: Reason) -> bool {
    matches!(reason, Reason::Resources | Reason::Network | Reason::Permission)
}

impl Failure {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            ours: is_ours(reason),
        }
    }

    /// A reason that is usually the target's, but this time ours (a certificate file that cannot be read).
    pub(crate) fn ours(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            ours: true,
            ..Self::new(reason, message)
        }
    }

    pub(crate) fn of_io(err: &io::Error) -> Self {
        Self::new(reason_of(err), describe(err))
    }

    /// The same with words in front of the message.
    pub(crate) fn context(mut self, before: impl std::fmt::Display) -> Self {
        self.message = format!("{before}: {}", self.message);
        self
    }

    pub(crate) fn verdict(self) -> Verdict {
        if self.ours {
            Verdict::unknown(self.reason, self.message)
        } else {
            Verdict::fail(self.reason, self.message)
        }
    }
}

fn tls_error(err: &io::Error) -> Option<&rustls::Error> {
    err.get_ref()?.downcast_ref()
}

fn reason_of(err: &io::Error) -> Reason {
    if tls_error(err).is_some() {
        return Reason::Tls;
    }
    match err.raw_os_error() {
        Some(libc::ECONNREFUSED) => Reason::Refused,
        // No route from here. The answer of a router in between ends in a timeout instead: TCP goes on trying.
        Some(libc::ENETUNREACH | libc::ENETDOWN | libc::EAFNOSUPPORT) => Reason::Network,
        // A neighbour that does not answer to ARP, too: the target is down.
        Some(libc::EHOSTUNREACH | libc::EHOSTDOWN) => Reason::Unreachable,
        Some(libc::ETIMEDOUT) => Reason::Timeout,
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EADDRNOTAVAIL | libc::EADDRINUSE) => {
            Reason::Resources
        }
        // A local packet filter; a remote one is silent or refuses.
        Some(libc::EPERM | libc::EACCES) => Reason::Permission,
        _ if err.kind() == io::ErrorKind::InvalidData => Reason::Protocol,
        _ => Reason::Closed,
    }
}

/// The error for people: the kind's words, which carry no number, where there are some.
pub(crate) fn describe(err: &io::Error) -> String {
    if let Some(err) = tls_error(err) {
        let text = err.to_string();
        // What `openssl req -x509` makes by default, and a library's word for it.
        return if text.contains("CaUsedAsEndEntity") {
            "the server shows an authority's certificate (CA:TRUE) as its own: give it one that is signed by it"
                .to_owned()
        } else {
            text
        };
    }
    if err.raw_os_error().is_none() {
        return err.to_string();
    }
    let kind = err.kind().to_string();
    if kind.starts_with("uncategorized") || kind.starts_with("other") {
        return err.to_string();
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;

    #[test]
    fn our_own_shortage_is_unknown_and_never_the_targets_failure() {
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::EADDRNOTAVAIL] {
            let verdict = Failure::of_io(&io::Error::from_raw_os_error(errno)).verdict();
            assert_eq!(
                (verdict.outcome, verdict.reason),
                (Outcome::Unknown, Some(Reason::Resources))
            );
        }
        let verdict = Failure::of_io(&io::Error::from_raw_os_error(libc::ENETUNREACH)).verdict();
        assert_eq!(
            (verdict.outcome, verdict.reason),
            (Outcome::Unknown, Some(Reason::Network))
        );
        let verdict = Failure::of_io(&io::Error::from_raw_os_error(libc::EPERM)).verdict();
        assert_eq!(
            (verdict.outcome, verdict.reason),
            (Outcome::Unknown, Some(Reason::Permission))
        );
    }

    #[test]
    fn what_the_target_does_is_its_failure() {
        for (errno, reason) in [
            (libc::ECONNREFUSED, Reason::Refused),
            (libc::EHOSTUNREACH, Reason::Unreachable),
            (libc::ECONNRESET, Reason::Closed),
            (libc::ETIMEDOUT, Reason::Timeout),
        ] {
            let verdict = Failure::of_io(&io::Error::from_raw_os_error(errno)).verdict();
            assert_eq!((verdict.outcome, verdict.reason), (Outcome::Fail, Some(reason)));
        }
    }

    #[test]
    fn messages_are_words_not_numbers() {
        let err = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert_eq!(describe(&err), "connection refused");
        assert!(describe(&io::Error::from_raw_os_error(libc::EMFILE)).contains("open files"));
    }
}
