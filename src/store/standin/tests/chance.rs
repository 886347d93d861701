//! Whatever happens in whatever order: the quiet copy is the shared store.

use proptest::prelude::*;

use super::*;
use crate::store::LeaseId;

#[derive(Debug, Clone)]
enum Step {
    /// By this member, or by another one.
    Write(bool, u8, Writing),
    Watches(Watches),
    Compact,
    /// Milliseconds that a change takes to reach the watch.
    Late(u16),
    /// Milliseconds that a call takes.
    Slow(u16),
    Sleep(u16),
    Restart,
    Full(bool),
    CutOff,
    Reconnect,
    /// Leases of the shared store end.
    EndLeases,
    LostAnswers,
}

#[derive(Debug, Clone)]
enum Writing {
    Put,
    Leased,
    Delete,
}

#[derive(Debug, Clone)]
enum Watches {
    Drop,
    Stall(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let writing = prop_oneof![Just(Writing::Put), Just(Writing::Leased), Just(Writing::Delete)];
    prop_oneof![
        8 => (any::<bool>(), 0..12_u8, writing).prop_map(|(own, key, what)| Step::Write(own, key, what)),
        2 => prop_oneof![Just(Watches::Drop), any::<bool>().prop_map(Watches::Stall)].prop_map(Step::Watches),
        1 => Just(Step::Compact),
        1 => (0..2_000_u16).prop_map(Step::Late),
        1 => (0..500_u16).prop_map(Step::Slow),
        4 => (0..5_000_u16).prop_map(Step::Sleep),
        1 => Just(Step::Restart),
        1 => any::<bool>().prop_map(Step::Full),
        1 => Just(Step::CutOff),
        2 => Just(Step::Reconnect),
        1 => Just(Step::EndLeases),
        1 => Just(Step::LostAnswers),
    ]
}

/// Keys of several kinds; some are copied, some taken by a copy.
fn of(n: u8) -> Key {
    let kind = ["told/a/", "monitor/", "plan/", "past/", "cluster/members/", "zzz/"][usize::from(n) % 6];
    Key::new(format!("{kind}{n}"))
}

struct Run {
    bed: Bed,
    leases: Vec<LeaseId>,
}

impl Run {
    async fn take(&mut self, step: &Step) {
        let bed = &mut self.bed;
        match step {
            Step::Write(own, n, writing) => {
                let store = if *own { &bed.store } else { &bed.shared };
                let op = match writing {
                    Writing::Put => Op::Put(of(*n), value("x"), None),
                    Writing::Delete => Op::Delete(of(*n)),
                    Writing::Leased => match store.grant(Duration::from_secs(86_400)).await {
                        Ok(lease) => {
                            if bed.standin.face() == Face::Through {
                                self.leases.push(lease.id);
                            }
                            Op::Put(of(*n), value("leased"), Some(lease.id))
                        }
                        Err(_) => return,
                    },
                };
                store.commit(commit(op)).await;
            }
            Step::Watches(Watches::Drop) => bed.faults.drop_watches(),
            Step::Watches(Watches::Stall(stalled)) => bed.faults.set_watches_stalled(*stalled),
            Step::Compact => bed.faults.compact(),
            Step::Late(millis) => bed.faults.set_watch_delay(Duration::from_millis(u64::from(*millis))),
            Step::Slow(millis) => bed.faults.set_delay(Duration::from_millis(u64::from(*millis))),
            Step::Sleep(millis) => sleep(Duration::from_millis(u64::from(*millis))).await,
            Step::Restart => bed.restart().await,
            Step::Full(full) => bed.disk.set_full(*full),
            Step::CutOff => {
                bed.faults.set_unavailable(true);
                // A full disk: it does not.
                let _ = bed.standin.stand_in().await;
            }
            Step::Reconnect => bed.reconnect().await,
            Step::EndLeases => {
                for lease in self.leases.drain(..) {
                    bed.faults.lose_lease(lease);
                }
            }
            Step::LostAnswers => bed.faults.answers([crate::store::Answer::LostAfterwards]),
        }
        let stands = bed.standin.stands();
        assert_eq!(stands.dirty, bed.standin.face() == Face::Copy);
    }

    async fn calm_down(&mut self) {
        self.bed.faults.set_watches_stalled(false);
        self.bed.faults.set_watch_delay(Duration::ZERO);
        self.bed.faults.set_delay(Duration::ZERO);
        self.bed.disk.set_full(false);
        self.bed.reconnect().await;
        self.bed.quiet().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn the_quiet_copy_is_the_shared_store(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut run = Run { bed: Bed::new().await, leases: Vec::new() };
            for step in &steps {
                run.take(step).await;
            }
            run.calm_down().await;
        });
    }
}
