//! Sends probes to a reflector at a steady pace, over several source ports, and hears the answers: sockets around [`probing`](super::probing).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::select_all;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::clock;
use super::probing::{Answer, Counts, Flow, Lost, Summary};
use super::socket::{Batch, Local, Socket};
use super::wire::{ErrorEstimate, Key, Mode, Reflection};
use crate::schedule::{Grid, name_hash};

/// Probes of one system call. Their time is taken before it: more would make the last ones look slow.
const BURST: usize = 8;
/// Probes that are due for longer are left out: a burst of them would measure itself.
const BEHIND: Duration = Duration::from_millis(100);
/// The error of the clock is asked for this often, at most.
const ASK_CLOCK: Duration = Duration::from_secs(1);

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The reflector.
    pub target: SocketAddr,
    /// Source ports, fewer than 65,535. Each is a session by itself, and may take another way through the network.
    pub flows: u16,
    /// Probes of each flow.
    pub count: u64,
    /// From one probe of a flow to the next.
    pub interval: Duration,
    /// What comes later is late.
    pub timeout: Duration,
    /// Octets of a probe; at least those of its mode.
    pub size: usize,
    /// With it, probes are signed, and so have answers to be.
    pub key: Option<Key>,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What became of the probes.
    pub counts: Counts,
    /// On which way they were lost.
    pub lost: Lost,
    /// How long it took.
    pub summary: Summary,
    /// Probes that were left out because this machine was busy.
    pub left_out: u64,
    /// Probes that the kernel did not take; they count as lost.
    pub unsent: u64,
}

struct Port {
    socket: Socket,
    flow: Flow,
    due: Instant,
    left: u64,
}

/// Measures. Ends when all is known, or at `stop` with what is known then.
///
/// # Errors
/// A socket cannot be had, or is gone.
pub async fn probe(plan: &Plan, stop: &CancellationToken) -> io::Result<Report> {
    let mut prober = Prober::new(plan)?;
    while !stop.is_cancelled() && prober.goes_on() {
        prober.send();
        prober.receive()?;
        let wake = prober.wake();
        if wake <= Instant::now() {
            // What came is only seen when the runtime has looked.
            tokio::task::yield_now().await;
            continue;
        }
        let readable = prober.ports.iter().map(|port| Box::pin(port.socket.readable()));
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep_until(wake) => {}
            (ready, ..) = select_all(readable) => ready?,
        }
    }
    Ok(prober.report())
}

struct Prober<'a> {
    plan: &'a Plan,
    mode: Mode,
    began: Instant,
    ports: Vec<Port>,
    error: ErrorEstimate,
    asked: Instant,
    batch: Batch,
    octets: Vec<u8>,
    report: Report,
}

impl<'a> Prober<'a> {
    fn new(plan: &'a Plan) -> io::Result<Self> {
        let mode = if plan.key.is_some() {
            Mode::Authenticated
        } else {
            Mode::Open
        };
        let any: IpAddr = match plan.target {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let began = Instant::now();
        let port = |number: u16| {
            // Flows do not beat together, nor do those of several members.
            let grid = Grid::new(name_hash(&format!("{} {number}", plan.target)), plan.interval);
            Ok(Port {
                socket: Socket::of(Socket::bind(SocketAddr::new(any, 0))?)?,
                // An identifier is never 0.
                flow: Flow::new(number.wrapping_add(1), plan.timeout),
                due: began + grid.until_next(clock::now().0.into()),
                left: plan.count,
            })
        };
        Ok(Self {
            plan,
            mode,
            began,
            ports: (0..plan.flows).map(port).collect::<io::Result<_>>()?,
            error: clock::error(),
            asked: began,
            batch: Batch::default(),
            octets: vec![0; BURST * plan.size.max(mode.base())],
            report: Report::default(),
        })
    }

    fn goes_on(&self) -> bool {
        self.ports.iter().any(|port| port.left > 0 || port.flow.waits())
    }

    /// When there is something to do even if nothing comes.
    fn wake(&self) -> Instant {
        let due = self.ports.iter().filter(|port| port.left > 0).map(|port| port.due);
        due.min().unwrap_or_else(|| Instant::now() + self.plan.timeout / 8)
    }

    /// Sends what is due, of each flow at most a burst before answers are heard.
    fn send(&mut self) {
        let now = Instant::now();
        if now - self.asked >= ASK_CLOCK {
            (self.asked, self.error) = (now, clock::error());
        }
        let size = self.octets.len() / BURST;
        let to = self.plan.target;
        for port in &mut self.ports {
            while port.left > 0 && port.due + BEHIND < now {
                (port.due, port.left) = (port.due + self.plan.interval, port.left - 1);
                self.report.left_out += 1;
            }
            let mut packets = Vec::with_capacity(BURST);
            for octets in self.octets.chunks_exact_mut(size) {
                if port.left == 0 || port.due > now {
                    break;
                }
                let (at, elapsed) = (clock::now(), self.began.elapsed());
                port.flow.send(at, self.error, elapsed).write(self.mode, octets);
                if let Some(key) = &self.plan.key {
                    key.sign(octets);
                }
                packets.push((to, Local::any(to), &*octets));
                (port.due, port.left) = (port.due + self.plan.interval, port.left - 1);
            }
            self.report.unsent += port.socket.send(&packets) as u64;
            port.flow.expire(self.began.elapsed());
        }
    }

    /// Hears what came.
    fn receive(&mut self) -> io::Result<()> {
        for port in &mut self.ports {
            loop {
                match port.socket.receive(&mut self.batch) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    came => came?,
                }
                let now = self.began.elapsed();
                for (packet, octets) in self.batch.packets() {
                    let signed = self.plan.key.as_ref().is_none_or(|key| key.signed(octets));
                    let ours = signed && packet.from == self.plan.target;
                    match Reflection::read(self.mode, octets).filter(|_| ours) {
                        None => port.flow.stranger(),
                        Some(reflection) => match port.flow.receive(&reflection, packet.at, now) {
                            Answer::Received(delays) | Answer::Late(delays) => self.report.summary.add(&delays),
                            Answer::Duplicate | Answer::Stranger => {}
                        },
                    }
                }
            }
        }
        Ok(())
    }

    fn report(mut self) -> Report {
        for port in &mut self.ports {
            port.flow.expire(self.began.elapsed());
            let (counts, lost) = (port.flow.counts(), port.flow.lost());
            self.report.counts.add(&counts);
            self.report.lost.add(&lost);
        }
        self.report
    }
}
