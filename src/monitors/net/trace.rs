//! Where the time of a run goes, kept outside the future that may be cut at the deadline.

use tokio::time::Instant;

use crate::model::{Phase, Phases};

/// The phases of one run so far, with the one under way.
#[derive(Debug)]
pub(crate) struct Trace {
    phases: Phases,
    current: Phase,
    since: Instant,
}

impl Trace {
    pub(crate) fn begin(phase: Phase) -> Self {
        Self {
            phases: Phases::default(),
            current: phase,
            since: Instant::now(),
        }
    }

    /// Ends the phase under way and begins the next. One look at the clock.
    pub(crate) fn step(&mut self, next: Phase) {
        let now = Instant::now();
        self.phases.add(self.current, now - self.since);
        self.current = next;
        self.since = now;
    }

    /// Begins a phase without counting what was under way (nothing happened in it).
    pub(crate) fn skip_to(&mut self, next: Phase) {
        self.current = next;
    }

    /// When the phase under way began.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    pub(crate) fn current(&self) -> Phase {
        self.current
    }

    /// Everything, with the phase under way as far as it came.
    pub(crate) fn finish(mut self) -> Phases {
        self.phases.add(self.current, Instant::now() - self.since);
        self.phases
    }
}

/// What was being waited for, in a message about a deadline.
pub(crate) const fn waiting_for(phase: Phase) -> &'static str {
    match phase {
        Phase::Resolve => "no answer from the name server",
        Phase::Connect => "no connection",
        Phase::Tls => "TLS handshake not finished",
        Phase::FirstByte => "no answer",
        Phase::Transfer => "answer not complete",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn time_goes_to_the_phase_in_which_it_passed() {
        let mut trace = Trace::begin(Phase::Resolve);
        trace.skip_to(Phase::Connect);
        tokio::time::advance(Duration::from_millis(3)).await;
        trace.step(Phase::FirstByte);
        tokio::time::advance(Duration::from_millis(7)).await;
        let phases = trace.finish();
        assert_eq!(phases.get(Phase::Resolve), None);
        assert_eq!(phases.get(Phase::Connect), Some(Duration::from_millis(3)));
        assert_eq!(phases.get(Phase::FirstByte), Some(Duration::from_millis(7)));
    }
}
