//! Slots that move although their judge may keep them: a newcomer's share, and what levels the work.

use std::collections::{BTreeMap, BTreeSet};

use super::deal::{MANY, Wants};
use super::sheet::{Piece, Sheet};
use super::water::{Pour, level};
use super::who::{Crew, Takers};
use super::{Class, NOBODY};

/// What each member's load would be if work could be cut as one likes. A slot that alone is more than a fair share stays where it is, and
/// is no measure for the others.
pub(super) fn fair(crew: &Crew<'_>, sheets: &[Sheet<'_>], weights: &[f64]) -> Vec<f64> {
    let is_full = |m: usize| crew.members.get(m).is_some_and(|member| member.class == Class::Full);
    let all = || {
        let pieces = sheets.iter().flat_map(|sheet| &sheet.pieces);
        pieces.filter(|piece| piece.is_loaded() && is_full(usize::from(piece.judge)))
    };
    let work: f64 = all().map(|piece| piece.load as f64).sum();
    let width: f64 = (0..weights.len()).filter(|m| is_full(*m)).map(|m| weights[m]).sum();
    let fixed = |piece: &Piece| piece.load as f64 > work / width * weights[usize::from(piece.judge)];
    let mut fair = vec![0.0; weights.len()];
    let mut pours = Vec::new();
    for sheet in sheets {
        let mut movable: BTreeMap<u64, f64> = BTreeMap::new();
        for piece in &sheet.pieces {
            let m = usize::from(piece.judge);
            if !piece.is_loaded() || !is_full(m) {
                continue;
            }
            if fixed(piece) {
                fair[m] += piece.load as f64;
            } else {
                *movable.entry(piece.need).or_default() += piece.load as f64;
            }
        }
        if movable.is_empty() {
            continue;
        }
        let takers = crew.takers(&sheet.place.group);
        pours.extend(movable.into_iter().map(|(need, amount)| Pour {
            amount,
            over: takers.able(crew, need),
        }));
    }
    let taken = level(&pours, &fair, weights);
    for (pour, taken) in pours.iter().zip(taken) {
        for (m, taken) in pour.over.iter().zip(taken) {
            fair[usize::from(*m)] += taken;
        }
    }
    fair
}

/// One shift of work from those who have more than their share to those who have less.
pub(super) struct Shift<'a> {
    pub(super) crew: &'a Crew<'a>,
    pub(super) held: &'a mut [f64],
    pub(super) fair: &'a [f64],
    pub(super) weights: &'a [f64],
    /// Who may be given something.
    pub(super) takes: &'a dyn Fn(usize) -> bool,
    pub(super) of: Of,
    /// Slots that may move.
    pub(super) most: usize,
}

/// Whose share it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Those who take get from those who do not, and their share of slots without monitors, too.
    Newcomers,
    /// Everybody takes and gives.
    All,
}

impl Shift<'_> {
    fn surplus(&self, m: u16) -> f64 {
        self.held[usize::from(m)] - self.fair[usize::from(m)]
    }

    /// Over all groups, those with the least choice first.
    pub(super) fn run(&mut self, sheets: &mut [Sheet<'_>]) {
        let mut order: Vec<(usize, Takers)> = (0..)
            .zip(sheets.iter().map(|s| self.crew.takers(&s.place.group)))
            .collect();
        order.sort_by_key(|(at, takers)| (takers.full().len(), *at));
        for (at, takers) in order {
            let (gets, gives): (Vec<u16>, Vec<u16>) =
                takers.full().iter().partition(|m| (self.takes)(usize::from(**m)));
            let gives = match self.of {
                Of::Newcomers => gives,
                Of::All => gets.clone(),
            };
            if gets.is_empty() || gives.is_empty() {
                continue;
            }
            let sheet = &mut sheets[at];
            let before: Vec<u16> = sheet.pieces.iter().map(|piece| piece.judge).collect();
            self.in_stretches(&mut sheet.pieces, &gets, &gives);
            self.one_by_one(&mut sheet.pieces, &gets, &gives);
            if self.of == Of::All {
                continue;
            }
            let loaded = sheet.pieces.iter().filter(|piece| piece.is_loaded()).count();
            if loaded >= MANY * takers.full().len() {
                follow(&mut sheet.pieces, &before);
            } else {
                self.by_number(sheet, &gets, &gives, takers.full());
            }
        }
    }

    /// The ends of what givers have, each until it has its share.
    fn in_stretches(&mut self, pieces: &mut [Piece], gets: &[u16], gives: &[u16]) {
        let mut givers: Vec<u16> = gives.iter().copied().filter(|m| self.surplus(*m) > 0.0).collect();
        givers.sort_by(|a, b| self.surplus(*b).total_cmp(&self.surplus(*a)).then(a.cmp(b)));
        let mut of: BTreeMap<u16, Vec<usize>> = givers.iter().map(|m| (*m, Vec::new())).collect();
        for (i, piece) in pieces.iter().enumerate().filter(|(_, piece)| piece.is_loaded()) {
            if let Some(of) = of.get_mut(&piece.judge) {
                of.push(i);
            }
        }
        let mut now: Option<u16> = None;
        for giver in givers {
            for i in of.remove(&giver).unwrap_or_default().into_iter().rev() {
                let load = pieces[i].load as f64;
                if self.most == 0 {
                    return;
                }
                if self.surplus(giver) < load / 2.0 {
                    continue;
                }
                let room =
                    |this: &Self, m: u16| m != giver && this.crew.can(m, pieces[i].need) && -this.surplus(m) >= load;
                if !now.is_some_and(|m| room(self, m)) {
                    let fits = gets.iter().copied().filter(|m| room(self, *m));
                    let Some(next) = fits.min_by(|a, b| self.surplus(*a).total_cmp(&self.surplus(*b))) else {
                        continue;
                    };
                    now = Some(next);
                }
                if let Some(to) = now {
                    self.give(&mut pieces[i], to);
                }
            }
        }
    }

    /// What is left: single slots from whoever stands highest, while that is better for both.
    fn one_by_one(&mut self, pieces: &mut [Piece], gets: &[u16], gives: &[u16]) {
        let givers: BTreeSet<u16> = gives.iter().copied().collect();
        let mut of: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
        for (i, piece) in pieces.iter().enumerate().filter(|(_, piece)| piece.is_loaded()) {
            if givers.contains(&piece.judge) {
                of.entry(piece.judge).or_default().push(i);
            }
        }
        let height = |this: &Self, m: u16, more: f64| {
            let m = usize::from(m);
            (this.held[m] + more) / this.fair[m].max(f64::MIN_POSITIVE)
        };
        for to in gets.iter().copied() {
            if self.surplus(to) >= 0.0 {
                continue;
            }
            let mut heap: std::collections::BinaryHeap<Wants> = of
                .keys()
                .filter(|m| **m != to)
                .map(|m| Wants(height(self, *m, 0.0), *m))
                .collect();
            while let Some(Wants(_, giver)) = heap.pop() {
                let Some(mine) = of.get_mut(&giver) else { continue };
                let fits = |i: &usize| {
                    let load = pieces[*i].load as f64;
                    -self.surplus(to) >= load
                        && self.crew.can(to, pieces[*i].need)
                        && height(self, giver, -load) >= height(self, to, load) * (1.0 - f64::EPSILON)
                };
                let Some(at) = mine.iter().rposition(fits) else {
                    continue;
                };
                if self.most == 0 {
                    return;
                }
                let i = mine.remove(at);
                self.give(&mut pieces[i], to);
                heap.push(Wants(height(self, giver, 0.0), giver));
            }
        }
    }

    fn give(&mut self, piece: &mut Piece, to: u16) {
        let load = piece.load as f64;
        self.held[usize::from(piece.judge)] -= load;
        self.held[usize::from(to)] += load;
        piece.judge = to;
        self.most = self.most.saturating_sub(1);
    }

    /// Newcomers' share of empty slots, where they are not dealt with their neighbours.
    fn by_number(&self, sheet: &mut Sheet<'_>, gets: &[u16], gives: &[u16], full: &[u16]) {
        let mut slots: BTreeMap<u16, f64> = BTreeMap::new();
        for piece in &sheet.pieces {
            *slots.entry(piece.judge).or_default() += piece.slots() as f64;
        }
        let held = |m: &u16| slots.get(m).copied().unwrap_or(0.0);
        let all: f64 = full.iter().map(held).sum();
        let width: f64 = full.iter().map(|m| self.weights[usize::from(*m)]).sum();
        let share = |m: &u16| all / width * self.weights[usize::from(*m)];
        let mut wants: Vec<(u16, usize)> = gets
            .iter()
            .map(|m| (*m, (share(m) - held(m)).max(0.0) as usize))
            .collect();
        for giver in gives {
            let mut more = (held(giver) - share(giver)).max(0.0) as usize;
            let mut shares = Vec::new();
            for (m, wants) in &mut wants {
                let takes = more.min(*wants);
                *wants -= takes;
                more -= takes;
                shares.push((*m, takes));
            }
            let mine = |(i, piece): (usize, &Piece)| (piece.judge == *giver && !piece.is_loaded()).then_some(i);
            let mine: Vec<usize> = sheet.pieces.iter().enumerate().filter_map(mine).collect();
            sheet.split(&mine, &shares);
        }
    }
}

/// Empty slots go along with the slot before them.
fn follow(pieces: &mut [Piece], before: &[u16]) {
    let mut last = (NOBODY, NOBODY);
    for (piece, was) in pieces.iter_mut().zip(before) {
        if piece.is_loaded() {
            last = (*was, piece.judge);
        } else if piece.judge == last.0 {
            piece.judge = last.1;
        }
    }
}
