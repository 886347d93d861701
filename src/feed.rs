//! The live feed: what has changed, for whoever wants to look again. Carries no state.

use tokio::sync::broadcast;

use crate::model::MonitorName;
use crate::results::Sample;

/// Signals that a slow listener may be behind by; further behind it is told to look at everything again.
const BEHIND: usize = 4_096;

/// Something changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// A status.
    State(MonitorName),
    /// A run ended.
    Run(MonitorName, Sample),
    /// An episode was opened, changed or closed.
    Incident(MonitorName),
    /// Something was told, or given up.
    Notification(MonitorName),
    /// A silence, by id.
    Silence(String),
    /// A monitor's definition.
    Definition(MonitorName),
    /// An alerter's definition.
    Alerter(String),
    /// An event was recorded.
    Event,
    /// Too much to be named: everything is to be looked at again.
    Many,
}

/// A cheap handle to the feed.
#[derive(Debug, Clone)]
pub struct Feed(broadcast::Sender<Signal>);

impl Default for Feed {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Feed {
    /// Tells whoever listens. With nobody listening this costs a load.
    pub fn tell(&self, signal: impl FnOnce() -> Signal) {
        if self.0.receiver_count() > 0 {
            // Nobody listening any more is no error: the last one left in this very moment.
            let _ = self.0.send(signal());
        }
    }

    /// Listens from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Signal> {
        self.0.subscribe()
    }

    /// Number of listeners.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.0.receiver_count()
    }
}
