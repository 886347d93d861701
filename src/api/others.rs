//! The other members, as far as lists and pages need them: who judges what, and what is known of those that do not answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};

use super::parts::ApiState;
use crate::catalog::{LiveState, MonitorEntry, OpenEpisodes};
use crate::feed::Feed;
use crate::model::{MemberId, Slots};
use crate::peers::{AskError, Peers};

/// A member that has not answered within this time is left out of a list, and named.
pub(super) const WITHIN: Duration = Duration::from_secs(1);
/// Where the original's answers have no room for it: the members that could not be asked, as a comma list.
pub(super) const UNREACHABLE: HeaderName = HeaderName::from_static("x-9volt-unreachable");

/// The slots that each member judges, by the tables.
pub type JudgedView = Arc<dyn Fn() -> BTreeMap<MemberId, Slots> + Send + Sync>;

/// The other members.
pub struct Others {
    /// For asking them.
    pub peers: Peers,
    /// Who judges what, this member included.
    pub judged: JudgedView,
    /// What is recorded of monitors whose judge cannot be asked.
    pub open: OpenEpisodes,
    /// What changed at the others, as far as somebody here wants to know.
    pub feed: Feed,
}

/// Which monitors are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    /// All.
    All,
    /// Those in these slots.
    In(&'a Slots),
    /// Those in none of these: this member's own, those that nobody judges, and those whose definition does not say where they belong.
    Outside(&'a Slots),
}

impl Scope<'_> {
    pub(super) fn holds(&self, entry: &MonitorEntry) -> bool {
        let within = |slots: &Slots| entry.slot().is_some_and(|(group, slot)| slots.contains(&group, slot));
        match self {
            Self::All => true,
            Self::In(slots) => within(slots),
            Self::Outside(slots) => slots.is_empty() || !within(slots),
        }
    }
}

/// How a monitor is, as this member can tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) live: &'a LiveState,
    /// It does not run here, and this is the last that was recorded.
    pub(super) recorded: bool,
    /// What its judge said of it; nothing where this member has to tell by itself.
    pub(super) unwatched: Option<bool>,
}

impl<'a> Look<'a> {
    /// At what this member knows by itself.
    pub(super) fn at(live: &'a LiveState) -> Self {
        Self {
            live,
            recorded: false,
            unwatched: None,
        }
    }
}

impl ApiState {
    /// What the other members judge; nothing where this one is alone.
    pub(super) fn elsewhere(&self) -> BTreeMap<MemberId, Slots> {
        let Some(others) = &self.others else {
            return BTreeMap::new();
        };
        let mut judged = (others.judged)();
        judged.remove(&self.member.id);
        judged
    }

    /// The member to ask about a monitor, if that is another one.
    pub(super) fn asked_about(&self, entry: &MonitorEntry) -> Option<(&Others, MemberId)> {
        let others = self.others.as_ref()?;
        let judge = (self.owner)(entry)?;
        (judge != self.member.id).then_some((others, judge))
    }

    /// Looks at a monitor without asking anybody.
    pub(super) fn look<R>(&self, entry: &MonitorEntry, with: impl FnOnce(Look<'_>) -> R) -> R {
        let here = entry.known().map(|live| live.lock());
        // What else the cell holds is from a time when it ran here.
        if let Some(live) = here.filter(|live| self.others.is_none() || live.known_at.is_some()) {
            return with(Look::at(&live));
        }
        let Some(others) = &self.others else {
            return with(Look::at(&LiveState::default()));
        };
        let judged_elsewhere = (self.owner)(entry).is_some_and(|judge| judge != self.member.id);
        let live = others.open.state(entry.name.as_str()).unwrap_or_default();
        with(Look {
            live: &live,
            recorded: judged_elsewhere,
            unwatched: None,
        })
    }
}

/// The header for answers that have no room for it.
pub(super) fn header(unreachable: &[MemberId]) -> Option<(HeaderName, HeaderValue)> {
    if unreachable.is_empty() {
        return None;
    }
    Some((UNREACHABLE, HeaderValue::from_str(&names(unreachable).join(",")).ok()?))
}

/// The members that did not answer, by name.
pub(super) fn names(unreachable: &[MemberId]) -> Vec<String> {
    let mut names: Vec<String> = unreachable.iter().map(ToString::to_string).collect();
    names.sort();
    names.dedup();
    names
}

/// Members without their reasons, which are in the log and in the metrics.
pub(super) fn missing(unreachable: Vec<(MemberId, AskError)>) -> Vec<MemberId> {
    unreachable.into_iter().map(|(member, _)| member).collect()
}
