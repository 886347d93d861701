//! Looks whether the loops turn that a lease promises to others: schedule, commits, and what follows the store.
//!
//! A member whose schedule hangs while another thread keeps its lease would run nothing, and nobody would take over. So the lease is renewed only while all
//! of these loops turned within its time; else it is given up ([`Watchdog::hung`]), and after two more lease times the process ends, for its supervisor to
//! start it anew. On a store of its own, where nobody could take over, only the end counts. Rules in [`rules`], the signs of life in [`pulse`].

mod pulse;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

pub use pulse::Pulse;
pub use rules::Found;

use crate::events::{EventKind, Events};
use crate::model::WallMs;
use rules::Rule;

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(500);

/// What is watched, and what was found. A cheap handle; clones share the content.
#[derive(Debug, Clone)]
pub struct Watchdog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lease: Mutex<Duration>,
    loops: Mutex<Vec<Watched>>,
    found: watch::Sender<Found>,
}

#[derive(Debug)]
struct Watched {
    name: String,
    pulse: Pulse,
    silent: Duration,
    hangs: u64,
}

/// How a loop is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turning {
    /// Its name.
    pub name: String,
    /// How long it has not turned; a second or less is as good as none.
    pub silent: Duration,
    /// How often it was found to hang.
    pub hangs: u64,
}

impl Watchdog {
    /// Watches nothing yet. `lease`: the time within which each loop has to turn.
    #[must_use]
    pub fn new(lease: Duration) -> Self {
        Self(Arc::new(Inner {
            lease: Mutex::new(lease),
            loops: Mutex::default(),
            found: watch::Sender::default(),
        }))
    }

    /// The lease time is another one.
    pub fn set_lease(&self, lease: Duration) {
        *self.0.lease.lock() = lease;
    }

    /// One more loop, by the name that it is known by in logs, events and numbers.
    #[must_use]
    pub fn pulse(&self, name: impl Into<String>) -> Pulse {
        let pulse = Pulse::default();
        self.0.loops.lock().push(Watched {
            name: name.into(),
            pulse: pulse.clone(),
            silent: Duration::ZERO,
            hangs: 0,
        });
        pulse
    }

    /// Why the lease must not be kept: the loop that hangs, if one does.
    #[must_use]
    pub fn hung(&self) -> Option<String> {
        match *self.0.found.borrow() {
            Found::Fine => None,
            Found::Hangs(which) | Found::Ends(which) => Some(self.describe(which)),
        }
    }

    /// What is found, and every change of it.
    #[must_use]
    pub fn found(&self) -> watch::Receiver<Found> {
        self.0.found.subscribe()
    }

    /// How each loop is.
    #[must_use]
    pub fn loops(&self) -> Vec<Turning> {
        let loops = self.0.loops.lock();
        let turning = |watched: &Watched| Turning {
            name: watched.name.clone(),
            silent: watched.silent,
            hangs: watched.hangs,
        };
        loops.iter().map(turning).collect()
    }

    /// Looks until `stop`. `Some`: the process is to end, because of this. To be run where nothing that is watched can get into its way.
    pub async fn run(&self, events: &Events, stop: &CancellationToken) -> Option<String> {
        let began = Instant::now();
        let mut rule = Rule::default();
        loop {
            let found = self.look(&mut rule, began.elapsed());
            if self.0.found.send_replace(found) != found {
                self.say(found, events);
            }
            if let Found::Ends(which) = found {
                return Some(self.describe(which));
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(LOOK) => {}
            }
        }
    }

    fn look(&self, rule: &mut Rule, now: Duration) -> Found {
        let lease = *self.0.lease.lock();
        let mut loops = self.0.loops.lock();
        let turns: Vec<u64> = loops.iter().map(|watched| watched.pulse.turns()).collect();
        let found = rule.look(now, lease, &turns);
        for (watched, silent) in loops.iter_mut().zip(rule.silent()) {
            watched.hangs += u64::from(watched.silent < lease && silent >= lease);
            watched.silent = silent;
        }
        found
    }

    fn say(&self, found: Found, events: &Events) {
        let text = match found {
            Found::Fine => {
                tracing::info!("all loops turn again");
                return;
            }
            Found::Hangs(which) => format!("a part of this member hangs: {}", self.describe(which)),
            Found::Ends(which) => format!("this member ends, to be started anew: {}", self.describe(which)),
        };
        tracing::error!("{text}");
        events.record(EventKind::Error, WallMs::now(), None, text);
    }

    fn describe(&self, which: usize) -> String {
        let loops = self.0.loops.lock();
        loops.get(which).map_or_else(String::new, |watched| {
            format!("`{}` has not turned for {} s", watched.name, watched.silent.as_secs())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Feed;
    use crate::model::MemberId;
    use crate::tasks::Tasks;
    use crate::tasks::process::Process;

    const LEASE: Duration = Duration::from_secs(6);

    /// A watchdog that runs, a loop that waits for ever, and the process that the loop runs in.
    fn bed() -> (Watchdog, Events, Process, Tasks<Option<String>>) {
        let (events, _) = Events::new(MemberId::parse("m").unwrap(), Feed::default());
        let (dog, process) = (Watchdog::new(LEASE), Process::default());
        let mut tasks = Tasks::child_of(&CancellationToken::new());
        for name in ["lane 0", "recorder"] {
            let (pulse, process) = (dog.pulse(name), process.clone());
            tasks.spawn(async move {
                let waits = pulse.over(std::future::pending::<Option<String>>());
                match name {
                    "lane 0" => process.run(waits).await,
                    _ => waits.await,
                }
            });
        }
        let (watching, to, stop) = (dog.clone(), events.clone(), tasks.stop().clone());
        tasks.spawn(async move { watching.run(&to, &stop).await });
        (dog, events, process, tasks)
    }

    async fn after(seconds: u64) {
        sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_turns_and_whoever_hangs_is_named_first_and_ends_the_process_then() {
        let (dog, events, process, mut tasks) = bed();
        after(3_600).await;
        assert_eq!(dog.hung(), None, "it has nothing to do");
        process.pause();
        after(5).await;
        assert_eq!(dog.hung(), None);
        after(3).await;
        let hung = dog.hung().unwrap();
        assert!(hung.starts_with("`lane 0` has not turned for "), "{hung}");
        after(9).await;
        assert!(tasks.try_next().is_none(), "too early");
        after(3).await;
        let why = tasks.next().await.unwrap().unwrap().unwrap();
        assert!(why.starts_with("`lane 0`"), "{why}");
        let said: Vec<_> = events.newest_first().iter().map(|e| e.message.clone()).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[1].starts_with("a part of this member hangs: `lane 0`"), "{said:?}");
        let silent = dog.loops().into_iter().map(|l| (l.name, l.hangs)).collect::<Vec<_>>();
        assert_eq!(silent, [("lane 0".to_owned(), 1), ("recorder".to_owned(), 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_comes_back_in_time_is_forgiven() {
        let (dog, _events, process, mut tasks) = bed();
        after(10).await;
        process.pause();
        after(15).await;
        assert!(dog.hung().is_some());
        process.go_on();
        after(2).await;
        assert_eq!(dog.hung(), None);
        after(100).await;
        assert!(tasks.try_next().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_lease_is_a_shorter_patience() {
        let (dog, _events, process, _tasks) = bed();
        dog.set_lease(Duration::from_secs(2));
        after(1).await;
        process.pause();
        after(4).await;
        assert!(dog.hung().is_some());
    }
}
