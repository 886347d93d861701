//! Members that share the alerters: the table that a director would make, and who has heard of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::*;
use crate::cluster::tenures::Holding;
use crate::model::Group;
use crate::store::records::slot;
use crate::store::records::{SLOTS, SlotRun, Table};
use crate::store::seat_value;

/// One process of a member, that may be killed and begun again.
pub(super) struct Member {
    pub(super) session: Session,
    pub(super) tenures: Tenures,
    pub(super) may_tell: watch::Sender<MayTell>,
    pub(super) stands_in: Arc<AtomicBool>,
    /// It has read a table.
    read_before: bool,
    pub(super) view: Option<NotifierView>,
    pub(super) tasks: Tasks,
}

/// Who works each slot, and since when.
pub(super) struct Plan {
    slots: Vec<(String, String)>,
    stamps: BTreeMap<MemberId, String>,
    epoch: u32,
}

impl Plan {
    pub(super) fn new(all: &str) -> Self {
        Self {
            slots: vec![(all.to_owned(), "1-1".to_owned()); usize::from(SLOTS)],
            stamps: BTreeMap::new(),
            epoch: 1,
        }
    }

    fn epoch(&self) -> String {
        format!("1-{}", self.epoch)
    }

    fn table(&self) -> Table {
        let mut runs: Vec<SlotRun> = Vec::new();
        for (n, (judge, since)) in (0..SLOTS).zip(&self.slots) {
            let judge = Some(MemberId::parse(judge).unwrap());
            match runs.last_mut() {
                Some(run) if run.judge == judge && run.since == *since => run.last = n,
                _ => runs.push(SlotRun {
                    first: n,
                    last: n,
                    judge,
                    since: since.clone(),
                    runners: Vec::new(),
                }),
            }
        }
        Table {
            at: WallMs(0),
            why: String::new(),
            v: FORMAT,
            epoch: self.epoch(),
            runs,
            stamps: self.stamps.clone(),
        }
    }
}

impl World {
    /// A process of a member opens a session. It knows no table yet.
    pub(super) async fn join(&mut self, id: &str, boot: &str) {
        let member = MemberId::parse(id).unwrap();
        let record = MemberRecord::new(member.clone(), id, boot);
        let session = Session::open(&self.store, record, LONG * 10).await.unwrap();
        let new = Member {
            session,
            tenures: Tenures::default(),
            may_tell: watch::Sender::new(MayTell::Yes),
            stands_in: Arc::default(),
            read_before: false,
            view: None,
            tasks: Tasks::child_of(&CancellationToken::new()),
        };
        self.members.insert(id.to_owned(), new);
        if !self.plan.stamps.contains_key(&member) {
            self.plan.stamps.insert(member.clone(), "first".to_owned());
            self.write(vec![Op::Put(keys::seat("notify", &member), seat_value("first"), None)])
                .await;
        }
    }

    /// The member's session is lost, and it opens another one. It has not read the tables by it yet.
    pub(super) async fn lose_session(&mut self, id: &str) {
        let lease = self.members[id].session.lease();
        self.faults.lose_lease(lease);
        let record = MemberRecord::new(MemberId::parse(id).unwrap(), id, "another session");
        let session = Session::open(&self.store, record, LONG * 10).await.unwrap();
        self.members.get_mut(id).unwrap().session = session;
    }

    /// What a director commits: who loses a slot gets a new stamp. Nobody hears of it yet.
    pub(super) async fn give(&mut self, moves: &[(&str, &str)]) {
        self.plan.epoch += 1;
        let epoch = self.plan.epoch();
        let mut seats = BTreeMap::new();
        for (alerter, to) in moves {
            let slot = &mut self.plan.slots[usize::from(slot(alerter))];
            seats.insert(MemberId::parse(&slot.0).unwrap(), epoch.clone());
            *slot = ((*to).to_owned(), epoch.clone());
        }
        let puts = seats
            .iter()
            .map(|(member, stamp)| Op::Put(keys::seat("notify", member), seat_value(stamp), None));
        self.write(puts.collect()).await;
        self.plan.stamps.extend(seats);
    }

    /// A member reads the newest table.
    pub(super) fn hear(&mut self, id: &str) {
        let (member, group) = (self.members.get_mut(id).unwrap(), Group::notify());
        let before = member.tenures.holding(&group);
        let first = !std::mem::replace(&mut member.read_before, true);
        let holding = Holding::of(&member.session, &group, &self.plan.table(), before.as_ref(), first);
        let held = holding.map(|holding| (group, holding)).into_iter().collect();
        member.tenures.set(held);
    }

    /// A director gives alerters to members, and all of them hear of it.
    pub(super) async fn move_to(&mut self, moves: &[(&str, &str)]) {
        self.give(moves).await;
        let all: Vec<_> = self.members.keys().cloned().collect();
        for id in all {
            self.hear(&id);
        }
    }

    /// Begins a notifier at a member, as a new process would.
    pub(super) fn begin_at(&mut self, id: &str) {
        self.hear(id);
        let (fars, events) = (self.fars.clone(), self.events.clone());
        let member = self.members.get_mut(id).unwrap();
        let stands_in = member.stands_in.clone();
        let notifier = Notifier::new(NotifierOptions {
            store: self.store.clone(),
            tenures: member.tenures.clone(),
            may_tell: member.may_tell.subscribe(),
            stands_in: Arc::new(move || stands_in.load(Relaxed)),
            member: MemberId::parse(id).unwrap(),
            cluster: "main".to_owned(),
            base_url: Some("https://9volt.example.org/".to_owned()),
            http: reqwest::Client::new(),
            read: Arc::new(move |name, definition| {
                let spec: String = serde_json::from_str(definition.spec.get()).ok()?;
                let far = fars.lock().get(&spec)?.clone();
                Some(Arc::new(far_def(name.as_str(), &far)))
            }),
            events: Arc::new(move |event| events.lock().push(event)),
        });
        member.view = Some(notifier.view());
        let stop = member.tasks.stop().clone();
        member.tasks.spawn(notifier.run(stop));
    }

    /// As `kill -9`.
    pub(super) fn kill_at(&mut self, id: &str) {
        self.members.get_mut(id).unwrap().tasks = Tasks::child_of(&CancellationToken::new());
    }

    pub(super) fn view_of(&self, id: &str) -> &NotifierView {
        self.members[id].view.as_ref().unwrap()
    }
}
