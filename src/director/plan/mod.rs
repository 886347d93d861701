//! Pure: which member judges each slot of every placement group. All groups are looked at together, so that a member that takes part in many is
//! not given a full share of each.
//!
//! Slots stay where they are. One moves only because its judge is gone or may not hold it ([`who`]), because a newcomer takes its share of
//! it, or because the work has been out of level for long ([`shift`]). What has no judge is dealt by weight and load ([`deal`]).

mod deal;
mod sheet;
mod shift;
#[cfg(test)]
mod tests;
mod water;
mod who;

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::GroupLoads;
use crate::model::{Group, MemberId, WallMs};
use crate::store::records::Table;

use deal::Unit;
use sheet::Sheet;
use shift::{Of, Shift};
use who::{Crew, Keep, Receivers};

/// Seats that one commit may touch, beside the table itself.
pub const SEATS: usize = 60;

/// What a member is good for. In the order in which they are asked to take a slot that has no judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Holds and takes.
    Full,
    /// Keeps what it has; takes only what nobody else may hold (cordoned, or lost too often lately).
    Keeps,
    /// Keeps what it has; takes nothing yet, and what only it could take waits for it (it has just come, or may be back in a moment).
    Waits,
    /// Gives everything away; keeps what nobody else may hold (drained, unfit).
    Gives,
    /// As [`Class::Gives`], and is about to go.
    Leaves,
}

/// A member, as far as the plan needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// Its share of the work, against the others'.
    pub weight: u32,
    /// Its tags: which groups it takes.
    pub tags: Vec<String>,
    /// Kinds that it can run; none: all.
    pub kinds: Vec<String>,
    /// What it is good for.
    pub class: Class,
}

/// A placement group, its work, and who has it.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// Which.
    pub group: Group,
    /// Its work; none: nothing runs in it.
    pub loads: Option<&'a GroupLoads>,
    /// The table that is there.
    pub before: Option<&'a Table>,
}

/// What may move besides what has to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moves {
    /// Nothing.
    Must,
    /// These newcomers take their share from those who have more than theirs.
    Fill(BTreeSet<MemberId>),
    /// Whoever has more than its share gives to whoever has less; so many slots at most.
    Level {
        /// Slots.
        most: usize,
    },
}

/// What a plan is made from.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    /// Everybody who is here or may be back in a moment, each once.
    pub members: Vec<Member>,
    /// All groups in use.
    pub places: Vec<Place<'a>>,
    /// What may move.
    pub moves: Moves,
    /// Name of the tables to be; never used before.
    pub epoch: String,
    /// When it is, for the tables.
    pub at: WallMs,
    /// Why there is a plan, for the tables.
    pub why: String,
}

/// Slots that go from one to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Who had them.
    pub from: Option<MemberId>,
    /// Who has them now.
    pub to: Option<MemberId>,
    /// How many.
    pub slots: usize,
    /// Monitors in them.
    pub monitors: usize,
}

/// A table that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub group: Group,
    /// The next one.
    pub table: Table,
    /// Seats that change with it; `None`: it is taken away.
    pub seats: Vec<(MemberId, Option<String>)>,
    /// What moves.
    pub moves: Vec<Moved>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Planned {
    /// Tables that change.
    pub changes: Vec<Change>,
    /// Slots that nobody may hold.
    pub orphans: BTreeMap<Group, usize>,
    /// Slots of members that should hold nothing, and that nobody else may hold.
    pub stuck: BTreeMap<MemberId, usize>,
    /// Largest load against what would be fair; 1 is level. 0 where there is no work.
    pub fullest: f64,
    /// There is more to move than one commit may: plan again when these are written.
    pub more: bool,
}

/// Marks a slot that nobody judges.
const NOBODY: u16 = u16::MAX;

/// The next tables. The same input gives the same plan.
#[must_use]
pub fn plan(input: &Input<'_>) -> Planned {
    let crew = Crew::new(&input.members, &input.places);
    let mut sheets: Vec<Sheet<'_>> = input.places.iter().map(|place| Sheet::new(place, &crew)).collect();
    let weights: Vec<f64> = crew
        .members
        .iter()
        .map(|member| f64::from(member.weight.max(1)))
        .collect();
    let mut held = vec![0.0; weights.len()];
    let mut units = Vec::new();
    for (at, sheet) in sheets.iter_mut().enumerate() {
        units.extend(homeless(&crew, at, sheet, &mut held));
    }
    deal::deal(&mut sheets, units, &mut held, &weights);
    let fair = shift::fair(&crew, &sheets, &weights);
    let takes = |m: usize| match &input.moves {
        Moves::Must => false,
        Moves::Fill(newcomers) => newcomers.contains(&crew.members[m].id),
        Moves::Level { .. } => true,
    };
    let (of, most) = match &input.moves {
        Moves::Must | Moves::Fill(_) => (Of::Newcomers, usize::MAX),
        Moves::Level { most } => (Of::All, *most),
    };
    if input.moves != Moves::Must {
        let mut shift = Shift {
            crew: &crew,
            held: &mut held,
            fair: &fair,
            weights: &weights,
            takes: &takes,
            of,
            most,
        };
        shift.run(&mut sheets);
    }
    let mut planned = Planned {
        fullest: fullest(&crew, &held, &fair),
        ..Planned::default()
    };
    for sheet in &mut sheets {
        planned.more |= sheet.within(SEATS);
        planned.changes.extend(sheet.change(&crew, input));
        let orphans = sheet.orphans();
        if orphans > 0 {
            planned.orphans.insert(sheet.place.group.clone(), orphans);
        }
        for (m, slots) in sheet.stuck(&crew) {
            *planned.stuck.entry(crew.members[m].id.clone()).or_default() += slots;
        }
    }
    planned
}

/// Takes the slots of a group from those who may not hold them. What is to be dealt, by who may take it.
fn homeless(crew: &Crew<'_>, at: usize, sheet: &mut Sheet<'_>, held: &mut [f64]) -> Vec<Unit> {
    let takers = crew.takers(&sheet.place.group);
    let mut to_deal: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for i in 0..sheet.pieces.len() {
        let piece = &sheet.pieces[i];
        match takers.keep(crew, piece.was, piece.need) {
            Keep::Stays => {}
            Keep::Later => {
                let is_here = usize::from(piece.was) < crew.members.len();
                // Whoever is here runs what its tables say, and must not run what is not for it.
                if is_here && !takers.takes(piece.was) {
                    sheet.pieces[i].judge = NOBODY;
                }
                sheet.pieces[i].later = true;
            }
            Keep::Goes => {
                let runner = sheet.runners(i).iter().find_map(|runner| crew.index(runner));
                let heir = runner.filter(|m| takers.is_full(*m));
                sheet.pieces[i].judge = heir.unwrap_or(NOBODY);
                if heir.is_none() {
                    to_deal.entry(sheet.pieces[i].need).or_default().push(i);
                }
            }
        }
        let piece = &sheet.pieces[i];
        if let Some(held) = held.get_mut(usize::from(piece.judge)) {
            *held += piece.load as f64;
        }
    }
    let unit = |(need, pieces)| match takers.receivers(crew, need) {
        Receivers::Are(over) => Some(Unit { at, pieces, over }),
        // `keep` has said so before.
        Receivers::Later | Receivers::Nobody => None,
    };
    to_deal.into_iter().filter_map(unit).collect()
}

/// Largest load of a member against what would be fair.
fn fullest(crew: &Crew<'_>, held: &[f64], fair: &[f64]) -> f64 {
    let full = (0..crew.members.len()).filter(|m| crew.members[*m].class == Class::Full && fair[*m] > 0.0);
    full.map(|m| held[m] / fair[m]).fold(0.0, f64::max)
}
