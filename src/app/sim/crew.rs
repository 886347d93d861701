//! Several members over one store, each on a line of its own to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::hub::Hub;
use super::member::{Begin, Member, Place};
use super::stage::stage;
use super::world::World;
use crate::cutoff::State;
use crate::model::{Group, MemberId, MonitorName, Status, WallMs};
use crate::store::records::slot;
use crate::store::{Faults, Memory, Store};
use crate::tasks::process::Process;

/// The members, by name. The world has the store; its own member does not run.
pub(super) struct Crew {
    pub(super) world: World,
    members: BTreeMap<String, One>,
    boots: u32,
    pub(super) hub: Hub,
    /// Whether members have something that stands in for the store.
    stand_in: bool,
}

struct One {
    member: Option<Member>,
    process: Process,
    store: Store,
    faults: Faults,
    /// The disk that its copy of the store is on.
    disk: Option<Arc<Memory>>,
    alive: Option<WallMs>,
}

impl Crew {
    /// Starts these members over a new store.
    pub(super) async fn of(world: World, names: &[&str]) -> Self {
        Self::begin(world, names, false).await
    }

    /// Starts members that can go on without the store.
    pub(super) async fn with_copies(world: World, names: &[&str]) -> Self {
        Self::begin(world, names, true).await
    }

    async fn begin(world: World, names: &[&str], stand_in: bool) -> Self {
        let mut crew = Self {
            world,
            members: BTreeMap::new(),
            boots: 0,
            hub: Hub::default(),
            stand_in,
        };
        for name in names {
            crew.start(name).await;
        }
        crew
    }

    pub(super) async fn start(&mut self, name: &str) {
        self.try_start(name).await.unwrap();
    }

    pub(super) async fn try_start(&mut self, name: &str) -> anyhow::Result<()> {
        self.boots += 1;
        stage(|stage| stage.begun.push(WallMs::now()));
        let one = self.members.entry(name.to_owned()).or_insert_with(|| {
            let (store, faults) = self.world.faults.another_client();
            One {
                member: None,
                process: Process::default(),
                store,
                faults,
                disk: self.stand_in.then(|| Memory::new().0),
                alive: None,
            }
        });
        assert!(one.member.is_none(), "{name} runs");
        let begin = Begin {
            id: MemberId::parse(name).unwrap(),
            place: Place::of(&one.store, one.disk.as_ref(), &self.hub),
            tags: self.world.tags.clone(),
            boot: self.boots,
            alive: one.alive,
        };
        one.process = Process::default();
        one.member = Some(one.process.run(Member::start(begin)).await?);
        Ok(())
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self, name: &str) {
        if let Some(one) = self.members.get_mut(name)
            && one.member.take().is_some()
        {
            one.alive = Some(WallMs::now());
        }
    }

    /// A planned stop.
    pub(super) async fn stop(&mut self, name: &str) -> bool {
        let others = self.running().len() > 1;
        let Some(one) = self.members.get_mut(name) else {
            return true;
        };
        let Some(member) = one.member.take() else { return true };
        let clean = member.stop(others).await;
        one.alive = Some(WallMs::now());
        clean
    }

    /// `kill -STOP` or `kill -CONT`.
    pub(super) fn set_paused(&mut self, name: &str, paused: bool) {
        let process = &self.members[name].process;
        match paused {
            true => process.pause(),
            false => process.go_on(),
        }
    }

    /// Whether it can do anything: it runs, and is not paused.
    pub(super) fn is_active(&self, name: &str) -> bool {
        let one = self.members.get(name);
        one.is_some_and(|one| one.member.is_some() && !one.process.is_paused())
    }

    pub(super) fn running(&self) -> Vec<String> {
        let running = self.members.iter().filter(|(_, one)| one.member.is_some());
        running.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn member(&self, name: &str) -> &Member {
        self.members[name].member.as_ref().unwrap()
    }

    pub(super) fn members_mut(&mut self) -> Vec<(String, &mut Member)> {
        let members = self.members.iter_mut();
        members
            .filter_map(|(name, one)| Some((name.clone(), one.member.as_mut()?)))
            .collect()
    }

    /// What is between this member and the store.
    pub(super) fn line(&self, name: &str) -> &Faults {
        &self.members[name].faults
    }

    /// How a member stands to the store.
    pub(super) fn state(&self, name: &str) -> State {
        self.member(name).standing.state()
    }

    /// Whoever has the right to judge a monitor: one at most, unless somebody has not heard yet.
    pub(super) fn judges(&self, monitor: &str) -> Vec<String> {
        let group = Group::of("");
        let mut judges = self.running();
        judges.retain(|name| self.member(name).tenures.right(&group, monitor).is_some());
        judges
    }

    /// How a monitor stands at whoever judges it.
    pub(super) fn status(&self, monitor: &str) -> Option<Status> {
        let judge = self.judges(monitor).pop()?;
        let entry = self.member(&judge).catalog.monitor(monitor)?;
        let live = entry.live().lock();
        Some(live.health.status)
    }

    /// How many monitors run on each.
    pub(super) fn shares(&self) -> Vec<usize> {
        let names = self.running();
        names.iter().map(|name| self.member(name).lanes.monitors()).collect()
    }

    /// A name that this member judges, of `<base>-0`, `<base>-1` …
    pub(super) fn name_on(&self, member: &str, base: &str) -> MonitorName {
        let group = Group::of("");
        let holding = self.member(member).tenures.holding(&group).unwrap();
        let mut names = (0..).map(|n| format!("{base}-{n}"));
        let name = names.find(|name| holding.right(slot(name)).is_some()).unwrap();
        MonitorName::parse(&name).unwrap()
    }

    /// Longest time for which a monitor has not been run until now, in this stretch of time.
    pub(super) async fn longest_pause(&self, monitor: &str, during: Duration) -> Duration {
        let until = tokio::time::Instant::now() + during;
        let mut longest = Duration::ZERO;
        while tokio::time::Instant::now() < until {
            let last = stage(|stage| stage.runs.get(monitor).map(|(_, at)| *at));
            if let Some(last) = last {
                longest = longest.max(last.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        longest
    }
}
