//! How this member stands to the store, for whoever shows it or goes by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::asking::Rounds;
use super::round::Says;
use super::rules::State;
use crate::model::{MemberId, WallMs};

/// Members that a sentence names, at most.
const NAMED: usize = 5;

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stood {
    /// The state.
    pub state: State,
    /// Since when, for people.
    pub since: WallMs,
    /// What led to it; empty while joined.
    pub why: String,
    /// The last state but joined, and why, until this process ends: it may be over, and is not forgotten.
    pub trouble: Option<String>,
}

/// A cheap handle. Set by whoever goes through the states, read by everybody.
#[derive(Debug, Clone)]
pub struct Standing {
    now: Arc<watch::Sender<Stood>>,
    trouble: Arc<watch::Sender<Option<State>>>,
    rounds: Option<Rounds>,
    /// All that it went through, and when: a watch may miss what lasts no time.
    #[cfg(test)]
    states: Arc<parking_lot::Mutex<Vec<(tokio::time::Instant, State)>>>,
}

impl Standing {
    /// Joined. `rounds`: what the others say, where there may be others.
    #[must_use]
    pub fn new(rounds: Option<Rounds>) -> Self {
        let stood = Stood {
            state: State::Joined,
            since: WallMs::now(),
            why: String::new(),
            trouble: None,
        };
        Self {
            now: Arc::new(watch::Sender::new(stood)),
            trouble: Arc::default(),
            rounds,
            #[cfg(test)]
            states: Arc::new(parking_lot::Mutex::new(vec![(
                tokio::time::Instant::now(),
                State::Joined,
            )])),
        }
    }

    /// All states that it went through, and since when.
    #[cfg(test)]
    pub(crate) fn states(&self) -> Vec<(tokio::time::Instant, State)> {
        self.states.lock().clone()
    }

    /// It stands so now, and why: an empty text where what the others say is all there is to say.
    pub fn set(&self, state: State, why: impl Into<String>) {
        let why = why.into();
        self.now.send_if_modified(|stood| {
            if state != stood.state {
                stood.since = WallMs::now();
                #[cfg(test)]
                self.states.lock().push((tokio::time::Instant::now(), state));
            }
            let changed = (stood.state, &stood.why) != (state, &why);
            if state != State::Joined {
                stood.trouble = Some(format!(
                    "{}: {}",
                    state.as_str(),
                    if why.is_empty() { state.means() } else { &why }
                ));
            }
            (stood.state, stood.why) = (state, why);
            changed
        });
    }

    /// It stands so that operators are to be told.
    pub fn set_trouble(&self, trouble: Option<State>) {
        self.trouble.send_replace(trouble);
    }

    /// The state, if it is one that operators are to be told of.
    #[must_use]
    pub fn trouble(&self) -> Option<State> {
        *self.trouble.borrow()
    }

    /// How it stands now.
    #[must_use]
    pub fn now(&self) -> Stood {
        self.now.borrow().clone()
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> State {
        self.now.borrow().state
    }

    /// Whenever it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Stood> {
        self.now.subscribe()
    }

    /// What is known of each other member; nothing while nobody is asked.
    #[must_use]
    pub fn said(&self) -> BTreeMap<MemberId, Says> {
        let asked = self.rounds.as_ref().filter(|rounds| rounds.verdict().is_some());
        asked.map(Rounds::said).unwrap_or_default()
    }

    /// What led to the state, and who said what about the store.
    #[must_use]
    pub fn because(&self) -> String {
        let why = self.now.borrow().why.clone();
        let said = in_one_line(&self.said());
        match (why.is_empty(), said.is_empty()) {
            (_, true) => why,
            (true, _) => said,
            _ => format!("{why}; {said}"),
        }
    }
}

/// `m2: has no store, m3: no answer (…)`.
fn in_one_line(said: &BTreeMap<MemberId, Says>) -> String {
    let lines = said
        .iter()
        .take(NAMED)
        .map(|(member, says)| format!("{member}: {says}"));
    let mut lines: Vec<_> = lines.collect();
    if said.len() > NAMED {
        lines.push(format!("and {} more", said.len() - NAMED));
    }
    lines.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time_simulated::begin;

    #[tokio::test(start_paused = true)]
    async fn a_state_has_a_beginning_a_reason_and_is_remembered_when_it_is_over() {
        let wall = begin(WallMs(1_000_000));
        let standing = Standing::new(None);
        let mut watch = standing.watch();
        assert_eq!((standing.state(), standing.now().trouble), (State::Joined, None));
        standing.set(State::Doubtful, "no answer");
        let doubtful = standing.now();
        assert_eq!(doubtful.trouble.as_deref(), Some("doubtful: no answer"));
        assert!(watch.has_changed().unwrap());
        watch.mark_unchanged();
        // The same again is no news.
        standing.set(State::Doubtful, "no answer");
        assert!(!watch.has_changed().unwrap());
        // Another reason is, and the state is as old as it was.
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
        standing.set(State::Doubtful, "refused");
        assert_eq!(
            (standing.because().as_str(), standing.now().since),
            ("refused", doubtful.since)
        );
        standing.set(State::Joined, "");
        assert_eq!(standing.now().since, WallMs(1_005_000));
        assert_eq!(standing.now().trouble.as_deref(), Some("doubtful: refused"));
        assert_eq!(standing.because(), "");
        drop(wall);
    }

    #[test]
    fn a_sentence_names_a_few_and_counts_the_rest() {
        let said = (1..=7).map(|n| (MemberId::parse(&format!("m{n}")).unwrap(), Says::Store(false, None)));
        let line = in_one_line(&said.collect());
        assert!(line.starts_with("m1: has no store, m2: "), "{line}");
        assert!(line.ends_with("m5: has no store, and 2 more"), "{line}");
    }
}
