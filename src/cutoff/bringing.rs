//! Into another store than the one before, that an operator has adopted: little goes along, and nothing of it twice.

use std::collections::BTreeSet;

use super::carry::{self, Picture, Since};
use super::returning::{Carried, Carrying, NotBack, each, picture};
use crate::model::{AlerterName, Closed, Group, WallMs};
use crate::store::records::{Checkpoint, slot};
use crate::store::{Commit, Entry, Guard, Op, Revision, decode, keys};

impl Carrying<'_> {
    /// To another store than the copy is of, of which nothing is known there: what the alerters were told that this member works, and what it told by itself; that this
    /// ends; and that the episodes end which it judged. All else is as it is there.
    pub(super) async fn bring_along(&self) -> Result<Carried, NotBack> {
        let mut here = Picture::default();
        let own = self.since().own;
        for prefix in [keys::checkpoints(), keys::told_all(), keys::pasts()] {
            each(&self.here, &prefix, |entry| {
                if entry.rev > own || self.answers_for(&entry) {
                    here.add(entry);
                }
            })
            .await?;
        }
        let mut there = picture(&self.there).await?;
        for key in here.pasts() {
            if let Some(entry) = self.there.get(&key).await? {
                there.add(entry);
            }
        }
        // Revisions of two stores say nothing of one another.
        let since = &Since {
            at: Revision(0),
            beyond: BTreeSet::new(),
            own: Revision(0),
            back: None,
        };
        let nothing = Picture::default();
        let monitors = carry::monitors(&here, &nothing);
        let defined = self.definitions(monitors.iter().copied()).await?;
        let (mut commits, mut alerters) = (Vec::new(), BTreeSet::new());
        for monitor in monitors {
            let closed = match defined.contains_key(&keys::monitor(monitor)) {
                true => Closed::Moved,
                false => Closed::Deleted,
            };
            let commit = carry::lost(monitor, &here, &there, since, (closed, WallMs::now()));
            if commit.is_some() {
                alerters.extend(here.told_of(monitor).cloned());
            }
            commits.extend(commit);
        }
        let carried = Carried {
            written: commits.len(),
            lost: 0,
        };
        let right = || vec![self.session.guard()];
        // Whom to tell, before what.
        self.write(right(), self.retired(&alerters).await?).await?;
        self.write(right(), commits).await?;
        self.events().await?;
        Ok(carried)
    }

    /// Whether by the tables of the copy nobody else has a word on an entry: of an open episode its judge has it, of what was told the alerter's notifier.
    fn answers_for(&self, entry: &Entry) -> bool {
        let (group, name) = if keys::told_all().covers(&entry.key) {
            let alerter = keys::alerter_and_monitor(&entry.key).map(|(alerter, _)| alerter.to_string());
            (Some(Group::notify()), alerter)
        } else {
            let group = decode::<Checkpoint>(entry).ok().map(|at| Group::named(&at.value.group));
            (group, keys::last_segment(&entry.key))
        };
        let judge = group.zip(name).and_then(|(group, name)| {
            let run = self.tables_here.get(&group)?.run(slot(&name))?;
            run.judge.clone()
        });
        judge.as_ref() == Some(self.session.member())
    }

    /// Alerters that were told something and are not there: as if they had been removed there.
    async fn retired(&self, alerters: &BTreeSet<AlerterName>) -> Result<Vec<Commit>, NotBack> {
        let mut commits = Vec::new();
        for alerter in alerters {
            let (key, retired) = (keys::alerter(alerter), keys::retired_alerter(alerter));
            let known = match self.here.get(&key).await? {
                None => self.here.get(&retired).await?,
                known => known,
            };
            let there = self.there.get(&key).await?.is_some() || self.there.get(&retired).await?.is_some();
            commits.extend(known.filter(|_| !there).map(|known| Commit {
                guards: vec![Guard::Absent(key), Guard::Absent(retired.clone())],
                ops: vec![Op::Put(retired, known.value, None)],
            }));
        }
        Ok(commits)
    }
}
