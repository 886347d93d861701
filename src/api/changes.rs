//! What changed here, for other members whose pages want to know; and what changed there, for ours.
//!
//! Each member asks each other one once a second while one of its own pages listens, and is told names; nobody is asked where nobody listens.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::others::WITHIN;
use super::parts::ApiState;
use crate::feed::{Feed, Signal};
use crate::model::{MemberId, MonitorName};
use crate::peers::calls::{ChangesAnswer, ChangesQuestion};

/// How often the others are asked.
const EVERY: Duration = Duration::from_secs(1);
/// Who has not asked for this long does not want to know any more.
const FORGOTTEN: Duration = Duration::from_secs(10);
/// Names that are remembered for one asker; of more, it is told that there are many.
const NAMES: usize = 200;

/// What changed since each asker asked last. A cheap handle.
#[derive(Clone, Default)]
pub(super) struct Changes(Arc<Inner>);

#[derive(Default)]
struct Inner {
    askers: Mutex<HashMap<MemberId, Asker>>,
    wanted: Notify,
}

struct Asker {
    number: u64,
    asked: Instant,
    many: bool,
    states: BTreeSet<MonitorName>,
    notifications: BTreeSet<MonitorName>,
}

impl Asker {
    fn new(number: u64) -> Self {
        Self {
            number,
            asked: Instant::now(),
            many: false,
            states: BTreeSet::new(),
            notifications: BTreeSet::new(),
        }
    }

    fn note(&mut self, signal: &Signal) {
        let (names, name) = match signal {
            // An incident begins and ends with a change of status.
            Signal::State(name) | Signal::Incident(name) => (&mut self.states, name),
            Signal::Notification(name) => (&mut self.notifications, name),
            // Every member sees these in the store by itself; and runs are for the member's own pages.
            _ => return,
        };
        if names.len() < NAMES {
            names.insert(name.clone());
        } else if !names.contains(name) {
            self.many = true;
        }
    }
}

impl Changes {
    /// What changed since this asker was given that number; and a new one. Whoever has none, or an old one, is told that much may have.
    pub(super) fn since(&self, asker: &MemberId, number: Option<u64>) -> ChangesAnswer {
        let mut askers = self.0.askers.lock();
        let known = askers.remove(asker);
        let next = known.as_ref().map_or(0, |asker| asker.number).wrapping_add(1);
        // The numbers of another process begin somewhere else.
        let next = if known.is_some() { next } else { fastrand::u64(..) };
        askers.insert(asker.clone(), Asker::new(next));
        if askers.len() == 1 {
            self.0.wanted.notify_one();
        }
        match known.filter(|asker| number == Some(asker.number)) {
            Some(asker) => ChangesAnswer {
                at: next,
                many: asker.many,
                states: asker.states.into_iter().collect(),
                notifications: asker.notifications.into_iter().collect(),
            },
            None => ChangesAnswer {
                at: next,
                many: true,
                states: Vec::new(),
                notifications: Vec::new(),
            },
        }
    }

    /// Notes what changes, while somebody wants to know.
    async fn note(&self, feed: &Feed) {
        loop {
            self.0.wanted.notified().await;
            let mut signals = feed.listen();
            while self.forget(Instant::now()) {
                tokio::select! {
                    signal = signals.recv() => {
                        let mut askers = self.0.askers.lock();
                        for asker in askers.values_mut() {
                            match &signal {
                                Ok(signal) => asker.note(signal),
                                Err(_) => asker.many = true,
                            }
                        }
                        if matches!(signal, Err(RecvError::Closed)) {
                            return;
                        }
                    }
                    () = sleep(EVERY) => {}
                }
            }
        }
    }

    /// Forgets who does not ask any more; whether anybody is left.
    fn forget(&self, now: Instant) -> bool {
        let mut askers = self.0.askers.lock();
        askers.retain(|_, asker| now.duration_since(asker.asked) < FORGOTTEN);
        !askers.is_empty()
    }
}

/// Runs until `stop`: notes for others what changes here, and brings here what changes there.
pub async fn exchange(api: ApiState, stop: CancellationToken) {
    let Some(others) = &api.others else { return };
    let both = async {
        tokio::join!(api.changes().note(&api.feed), ask(&api, others));
    };
    stop.run_until_cancelled(both).await;
}

async fn ask(api: &ApiState, others: &super::Others) {
    let mut numbers: HashMap<MemberId, u64> = HashMap::new();
    loop {
        sleep(EVERY).await;
        if api.clients().count() == 0 {
            numbers.clear();
            continue;
        }
        let questions = others.peers.others().into_iter().map(|member| {
            let since = numbers.get(&member).copied();
            (member, ChangesQuestion { since })
        });
        let questions: Vec<_> = questions.collect();
        for (member, answer) in others.peers.ask_each(questions, WITHIN).await.answers {
            let first = numbers.insert(member, answer.at).is_none();
            for name in answer.states {
                others.feed.tell(|| Signal::State(name.clone()));
                others.feed.tell(|| Signal::Incident(name));
            }
            for name in answer.notifications {
                others.feed.tell(|| Signal::Notification(name));
            }
            // At the first question nothing was missed: the page asked for everything when it was opened, a moment ago.
            if answer.many && !first {
                others.feed.tell(|| Signal::Many);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> MonitorName {
        MonitorName::parse(name).unwrap()
    }

    fn words(answer: &ChangesAnswer) -> String {
        let states: Vec<_> = answer.states.iter().map(MonitorName::as_str).collect();
        format!("{} {}", states.join(" "), if answer.many { "many" } else { "" })
    }

    #[tokio::test(start_paused = true)]
    async fn each_asker_is_told_what_changed_since_it_asked_last() {
        let (changes, feed) = (Changes::default(), Feed::default());
        let (a, b) = (MemberId::parse("a").unwrap(), MemberId::parse("b").unwrap());
        let noting = changes.note(&feed);
        let asking = async {
            let first = changes.since(&a, None);
            assert_eq!(words(&first), " many");
            while feed.listeners() == 0 {
                tokio::task::yield_now().await;
            }
            let of_b = changes.since(&b, None);
            for web in ["web-1", "web-2", "web-1"] {
                feed.tell(|| Signal::State(name(web)));
            }
            sleep(EVERY).await;
            let second = changes.since(&a, Some(first.at));
            assert_eq!(words(&second), "web-1 web-2 ");
            // The answer before was lost, and its number is used again.
            assert_eq!(words(&changes.since(&a, Some(first.at))), " many");
            for i in 0..=NAMES {
                feed.tell(|| Signal::State(name(&format!("db-{i}"))));
            }
            sleep(EVERY).await;
            let many = changes.since(&b, Some(of_b.at));
            assert!(many.many && many.states.len() == NAMES);
            // Nobody asks any more: nothing listens, and noting costs nothing.
            sleep(FORGOTTEN + EVERY * 2).await;
            assert_eq!(feed.listeners(), 0);
            let again = changes.since(&a, None);
            assert_ne!(again.at, second.at + 1);
        };
        tokio::select! {
            () = noting => panic!("ended"),
            () = asking => {}
        }
    }
}
