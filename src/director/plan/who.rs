//! Who may hold a slot, and who of them is asked to.

use std::collections::{BTreeSet, HashMap};

use super::{Class, Member, NOBODY, Place};
use crate::catalog::SlotLoad;
use crate::model::{Group, MemberId};

/// Kinds that some member lacks and that are told apart; further ones are not looked at.
const TOLD_APART: usize = 64;

/// Everybody, by number. Numbers from `members.len()` on are of those who are named in a table and not here.
pub(super) struct Crew<'a> {
    pub(super) members: &'a [Member],
    places: HashMap<&'a MemberId, u16>,
    /// Kinds that are in use and that some member lacks; a bit each in needs and lacks.
    lacking: Vec<&'static str>,
    lacks: Vec<u64>,
}

impl<'a> Crew<'a> {
    pub(super) fn new(members: &'a [Member], places: &[Place<'a>]) -> Self {
        let picky = members.iter().any(|member| !member.kinds.is_empty());
        let mut kinds = BTreeSet::new();
        if picky {
            let loads = places.iter().filter_map(|place| place.loads);
            kinds.extend(loads.flat_map(|loads| loads.slots()).flat_map(|(_, load)| load.kinds()));
        }
        let runs = |member: &Member, kind: &str| member.kinds.is_empty() || member.kinds.iter().any(|k| k == kind);
        let lacking: Vec<&'static str> = kinds
            .into_iter()
            .filter(|kind| members.iter().any(|member| !runs(member, kind)))
            .take(TOLD_APART)
            .collect();
        let lacks = |member: &Member| {
            let bits = lacking.iter().enumerate().filter(|(_, kind)| !runs(member, kind));
            bits.fold(0, |bits, (i, _)| bits | 1 << i)
        };
        Self {
            places: (0..).zip(members).map(|(at, member)| (&member.id, at)).collect(),
            lacks: members.iter().map(lacks).collect(),
            lacking,
            members,
        }
    }

    /// The number of a member that is here.
    pub(super) fn index(&self, id: &MemberId) -> Option<u16> {
        self.places.get(id).copied()
    }

    /// What whoever holds a slot has to be able to run, of what not everybody is.
    pub(super) fn need(&self, load: &SlotLoad) -> u64 {
        if self.lacking.is_empty() {
            return 0;
        }
        let bits = load
            .kinds()
            .filter_map(|kind| self.lacking.iter().position(|k| *k == kind));
        bits.fold(0, |bits, i| bits | 1 << i)
    }

    /// Whether a member can run all of that.
    pub(super) fn can(&self, member: u16, need: u64) -> bool {
        self.lacks[usize::from(member)] & need == 0
    }

    fn class(&self, member: u16) -> Class {
        self.members[usize::from(member)].class
    }

    /// Whoever takes part in a group.
    pub(super) fn takers(&self, group: &Group) -> Takers {
        let mut by_class: [Vec<u16>; 5] = Default::default();
        for (at, member) in (0..).zip(self.members) {
            if group.takes(&member.tags) {
                by_class[member.class as usize].push(at);
            }
        }
        let mut takes = vec![false; self.members.len()];
        for at in by_class.iter().flatten() {
            takes[usize::from(*at)] = true;
        }
        Takers { by_class, takes }
    }
}

/// Whoever takes part in a group, by what they are good for.
pub(super) struct Takers {
    by_class: [Vec<u16>; 5],
    takes: Vec<bool>,
}

/// What becomes of a slot that somebody (or nobody) has.
pub(super) enum Keep {
    /// It stays.
    Stays,
    /// It stays for now, because only members that may not take it yet could.
    Later,
    /// It is dealt anew.
    Goes,
}

/// Who is asked to take slots that nobody judges.
pub(super) enum Receivers {
    Are(Vec<u16>),
    /// Nobody yet.
    Later,
    /// Nobody: orphans.
    Nobody,
}

impl Takers {
    fn of(&self, class: Class) -> &[u16] {
        &self.by_class[class as usize]
    }

    pub(super) fn full(&self) -> &[u16] {
        self.of(Class::Full)
    }

    /// Whether somebody who is here takes part.
    pub(super) fn takes(&self, member: u16) -> bool {
        self.takes.get(usize::from(member)).copied().unwrap_or(false)
    }

    pub(super) fn is_full(&self, member: u16) -> bool {
        self.full().binary_search(&member).is_ok()
    }

    /// Those that can run what a slot needs, if there are any; else all of them: a monitor that cannot be run says so by itself,
    /// and those beside it run.
    pub(super) fn able(&self, crew: &Crew<'_>, need: u64) -> Vec<u16> {
        let able: Vec<u16> = self.full().iter().copied().filter(|m| crew.can(*m, need)).collect();
        if able.is_empty() { self.full().to_vec() } else { able }
    }

    pub(super) fn receivers(&self, crew: &Crew<'_>, need: u64) -> Receivers {
        let able = self.able(crew, need);
        if !able.is_empty() {
            return Receivers::Are(able);
        }
        if !self.of(Class::Keeps).is_empty() {
            return Receivers::Are(self.of(Class::Keeps).to_vec());
        }
        if !self.of(Class::Waits).is_empty() {
            return Receivers::Later;
        }
        // Drain never makes an orphan, nor does leaving before it is over.
        for class in [Class::Gives, Class::Leaves] {
            if !self.of(class).is_empty() {
                return Receivers::Are(self.of(class).to_vec());
            }
        }
        Receivers::Nobody
    }

    pub(super) fn keep(&self, crew: &Crew<'_>, judge: u16, need: u64) -> Keep {
        let stays = self.takes(judge)
            && match crew.class(judge) {
                // Who cannot run it gives it to whoever can.
                Class::Full | Class::Keeps => crew.can(judge, need) || !self.full().iter().any(|m| crew.can(*m, need)),
                Class::Waits => true,
                Class::Gives => self.full().is_empty(),
                Class::Leaves => [Class::Full, Class::Keeps, Class::Gives]
                    .iter()
                    .all(|c| self.of(*c).is_empty()),
            };
        if stays {
            return Keep::Stays;
        }
        let some = |class| !self.of(class).is_empty();
        let now = some(Class::Full) || some(Class::Keeps);
        let at_last = some(Class::Gives) || some(Class::Leaves);
        match judge {
            _ if now => Keep::Goes,
            _ if some(Class::Waits) => Keep::Later,
            NOBODY if !at_last => Keep::Stays,
            _ => Keep::Goes,
        }
    }
}
