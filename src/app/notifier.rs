//! What the API asks of the notifier, answered by its view.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::api::{self, Attempt, Counter, LastDelivery, Tested, Waiting};
use crate::config::definition::AlerterDef;
use crate::model::{AlerterName, MonitorName};
use crate::notifications::NotifierView;

pub(super) struct View(pub(super) NotifierView);

#[async_trait]
impl api::NotifierView for View {
    fn waiting(&self) -> Waiting {
        let counts = self.0.counts();
        Waiting { pending: counts.pending + counts.sending + counts.muted, given_up: counts.given_up }
    }

    fn attempt(&self, alerter: &AlerterName, monitor: &MonitorName) -> Option<Attempt> {
        let item = self.0.items().into_iter().find(|i| i.alerter == *alerter && i.monitor == *monitor)?;
        Some(Attempt { next: item.next_attempt, attempts: item.attempts, error: item.error })
    }

    fn last_delivery(&self, alerter: &AlerterName) -> Option<LastDelivery> {
        let last = self.0.alerters().remove(alerter)?.last_delivery?;
        Some(LastDelivery { at: last.at, ok: last.ok, message: last.message })
    }

    fn counters(&self) -> Vec<Counter> {
        let of = |(alerter, facts): (AlerterName, crate::notifications::AlerterFacts)| {
            let all = facts.attempts.into_iter().chain(facts.gave_up);
            all.map(|(reason, count)| Counter { alerter: alerter.clone(), reason, count }).collect::<Vec<_>>()
        };
        self.0.alerters().into_iter().flat_map(of).collect()
    }

    async fn test(&self, alerter: Arc<AlerterDef>) -> Tested {
        let began = Instant::now();
        let (delivered, response) = match self.0.send_test(&alerter.name).await {
            Some(Ok(receipt)) => (true, receipt.response),
            Some(Err(error)) => (false, error.message),
            None => (false, "the alerter's definition cannot be used".to_owned()),
        };
        Tested { delivered, response, took: began.elapsed() }
    }
}
