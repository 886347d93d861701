//! Records that belonged to what is gone: soft failures of members that nothing names any more, and tables of groups that no definition uses.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::model::{Group, MemberId};
use crate::store::records::Checkpoint;
use crate::store::{Commit, Entry, Guard, Key, Op, Store, StoreError, Term, decode, keys};

/// What was left over at the last look. It is removed if it still is at the next one: whoever takes over has read it by then.
#[derive(Debug, Default)]
pub(super) struct Leftovers(BTreeSet<Key>);

impl Leftovers {
    /// What removes it.
    pub(super) async fn look(
        &mut self,
        store: &Store,
        catalog: &Catalog,
        term: Term,
    ) -> Result<Vec<Commit>, StoreError> {
        let mut found = soft(store).await?;
        found.extend(plans(store, catalog).await?);
        let before = std::mem::take(&mut self.0);
        self.0 = found.iter().map(|(entry, _)| entry.key.clone()).collect();
        let lasting = found.into_iter().filter(|(entry, _)| before.contains(&entry.key));
        let remove = |(entry, only_if): (Entry, Option<Guard>)| {
            let mut guards = vec![term.guard(), Guard::Rev(entry.key.clone(), entry.rev)];
            guards.extend(only_if);
            Commit {
                guards,
                ops: vec![Op::Delete(entry.key)],
            }
        };
        Ok(lasting.map(remove).collect())
    }
}

/// A record, and what else must hold when it is removed.
type Left = (Entry, Option<Guard>);

/// Of members that are not here and judge nothing.
async fn soft(store: &Store) -> Result<Vec<Left>, StoreError> {
    let seats: BTreeSet<MemberId> = store.list(&keys::plans()).await?.1.iter().filter_map(seated).collect();
    let here: BTreeSet<Key> = store
        .list(&keys::members())
        .await?
        .1
        .into_iter()
        .map(|entry| entry.key)
        .collect();
    let mut left = Vec::new();
    for entry in store.list(&keys::softs()).await?.1 {
        let Some(id) = member(&entry.key).filter(|id| !seats.contains(id)) else {
            continue;
        };
        let key = keys::member(&id);
        if !here.contains(&key) {
            left.push((entry, Some(Guard::Absent(key))));
        }
    }
    Ok(left)
}

/// Tables of groups that nothing belongs to, and seats without a table.
async fn plans(store: &Store, catalog: &Catalog) -> Result<Vec<Left>, StoreError> {
    let mut used = BTreeSet::from([Group::notify()]);
    for monitor in catalog.monitors() {
        // Of one that cannot be read nobody knows where it belongs.
        let Some(group) = monitor.group() else {
            return Ok(Vec::new());
        };
        used.insert(group);
    }
    for entry in store.list(&keys::checkpoints()).await?.1 {
        let Ok(checkpoint) = decode::<Checkpoint>(&entry) else {
            return Ok(Vec::new());
        };
        used.insert(Group::named(&checkpoint.value.group));
    }
    let (_, entries) = store.list(&keys::plans()).await?;
    let tables: BTreeSet<Key> = entries.iter().map(|entry| entry.key.clone()).collect();
    let left = entries.into_iter().filter_map(|entry| match keys::group(&entry.key) {
        Some(group) => (!used.contains(&Group::named(&group))).then_some((entry, None)),
        None => {
            let table = keys::table_of_seat(&entry.key).filter(|table| !tables.contains(table))?;
            Some((entry, Some(Guard::Absent(table))))
        }
    });
    Ok(left.collect())
}

fn member(key: &Key) -> Option<MemberId> {
    MemberId::parse(&keys::last_segment(key)?).ok()
}

/// Whose seat it is.
fn seated(entry: &Entry) -> Option<MemberId> {
    keys::table_of_seat(&entry.key)?;
    member(&entry.key)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::catalog::MonitorEntry;
    use crate::config::definition;
    use crate::model::{MonitorName, WallMs};
    use crate::store::records::MemberRecord;
    use crate::store::{Revision, Session, in_memory};

    fn id(name: &str) -> MemberId {
        MemberId::parse(name).unwrap()
    }

    struct Bench {
        store: Store,
        catalog: Catalog,
        term: Term,
        leftovers: Leftovers,
        _session: Session,
    }

    impl Bench {
        async fn new() -> Self {
            let (store, _) = in_memory();
            let record = MemberRecord::new(id("a"), "disk", "boot");
            let session = Session::open(&store, record, Duration::from_secs(6)).await.unwrap();
            let term = session.campaign().await.unwrap().unwrap();
            Self {
                store,
                catalog: Catalog::default(),
                term,
                leftovers: Leftovers::default(),
                _session: session,
            }
        }

        async fn put(&self, key: Key) {
            let (guards, ops) = (Vec::new(), vec![Op::Put(key, Bytes::from("{}"), None)]);
            assert!(self.store.commit(Commit { guards, ops }).await.revision().is_some());
        }

        fn monitor(&self, name: &str, tag: &str) {
            let spec = json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "member-tag": tag});
            let read = definition::monitor(name, &spec);
            let name = MonitorName::parse(name).unwrap();
            let entry = MonitorEntry::new(name, Revision(1), WallMs(0), read);
            self.catalog.put_monitor(Arc::new(entry));
        }

        /// What a look removes.
        async fn removed(&mut self) -> Vec<String> {
            let commits = self
                .leftovers
                .look(&self.store, &self.catalog, self.term)
                .await
                .unwrap();
            let keys = commits.iter().map(|commit| commit.ops[0].key().to_string()).collect();
            for outcome in self.store.bulk(commits, |_| {}).await {
                assert!(outcome.revision().is_some());
            }
            keys
        }
    }

    #[tokio::test(start_paused = true)]
    async fn soft_failures_of_a_member_that_is_gone_and_judges_nothing_go_at_the_second_look() {
        let mut bench = Bench::new().await;
        for name in ["a", "gone", "holds"] {
            bench.put(keys::soft(&id(name))).await;
        }
        bench.monitor("web", "");
        bench.put(keys::table("untagged")).await;
        bench.put(keys::seat("untagged", &id("holds"))).await;
        assert!(bench.removed().await.is_empty());
        assert_eq!(bench.removed().await, ["soft/gone"]);
        assert!(bench.removed().await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_table_that_no_definition_uses_any_more_goes_and_then_its_seats() {
        let mut bench = Bench::new().await;
        bench.monitor("web", "");
        for group in ["untagged", "notify", "tag-eu"] {
            bench.put(keys::table(group)).await;
            bench.put(keys::seat(group, &id("a"))).await;
        }
        assert!(bench.removed().await.is_empty());
        assert_eq!(bench.removed().await, ["plan/tag-eu/table"]);
        assert!(bench.removed().await.is_empty());
        assert_eq!(bench.removed().await, ["plan/tag-eu/seat/a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_is_used_again_in_between_keeps_its_table() {
        let mut bench = Bench::new().await;
        bench.put(keys::table("tag-eu")).await;
        assert!(bench.removed().await.is_empty());
        bench.monitor("web", "eu");
        assert!(bench.removed().await.is_empty());
        bench.catalog.remove_monitor("web");
        assert!(bench.removed().await.is_empty(), "it counts anew");
        assert_eq!(bench.removed().await, ["plan/tag-eu/table"]);
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_definition_cannot_be_read_every_table_stays() {
        let mut bench = Bench::new().await;
        bench.put(keys::table("tag-eu")).await;
        let nothing = definition::Read {
            value: None,
            problems: Vec::new(),
        };
        let broken = MonitorEntry::new(MonitorName::parse("web").unwrap(), Revision(1), WallMs(0), nothing);
        bench.catalog.put_monitor(Arc::new(broken));
        assert!(bench.removed().await.is_empty());
        assert!(bench.removed().await.is_empty());
    }
}
