//! A strange store, and what an operator says is to become of it: go on with it, or write back what this member's copy holds.
//!
//! *Guarantees*: of several who say something at a time one is heard, and the others are told; a store is never taken for the known one before everything
//! is written back. Every other member that knew the store before follows by itself, also one that is away: to *adopt* is to write into the store whose place it takes, to
//! *restore* ends with the id that all know. *Caveats*: what is written back is what the member that is asked knew last.

mod restoring;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::rules::State;
use super::standing::Standing;
use crate::model::{MemberId, WallMs};
use crate::store::records::{FORMAT, StoreRecord};
use crate::store::{
    Commit, Entry, Finding, Guard, Key, Op, Outcome, Revision, Standin, Store, StoreError, decode, encode, keys,
};

/// Time for one write to be settled.
const SETTLE: Duration = Duration::from_secs(10);
/// Decisions that wait, at most: one is made at a time, and those that come meanwhile are refused.
const WAITING: usize = 4;

/// What an operator says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go on with what is there.
    Adopt,
    /// Write back what was there, from this member's copy.
    Restore,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The id of the store that all go on with.
    pub store: String,
    /// Records that were written.
    pub written: usize,
    /// Records that were removed.
    pub removed: usize,
}

/// Why nothing was decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// There is nothing to decide.
    #[error("the store is not strange to this member, which is {}: there is nothing to decide", .0.as_str())]
    NotStrange(State),
    /// Somebody else does something with that store.
    #[error("{0}")]
    Meanwhile(String),
    /// The store, or the copy.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What there is to decide about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Why the store is strange.
    pub why: String,
    /// What this member's copy holds.
    pub copy: Holds,
    /// What the store holds.
    pub there: Holds,
}

/// How much of what people write a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// Monitors that are defined.
    pub monitors: usize,
    /// Alerters that are defined.
    pub alerters: usize,
    /// Silences.
    pub silences: usize,
    /// Members that have a session in it.
    pub members: usize,
}

impl Holds {
    async fn of(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            id: said(store).await?.1.map(|record| record.id),
            monitors: count(store, &keys::monitors()).await?,
            alerters: count(store, &keys::alerters()).await?,
            silences: count(store, &keys::silences()).await?,
            members: count(store, &keys::members()).await?,
        })
    }
}

async fn count(store: &Store, prefix: &Key) -> Result<usize, StoreError> {
    let (mut pages, mut count) = (store.pages(prefix), 0);
    while let Some(page) = pages.next().await {
        count += page?.entries.len();
    }
    Ok(count)
}

/// What a store says of itself, and the revision of that.
async fn said(store: &Store) -> Result<(Revision, Option<StoreRecord>), StoreError> {
    let entry = store.get(&keys::store()).await?;
    let record = entry.as_ref().map(decode::<StoreRecord>).transpose()?;
    Ok((rev(entry.as_ref()), record.map(|record| record.value)))
}

fn rev(entry: Option<&Entry>) -> Revision {
    entry.map_or(Revision(0), |entry| entry.rev)
}

/// A decision that is asked for, and where the answer goes.
pub struct Asked(Decision, oneshot::Sender<Result<Decided, Undecided>>);

/// For whoever speaks with the operator. A cheap handle.
#[derive(Debug, Clone)]
pub struct Deciding {
    standin: Arc<Standin>,
    standing: Standing,
    ask: mpsc::Sender<Asked>,
}

impl Deciding {
    /// The handle, and where what is asked comes out: whoever knows the member's state listens there.
    #[must_use]
    pub fn new(standin: Arc<Standin>, standing: Standing) -> (Self, mpsc::Receiver<Asked>) {
        let (ask, asked) = mpsc::channel(WAITING);
        let deciding = Self { standin, standing, ask };
        (deciding, asked)
    }

    /// What there is to decide about.
    ///
    /// # Errors
    /// [`Undecided`].
    pub async fn choice(&self) -> Result<Choice, Undecided> {
        let stood = self.standing.now();
        if stood.state != State::Strange {
            return Err(Undecided::NotStrange(stood.state));
        }
        let copy = Holds::of(&self.standin.copy()).await?;
        let there = Holds::of(&self.standin.unguarded()).await?;
        Ok(Choice {
            why: stood.why,
            copy,
            there,
        })
    }

    /// Does it, whether or not anybody waits for the answer.
    ///
    /// # Errors
    /// [`Undecided`].
    pub async fn decide(&self, decision: Decision) -> Result<Decided, Undecided> {
        let (answer, answered) = oneshot::channel();
        let busy = || Undecided::Meanwhile("this member is about to stop, or does what was asked before".to_owned());
        self.ask.try_send(Asked(decision, answer)).map_err(|_| busy())?;
        answered.await.map_err(|_| busy())?
    }
}

impl Asked {
    /// Answers that it cannot be done, since this member is in that state.
    pub(super) fn refuse(self, state: State) {
        self.answer(Err(Undecided::NotStrange(state)));
    }

    /// Does it.
    pub(super) async fn make(self, standin: &Standin, me: &MemberId) {
        let made = make(standin, me, self.0).await;
        match &made {
            Ok(decided) => {
                tracing::warn!(decision = ?self.0, ?decided, "an operator has decided what becomes of the strange store")
            }
            Err(error) => {
                tracing::warn!(decision = ?self.0, %error, "what an operator wants done with the strange store is not done")
            }
        }
        self.answer(made);
    }

    fn answer(self, with: Result<Decided, Undecided>) {
        // Who asked may be gone: it is done all the same.
        let _ = self.1.send(with);
    }
}

async fn make(standin: &Standin, me: &MemberId, decision: Decision) -> Result<Decided, Undecided> {
    let there = standin.unguarded();
    let known = said(&standin.copy()).await?.1;
    let known = known.ok_or_else(|| Undecided::Meanwhile("the copy does not say which store it is of".to_owned()))?;
    let (rev, found) = said(&there).await?;
    if let Some(found) = found.as_ref().filter(|found| found.format > FORMAT) {
        let why = format!(
            "its records have format {}, this version reads up to {FORMAT}",
            found.format
        );
        return Err(StoreError::Denied(why).into());
    }
    // Looked at after what is guarded by its revision: nobody has decided anything before that.
    match standin.look().await? {
        Finding::Strange(_) => {}
        other => {
            let why = format!("somebody has decided already: {other}; this member goes on with it by itself");
            return Err(Undecided::Meanwhile(why));
        }
    }
    let made = match decision {
        Decision::Adopt => adopt(&there, &known, (rev, found)).await,
        Decision::Restore => restoring::restore(&there, &standin.copy(), &known, rev, me).await,
    };
    // Whatever became of it: the state follows from what the store says now.
    let _ = standin.look().await;
    made
}

/// Writes into the store whose place it takes.
async fn adopt(
    there: &Store,
    known: &StoreRecord,
    (rev, found): (Revision, Option<StoreRecord>),
) -> Result<Decided, Undecided> {
    // The known one with less in it becomes another one: members that know more of it have to see the difference.
    let found = found.filter(|found| found.id != known.id);
    let base = found.unwrap_or_else(|| StoreRecord::new(&uuid::Uuid::new_v4().to_string()));
    let record = base.following(known);
    let commit = Commit {
        guards: vec![Guard::Rev(keys::store(), rev), Guard::Absent(keys::restoring())],
        ops: vec![Op::Put(keys::store(), encode(&record)?, None)],
    };
    match there.settle(&[], commit, Instant::now() + SETTLE).await {
        Outcome::Done(_) => Ok(Decided {
            store: record.id,
            written: 0,
            removed: 0,
        }),
        Outcome::Refused(_) => Err(meanwhile(there).await),
        Outcome::Failed(error) | Outcome::Unknown(error) => Err(error.into()),
    }
}

/// Who writes their copy back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    v: u32,
    member: MemberId,
    at: WallMs,
}

/// Somebody else has done something, or does.
async fn meanwhile(there: &Store) -> Undecided {
    let claim = there.read::<Claim>(&keys::restoring()).await;
    Undecided::Meanwhile(match claim {
        Ok(Some(claim)) => format!(
            "member {} is writing its copy back, since {}",
            claim.value.member,
            claim.value.at.rfc3339()
        ),
        _ => "somebody else is doing something with this store; look again".to_owned(),
    })
}
