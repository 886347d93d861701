//! What a failed request means: whether it may have been done, what to try next, and how to tell a person.

use std::error::Error as _;

use etcd_client::Error;
use tonic::{Code, ConnectError, Status};

use crate::store::backend::{Revision, StoreError};

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) error: StoreError,
}

/// What is known about a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// etcd has looked at it, and did not do it.
    Refused,
    /// Nobody was there to send it to, or nobody who understands it.
    NotSent,
    /// It may have been done, may be done later, or never.
    Unsure,
    /// Our token is not known (any more): it was not done.
    Token,
    /// The answer is larger than we take.
    TooLarge,
}

/// What people are told, as an error.
type Meaning = fn(String) -> StoreError;

/// What etcd says (a part of the message), and what that means. All of these are said before anything is changed.
const REFUSALS: &[(&str, Meaning)] = &[
    ("database space exceeded", |text| {
        StoreError::Full(format!(
            "{text}; compact and defragment it or raise its --quota-backend-bytes, then `etcdctl alarm disarm`"
        ))
    }),
    ("requested lease not found", |_| StoreError::NoLease),
    ("required revision has been compacted", |_| {
        StoreError::Compacted(Revision(0))
    }),
    // The history that we knew is not that of this store any more: list again.
    ("required revision is a future revision", |_| {
        StoreError::Compacted(Revision(0))
    }),
    ("permission denied", |text| {
        StoreError::Denied(format!(
            "{text}; its user needs read and write on everything below the prefix"
        ))
    }),
    ("authentication failed", |text| {
        StoreError::Denied(format!("{text}; see --etcd-userpass"))
    }),
    ("too many operations in txn request", StoreError::Invalid),
    ("duplicate key given in txn request", StoreError::Invalid),
    ("request is too large", StoreError::Invalid),
    ("received message larger than max", StoreError::Invalid),
    ("key is not provided", StoreError::Invalid),
];

/// Ways in which etcd says that it does not know our token, or that it is older than the present roles.
const TOKENS: &[&str] = &[
    "invalid auth token",
    "revision of auth store is old",
    "user name is empty",
];

/// What the client says when an answer is larger than it takes.
const LARGE: &str = "decoded message length too large";

/// What the client says when the other side speaks HTTP, but not gRPC.
const NO_GRPC: &[&str] = &[
    "grpc-status header missing",
    "invalid content-type",
    "invalid compression flag",
];
/// And when it speaks an older HTTP, as an etcd of the API v2 does.
const NO_HTTP2: &str = "frame with invalid size";

/// Judges a failed request to an endpoint.
pub(super) fn judge(error: &Error, endpoint: &str) -> Failure {
    match error {
        Error::GRpcStatus(status) => judge_status(status, endpoint),
        Error::LeaseKeepAliveError(text) if text.contains("lease not found") => Failure {
            kind: Kind::Refused,
            error: StoreError::NoLease,
        },
        other => unsure(&format!("`{endpoint}`: {}", chain(other))),
    }
}

fn judge_status(status: &Status, endpoint: &str) -> Failure {
    let message = status.message();
    if let Some(connect) = connect_error(status) {
        return Failure {
            kind: Kind::NotSent,
            error: StoreError::Unavailable(format!("`{endpoint}` cannot be reached: {connect}")),
        };
    }
    if message.contains(LARGE) {
        return Failure {
            kind: Kind::TooLarge,
            error: StoreError::Damaged(format!("`{endpoint}`: one entry is larger than all that we take")),
        };
    }
    let text = format!("`{endpoint}` says: {}", message.trim_start_matches("etcdserver: "));
    if status.code() == Code::Unauthenticated || TOKENS.iter().any(|known| message.contains(known)) {
        return Failure {
            kind: Kind::Token,
            error: StoreError::Denied(format!("{text}; see --etcd-userpass")),
        };
    }
    if let Some(error) = refusal(message, &text) {
        return Failure {
            kind: Kind::Refused,
            error,
        };
    }
    if status.code() == Code::Unimplemented || NO_GRPC.iter().any(|known| message.contains(known)) {
        return Failure {
            kind: Kind::NotSent,
            error: StoreError::Unavailable(format!(
                "`{endpoint}` does not speak the API v3 of etcd; name an etcd of version 3.4 or newer"
            )),
        };
    }
    let Some(source) = status.source() else {
        return unsure(&text);
    };
    let why = chain(source);
    if why.contains(NO_HTTP2) {
        return unsure(&format!(
            "`{endpoint}` does not speak the API v3 of etcd ({why}); name an etcd of version 3.4 or newer"
        ));
    }
    unsure(&format!("`{endpoint}`: {message}: {why}"))
}

/// What etcd's own words mean, where they are known; `text` is for people.
pub(super) fn refusal(message: &str, text: &str) -> Option<StoreError> {
    let known = REFUSALS.iter().find(|(known, _)| message.contains(known));
    known.map(|(_, error)| error(text.to_owned()))
}

/// No answer within the time.
pub(super) fn no_answer(endpoint: &str) -> Failure {
    unsure(&format!("`{endpoint}` gives no answer"))
}

fn unsure(text: &str) -> Failure {
    Failure {
        kind: Kind::Unsure,
        error: StoreError::Unavailable(text.to_owned()),
    }
}

/// Why no connection could be opened, if that is why.
fn connect_error(status: &Status) -> Option<String> {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return Some(chain(error));
        }
        source = error.source();
    }
    None
}

/// An error with what caused it, each said once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|said| said.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: Code, message: &str) -> Failure {
        judge(&Error::GRpcStatus(Status::new(code, message)), "http://a:1")
    }

    #[test]
    fn what_etcd_refuses_is_told_apart_from_what_nobody_knows() {
        let table = [
            (
                Code::ResourceExhausted,
                "etcdserver: mvcc: database space exceeded",
                Kind::Refused,
            ),
            (Code::NotFound, "etcdserver: requested lease not found", Kind::Refused),
            (Code::PermissionDenied, "etcdserver: permission denied", Kind::Refused),
            (
                Code::InvalidArgument,
                "etcdserver: authentication failed, invalid user ID or password",
                Kind::Refused,
            ),
            (
                Code::InvalidArgument,
                "etcdserver: too many operations in txn request",
                Kind::Refused,
            ),
            (
                Code::InvalidArgument,
                "etcdserver: duplicate key given in txn request",
                Kind::Refused,
            ),
            (Code::InvalidArgument, "etcdserver: request is too large", Kind::Refused),
            (
                Code::OutOfRange,
                "etcdserver: mvcc: required revision has been compacted",
                Kind::Refused,
            ),
            (Code::Unauthenticated, "etcdserver: invalid auth token", Kind::Token),
            (
                Code::InvalidArgument,
                "etcdserver: revision of auth store is old",
                Kind::Token,
            ),
            (Code::InvalidArgument, "etcdserver: user name is empty", Kind::Token),
            (
                Code::OutOfRange,
                "Error, decoded message length too large: found 9 bytes, the limit is: 4 bytes",
                Kind::TooLarge,
            ),
            (Code::Unavailable, "etcdserver: request timed out", Kind::Unsure),
            (
                Code::Unavailable,
                "etcdserver: request timed out, possibly due to previous leader failure",
                Kind::Unsure,
            ),
            (Code::Unavailable, "etcdserver: leader changed", Kind::Unsure),
            (Code::Unavailable, "etcdserver: no leader", Kind::Unsure),
            (Code::DeadlineExceeded, "context deadline exceeded", Kind::Unsure),
            (Code::Cancelled, "operation was canceled", Kind::Unsure),
            (Code::Unknown, "h2 protocol error", Kind::Unsure),
            (Code::Unknown, "something new", Kind::Unsure),
            (Code::Unimplemented, "unknown service etcdserverpb.KV", Kind::NotSent),
        ];
        for (code, message, kind) in table {
            let failure = said(code, message);
            assert_eq!(failure.kind, kind, "{message}: {failure:?}");
        }
    }

    #[test]
    fn full_gone_denied_compacted_and_out_of_reach_are_five_things() {
        let error = |code, message| said(code, message).error;
        assert!(
            matches!(error(Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded"), StoreError::Full(text) if text.contains("disarm"))
        );
        assert_eq!(
            error(Code::NotFound, "etcdserver: requested lease not found"),
            StoreError::NoLease
        );
        assert!(
            matches!(error(Code::PermissionDenied, "etcdserver: permission denied"), StoreError::Denied(text) if text.contains("http://a:1"))
        );
        let compacted = error(
            Code::OutOfRange,
            "etcdserver: mvcc: required revision has been compacted",
        );
        assert_eq!(compacted, StoreError::Compacted(Revision(0)));
        assert!(
            matches!(error(Code::Unavailable, "etcdserver: no leader"), StoreError::Unavailable(text) if text.contains("http://a:1"))
        );
        assert!(matches!(error(Code::Unimplemented, "x"), StoreError::Unavailable(text) if text.contains("API v3")));
    }

    #[test]
    fn a_lease_that_is_not_found_by_its_keep_alive_is_gone() {
        let failure = judge(&Error::LeaseKeepAliveError("lease not found".to_owned()), "a");
        assert_eq!((failure.kind, failure.error), (Kind::Refused, StoreError::NoLease));
    }
}
