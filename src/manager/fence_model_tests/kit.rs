//! What the model is about, and everything that is in it, each once and by number, so that a state of the model is a few numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::super::commits::{self, Pending, Recorded};
use crate::catalog::{GroupLoads, MonitorEntry};
use crate::cluster::tenures::{Holding, Right};
use crate::config::definition::Strictness;
use crate::config::kinds::Kinds;
use crate::director::plan::{Class, Input, Member, Moves, Place, plan};
use crate::model::{Group, MemberId, MonitorName, Outcome, WallMs};
use crate::state::{Health, Judged, Policy};
use crate::store::records::{MemberRecord, Table, slot};
use crate::store::{Commit, Entry, Guard, Key, LeaseId, Op, Revision, Session, encode, in_memory, keys, seat_value};

pub(super) const NAME: &str = "web";
/// The two groups that an edit moves the monitor between.
const TAGS: [&str; 2] = ["eu", "us"];
/// Slots that change hands: that of the monitor in both groups, and another one. Each by a kind of its own, so that the planner can be made
/// to move just one of them.
const MOVABLE: [(usize, bool, &str); 3] = [(0, true, "of-eu"), (0, false, "other-of-eu"), (1, true, "of-us")];

/// A number for each of many equal things.
pub(super) struct Known<T> {
    all: Vec<T>,
    numbers: HashMap<T, u16>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            numbers: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Known<T> {
    pub(super) fn number(&mut self, thing: T) -> u16 {
        if let Some(number) = self.numbers.get(&thing) {
            return *number;
        }
        let number = u16::try_from(self.all.len()).unwrap();
        self.all.push(thing.clone());
        self.numbers.insert(thing, number);
        number
    }

    pub(super) fn get(&self, number: u16) -> &T {
        &self.all[usize::from(number)]
    }
}

/// What the store holds. Revisions count the writes of each key by itself: guards only ask whether they are equal, and states that
/// differ only in the order of what does not touch are one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rows {
    entries: BTreeMap<Key, Entry>,
    writes: BTreeMap<Key, u64>,
}

impl Hash for Rows {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        for (key, writes) in &self.writes {
            (key, writes).hash(hasher);
        }
        for (key, entry) in &self.entries {
            (key, &entry.value, entry.lease).hash(hasher);
        }
    }
}

impl Rows {
    pub(super) fn entry(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn rev(&self, key: &Key) -> Revision {
        self.entry(key).map_or(Revision(0), |entry| entry.rev)
    }

    pub(super) fn writes(&self, key: &Key) -> u64 {
        self.writes.get(key).copied().unwrap_or(0)
    }

    pub(super) fn hold<'a>(&self, mut guards: impl Iterator<Item = &'a Guard>) -> bool {
        guards.all(|guard| guard.holds(self.entry(guard.key())))
    }

    pub(super) fn apply(&mut self, ops: &[Op]) {
        for op in ops {
            let writes = self.writes.entry(op.key().clone()).or_default();
            *writes += 1;
            match op {
                Op::Put(key, value, lease) => {
                    let rev = Revision(*writes);
                    let born = self.entries.get(key).map_or(rev, |before| before.born);
                    let entry = Entry {
                        key: key.clone(),
                        value: value.clone(),
                        born,
                        rev,
                        lease: *lease,
                    };
                    self.entries.insert(key.clone(), entry);
                }
                Op::Delete(key) => {
                    self.entries.remove(key);
                }
            }
        }
    }
}

/// How a monitor stands, as far as its judge knows, and how often its checkpoint had been written then: what happens next depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) recorded: Recorded,
    pub(super) health: Health,
    pub(super) turn: u64,
}

impl Hash for Stand {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        let episode = self.health.episode.as_ref().map(|episode| (episode.id, episode.seq));
        (self.recorded.rev, episode, self.turn).hash(hasher);
    }
}

/// A commit that a process sends, all of it.
pub(super) struct Sent {
    pub(super) shared: Vec<Guard>,
    pub(super) commit: Commit,
    pub(super) recorded: Revision,
    after: Recorded,
    health: Health,
}

pub(super) type Tables = [Table; 2];

/// The tables after a move, and what it writes.
pub(super) type Moved = (u16, Arc<Vec<Op>>);

/// What is written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Write {
    Tables(u16),
    Edit(u8),
    Expires(usize),
    Registers(usize),
    Sent(SentOf),
}

/// A commit by its parts: session, how things stood, the right, the definition, what was held.
pub(super) type SentOf = (usize, u16, u16, u8, u16);

pub(super) struct Kit {
    pub(super) members: [MemberId; 2],
    pub(super) sessions: Vec<Session>,
    pub(super) groups: [Group; 2],
    loads: [GroupLoads; 2],
    pub(super) slot: u16,
    other: u16,
    name: MonitorName,
    pub(super) rows: Known<Arc<Rows>>,
    written: HashMap<(u16, Write), u16>,
    arriving: HashMap<u16, u16>,
    tables: Vec<Arc<Tables>>,
    /// Per tables: those before, and of which group who lost a slot then.
    origin: Vec<Option<(u16, usize, MemberId)>>,
    moved: HashMap<(u16, usize), Moved>,
    holdings: Vec<Option<Holding>>,
    held: HashMap<(usize, usize, u16, Option<u16>), u16>,
    rights: Vec<Arc<Right>>,
    pub(super) stands: Known<Stand>,
    entries: HashMap<u8, Arc<MonitorEntry>>,
    sent: HashMap<SentOf, Arc<Sent>>,
    stamp_stays: bool,
    _runtime: tokio::runtime::Runtime,
}

fn definition(rev: u8) -> serde_json::Value {
    let tag = TAGS[Kit::group_of_definition(rev)];
    json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "member-tag": tag})
}

impl Kit {
    /// The kit, the first tables and the first store: the first member holds everything but the monitor's slot of the second group and the
    /// other slot of the first.
    pub(super) fn new(stamp_stays: bool) -> (Self, u16, u16) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let members = ["a", "b"].map(|id| MemberId::parse(id).unwrap());
        let sessions = runtime.block_on(async {
            let (store, _faults) = in_memory();
            let mut sessions = Vec::new();
            for n in 0..4 {
                let record = MemberRecord::new(members[n % 2].clone(), "disk", &format!("boot-{n}"));
                sessions.push(Session::open(&store, record, Duration::from_secs(6)).await.unwrap());
            }
            sessions
        });
        let (slot, other) = (slot(NAME), slot("another"));
        assert_ne!(slot, other);
        let mut loads = [GroupLoads::default(), GroupLoads::default()];
        for (group, of_monitor, kind) in MOVABLE {
            loads[group].add(if of_monitor { slot } else { other }, 1_000, kind);
        }
        let mut kit = Self {
            members,
            sessions,
            groups: TAGS.map(Group::of),
            loads,
            slot,
            other,
            name: MonitorName::parse(NAME).unwrap(),
            rows: Known::default(),
            written: HashMap::new(),
            arriving: HashMap::new(),
            tables: Vec::new(),
            origin: vec![None],
            moved: HashMap::new(),
            holdings: Vec::new(),
            held: HashMap::new(),
            rights: Vec::new(),
            stands: Known::default(),
            entries: HashMap::new(),
            sent: HashMap::new(),
            stamp_stays: false,
            _runtime: runtime,
        };
        let mut rows = Rows::default();
        let (all, ops) = kit.plan(None, &[0, 0, 0], "1-0".to_owned());
        rows.apply(&ops);
        let (begin, ops) = kit.plan(Some(&all), &[0, 1, 1], "1-1".to_owned());
        rows.apply(&ops);
        for session in 0..2 {
            rows.apply(&[kit.registers(session)]);
        }
        rows.apply(&[kit.edit(1)]);
        kit.tables.push(Arc::new(begin));
        kit.stamp_stays = stamp_stays;
        let rows = kit.rows.number(Arc::new(rows));
        (kit, 0, rows)
    }

    /// What the planner makes of it if these members are to have the movable slots, and what the director writes.
    fn plan(&self, before: Option<&Tables>, owners: &[usize; 3], epoch: String) -> (Tables, Vec<Op>) {
        let kinds = |m: usize| {
            let mine = MOVABLE.iter().zip(owners).filter(|(_, owner)| **owner == m);
            let kinds = mine.map(|((_, _, kind), _)| (*kind).to_owned());
            kinds.chain(["none".to_owned()]).collect()
        };
        // Whoever has nothing yet is not there yet: so one of the two holds all that is not movable, and the other nothing else.
        let here: BTreeSet<usize> = match before {
            None => owners.iter().copied().collect(),
            Some(_) => BTreeSet::from([0, 1]),
        };
        let member = |m: usize| Member {
            id: self.members[m].clone(),
            weight: 1,
            tags: TAGS.map(str::to_owned).to_vec(),
            kinds: kinds(m),
            class: Class::Full,
        };
        let place = |group: usize| Place {
            group: self.groups[group].clone(),
            loads: Some(&self.loads[group]),
            before: before.map(|tables| &tables[group]),
        };
        let planned = plan(&Input {
            members: here.into_iter().map(member).collect(),
            places: vec![place(0), place(1)],
            moves: Moves::Must,
            epoch,
            at: WallMs(1),
            why: String::new(),
        });
        let mut tables: Vec<Option<Table>> = match before {
            None => vec![None, None],
            Some(tables) => tables.iter().cloned().map(Some).collect(),
        };
        let mut ops = Vec::new();
        for mut change in planned.changes {
            let at = self.groups.iter().position(|group| *group == change.group).unwrap();
            if self.stamp_stays {
                let stamps = tables[at].iter().flat_map(|table| table.stamps.clone());
                let before: BTreeMap<_, _> = stamps.collect();
                for (member, stamp) in &mut change.table.stamps {
                    *stamp = before.get(member).cloned().unwrap_or_else(|| stamp.clone());
                }
                change.seats.retain(|(member, _)| !before.contains_key(member));
            }
            let group = change.group.as_str();
            ops.push(Op::Put(keys::table(group), encode(&change.table).unwrap(), None));
            for (member, stamp) in &change.seats {
                let seat = keys::seat(group, member);
                ops.push(match stamp {
                    Some(stamp) => Op::Put(seat, seat_value(stamp), None),
                    None => Op::Delete(seat),
                });
            }
            tables[at] = Some(change.table);
        }
        let tables = tables.into_iter().map(Option::unwrap).collect::<Vec<_>>();
        (tables.try_into().unwrap(), ops)
    }

    pub(super) fn tables(&self, tables: u16) -> &Tables {
        &self.tables[usize::from(tables)]
    }

    /// One of the movable slots goes to the other member.
    pub(super) fn moved(&mut self, tables: u16, which: usize) -> Moved {
        if let Some(moved) = self.moved.get(&(tables, which)) {
            return moved.clone();
        }
        let before = self.tables[usize::from(tables)].clone();
        let mut owners: [usize; 3] = std::array::from_fn(|n| {
            let (group, of_monitor, _) = MOVABLE[n];
            let slot = if of_monitor { self.slot } else { self.other };
            let judge = judge(&before[group], slot).0;
            self.members.iter().position(|member| *member == judge).unwrap()
        });
        let loser = self.members[owners[which]].clone();
        owners[which] = 1 - owners[which];
        let (after, ops) = self.plan(Some(&before), &owners, format!("1-{}", self.tables.len() + 1));
        for (n, (group, of_monitor, _)) in MOVABLE.into_iter().enumerate() {
            let slot = if of_monitor { self.slot } else { self.other };
            let stays = judge(&before[group], slot) == judge(&after[group], slot);
            assert_eq!(stays, n != which, "the planner moves this one and no other");
        }
        let number = u16::try_from(self.tables.len()).unwrap();
        self.tables.push(Arc::new(after));
        self.origin.push(Some((tables, MOVABLE[which].0, loser)));
        let moved = (number, Arc::new(ops));
        self.moved.insert((tables, which), moved.clone());
        moved
    }

    /// What a table gives a process of a group, after what the one before gave.
    pub(super) fn holding(&mut self, session: usize, tables: u16, group: usize, before: Option<u16>) -> u16 {
        let of = (session, group, tables, before);
        if let Some(known) = self.held.get(&of) {
            return *known;
        }
        let earlier = before.and_then(|n| self.holdings[usize::from(n)].as_ref());
        let table = &self.tables[usize::from(tables)][group];
        let first = before.is_none();
        let holding = Holding::of(&self.sessions[session], &self.groups[group], table, earlier, first);
        let number = match self.holdings.iter().position(|known| *known == holding) {
            Some(at) => at,
            None => {
                self.holdings.push(holding);
                self.holdings.len() - 1
            }
        };
        let number = u16::try_from(number).unwrap();
        self.held.insert(of, number);
        number
    }

    /// By which right the monitor's slot is held.
    pub(super) fn right(&mut self, holding: u16) -> Option<u16> {
        let holding = self.holdings[usize::from(holding)].as_ref()?;
        let right = holding.right(self.slot)?.clone();
        let at = self.rights.iter().position(|known| *known == right).unwrap_or_else(|| {
            self.rights.push(right);
            self.rights.len() - 1
        });
        Some(u16::try_from(at).unwrap())
    }

    pub(super) fn group_of(&self, right: u16) -> usize {
        let right = &self.rights[usize::from(right)];
        self.groups.iter().position(|group| *group == right.group).unwrap()
    }

    pub(super) fn since_of(&self, right: u16) -> &str {
        &self.rights[usize::from(right)].since
    }

    /// Whether a member has lost nothing of a group since these tables were the newest.
    pub(super) fn lost_nothing(&self, session: usize, group: usize, since: u16, now: u16) -> bool {
        let mut at = now;
        while at != since {
            let Some((before, of, loser)) = &self.origin[usize::from(at)] else {
                return true;
            };
            if *of == group && loser == self.sessions[session].member() {
                return false;
            }
            at = *before;
        }
        true
    }

    /// The definition of that revision.
    pub(super) fn entry(&mut self, rev: u8) -> Arc<MonitorEntry> {
        let entry = || {
            let read = Kinds::built_in().read_monitor(NAME, &definition(rev), Strictness::Lenient);
            let name = MonitorName::parse(NAME).unwrap();
            Arc::new(MonitorEntry::new(name, Revision(u64::from(rev)), WallMs(0), read))
        };
        self.entries.entry(rev).or_insert_with(entry).clone()
    }

    /// As [`definition`] says.
    pub(super) fn group_of_definition(rev: u8) -> usize {
        usize::from(rev + 1) % 2
    }

    pub(super) fn edit(&self, rev: u8) -> Op {
        let spec = Bytes::from(definition(rev).to_string());
        Op::Put(keys::monitor(&self.name), spec, None)
    }

    pub(super) fn registers(&self, session: usize) -> Op {
        let lease = self.lease(session);
        let key = keys::member(self.sessions[session].member());
        Op::Put(key, Bytes::from_static(b"{}"), Some(lease))
    }

    pub(super) fn lease(&self, session: usize) -> LeaseId {
        self.sessions[session].lease()
    }

    pub(super) fn checkpoint(&self) -> Key {
        keys::checkpoint(&self.name)
    }

    /// The commit of the next change: a monitor that is well fails, another one is well again.
    pub(super) fn sent(&mut self, of: SentOf) -> Arc<Sent> {
        if let Some(sent) = self.sent.get(&of) {
            return sent.clone();
        }
        let (session, stand, right, definition, holding) = of;
        let (stand, entry) = (self.stands.get(stand).clone(), self.entry(definition));
        let due = WallMs(i64::try_from(stand.turn * 10 + 10).unwrap() + i64::try_from(session).unwrap());
        let mut health = stand.health;
        let fails = health.episode.is_none();
        let judged = Judged {
            due,
            at: due,
            outcome: if fails { Outcome::Fail } else { Outcome::Pass },
            message: "down",
        };
        let at_once = Policy {
            warning: 0,
            critical: 0,
        };
        let transitions = health.step(judged, at_once).into_iter().collect();
        let pending = Pending {
            definition: entry.rev,
            entry,
            right: self.rights[usize::from(right)].clone(),
            health,
            transitions,
            anew: false,
        };
        let (commit, after) = commits::commit(&pending, &stand.recorded).unwrap().unwrap();
        let shared = self.holdings[usize::from(holding)].as_ref().unwrap().tenure().guards();
        let sent = Arc::new(Sent {
            shared,
            commit,
            recorded: stand.recorded.rev,
            after: after.unwrap_or_default(),
            health: pending.health,
        });
        self.sent.insert(of, sent.clone());
        sent
    }

    /// How it stands for whoever made this commit and knows that it was made.
    pub(super) fn after(&mut self, sent: &Sent, rows: &Rows) -> u16 {
        let recorded = Recorded {
            rev: rows.rev(&self.checkpoint()),
            ..sent.after.clone()
        };
        self.stands.number(Stand {
            recorded,
            health: sent.health.clone(),
            turn: rows.writes(&self.checkpoint()),
        })
    }

    /// How it stands for whoever takes the monitor over now.
    pub(super) fn arriving(&mut self, rows: u16) -> u16 {
        if let Some(known) = self.arriving.get(&rows) {
            return *known;
        }
        let (key, held) = (self.checkpoint(), self.rows.get(rows).clone());
        let found = held.entry(&key).map(|entry| crate::store::decode(entry).unwrap());
        let (recorded, health) = found
            .map(|found| commits::restore(found.rev, &found.value))
            .unwrap_or_default();
        let stand = self.stands.number(Stand {
            recorded,
            health,
            turn: held.writes(&key),
        });
        self.arriving.insert(rows, stand);
        stand
    }

    /// The store after a write.
    pub(super) fn write(&mut self, rows: u16, what: Write, ops: impl FnOnce(&mut Self) -> Vec<Op>) -> u16 {
        if let Some(known) = self.written.get(&(rows, what)) {
            return *known;
        }
        let ops = ops(self);
        let mut after = Rows::clone(self.rows.get(rows));
        after.apply(&ops);
        let after = self.rows.number(Arc::new(after));
        self.written.insert((rows, what), after);
        after
    }
}

/// Who judges a slot, and by which epoch.
pub(super) fn judge(table: &Table, slot: u16) -> (MemberId, String) {
    let run = table.runs.iter().find(|run| run.last >= slot).unwrap();
    (run.judge.clone().unwrap(), run.since.clone())
}
