//! Host names to addresses, as this machine would: `/etc/hosts`, then the servers of `/etc/resolv.conf`.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Hosts, TokioResolver};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::failure::Failure;
use crate::model::Reason;

/// How often a look is taken whether the two files have changed.
const RECHECK: Duration = Duration::from_secs(10);
/// One question is repeated after this long at the latest: a lost datagram must not cost a whole check.
const MAX_ASK: Duration = Duration::from_millis(1_500);
/// Questions until a name server counts as silent.
const ATTEMPTS: usize = 3;
/// An answer is kept for its TTL, but no longer: a monitor has to notice that a name has moved.
const MAX_KEEP: Duration = Duration::from_secs(60);
/// A name that does not exist is asked for again after this long at the latest.
const MAX_KEEP_NEGATIVE: Duration = Duration::from_secs(5);
/// Names kept per lane.
const CACHE_NAMES: u64 = 4_096;

/// Resolves names; follows changes of the files without a restart.
pub(crate) struct Resolver {
    resolv_conf: PathBuf,
    hosts: PathBuf,
    loaded: Mutex<Option<Loaded>>,
}

struct Loaded {
    sources: Arc<Sources>,
    stamps: Stamps,
    checked: Instant,
}

struct Sources {
    hosts: Hosts,
    resolver: TokioResolver,
}

type Stamps = [Option<SystemTime>; 2];

impl Resolver {
    pub(crate) fn new(resolv_conf: Option<PathBuf>, hosts: Option<PathBuf>) -> Self {
        Self {
            resolv_conf: resolv_conf.unwrap_or_else(|| "/etc/resolv.conf".into()),
            hosts: hosts.unwrap_or_else(|| "/etc/hosts".into()),
            loaded: Mutex::new(None),
        }
    }

    /// The addresses of a name, both families in turns, IPv6 first (RFC 8305). Never empty.
    pub(crate) async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, (Reason, String)> {
        let sources = self.current().map_err(|err| failed(name, &err))?;
        if let Some(found) = sources.in_hosts(name) {
            return Ok(found);
        }
        let found = sources
            .resolver
            .lookup_ip(name)
            .await
            .map_err(|err| failed(name, &err))?;
        let addresses = in_turns(found.iter());
        if addresses.is_empty() {
            return Err((Reason::Resolve, format!("{name} has no address")));
        }
        Ok(addresses)
    }

    fn current(&self) -> Result<Arc<Sources>, NetError> {
        let mut loaded = self.loaded.lock();
        let now = Instant::now();
        if let Some(loaded) = loaded.as_mut() {
            if now.saturating_duration_since(loaded.checked) < RECHECK {
                return Ok(Arc::clone(&loaded.sources));
            }
            loaded.checked = now;
            if loaded.stamps == self.stamps() {
                return Ok(Arc::clone(&loaded.sources));
            }
        }
        let stamps = self.stamps();
        let sources = Arc::new(self.load()?);
        *loaded = Some(Loaded {
            sources: Arc::clone(&sources),
            stamps,
            checked: now,
        });
        Ok(sources)
    }

    fn stamps(&self) -> Stamps {
        let stamp = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
        [stamp(&self.resolv_conf), stamp(&self.hosts)]
    }

    fn load(&self) -> Result<Sources, NetError> {
        let (config, mut options) = fs::read(&self.resolv_conf)
            .map_err(NetError::from)
            .and_then(parse_resolv_conf)
            .unwrap_or_else(|_| {
                // What the C library does without the file, or without a server in it: ask this machine.
                let local = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
                (ResolverConfig::from_name_servers(vec![local]), ResolverOpts::default())
            });
        options.timeout = options.timeout.min(MAX_ASK);
        options.attempts = options.attempts.max(ATTEMPTS);
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        options.cache_size = CACHE_NAMES;
        options.positive_max_ttl = Some(MAX_KEEP);
        options.negative_max_ttl = Some(MAX_KEEP_NEGATIVE);
        // Asked before the resolver, which would look for the family that the file lacks on the network.
        options.use_hosts_file = ResolveHosts::Never;
        let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()?;
        let mut hosts = Hosts::default();
        // A missing or broken file is an empty one, as for the C library.
        if let Ok(bytes) = fs::read(&self.hosts) {
            let _ = hosts.read_hosts_conf(io::Cursor::new(bytes));
        }
        Ok(Sources { hosts, resolver })
    }
}

impl Sources {
    fn in_hosts(&self, name: &str) -> Option<Vec<IpAddr>> {
        let name = Name::from_utf8(name).ok()?;
        let of_type = |record_type| self.hosts.lookup_static_host(&Query::query(name.clone(), record_type));
        let (v6, v4) = (of_type(RecordType::AAAA), of_type(RecordType::A));
        let lookups = v6.iter().chain(v4.iter());
        let addresses = lookups
            .flat_map(|found| found.answers())
            .filter_map(|record| record.data.ip_addr());
        let addresses = in_turns(addresses);
        (!addresses.is_empty()).then_some(addresses)
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver")
            .field("resolv_conf", &self.resolv_conf)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// IPv6 and IPv4 in turns, so that a broken family costs one attempt, not all of them.
fn in_turns(found: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = found.partition(IpAddr::is_ipv6);
    let mut out = Vec::with_capacity(v6.len() + v4.len());
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    loop {
        let before = out.len();
        out.extend(v6.next());
        out.extend(v4.next());
        if out.len() == before {
            return out;
        }
    }
}

fn failed(name: &str, err: &NetError) -> (Reason, String) {
    match err {
        NetError::Io(err) => {
            let failure = Failure::of_io(err);
            let reason = match failure.reason {
                // A name server that refuses is no way to tell what the target does.
                Reason::Resources | Reason::Permission => failure.reason,
                _ => Reason::Resolve,
            };
            (reason, format!("cannot resolve {name}: {}", failure.message))
        }
        NetError::Timeout | NetError::NoConnections => (
            Reason::Resolve,
            format!("cannot resolve {name}: no answer from the name servers"),
        ),
        NetError::Dns(DnsError::NoRecordsFound(_)) if err.is_nx_domain() => {
            (Reason::Resolve, format!("cannot resolve {name}: no such name"))
        }
        NetError::Dns(DnsError::NoRecordsFound(_)) => (
            Reason::Resolve,
            format!("cannot resolve {name}: the name has no address"),
        ),
        err => (Reason::Resolve, format!("cannot resolve {name}: {err}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_files(resolv: Option<&str>, hosts: Option<&str>) -> (tempfile::TempDir, Resolver) {
        let dir = tempfile::tempdir().unwrap();
        let (r, h) = (dir.path().join("resolv.conf"), dir.path().join("hosts"));
        if let Some(text) = resolv {
            fs::write(&r, text).unwrap();
        }
        if let Some(text) = hosts {
            fs::write(&h, text).unwrap();
        }
        let resolver = Resolver::new(Some(r), Some(h));
        (dir, resolver)
    }

    #[test]
    fn families_take_turns_and_ipv6_begins() {
        let ips: Vec<IpAddr> = ["1.1.1.1", "2.2.2.2", "3.3.3.3", "::1"]
            .map(|t| t.parse().unwrap())
            .into();
        let order: Vec<String> = in_turns(ips.into_iter()).iter().map(ToString::to_string).collect();
        assert_eq!(order, ["::1", "1.1.1.1", "2.2.2.2", "3.3.3.3"]);
    }

    #[tokio::test]
    async fn the_hosts_file_answers_for_both_families() {
        let (_dir, resolver) = with_files(None, Some("127.0.0.7 web.test\n::7 web.test\n"));
        let found = resolver.lookup("web.test").await.unwrap();
        assert_eq!(found, ["::7".parse::<IpAddr>().unwrap(), "127.0.0.7".parse().unwrap()]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_name_server_is_an_answer() {
        // A server on port 53 cannot be had in a test; where nothing listens, nothing answers.
        let (_dir, resolver) = with_files(Some("nameserver 127.0.0.1\n"), None);
        let (reason, message) = resolver.lookup("no-such-host.test.").await.unwrap_err();
        assert_eq!(reason, Reason::Resolve);
        assert!(message.starts_with("cannot resolve no-such-host.test.:"), "{message}");
    }

    #[tokio::test]
    async fn a_name_in_the_hosts_file_is_not_looked_for_on_the_network() {
        // Nothing answers at this address, and the file has no IPv6 for the name.
        let (_dir, resolver) = with_files(Some("nameserver 192.0.2.1\n"), Some("127.0.0.7 web.test\n"));
        let lookup = tokio::time::timeout(Duration::from_millis(500), resolver.lookup("web.test"));
        assert_eq!(lookup.await.unwrap().unwrap(), ["127.0.0.7".parse::<IpAddr>().unwrap()]);
    }

    #[tokio::test]
    async fn a_changed_hosts_file_is_read_again() {
        let (dir, resolver) = with_files(None, Some("127.0.0.7 web.test\n"));
        assert_eq!(resolver.lookup("web.test").await.unwrap().len(), 1);
        let path = dir.path().join("hosts");
        fs::write(&path, "127.0.0.8 web.test\n127.0.0.9 web.test\n").unwrap();
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        fs::File::open(&path).unwrap().set_modified(later).unwrap();
        if let Some(loaded) = resolver.loaded.lock().as_mut() {
            loaded.checked -= RECHECK;
        }
        assert_eq!(resolver.lookup("web.test").await.unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_cannot_be_one_is_an_answer_not_a_panic() {
        let (_dir, resolver) = with_files(None, None);
        for name in ["", "..", "a b", &"x".repeat(400)] {
            assert!(
                tokio::time::timeout(Duration::from_secs(20), resolver.lookup(name))
                    .await
                    .unwrap()
                    .is_err()
            );
        }
    }
}
