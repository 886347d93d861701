//! Slots that nobody judges are dealt: by load where something runs in them, by number where nothing does yet. In stretches as long as they may
//! be, so that tables stay short.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use super::sheet::{Piece, Sheet};
use super::water::{Pour, level};

/// Slots with monitors that each taker has to have before empty ones may simply go where their neighbours go: below it chance decides too much.
pub(super) const MANY: usize = 16;
/// A slot that is more than one of so many parts of what a taker gets is placed by itself, the heaviest first.
const PARTS: f64 = 4.0;

/// Slots of one group that the same members may take.
pub(super) struct Unit {
    /// The group's place among the sheets.
    pub(super) at: usize,
    /// In slot order.
    pub(super) pieces: Vec<usize>,
    pub(super) over: Vec<u16>,
}

/// A member and how much it wants, or has: a taker and what it is still to get: the most first, then the lowest number.
#[derive(PartialEq)]
pub(super) struct Wants(pub(super) f64, pub(super) u16);

impl Eq for Wants {}

impl Ord for Wants {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(other.1.cmp(&self.1))
    }
}

impl PartialOrd for Wants {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Deals all units. `held` is what everybody has, and has afterwards.
pub(super) fn deal(sheets: &mut [Sheet<'_>], units: Vec<Unit>, held: &mut [f64], weights: &[f64]) {
    let amount = |unit: &Unit| unit.pieces.iter().map(|i| sheets[unit.at].pieces[*i].load as f64).sum();
    let pours: Vec<Pour> = units
        .iter()
        .map(|unit| Pour {
            amount: amount(unit),
            over: unit.over.clone(),
        })
        .collect();
    let mut quotas = level(&pours, held, weights);
    // What rounding to whole slots gave somebody too much in one group it gets less in the next.
    let mut owed: BTreeMap<u16, f64> = BTreeMap::new();
    let mut empties: BTreeMap<usize, (Vec<usize>, Vec<u16>)> = BTreeMap::new();
    for (unit, quota) in units.into_iter().zip(&mut quotas) {
        for (m, quota) in unit.over.iter().zip(quota.iter_mut()) {
            *quota += owed.remove(m).unwrap_or(0.0);
        }
        let pieces = &mut sheets[unit.at].pieces;
        by_load(pieces, &unit, quota, held);
        for (m, rest) in unit.over.iter().zip(quota.iter()) {
            owed.insert(*m, *rest);
        }
        let loaded = unit.pieces.iter().filter(|i| pieces[**i].is_loaded()).count();
        if loaded >= MANY * unit.over.len() {
            follow(pieces, &unit);
        } else {
            let rest: Vec<usize> = unit
                .pieces
                .iter()
                .copied()
                .filter(|i| !pieces[*i].is_loaded())
                .collect();
            if !rest.is_empty() {
                empties.insert(unit.at, (rest, unit.over));
            }
        }
    }
    // Empty slots need nothing, so that there is one such unit in a group; splitting them renumbers its pieces.
    for (at, (pieces, over)) in empties {
        by_number(&mut sheets[at], &pieces, &over, weights);
    }
}

/// Slots with monitors. `quota` is what each taker is to get, and then what it did not get.
fn by_load(pieces: &mut [Piece], unit: &Unit, quota: &mut [f64], held: &mut [f64]) {
    let loaded = unit.pieces.iter().copied().filter(|i| pieces[*i].is_loaded());
    let all: f64 = loaded.clone().map(|i| pieces[i].load as f64).sum();
    let heavy = all / (PARTS * unit.over.len() as f64);
    let (mut large, small): (Vec<usize>, Vec<usize>) = loaded.partition(|i| pieces[*i].load as f64 > heavy);
    let small: Vec<(usize, f64)> = small.into_iter().map(|i| (i, pieces[i].load as f64 / 2.0)).collect();
    large.sort_by_key(|i| (std::cmp::Reverse(pieces[*i].load), *i));
    let mut give = |i: usize, taker: usize, quota: &mut [f64]| {
        let load = pieces[i].load as f64;
        pieces[i].judge = unit.over[taker];
        quota[taker] -= load;
        held[usize::from(unit.over[taker])] += load;
    };
    to_the_neediest(&large, quota, &mut give);
    let mut taker = 0;
    let mut left = Vec::new();
    for (i, half) in small {
        while taker < quota.len() && quota[taker] < half {
            taker += 1;
        }
        if taker < quota.len() {
            give(i, taker, quota);
        } else {
            left.push(i);
        }
    }
    to_the_neediest(&left, quota, &mut give);
}

fn to_the_neediest(which: &[usize], quota: &mut [f64], give: &mut dyn FnMut(usize, usize, &mut [f64])) {
    let mut heap: BinaryHeap<Wants> = (0..)
        .zip(quota.iter())
        .map(|(taker, wants)| Wants(*wants, taker))
        .collect();
    for i in which {
        if let Some(Wants(_, taker)) = heap.pop() {
            let taker = usize::from(taker);
            give(*i, taker, quota);
            heap.push(Wants(quota[taker], taker as u16));
        }
    }
}

/// Empty slots go where the slot before them went.
fn follow(pieces: &mut [Piece], unit: &Unit) {
    let first = unit.pieces.iter().find(|i| pieces[**i].is_loaded());
    let Some(mut judge) = first.map(|i| pieces[*i].judge) else {
        return;
    };
    for i in &unit.pieces {
        if pieces[*i].is_loaded() {
            judge = pieces[*i].judge;
        } else {
            pieces[*i].judge = judge;
        }
    }
}

/// Empty slots, so that all slots of the group are level by number: monitors to come will be.
fn by_number(sheet: &mut Sheet<'_>, pieces: &[usize], over: &[u16], weights: &[f64]) {
    let mut slots = vec![0.0; weights.len()];
    for piece in &sheet.pieces {
        if let Some(held) = slots.get_mut(usize::from(piece.judge)) {
            *held += piece.slots() as f64;
        }
    }
    let all: usize = pieces.iter().map(|i| sheet.pieces[*i].slots()).sum();
    let pour = Pour {
        amount: all as f64,
        over: over.to_vec(),
    };
    let quota = level(&[pour], &slots, weights).pop().unwrap_or_default();
    let (mut sum, mut given) = (0.0, 0);
    let mut shares: Vec<(u16, usize)> = Vec::with_capacity(over.len());
    for (m, quota) in over.iter().zip(quota) {
        sum += quota;
        let share = (sum.round() as usize).clamp(given, all) - given;
        given += share;
        shares.push((*m, share));
    }
    // What rounding left over.
    if let Some((_, share)) = shares.iter_mut().max_by_key(|(_, share)| *share) {
        *share += all - given;
    }
    sheet.split(pieces, &shares);
}
