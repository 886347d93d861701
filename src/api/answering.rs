//! What other members ask for their lists and pages: answered from what this member runs, and from nothing else, so that a question never
//! goes round.

use super::alerters::facts;
use super::notifications;
use super::others::{Look, Scope};
use super::parts::ApiState;
use super::query::Params;
use super::state_query::{Deriver, Filter, Row};
use crate::catalog::Carried;
use crate::model::{MemberId, WallMs};
use crate::peers::calls::{
    AlertersAnswer, NotificationsAnswer, NotificationsQuestion, Rank, RunAnswer, RunQuestion, StateAnswer,
    StateQuestion, StateRow, StatesAnswer, StatesQuestion,
};
use crate::peers::{Answer, Answers, Call, Refused, Why, weight};

/// Rows of an answer, at most.
const ROWS: usize = 2_000;
/// Ranks of an answer, at most.
const RANKS: usize = 10_000;
/// Runs of a monitor that a list shows.
const SPARK: usize = 30;
/// An answer that has grown to so many bytes ends, and says that there is more.
const ENOUGH: usize = 2 << 20;

#[async_trait::async_trait]
impl Answers for ApiState {
    async fn answer(&self, asker: &MemberId, call: Call) -> Result<Answer, Refused> {
        match call {
            Call::States(question) => Ok(states(self, &question)?.into()),
            Call::State(question) => Ok(state(self, &question)?.into()),
            Call::Counts(question) => Ok(self.measured().answer_for(self, &question.slots).into()),
            Call::Notifications(question) => Ok(notifications(self, &question)?.into()),
            Call::Alerters(_) => Ok(AlertersAnswer { alerters: facts(self) }.into()),
            Call::Changes(question) => Ok(self.changes().since(asker, question.since).into()),
            Call::Run(question) => Ok(run(self, &question).await?.into()),
            other => Err(Refused::unsupported(other.word())),
        }
    }
}

/// The asking member read the query before it asked: here it fails only where that one is of another version.
fn garbled<E>(_: E) -> Refused {
    Refused::new(Why::Garbled, "the query cannot be read")
}

fn states(api: &ApiState, question: &StatesQuestion) -> Result<StatesAnswer, Refused> {
    let filter = Filter::read(&Params::of(&question.query)).map_err(garbled)?;
    let deriver = Deriver::new(api, WallMs::now());
    let rows = filter.apply(api, &deriver, Scope::In(&question.slots));
    let total = rows.len();
    let rows = filter.after(rows, question.after.as_ref());
    let most = question.limit.min(if question.slim { RANKS } else { ROWS });
    let (mut taken, mut bytes) = (Vec::new(), 0);
    for row in rows.iter().take(most) {
        let row = if question.slim {
            slim(row)
        } else {
            let samples = if question.spark { SPARK } else { 1 };
            row.look(api, |look| full(&deriver, api, row, look, samples))
        };
        bytes += weight(&row);
        taken.push(row);
        if bytes > ENOUGH {
            break;
        }
    }
    Ok(StatesAnswer {
        more: taken.len() < rows.len(),
        rows: taken,
        total,
    })
}

fn slim(row: &Row) -> StateRow {
    StateRow {
        key: row.key,
        name: row.entry.name.clone(),
        state: None,
        unwatched: false,
        recorded: false,
    }
}

fn full(deriver: &Deriver, api: &ApiState, row: &Row, look: Look<'_>, samples: usize) -> StateRow {
    let flags = deriver.flags(api, &row.entry, look);
    StateRow {
        state: Some(Carried::recent(look.live, samples)),
        unwatched: flags.unwatched,
        recorded: look.recorded,
        ..slim(row)
    }
}

fn state(api: &ApiState, question: &StateQuestion) -> Result<StateAnswer, Refused> {
    let entry = api.catalog.monitor(question.name.as_str()).ok_or_else(missing)?;
    let deriver = Deriver::new(api, WallMs::now());
    let live = entry.known().map(|live| live.lock());
    let Some(live) = live.filter(|live| live.known_at.is_some()) else {
        return Ok(StateAnswer {
            state: None,
            unwatched: false,
        });
    };
    Ok(StateAnswer {
        unwatched: deriver.flags(api, &entry, Look::at(&live)).unwatched,
        state: Some(Carried::whole(&live)),
    })
}

fn missing() -> Refused {
    Refused::new(Why::Missing, "there is no such monitor here")
}

fn notifications(api: &ApiState, question: &NotificationsQuestion) -> Result<NotificationsAnswer, Refused> {
    let wanted = notifications::Wanted::read(&Params::of(&question.query)).map_err(garbled)?;
    let rows = wanted.here(api);
    let total = rows.len();
    let behind = |rank: &Rank| question.after.as_ref().is_none_or(|after| rank > after);
    let mut left = rows.into_iter().filter(|(rank, _)| behind(rank)).peekable();
    let mut taken = Vec::new();
    let mut bytes = 0;
    while taken.len() < question.limit.min(ROWS) && bytes <= ENOUGH {
        let Some((_, row)) = left.next() else { break };
        bytes += weight(&row);
        taken.push(row);
    }
    Ok(NotificationsAnswer {
        rows: taken,
        more: left.peek().is_some(),
        total,
    })
}

async fn run(api: &ApiState, question: &RunQuestion) -> Result<RunAnswer, Refused> {
    let entry = api.catalog.monitor(question.name.as_str()).ok_or_else(missing)?;
    if !entry.readable() {
        return Err(Refused::new(Why::Missing, "its definition has errors"));
    }
    let entry = api.whole(entry).await.ok().flatten().ok_or_else(missing)?;
    let (verdict, took) = api.lanes.ask(entry).await;
    Ok(RunAnswer {
        verdict,
        took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    })
}
