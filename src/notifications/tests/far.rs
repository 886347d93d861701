//! A far end that does what a test says and remembers what it heard.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::sleep;

use crate::alerters::{DeliveryCx, DeliveryError, DynAlerter, Receipt, Retry};
use crate::model::Notification;

/// What becomes of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// It is taken.
    Taken,
    /// It is taken, and the answer does not arrive.
    TakenSilently,
    /// It is not taken.
    Fails(Retry),
}

#[derive(Default)]
pub(super) struct Far {
    has_key: bool,
    fallback: bool,
    takes: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Answer>,
    always: Option<Answer>,
    attempts: usize,
    heard: Vec<Notification>,
    open: BTreeSet<String>,
    opened: usize,
    closed: usize,
    at_once: usize,
    most_at_once: usize,
}

impl Far {
    /// Keeps incidents by their key.
    pub(super) fn keyed() -> Self {
        Self {
            has_key: true,
            ..Self::default()
        }
    }

    /// Shows whatever it is given.
    pub(super) fn chat() -> Self {
        Self::default()
    }

    /// Its alerter is marked `fallback`.
    pub(super) fn fallback(self) -> Self {
        Self { fallback: true, ..self }
    }

    pub(super) fn is_fallback(&self) -> bool {
        self.fallback
    }

    pub(super) fn taking(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }

    pub(super) fn always(self, answer: Answer) -> Self {
        self.state.lock().always = Some(answer);
        self
    }

    /// The answers to the next attempts; after them, whatever it always says.
    pub(super) fn script(self, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.state.lock().script.extend(answers);
        self
    }

    pub(super) fn henceforth(&self, answer: Answer) {
        self.state.lock().always = Some(answer);
    }

    pub(super) fn attempts(&self) -> usize {
        self.state.lock().attempts
    }

    pub(super) fn heard(&self) -> Vec<Notification> {
        self.state.lock().heard.clone()
    }

    /// `web critical`, `web ok` …, as heard.
    pub(super) fn lines(&self) -> Vec<String> {
        let state = self.state.lock();
        state
            .heard
            .iter()
            .map(|note| format!("{} {}", note.monitor, note.status))
            .collect()
    }

    /// How often an incident was opened and closed, and how many are open.
    pub(super) fn incidents(&self) -> (usize, usize, usize) {
        let state = self.state.lock();
        (state.opened, state.closed, state.open.len())
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.state.lock().most_at_once
    }

    async fn answer(&self, note: &Notification) -> Result<Receipt, DeliveryError> {
        let answer = {
            let mut state = self.state.lock();
            state.attempts += 1;
            state.at_once += 1;
            state.most_at_once = state.most_at_once.max(state.at_once);
            let next = state.script.pop_front();
            next.or_else(|| state.always.clone()).unwrap_or(Answer::Taken)
        };
        sleep(self.takes / 2).await;
        if matches!(answer, Answer::Taken | Answer::TakenSilently) {
            self.hear(note);
        }
        sleep(self.takes / 2).await;
        self.state.lock().at_once -= 1;
        match answer {
            Answer::Taken => Ok(Receipt {
                response: "200 taken".to_owned(),
                reference: Some(format!("ref-{}", note.seq)),
            }),
            Answer::Fails(retry) => Err(DeliveryError {
                retry,
                message: format!("as told: {retry:?}"),
            }),
            Answer::TakenSilently => std::future::pending().await,
        }
    }

    fn hear(&self, note: &Notification) {
        let mut state = self.state.lock();
        state.heard.push(note.clone());
        if note.is_resolve() {
            if state.open.remove(&note.incident_key) {
                state.closed += 1;
            }
        } else if state.open.insert(note.incident_key.clone()) {
            state.opened += 1;
        }
    }
}

impl DynAlerter for Far {
    fn has_key(&self) -> bool {
        self.has_key
    }
    fn place(&self) -> Option<String> {
        None
    }

    fn deliver<'a>(
        &'a self,
        _cx: &'a DeliveryCx,
        note: &'a Notification,
    ) -> Pin<Box<dyn Future<Output = Result<Receipt, DeliveryError>> + Send + 'a>> {
        Box::pin(self.answer(note))
    }
}
