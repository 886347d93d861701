//! Asking other members.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::calls::{Call, Question, Sort};
use super::credentials::Credentials;
use super::directory::Directory;
use super::line::Line;
use super::stats::Stats;
use super::wire::{self, AskError, Gathered};
use crate::model::MemberId;
use crate::store::records::MemberRecord;

/// The other members, for asking. A cheap handle.
#[derive(Clone)]
pub struct Peers {
    inner: Arc<Inner>,
}

struct Inner {
    me: MemberId,
    credentials: Credentials,
    directory: Directory,
    lines: Mutex<HashMap<MemberId, Arc<Line>>>,
    stats: Stats,
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers")
            .field("me", &self.inner.me)
            .finish_non_exhaustive()
    }
}

impl Peers {
    /// For this member, with what it shows, and whom it knows.
    #[must_use]
    pub fn new(me: MemberId, credentials: Credentials, directory: Directory, stats: Stats) -> Self {
        Self {
            inner: Arc::new(Inner {
                me,
                credentials,
                directory,
                lines: Mutex::default(),
                stats,
            }),
        }
    }

    /// Whom this member knows.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.inner.directory
    }

    /// What was asked and answered.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.inner.stats
    }

    /// All members but this one.
    #[must_use]
    pub fn others(&self) -> Vec<MemberId> {
        let all = self.inner.directory.all().into_iter().map(|record| record.id.clone());
        all.filter(|id| *id != self.inner.me).collect()
    }

    /// Asks one member.
    ///
    /// # Errors
    /// Why there is no answer; within the time that was given, whatever happens.
    pub async fn ask<Q: Question>(
        &self,
        member: &MemberId,
        question: Q,
        within: Duration,
    ) -> Result<Q::Answer, AskError> {
        let call: Call = question.into();
        let asked = match self.inner.directory.get(member) {
            Some(record) => self.ask_at(&record, &call, within).await,
            None => Err(AskError::NotListed),
        };
        self.note(&call, &asked);
        Q::Answer::try_from(asked?)
    }

    /// Asks whoever runs under this record, which need not be in the member list: for a process that finds its own place taken.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn ask_process<Q: Question>(
        &self,
        record: &MemberRecord,
        question: Q,
        within: Duration,
    ) -> Result<Q::Answer, AskError> {
        let call: Call = question.into();
        let asked = match Line::new(&self.inner.credentials, record) {
            Ok(line) => exchange(&line, &call, within).await,
            Err(error) => Err(error),
        };
        self.note(&call, &asked);
        Q::Answer::try_from(asked?)
    }

    /// Asks several members at once, each its own question.
    pub async fn ask_each<Q: Question>(
        &self,
        questions: impl IntoIterator<Item = (MemberId, Q)>,
        within: Duration,
    ) -> Gathered<Q::Answer> {
        let asked = questions.into_iter().map(|(member, question)| async move {
            let answer = self.ask(&member, question, within).await;
            (member, answer)
        });
        join_all(asked).await.into_iter().collect()
    }

    /// Asks all other members the same.
    pub async fn ask_all<Q: Question + Clone>(&self, question: Q, within: Duration) -> Gathered<Q::Answer> {
        let others = self.others();
        self.ask_each(others.into_iter().map(|member| (member, question.clone())), within)
            .await
    }

    async fn ask_at(&self, record: &MemberRecord, call: &Call, within: Duration) -> Result<super::Answer, AskError> {
        exchange(&*self.line(record)?, call, within).await
    }

    fn note(&self, call: &Call, asked: &Result<super::Answer, AskError>) {
        let result = asked.as_ref().map_or_else(AskError::as_str, |_| "answered");
        self.inner.stats.asked(call.word(), result);
        if let Err(error) = asked {
            tracing::debug!(call = call.word(), %error, "a member does not answer");
        }
    }

    /// The connections to a member; new ones where its record has changed, and none to those that are gone.
    fn line(&self, record: &MemberRecord) -> Result<Arc<Line>, AskError> {
        let mut lines = self.inner.lines.lock();
        if let Some(line) = lines.get(&record.id)
            && line.leads_to(record)
        {
            return Ok(line.clone());
        }
        lines.retain(|member, _| self.inner.directory.get(member).is_some());
        let line = Arc::new(Line::new(&self.inner.credentials, record)?);
        lines.insert(record.id.clone(), line.clone());
        Ok(line)
    }
}

async fn exchange(line: &Line, call: &Call, within: Duration) -> Result<super::Answer, AskError> {
    let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
    let question = wire::question(call, within_ms);
    let page = call.sort() == Sort::Reading;
    if page && line.rests() {
        return Err(AskError::Late);
    }
    let came = timeout(within, line.ask(question.into())).await;
    if page {
        line.was_late(came.is_err());
    }
    match came {
        Ok(came) => wire::read_reply(&came?),
        Err(_) => Err(AskError::Late),
    }
}
