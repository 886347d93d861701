//! The rights to act, as values: who holds one was given it by the commit or the table that made it true, and each is proved again by a guard
//! in the moment of writing, whatever any clock did meanwhile.

use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::backend::{Commit, Entry, Guard, LeaseId, Op, Outcome, Revision, StoreError};
use super::records::{MAX_STATE, MemberRecord, Table};
use super::{Store, decode, encode, keys};
use crate::model::MemberId;

/// Keep-alives within the time of the lease, at least.
const BEATS_PER_TTL: u32 = 3;
/// Attempts to write the member record while somebody else writes it.
const OPEN_ATTEMPTS: usize = 3;

/// The value of a seat.
#[must_use]
pub fn seat_value(stamp: &str) -> Bytes {
    Bytes::copy_from_slice(stamp.as_bytes())
}

/// Why no session could be opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Another data directory has this member id.
    #[error(
        "member `{member}` is already here: another data directory on host `{hostname}` ({listen}); give this one another --member-id, or wait until that one is gone"
    )]
    Taken {
        /// The id.
        member: MemberId,
        /// Where the other one runs.
        hostname: String,
        /// Its API.
        listen: String,
    },
    /// Others write our record at the same time.
    #[error("member `{0}` is being started more than once at the same time")]
    Contended(MemberId),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Its lease is gone: open another one.
    #[error("the lease is gone")]
    Lease,
    /// Another process has taken the member's record over: do not take it back.
    #[error("another process (boot {boot} on host `{hostname}`) has taken this member over")]
    TakenOver {
        /// That process.
        boot: String,
        /// Its host.
        hostname: String,
    },
}

/// The lease of this process; its member record hangs on it.
#[derive(Debug)]
pub struct Session {
    store: Store,
    lease: LeaseId,
    ttl: Duration,
    member: MemberId,
    boot: String,
    record: Mutex<(MemberRecord, Revision)>,
    proof: Mutex<Instant>,
}

impl Session {
    /// Writes the member record on a new lease. A record of one's own previous life (same identity) is taken over at once, and whatever
    /// hung on its lease ends; another identity is refused.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn open(store: &Store, record: MemberRecord, ttl: Duration) -> Result<Self, SessionError> {
        let granted = Instant::now();
        let lease = store.backend.grant(ttl).await?;
        match Self::write(store, &record, lease.id, lease.ttl).await {
            Ok(rev) => Ok(Self {
                store: store.clone(),
                lease: lease.id,
                ttl: lease.ttl,
                member: record.id.clone(),
                boot: record.boot.clone(),
                record: Mutex::new((record, rev)),
                proof: Mutex::new(granted),
            }),
            Err(error) => {
                // It would end by itself; the record may hang on it if the answer was lost.
                if let Err(error) = store.backend.revoke(lease.id).await {
                    debug!(%error, "could not revoke a lease that was not needed");
                }
                Err(error)
            }
        }
    }

    async fn write(
        store: &Store,
        record: &MemberRecord,
        lease: LeaseId,
        ttl: Duration,
    ) -> Result<Revision, SessionError> {
        let key = keys::member(&record.id);
        let value = encode(record)?;
        for _ in 0..OPEN_ATTEMPTS {
            let before = store.get(&key).await?;
            let old = match &before {
                Some(entry) => Self::previous(record, entry)?,
                None => None,
            };
            let commit = Commit {
                guards: vec![Guard::Rev(key.clone(), before.map_or(Revision(0), |entry| entry.rev))],
                ops: vec![Op::Put(key.clone(), value.clone(), Some(lease))],
            };
            match store.settle(&[], commit, Instant::now() + ttl).await {
                Outcome::Done(rev) => {
                    if let Some(old) = old {
                        info!(member = %record.id, "took over the record of this member's previous life");
                        // With it ends a directorship that hangs on it. The record does not: it has moved to the new lease.
                        match store.backend.revoke(old).await {
                            Ok(()) | Err(StoreError::NoLease) => {}
                            Err(error) => {
                                warn!(%error, "could not revoke the lease of the previous life, it ends by itself")
                            }
                        }
                    }
                    return Ok(rev);
                }
                Outcome::Refused(_) => {}
                Outcome::Unknown(error) | Outcome::Failed(error) => return Err(error.into()),
            }
        }
        Err(SessionError::Contended(record.id.clone()))
    }

    /// The lease of our own previous life in a member record that is there, if it may be taken over.
    fn previous(mine: &MemberRecord, entry: &Entry) -> Result<Option<LeaseId>, SessionError> {
        match decode::<MemberRecord>(entry) {
            Ok(there) if there.value.identity != mine.identity => Err(SessionError::Taken {
                member: mine.id.clone(),
                hostname: there.value.hostname,
                listen: there.value.listen,
            }),
            Ok(_) => Ok(entry.lease),
            Err(error) => Err(error.into()),
        }
    }

    /// Who.
    #[must_use]
    pub fn member(&self) -> &MemberId {
        &self.member
    }

    /// The lease.
    #[must_use]
    pub fn lease(&self) -> LeaseId {
        self.lease
    }

    /// The time that was granted.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// What proves this session in a commit.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard::Lease(keys::member(&self.member), self.lease)
    }

    /// When the last request was *sent* that proved this session: alive at least until this plus [`Session::ttl`].
    #[must_use]
    pub fn proof(&self) -> Instant {
        *self.proof.lock()
    }

    /// Keeps the lease alive until `stop` or the session's end. A store that does not answer is no end: see [`Session::proof`].
    ///
    /// # Errors
    /// [`Lost`], when the session has ended otherwise.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), Lost> {
        let beat = self.ttl / BEATS_PER_TTL;
        let mut beats = interval(beat);
        // After a stall the next one is enough.
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = beats.tick() => {}
            }
            let beaten = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                beaten = timeout(beat, self.prove()) => beaten,
            };
            let error = match beaten {
                Ok(Ok(())) => {
                    if std::mem::take(&mut silent) {
                        info!(member = %self.member, "the session is kept alive again");
                    }
                    continue;
                }
                Ok(Err(Unproved::Lost(lost))) => return Err(lost),
                Ok(Err(Unproved::Store(error))) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            if !std::mem::replace(&mut silent, true) {
                warn!(member = %self.member, error, "cannot keep the session alive, trying on");
            }
        }
    }

    /// One proof: the lease lives, and the record is still ours. Both are asked for at once: where each answer takes long, one after the other would not fit into a lease time
    /// as often as it should.
    ///
    /// # Errors
    /// [`Unproved`].
    pub async fn prove(&self) -> Result<(), Unproved> {
        let sent = Instant::now();
        let key = keys::member(&self.member);
        let (kept, entry) = tokio::join!(self.store.backend.keep_alive(self.lease), self.store.get(&key));
        match kept {
            Ok(()) => {}
            Err(StoreError::NoLease) => return Err(Unproved::Lost(Lost::Lease)),
            Err(error) => return Err(Unproved::Store(error)),
        }
        match entry.map_err(Unproved::Store)? {
            Some(entry) if entry.lease == Some(self.lease) => {
                *self.proof.lock() = sent;
                Ok(())
            }
            Some(entry) => match decode::<MemberRecord>(&entry) {
                Ok(there) if there.value.boot != self.boot => Err(Unproved::Lost(Lost::TakenOver {
                    boot: there.value.boot,
                    hostname: there.value.hostname,
                })),
                _ => Err(Unproved::Lost(Lost::Lease)),
            },
            // Somebody removed the record, or the lease ended between the two calls.
            None => Err(Unproved::Lost(Lost::Lease)),
        }
    }

    /// Changes the member record (`leaving`, tags).
    pub async fn update(&self, change: impl FnOnce(&mut MemberRecord)) -> Outcome {
        let (mut record, _) = self.record.lock().clone();
        change(&mut record);
        self.put(&self.store, record).await
    }

    /// Writes the member record as it is, by way of `store`: something harmless, that shows whether it takes anything. Sent once, and not settled: what is to be
    /// written is there already.
    pub async fn touch(&self, store: &Store) -> Outcome {
        let (record, _) = self.record.lock().clone();
        let outcome = match self.written(&record) {
            Ok(commit) => store.commit(commit).await,
            Err(error) => Outcome::Failed(error),
        };
        self.note(record, outcome)
    }

    /// Asks the store to take what is as large as a record may be, by guards that contradict each other: it is to be refused, and what is lost on its way is not answered.
    pub async fn try_large(&self) -> Outcome {
        let key = keys::member(&self.member);
        let guards = vec![Guard::Absent(key.clone()), self.guard()];
        let ops = vec![Op::Put(key, Bytes::from_static(&[b' '; MAX_STATE]), None)];
        self.store.commit(Commit { guards, ops }).await
    }

    async fn put(&self, store: &Store, record: MemberRecord) -> Outcome {
        let outcome = match self.written(&record) {
            Ok(commit) => store.settle(&[], commit, Instant::now() + self.ttl).await,
            Err(error) => Outcome::Failed(error),
        };
        self.note(record, outcome)
    }

    fn written(&self, record: &MemberRecord) -> Result<Commit, StoreError> {
        let put = Op::Put(keys::member(&self.member), encode(record)?, Some(self.lease));
        Ok(Commit {
            guards: vec![self.guard()],
            ops: vec![put],
        })
    }

    fn note(&self, record: MemberRecord, outcome: Outcome) -> Outcome {
        if let Outcome::Done(rev) = outcome {
            *self.record.lock() = (record, rev);
        }
        outcome
    }

    /// Ends the session: the lease is revoked, the record and whatever else hangs on it go at once.
    ///
    /// # Errors
    /// The store does not answer: the lease ends by itself.
    pub async fn close(&self) -> Result<(), StoreError> {
        match self.store.backend.revoke(self.lease).await {
            Ok(()) | Err(StoreError::NoLease) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Tries to become the director. `None`: somebody else is.
    ///
    /// # Errors
    /// The store does not say.
    pub async fn campaign(&self) -> Result<Option<Term>, StoreError> {
        let key = keys::director();
        let commit = Commit {
            guards: vec![Guard::Absent(key.clone())],
            ops: vec![Op::Put(
                key.clone(),
                Bytes::copy_from_slice(self.member.as_str().as_bytes()),
                Some(self.lease),
            )],
        };
        match self
            .store
            .settle(&[self.guard()], commit, Instant::now() + self.ttl)
            .await
        {
            Outcome::Done(_) | Outcome::Refused(_) => {}
            Outcome::Failed(error) | Outcome::Unknown(error) => return Err(error),
        }
        // Read in any case: a term that this session won earlier, or by a copy of the commit that came late, is its own.
        let entry = self.store.get(&key).await?;
        Ok(entry
            .filter(|e| e.lease == Some(self.lease))
            .map(|e| Term { born: e.born }))
    }

    /// Gives the directorship back, so that the next one need not wait for the lease.
    pub async fn resign(&self, term: Term) -> Outcome {
        let commit = Commit {
            guards: vec![term.guard()],
            ops: vec![Op::Delete(keys::director())],
        };
        self.store.settle(&[], commit, Instant::now() + self.ttl).await
    }

    /// The right to judge the slots that a table gives to this member; `None` if it gives none.
    #[must_use]
    pub fn tenure(&self, group: &str, table: &Table) -> Option<Tenure> {
        let judges = table.runs.iter().any(|run| run.judge.as_ref() == Some(&self.member));
        let stamp = table.stamps.get(&self.member).filter(|_| judges)?;
        Some(Tenure {
            group: group.to_owned(),
            member: self.member.clone(),
            stamp: stamp.clone(),
            session: self.guard(),
        })
    }
}

/// Why a session could not be proved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    /// It has ended.
    #[error(transparent)]
    Lost(Lost),
    /// The store does not say.
    #[error(transparent)]
    Store(StoreError),
}

/// The right to direct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    born: Revision,
}

impl Term {
    /// What proves it in a commit.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard::Born(keys::director(), self.born)
    }

    /// The name of the `n`th table of this term: never used twice, and greater than any before. `latest`: the place of the latest that is there, which
    /// a store that was restored has from terms of another count.
    #[must_use]
    pub fn epoch(&self, n: u64, latest: Option<(u64, u64)>) -> String {
        let (term, n) = match latest {
            Some((term, last)) => (self.born.0, n).max((term, last.saturating_add(1))),
            None => (self.born.0, n),
        };
        format!("{term}-{n}")
    }
}

/// The right to judge the slots of a group that a table gave to this member, or to work its alerters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenure {
    group: String,
    member: MemberId,
    stamp: String,
    session: Guard,
}

impl Tenure {
    /// The placement group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Who holds it.
    #[must_use]
    pub fn member(&self) -> &MemberId {
        &self.member
    }

    /// What proves it in a commit, together with the session: the shared guards of a `commit_all`.
    #[must_use]
    pub fn guards(&self) -> Vec<Guard> {
        vec![
            self.session.clone(),
            Guard::Is(keys::seat(&self.group, &self.member), seat_value(&self.stamp)),
        ]
    }
}

#[cfg(test)]
#[path = "rights_tests.rs"]
mod tests;
