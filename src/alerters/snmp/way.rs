//! The way to a receiver, and one attempt over it.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use async_snmp::transport::UdpTransport;
use async_snmp::v3::ReportStatus;
use async_snmp::{Auth, Client, Error, ErrorKind, Retry as Again};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::Told;
use super::message::MAX_DATAGRAM;
use crate::alerters::kind::{DeliveryError, Retry};

/// Where a receiver is, and from where it is reached.
pub(super) struct Way {
    pub peer: SocketAddr,
    pub local: IpAddr,
    socket: UdpSocket,
}

impl Way {
    /// The first address of the receiver that is of the family of ours.
    pub(super) async fn find(
        deadline: Instant,
        host: &str,
        port: u16,
        local: Option<IpAddr>,
    ) -> Result<Self, DeliveryError> {
        let finding = async {
            let mut all = tokio::net::lookup_host((host, port)).await?;
            let peer = all
                .find(|peer| local.is_none_or(|local| local.is_ipv4() == peer.is_ipv4()))
                .ok_or_else(|| io::Error::other("it has no address that can be reached from `local-address`"))?;
            let any = match peer {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = UdpSocket::bind((local.unwrap_or(any), 0)).await?;
            socket.connect(peer).await?;
            let local = socket.local_addr()?.ip();
            Ok(Self { peer, local, socket })
        };
        until(deadline, &format!("finding {host}"), finding).await
    }

    /// Sends a whole datagram. Whether anybody got it, nobody says.
    pub(super) async fn trap(&self, deadline: Instant, bytes: &[u8]) -> Result<(), DeliveryError> {
        let sending = async { self.socket.send(bytes).await.map(|_| ()) };
        until(deadline, &format!("sending to {}", self.peer), sending).await
    }

    /// Sends once and waits for the receiver to acknowledge it. Its engine, where it has one, is asked for first.
    pub(super) async fn inform(
        self,
        deadline: Instant,
        auth: Auth,
        timeout: Duration,
        uptime: u32,
        told: Told,
    ) -> Result<String, DeliveryError> {
        let Self { peer, local, .. } = self;
        let ignored = match auth {
            Auth::Usm(_) => "a message that it cannot decrypt",
            _ => "a community that it does not know",
        };
        let unanswered = DeliveryError::soon(format!(
            "{peer} did not acknowledge the inform; a receiver says nothing to {ignored}"
        ));
        let asking = async {
            let from = SocketAddr::new(local, 0).to_string();
            let transport = UdpTransport::builder()
                .bind(from)
                .send_capacity(MAX_DATAGRAM)
                .build()
                .await?;
            let client = Client::builder(peer, auth)
                // The notifier retries.
                .retry(Again::none())
                .request_timeout(timeout)
                // What a receiver has to say about a user it cannot say signed; without this it would be no answer at all.
                .allow_unauthenticated_v3_time_correction(true)
                .build_with(&transport)
                .await?;
            client.send_inform(&told.event, uptime, told.bindings).await
        };
        // The library logs what goes wrong, twice, as an error of the program's. The notifier says it once, as what it is.
        let asking = asking.with_subscriber(NoSubscriber::default());
        match timeout_at(deadline, asking).await {
            Ok(Ok(())) => Ok(format!("acknowledged by {peer}")),
            Ok(Err(err)) if err.kind() != ErrorKind::Timeout => Err(refused(peer, &err)),
            Ok(Err(_)) | Err(_) => Err(unanswered),
        }
    }
}

/// Before a datagram has left, surely nothing arrived.
async fn until<T>(
    deadline: Instant,
    what: &str,
    step: impl Future<Output = io::Result<T>>,
) -> Result<T, DeliveryError> {
    let unreachable = |message| DeliveryError {
        retry: Retry::Unreachable,
        message,
    };
    match timeout_at(deadline, step).await {
        Ok(done) => done.map_err(|err| unreachable(format!("{what}: {err}"))),
        Err(_) => Err(unreachable(format!("{what}: not done before the deadline"))),
    }
}

/// What the receiver said. It is unsigned, and it may be the receiver that has to be mended: so nothing is given up for it.
fn refused(peer: SocketAddr, err: &Error) -> DeliveryError {
    let said = match err.exchange_source() {
        Error::Report { status, .. } => match **status {
            ReportStatus::UnknownUserName { .. } => "it does not know the `user`".to_owned(),
            ReportStatus::WrongDigest { .. } => "`auth-password` or `auth-protocol` is not what it knows".to_owned(),
            ReportStatus::DecryptionError { .. } => {
                "`privacy-password` or `privacy-protocol` is not what it knows".to_owned()
            }
            ReportStatus::UnsupportedSecurityLevel { .. } => {
                "it wants the user's messages signed or encrypted otherwise".to_owned()
            }
            _ => status.to_string(),
        },
        other => other.to_string(),
    };
    DeliveryError::soon(format!("{peer} did not take the inform: {said}"))
}
