//! Answers the probes of others: a socket, the rules of [`reflecting`](super::reflecting), and numbers of what became of the packets.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::clock;
use super::reflecting::{Arrival, Policy, Reflecting, Refusal};
use super::socket::{Batch, Socket};
use super::wire::ErrorEstimate;

/// The error of the clock is asked for this often, at most.
const ASK_CLOCK: Duration = Duration::from_secs(1);
/// After an error of the socket.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of the packets that came.
#[derive(Debug, Default)]
pub struct Counts {
    answered: AtomicU64,
    unsent: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    sessions: AtomicU64,
    forgotten: AtomicU64,
}

impl Counts {
    /// Packets that were answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.load(Relaxed)
    }

    /// Answers that the kernel did not take.
    #[must_use]
    pub fn unsent(&self) -> u64 {
        self.unsent.load(Relaxed)
    }

    /// Packets that were not answered, by why.
    pub fn refused(&self) -> impl Iterator<Item = (Refusal, u64)> {
        let counts = self.refused.iter().map(|count| count.load(Relaxed));
        Refusal::ALL.into_iter().zip(counts)
    }

    /// Sessions that are remembered.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.sessions.load(Relaxed)
    }

    /// Idle sessions that were forgotten to make room.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Relaxed)
    }
}

/// A reflector that is bound; [`Reflector::run`] answers.
#[must_use = "a bound reflector answers nobody until it is run"]
pub struct Reflector {
    bound: UdpSocket,
    address: SocketAddr,
    policy: Policy,
    counts: Arc<Counts>,
}

impl Reflector {
    /// Binds it.
    ///
    /// # Errors
    /// The address is not ours, or taken, or not allowed to us.
    pub fn bind(address: SocketAddr, policy: Policy) -> io::Result<Self> {
        let bound = Socket::bind(address)?;
        Ok(Self {
            address: bound.local_addr()?,
            bound,
            policy,
            counts: Arc::default(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What becomes of the packets, for those who want to know while it runs.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        self.counts.clone()
    }

    /// Answers until `stop`. To be run on a thread of its own: under a flood of packets it does nothing else.
    ///
    /// # Errors
    /// The runtime does not take the socket.
    pub async fn run(self, stop: CancellationToken) -> io::Result<()> {
        let mut answering = Answering {
            socket: Socket::of(self.bound)?,
            rules: Reflecting::new(self.policy, self.address.port()),
            counts: self.counts,
            batch: Batch::default(),
            error: clock::error(),
        };
        let began = Instant::now();
        let mut asked = began;
        while let Some(ready) = stop.run_until_cancelled(answering.socket.readable()).await {
            let mut turned = ready;
            while turned.is_ok() && !stop.is_cancelled() {
                let now = Instant::now();
                if now - asked >= ASK_CLOCK {
                    (asked, answering.error) = (now, clock::error());
                }
                turned = answering.turn(now - began);
            }
            match turned {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    tracing::warn!(%error, address = %self.address, "the reflector cannot receive");
                    sleep(PAUSE).await;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A reflector at work.
struct Answering {
    socket: Socket,
    rules: Reflecting,
    counts: Arc<Counts>,
    batch: Batch,
    error: ErrorEstimate,
}

impl Answering {
    /// Takes what came and answers it.
    fn turn(&mut self, now: Duration) -> io::Result<()> {
        self.socket.receive(&mut self.batch)?;
        let mut answers = Vec::new();
        for (packet, octets) in self.batch.packets() {
            let arrival = Arrival {
                from: packet.from,
                to: packet.to.ip(),
                at: packet.at,
                hop_limit: packet.hop_limit,
                cut_off: packet.cut_off,
            };
            match self.rules.admit(&arrival, now, octets) {
                Ok(admitted) => answers.push((admitted, packet, octets)),
                Err(refusal) => {
                    self.counts.refused[refusal as usize].fetch_add(1, Relaxed);
                }
            }
        }
        let mut sending = Vec::with_capacity(answers.len());
        for (admitted, packet, octets) in answers {
            // As late as can be: what follows is counted to the network.
            self.rules.answer(admitted, clock::now(), self.error, octets);
            sending.push((packet.from, packet.to, &*octets));
        }
        let unsent = self.socket.send(&sending);
        self.counts.answered.fetch_add((sending.len() - unsent) as u64, Relaxed);
        self.counts.unsent.fetch_add(unsent as u64, Relaxed);
        self.counts.sessions.store(self.rules.sessions() as u64, Relaxed);
        self.counts.forgotten.store(self.rules.forgotten(), Relaxed);
        Ok(())
    }
}
