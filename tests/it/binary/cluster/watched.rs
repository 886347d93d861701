//! A target that notes when each monitor came, and fails whichever it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::world::{now, wait_for};

#[derive(Default)]
struct Seen {
    runs: BTreeMap<String, Vec<(Instant, IpAddr)>>,
    failing: BTreeSet<String>,
}

/// Monitors come with their name as path. Its thread ends with the process.
pub(super) struct Watched {
    at: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Watched {
    pub(super) fn start() -> Self {
        Self::start_at("127.0.0.1")
    }

    pub(super) fn start_at(host: &str) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let (at, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Seen>>::default());
        let noted = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = noted.clone();
                std::thread::spawn(move || serve(stream, &seen));
            }
        });
        Self { at, seen }
    }

    pub(super) fn address(&self) -> String {
        self.at.to_string()
    }

    /// The definition of a monitor that is critical after two failed runs.
    pub(super) fn monitor(&self, name: &str, interval: Duration) -> Value {
        json!({
            "type": "http", "host": self.at.ip().to_string(), "port": self.at.port(), "url": format!("/{name}"), "expect": "good",
            "interval": format!("{}ms", interval.as_millis()), "timeout": "900ms",
            "critical-threshold": 2, "critical-alerter": ["console"],
        })
    }

    pub(super) fn fail(&self, name: &str) {
        self.seen.lock().unwrap().failing.insert(name.to_owned());
    }

    pub(super) fn mend(&self, name: &str) {
        self.seen.lock().unwrap().failing.remove(name);
    }

    /// How often each has come.
    pub(super) fn counts(&self) -> BTreeMap<String, usize> {
        let seen = self.seen.lock().unwrap();
        seen.runs
            .iter()
            .map(|(name, runs)| (name.clone(), runs.len()))
            .collect()
    }

    /// Waits until each of these has come some times more.
    pub(super) fn wait_runs(&self, names: &[String], times: usize) {
        let before = self.counts();
        wait_for(&format!("{times} more runs of each monitor"), || {
            let after = self.counts();
            let ran = |name: &String| after.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
            names.iter().all(|name| ran(name) >= times).then_some(())
        });
    }

    /// From where a monitor has come since then.
    pub(super) fn came_from(&self, name: &str, since: Instant) -> Vec<IpAddr> {
        let seen = self.seen.lock().unwrap();
        let runs = seen.runs.get(name).into_iter().flatten();
        runs.filter(|(at, _)| *at > since).map(|(_, from)| *from).collect()
    }

    /// The longest that any was not there since then, and which: also the time until now counts.
    pub(super) fn longest_gap(&self, names: &[String], since: Instant) -> (Duration, String) {
        let (now, seen) = (now(), self.seen.lock().unwrap());
        let gap = |name: &String| {
            let runs = seen.runs.get(name).into_iter().flatten().map(|(at, _)| *at);
            let times: Vec<Instant> = std::iter::once(since)
                .chain(runs.filter(|run| *run > since))
                .chain([now])
                .collect();
            let longest = times.windows(2).map(|pair| pair[1].duration_since(pair[0])).max();
            (longest.unwrap_or_default(), name.clone())
        };
        names.iter().map(gap).max().unwrap()
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Seen>) -> std::io::Result<()> {
    let from = stream.peer_addr()?.ip();
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    lines.read_line(&mut request)?;
    let Some(name) = request
        .split(' ')
        .nth(1)
        .map(|path| path.trim_start_matches('/').to_owned())
    else {
        return Ok(());
    };
    let mut line = String::new();
    while lines.read_line(&mut line)? > 2 {
        line.clear();
    }
    let word = {
        let mut seen = seen.lock().unwrap();
        seen.runs.entry(name.clone()).or_default().push((now(), from));
        if seen.failing.contains(&name) { "bad!" } else { "good" }
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{word}",
        word.len()
    )
}
