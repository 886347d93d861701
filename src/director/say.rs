//! What the director tells people: who came and went, what moved and why, what nobody may hold. Each thing once.

use std::collections::{BTreeMap, BTreeSet};

use super::pace::News;
use super::plan::{Moves, Planned};
use crate::catalog::Catalog;
use crate::events::{EventKind, Events};
use crate::model::{Group, MemberId, MonitorName, WallMs};

/// Pairs of members that an event about a plan names, the most first.
const PAIRS: usize = 12;
/// Orphans that are named one by one; the others are counted.
const NAMED: usize = 20;
/// Reasons that a table names.
const REASONS: usize = 4;

/// From and to; slots and monitors.
type MovedAll = BTreeMap<(Option<MemberId>, Option<MemberId>), (usize, usize)>;

pub(super) struct Say {
    events: Events,
    /// Why there is to be a plan.
    reasons: Vec<String>,
    /// What has moved since everything was settled.
    moved: MovedAll,
    orphans: BTreeSet<MonitorName>,
    stuck: BTreeSet<MemberId>,
}

impl Say {
    pub(super) fn new(events: Events, director: &MemberId) -> Self {
        Self {
            events,
            reasons: vec![format!("member {director} directs")],
            moved: BTreeMap::new(),
            orphans: BTreeSet::new(),
            stuck: BTreeSet::new(),
        }
    }

    fn event(&self, kind: EventKind, monitor: Option<&MonitorName>, text: String) {
        self.events.record(kind, WallMs::now(), monitor, text);
    }

    pub(super) fn unreadable(&self, what: Vec<String>) {
        for text in what {
            tracing::error!(text, "a record cannot be read");
            self.event(EventKind::Warning, None, text);
        }
    }

    pub(super) fn news(&mut self, news: &[News]) {
        for news in news {
            let text = news.to_string();
            match news {
                News::Left(_) | News::Lost(_) => self.event(EventKind::Member, None, text.clone()),
                // It says so itself, or the operator's call does.
                News::Came(_) | News::Became(..) | News::Weighs(..) | News::Uneven => {}
            }
            self.reasons.push(text);
        }
    }

    /// Why there is a plan now.
    pub(super) fn why(&self) -> String {
        let more = self.reasons.len().saturating_sub(REASONS);
        let mut why = self.reasons[..self.reasons.len() - more].join("; ");
        if more > 0 {
            why.push_str(&format!("; and {more} more"));
        }
        if why.is_empty() { "definitions".to_owned() } else { why }
    }

    /// A plan was written.
    pub(super) fn planned(&mut self, planned: &Planned, moves: &Moves) {
        if matches!(moves, Moves::Level { .. }) && !planned.changes.is_empty() && self.reasons.is_empty() {
            self.reasons.push(News::Uneven.to_string());
        }
        for moved in planned.changes.iter().flat_map(|change| &change.moves) {
            // A group that is new goes from nobody to somebody: that is no move.
            if moved.from.is_some() {
                let sum = self.moved.entry((moved.from.clone(), moved.to.clone())).or_default();
                sum.0 += moved.slots;
                sum.1 += moved.monitors;
            }
        }
    }

    /// Everything is where it belongs for now: says what has moved.
    pub(super) fn settled(&mut self) {
        let moved = std::mem::take(&mut self.moved);
        if !moved.is_empty() {
            let text = format!("plan ({}): {}", self.why(), pairs(&moved));
            self.event(EventKind::Member, None, text);
        }
        self.reasons.clear();
    }

    pub(super) fn cannot_plan(&self) {
        let text = "the plan cannot be made: a fault in the program; this member stays out of elections for a while";
        tracing::error!("{text}");
        self.event(EventKind::Error, None, text.to_owned());
    }

    /// Says of each monitor once that nobody may run it; again if that was over in between.
    pub(super) fn orphans(&mut self, catalog: &Catalog, groups: &BTreeMap<Group, usize>) {
        if groups.keys().all(|group| *group == Group::notify()) {
            self.orphans.clear();
            return;
        }
        let mut now = BTreeSet::new();
        for entry in catalog.monitors() {
            let orphaned = entry.group().is_some_and(|group| groups.contains_key(&group));
            if orphaned && !entry.disabled() {
                now.insert(entry.name.clone());
            }
        }
        let new: Vec<&MonitorName> = now.difference(&self.orphans).collect();
        for name in new.iter().take(NAMED) {
            let tag = catalog
                .monitor(name.as_str())
                .and_then(|entry| entry.member_tag().map(str::to_owned));
            let why = match tag.unwrap_or_default().as_str() {
                "" => "every member has tags, and the check names no member-tag".to_owned(),
                tag => format!("no member has the tag {tag}"),
            };
            let text = format!("unable to find fitting member for check {name}: {why}");
            self.event(EventKind::Warning, Some(name), text);
        }
        if new.len() > NAMED {
            let text = format!("unable to find fitting member for {} more checks", new.len() - NAMED);
            self.event(EventKind::Warning, None, text);
        }
        self.orphans = now;
    }

    /// Says of each member once that it cannot be emptied.
    pub(super) fn stuck(&mut self, stuck: &BTreeMap<MemberId, usize>) {
        for (member, slots) in stuck.iter().filter(|(member, _)| !self.stuck.contains(*member)) {
            let text = format!("cannot drain member {member}: nobody else may hold {slots} of its slots");
            self.event(EventKind::Warning, None, text);
        }
        self.stuck = stuck.keys().cloned().collect();
    }
}

/// `1365 slots with 3300 monitors from m2 to m1, …`, the most first.
fn pairs(moved: &MovedAll) -> String {
    let mut pairs: Vec<_> = moved.iter().collect();
    pairs.sort_by_key(|(_, (slots, monitors))| std::cmp::Reverse((*monitors, *slots)));
    let name = |id: &Option<MemberId>| id.as_ref().map_or_else(|| "nobody".to_owned(), MemberId::to_string);
    let texts: Vec<String> = pairs
        .iter()
        .take(PAIRS)
        .map(|((from, to), (slots, monitors))| {
            format!(
                "{slots} slots with {monitors} monitors from {} to {}",
                name(from),
                name(to)
            )
        })
        .collect();
    let mut text = texts.join(", ");
    if pairs.len() > PAIRS {
        let (slots, monitors) = pairs[PAIRS..]
            .iter()
            .fold((0, 0), |sum, (_, one)| (sum.0 + one.0, sum.1 + one.1));
        text.push_str(&format!(", and {slots} slots with {monitors} monitors between others"));
    }
    text
}
