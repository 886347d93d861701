//! What members of a simulation ask one another: the real questions and answers, without sockets between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::cutoff::{AskStore, AskTell};
use crate::model::MemberId;
use crate::peers::calls::{Answer, Answers, Call, Question, StoreAnswer, StoreQuestion, TellAnswer, TellQuestion};
use crate::peers::{AskError, Directory, Refused};

/// Who can be asked. A cheap handle; clones share the content.
#[derive(Clone, Default)]
pub(super) struct Hub(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    answering: BTreeMap<MemberId, Arc<dyn Answers>>,
    cut: BTreeSet<(MemberId, MemberId)>,
}

impl Hub {
    pub(super) fn answer(&self, member: &MemberId, answers: Arc<dyn Answers>) -> Answering {
        self.0.lock().answering.insert(member.clone(), answers.clone());
        Answering {
            hub: self.clone(),
            member: member.clone(),
            answers,
        }
    }

    /// Whether two members hear one another.
    pub(super) fn cut(&self, one: &str, other: &str, cut: bool) {
        let id = |name: &str| MemberId::parse(name).unwrap();
        let mut inner = self.0.lock();
        for pair in [(id(one), id(other)), (id(other), id(one))] {
            if cut {
                inner.cut.insert(pair);
            } else {
                inner.cut.remove(&pair);
            }
        }
    }

    fn find(&self, from: &MemberId, to: &MemberId) -> Option<Arc<dyn Answers>> {
        let inner = self.0.lock();
        let cut = inner.cut.contains(&(from.clone(), to.clone()));
        inner.answering.get(to).filter(|_| !cut).cloned()
    }
}

/// For as long as a member answers.
pub(super) struct Answering {
    hub: Hub,
    member: MemberId,
    answers: Arc<dyn Answers>,
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut inner = self.hub.0.lock();
        // The next process of this member may answer by now.
        if inner
            .answering
            .get(&self.member)
            .is_some_and(|now| Arc::ptr_eq(now, &self.answers))
        {
            inner.answering.remove(&self.member);
        }
    }
}

/// One member's way to the others.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) hub: Hub,
    pub(super) me: MemberId,
    pub(super) directory: Directory,
}

impl Line {
    async fn call<Q: Question>(&self, member: &MemberId, question: Q, within: Duration) -> Result<Q::Answer, AskError> {
        if self.directory.get(member).is_none() {
            return Err(AskError::NotListed);
        }
        let Some(answers) = self.hub.find(&self.me, member) else {
            tokio::time::sleep(within).await;
            return Err(AskError::Late);
        };
        let answered = tokio::time::timeout(within, answers.answer(&self.me, question.into())).await;
        answered
            .map_err(|_| AskError::Late)?
            .map_err(AskError::Refused)?
            .try_into()
    }
}

#[async_trait]
impl AskStore for Line {
    fn others(&self) -> Vec<MemberId> {
        let all = self.directory.all().into_iter().map(|record| record.id.clone());
        all.filter(|id| *id != self.me).collect()
    }

    async fn ask(&self, member: &MemberId, question: StoreQuestion, within: Duration) -> Result<StoreAnswer, AskError> {
        self.call(member, question, within).await
    }
}

#[async_trait]
impl AskTell for Line {
    async fn tell(&self, member: &MemberId, question: TellQuestion, within: Duration) -> Result<TellAnswer, AskError> {
        self.call(member, question, within).await
    }
}

/// Pages are not asked for in simulation.
pub(super) struct NoPages;

#[async_trait]
impl Answers for NoPages {
    async fn answer(&self, _: &MemberId, call: Call) -> Result<Answer, Refused> {
        Err(Refused::unsupported(call.word()))
    }
}
