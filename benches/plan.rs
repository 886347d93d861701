//! The director's rule: many monitors, many members, and one of them dies or comes.

use std::collections::BTreeSet;
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
    let mut cluster = Cluster::new();
    let first = cluster.plan(Moves::Must);
    figures.note(
        "a first plan, 1,000,000 monitors, 1,000 members, 21 groups",
        shown(first),
    );
    let gone = cluster.members.remove(1);
    let death = cluster.plan(Moves::Must);
    figures.row(
        "the same, one member dies",
        "500 ms of one core",
        shown(death),
        Some(death < Duration::from_millis(500)),
    );
    cluster.members.insert(1, gone.clone());
    let join = cluster.plan(Moves::Fill(BTreeSet::from([gone.id])));
    figures.note("the same, one member comes", shown(join));
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

struct Cluster {
    members: Vec<Member>,
    loads: Vec<(Group, GroupLoads)>,
    tables: Vec<Option<Table>>,
    n: u64,
}

impl Cluster {
    fn new() -> Self {
        let member = |n: usize| Member {
            id: MemberId::parse(&format!("member-{n:04}")).unwrap(),
            weight: 2,
            tags: if n < TAGS * 10 {
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
            let group = if n % 5 == 0 { 1 + n / 5 % TAGS } else { 0 };
            loads[group].1.add(slot(&name), 1_500_000 * (1 + n as u64 % 7), "tcp");
        }
        Self {
            members: (0..MEMBERS).map(member).collect(),
            tables: vec![None; loads.len()],
            loads,
            n: 0,
        }
    }

    /// Plans until nothing is left to do; the processor time of the first and of all further plans, without what is around.
    fn plan(&mut self, moves: Moves) -> Duration {
        let mut time = Duration::ZERO;
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
            time += cpu() - used;
            self.n += 1;
            for change in changes {
                let at = self.loads.iter().position(|(group, _)| *group == change.group).unwrap();
                self.tables[at] = Some(change.table);
            }
            if !more {
                return time;
            }
        }
    }
}
