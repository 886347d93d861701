//! Waking up in time. The runtime's own timers are a millisecond wide and round up; a lane wants its due times sharper than that.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// Wakes a lane.
#[derive(Debug)]
pub enum Alarm {
    /// A kernel timer without rounding.
    Sharp(AsyncFd<Timer>, Pulse),
    /// The runtime's timers, which tests can pause.
    Runtime,
}

/// A timer of the runtime that is always near. Setting one that is nearer than all others makes the runtime wake itself through a
/// descriptor: without this, every timeout of every check would, twice a run.
type Pulse = std::pin::Pin<Box<tokio::time::Sleep>>;

/// Shorter than almost all timeouts, and rare enough to cost nothing.
const PULSE: std::time::Duration = std::time::Duration::from_millis(250);

/// The kernel's timer, in the shape that the runtime wants.
#[derive(Debug)]
pub struct Timer {
    fd: TimerFd,
    /// When it goes off, as it was last set.
    armed: Option<Instant>,
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_fd().as_raw_fd()
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe; Timer owns its descriptor, so what the deprecation warns of cannot happen"
)]
fn listen(timer: Timer) -> std::io::Result<AsyncFd<Timer>> {
    AsyncFd::with_interest(timer, tokio::io::Interest::READABLE)
}

/// Nearer than this is now: arming a timer would take longer.
const NOW: std::time::Duration = std::time::Duration::from_micros(5);

impl Alarm {
    /// A sharp alarm; the runtime's where the kernel gives none (no descriptor left).
    #[must_use]
    pub fn sharp() -> Self {
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        );
        match timer
            .map_err(std::io::Error::from)
            .and_then(|fd| listen(Timer { fd, armed: None }))
        {
            Ok(timer) => Self::Sharp(timer, Box::pin(tokio::time::sleep(PULSE))),
            Err(error) => {
                tracing::warn!(%error, "no kernel timer; due times are kept to a millisecond");
                Self::Runtime
            }
        }
    }

    /// Returns at `at`, or a little later. May be dropped and called again.
    pub async fn until(&mut self, at: Instant) {
        let Self::Sharp(timer, pulse) = self else {
            return tokio::time::sleep_until(at).await;
        };
        let wait = at.saturating_duration_since(Instant::now());
        if wait < NOW {
            return;
        }
        // A lane asks again after every run that ends; most often the next due time is still the same.
        if timer.get_ref().armed != Some(at) {
            let set = timer
                .get_ref()
                .fd
                .set(Expiration::OneShot(wait.into()), TimerSetTimeFlags::empty());
            timer.get_mut().armed = set.is_ok().then_some(at);
            if set.is_err() {
                return tokio::time::sleep_until(at).await;
            }
        }
        // An expiry of an earlier, abandoned wait may still be readable; setting the timer has reset it in the kernel, and the loop
        // below goes round once more in that case.
        loop {
            tokio::select! {
                biased;
                ready = timer.readable() => match ready {
                    Ok(mut ready) => ready.clear_ready(),
                    Err(_) => return tokio::time::sleep_until(at).await,
                },
                () = pulse.as_mut() => pulse.as_mut().reset(Instant::now() + PULSE),
            }
            if at.saturating_duration_since(Instant::now()) < NOW {
                return;
            }
        }
    }
}
