//! Which monitors a list is asked for, and in which order.

use std::sync::Arc;

use super::error::ApiError;
use super::others::{Look, Scope};
use super::paging::Rank;
use super::parts::ApiState;
use super::query::Params;
use crate::catalog::{LiveState, MonitorEntry};
use crate::model::{Status, WallMs};
use crate::silences::{Silence, SilenceSet};
use crate::state;

/// What is derived of a monitor besides its status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) unwatched: bool,
    pub(super) silenced: bool,
    pub(super) disabled: bool,
    pub(super) orphaned: bool,
    pub(super) invalid: bool,
    /// A step of it panicked.
    pub(super) broken: bool,
    /// Its judge could not be asked.
    pub(super) unreachable: bool,
}

/// Derives flags: the silences that mute now, looked up once for a whole list.
pub(super) struct Deriver {
    set: Arc<SilenceSet>,
    now: WallMs,
    any: bool,
}

impl Deriver {
    pub(super) fn new(api: &ApiState, now: WallMs) -> Self {
        let set = api.notifier.silences();
        let any = set.iter().any(|silence: &Silence| silence.active(now));
        Self { set, now, any }
    }

    pub(super) fn silenced(&self, name: &str, tags: &[String], kind: &str) -> bool {
        self.any && self.set.muted_by(name, tags, kind, self.now).is_some()
    }

    pub(super) fn flags(&self, api: &ApiState, entry: &MonitorEntry, look: Look<'_>) -> Flags {
        let Some((kind, interval)) = entry.kind().zip(entry.interval()) else {
            return Flags {
                invalid: true,
                ..Flags::default()
            };
        };
        let disabled = entry.disabled();
        // By the clock of whoever judges it, which may be another than ours.
        let unwatched = look.unwatched.unwrap_or_else(|| {
            let known_at = look.live.known_at;
            known_at.is_some_and(|at| state::unwatched(self.now.since(at), interval))
        });
        let unwatched = !disabled && unwatched;
        Flags {
            unwatched,
            silenced: self.silenced(entry.name.as_str(), entry.tags(), kind.name),
            disabled,
            orphaned: !disabled && (api.owner)(entry).is_none(),
            invalid: false,
            broken: look.live.broken,
            unreachable: !disabled && look.recorded,
        }
    }
}

/// Orders of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Name,
    Status,
    Since,
    Took,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Filter {
    tags: Option<Vec<String>>,
    statuses: Option<Vec<Status>>,
    kinds: Option<Vec<String>>,
    text: Option<String>,
    silenced: Option<bool>,
    disabled: Option<bool>,
    unwatched: Option<bool>,
    orphaned: Option<bool>,
    invalid: Option<bool>,
    broken: Option<bool>,
    unreachable: Option<bool>,
    order: Order,
    descending: bool,
}

impl Filter {
    /// The parameters that it is read from.
    pub(super) const PARAMS: &[&str] = &[
        "tags",
        "status",
        "type",
        "q",
        "silenced",
        "disabled",
        "unwatched",
        "orphaned",
        "invalid",
        "broken",
        "unreachable",
        "sort",
    ];

    pub(super) fn read(params: &Params) -> Result<Self, ApiError> {
        let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let statuses = params
            .given("status")
            .map(|list| list.split(',').map(str::parse).collect::<Result<Vec<Status>, String>>())
            .transpose()
            .map_err(ApiError::bad_request)?;
        const SORTS: &[&str] = &["name", "-name", "status", "-status", "since", "-since", "took", "-took"];
        let sort = params.word("sort", SORTS)?;
        let order = match sort.trim_start_matches('-') {
            "status" => Order::Status,
            "since" => Order::Since,
            "took" => Order::Took,
            _ => Order::Name,
        };
        Ok(Self {
            tags: params.list("tags").map(owned),
            statuses,
            kinds: params.given("type").map(|list| owned(list.split(',').collect())),
            text: params.given("q").map(str::to_lowercase),
            silenced: params.flag("silenced")?,
            disabled: params.flag("disabled")?,
            unwatched: params.flag("unwatched")?,
            orphaned: params.flag("orphaned")?,
            invalid: params.flag("invalid")?,
            broken: params.flag("broken")?,
            unreachable: params.flag("unreachable")?,
            order,
            descending: sort.starts_with('-'),
        })
    }

    /// The monitors asked for, in order, each with its rank, as this member knows them without asking anybody.
    pub(super) fn apply(&self, api: &ApiState, deriver: &Deriver, scope: Scope<'_>) -> Vec<Row> {
        let mut rows: Vec<Row> = api
            .catalog
            .monitors()
            .into_iter()
            .filter(|entry| scope.holds(entry) && self.by_definition(entry))
            .filter_map(|entry| {
                let key = api.look(&entry, |look| self.by_life(api, deriver, &entry, look))?;
                Some(Row::here(key, entry))
            })
            .collect();
        match self.order {
            // The catalog is in order of names already.
            Order::Name if self.descending => rows.reverse(),
            Order::Name => {}
            _ => rows.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| a.entry.name.cmp(&b.entry.name))),
        }
        rows
    }

    /// What comes after a rank.
    pub(super) fn after(&self, mut rows: Vec<Row>, after: Option<&Rank>) -> Vec<Row> {
        if let Some(after) = after {
            let falling = self.falling();
            let first = rows.partition_point(|row| {
                let rank = Self::rank(row);
                if falling { rank >= *after } else { rank <= *after }
            });
            rows.drain(..first);
        }
        rows
    }

    /// Where a row stands, for cursors.
    pub(super) fn rank(row: &Row) -> Rank {
        (row.key, row.entry.name.as_str().to_owned())
    }

    /// Whether ranks fall along the list: only where the names themselves do.
    pub(super) fn falling(&self) -> bool {
        self.order == Order::Name && self.descending
    }

    fn by_definition(&self, entry: &MonitorEntry) -> bool {
        let tagged = |wanted: &[String]| entry.tags().iter().any(|tag| wanted.contains(tag));
        let of_kind = |wanted: &[String]| {
            entry
                .kind()
                .is_some_and(|kind| wanted.iter().any(|name| name == kind.name))
        };
        let with_text = |text: &str| {
            entry.name.as_str().to_lowercase().contains(text) || entry.description().to_lowercase().contains(text)
        };
        self.tags.as_deref().is_none_or(tagged)
            && self.kinds.as_deref().is_none_or(of_kind)
            && self.text.as_deref().is_none_or(with_text)
    }

    /// The sort key, if the monitor's present state is asked for.
    fn by_life(&self, api: &ApiState, deriver: &Deriver, entry: &MonitorEntry, look: Look<'_>) -> Option<i64> {
        let live = look.live;
        if self
            .statuses
            .as_ref()
            .is_some_and(|wanted| !wanted.contains(&live.health.status))
        {
            return None;
        }
        let asked = [
            self.silenced,
            self.disabled,
            self.unwatched,
            self.orphaned,
            self.invalid,
            self.broken,
            self.unreachable,
        ];
        if asked.iter().any(Option::is_some) {
            let flags = deriver.flags(api, entry, look);
            let has = [
                flags.silenced,
                flags.disabled,
                flags.unwatched,
                flags.orphaned,
                flags.invalid,
                flags.broken,
                flags.unreachable,
            ];
            if asked
                .iter()
                .zip(has)
                .any(|(asked, has)| asked.is_some_and(|asked| asked != has))
            {
                return None;
            }
        }
        let key = match self.order {
            Order::Name => 0,
            // Worst first.
            Order::Status => -(live.health.status as i64),
            Order::Since => entry.since(live).unwrap_or_default().0,
            Order::Took => live
                .results
                .samples()
                .last()
                .map_or(-1, |sample| i64::from(sample.took_us)),
        };
        Some(if self.descending { -key } else { key })
    }
}

/// A monitor of a list.
pub(super) struct Row {
    /// What it is sorted by; ties by name.
    pub(super) key: i64,
    /// The monitor.
    pub(super) entry: Arc<MonitorEntry>,
    there: Option<Box<There>>,
}

/// What another member said of a monitor.
pub(super) struct There {
    pub(super) live: LiveState,
    pub(super) unwatched: bool,
    pub(super) recorded: bool,
}

impl There {
    pub(super) fn look(&self) -> Look<'_> {
        Look {
            live: &self.live,
            recorded: self.recorded,
            unwatched: Some(self.unwatched),
        }
    }
}

impl Row {
    fn here(key: i64, entry: Arc<MonitorEntry>) -> Self {
        Self {
            key,
            entry,
            there: None,
        }
    }

    /// One of another member.
    pub(super) fn there(key: i64, entry: Arc<MonitorEntry>, there: Option<There>) -> Self {
        Self {
            key,
            entry,
            there: there.map(Box::new),
        }
    }

    /// Looks at it.
    pub(super) fn look<R>(&self, api: &ApiState, with: impl FnOnce(Look<'_>) -> R) -> R {
        match &self.there {
            Some(there) => with(there.look()),
            None => api.look(&self.entry, with),
        }
    }
}
