//! The elected one: keeps a table for every placement group in use. It holds no rule; [`plan`] does.

#[cfg(test)]
mod director_tests;
pub mod plan;
pub mod prune;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::cluster::Rights;
use crate::events::{EventKind, Events};
use crate::model::{Group, MemberId, MonitorName, WallMs};
use crate::store::records::{MemberRecord, Table};
use crate::store::{Change, Commit, Entry, Followed, Guard, Op, Outcome, Revision, Store, StoreError, Term};
use crate::store::{decode, encode, keys, seat_value};

/// Changes that come together are planned together.
const SETTLE: Duration = Duration::from_millis(20);
/// Wait after the store took nothing.
const AGAIN: Duration = Duration::from_secs(1);

/// The loop. Runs in every member and sleeps in all but one.
pub struct Director {
    /// The store.
    pub store: Store,
    /// Which groups are in use.
    pub catalog: Catalog,
    /// Whether this member directs.
    pub rights: watch::Receiver<Rights>,
    /// For telling people.
    pub events: Events,
}

impl Director {
    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut members = self.store.follow(&keys::members());
        let mut known: BTreeMap<MemberId, MemberRecord> = BTreeMap::new();
        let mut definitions = self.catalog.watch();
        let mut n = 0;
        let mut told_orphans = BTreeSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                followed = members.next() => take_members(&mut known, followed),
                changed = definitions.changed() => if changed.is_err() { return },
                changed = self.rights.changed() => if changed.is_err() { return },
            }
            let Rights { session, term } = self.rights.borrow_and_update().clone();
            let (Some(session), Some(term)) = (session, term) else {
                continue;
            };
            if !known.contains_key(session.member()) {
                // Whoever does not even know of itself knows of nobody: the list of members is older than the term, or the session is lost.
                continue;
            }
            tokio::time::sleep(SETTLE).await;
            definitions.mark_unchanged();
            let mut groups: BTreeSet<Group> = self.catalog.groups().into_keys().collect();
            groups.insert(Group::notify());
            for group in groups {
                let eligible = eligible(&group, &known);
                self.tell_orphans(&group, eligible.is_empty(), &mut told_orphans);
                while let Err(error) = self.direct(term, &group, &eligible, &mut n).await {
                    tracing::warn!(%error, %group, "cannot write a table");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(AGAIN) => {}
                    }
                }
            }
        }
    }

    /// Says of each monitor once that nobody may run it; again if that was over in between.
    fn tell_orphans(&self, group: &Group, orphaned: bool, told: &mut BTreeSet<MonitorName>) {
        for entry in self.catalog.monitors() {
            let Some(def) = entry.def.as_ref().filter(|_| entry.group().as_ref() == Some(group)) else {
                continue;
            };
            if !orphaned || entry.disabled() {
                told.remove(&entry.name);
                continue;
            }
            if !told.insert(entry.name.clone()) {
                continue;
            }
            let why = match def.settings.member_tag.as_str() {
                "" => "every member has tags, and the check names no member-tag".to_owned(),
                tag => format!("no member has the tag {tag}"),
            };
            let text = format!("unable to find fitting member for check {}: {why}", entry.name);
            self.events
                .record(EventKind::Warning, WallMs::now(), Some(&entry.name), text);
        }
    }

    /// Brings one group's table up to date.
    async fn direct(
        &self,
        term: Term,
        group: &Group,
        eligible: &BTreeSet<MemberId>,
        n: &mut u64,
    ) -> Result<(), StoreError> {
        let key = keys::table(group.as_str());
        let before = match self.store.read::<Table>(&key).await {
            Err(StoreError::Damaged(what)) => {
                tracing::error!(what, %group, "a table cannot be read; it is planned anew");
                None
            }
            read => read?,
        };
        let rev = match &before {
            Some(at) => at.rev,
            None => self.store.get(&key).await?.map_or(Revision(0), |entry| entry.rev),
        };
        let before = before.map(|at| at.value);
        let Some(table) = plan::plan(eligible, before.as_ref(), &term.epoch(*n)) else {
            return Ok(());
        };
        *n += 1;
        let mut ops = vec![Op::Put(key.clone(), encode(&table)?, None)];
        let stamps_before = before.map(|table| table.stamps).unwrap_or_default();
        for (member, stamp) in &table.stamps {
            if stamps_before.get(member) != Some(stamp) {
                ops.push(Op::Put(keys::seat(group.as_str(), member), seat_value(stamp), None));
            }
        }
        for gone in stamps_before
            .keys()
            .filter(|member| !table.stamps.contains_key(*member))
        {
            ops.push(Op::Delete(keys::seat(group.as_str(), gone)));
        }
        let commit = Commit {
            guards: vec![term.guard(), Guard::Rev(key, rev)],
            ops,
        };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        match self.store.settle(&[], commit, deadline).await {
            Outcome::Done(_) => {
                tracing::info!(%group, epoch = table.epoch, "planned");
                Ok(())
            }
            // The term is over, or another plan was first: the next wake-up looks again.
            Outcome::Refused(_) => Ok(()),
            Outcome::Unknown(error) | Outcome::Failed(error) => Err(error),
        }
    }
}

/// Who may hold a group's slots: whoever stays; where nobody else may, whoever is about to go, until it is gone.
fn eligible(group: &Group, known: &BTreeMap<MemberId, MemberRecord>) -> BTreeSet<MemberId> {
    let fit = |leaving: bool| {
        let fit = known
            .values()
            .filter(move |m| (leaving || !m.leaving) && group.takes(&m.tags));
        fit.map(|m| m.id.clone()).collect::<BTreeSet<_>>()
    };
    let staying = fit(false);
    if staying.is_empty() { fit(true) } else { staying }
}

fn take_members(known: &mut BTreeMap<MemberId, MemberRecord>, followed: Followed) {
    match followed {
        Followed::Snapshot { entries, .. } => {
            known.clear();
            known.extend(entries.iter().filter_map(member));
        }
        Followed::Changes(batch) => {
            for change in &batch.changes {
                match change {
                    Change::Put(entry) => known.extend(member(entry)),
                    Change::Deleted(key) => {
                        if let Some(id) = keys::last_segment(key) {
                            known.remove(id.as_str());
                        }
                    }
                }
            }
        }
    }
}

fn member(entry: &Entry) -> Option<(MemberId, MemberRecord)> {
    match decode::<MemberRecord>(entry) {
        Ok(at) => Some((at.value.id.clone(), at.value)),
        Err(error) => {
            tracing::warn!(%error, "a member's record is left out");
            None
        }
    }
}
