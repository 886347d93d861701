//! The self-test: whether anybody outside can be reached from here. A member that cannot know whether others have the store asks itself
//! whether it is the one that is cut off from everything: then it can tell nobody anyway, and what it believes is its own fault.

use std::future::Future;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// Time to reach somebody.
const WITHIN: Duration = Duration::from_secs(2);
/// From one test to the next while its result matters: they go to services of others, too.
const EVERY: Duration = Duration::from_secs(10);
/// Places that are tried, at most.
const TRIED: usize = 16;
/// A gateway that has a port open has one of these; one that refuses is there as well.
const GATEWAY_PORTS: [u16; 3] = [53, 80, 443];
/// Where the kernel says which way out there is.
const ROUTES: &str = "/proc/net/route";
/// A route that leads to a gateway.
const BY_GATEWAY: u32 = 2;

/// The places whose answers say that this member can reach somebody (`host:port`).
pub type Places = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What is tried: the places that the operator names; else those that the alerters go to, which is what being able to tell is about; else the
/// gateway of the default route. Where there is none of these it fails: nothing shows that anybody can be reached.
pub struct SelfTest {
    /// Named by the operator.
    pub named: Vec<String>,
    /// Where the alerters go.
    pub alerters: Places,
}

impl SelfTest {
    /// Tests again and again while that is `wanted`; false while it is not, and until the first test is over. Until `stop`.
    pub async fn run(&self, mut wanted: watch::Receiver<bool>, passes: watch::Sender<bool>, stop: CancellationToken) {
        let testing = async {
            while wanted.wait_for(|wanted| *wanted).await.is_ok() {
                tokio::select! {
                    _ = wanted.wait_for(|wanted| !wanted) => {}
                    () = self.test(&passes) => {}
                }
                passes.send_replace(false);
            }
        };
        stop.run_until_cancelled(testing).await;
    }

    async fn test(&self, passes: &watch::Sender<bool>) {
        let mut tests = interval(EVERY);
        tests.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tests.tick().await;
            passes.send_replace(self.passes().await);
        }
    }

    /// Whether one of them can be reached, within two seconds.
    pub async fn passes(&self) -> bool {
        let mut places = self.named.clone();
        if places.is_empty() {
            places = (self.alerters)();
            places.sort_unstable();
            places.dedup();
        }
        if !places.is_empty() {
            return any(places.iter().take(TRIED).map(|place| connects(place))).await;
        }
        let routes = tokio::fs::read_to_string(ROUTES).await.unwrap_or_default();
        match gateway(&routes) {
            Some(gateway) => any(GATEWAY_PORTS.map(|port| answers((IpAddr::V4(gateway), port).into()))).await,
            None => false,
        }
    }
}

async fn any(tests: impl IntoIterator<Item = impl Future<Output = bool>>) -> bool {
    let mut tests: FuturesUnordered<_> = tests.into_iter().collect();
    while let Some(passed) = tests.next().await {
        if passed {
            return true;
        }
    }
    false
}

/// A service is there. One that refuses is not: the refusal may come from anybody on the way.
async fn connects(place: &str) -> bool {
    matches!(timeout(WITHIN, TcpStream::connect(place)).await, Ok(Ok(_)))
}

/// A host is there, whether it takes the connection or not.
async fn answers(address: SocketAddr) -> bool {
    match timeout(WITHIN, TcpStream::connect(address)).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => error.kind() == ErrorKind::ConnectionRefused,
        Err(_) => false,
    }
}

/// The gateway of the default route, by the kernel's table of routes (IPv4).
fn gateway(routes: &str) -> Option<Ipv4Addr> {
    routes.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let mut hex = || u32::from_str_radix(columns.next()?, 16).ok();
        let (destination, gateway, flags) = (hex()?, hex()?, hex()?);
        let mask = columns.nth(3)?;
        // Addresses stand there as this machine has them in memory.
        let leads_out = destination == 0 && mask == "00000000" && flags & BY_GATEWAY != 0;
        leads_out.then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn test(named: &[&str], alerters: &[&str]) -> SelfTest {
        let own = |places: &[&str]| places.iter().map(ToString::to_string).collect::<Vec<_>>();
        let alerters = own(alerters);
        SelfTest {
            named: own(named),
            alerters: Arc::new(move || alerters.clone()),
        }
    }

    async fn closed() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    }

    #[tokio::test]
    async fn one_place_that_can_be_reached_is_enough_and_what_is_named_goes_before_alerters() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (open, closed) = (listener.local_addr().unwrap().to_string(), closed().await);
        assert!(test(&[&closed, &open], &[]).passes().await);
        assert!(!test(&[&closed], &[&open]).passes().await);
        assert!(test(&[], &[&closed, &open]).passes().await);
        assert!(!test(&[], &["nonsense"]).passes().await);
    }

    #[tokio::test]
    async fn a_gateway_that_refuses_is_there() {
        assert!(answers(closed().await.parse().unwrap()).await);
        assert!(!connects(&closed().await).await);
    }

    #[tokio::test]
    async fn the_result_is_there_for_as_long_as_it_is_wanted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tested = test(&[&listener.local_addr().unwrap().to_string()], &[]);
        let (wanted, stop) = (watch::Sender::new(false), CancellationToken::new());
        let (sender, mut passes) = watch::channel(false);
        let running = tested.run(wanted.subscribe(), sender, stop.clone());
        let watching = async {
            wanted.send_replace(true);
            passes.wait_for(|passes| *passes).await.unwrap();
            wanted.send_replace(false);
            passes.wait_for(|passes| !passes).await.unwrap();
            stop.cancel();
        };
        tokio::join!(running, watching);
    }

    #[test]
    fn the_gateway_is_that_of_the_default_route() {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
        let hex = |ip: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(ip));
        let route = |to: [u8; 4], by: [u8; 4], flags: &str, mask: [u8; 4]| {
            format!(
                "eth0\t{}\t{}\t{flags}\t0\t0\t0\t{}\t0\t0\t0",
                hex(to),
                hex(by),
                hex(mask)
            )
        };
        let local = route([10, 0, 0, 0], [0; 4], "0001", [255, 255, 255, 0]);
        let half = route([0; 4], [10, 0, 0, 9], "0003", [128, 0, 0, 0]);
        let out = route([0; 4], [10, 0, 0, 1], "0003", [0; 4]);
        assert_eq!(
            gateway(&format!("{head}\n{local}\n{half}\n{out}\n")),
            Some(Ipv4Addr::new(10, 0, 0, 1))
        );
        // A link that needs no gateway, no way out at all, and what is no table.
        let link = route([0; 4], [0; 4], "0001", [0; 4]);
        for routes in [
            format!("{head}\n{link}"),
            head.to_owned(),
            String::new(),
            "a\nb c".to_owned(),
        ] {
            assert_eq!(gateway(&routes), None, "{routes}");
        }
    }
}
