//! Which monitors run here: those of slots that a table gives to this member. What is given is taken over, what is taken is let go, and all others are
//! not disturbed.

use std::collections::HashMap;
use std::sync::Arc;

use super::lane::{Command, Taken};
use super::{Manager, arrivals, restore};
use crate::catalog::loader::Changed;
use crate::catalog::{Carried, MonitorEntry};
use crate::cluster::tenures::Right;
use crate::config::definition::Read;
use crate::model::{Closed, Group, MonitorName, WallMs};
use crate::store::Revision;
use crate::store::records::{Checkpoint, slot};

/// What the loop knows.
pub(super) struct Placement {
    manager: Manager,
    /// What was held when the tables were last looked at.
    rights: Vec<Arc<Right>>,
    /// Monitors whose state is known here, and by which right; most of them run. As long as the right is the same nobody else has written of
    /// them, and what we have under way is newer than what the store holds.
    judged: HashMap<MonitorName, Arc<Right>>,
    /// Of these, those that were deleted: forgotten once all is recorded of them.
    deleted: Vec<MonitorName>,
    /// Open episodes of monitors whose definition cannot be read: what it measures decides whether they go on, so the question waits.
    waiting: HashMap<MonitorName, Box<Taken>>,
}

impl Placement {
    pub(super) fn new(manager: Manager) -> Self {
        Self {
            manager,
            rights: Vec::new(),
            judged: HashMap::new(),
            deleted: Vec::new(),
            waiting: HashMap::new(),
        }
    }

    pub(super) async fn take(&mut self, changed: Changed) {
        for entry in changed.removed {
            if let Some(right) = self.judged.get(&entry.name).cloned() {
                self.deleted.push(entry.name.clone());
                let taken = self.waiting.remove(&entry.name).map(|taken| (right, taken));
                self.remove(entry, Some(Closed::Deleted), taken).await;
            }
        }
        self.place(changed.put, true, changed.first).await;
    }

    /// The tables have changed.
    pub(super) async fn all(&mut self) {
        let rights = self.manager.tenures.rights();
        let gained = rights.iter().any(|right| !self.rights.contains(right));
        self.rights = rights;
        let entries = self.manager.catalog.monitors();
        self.place(entries, false, gained).await;
    }

    /// By which right a monitor is judged here, if it is to be. Of one whose definition cannot be read, the group is not known: that of its
    /// last definition counts, if it could be read.
    fn right(&self, entry: &MonitorEntry) -> Option<Arc<Right>> {
        self.manager.tenures.right(&entry.group()?, entry.name.as_str())
    }

    /// Brings monitors to where they belong: to their lane, away from it, or here from somebody else. `edited`: their definitions are new; `all`:
    /// there may be episodes to close of which no definition tells.
    async fn place(&mut self, entries: Vec<Arc<MonitorEntry>>, edited: bool, all: bool) {
        let arriving = entries.len();
        let mut arrivals = Vec::new();
        for entry in self.whole(entries).await {
            let (judged, right) = (self.judged.get(&entry.name).cloned(), self.right(&entry));
            match (judged, right) {
                // What cannot be read changes nothing: the older definition, if one runs here, runs on.
                (Some(judged), None) if entry.group().is_none() && self.holds(&judged, &entry) => {
                    if entry.disabled() {
                        self.go_on(entry, judged, arriving).await;
                    }
                }
                (Some(judged), None) => {
                    self.judged.remove(&entry.name);
                    // Moved away by the edit that made it readable: its episode is over, and still ours to close.
                    let waited = self.waiting.remove(&entry.name);
                    let left = waited.filter(|_| self.holds(&judged, &entry));
                    let why = left.is_some().then_some(Closed::Edited);
                    let (name, rev) = (entry.name.clone(), entry.rev);
                    self.remove(entry, why, left.map(|taken| (judged, taken))).await;
                    self.manager.catalog.release(name.as_str(), rev);
                }
                // Undisturbed.
                (Some(judged), Some(right)) if judged == right && !edited => {}
                (Some(judged), Some(right)) if judged == right || self.holds(&judged, &entry) => {
                    self.judged.insert(entry.name.clone(), right.clone());
                    self.go_on(entry, right, arriving).await;
                }
                // Read when it was about to be ours, or still was.
                (None, None) if entry.def().is_some() => self.manager.catalog.release(entry.name.as_str(), entry.rev),
                // With a right that came while definitions were read, or was edited just now: it is placed again by the news of that.
                (None, _) if entry.is_outline() => {}
                (_, right) => arrivals.push((entry, right)),
            }
        }
        if !arrivals.is_empty() || all {
            self.arrive(arrivals, all).await;
        }
    }

    /// The same monitors, those that are to run here with the whole of their definitions. One that is being edited or removed just now may stay an
    /// outline, and so may one whose right came only meanwhile: it waits for that news.
    async fn whole(&self, mut entries: Vec<Arc<MonitorEntry>>) -> Vec<Arc<MonitorEntry>> {
        let ours = |entry: &MonitorEntry| self.judged.contains_key(&entry.name) || self.right(entry).is_some();
        let outlines = entries.iter().filter(|entry| entry.is_outline() && ours(entry));
        let outlines: Vec<_> = outlines.cloned().collect();
        if !outlines.is_empty() {
            let held = arrivals::definitions(&self.manager, &outlines).await;
            let mut held: HashMap<_, _> = held.into_iter().map(|whole| (whole.name.clone(), whole)).collect();
            for entry in &mut entries {
                if let Some(whole) = held.remove(&entry.name) {
                    *entry = whole;
                }
            }
        }
        entries
    }

    /// Whether this right is still ours: then nobody else has judged the monitor since, although an edit may have moved it to another group.
    fn holds(&self, right: &Arc<Right>, entry: &MonitorEntry) -> bool {
        let held = self.manager.tenures.right(&right.group, entry.name.as_str());
        held.as_ref() == Some(right)
    }

    /// The definition of a monitor that is judged here is new.
    async fn go_on(&mut self, entry: Arc<MonitorEntry>, right: Arc<Right>, arriving: usize) {
        let taken = match entry.def().is_some() || entry.disabled() {
            true => self.waiting.remove(&entry.name),
            false => None,
        };
        if entry.disabled() {
            let taken = taken.map(|taken| (right, taken));
            self.remove(entry, Some(Closed::Disabled), taken).await;
        } else if entry.def().is_some() {
            self.put(entry, right, taken, arriving).await;
        }
    }

    /// Takes monitors over.
    async fn arrive(&mut self, arrivals: Vec<(Arc<MonitorEntry>, Option<Arc<Right>>)>, all: bool) {
        let names: Vec<_> = arrivals.iter().map(|(entry, _)| &entry.name).collect();
        let mut found = arrivals::read(&self.manager.store, &names, all).await;
        let mut carried = self.carried(&arrivals, all).await;
        let now = WallMs::now();
        let n = arrivals.len();
        for (entry, right) in arrivals {
            let checkpoint = found.checkpoints.get(&entry.name);
            // Of a definition that says no group, its episode does.
            let right = right.or_else(|| {
                let (_, checkpoint) = checkpoint?;
                let group = Group::named(&checkpoint.group);
                self.manager.tenures.right(&group, entry.name.as_str())
            });
            let Some(right) = right else { continue };
            let open = checkpoint.is_some();
            let taken = if all && self.has_moved(&right, entry.name.as_str()) {
                let given = self.given(&right, entry.name.as_str());
                found.moved(&entry, carried.remove(&entry.name), given, now)
            } else {
                found.taken(&entry, now)
            };
            self.judged.insert(entry.name.clone(), right.clone());
            if entry.disabled() {
                if open {
                    self.remove(entry, Some(Closed::Disabled), Some((right, taken))).await;
                }
            } else if entry.def().is_none() {
                if open {
                    entry.live().lock().health = taken.health.clone();
                    self.waiting.insert(entry.name.clone(), taken);
                }
            } else {
                if all && right.inherited {
                    self.manager.missed(&entry, now);
                }
                self.put(entry, right, Some(taken), n).await;
            }
        }
        if !found.soft.is_empty() {
            // What is not gone on with is not to stay written down.
            self.manager.recorder.soft_changed();
        }
        if found.all {
            self.close_orphans(found.checkpoints).await;
        }
    }

    /// Whether somebody else judged the slot until the table that gave it to us.
    fn has_moved(&self, right: &Right, name: &str) -> bool {
        let earlier = self.manager.tables.history(&right.group, slot(name)).into_iter().nth(1);
        !right.inherited && earlier.is_some_and(|held| held.judge.is_some_and(|judge| judge != self.manager.me))
    }

    /// When the slot was given to us.
    fn given(&self, right: &Right, name: &str) -> Option<WallMs> {
        let held = self.manager.tables.history(&right.group, slot(name));
        held.into_iter().next()?.at
    }

    /// What other members know of monitors that they judged until now.
    async fn carried(
        &self,
        arrivals: &[(Arc<MonitorEntry>, Option<Arc<Right>>)],
        all: bool,
    ) -> HashMap<MonitorName, (u64, Carried)> {
        let Some(before) = self.manager.before.as_ref().filter(|_| all) else {
            return HashMap::new();
        };
        let moved = arrivals.iter().filter_map(|(entry, right)| {
            let right = right
                .as_ref()
                .filter(|right| self.has_moved(right, entry.name.as_str()))?;
            Some((&right.group, slot(entry.name.as_str())))
        });
        arrivals::carried(&**before, &self.manager.tables, &self.manager.me, moved).await
    }

    /// Episodes whose monitors were removed, or edited to belong elsewhere, while nobody judged them: whoever holds their slot closes them.
    async fn close_orphans(&mut self, checkpoints: HashMap<MonitorName, (Revision, Checkpoint)>) {
        for (name, (rev, left)) in checkpoints {
            if self.judged.contains_key(&name) || self.manager.recorder.is_busy_with(&name) {
                continue;
            }
            let group = Group::named(&left.group);
            let Some(right) = self.manager.tenures.right(&group, name.as_str()) else {
                continue;
            };
            let (recorded, health) = restore(rev, &left);
            let taken = Box::new(Taken {
                health,
                recorded: Some(recorded),
                measured: None,
                moved: None,
                given: None,
            });
            let (entry, why) = match self.manager.catalog.monitor(name.as_str()) {
                // Its new judge, if it has one, may be first.
                Some(entry) if entry.group().is_some_and(|now| now != group) => {
                    (self.text_of(entry).await, Closed::Edited)
                }
                Some(_) => continue,
                None => {
                    tracing::info!(monitor = %name, "closing the episode of a monitor that is gone");
                    self.judged.insert(name.clone(), right.clone());
                    self.deleted.push(name.clone());
                    let nothing = Read {
                        value: None,
                        problems: Vec::new(),
                    };
                    let entry = MonitorEntry::new(name, Revision(0), WallMs(0), nothing);
                    (Arc::new(entry), Closed::Deleted)
                }
            };
            let (name, rev, stays) = (entry.name.clone(), entry.rev, self.right(&entry).is_some());
            self.remove(entry, Some(why), Some((right, taken))).await;
            if !stays {
                self.manager.catalog.release(name.as_str(), rev);
            }
        }
    }

    /// With all that is told of it, also where others run it.
    async fn text_of(&self, entry: Arc<MonitorEntry>) -> Arc<MonitorEntry> {
        if !entry.is_outline() {
            return entry;
        }
        let read = arrivals::definitions(&self.manager, std::slice::from_ref(&entry)).await;
        read.into_iter().next().unwrap_or(entry)
    }

    pub(super) fn sweep(&mut self) {
        self.manager.sweep();
        // A table gave them to others, and nothing to us: of that we hear nothing.
        for entry in self.manager.catalog.monitors() {
            if entry.def().is_some() && !self.judged.contains_key(&entry.name) {
                self.manager.catalog.release(entry.name.as_str(), entry.rev);
            }
        }
        let (catalog, recorder, judged) = (&self.manager.catalog, &self.manager.recorder, &mut self.judged);
        self.deleted.retain(|name| {
            let back = catalog.monitor(name.as_str()).is_some();
            let over = !back && !recorder.is_busy_with(name);
            if over {
                judged.remove(name);
            }
            !(back || over)
        });
    }

    async fn put(&self, entry: Arc<MonitorEntry>, right: Arc<Right>, taken: Option<Box<Taken>>, arriving: usize) {
        let name = entry.name.clone();
        let put = Command::Put {
            entry,
            right,
            taken,
            arriving,
        };
        self.manager.lanes.send(&name, put).await;
    }

    /// By the lane, also of what does not run here: it alone knows what is still under way.
    async fn remove(&self, entry: Arc<MonitorEntry>, why: Option<Closed>, taken: Option<(Arc<Right>, Box<Taken>)>) {
        let name = entry.name.clone();
        self.manager
            .lanes
            .send(&name, Command::Remove { entry, why, taken })
            .await;
    }
}
