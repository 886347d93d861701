//! How monitors stand that are taken over: what the store holds of them, whoever judged them before.
//!
//! Read after the table that gives them was seen. By that table nobody else can write of them any more, so what is read is the last word.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Manager;
use super::commits::restore;
use super::lane::Taken;
use super::soft::LeftSoft;
use crate::catalog::{Carried, MonitorEntry, loader};
use crate::cluster::Tables;
use crate::model::{AlerterName, EpisodeId, Group, MemberId, MonitorName, Slots, Status, WallMs};
use crate::store::records::{Checkpoint, FORMAT, SoftRecord};
use crate::store::{Entry, Revision, Store, StoreError, decode, keys};

/// Up to so many monitors are asked for one by one; for more, everything is listed.
const SINGLY: usize = 16;
/// A judge that died has been dead for about so long when its slots are given away: the lease time, unless it is set otherwise, and a moment.
const DEAD: Duration = Duration::from_secs(10);
/// Wait after a store that did not answer.
const AGAIN: Duration = Duration::from_millis(500);

/// What the store holds.
#[derive(Default)]
pub(super) struct Found {
    /// Open episodes.
    pub(super) checkpoints: HashMap<MonitorName, (Revision, Checkpoint)>,
    /// Failures that were not yet a status, of whoever counted them.
    pub(super) soft: LeftSoft,
    /// Whether these are all open episodes there are.
    pub(super) all: bool,
}

/// Reads it for these monitors, or for all; as often as it takes. A record that cannot be read is named, and harms nobody else.
pub(super) async fn read(store: &Store, names: &[&MonitorName], all: bool) -> Found {
    let mut said = false;
    loop {
        let singly = !all && names.len() <= SINGLY;
        match find(store, if singly { Some(names) } else { None }).await {
            Ok(found) => return found,
            Err(error) if !std::mem::replace(&mut said, true) => {
                tracing::warn!(%error, "cannot read how monitors stand that are to be taken over, trying on");
            }
            Err(_) => {}
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The whole definitions of monitors of which only outlines are here; as often as it takes.
pub(super) async fn definitions(manager: &Manager, outlines: &[Arc<MonitorEntry>]) -> Vec<Arc<MonitorEntry>> {
    let mut said = false;
    loop {
        match loader::hold(&manager.catalog, manager.kinds, &manager.store, outlines).await {
            Ok(held) => return held,
            Err(error) if !std::mem::replace(&mut said, true) => {
                tracing::warn!(%error, "cannot read the definitions of monitors that are to run here, trying on");
            }
            Err(_) => {}
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn find(store: &Store, singly: Option<&[&MonitorName]>) -> Result<Found, StoreError> {
    let mut entries = Vec::new();
    match singly {
        Some(names) => {
            for name in names {
                entries.extend(store.get(&keys::checkpoint(name)).await?);
            }
        }
        None => entries = store.list(&keys::checkpoints()).await?.1,
    }
    Ok(Found {
        checkpoints: checkpoints(store, &entries).await?,
        soft: soft(store).await?,
        all: singly.is_none(),
    })
}

async fn checkpoints(
    store: &Store,
    entries: &[Entry],
) -> Result<HashMap<MonitorName, (Revision, Checkpoint)>, StoreError> {
    let mut checkpoints = HashMap::with_capacity(entries.len());
    let mut damaged = Vec::new();
    for entry in entries {
        let name = keys::last_segment(&entry.key).and_then(|name| MonitorName::parse(&name).ok());
        let Some(name) = name else { continue };
        match decode::<Checkpoint>(entry) {
            Ok(at) => drop(checkpoints.insert(name, (at.rev, at.value))),
            Err(error) => {
                tracing::warn!(%error, "a checkpoint cannot be read; its episode is closed, the next runs tell how things are");
                damaged.push((name, entry.rev));
            }
        }
    }
    if !damaged.is_empty() {
        let told = told_of(store).await?;
        for (name, rev) in damaged {
            let stand_in = stand_in(told.get(&name).map(Vec::as_slice).unwrap_or_default());
            checkpoints.insert(name, (rev, stand_in));
        }
    }
    Ok(checkpoints)
}

async fn soft(store: &Store) -> Result<LeftSoft, StoreError> {
    let mut left = LeftSoft::default();
    for entry in store.list(&keys::softs()).await?.1 {
        match decode::<SoftRecord>(&entry) {
            Ok(at) => left.add(at.value),
            Err(error) => tracing::warn!(%error, "soft failures cannot be read; counting begins anew"),
        }
    }
    Ok(left)
}

/// Asks other members about monitors that they judged until now.
#[async_trait]
pub trait Before: Send + Sync {
    /// What `judge` knows of the monitors in these slots: name, fingerprint of what it measured, state. Empty if it does not say within a moment.
    async fn ask(&self, judge: MemberId, slots: Slots) -> Vec<(MonitorName, u64, Carried)>;
}

/// What those who judged them before know of these monitors.
pub(super) async fn carried(
    before: &dyn Before,
    tables: &Tables,
    me: &MemberId,
    moved: impl Iterator<Item = (&Group, u16)>,
) -> HashMap<MonitorName, (u64, Carried)> {
    let mut of: BTreeMap<MemberId, Slots> = BTreeMap::new();
    for (group, slot) in moved {
        let earlier = tables.history(group, slot).into_iter().nth(1);
        if let Some(judge) = earlier.and_then(|held| held.judge).filter(|judge| judge != me) {
            of.entry(judge).or_default().add(group, slot, slot);
        }
    }
    let asked = of.into_iter().map(|(judge, slots)| before.ask(judge, slots));
    let answers = futures_util::future::join_all(asked).await;
    let known = answers.into_iter().flatten();
    known.map(|(name, measured, state)| (name, (measured, state))).collect()
}

impl Found {
    /// How a monitor stands that another member judged until now, as far as that one says. `given`: when the table was made that gave it here.
    pub(super) fn moved(
        &mut self,
        entry: &MonitorEntry,
        carried: Option<(u64, Carried)>,
        given: Option<WallMs>,
        now: WallMs,
    ) -> Box<Taken> {
        let mut taken = self.taken(entry, now);
        taken.given = given;
        let measured = entry.measured();
        let carried = carried.filter(|(of, _)| Some(*of) == measured).map(|(_, state)| state);
        let mut results = None;
        if let Some(state) = carried {
            let live = state.into_live();
            // Of an episode only what is recorded holds; of failures that are not one yet, the last count.
            if taken.recorded.is_none() && live.health.episode.is_none() {
                taken.health = live.health;
            }
            results = Some(live.results);
        }
        let seen_there = given.is_none_or(|given| entry.at.plus(DEAD) < given);
        if taken.health.status == Status::Pending && seen_there {
            // It was seen before, and nothing was wrong with it. For how long nobody says.
            taken.health.status = Status::Ok;
            taken.health.since = now;
        }
        taken.moved = Some(results);
        taken
    }

    /// How a monitor stands.
    pub(super) fn taken(&mut self, entry: &MonitorEntry, now: WallMs) -> Box<Taken> {
        let mut taken = match self.checkpoints.get(&entry.name) {
            Some((rev, checkpoint)) => {
                let (recorded, health) = restore(*rev, checkpoint);
                Taken {
                    health,
                    recorded: Some(recorded),
                    measured: Some(checkpoint.measured),
                    moved: None,
                    given: None,
                }
            }
            None => Taken::default(),
        };
        if let Some((measured, interval)) = entry.measured().zip(entry.interval()) {
            self.soft
                .apply(entry.name.as_str(), measured, interval, now, &mut taken.health);
        }
        Box::new(taken)
    }
}

/// Who was told, or is to be told, of each monitor, and of which episode.
async fn told_of(store: &Store) -> Result<HashMap<MonitorName, Vec<(AlerterName, EpisodeId)>>, StoreError> {
    /// What all these records have.
    #[derive(serde::Deserialize)]
    struct Of {
        episode: EpisodeId,
    }
    let mut told: HashMap<_, Vec<_>> = HashMap::new();
    for prefix in [keys::told_all(), keys::outbox()] {
        for entry in store.list(&prefix).await?.1 {
            if let (Some((alerter, monitor)), Ok(of)) = (keys::alerter_and_monitor(&entry.key), decode::<Of>(&entry)) {
                told.entry(monitor).or_default().push((alerter, of.value.episode));
            }
        }
    }
    Ok(told)
}

/// In place of a checkpoint that cannot be read: as much of the episode as others know. Nothing measures what it says it does, so it is
/// closed as if the definition had been edited.
pub(super) fn stand_in(told: &[(AlerterName, EpisodeId)]) -> Checkpoint {
    let mut alerters: Vec<_> = told.iter().map(|(alerter, _)| alerter.clone()).collect();
    alerters.sort();
    alerters.dedup();
    Checkpoint {
        v: FORMAT,
        group: Group::of("").as_str().to_owned(),
        kind: String::new(),
        status: Status::Critical,
        since: WallMs::now(),
        failures: 1,
        hard: 1,
        episode: told
            .iter()
            .map(|(_, episode)| *episode)
            .max()
            .unwrap_or(EpisodeId(WallMs::now().0)),
        seq: 1,
        trail: Vec::new(),
        alerters,
        measured: 0,
        message: String::new(),
    }
}
