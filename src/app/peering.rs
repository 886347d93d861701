//! This member among others: its listener, bound, and what it says of itself in its member record.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;

use super::answering::Answering;
use super::{Ended, GRACE, ServerOptions, StartError};
use crate::api::{self, ApiState, Others};
use crate::catalog::{Carried, OpenEpisodes, open_episodes};
use crate::cluster::Tables;
use crate::feed::Feed;
use crate::manager::Before;
use crate::model::{MemberId, MonitorName, Slots};
use crate::peers::calls::{HandOverQuestion, HelloAnswer, HelloQuestion};
use crate::peers::{Credentials, Directory, Listener, Peers, Stats, directory};
use crate::results::SAMPLES;
use crate::store::Store;
use crate::store::records::MemberRecord;
use crate::tasks::Tasks;

/// From the port of the API to that of members, where nobody says which: servers side by side on one host then do not meet.
const FURTHER: u16 = 1_000;

/// Time for the members that judged monitors before us to say how these stand.
const BEFORE: Duration = Duration::from_millis(300);
/// Pages of one answer, at most.
const PAGES: usize = 50;
/// Time for a process that has our place to say that it lives.
const TWIN: Duration = Duration::from_secs(1);

/// Asks other members.
struct Asking(Peers);

#[async_trait::async_trait]
impl Before for Asking {
    async fn ask(&self, judge: MemberId, slots: Slots) -> Vec<(MonitorName, u64, Carried)> {
        let deadline = Instant::now() + BEFORE;
        let mut known = Vec::new();
        let mut after = None;
        for _ in 0..PAGES {
            let question = HandOverQuestion {
                slots: slots.clone(),
                after: after.take(),
                samples: SAMPLES,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = match self.0.ask(&judge, question, left).await {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::debug!(%judge, %error, "who judged before does not say how things stand");
                    break;
                }
            };
            let monitors = answer.monitors.into_iter();
            known.extend(monitors.map(|handed| (handed.name, handed.measured, handed.state)));
            match answer.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        known
    }
}

/// Bound and ready to talk.
pub(super) struct Peering {
    listener: TcpListener,
    advertised: String,
    credentials: Credentials,
    stats: Stats,
    /// For asking.
    pub(super) peers: Peers,
}

impl Peering {
    /// Binds the listener. `store_at`: where the shared store is; the address that leads there is the one that others find us at.
    pub(super) async fn bind(
        options: &ServerOptions,
        member: &MemberId,
        api: SocketAddr,
        store_at: &str,
    ) -> Result<Self, StartError> {
        let leading = towards(store_at);
        let listen = options
            .peer_listen
            .clone()
            .unwrap_or_else(|| next_to(api, options.listen.ends_with(":0"), leading));
        let bound = |why| StartError::Listen {
            listen: listen.clone(),
            why,
            hint: "; other members talk to this one there, choose an address with --peer-listen",
        };
        let listener = TcpListener::bind(&listen).await.map_err(bound)?;
        let address = listener.local_addr().map_err(bound)?;
        let credentials = Credentials::of(&options.data_dir)?;
        let (directory, stats) = (Directory::default(), Stats::default());
        Ok(Self {
            advertised: advertised(options.advertise.as_deref(), address, leading),
            listener,
            peers: Peers::new(member.clone(), credentials.clone(), directory, stats.clone()),
            credentials,
            stats,
        })
    }

    /// What others have to know to talk to this member.
    pub(super) fn describe(&self, record: &mut MemberRecord) {
        record.peer.clone_from(&self.advertised);
        record.fingerprint = self.credentials.fingerprint().to_string();
    }

    /// The other members, for the API.
    pub(super) fn others(&self, tables: &Tables, open: &OpenEpisodes) -> Others {
        let tables = tables.clone();
        Others {
            peers: self.peers.clone(),
            judged: Arc::new(move || tables.judged()),
            open: open.clone(),
            feed: Feed::default(),
        }
    }

    /// For asking those who judged monitors before us.
    pub(super) fn before(&self) -> Arc<dyn Before> {
        Arc::new(Asking(self.peers.clone()))
    }

    /// Whether there are other members, as far as is known; to be asked when this one stops.
    pub(super) fn others_here(&self) -> impl Fn() -> bool + Send + 'static {
        let peers = self.peers.clone();
        move || !peers.others().is_empty()
    }

    /// Whether the process that this member's record names still runs: who started it, and where. Only a copy of the data directory can have
    /// a second process; what does not answer is gone, or as good as that.
    pub(super) async fn twin(&self, there: &MemberRecord, boot: &str) -> Option<HelloAnswer> {
        if there.peer.is_empty() || there.boot == boot {
            return None;
        }
        let answer = self.peers.ask_process(there, HelloQuestion {}, TWIN).await.ok()?;
        (answer.boot == there.boot).then_some(answer)
    }

    /// Follows what the store says of other members.
    pub(super) fn follow(&self, store: Store, open: OpenEpisodes, tasks: &mut Tasks<Ended>) {
        let (token, follows, members) = (tasks.stop().clone(), store.clone(), self.peers.directory().clone());
        tasks.spawn(async move {
            directory::follow(follows, members, token).await;
            Ended::Quietly("member list")
        });
        let token = tasks.stop().clone();
        tasks.spawn(async move {
            open_episodes::follow(store, open, token).await;
            Ended::Quietly("open episodes")
        });
    }

    /// Tells others what changes here, and this member's pages what changes there.
    pub(super) fn exchange(&self, api: ApiState, tasks: &mut Tasks<Ended>) {
        let token = tasks.stop().clone();
        tasks.spawn(async move {
            api::exchange(api, token).await;
            Ended::Quietly("changes elsewhere")
        });
    }

    /// Answers others. To be stopped last: whoever takes over asks what is known here.
    pub(super) fn listen(self, answering: Answering, tasks: &mut Tasks<Ended>) {
        let listener = Listener {
            directory: self.peers.directory().clone(),
            listener: self.listener,
            credentials: self.credentials,
            answers: Arc::new(answering),
            stats: self.stats,
            grace: GRACE,
        };
        let token = tasks.stop().clone();
        tasks.spawn(async move {
            match listener.run(token).await {
                Ok(()) => Ended::Quietly("listener for members"),
                Err(error) => Ended::Lost(format!("listener for members ({error})")),
            }
        });
    }
}

/// The host of the API, on a port of its own. An API for this machine only says nothing of members, if the store is on another one.
fn next_to(api: SocketAddr, any_port: bool, leading: Option<IpAddr>) -> String {
    let port = match api.port() {
        _ if any_port => 0,
        port => port.checked_add(FURTHER).unwrap_or_else(|| port - FURTHER),
    };
    let ip = match leading {
        Some(IpAddr::V4(ip)) if api.ip().is_loopback() && !ip.is_loopback() => Ipv4Addr::UNSPECIFIED.into(),
        Some(IpAddr::V6(ip)) if api.ip().is_loopback() && !ip.is_loopback() => Ipv6Addr::UNSPECIFIED.into(),
        _ => api.ip(),
    };
    SocketAddr::new(ip, port).to_string()
}

/// Where others reach this member: what was said; else where it listens; and where that is everywhere, the address that leads to the store.
fn advertised(said: Option<&str>, listening: SocketAddr, leading: Option<IpAddr>) -> String {
    let port = listening.port();
    match said {
        // With a port of its own, as behind a forwarding.
        Some(said) if has_port(said) => said.to_owned(),
        Some(said) if said.contains(':') && !said.starts_with('[') => format!("[{said}]:{port}"),
        Some(said) => format!("{said}:{port}"),
        None if listening.ip().is_unspecified() => {
            let ip = leading.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
            SocketAddr::new(ip, port).to_string()
        }
        None => listening.to_string(),
    }
}

fn has_port(text: &str) -> bool {
    let host_and_port = text.rsplit_once(':');
    host_and_port.is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || (host.starts_with('[') && host.ends_with(']')))
    })
}

/// The address of ours from which packets to `to` leave. Nothing is sent.
fn towards(to: &str) -> Option<IpAddr> {
    let from = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    from.into_iter().find_map(|any| {
        let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_advertised_where_others_can_reach_it() {
        let everywhere: SocketAddr = "0.0.0.0:9080".parse().unwrap();
        let here: SocketAddr = "10.0.0.7:9080".parse().unwrap();
        let lead = Some(IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)));
        for (said, listening, expected) in [
            (None, everywhere, "10.1.2.3:9080"),
            (None, here, "10.0.0.7:9080"),
            (Some("m1.example"), everywhere, "m1.example:9080"),
            (Some("m1.example:7"), here, "m1.example:7"),
            (Some("fe80::1"), here, "[fe80::1]:9080"),
            (Some("[fe80::1]"), here, "[fe80::1]:9080"),
            (Some("[fe80::1]:7"), here, "[fe80::1]:7"),
        ] {
            assert_eq!(advertised(said, listening, lead), expected, "{said:?}");
        }
        assert_eq!(advertised(None, everywhere, None), "127.0.0.1:9080");
    }

    #[test]
    fn a_store_on_this_machine_is_reached_from_loopback() {
        assert_eq!(towards("127.0.0.1:2379"), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(towards("no port"), None);
    }

    #[test]
    fn the_port_of_members_is_a_thousand_from_that_of_the_api() {
        let next = |api: &str, leading: &str| next_to(api.parse().unwrap(), false, leading.parse().ok());
        assert_eq!(next("0.0.0.0:8080", "10.0.0.1"), "0.0.0.0:9080");
        assert_eq!(next("[::1]:65000", "::1"), "[::1]:64000");
        // Whoever leaves the choice of one port to the system leaves that of both.
        assert_eq!(next_to("127.0.0.1:40123".parse().unwrap(), true, None), "127.0.0.1:0");
        assert_eq!(next("127.0.0.1:8080", "127.0.0.1"), "127.0.0.1:9080");
        assert_eq!(next("127.0.0.1:8080", "10.0.0.1"), "0.0.0.0:9080");
    }
}
