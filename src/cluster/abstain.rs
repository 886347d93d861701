//! Staying out of elections for a while: the director asks for it, the member's election heeds it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// A cheap handle; clones share the same content.
#[derive(Debug, Clone)]
pub struct Abstain(watch::Sender<Option<Instant>>);

impl Default for Abstain {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Abstain {
    /// Stays out of elections for so long from now.
    pub fn stay_out(&self, time: Duration) {
        self.0.send_replace(Some(Instant::now() + time));
    }

    /// Whether this member stays out of elections now.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// For hearing of the end.
    #[must_use]
    pub fn listen(&self) -> Abstention {
        Abstention {
            until: self.0.subscribe(),
            heard: None,
        }
    }
}

/// Hears when an abstention is over.
#[derive(Debug)]
pub struct Abstention {
    until: watch::Receiver<Option<Instant>>,
    heard: Option<Instant>,
}

impl Abstention {
    /// Returns when an abstention has ended that was not heard of yet. Cancel-safe.
    pub async fn over(&mut self) {
        loop {
            let until = *self.until.borrow_and_update();
            let ends = async {
                match until.filter(|until| Some(*until) != self.heard) {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = ends => {
                    self.heard = until;
                    return;
                }
                changed = self.until.changed() => {
                    if changed.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }
}
