//! Lists a page at a time. A cursor says after which item to go on, so a list that changes meanwhile repeats and skips nothing that stayed.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use super::query::Params;
use super::state_list::Wish;
pub(super) use crate::peers::calls::Rank;

/// Items in a page, if nothing else is asked for.
pub(super) const DEFAULT_LIMIT: usize = 100;
/// Items in a page, at most.
pub(super) const MAX_LIMIT: usize = 1000;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The items.
    pub(super) items: Vec<T>,
    /// Cursor of the next page; null on the last.
    pub(super) next: Option<String>,
    /// All items there are, on all pages.
    pub(super) total: usize,
    /// Members that could not be asked: what they know is missing here. Left out where all answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unreachable: Vec<String>,
}

/// What part of a list is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    limit: Option<usize>,
    after: Option<Rank>,
    offset: usize,
}

impl Asked {
    /// Reads `limit`, `cursor` and `offset`.
    pub(super) fn read(params: &Params) -> Result<Self, ApiError> {
        let limit = params.parsed::<usize>("limit")?.map(|limit| limit.min(MAX_LIMIT));
        if limit == Some(0) {
            return Err(ApiError::bad_request("Invalid value '0' of `limit`"));
        }
        let after = params
            .given("cursor")
            .map(|cursor| decode(cursor).ok_or_else(|| ApiError::bad_request("Invalid `cursor`")))
            .transpose()?;
        Ok(Self {
            limit,
            after,
            offset: params.parsed("offset")?.unwrap_or_default(),
        })
    }

    /// Whether a limit is set.
    pub(super) fn limited(&self) -> bool {
        self.limit.is_some()
    }

    /// The limit, or everything.
    pub(super) fn limit_or(&self, default: usize) -> usize {
        self.limit.unwrap_or(default)
    }

    /// The same, of a list that other members hold parts of.
    pub(super) fn wish(&self, query: String) -> Wish {
        Wish {
            query,
            after: self.after.clone(),
            offset: self.offset,
            limit: self.limit,
            spark: self.limited(),
        }
    }

    /// The rank to go on after.
    pub(super) fn after(&self) -> Option<&Rank> {
        self.after.as_ref()
    }

    /// Cuts a sorted list (`falling`: by falling rank): the items asked for, and the cursor of what comes after them.
    pub(super) fn cut<T>(
        &self,
        sorted: Vec<T>,
        default: usize,
        falling: bool,
        rank: impl Fn(&T) -> Rank,
    ) -> (Vec<T>, Option<String>) {
        let first = match &self.after {
            Some(after) if falling => sorted.partition_point(|item| rank(item) >= *after),
            Some(after) => sorted.partition_point(|item| rank(item) <= *after),
            None => self.offset,
        };
        let left = sorted.len().saturating_sub(first);
        let limit = self.limit_or(default);
        let items: Vec<T> = sorted.into_iter().skip(first).take(limit).collect();
        let next = items.last().filter(|_| left > limit).map(|last| encode(&rank(last)));
        (items, next)
    }

    /// A whole list as a page of it.
    pub(super) fn page<T>(&self, sorted: Vec<T>, rank: impl Fn(&T) -> Rank) -> Page<T> {
        let total = sorted.len();
        let (items, next) = self.cut(sorted, DEFAULT_LIMIT, false, rank);
        Page {
            items,
            next,
            total,
            unreachable: Vec::new(),
        }
    }
}

impl<T> Page<T> {
    /// The same page of something else.
    pub(super) fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            next: self.next,
            total: self.total,
            unreachable: self.unreachable,
        }
    }
}

pub(super) fn encode((number, text): &Rank) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{number}:{text}"))
}

fn decode(cursor: &str) -> Option<Rank> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (number, text) = text.split_once(':')?;
    Some((number.parse().ok()?, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(mut list: Vec<i64>, limit: usize, change: impl Fn(&mut Vec<i64>)) -> Vec<i64> {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let asked = Asked::read(&Params::of(&format!("limit={limit}&cursor={cursor}"))).unwrap();
            let page = asked.page(list.clone(), |n| (*n, n.to_string()));
            seen.extend(page.items);
            match page.next {
                Some(next) => cursor = next,
                None => return seen,
            }
            change(&mut list);
        }
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repetition() {
        assert_eq!(walk((0..7).collect(), 3, |_| ()), (0..7).collect::<Vec<_>>());
        assert_eq!(walk((0..6).collect(), 3, |_| ()), (0..6).collect::<Vec<_>>());
        assert_eq!(walk(vec![], 3, |_| ()), Vec::<i64>::new());
    }

    #[test]
    fn what_is_removed_or_added_between_two_pages_shifts_nothing() {
        let removed = walk((0..6).collect(), 2, |list| list.retain(|n| *n != 1));
        assert_eq!(removed, vec![0, 1, 2, 3, 4, 5]);
        let added = walk((1..5).collect(), 2, |list| {
            if !list.contains(&0) {
                list.insert(0, 0);
            }
        });
        assert_eq!(added, vec![1, 2, 3, 4]);
    }

    #[test]
    fn a_cursor_that_is_none_is_refused() {
        for query in [
            "cursor=%00",
            "cursor=YWJj",
            "limit=0",
            "limit=-1",
            "limit=x",
            "offset=x",
        ] {
            assert!(Asked::read(&Params::of(query)).is_err(), "{query}");
        }
    }
}
