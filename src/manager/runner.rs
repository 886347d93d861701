//! Runs one check: deadline, timing, panic guard. Once, for all kinds.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use crate::config::definition::MonitorDef;
use crate::model::{Reason, Verdict};
use crate::monitors::{CheckCx, Run};

/// A kind ends its waits at the deadline by itself and knows more than we do; this is how long after it we stop believing that it will.
const GUARD: Duration = Duration::from_millis(250);

/// Runs a check once; the verdict and how long it took.
pub async fn run(def: &MonitorDef, cx: &CheckCx) -> (Verdict, Duration) {
    let started = Instant::now();
    let deadline = started + def.budget;
    let run = Run {
        monitor: &def.name,
        deadline,
        timeout: def.budget,
    };
    let check = AssertUnwindSafe(def.check.check(cx, &run)).catch_unwind();
    let verdict = match tokio::time::timeout_at(deadline + GUARD, check).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(panic)) => {
            tracing::error!(monitor = %def.name, kind = def.kind.name, panic = words(&*panic), "a check panicked");
            Verdict::unknown(
                Reason::Panic,
                "the check panicked; this is a defect of 9volt, see its log",
            )
        }
        Err(_) => Verdict::fail(
            Reason::Timeout,
            format!("no answer within {}", crate::model::Dur(def.budget)),
        ),
    };
    (verdict, started.elapsed())
}

/// What a panic says.
pub(super) fn words(panic: &(dyn Any + Send)) -> Option<&str> {
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    panic.downcast_ref::<&str>().copied().or_else(owned)
}
