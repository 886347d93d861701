//! What is checked: a server that greets and one that speaks HTTP, on loopback, in a process of their own.

use std::convert::Infallible;
use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// Makes this program the target.
pub(crate) const ARGUMENT: &str = "--be-the-target";
/// Loopback addresses that are listened on: closed connections keep their ports for a while, and one address would run out of them.
const ADDRESSES: u8 = 8;
const GREETING: &[u8] = b"SSH-2.0-bench ready\r\n";
/// In place of the greeting, as often as was asked for.
const WRONG: &[u8] = b"SSH-2.0-bench out of order\r\n";
/// Of a thousand greetings so many are wrong.
static WRONG_IN_THOUSAND: AtomicU32 = AtomicU32::new(0);
/// What a monitor expects in the greeting.
pub(crate) const EXPECTED: &str = "ready";

/// A running target. Ends when dropped.
pub(crate) struct Target {
    child: Child,
    tcp: u16,
    http: u16,
}

impl Target {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the target starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        std::io::BufReader::new(out).read_line(&mut line).expect("its ports");
        let ports: Vec<u16> = line
            .split_whitespace()
            .map(|port| port.parse().expect("a port"))
            .collect();
        Self {
            child,
            tcp: ports[0],
            http: ports[1],
        }
    }

    pub(crate) fn tcp(&self, n: usize) -> SocketAddr {
        (address(n), self.tcp).into()
    }

    /// From now on so many greetings of a thousand are wrong, at random.
    pub(crate) fn fail(&mut self, in_thousand: u32) {
        let stdin = self.child.stdin.as_mut().expect("its input");
        writeln!(stdin, "{in_thousand}").expect("said");
    }

    pub(crate) fn http(&self, n: usize) -> SocketAddr {
        (address(n), self.http).into()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 1 + (n % usize::from(ADDRESSES)) as u8)
}

/// Serves until whoever started us is gone.
pub(crate) fn serve() {
    std::thread::spawn(|| {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            WRONG_IN_THOUSAND.store(line.parse().unwrap(), Relaxed);
        }
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let tcp = listen().await;
        let http = listen().await;
        let port = |listeners: &[TcpListener]| listeners[0].local_addr().unwrap().port();
        println!("{} {}", port(&tcp), port(&http));
        std::io::stdout().flush().unwrap();
        for listener in tcp {
            tokio::task::spawn_local(accept(listener, greet));
        }
        for listener in http {
            tokio::task::spawn_local(accept(listener, answer));
        }
        std::future::pending::<()>().await;
    });
}

/// The same free port on all addresses.
async fn listen() -> Vec<TcpListener> {
    'port: loop {
        let first = TcpListener::bind((address(0), 0)).await.unwrap();
        let port = first.local_addr().unwrap().port();
        let mut all = vec![first];
        for n in 1..usize::from(ADDRESSES) {
            match TcpListener::bind((address(n), port)).await {
                Ok(listener) => all.push(listener),
                Err(_) => continue 'port,
            }
        }
        return all;
    }
}

async fn accept<F: Future<Output = ()> + 'static>(listener: TcpListener, serve: fn(TcpStream) -> F) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(serve(stream));
        }
    }
}

async fn greet(mut stream: TcpStream) {
    let wrong = fastrand::u32(..1_000) < WRONG_IN_THOUSAND.load(Relaxed);
    if wrong {
        let _ = stream.write_all(WRONG).await;
        return;
    }
    if stream.write_all(GREETING).await.is_ok() {
        let _ = stream.read(&mut [0; 16]).await;
    }
}

async fn answer(stream: TcpStream) {
    let service = hyper::service::service_fn(|_: Request<hyper::body::Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"it works\n"))))
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
