//! What the store says of the members and of the plan, gathered for one answer.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ApiError;
use super::parts::ApiState;
use crate::catalog::{Loads, Share, shares};
use crate::model::{Group, MemberId};
use crate::store::records::{IntentRecord, MemberRecord, Table};
use crate::store::{Entry, LeaseId, Revision, decode, keys};

/// Everything about members and tables, as the store has it. A record that cannot be read is left out; whoever judges by it says so.
pub(super) struct Crew {
    pub(super) members: BTreeMap<MemberId, (MemberRecord, Option<LeaseId>)>,
    pub(super) intents: BTreeMap<MemberId, (IntentRecord, Revision)>,
    pub(super) tables: BTreeMap<Group, Table>,
    /// Who directs, and its term.
    pub(super) director: Option<(String, Revision)>,
    pub(super) loads: Loads,
    shares: BTreeMap<Option<MemberId>, Share>,
}

impl Crew {
    pub(super) async fn read(api: &ApiState) -> Result<Self, ApiError> {
        let (_, members) = api.store.list(&keys::members()).await?;
        let (_, intents) = api.store.list(&keys::intents()).await?;
        let (_, plans) = api.store.list(&keys::plans()).await?;
        let director = api.store.get(&keys::director()).await?;
        let member = |entry: &Entry| {
            let record = decode::<MemberRecord>(entry).ok()?.value;
            Some((record.id.clone(), (record, entry.lease)))
        };
        let intent = |entry: &Entry| {
            let id = MemberId::parse(&keys::last_segment(&entry.key)?).ok()?;
            let record = decode::<IntentRecord>(entry).ok()?;
            Some((id, (record.value, record.rev)))
        };
        let table = |entry: &Entry| {
            let group = Group::named(&keys::group(&entry.key)?);
            Some((group, decode::<Table>(entry).ok()?.value))
        };
        let tables: BTreeMap<Group, Table> = plans.iter().filter_map(table).collect();
        let loads = api.catalog.loads();
        Ok(Self {
            members: members.iter().filter_map(member).collect(),
            intents: intents.iter().filter_map(intent).collect(),
            shares: shares(&loads, &tables),
            tables,
            director: director.map(|entry| (String::from_utf8_lossy(&entry.value).into_owned(), entry.born)),
            loads,
        })
    }

    /// Whoever is here, holds something, or is wanted something of.
    pub(super) fn ids(&self) -> BTreeSet<MemberId> {
        let holders = self.shares.keys().flatten();
        let known = self.members.keys().chain(self.intents.keys());
        known.chain(holders).cloned().collect()
    }

    /// What a member holds; `None`: what nobody holds.
    pub(super) fn share(&self, member: Option<&MemberId>) -> Share {
        self.shares.get(&member.cloned()).cloned().unwrap_or_default()
    }

    /// A member's part of all work there is, from 0 to 1.
    pub(super) fn part(&self, share: &Share) -> f64 {
        let all: u64 = self.shares.values().map(|share| share.load).sum();
        if all == 0 {
            return 0.0;
        }
        // Four digits are what anybody reads.
        (share.load as f64 / all as f64 * 1e4).round() / 1e4
    }
}
