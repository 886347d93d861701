//! From a recorded transition to a delivery.
//!
//! `outbox → mute → dedup → deliver → told`: the judge has put what an alerter should know into the outbox; a lane per alerter and monitor
//! makes *told* equal to it. The rules are pure ([`dedup`], [`lane`]); the worker moves bytes.
//!
//! An alerter is worked by the member that holds its slot of the group `notify`. Gained: what the store holds of it is read, after the table that
//! gives it was seen, then its lanes begin. Lost: nothing of it is begun any more; what is in flight ends, and what came of it is the next
//! member's to find out. Those that are kept notice neither.
//!
//! *Guarantees*: every entry is told at least once or visibly given up, in order for one alerter and monitor; twice only if whoever works the
//! alerter dies or loses it between the far end's answer and the record, or the answer is lost. *Assumptions*: the judge alone writes the
//! outbox; one member alone works an alerter, its tenure is part of every commit, and [`MayTell`] of every attempt. *Caveats*: a silence keeps
//! trouble from being told, not its end: where somebody was told, an incident is open. A member that is paused in the very moment in which an
//! attempt begins makes it when it wakes: whoever takes over gives it the time of one attempt.
//!
//! What is given up is told to the fallback alerters ([`undelivered`] has the words), outside of the outbox: of it there is no monitor that anybody judges.

mod dedup;
mod event;
mod gate;
mod lane;
mod limits;
mod may_tell;
mod message;
mod pace;
#[cfg(test)]
mod tests;
mod trying;
mod undelivered;
mod view;
mod worker;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

pub use event::NotifierEvent;
pub use lane::GaveUp;
pub use may_tell::MayTell;
pub use message::{About, Notice};
pub use trying::{Tried, Trying};
pub use view::{AlerterFacts, Counts, LastDelivery, NotificationItem, NotificationState, NotifierView};

use crate::alerters::{DeliveryCx, DeliveryError, DynAlerter, Receipt};
use crate::cluster::tenures::Tenures;
use crate::config::definition::AlerterDef;
use crate::model::{AlerterName, MemberId, Notification};
use crate::store::Store;
use crate::store::records::Definition;
use limits::ATTEMPT_DEADLINE;
use message::Sender;

/// Reads an alerter's stored definition; `None` if it cannot be used.
pub type ReadAlerter = Arc<dyn Fn(&AlerterName, &Definition) -> Option<Arc<AlerterDef>> + Send + Sync>;
/// Told of events; must not block.
pub type OnEvent = Arc<dyn Fn(NotifierEvent) + Send + Sync>;

/// What a notifier needs.
pub struct NotifierOptions {
    /// The store.
    pub store: Store,
    /// Which alerters are ours to work, and by which right: the slots of the group `notify`.
    pub tenures: Tenures,
    /// Whether a delivery may begin, now. A right that this member does not know to be lost does not say that.
    pub may_tell: watch::Receiver<MayTell>,
    /// Whether this member stands in for the store now: what it tells then says so.
    pub stands_in: Arc<dyn Fn() -> bool + Send + Sync>,
    /// This member, named in messages.
    pub member: MemberId,
    /// Name of the cluster: part of the keys of messages and incidents.
    pub cluster: String,
    /// Where people reach this server, for links.
    pub base_url: Option<String>,
    /// The one HTTP client of all alerters.
    pub http: reqwest::Client,
    /// Reads definitions, removed ones too.
    pub read: ReadAlerter,
    /// Told of events.
    pub events: OnEvent,
}

/// Makes every alerter that is given to this member know what it should.
#[must_use = "a notifier does nothing until it is run"]
pub struct Notifier {
    options: NotifierOptions,
    view: NotifierView,
}

impl Notifier {
    /// A notifier that is not running yet.
    pub fn new(options: NotifierOptions) -> Self {
        let sender = Sender {
            cluster: options.cluster.clone(),
            member: options.member.to_string(),
            base_url: options.base_url.clone(),
        };
        let view = NotifierView::new(sender, options.http.clone());
        Self { options, view }
    }

    /// What it shows to others, from now on.
    #[must_use]
    pub fn view(&self) -> NotifierView {
        self.view.clone()
    }

    /// Works until `stop`; then deliveries in flight have a few seconds to end and be recorded.
    pub async fn run(self, stop: CancellationToken) {
        worker::Worker::new(self.options, self.view).run(&stop).await;
    }
}

/// One attempt. Ends by its deadline, whatever the alerter does.
async fn deliver(
    alerter: Arc<dyn DynAlerter>,
    http: reqwest::Client,
    note: Notification,
) -> Result<Receipt, DeliveryError> {
    let deadline = Instant::now() + ATTEMPT_DEADLINE;
    let cx = DeliveryCx { http, deadline };
    let attempt = AssertUnwindSafe(async { alerter.deliver(&cx, &note).await }).catch_unwind();
    match timeout_at(deadline, attempt).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => Err(DeliveryError::soon("the alerter panicked; this is a defect of 9volt")),
        Err(_elapsed) => Err(DeliveryError::soon(format!(
            "no answer within {} s",
            ATTEMPT_DEADLINE.as_secs()
        ))),
    }
}
