//! That a store does not answer is said once for each cause, and once that it does again, however many follow it.

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;

use parking_lot::Mutex;

use super::backend::StoreError;

/// What all who follow a store know together.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Those who get no answer now.
    waiting: usize,
    /// Causes that were said since the first of them got none.
    said: Vec<Discriminant<StoreError>>,
}

impl Outage {
    /// One fewer waits. Whether it was the last.
    fn leave(&self) -> bool {
        let mut state = self.0.lock();
        state.waiting -= 1;
        let last = state.waiting == 0;
        if last {
            state.said.clear();
        }
        last
    }
}

/// Somebody who gets no answer, until it is dropped.
pub(super) struct Waiting(Option<Arc<Outage>>);

impl Waiting {
    pub(super) fn new(outage: &Arc<Outage>) -> Self {
        outage.0.lock().waiting += 1;
        Self(Some(outage.clone()))
    }

    /// Whether this cause is new, and to be said.
    #[must_use]
    pub(super) fn is_news(&self, error: &StoreError) -> bool {
        let Some(outage) = &self.0 else { return false };
        let mut state = outage.0.lock();
        let cause = discriminant(error);
        let new = !state.said.contains(&cause);
        if new {
            state.said.push(cause);
        }
        new
    }

    /// There is an answer. Whether nobody waits any more, which is to be said.
    #[must_use]
    pub(super) fn ends(mut self) -> bool {
        self.0.take().is_some_and(|outage| outage.leave())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(outage) = self.0.take() {
            outage.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_who_wait_one_says_why_for_each_cause_and_the_last_that_it_is_over() {
        let outage = Arc::new(Outage::default());
        let away = |why: &str| StoreError::Unavailable(why.to_owned());
        let denied = StoreError::Denied("no".to_owned());
        for _ in 0..2 {
            let [a, b, c] = [(); 3].map(|()| Waiting::new(&outage));
            assert!(a.is_news(&away("reset")));
            assert!(!b.is_news(&away("refused")) && !a.is_news(&away("refused")));
            assert!(c.is_news(&denied) && !b.is_news(&denied));
            assert!(!a.ends());
            // It stops following.
            drop(b);
            assert!(c.ends());
        }
    }
}
