//! The director's rule: many monitors, many members, and one of them dies or comes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ninevolt::catalog::GroupLoads;
use ninevolt::director::plan::{Class, Input, Member, Moves, Place, Planned, plan};
use ninevolt::model::{Group, MemberId, WallMs};
use ninevolt::store::records::Table;
use ninevolt::store::records::slot;

use crate::support::{Selection, Table as Figures, cpu};

const MEMBERS: usize = 1_000;
const MONITORS: usize = 1_000_000;
/// Groups besides the untagged one, each with a hundredth of the monitors and ten of the members.
const TAGS: usize = 20;

pub(crate) fn run(selection: &Selection, figures: &mut Figures) {
    if !selection.has("pure-plan") {
        return;
    }
    let mut cluster = Cluster::new(MEMBERS);
    let first = cluster.plan(Moves::Must).time;
    figures.note(
        "a first plan, 1,000,000 monitors, 1,000 members, 21 groups",
        shown(first),
    );
    let gone = cluster.members.remove(1);
    let death = cluster.plan(Moves::Must).time;
    figures.row(
        "the same, one member dies",
        "500 ms of one core",
        shown(death),
        Some(death < Duration::from_millis(500)),
    );
    cluster.members.insert(1, gone.clone());
    let join = cluster.plan(Moves::Fill(BTreeSet::from([gone.id]))).time;
    figures.note("the same, one member comes", shown(join));
    for members in [3, 30, MEMBERS] {
        shares(members, figures);
    }
}

/// What moves when any one member leaves and comes back, against what it held. The worst of them.
fn shares(members: usize, figures: &mut Figures) {
    let mut cluster = Cluster::new(members);
    cluster.plan(Moves::Must);
    let (mut leaving, mut coming) = (0.0_f64, 0.0_f64);
    for at in (0..members).step_by(members.div_ceil(50)) {
        let held = cluster.held();
        let gone = cluster.members.remove(at);
        let died = cluster.plan(Moves::Must);
        leaving = leaving.max(died.monitors as f64 / held[&gone.id] as f64);
        cluster.members.insert(at, gone.clone());
        let came = cluster.plan(Moves::Fill(BTreeSet::from([gone.id.clone()])));
        coming = coming.max(came.monitors as f64 / cluster.held()[&gone.id] as f64);
    }
    figures.row(
        &format!("monitors that move when one of {members} members leaves, comes"),
        "≤ 1.02 × its share",
        format!("{leaving:.3} ×, {coming:.3} ×"),
        Some(leaving.max(coming) <= 1.02),
    );
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// What planning until nothing was left to do took, and moved.
#[derive(Default)]
struct Plans {
    /// Processor time, without what is around.
    time: Duration,
    monitors: usize,
}

struct Cluster {
    members: Vec<Member>,
    loads: Vec<(Group, GroupLoads)>,
    tables: Vec<Option<Table>>,
    n: u64,
}

impl Cluster {
    fn new(members: usize) -> Self {
        let member = |n: usize| Member {
            id: MemberId::parse(&format!("member-{n:04}")).unwrap(),
            weight: 2,
            // A hundredth of the members for each tag, as far as there are so many.
            tags: if n < TAGS * 10 && members == MEMBERS {
                vec![format!("t{}", n % TAGS)]
            } else {
                Vec::new()
            },
            kinds: Vec::new(),
            class: Class::Full,
        };
        let mut loads: Vec<(Group, GroupLoads)> = std::iter::once(String::new())
            .chain((0..TAGS).map(|t| format!("t{t}")))
            .map(|tag| (Group::of(&tag), GroupLoads::default()))
            .collect();
        for n in 0..MONITORS {
            let name = format!("service-{n}.example.net");
            let group = if n % 5 == 0 && members == MEMBERS {
                1 + n / 5 % TAGS
            } else {
                0
            };
            loads[group].1.add(slot(&name), 1_500_000 * (1 + n as u64 % 7), "tcp");
        }
        Self {
            members: (0..members).map(member).collect(),
            tables: vec![None; loads.len()],
            loads,
            n: 0,
        }
    }

    /// Monitors that each member holds.
    fn held(&self) -> BTreeMap<MemberId, usize> {
        let mut held = BTreeMap::new();
        for ((_, loads), table) in self.loads.iter().zip(&self.tables) {
            for (slot, load) in loads.slots() {
                let run = table.as_ref().and_then(|table| table.run(slot));
                if let Some(judge) = run.and_then(|run| run.judge.clone()) {
                    *held.entry(judge).or_default() += load.monitors as usize;
                }
            }
        }
        held
    }

    /// Plans until nothing is left to do.
    fn plan(&mut self, moves: Moves) -> Plans {
        let mut plans = Plans::default();
        loop {
            let places = self
                .loads
                .iter()
                .zip(&self.tables)
                .map(|((group, loads), before)| Place {
                    group: group.clone(),
                    loads: Some(loads),
                    before: before.as_ref(),
                });
            let input = Input {
                members: self.members.clone(),
                places: places.collect(),
                moves: moves.clone(),
                epoch: format!("1-{}", self.n),
                at: WallMs(0),
                why: String::new(),
            };
            let used = cpu();
            let Planned { changes, more, .. } = plan(&input);
            plans.time += cpu() - used;
            self.n += 1;
            for change in changes {
                plans.monitors += change.moves.iter().map(|moved| moved.monitors).sum::<usize>();
                let at = self.loads.iter().position(|(group, _)| *group == change.group).unwrap();
                self.tables[at] = Some(change.table);
            }
            if !more {
                return plans;
            }
        }
    }
}
