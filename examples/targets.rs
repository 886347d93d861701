//! Things to check, for trying 9volt out: a TCP service, a web page and a DNS server on this machine.
//!
//! `make run` starts each as a process of its own, so that one can be killed and brought back:
//! `cargo run --example targets -- http`. Without a name all of them run in one process. The ports are fixed, because
//! `configs/demo/` names them.
#![expect(clippy::print_stderr, reason = "it tells its user where it listens")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{MX, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// Greets, then says `+PONG` to every line.
const TCP_PORT: u16 = 19_001;
/// `/` is a page, `/health` says `ok`, `/slow` takes a while.
const HTTP_PORT: u16 = 19_002;
/// Knows everything about `example.test`, and nothing else; UDP and TCP.
const DNS_PORT: u16 = 19_003;

/// A client that says nothing for this long is left.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long `/slow` takes.
const SLOW: Duration = Duration::from_millis(150);
/// Longest request that is read.
const MAX_REQUEST: u64 = 64 << 10;

const PAGE: &str =
    "<!doctype html><title>Demo shop</title><h1>Demo shop</h1><p>Open all day. All systems are fine.</p>\n";

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut started = Vec::new();
    for (name, port, serve) in [
        ("tcp", TCP_PORT, tcp as fn() -> io::Result<()>),
        ("http", HTTP_PORT, http),
        ("dns", DNS_PORT, dns),
    ] {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            started.push(thread::spawn(move || match serve() {
                Ok(()) => true,
                Err(error) => {
                    eprintln!("target {name}: cannot serve 127.0.0.1:{port}: {error}");
                    false
                }
            }));
        }
    }
    if started.is_empty() {
        eprintln!("usage: targets [tcp] [http] [dns]");
        return ExitCode::from(2);
    }
    let fine = started.into_iter().all(|thread| thread.join().unwrap_or(false));
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Accepts for ever; each connection has a thread, and its end is nobody's concern but its client's.
fn accept(port: u16, talk: fn(TcpStream) -> io::Result<()>) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    for stream in listener.incoming().flatten() {
        stream.set_read_timeout(Some(PATIENCE))?;
        thread::spawn(move || talk(stream));
    }
    Ok(())
}

fn tcp() -> io::Result<()> {
    accept(TCP_PORT, |mut stream| {
        stream.write_all(b"+HELLO demo 1.0 ready\r\n")?;
        let mut lines = BufReader::new(stream.try_clone()?.take(MAX_REQUEST));
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 {
            stream.write_all(b"+PONG\r\n")?;
            line.clear();
        }
        Ok(())
    })
}

fn http() -> io::Result<()> {
    accept(HTTP_PORT, |mut stream| {
        let mut lines = BufReader::new(stream.try_clone()?.take(MAX_REQUEST));
        let mut request = String::new();
        lines.read_line(&mut request)?;
        let mut header = String::new();
        while lines.read_line(&mut header)? > 2 {
            header.clear();
        }
        let path = request.split(' ').nth(1).unwrap_or("/");
        let (status, kind, body) = match path.split('?').next().unwrap_or("/") {
            "/" => ("200 OK", "text/html; charset=utf-8", PAGE),
            "/health" => ("200 OK", "application/json", "{\"status\": \"ok\"}\n"),
            "/slow" => {
                thread::sleep(SLOW);
                ("200 OK", "text/plain", "at last\n")
            }
            _ => ("404 Not Found", "text/plain", "no such page\n"),
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    })
}

fn dns() -> io::Result<()> {
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, DNS_PORT))?;
    let over_tcp = thread::spawn(|| {
        accept(DNS_PORT, |mut stream| {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut question)?;
            if let Some(answer) = answer(&question) {
                stream.write_all(&u16::try_from(answer.len()).unwrap_or(0).to_be_bytes())?;
                stream.write_all(&answer)?;
            }
            Ok(())
        })
    });
    let mut packet = [0; 1500];
    while !over_tcp.is_finished() {
        let (length, from) = udp.recv_from(&mut packet)?;
        if let Some(answer) = answer(&packet[..length]) {
            // A client that has gone away hears nothing; the next one does.
            let _ = udp.send_to(&answer, from);
        }
    }
    over_tcp.join().unwrap_or(Ok(()))
}

/// The answer to a question, where it is one.
fn answer(packet: &[u8]) -> Option<Vec<u8>> {
    let question = Message::from_vec(packet).ok()?;
    let query = question.queries.first()?.clone();
    let mut answer = question.into_response();
    let zone = Name::from_ascii("example.test.").ok()?;
    if query.name().to_lowercase() == zone {
        let records = match query.query_type() {
            RecordType::A => vec![RData::A(Ipv4Addr::new(192, 0, 2, 10).into())],
            RecordType::AAAA => vec![RData::AAAA(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 10).into())],
            RecordType::MX => vec![RData::MX(MX::new(10, Name::from_ascii("mail.example.test.").ok()?))],
            RecordType::TXT => vec![RData::TXT(TXT::new(vec!["v=spf1 -all".to_owned()]))],
            _ => Vec::new(),
        };
        answer.add_answers(
            records
                .into_iter()
                .map(|data| Record::from_rdata(zone.clone(), 60, data)),
        );
    } else {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    answer.to_vec().ok()
}
