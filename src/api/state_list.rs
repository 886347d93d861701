//! The list of states over all members: each is asked for the next part of what it judges, this one merges.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::merge::Merge;
use super::others::{Scope, WITHIN};
use super::paging::Rank;
use super::parts::ApiState;
use super::state_query::{Deriver, Filter, Row, There};
use crate::model::{MemberId, Slots};
use crate::peers::AskError;
use crate::peers::calls::{StateRow, StatesAnswer, StatesQuestion};

/// Rows asked for at a time, at most.
pub(super) const ROWS: usize = 2_000;
/// Ranks asked for at a time where rows are skipped.
const RANKS: usize = 5_000;

/// What is wanted of the list.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// The query as it came; what is no filter and no order is ignored.
    pub(super) query: String,
    pub(super) after: Option<Rank>,
    pub(super) offset: usize,
    /// Nothing: all there are.
    pub(super) limit: Option<usize>,
    pub(super) spark: bool,
}

/// The list, read as far as it was taken.
pub(super) struct StateList {
    api: ApiState,
    filter: Filter,
    elsewhere: Vec<(MemberId, Slots)>,
    /// All of these.
    others: Slots,
    merge: Merge<Row>,
    query: String,
    page: usize,
    slim: bool,
    spark: bool,
    totals: Vec<usize>,
    unreachable: Vec<MemberId>,
}

impl StateList {
    /// The list from where it is wanted on.
    pub(super) async fn open(
        api: &ApiState,
        filter: Filter,
        deriver: &Deriver,
        elsewhere: &BTreeMap<MemberId, Slots>,
        wish: Wish,
    ) -> Self {
        let mut list = Self {
            api: api.clone(),
            merge: Merge::new(elsewhere.len() + 1, wish.after.as_ref(), filter.falling()),
            elsewhere: elsewhere
                .iter()
                .map(|(member, slots)| (member.clone(), slots.clone()))
                .collect(),
            others: Slots::union(elsewhere.values()),
            totals: vec![0; elsewhere.len() + 1],
            filter,
            query: wish.query,
            page: wish.limit.unwrap_or(ROWS).min(ROWS),
            slim: false,
            spark: wish.spark,
            unreachable: Vec::new(),
        };
        // A cursor says where to go on: rows to skip are counted from the start only.
        if wish.offset > 0 && wish.after.is_none() {
            let after = list.skip(deriver, wish.offset).await;
            let Some(after) = after else { return list };
            list.merge = Merge::new(elsewhere.len() + 1, Some(&after), list.filter.falling());
        }
        list.fill(deriver).await;
        list
    }

    /// Reads ranks; the one of the last row to be skipped, unless the list ends before.
    async fn skip(&mut self, deriver: &Deriver, rows: usize) -> Option<Rank> {
        self.slim = true;
        let page = std::mem::replace(&mut self.page, rows.min(RANKS));
        let mut last = None;
        for _ in 0..rows {
            self.fill(deriver).await;
            match self.merge.next() {
                Some((rank, _)) => last = Some(rank),
                None => {
                    last = None;
                    break;
                }
            }
        }
        (self.slim, self.page) = (false, page);
        last
    }

    /// Rows that match, on all pages.
    pub(super) fn total(&self) -> usize {
        self.totals.iter().sum()
    }

    /// Members that could not be asked, so far.
    pub(super) fn unreachable(&self) -> &[MemberId] {
        &self.unreachable
    }

    pub(super) fn any_left(&self) -> bool {
        self.merge.any_left()
    }

    /// The next rows.
    pub(super) async fn take(&mut self, deriver: &Deriver, rows: usize) -> Vec<Row> {
        let mut taken = Vec::with_capacity(rows.min(ROWS));
        while taken.len() < rows {
            self.fill(deriver).await;
            match self.merge.next() {
                Some((_, row)) => taken.push(row),
                None => break,
            }
        }
        taken
    }

    /// Asks whomever the next row may come from.
    async fn fill(&mut self, deriver: &Deriver) {
        let hungry = self.merge.hungry();
        if hungry.is_empty() {
            return;
        }
        let asked = join_all(hungry.iter().map(|(i, after)| self.ask(*i, after.clone()))).await;
        for ((i, after), answer) in hungry.into_iter().zip(asked) {
            match answer {
                Some(Ok(answer)) => {
                    self.totals[i] = answer.total;
                    let (_, slots) = &self.elsewhere[i - 1];
                    let scope = Scope::In(slots);
                    let rows: Vec<_> = answer
                        .rows
                        .into_iter()
                        .filter_map(|row| ranked(&self.api, scope, row))
                        .collect();
                    self.merge.feed(i, rows, answer.more);
                }
                Some(Err(_)) => {
                    let (member, slots) = &self.elsewhere[i - 1];
                    if !self.unreachable.contains(member) {
                        self.unreachable.push(member.clone());
                    }
                    let rows = self.filter.apply(&self.api, deriver, Scope::In(slots));
                    self.feed_all(i, rows, after.as_ref());
                }
                None => {
                    let rows = self.filter.apply(&self.api, deriver, Scope::Outside(&self.others));
                    self.feed_all(i, rows, after.as_ref());
                }
            }
        }
    }

    /// What this member tells by itself is here at once.
    fn feed_all(&mut self, list: usize, rows: Vec<Row>, after: Option<&Rank>) {
        self.totals[list] = rows.len();
        let rows = self.filter.after(rows, after);
        self.merge
            .feed(list, rows.into_iter().map(|row| (Filter::rank(&row), row)), false);
    }

    async fn ask(&self, list: usize, after: Option<Rank>) -> Option<Result<StatesAnswer, AskError>> {
        let (member, slots) = self.elsewhere.get(list.checked_sub(1)?)?;
        let others = self.api.others.as_ref()?;
        if self.unreachable.contains(member) {
            // Asked already, for the rows that were skipped.
            return Some(Err(AskError::Late));
        }
        let question = StatesQuestion {
            slots: slots.clone(),
            query: self.query.clone(),
            after,
            limit: self.page,
            slim: self.slim,
            spark: self.spark,
        };
        Some(others.peers.ask(member, question, WITHIN).await)
    }
}

/// A row of another member: of a monitor that is defined, and that this member was asked about.
fn ranked(api: &ApiState, scope: Scope<'_>, row: StateRow) -> Option<(Rank, Row)> {
    let entry = api
        .catalog
        .monitor(row.name.as_str())
        .filter(|entry| scope.holds(entry))?;
    let there = row.state.map(|state| There {
        live: state.into_live(),
        unwatched: row.unwatched,
        recorded: row.recorded,
    });
    let row = Row::there(row.key, entry, there);
    Some((Filter::rank(&row), row))
}
