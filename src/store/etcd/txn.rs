//! Commits as transactions of etcd, and its answers as outcomes. Pure.

use etcd_client::proto::{PbTxnOpResponse, PbTxnResponse};
use etcd_client::{Compare, CompareOp, GetOptions, PutOptions, Txn, TxnOp};

use super::space::{Space, number, revision};
use crate::store::backend::{Commit, Guard, LeaseId, Op, Outcome, Refusal, Revision, StoreError};

/// etcd's own limit (`--max-txn-ops`): along each path from the outermost transaction to the innermost, the widest lists of comparisons or
/// operations may not sum up to more.
const MAX_WIDTH: usize = 128;

/// A request, and how its answer is read.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) txn: Txn,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One commit: its guards and the shared ones side by side. Where there are both, the other branch says which of them failed.
    One { shared: bool, own: bool },
    /// Several, each a transaction inside that of the shared guards; `wrapped` once more.
    Many { wrapped: bool },
}

/// One commit, or several that travel together. None where etcd would not take it: too many guards or operations.
pub(super) fn request(space: &Space, shared: &[Guard], commits: &[Commit]) -> Option<Request> {
    match commits {
        [commit] => one(space, shared, commit),
        commits => many(space, shared, commits),
    }
}

fn one(space: &Space, shared: &[Guard], commit: &Commit) -> Option<Request> {
    let both = !shared.is_empty() && !commit.guards.is_empty();
    let width = (shared.len() + commit.guards.len()).max(commit.ops.len()).max(1);
    if width + if both { shared.len() } else { 0 } > MAX_WIDTH {
        return None;
    }
    let guards: Vec<Compare> = shared.iter().chain(&commit.guards).map(|g| compare(space, g)).collect();
    let mut txn = Txn::new().when(guards).and_then(operations(space, commit));
    if both {
        txn = txn.or_else(vec![TxnOp::txn(Txn::new().when(compares(space, shared)))]);
    }
    let shape = Shape::One {
        shared: !shared.is_empty(),
        own: !commit.guards.is_empty(),
    };
    Some(Request { txn, shape })
}

fn many(space: &Space, shared: &[Guard], commits: &[Commit]) -> Option<Request> {
    let inner = commits
        .iter()
        .map(|c| c.guards.len().max(c.ops.len()))
        .max()
        .unwrap_or(0);
    if 1 + shared.len().max(commits.len()) + inner.max(1) > MAX_WIDTH {
        return None;
    }
    let each: Vec<TxnOp> = commits
        .iter()
        .map(|c| {
            TxnOp::txn(
                Txn::new()
                    .when(compares(space, &c.guards))
                    .and_then(operations(space, c)),
            )
        })
        .collect();
    let right = Txn::new().when(compares(space, shared)).and_then(each);
    if !commits.iter().any(puts) {
        let shape = Shape::Many { wrapped: false };
        return Some(Request { txn: right, shape });
    }
    // When etcd weighs a request against its quota it does not look into inner transactions: a store that is full would go on taking puts,
    // and grow. A put in a branch that is never taken is what it sees.
    let always = Compare::create_revision(space.top(), CompareOp::Greater, -1);
    let txn = Txn::new()
        .when(vec![always])
        .and_then(vec![TxnOp::txn(right)])
        .or_else(vec![TxnOp::put(space.top(), "", None)]);
    let shape = Shape::Many { wrapped: true };
    Some(Request { txn, shape })
}

/// Whether a commit wants room.
pub(super) fn puts(commit: &Commit) -> bool {
    commit.ops.iter().any(|op| matches!(op, Op::Put(..)))
}

/// Whether a commit wants a lease.
pub(super) fn leased(commit: &Commit) -> bool {
    commit.ops.iter().any(|op| matches!(op, Op::Put(_, _, Some(_))))
}

fn compares(space: &Space, guards: &[Guard]) -> Vec<Compare> {
    guards.iter().map(|guard| compare(space, guard)).collect()
}

fn compare(space: &Space, guard: &Guard) -> Compare {
    let key = space.full(guard.key());
    match guard {
        Guard::Absent(_) => Compare::create_revision(key, CompareOp::Equal, 0),
        Guard::Rev(_, rev) => Compare::mod_revision(key, CompareOp::Equal, number(*rev)),
        Guard::Born(_, rev) => Compare::create_revision(key, CompareOp::Equal, number(*rev)),
        Guard::Is(_, value) => Compare::value(key, CompareOp::Equal, value.to_vec()),
        // To etcd this is the lease of what hangs on none, and of what is not there; to us it is no lease.
        Guard::Lease(_, LeaseId(0)) => Compare::version(key, CompareOp::Less, 0),
        Guard::Lease(_, lease) => Compare::lease(key, CompareOp::Equal, lease.0),
    }
}

fn operations(space: &Space, commit: &Commit) -> Vec<TxnOp> {
    if commit.ops.is_empty() {
        // A transaction that only compares is answered by whoever is asked from what it happens to know; one that reads is not.
        let key = commit.guards.first().map(|guard| space.full(guard.key()));
        let key = key.unwrap_or_else(|| space.top().as_bytes().to_vec());
        return vec![TxnOp::get(key, Some(GetOptions::new().with_count_only()))];
    }
    let operation = |op: &Op| match op {
        Op::Put(key, value, lease) => {
            let options = lease.map(|lease| PutOptions::new().with_lease(lease.0));
            TxnOp::put(space.full(key), value.to_vec(), options)
        }
        Op::Delete(key) => TxnOp::delete(space.full(key), None),
    };
    commit.ops.iter().map(operation).collect()
}

impl Request {
    /// What became of each of `count` commits.
    pub(super) fn outcomes(&self, answer: &PbTxnResponse, count: usize) -> Vec<Outcome> {
        let rev = revision(answer.header.as_ref().map_or(0, |header| header.revision));
        let read = match self.shape {
            Shape::One { shared, own } => outcome_of_one(answer, rev, shared, own).map(|outcome| vec![outcome]),
            Shape::Many { wrapped: true } => inner(answer)
                .next()
                .flatten()
                .and_then(|right| of_many(right, rev, count)),
            Shape::Many { wrapped: false } => of_many(answer, rev, count),
        };
        let odd = || StoreError::Unavailable("its answer does not fit what was asked".to_owned());
        read.filter(|outcomes| outcomes.len() == count)
            .unwrap_or_else(|| vec![Outcome::Unknown(odd()); count])
    }
}

fn outcome_of_one(answer: &PbTxnResponse, rev: Revision, shared: bool, own: bool) -> Option<Outcome> {
    let refusal = match (answer.succeeded, shared, own) {
        (true, ..) => return Some(Outcome::Done(rev)),
        (false, true, true) if inner(answer).next()??.succeeded => Refusal::Own,
        (false, true, _) => Refusal::Shared,
        (false, false, _) => Refusal::Own,
    };
    Some(Outcome::Refused(refusal))
}

fn of_many(right: &PbTxnResponse, rev: Revision, count: usize) -> Option<Vec<Outcome>> {
    if !right.succeeded {
        return Some(vec![Outcome::Refused(Refusal::Shared); count]);
    }
    inner(right)
        .map(|each| {
            Some(match each?.succeeded {
                true => Outcome::Done(rev),
                false => Outcome::Refused(Refusal::Own),
            })
        })
        .collect()
}

/// The answers of the inner transactions.
fn inner(answer: &PbTxnResponse) -> impl Iterator<Item = Option<&PbTxnResponse>> {
    answer.responses.iter().map(|response| match &response.response {
        Some(PbTxnOpResponse::ResponseTxn(txn)) => Some(txn),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use etcd_client::proto::{PbResponseHeader, PbResponseOp, PbTxnOpRequest, PbTxnRequest};
    use proptest::prelude::*;

    use super::*;
    use crate::store::backend::{Key, MAX_OPS};
    use crate::store::commit::{BATCH_COMMITS, BATCH_OPS, waves};

    fn space() -> Space {
        Space::new("/9volt/".to_owned())
    }

    fn put(n: usize) -> Op {
        Op::Put(Key::new(format!("silence/{n}")), Bytes::from_static(b"x"), None)
    }

    fn guard(n: usize) -> Guard {
        Guard::Absent(Key::new(format!("silence/{n}")))
    }

    fn commit(first: usize, guards: usize, ops: usize) -> Commit {
        Commit {
            guards: (0..guards).map(|n| guard(first + n)).collect(),
            ops: (0..ops).map(|n| put(first + n)).collect(),
        }
    }

    /// As etcd counts (`checkTxnRequest`): the widest list of each level, summed along every path.
    fn width(txn: &PbTxnRequest) -> usize {
        let here = txn.compare.len().max(txn.success.len()).max(txn.failure.len());
        let below = txn.success.iter().chain(&txn.failure).map(|op| match &op.request {
            Some(PbTxnOpRequest::RequestTxn(inner)) => width(inner),
            _ => 0,
        });
        here + below.max().unwrap_or(0)
    }

    /// As etcd weighs (`costTxn`): puts of the outermost transaction only.
    fn weight(txn: &PbTxnRequest) -> usize {
        let puts = |ops: &[etcd_client::proto::PbTxnRequestOp]| {
            ops.iter()
                .filter(|op| matches!(op.request, Some(PbTxnOpRequest::RequestPut(_))))
                .count()
        };
        puts(&txn.success).max(puts(&txn.failure))
    }

    fn answer(succeeded: bool, inner: Vec<PbTxnResponse>) -> PbTxnResponse {
        PbTxnResponse {
            header: Some(PbResponseHeader {
                revision: 42,
                ..PbResponseHeader::default()
            }),
            succeeded,
            responses: inner
                .into_iter()
                .map(|txn| PbResponseOp {
                    response: Some(PbTxnOpResponse::ResponseTxn(txn)),
                })
                .collect(),
        }
    }

    proptest! {
        #[test]
        fn whatever_travels_together_is_within_the_limits_of_etcd(
            shared in 0_usize..6,
            sizes in prop::collection::vec((0_usize..BATCH_OPS + 20, 0_usize..=MAX_OPS), 1..90),
        ) {
            let shared: Vec<Guard> = (0..shared).map(|n| Guard::Absent(Key::new(format!("plan/{n}")))).collect();
            let commits: Vec<Commit> =
                sizes.iter().enumerate().map(|(n, (guards, ops))| commit(n * 1000, *guards, *ops)).collect();
            for batch in waves(commits).into_iter().flatten() {
                let request = request(&space(), &shared, &batch).expect("a batch is within the limits");
                let txn = PbTxnRequest::from(request.txn);
                prop_assert!(width(&txn) <= MAX_WIDTH, "{} wide", width(&txn));
                prop_assert_eq!(weight(&txn) > 0, batch.iter().any(puts), "etcd sees whether room is wanted");
            }
        }
    }

    #[test]
    fn a_full_batch_under_the_guards_of_a_session_and_a_seat_fits() {
        let shared = [guard(1), guard(2)];
        let commits: Vec<_> = (0..BATCH_COMMITS)
            .map(|n| commit(n * 100, BATCH_OPS, BATCH_OPS))
            .collect();
        assert!(request(&space(), &shared, &commits).is_some());
        assert!(request(&space(), &shared, &[commit(10, 6, MAX_OPS)]).is_some());
    }

    #[test]
    fn what_etcd_would_not_take_is_not_sent() {
        let many: Vec<_> = (0..200).map(guard).collect();
        assert!(request(&space(), &many, &[commit(0, 0, 1)]).is_none());
        assert!(request(&space(), &[], &[commit(0, 200, 1)]).is_none());
        assert!(request(&space(), &many, &[commit(0, 0, 1), commit(1, 0, 1)]).is_none());
    }

    #[test]
    fn a_refusal_of_one_says_which_guard_it_was() {
        let rows = [
            (vec![], commit(0, 1, 1), answer(false, vec![]), Refusal::Own),
            (vec![guard(9)], commit(0, 0, 1), answer(false, vec![]), Refusal::Shared),
            (
                vec![guard(9)],
                commit(0, 1, 1),
                answer(false, vec![answer(true, vec![])]),
                Refusal::Own,
            ),
            (
                vec![guard(9)],
                commit(0, 1, 1),
                answer(false, vec![answer(false, vec![])]),
                Refusal::Shared,
            ),
        ];
        for (shared, commit, answer, refusal) in rows {
            let request = request(&space(), &shared, &[commit]).unwrap();
            assert_eq!(request.outcomes(&answer, 1), [Outcome::Refused(refusal)]);
        }
    }

    #[test]
    fn each_of_many_has_its_own_outcome() {
        let commits = [commit(0, 1, 1), commit(1, 1, 1)];
        let request = request(&space(), &[guard(9)], &commits).unwrap();
        let each = vec![answer(true, vec![]), answer(false, vec![])];
        let outcomes = request.outcomes(&answer(true, vec![answer(true, each)]), 2);
        assert_eq!(outcomes, [Outcome::Done(Revision(42)), Outcome::Refused(Refusal::Own)]);
        let refused = request.outcomes(&answer(true, vec![answer(false, vec![])]), 2);
        assert_eq!(refused, vec![Outcome::Refused(Refusal::Shared); 2]);
    }

    #[test]
    fn an_answer_of_another_shape_is_no_outcome() {
        let commits = [commit(0, 1, 1), commit(1, 1, 1)];
        let request = request(&space(), &[], &commits).unwrap();
        for odd in [
            answer(true, vec![]),
            answer(true, vec![answer(true, vec![answer(true, vec![])])]),
        ] {
            let outcomes = request.outcomes(&odd, 2);
            assert!(
                outcomes.iter().all(|outcome| matches!(outcome, Outcome::Unknown(_))),
                "{outcomes:?}"
            );
        }
    }
}
