//! A UDP socket that takes and gives many packets at a time, with the time at which the kernel got each.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg, sendmmsg,
    setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket as Unbound, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::clock;
use super::wire::{LARGEST, Nanos};

/// Packets of one system call. More would keep the first ones waiting for the last.
pub const BATCH: usize = 32;
/// Octets that the kernel keeps while nobody reads; it may give less.
const QUEUE: usize = 4 << 20;

/// A socket, which belongs to the runtime that it was made in.
pub struct Socket(UdpSocket);

/// A packet that came: what is known of it beside its octets.
#[derive(Debug, Clone, Copy)]
pub struct Packet {
    /// Who sent it.
    pub from: SocketAddr,
    /// The address of ours that it came to, which an answer leaves from.
    pub to: Local,
    /// When the kernel got it.
    pub at: Nanos,
    /// The hops that it had left; 0: not known.
    pub hop_limit: u8,
    /// Its octets that were read.
    pub length: usize,
    /// Whether there were more.
    pub cut_off: bool,
}

/// An address of this machine, in the form of the kernel.
#[derive(Debug, Clone, Copy)]
pub enum Local {
    /// Of IPv4.
    V4(in_pktinfo),
    /// Of IPv6.
    V6(in6_pktinfo),
}

impl Local {
    /// Whichever address of ours leads to that one.
    #[must_use]
    pub const fn any(to: SocketAddr) -> Self {
        let nowhere = in_addr { s_addr: 0 };
        match to {
            SocketAddr::V4(_) => Self::V4(in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: nowhere,
                ipi_addr: nowhere,
            }),
            SocketAddr::V6(_) => Self::V6(in6_pktinfo {
                ipi6_addr: in6_addr { s6_addr: [0; 16] },
                ipi6_ifindex: 0,
            }),
        }
    }

    /// The address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        match self {
            Self::V4(info) => IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()),
            Self::V6(info) => IpAddr::from(info.ipi6_addr.s6_addr),
        }
    }
}

/// Room for the packets of one system call.
pub struct Batch {
    octets: Vec<u8>,
    packets: Vec<Packet>,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            octets: vec![0; BATCH * LARGEST],
            packets: Vec::with_capacity(BATCH),
        }
    }
}

impl Batch {
    /// The packets that came last, with their octets.
    pub fn packets(&mut self) -> impl Iterator<Item = (&Packet, &mut [u8])> {
        let octets = self.octets.chunks_exact_mut(LARGEST);
        let packets = self.packets.iter().zip(octets);
        packets.map(|(packet, octets)| (packet, &mut octets[..packet.length]))
    }
}

impl Socket {
    /// Binds a socket, for [`Socket::of`]. One of IPv6 hears no IPv4.
    ///
    /// # Errors
    /// The address is not ours, or taken, or not allowed to us.
    pub fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
        let socket = Unbound::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        // Before it is bound: no packet comes without the time at which it came.
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        }
        // As much as there is to get is enough.
        let _ = socket.set_recv_buffer_size(QUEUE);
        let _ = socket.set_send_buffer_size(QUEUE);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    }

    /// Takes a bound one.
    ///
    /// # Errors
    /// The runtime does not take it.
    pub fn of(bound: std::net::UdpSocket) -> io::Result<Self> {
        UdpSocket::from_std(bound).map(Self)
    }

    /// Waits until something came. Cancelling it loses nothing.
    ///
    /// # Errors
    /// The socket is gone.
    pub async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    /// Takes what came, up to [`BATCH`] packets.
    ///
    /// # Errors
    /// `WouldBlock`: nothing is there.
    pub fn receive(&self, batch: &mut Batch) -> io::Result<()> {
        batch.packets.clear();
        self.0.try_io(Interest::READABLE, || {
            // New every time: the kernel notes in them how much it used, and they would never offer more again.
            let space = nix::cmsg_space!(TimeSpec, i32, in6_pktinfo);
            let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, Some(space));
            let chunks = batch.octets.chunks_exact_mut(LARGEST);
            let mut slices: Vec<[IoSliceMut<'_>; 1]> = chunks.map(|chunk| [IoSliceMut::new(chunk)]).collect();
            let came = recvmmsg(
                self.0.as_raw_fd(),
                &mut headers,
                slices.iter_mut(),
                MsgFlags::empty(),
                None,
            )?;
            batch.packets.extend(came.map(|message| packet(&message)));
            Ok(())
        })
    }

    /// Sends packets, each from the address beside it. The number of those that the kernel did not take.
    pub fn send(&self, packets: &[(SocketAddr, Local, &[u8])]) -> usize {
        let mut unsent = 0;
        // Mostly all have one address: the kernel is told once for all packets of a call.
        for same in packets.chunk_by(|a, b| a.1.ip() == b.1.ip()) {
            unsent += self.send_from(same);
        }
        unsent
    }

    fn send_from(&self, packets: &[(SocketAddr, Local, &[u8])]) -> usize {
        let Some((_, local, _)) = packets.first() else {
            return 0;
        };
        let (v4, v6);
        let from = match local {
            Local::V4(info) => {
                // The address only: which way it goes is for the routes to say.
                v4 = in_pktinfo {
                    ipi_ifindex: 0,
                    ..*info
                };
                ControlMessage::Ipv4PacketInfo(&v4)
            }
            Local::V6(info) => {
                v6 = in6_pktinfo {
                    ipi6_ifindex: 0,
                    ..*info
                };
                ControlMessage::Ipv6PacketInfo(&v6)
            }
        };
        let space = match local {
            Local::V4(_) => nix::cmsg_space!(in_pktinfo),
            Local::V6(_) => nix::cmsg_space!(in6_pktinfo),
        };
        let (mut rest, mut unsent) = (packets, 0);
        while !rest.is_empty() {
            let mut headers = MultiHeaders::preallocate(rest.len(), Some(space.clone()));
            let slices: Vec<[IoSlice<'_>; 1]> = rest.iter().map(|(_, _, octets)| [IoSlice::new(octets)]).collect();
            let to: Vec<Option<SockaddrStorage>> = rest.iter().map(|(to, ..)| Some((*to).into())).collect();
            let sent = sendmmsg(
                self.0.as_raw_fd(),
                &mut headers,
                &slices,
                &to,
                [from],
                MsgFlags::empty(),
            );
            // An error is that of the first one: it is left out.
            let sent = sent.map_or(0, Iterator::count);
            if sent == 0 {
                unsent += 1;
            }
            rest = &rest[sent.max(1)..];
        }
        unsent
    }
}

fn packet(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Packet {
    let mut packet = Packet {
        from: message.address.as_ref().map_or(NOBODY, address),
        to: Local::any(NOBODY),
        at: Nanos::default(),
        hop_limit: 0,
        length: message.bytes.min(LARGEST),
        cut_off: message.flags.contains(MsgFlags::MSG_TRUNC),
    };
    for detail in message.cmsgs().into_iter().flatten() {
        match detail {
            ControlMessageOwned::ScmTimestampns(time) => packet.at = clock::nanos(time),
            ControlMessageOwned::Ipv4Ttl(hops) | ControlMessageOwned::Ipv6HopLimit(hops) => {
                packet.hop_limit = u8::try_from(hops).unwrap_or(0);
            }
            ControlMessageOwned::Ipv4PacketInfo(info) => packet.to = Local::V4(info),
            ControlMessageOwned::Ipv6PacketInfo(info) => packet.to = Local::V6(info),
            _ => {}
        }
    }
    packet
}

/// A port that nothing is sent to.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

fn address(storage: &SockaddrStorage) -> SocketAddr {
    let v4 = storage.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    let v6 = || storage.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into()));
    v4.or_else(v6).unwrap_or(NOBODY)
}
