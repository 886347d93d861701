//! A socket for echoes to one address: unprivileged where the system allows it, raw otherwise.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::packet::{self, Family};
use crate::model::Reason;
use crate::monitors::net::Failure;

/// Space for the control messages asked for: a hop limit, or an error with the address of whoever reported it.
const CONTROL_BYTES: usize = 256;
/// Longest IPv4 header.
const MAX_IP_HEADER_BYTES: usize = 60;

/// What tells our packets from everybody else's.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// Identifier of the requests. An unprivileged socket replaces it by its own.
    pub(super) id: u16,
    /// The whole payload, random at its beginning.
    pub(super) payload: Vec<u8>,
}

/// What came in.
#[derive(Debug)]
pub(super) enum Event {
    /// The reply to our request with this sequence number.
    Reply { sequence: u16, hop_limit: Option<u8> },
    /// Somebody says that our request cannot arrive.
    Refused { sequence: u16, why: String },
    /// Not ours.
    Noise,
}

/// The socket.
pub(super) struct Pinger {
    socket: UdpSocket,
    family: Family,
    target: IpAddr,
    raw: bool,
    mark: Mark,
    buffer: Vec<u8>,
    control: Vec<u8>,
}

impl Pinger {
    /// Opens a socket and points it at `target`.
    pub(super) fn open(target: IpAddr, mark: Mark) -> Result<Self, Failure> {
        let family = Family::of(target);
        let (socket, raw) = open_socket(family)?;
        let failed = |err: io::Error| Failure::of_io(&err).context(format_args!("cannot ping {target}"));
        socket.set_nonblocking(true).map_err(failed)?;
        ask_for_details(&socket, family).map_err(|errno| failed(errno.into()))?;
        if raw {
            // A raw socket hears everybody's echoes. The kernel sorts them out more cheaply; without the filter they are noise.
            let _ = socket.attach_filter(&filter(family, mark.id));
        }
        // Only packets from there come through, and there is a route, or an error now.
        socket.connect(&SocketAddr::new(target, 0).into()).map_err(failed)?;
        let buffer = vec![0; MAX_IP_HEADER_BYTES + packet::HEADER_BYTES + mark.payload.len()];
        Ok(Self {
            // tokio's type for datagrams; nothing in it cares about the protocol.
            socket: UdpSocket::from_std(socket.into()).map_err(failed)?,
            family,
            target,
            raw,
            mark,
            buffer,
            control: vec![0; CONTROL_BYTES],
        })
    }

    /// Sends the request with this sequence number.
    pub(super) async fn send(&self, sequence: u16) -> Result<(), Failure> {
        let echo = packet::Echo {
            id: self.mark.id,
            sequence,
            payload: &self.mark.payload,
        };
        let bytes = packet::request(self.family, &echo);
        let send = || self.socket.send(&bytes);
        match send().await {
            Ok(_) => Ok(()),
            // The first error may be an earlier packet's; it is taken away by being reported.
            Err(_) => send().await.map(drop).map_err(|err| self.failed(&err)),
        }
    }

    /// The next event. Cancelling it loses nothing.
    pub(super) async fn receive(&mut self) -> Result<Event, Failure> {
        loop {
            let ready = self.socket.ready(Interest::READABLE | Interest::ERROR).await;
            ready.map_err(|err| self.failed(&err))?;
            let (buffer, control) = (&mut self.buffer, &mut self.control);
            // One interest at a time: tokio's `try_io` does not know pairs of them. Reports of trouble first; the error that
            // the system notes beside each of them says nothing new.
            let report = self.socket.try_io(Interest::ERROR, || {
                Ok(receive(&self.socket, buffer, control, MsgFlags::MSG_ERRQUEUE)?)
            });
            let received = match report {
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => self.socket.try_io(Interest::READABLE, || {
                    Ok(receive(&self.socket, buffer, control, MsgFlags::empty())?)
                }),
                report => report,
            };
            match received {
                Ok(received) => return Ok(self.read(&received)),
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
                Err(_noted) => return Ok(Event::Noise),
            }
        }
    }

    fn failed(&self, err: &io::Error) -> Failure {
        Failure::of_io(err).context(format_args!("cannot ping {}", self.target))
    }

    fn read(&self, received: &Received) -> Event {
        let bytes = &self.buffer[..received.length.min(self.buffer.len())];
        if let Some(report) = &received.report {
            // Quotes begin with our own header. Small ones end with it, so there is only the identifier to compare.
            return match packet::quoted_request(self.family, bytes) {
                Some(echo) if !self.raw || echo.id == self.mark.id => Event::Refused {
                    sequence: echo.sequence,
                    why: report.clone(),
                },
                _ => Event::Noise,
            };
        }
        let inner = if self.raw && self.family == Family::V4 {
            packet::behind_ip_header(bytes)
        } else {
            Some(bytes)
        };
        match inner.and_then(|inner| packet::reply(self.family, inner)) {
            Some(echo)
                if (!self.raw || echo.id == self.mark.id)
                    && echo.payload == self.mark.payload
                    && received.from.is_none_or(|from| from == self.target) =>
            {
                Event::Reply {
                    sequence: echo.sequence,
                    hop_limit: received.hop_limit,
                }
            }
            _ => Event::Noise,
        }
    }
}

fn open_socket(family: Family) -> Result<(Socket, bool), Failure> {
    let (domain, protocol) = match family {
        Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
        Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
    };
    if let Ok(socket) = Socket::new(domain, Type::DGRAM, Some(protocol)) {
        return Ok((socket, false));
    }
    Socket::new(domain, Type::RAW, Some(protocol))
        .map(|socket| (socket, true))
        .map_err(|err| not_opened(&err))
}

/// Both kinds of socket were refused; the second error says why.
fn not_opened(err: &io::Error) -> Failure {
    match err.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM | Errno::EACCES) => Failure::new(
            Reason::Permission,
            "this process may not send echo requests: put its group into the sysctl net.ipv4.ping_group_range \
             (for example `sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"`), or give it the capability CAP_NET_RAW",
        ),
        _ => Failure::of_io(err).context("cannot open a socket for echo requests"),
    }
}

fn ask_for_details(socket: &Socket, family: Family) -> Result<(), Errno> {
    match family {
        Family::V4 => {
            setsockopt(socket, sockopt::Ipv4RecvTtl, &true)?;
            setsockopt(socket, sockopt::Ipv4RecvErr, &true)
        }
        Family::V6 => {
            setsockopt(socket, sockopt::Ipv6RecvHopLimit, &true)?;
            setsockopt(socket, sockopt::Ipv6RecvErr, &true)
        }
    }
}

/// Lets pass what is an echo reply with our identifier. IPv4 packets come with their header, IPv6 packets without.
fn filter(family: Family, id: u16) -> Vec<SockFilter> {
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE_BEHIND_X: u16 = 0x50;
    const LOAD_HALF_BEHIND_X: u16 = 0x48;
    const X_IS_HEADER_LENGTH: u16 = 0xb1;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let (byte, half) = match family {
        Family::V4 => (LOAD_BYTE_BEHIND_X, LOAD_HALF_BEHIND_X),
        Family::V6 => (LOAD_BYTE, LOAD_HALF),
    };
    let mut program = Vec::with_capacity(7);
    if family == Family::V4 {
        program.push(SockFilter::new(X_IS_HEADER_LENGTH, 0, 0, 0));
    }
    program.extend([
        SockFilter::new(byte, 0, 0, 0),
        SockFilter::new(JUMP_IF_EQUAL, 0, 3, family.reply_type().into()),
        SockFilter::new(half, 0, 0, 4),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, id.into()),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]);
    program
}

/// A packet, or a report of one that did not arrive; its bytes are in the buffer.
struct Received {
    length: usize,
    from: Option<IpAddr>,
    hop_limit: Option<u8>,
    report: Option<String>,
}

fn receive(socket: &UdpSocket, buffer: &mut [u8], control: &mut [u8], flags: MsgFlags) -> Result<Received, Errno> {
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(control), flags)?;
    let mut received = Received {
        length: message.bytes,
        from: message.address.as_ref().and_then(ip),
        hop_limit: None,
        report: None,
    };
    for details in message.cmsgs().into_iter().flatten() {
        match details {
            ControlMessageOwned::Ipv4Ttl(hops) | ControlMessageOwned::Ipv6HopLimit(hops) => {
                received.hop_limit = u8::try_from(hops).ok();
            }
            ControlMessageOwned::Ipv4RecvErr(error, reporter) => {
                let reporter = reporter.map(|from| IpAddr::from(from.sin_addr.s_addr.to_ne_bytes()));
                received.report = Some(report(error.ee_errno, reporter));
            }
            ControlMessageOwned::Ipv6RecvErr(error, reporter) => {
                let reporter = reporter.map(|from| IpAddr::from(from.sin6_addr.s6_addr));
                received.report = Some(report(error.ee_errno, reporter));
            }
            _ => {}
        }
    }
    Ok(received)
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => Some(v4.ip().into()),
        (_, Some(v6)) => Some(v6.ip().into()),
        _ => None,
    }
}

/// `host unreachable, says 192.0.2.1`.
fn report(errno: u32, reporter: Option<IpAddr>) -> String {
    let words = match Errno::from_raw(i32::try_from(errno).unwrap_or(0)) {
        Errno::EHOSTUNREACH => "host unreachable".to_owned(),
        Errno::ENETUNREACH => "network unreachable".to_owned(),
        Errno::EACCES => "administratively prohibited".to_owned(),
        Errno::EMSGSIZE => "packet too big".to_owned(),
        other => other.desc().to_lowercase(),
    };
    match reporter.filter(|ip| !ip.is_unspecified()) {
        Some(ip) => format!("{words}, says {ip}"),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;

    #[test]
    fn a_refused_socket_is_unknown_and_says_how_to_allow_it() {
        let verdict = not_opened(&Errno::EPERM.into()).verdict();
        assert_eq!(
            (verdict.outcome, verdict.reason),
            (Outcome::Unknown, Some(Reason::Permission))
        );
        assert!(
            verdict.message.contains("net.ipv4.ping_group_range"),
            "{}",
            verdict.message
        );
        assert!(verdict.message.contains("CAP_NET_RAW"), "{}", verdict.message);
        let verdict = not_opened(&Errno::EMFILE.into()).verdict();
        assert_eq!(
            (verdict.outcome, verdict.reason),
            (Outcome::Unknown, Some(Reason::Resources))
        );
    }

    #[test]
    fn a_report_names_the_trouble_and_who_told() {
        let from = "192.0.2.1".parse().unwrap();
        let unreachable = u32::try_from(Errno::EHOSTUNREACH as i32).unwrap();
        assert_eq!(report(unreachable, Some(from)), "host unreachable, says 192.0.2.1");
        assert_eq!(report(unreachable, None), "host unreachable");
    }
}
