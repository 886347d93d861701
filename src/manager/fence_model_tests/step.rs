//! A state of the model, and all that may come after it.

use std::collections::HashMap;

use super::kit::{Kit, Rows, Sent, SentOf, Write, judge};
use super::{AGAIN, Bounds, LOST_BETWEEN, NEEDLESS, OVERWRITES, STALE_DEFINITION, STALE_HOLDER, TWIN, Wrong};
use crate::store::{Guard, Op, keys};

/// Commits on their way at a time.
const FLIGHTS: usize = 2;

/// What a process judges by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Judging {
    right: u16,
    definition: u8,
    stand: u16,
}

/// A process, which may be paused for as long as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    session: u8,
    /// What the tables that it has seen give it of both groups, and which these are.
    held: Option<(u16, [u16; 2])>,
    /// The definition that it has seen; 0: none.
    definition: u8,
    judging: Option<Judging>,
}

/// A commit on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Flight {
    process: usize,
    of: SentOf,
    /// The tables that it was sent under.
    tables: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    tables: u16,
    definition: u8,
    rows: u16,
    processes: Vec<Process>,
    flights: Vec<Flight>,
    moves: u8,
    edits: u8,
    restarts: u8,
    expiries: u8,
}

/// What happened, to whom.
pub(super) type Event = (&'static str, usize);

pub(super) fn start(tables: u16, rows: u16) -> World {
    let process = |session| Process {
        session,
        held: None,
        definition: 0,
        judging: None,
    };
    World {
        tables,
        definition: 1,
        rows,
        processes: vec![process(0), process(1)],
        flights: Vec::new(),
        moves: 0,
        edits: 0,
        restarts: 0,
        expiries: 0,
    }
}

/// All that may come next, and what is wrong with it.
pub(super) struct Steps<'a> {
    pub(super) kit: &'a mut Kit,
    pub(super) bounds: Bounds,
    pub(super) wrong: Wrong,
    pub(super) next: Vec<(Event, World)>,
    pub(super) found: Vec<(&'static str, Event)>,
    /// Whether a commit is made of that store, and what would be wrong with that.
    pub(super) verdicts: &'a mut HashMap<(u16, SentOf), (bool, Option<&'static str>)>,
}

impl Steps<'_> {
    pub(super) fn after(&mut self, world: &World) {
        self.outside(world);
        for at in 0..world.processes.len() {
            self.process(world, at);
        }
        for at in 0..world.flights.len() {
            // Of two equal ones it is the same which.
            if at == 0 || world.flights[at] != world.flights[at - 1] {
                self.arrives(world, at);
            }
        }
    }

    /// Director, operator, time, and whoever starts processes.
    fn outside(&mut self, world: &World) {
        if world.moves < self.bounds.moves {
            for which in 0..3 {
                let mut next = world.clone();
                let (tables, ops) = self.kit.moved(world.tables, which);
                next.rows = self.kit.write(world.rows, Write::Tables(tables), |_| ops.to_vec());
                next.tables = tables;
                next.moves += 1;
                self.next.push((("the director moves slot", which), next));
            }
        }
        if world.edits < self.bounds.edits {
            let mut next = world.clone();
            next.definition += 1;
            let definition = next.definition;
            next.rows = self
                .kit
                .write(world.rows, Write::Edit(definition), |kit| vec![kit.edit(definition)]);
            next.edits += 1;
            self.next
                .push((("an edit moves the monitor to the other group", 0), next));
        }
        for member in 0..2 {
            let key = keys::member(&self.kit.members[member]);
            if world.expiries < self.bounds.expiries && self.kit.rows.get(world.rows).entry(&key).is_some() {
                let mut next = world.clone();
                next.rows = self
                    .kit
                    .write(world.rows, Write::Expires(member), |_| vec![Op::Delete(key)]);
                next.expiries += 1;
                self.next.push((("the lease is over, of member", member), next));
            }
            if world.restarts < self.bounds.restarts {
                let mut next = world.clone();
                let session = member + 2;
                let write = Write::Registers(session);
                next.rows = self.kit.write(world.rows, write, |kit| vec![kit.registers(session)]);
                next.processes.push(Process {
                    session: u8::try_from(session).unwrap(),
                    held: None,
                    definition: 0,
                    judging: None,
                });
                next.restarts += 1;
                self.next
                    .push((("another process, the first one paused, of member", member), next));
            }
        }
    }

    fn process(&mut self, world: &World, at: usize) {
        let process = world.processes[at];
        let session = usize::from(process.session);
        if process.held.is_none_or(|(tables, _)| tables != world.tables) {
            let mut next = world.clone();
            let held = [0, 1].map(|group| {
                let before = process.held.map(|(_, held)| held[group]);
                self.kit.holding(session, world.tables, group, before)
            });
            next.processes[at].held = Some((world.tables, held));
            self.place(&mut next, at);
            self.next.push((("sees the tables, process", at), next));
        }
        if process.definition != world.definition {
            let mut next = world.clone();
            next.processes[at].definition = world.definition;
            self.place(&mut next, at);
            self.next.push((("sees the definition, process", at), next));
        }
        let (Some(judging), Some((tables, held))) = (process.judging, process.held) else {
            return;
        };
        // As the recorder does before it sends.
        let holding = held[self.kit.group_of(judging.right)];
        let right = self.kit.right(holding);
        let may = right == Some(judging.right) || (self.wrong.no_since && right.is_some());
        if world.flights.len() < FLIGHTS && may {
            let mut next = world.clone();
            next.flights.push(Flight {
                process: at,
                of: (session, judging.stand, judging.right, judging.definition, holding),
                tables,
            });
            next.flights.sort();
            self.next.push((("sends a commit, process", at), next));
        }
    }

    /// As the manager's placement does: what is held on is gone on with, what is new is read.
    fn place(&mut self, world: &mut World, at: usize) {
        let Process {
            held,
            definition,
            judging,
            ..
        } = world.processes[at];
        let (Some((_, held)), true) = (held, definition != 0) else {
            return;
        };
        let group = Kit::group_of_definition(definition);
        let right = self.kit.right(held[group]);
        let still = judging.is_some_and(|judging| {
            let of = self.kit.group_of(judging.right);
            let now = self.kit.right(held[of]);
            now == Some(judging.right) || (self.wrong.no_since && now.is_some())
        });
        world.processes[at].judging = right.map(|right| Judging {
            right: match judging {
                // As if it were one right all the time.
                Some(judging) if still && self.wrong.no_since => judging.right,
                _ => right,
            },
            definition,
            stand: match judging {
                Some(judging) if still => judging.stand,
                _ => self.kit.arriving(world.rows),
            },
        });
    }

    /// A commit gets to the store.
    fn arrives(&mut self, world: &World, at: usize) {
        let flight = world.flights[at];
        let (session, _, right, definition, _) = flight.of;
        let group = self.kit.group_of(right);
        let rows = self.kit.rows.get(world.rows).clone();
        let sent = self.kit.sent(flight.of);
        let (holds, wrong) = match self.verdicts.get(&(world.rows, flight.of)) {
            Some(known) => *known,
            None => {
                let verdict = (self.holds(&sent, &rows), self.wrong_with(world, &flight, &rows));
                self.verdicts.insert((world.rows, flight.of), verdict);
                verdict
            }
        };
        let same_table = || self.kit.tables(flight.tables)[group] == self.kit.tables(world.tables)[group];
        let made = holds && (!self.wrong.whole_table || same_table());
        let mut left = world.clone();
        left.flights.remove(at);
        if !made {
            let mut next = left;
            let tidy = wrong.is_none()
                && rows.writes(&self.kit.checkpoint()) < self.bounds.writes
                && self.kit.lost_nothing(session, group, flight.tables, world.tables);
            if tidy {
                self.found.push((NEEDLESS, ("refused, process", flight.process)));
            }
            // It looks what has changed, and goes on if by what it knows it may.
            let process = &mut next.processes[flight.process];
            if let Some(judging) = process.judging.as_mut()
                && (judging.right, judging.definition) == (right, definition)
            {
                judging.stand = self.kit.arriving(world.rows);
            }
            self.next.push((("refused, process", flight.process), next));
            return;
        }
        if rows.writes(&self.kit.checkpoint()) == self.bounds.writes {
            return;
        }
        if let Some(what) = wrong {
            self.found.push((what, ("made, process", flight.process)));
        }
        let write = Write::Sent(flight.of);
        left.rows = self.kit.write(world.rows, write, |_| sent.commit.ops.clone());
        self.next
            .push((("made, no answer, process", flight.process), left.clone()));
        let rows = self.kit.rows.get(left.rows).clone();
        let stand = self.kit.after(&sent, &rows);
        if let Some(judging) = left.processes[flight.process].judging.as_mut()
            && (judging.right, judging.definition, judging.stand) == (right, definition, flight.of.1)
        {
            judging.stand = stand;
        }
        self.next.push((("made, process", flight.process), left));
    }

    fn holds(&self, sent: &Sent, rows: &Rows) -> bool {
        let left_out = |guard: &Guard| {
            let stamp = self.wrong.whole_table && matches!(guard, Guard::Is(..));
            stamp || self.wrong.without.is_some_and(|without| without(guard))
        };
        let guards = sent.shared.iter().chain(&sent.commit.guards);
        rows.hold(guards.filter(|guard| !left_out(guard)))
    }

    /// What would be wrong if this commit were made now.
    fn wrong_with(&mut self, world: &World, flight: &Flight, rows: &Rows) -> Option<&'static str> {
        let (session, _, right, definition, _) = flight.of;
        let sent = self.kit.sent(flight.of);
        let group = self.kit.group_of(right);
        let member = self.kit.sessions[session].member();
        let (holder, since) = judge(&self.kit.tables(world.tables)[group], self.kit.slot);
        let there = rows.entry(&keys::member(member)).and_then(|entry| entry.lease);
        let opens = sent
            .commit
            .ops
            .iter()
            .any(|op| matches!(op, Op::Put(key, ..) if *key == self.kit.checkpoint()));
        let over = |op: &Op| matches!(op, Op::Put(key, ..) if keys::pasts().covers(key) && rows.entry(key).is_some());
        let past = sent.commit.guards.iter().find_map(|guard| match guard {
            Guard::Absent(key) => Some(key),
            _ => None,
        });
        if holder != *member {
            Some(STALE_HOLDER)
        } else if there != Some(self.kit.lease(session)) {
            Some(TWIN)
        } else if definition != world.definition {
            Some(STALE_DEFINITION)
        } else if since != self.kit.since_of(right) {
            Some(LOST_BETWEEN)
        } else if sent.recorded != rows.rev(&self.kit.checkpoint()) {
            Some(OVERWRITES)
        } else if (opens && past.is_some_and(|key| rows.entry(key).is_some())) || sent.commit.ops.iter().any(over) {
            Some(AGAIN)
        } else {
            None
        }
    }
}
