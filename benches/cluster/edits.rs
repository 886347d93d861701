//! From the edit of a definition to its first check, with every member showing it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Crew, SHARED, core, percentile};
use crate::definitions::{What, name, stored};
use crate::support::Table;
use crate::sync;
use crate::target::Target;

/// Definitions that are edited in turn.
const EDITED: usize = 20;
const EDITS: usize = 300;
/// Of these, by the command.
const BY_COMMAND: usize = 60;
/// What is not seen after this is not seen.
const AMPLE: Duration = Duration::from_secs(10);

pub(super) fn run(table: &mut Table) {
    let target = Target::start();
    let (web, seen) = serve();
    let others = (0..SHARED).map(|n| (What::of_the_mix(n), n));
    let others = others.map(|(what, n)| stored(&name(what, n), &what.spec(&target, n, "10s")));
    let to_edit = (0..EDITED).map(|n| stored(&edited(n), &definition(web, n, 0)));
    let crew = Crew::start(others.chain(to_edit).collect());
    crew.ran();
    while seen.try_recv().is_ok() {}
    let mut row = |what: &str, mut times: Vec<f64>| {
        let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
        table.row(
            what,
            "p99 < 250 ms",
            format!("p50 {p50:.0} ms, p99 {p99:.0} ms"),
            Some(p99 < 250.0),
        );
    };
    let by_api = |n: usize| {
        let server = &crew.members[n % crew.members.len()];
        server.put(&format!("/api/v1/monitor/{}", edited(n)), &definition(web, n, n));
    };
    let times = (1..=EDITS)
        .map(|n| seen_everywhere(&crew, &seen, n, || by_api(n)))
        .collect();
    row(
        "a definition changed by the API: first check, shown by all of three members",
        times,
    );
    let configs = tempfile::tempdir().expect("a directory");
    let by_command = |n: usize| {
        let text = format!("monitor:\n  {}: {}\n", edited(n), definition(web, n, n));
        std::fs::write(configs.path().join("edited.yaml"), text).expect("written");
        let url = crew.members[n % crew.members.len()].url();
        sync::sync(configs.path(), &["--server", &url, "--nosync"]);
    };
    let commands = EDITS + 1..=EDITS + BY_COMMAND;
    let times = commands
        .map(|n| seen_everywhere(&crew, &seen, n, || by_command(n)))
        .collect();
    row("the same by `cfg`, from the start of the command", times);
    table.note("of a core, a bare loop had meanwhile", format!("{:.2}", core()));
}

fn edited(n: usize) -> String {
    format!("edited-{:02}", n % EDITED)
}

/// One that is seen to run by the path that it asks for, and seen to be known by its description.
fn definition(web: SocketAddr, n: usize, edit: usize) -> Value {
    json!({"type": "http", "url": format!("http://{web}/{edit}"), "interval": "1h", "description": format!("edit number {edit}, of {n}.")})
}

/// Edits it; milliseconds until it ran as edited and every member shows it.
fn seen_everywhere(crew: &Crew, seen: &Receiver<String>, n: usize, edit: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    edit();
    let path = format!("/{n}");
    while seen.recv_timeout(AMPLE).expect("a check of what was edited") != path {}
    let shown = format!("/api/v1/state?config=false&limit=2&q=edit%20number%20{n},");
    let shows = |server: &crate::server::Server| server.get(&shown).as_array().is_some_and(|rows| rows.len() == 1);
    for server in &crew.members {
        while !shows(server) {
            assert!(begun.elapsed() < AMPLE, "not shown by {}", server.url());
        }
    }
    begun.elapsed().as_secs_f64() * 1e3
}

/// A web server that tells which paths it was asked for.
fn serve() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let _ = tell.send(path);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (address, told)
}
