//! Tasks that somebody owns. The only place in the crate that spawns.

use std::future::Future;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// A set of tasks with one token that asks all of them to stop.
///
/// Whoever holds the set notices how each task ended ([`Tasks::next`]) and reaps what is left ([`Tasks::shut_down`]).
/// Dropping the set aborts its tasks: nothing outlives its owner.
#[derive(Debug)]
pub struct Tasks<T = ()> {
    stop: CancellationToken,
    set: JoinSet<T>,
}

impl<T: Send + 'static> Tasks<T> {
    /// An empty set that stops when `stop` is cancelled, or by itself.
    pub fn child_of(stop: &CancellationToken) -> Self {
        Self {
            stop: stop.child_token(),
            set: JoinSet::new(),
        }
    }

    /// The token that this set's tasks should watch.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Number of tasks that have not been reaped yet.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether nothing is left to reap.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Starts a task on the current runtime.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn(&mut self, task: impl Future<Output = T> + Send + 'static) {
        #[cfg(test)]
        let task = process::of_the_present_one(task);
        self.set.spawn(task);
    }

    /// Runs blocking work (a file, a durable commit) on the blocking pool, owned like any other task.
    pub fn spawn_blocking(&mut self, work: impl FnOnce() -> T + Send + 'static) {
        self.set.spawn_blocking(work);
    }

    /// The next task to end, or `None` when the set is empty. A panic is an `Err` here, not a line in a log.
    pub async fn next(&mut self) -> Option<Result<T, JoinError>> {
        self.set.join_next().await
    }

    /// Like [`Tasks::next`], but only what has ended already.
    pub fn try_next(&mut self) -> Option<Result<T, JoinError>> {
        self.set.try_join_next()
    }

    /// Asks, waits `grace`, then aborts and reaps. `false` if anything had to be aborted or panicked.
    pub async fn shut_down(mut self, grace: Duration) -> bool {
        self.stop.cancel();
        let mut clean = true;
        let drained = tokio::time::timeout(grace, async {
            while let Some(ended) = self.set.join_next().await {
                clean &= ended.is_ok();
            }
        })
        .await;
        if drained.is_err() {
            clean = false;
            self.set.shutdown().await;
        }
        clean
    }
}

/// Processes of a simulation, which can be paused: several in one real process, on one thread.
#[cfg(test)]
pub(crate) mod process {
    use std::cell::RefCell;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use parking_lot::Mutex;

    use super::Future;

    thread_local! {
        /// Whose task is polled now.
        static PRESENT: RefCell<Option<Process>> = const { RefCell::new(None) };
    }

    /// What is run by it, and whatever that spawns, stands still while it is paused, as by SIGSTOP: time goes on, and nothing is polled.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Process {
        state: Arc<Mutex<State>>,
        /// What it is a part of, and stands still with.
        whole: Option<Box<Process>>,
    }

    #[derive(Debug, Default)]
    struct State {
        paused: bool,
        /// Tasks that something has happened to meanwhile.
        woken: Vec<Waker>,
    }

    impl Process {
        /// A part of the process that is run now, which can be paused by itself: a thread that hangs.
        pub(crate) fn part() -> Self {
            Self {
                whole: PRESENT.with_borrow(Clone::clone).map(Box::new),
                ..Self::default()
            }
        }

        pub(crate) fn pause(&self) {
            self.state.lock().paused = true;
        }

        pub(crate) fn go_on(&self) {
            let woken = {
                let mut state = self.state.lock();
                state.paused = false;
                std::mem::take(&mut state.woken)
            };
            woken.into_iter().for_each(Waker::wake);
        }

        pub(crate) fn is_paused(&self) -> bool {
            self.state.lock().paused
        }

        /// Whether it stands still, alone or with what it is a part of; whatever wakes the task meanwhile is for later.
        fn holds(&self, task: &Waker) -> bool {
            let mut state = self.state.lock();
            if state.paused {
                state.woken.push(task.clone());
                return true;
            }
            drop(state);
            self.whole.as_ref().is_some_and(|whole| whole.holds(task))
        }

        /// Runs it as a task of this process.
        pub(crate) fn run<F: Future>(&self, task: F) -> Of<F> {
            Of {
                process: Some(self.clone()),
                task: Box::pin(task),
            }
        }
    }

    /// Does something as nobody's process: what is spawned by it is on another machine, and goes on whoever is paused.
    pub(crate) fn elsewhere<T>(does: impl FnOnce() -> T) -> T {
        let present = PRESENT.take();
        let done = does();
        PRESENT.set(present);
        done
    }

    pub(super) fn of_the_present_one<F: Future>(task: F) -> Of<F> {
        Of {
            process: PRESENT.with_borrow(Clone::clone),
            task: Box::pin(task),
        }
    }

    /// A task of a process, or of none.
    pub(crate) struct Of<F> {
        process: Option<Process>,
        task: Pin<Box<F>>,
    }

    impl<F: Future> Future for Of<F> {
        type Output = F::Output;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
            let Some(process) = self.process.clone() else {
                return self.task.as_mut().poll(cx);
            };
            if process.holds(cx.waker()) {
                return Poll::Pending;
            }
            let before = PRESENT.replace(Some(process));
            let polled = self.task.as_mut().poll(cx);
            PRESENT.set(before);
            polled
        }
    }
}

#[cfg(test)]
mod tests {
    use super::process::Process;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_a_paused_process_spawned_stands_still_until_it_goes_on() {
        let process = Process::default();
        let (to, mut ticks) = tokio::sync::mpsc::channel(64);
        let mut tasks = Tasks::child_of(&CancellationToken::new());
        let ticking = async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                to.try_send(()).unwrap();
            }
        };
        process.run(async { tasks.spawn(ticking) }).await;
        let mut ticked = async || {
            tokio::time::sleep(Duration::from_millis(4_500)).await;
            std::iter::from_fn(|| ticks.try_recv().ok()).count()
        };
        assert_eq!(ticked().await, 4);
        process.pause();
        assert_eq!(ticked().await, 0);
        process.go_on();
        assert!(ticked().await >= 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_listens_ends_within_grace() {
        let mut tasks = Tasks::child_of(&CancellationToken::new());
        let stop = tasks.stop().clone();
        tasks.spawn(async move { stop.cancelled().await });
        assert!(tasks.shut_down(Duration::from_secs(1)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_listen_is_aborted_and_reported() {
        let mut tasks = Tasks::child_of(&CancellationToken::new());
        tasks.spawn(std::future::pending::<()>());
        assert!(!tasks.shut_down(Duration::from_secs(1)).await);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_to_the_owner() {
        let mut tasks: Tasks = Tasks::child_of(&CancellationToken::new());
        tasks.spawn(async { panic!("on purpose") });
        assert!(tasks.next().await.is_some_and(|ended| ended.is_err()));
    }
}
