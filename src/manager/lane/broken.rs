//! A monitor of which a step panics: a defect of ours, which must not take the lane along, nor after it every member that takes over. The
//! monitor is left as it stood, said to be broken, and not run here again until its definition is edited or the member is started anew.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Lane;
use crate::catalog::MonitorEntry;
use crate::events::EventKind;
use crate::feed::Signal;
use crate::manager::runner;

impl Lane {
    /// Takes a step of one monitor. What panics is about that one alone: no lock is poisoned, and the others do not share what it was changing.
    pub(super) fn step(&mut self, entry: &Arc<MonitorEntry>, step: impl FnOnce(&mut Self)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| step(self))) {
            self.broke(entry, &*panic);
        }
    }

    fn broke(&mut self, entry: &Arc<MonitorEntry>, panic: &(dyn Any + Send)) {
        let name = &entry.name;
        tracing::error!(monitor = %name, panic = runner::words(panic), "a step of a monitor panicked");
        if let Some(&slot) = self.by_name.get(name) {
            self.wheel.remove(slot);
            if let Some(job) = self.jobs[slot as usize].as_mut() {
                job.broken = true;
            }
        }
        let mut live = entry.live().lock();
        live.broken = true;
        live.next_due = None;
        drop(live);
        self.stats.panicked();
        let text = format!(
            "{name} is broken: a step of it panicked, which is a defect of 9volt (see the log of this member). It is not run here until it is edited \
             or this member is restarted"
        );
        self.events
            .record(EventKind::Error, self.clock.wall_ms(), Some(name), text);
        self.feed.tell(|| Signal::State(name.clone()));
    }
}
