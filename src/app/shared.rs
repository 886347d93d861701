//! What a member runs because others share its store: what stands in for the store when it is away, and whoever says when that is.
//!
//! All of it belongs to the member: it stops last, with the membership.

use std::sync::Arc;

use tokio::sync::watch;

use super::peering::Peering;
use super::{Ended, ServerOptions};
use crate::catalog::Catalog;
use crate::cluster::{Cluster, Footing};
use crate::cutoff::{Courier, CutOff, Deciding, Noted, Notices, Rounds, SelfTest, Standing};
use crate::manager::recorder::Recorder;
use crate::notifications::{MayTell, NotifierView};
use crate::store::Standin;
use crate::tasks::Tasks;

/// Where it is noted, in the data directory, which fallback alerters were told that the store is away.
const NOTICES: &str = "notices.json";

/// What it is made of.
pub(super) struct Shared<'a> {
    pub(super) options: &'a ServerOptions,
    pub(super) cluster: &'a Cluster,
    pub(super) standin: Arc<Standin>,
    pub(super) peering: &'a Peering,
    pub(super) rounds: Rounds,
    pub(super) standing: Standing,
    pub(super) catalog: &'a Catalog,
    pub(super) recorder: &'a Recorder,
    pub(super) notifier: NotifierView,
}

impl Shared<'_> {
    /// Starts all of it, which from now on says on what the member stands and what it may tell. Operators decide by what is returned.
    pub(super) fn start(
        self,
        footing: watch::Sender<Footing>,
        may_tell: watch::Sender<MayTell>,
        tasks: &mut Tasks<Ended>,
    ) -> Deciding {
        let courier = self.start_courier(tasks);
        let (wants_test, passes) = self.start_self_test(tasks);
        self.start_notices(tasks);
        let (deciding, asked) = Deciding::new(self.standin.clone(), self.standing.clone());
        let (cluster, sent) = (self.cluster, self.recorder.clone());
        let cut_off = CutOff {
            standin: self.standin,
            store: cluster.store.clone(),
            record: cluster.record.clone(),
            ttl: cluster.ttl,
            catalog: self.catalog.clone(),
            rights: cluster.rights.subscribe(),
            footing,
            may_tell,
            tables: cluster.tables.clone(),
            tenures: cluster.tenures.clone(),
            rounds: self.rounds,
            passes,
            wants_test,
            isolated_after: self.options.isolated_after,
            standing: self.standing,
            events: cluster.events.clone(),
            courier,
            abstain: cluster.abstain.clone(),
            unanswered: Arc::new(move || sent.unanswered()),
            watchdog: cluster.watchdog.clone(),
            asked,
        };
        let (token, pulse) = (tasks.stop().clone(), cluster.watchdog.pulse("watch over the store"));
        tasks.spawn(async move {
            match pulse.over(cut_off.run(token)).await {
                Ok(()) => Ended::Quietly("watch over the store"),
                Err(lost) => Ended::Lost(lost.to_string()),
            }
        });
        deciding
    }

    fn start_courier(&self, tasks: &mut Tasks<Ended>) -> Arc<Courier> {
        let courier = Arc::new(Courier {
            standin: self.standin.clone(),
            tables: self.cluster.tables.clone(),
            catalog: self.catalog.clone(),
            me: self.cluster.record.id.clone(),
            ask: Arc::new(self.peering.peers.clone()),
        });
        let (token, work) = (tasks.stop().clone(), courier.clone());
        tasks.spawn(async move {
            work.run(token).await;
            Ended::Quietly("courier")
        });
        courier
    }

    /// Where it is wanted, and whether it passes: what shows whether this member can tell anybody anything.
    fn start_self_test(&self, tasks: &mut Tasks<Ended>) -> (watch::Sender<bool>, watch::Receiver<bool>) {
        let catalog = self.catalog.clone();
        let test = SelfTest {
            named: self.options.self_test.clone(),
            alerters: Arc::new(move || {
                let alerters = catalog.alerters();
                let defs = alerters.iter().filter_map(|entry| entry.def.as_ref());
                defs.filter_map(|def| def.alerter.place()).collect()
            }),
        };
        let (passed, passes) = watch::channel(false);
        let wants_test = watch::Sender::new(false);
        let (token, wanted) = (tasks.stop().clone(), wants_test.subscribe());
        tasks.spawn(async move {
            test.run(wanted, passed, token).await;
            Ended::Quietly("self-test")
        });
        (wants_test, passes)
    }

    fn start_notices(&self, tasks: &mut Tasks<Ended>) {
        let notices = Notices {
            standing: self.standing.clone(),
            rounds: self.rounds.clone(),
            catalog: self.catalog.clone(),
            tables: self.cluster.tables.clone(),
            me: self.cluster.record.id.clone(),
            notifier: self.notifier.clone(),
            events: self.cluster.events.clone(),
            noted: Noted::at(self.options.data_dir.join(NOTICES)),
        };
        let token = tasks.stop().clone();
        tasks.spawn(async move {
            notices.run(token).await;
            Ended::Quietly("notices")
        });
    }
}
