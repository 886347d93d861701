//! Brings what other members' alerters should know to those members, while there is no store to leave it in.
//!
//! *Flow*: on the copy, what is for another member's alerter is below `sent/`. The courier asks that member to tell it, again and again until it is
//! told, and takes over what it says was told. From a member that says nothing for three seconds it does not wait: then this one tells by itself,
//! and goes on asking, so that the other one knows of it. *Guarantees*: whatever of two members told, the end of it is told by one of them.
//! *Caveats*: a member that is silent and not gone may tell, too; the keys of messages and incidents are the same.

mod errand;
mod round;
mod taker;
mod taking;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use self::round::Round;
pub use self::taker::Taker;
use crate::catalog::Catalog;
use crate::cluster::Tables;
use crate::model::{AlerterName, Group, MemberId, MonitorName};
use crate::peers::calls::{TellAnswer, TellQuestion};
use crate::peers::{AskError, Peers};
use crate::store::records::slot;
use crate::store::{Face, Followed, Standin, Works, keys};

/// Time for an answer.
const WITHIN: Duration = Duration::from_secs(1);
type Pair = (AlerterName, MonitorName);

/// The other members, for asking them to tell something.
#[async_trait::async_trait]
pub trait AskTell: Send + Sync + 'static {
    /// Asks one of them.
    ///
    /// # Errors
    /// Why there is no answer; within the time that was given, whatever happens.
    async fn tell(&self, member: &MemberId, question: TellQuestion, within: Duration) -> Result<TellAnswer, AskError>;
}

#[async_trait::async_trait]
impl AskTell for Peers {
    async fn tell(&self, member: &MemberId, question: TellQuestion, within: Duration) -> Result<TellAnswer, AskError> {
        self.ask(member, question, within).await
    }
}

/// Which alerters are `me` to work, by the newest table that is known here.
#[must_use]
pub fn works(tables: &Tables, me: &MemberId) -> Works {
    let (tables, me) = (tables.clone(), me.clone());
    Arc::new(move |alerter| tables.judge(&Group::notify(), slot(alerter.as_str())).as_ref() == Some(&me))
}

/// What it works with.
pub struct Courier {
    /// The copy, and when it counts.
    pub standin: Arc<Standin>,
    /// Who works which alerter, and judges which monitor.
    pub tables: Tables,
    /// In which slot a monitor is.
    pub catalog: Catalog,
    /// This member.
    pub me: MemberId,
    /// The other members.
    pub ask: Arc<dyn AskTell>,
}

impl Courier {
    /// Works whenever this member stands in, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut faces = self.standin.faces();
        let working = async {
            while faces.wait_for(|face| *face == Face::Copy).await.is_ok() {
                tokio::select! {
                    _ = faces.wait_for(|face| *face == Face::Through) => {}
                    never = self.stands_in() => match never {},
                }
            }
        };
        stop.run_until_cancelled(working).await;
    }

    async fn stands_in(&self) -> Infallible {
        let mut round = Round::new(self);
        let mut sent = round.copy.follow(&keys::sent());
        loop {
            let wake = round.wake();
            tokio::select! {
                news = sent.next() => round.take(news),
                Some(answered) = round.asking.next() => match answered {
                    Ok(answered) => round.answered(answered).await,
                    // Whoever was asked by it is asked by the next one.
                    Err(panic) => {
                        tracing::error!(%panic, "a question of the courier ended badly");
                        round.forget_questions();
                    }
                },
                () = sleep_until(wake) => {}
            }
            round.look().await;
        }
    }

    /// Asks once more what was told of all that is not known to be; to be called before what the copy holds is written into the store. Takes as long
    /// as it takes to ask everybody once.
    pub async fn settle(&self) {
        let mut round = Round::new(self);
        let sent = match round.copy.list(&keys::sent()).await {
            Ok((at, entries)) => Followed::Snapshot { at, entries },
            Err(error) => {
                tracing::warn!(%error, "cannot ask what was told");
                return;
            }
        };
        round.take(sent);
        loop {
            round.look().await;
            match round.asking.next().await {
                None => return,
                Some(Ok(answered)) => round.answered_once(answered).await,
                Some(Err(panic)) => tracing::error!(%panic, "a question of the courier ended badly"),
            }
        }
    }

    /// Whether a monitor is ours to speak for.
    fn judges(&self, monitor: &MonitorName) -> bool {
        let at = self.catalog.monitor(monitor.as_str()).and_then(|entry| entry.slot());
        at.is_some_and(|(group, slot)| self.tables.judge(&Group::named(&group), slot).as_ref() == Some(&self.me))
    }

    /// The other member that works an alerter.
    fn worker(&self, alerter: &AlerterName) -> Option<MemberId> {
        let worker = self.tables.judge(&Group::notify(), slot(alerter.as_str()));
        worker.filter(|worker| *worker != self.me)
    }
}
