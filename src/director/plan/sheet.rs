//! A group's table taken apart into pieces that move as a whole, and put together again.

use std::collections::{BTreeMap, BTreeSet};

use super::who::Crew;
use super::{Change, Class, Input, Moved, NOBODY, Place};
use crate::model::MemberId;
use crate::store::records::{FORMAT, SLOTS, SlotRun, Table};

/// One slot in which something runs, or a stretch of slots in which nothing does. All of one run of the table before.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) load: u64,
    pub(super) monitors: u32,
    pub(super) need: u64,
    /// Who had it: a member's number, one from the crew's length on for somebody who is gone, or [`NOBODY`].
    pub(super) was: u16,
    /// Who is to have it.
    pub(super) judge: u16,
    /// Nobody may take it yet; it is no orphan.
    pub(super) later: bool,
    /// Its run in the table before.
    run: Option<usize>,
}

impl Piece {
    pub(super) fn slots(&self) -> usize {
        usize::from(self.last - self.first) + 1
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.monitors > 0
    }
}

/// A group at work.
pub(super) struct Sheet<'a> {
    pub(super) place: &'a Place<'a>,
    pub(super) pieces: Vec<Piece>,
    /// Those who are named in the table and not here; their numbers follow those of the crew.
    gone: Vec<MemberId>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(place: &'a Place<'a>, crew: &Crew<'_>) -> Self {
        let mut sheet = Self {
            place,
            pieces: Vec::new(),
            gone: Vec::new(),
        };
        let mut loaded = place.loads.into_iter().flat_map(|loads| loads.slots()).peekable();
        let mut next = 0;
        let runs = place.before.map_or(&[][..], |table| &table.runs);
        let mut cut = |sheet: &mut Self, first: u16, last: u16, was: u16, run: Option<usize>| {
            let piece = |first, last| Piece {
                first,
                last,
                load: 0,
                monitors: 0,
                need: 0,
                was,
                judge: was,
                later: false,
                run,
            };
            let mut first = u32::from(first);
            while let Some((slot, load)) = loaded.next_if(|(slot, _)| *slot <= last) {
                if u32::from(slot) > first {
                    sheet.pieces.push(piece(first as u16, slot - 1));
                }
                sheet.pieces.push(Piece {
                    load: load.load,
                    monitors: load.monitors,
                    need: crew.need(load),
                    ..piece(slot, slot)
                });
                first = u32::from(slot) + 1;
            }
            if first <= u32::from(last) {
                sheet.pieces.push(piece(first as u16, last));
            }
        };
        for (at, run) in runs.iter().enumerate() {
            // The table is another process's: what does not follow is passed over.
            if run.first < next || run.last < run.first || run.last >= SLOTS {
                continue;
            }
            if run.first > next {
                cut(&mut sheet, next, run.first - 1, NOBODY, None);
            }
            let was = run.judge.as_ref().map_or(NOBODY, |judge| sheet.number(crew, judge));
            cut(&mut sheet, run.first, run.last, was, Some(at));
            next = run.last + 1;
        }
        if next < SLOTS {
            cut(&mut sheet, next, SLOTS - 1, NOBODY, None);
        }
        sheet
    }

    fn number(&mut self, crew: &Crew<'_>, id: &MemberId) -> u16 {
        if let Some(at) = crew.index(id) {
            return at;
        }
        let at = self.gone.iter().position(|gone| gone == id).unwrap_or_else(|| {
            self.gone.push(id.clone());
            self.gone.len() - 1
        });
        (crew.members.len() + at) as u16
    }

    fn id(&self, crew: &Crew<'_>, number: u16) -> Option<MemberId> {
        let number = usize::from(number);
        match crew.members.get(number) {
            Some(member) => Some(member.id.clone()),
            None => self.gone.get(number.checked_sub(crew.members.len())?).cloned(),
        }
    }

    fn run(&self, piece: &Piece) -> Option<&'a SlotRun> {
        self.place.before?.runs.get(piece.run?)
    }

    /// The listed runners of a piece.
    pub(super) fn runners(&self, piece: usize) -> &'a [MemberId] {
        self.run(&self.pieces[piece]).map_or(&[], |run| &run.runners)
    }

    /// Gives a stretch of slots without monitors to several, so many each, in order; what is left over stays with the last.
    pub(super) fn split(&mut self, pieces: &[usize], shares: &[(u16, usize)]) {
        let mut shares = shares.iter().copied().filter(|(_, n)| *n > 0).peekable();
        let mut left = shares.peek().map_or(0, |(_, n)| *n);
        let mut taken: Vec<Piece> = Vec::with_capacity(self.pieces.len() + pieces.len());
        let mut marked = pieces.iter().copied().peekable();
        for (i, mut piece) in std::mem::take(&mut self.pieces).into_iter().enumerate() {
            if marked.next_if_eq(&i).is_none() {
                taken.push(piece);
                continue;
            }
            while let Some((judge, _)) = shares.peek().copied() {
                if left < piece.slots() {
                    let mut front = piece.clone();
                    front.last = front.first + left as u16 - 1;
                    front.judge = judge;
                    piece.first = front.last + 1;
                    taken.push(front);
                    shares.next();
                    left = shares.peek().map_or(0, |(_, n)| *n);
                } else {
                    piece.judge = judge;
                    left -= piece.slots();
                    if left == 0 {
                        shares.next();
                        left = shares.peek().map_or(0, |(_, n)| *n);
                    }
                    break;
                }
            }
            taken.push(piece);
        }
        self.pieces = taken;
    }

    /// Takes moves back until no more than `most` seats change. Whether that had to be done.
    pub(super) fn within(&mut self, most: usize) -> bool {
        let seated: BTreeSet<u16> = self.pieces.iter().map(|piece| piece.was).collect();
        let touches = |piece: &Piece| {
            let loser = Some(piece.was).filter(|was| *was != NOBODY);
            let gainer = Some(piece.judge).filter(|judge| *judge != NOBODY && !seated.contains(judge));
            [loser, gainer]
        };
        let mut moved: Vec<usize> = (0..self.pieces.len())
            .filter(|i| self.pieces[*i].was != self.pieces[*i].judge)
            .collect();
        let all: BTreeSet<u16> = moved.iter().flat_map(|i| touches(&self.pieces[*i])).flatten().collect();
        if all.len() <= most {
            return false;
        }
        // Those who are gone have the highest numbers, and their slots nobody runs: they go first.
        moved.sort_by_key(|i| (std::cmp::Reverse(self.pieces[*i].was), *i));
        let mut touched: BTreeSet<u16> = BTreeSet::new();
        for i in moved {
            let seats = touches(&self.pieces[i]).into_iter().flatten();
            let more: Vec<u16> = seats.filter(|seat| !touched.contains(seat)).collect();
            if touched.len() + more.len() <= most {
                touched.extend(more);
            } else {
                self.pieces[i].judge = self.pieces[i].was;
                self.pieces[i].later = true;
            }
        }
        true
    }

    /// Slots that nobody may hold.
    pub(super) fn orphans(&self) -> usize {
        let orphans = self.pieces.iter().filter(|piece| piece.judge == NOBODY && !piece.later);
        orphans.map(Piece::slots).sum()
    }

    /// Slots of those who should give everything away.
    pub(super) fn stuck(&self, crew: &Crew<'_>) -> BTreeMap<usize, usize> {
        let mut stuck = BTreeMap::new();
        for piece in self.pieces.iter().filter(|piece| !piece.later) {
            let m = usize::from(piece.judge);
            if matches!(crew.members.get(m).map(|m| m.class), Some(Class::Gives | Class::Leaves)) {
                *stuck.entry(m).or_default() += piece.slots();
            }
        }
        stuck
    }

    /// The next table, if it is another one.
    pub(super) fn change(&self, crew: &Crew<'_>, input: &Input<'_>) -> Option<Change> {
        // A group that could be placed in a moment has no table until then: better none than one of orphans.
        if self.place.before.is_none() && self.pieces.iter().all(|piece| piece.judge == NOBODY && piece.later) {
            return None;
        }
        let mut runs: Vec<SlotRun> = Vec::new();
        let mut losers: BTreeSet<u16> = BTreeSet::new();
        let mut holders: BTreeSet<u16> = BTreeSet::new();
        let mut moves: BTreeMap<(u16, u16), (usize, usize)> = BTreeMap::new();
        for piece in &self.pieces {
            let before = self.run(piece);
            let moved = piece.was != piece.judge;
            holders.insert(piece.judge);
            if moved {
                losers.insert(piece.was);
                let sum = moves.entry((piece.was, piece.judge)).or_default();
                sum.0 += piece.slots();
                sum.1 += piece.monitors as usize;
            }
            let judge = self.id(crew, piece.judge);
            let since = match before {
                Some(run) if !moved => &run.since,
                _ => &input.epoch,
            };
            let runners = before.map_or_else(Vec::new, |run| runners(crew, run, judge.as_ref()));
            match runs.last_mut() {
                Some(run) if run.judge == judge && run.since == *since && run.runners == runners => {
                    run.last = piece.last
                }
                _ => runs.push(SlotRun {
                    first: piece.first,
                    last: piece.last,
                    judge,
                    since: since.clone(),
                    runners,
                }),
            }
        }
        if self.place.before.is_some_and(|table| table.runs == runs) {
            return None;
        }
        let none = BTreeMap::new();
        let stamps_before = self.place.before.map_or(&none, |table| &table.stamps);
        let losers: BTreeSet<MemberId> = losers.into_iter().filter_map(|m| self.id(crew, m)).collect();
        let mut stamps = BTreeMap::new();
        for holder in holders.into_iter().filter_map(|m| self.id(crew, m)) {
            let kept = stamps_before.get(&holder).filter(|_| !losers.contains(&holder));
            let stamp = kept.cloned().unwrap_or_else(|| input.epoch.clone());
            stamps.insert(holder, stamp);
        }
        let mut seats: Vec<(MemberId, Option<String>)> = stamps
            .iter()
            .filter(|(member, stamp)| stamps_before.get(*member) != Some(*stamp))
            .map(|(member, stamp)| (member.clone(), Some(stamp.clone())))
            .collect();
        seats.extend(
            stamps_before
                .keys()
                .filter(|m| !stamps.contains_key(*m))
                .map(|m| (m.clone(), None)),
        );
        let moves = moves.into_iter().map(|((from, to), (slots, monitors))| Moved {
            from: self.id(crew, from),
            to: self.id(crew, to),
            slots,
            monitors,
        });
        Some(Change {
            group: self.place.group.clone(),
            moves: moves.collect(),
            table: Table {
                v: FORMAT,
                epoch: input.epoch.clone(),
                at: input.at,
                why: input.why.clone(),
                runs,
                stamps,
            },
            seats,
        })
    }
}

/// Who makes the checks of a run from now on: whoever did and is here; a judge that is new takes its predecessor's place.
fn runners(crew: &Crew<'_>, run: &SlotRun, judge: Option<&MemberId>) -> Vec<MemberId> {
    let mut runners: Vec<MemberId> = Vec::new();
    for runner in &run.runners {
        let replaced = Some(runner) == run.judge.as_ref();
        let runner = if replaced { judge } else { Some(runner) };
        if let Some(runner) = runner.filter(|r| crew.index(r).is_some() || Some(*r) == judge)
            && !runners.contains(runner)
        {
            runners.push(runner.clone());
        }
    }
    runners
}
