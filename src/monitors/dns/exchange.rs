//! One question and its answer over UDP, TCP, or TCP after UDP said that there is more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::Transport;
use super::answer::{self, Reading};
use crate::model::{Dur, Phase, Phases, Reason};
use crate::monitors::Run;
use crate::monitors::net::Failure;

/// Largest UDP answer that is read; questions carry no EDNS, so servers stop at 512.
const MAX_DATAGRAM_BYTES: usize = 4096;
/// The question is sent again after a third of the run, or after this if it is less; then after twice as long each time.
const LONGEST_FIRST_WAIT: Duration = Duration::from_secs(1);

/// Asks one server. Phases are noted even when it fails.
pub(super) async fn ask(
    server: SocketAddr,
    query: &Message,
    transport: Transport,
    run: &Run<'_>,
    phases: &mut Phases,
) -> Result<Box<Message>, Failure> {
    let wire = query
        .to_vec()
        .map_err(|err| Failure::new(Reason::Protocol, format!("the question cannot be written: {err}")))?;
    let asked = Asked { server, query, wire };
    if transport != Transport::Tcp {
        match asked.over_udp(run, phases).await? {
            Reading::Answer(answer) => return Ok(answer),
            Reading::Truncated(Some(part)) if transport == Transport::Udp => return Ok(part),
            Reading::Truncated(_) if transport == Transport::Auto => {}
            _ => return Err(asked.malformed("the answer is cut off in the middle of a record")),
        }
    }
    asked.over_tcp(run, phases).await
}

struct Asked<'a> {
    server: SocketAddr,
    query: &'a Message,
    wire: Vec<u8>,
}

impl Asked<'_> {
    async fn over_udp(&self, run: &Run<'_>, phases: &mut Phases) -> Result<Reading, Failure> {
        // Port 0: the system picks a random one for every question. Connected: only the server's packets come through,
        // and its port being closed is an error at once.
        let any: IpAddr = match self.server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await.map_err(|err| self.failed(&err))?;
        socket.connect(self.server).await.map_err(|err| self.failed(&err))?;
        let begun = Instant::now();
        let reading = self.udp_answer(&socket, begun, run).await;
        phases.add(Phase::FirstByte, begun.elapsed());
        reading
    }

    async fn udp_answer(&self, socket: &UdpSocket, begun: Instant, run: &Run<'_>) -> Result<Reading, Failure> {
        let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
        let mut wait = (run.timeout / 3).clamp(Duration::from_millis(1), LONGEST_FIRST_WAIT);
        let mut again_at = begun + wait;
        loop {
            socket.send(&self.wire).await.map_err(|err| self.failed(&err))?;
            let until = again_at.min(run.deadline);
            while let Ok(received) = timeout_at(until, socket.recv(&mut buffer)).await {
                let length = received.map_err(|err| self.failed(&err))?;
                match answer::read(&buffer[..length], self.query) {
                    Reading::Stranger => {}
                    Reading::Malformed(why) => return Err(self.malformed(&why)),
                    reading => return Ok(reading),
                }
            }
            if until == run.deadline {
                return Err(self.silent(run));
            }
            wait *= 2;
            again_at = until + wait;
        }
    }

    async fn over_tcp(&self, run: &Run<'_>, phases: &mut Phases) -> Result<Box<Message>, Failure> {
        let begun = Instant::now();
        let connected = timeout_at(run.deadline, TcpStream::connect(self.server)).await;
        phases.add(Phase::Connect, begun.elapsed());
        let mut stream = match connected {
            Err(_) => return Err(self.silent(run)),
            Ok(connected) => connected.map_err(|err| self.failed(&err))?,
        };
        let begun = Instant::now();
        let answered = timeout_at(run.deadline, self.tcp_answer(&mut stream)).await;
        phases.add(Phase::FirstByte, begun.elapsed());
        answered.unwrap_or_else(|_| Err(self.silent(run)))
    }

    async fn tcp_answer(&self, stream: &mut TcpStream) -> Result<Box<Message>, Failure> {
        let length = u16::try_from(self.wire.len()).unwrap_or(u16::MAX);
        // One write, so that the question is one segment.
        let framed = [&length.to_be_bytes()[..], &self.wire].concat();
        stream.write_all(&framed).await.map_err(|err| self.failed(&err))?;
        loop {
            let length = stream.read_u16().await.map_err(|err| self.failed(&err))?;
            let mut bytes = vec![0; length.into()];
            stream.read_exact(&mut bytes).await.map_err(|err| self.failed(&err))?;
            match answer::read(&bytes, self.query) {
                Reading::Answer(answer) | Reading::Truncated(Some(answer)) => return Ok(answer),
                Reading::Truncated(None) => return Err(self.malformed("the answer is cut off")),
                Reading::Malformed(why) => return Err(self.malformed(&why)),
                Reading::Stranger => {}
            }
        }
    }

    fn failed(&self, err: &std::io::Error) -> Failure {
        Failure::of_io(err).context(format_args!("DNS query failed: {}", self.server))
    }

    fn malformed(&self, why: &str) -> Failure {
        Failure::new(
            Reason::Protocol,
            format!("DNS query failed: {} answered nonsense: {why}", self.server),
        )
    }

    fn silent(&self, run: &Run<'_>) -> Failure {
        Failure::new(
            Reason::Timeout,
            format!(
                "DNS query failed: no answer from {} within {}",
                self.server,
                Dur(run.timeout)
            ),
        )
    }
}
