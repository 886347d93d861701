//! The server on a real socket: what one client may cost, and how it stops.

use std::time::Duration;

use ninevolt::api::{ServeLimits, serve};
use ninevolt::tasks::Tasks;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::bed::Bed;

struct Served {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    tasks: Tasks<bool>,
}

async fn start(bed: &Bed, limits: ServeLimits) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let mut tasks = Tasks::child_of(&CancellationToken::new());
    tasks.spawn(serve(listener, bed.api.clone(), stop.clone(), limits));
    Served { address, stop, tasks }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the server closes.
    async fn talk(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    }

    async fn end(mut self) -> bool {
        self.stop.cancel();
        self.tasks.next().await.unwrap().unwrap()
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

fn short() -> ServeLimits {
    ServeLimits {
        connections: 8,
        header_bytes: 8_192,
        header_within: Duration::from_millis(200),
        write_stall: Duration::from_millis(200),
        grace: Duration::from_secs(5),
        ..ServeLimits::default()
    }
}

#[tokio::test]
async fn it_answers_and_keeps_connections() {
    let bed = Bed::new().await;
    let served = start(&bed, ServeLimits::default()).await;
    let mut stream = served.connect().await;
    for _ in 0..3 {
        stream
            .write_all(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut buffer = [0; 2048];
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..n].starts_with(b"HTTP/1.1 200 OK"));
    }
    assert!(served.end().await, "an idle connection does not hold up the end");
}

#[tokio::test]
async fn headers_without_end_are_a_431_and_headers_that_never_come_are_cut() {
    let bed = Bed::new().await;
    let served = start(&bed, short()).await;
    let long = served
        .talk(&format!(
            "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
            "y".repeat(20_000)
        ))
        .await;
    assert!(long.starts_with("HTTP/1.1 431"), "{long}");
    let many = served
        .talk(&format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(200)))
        .await;
    assert!(many.starts_with("HTTP/1.1 431"), "{many}");
    let slow = served.talk("GET / HTTP/1.1\r\nhost:").await;
    assert!(slow.is_empty() || slow.starts_with("HTTP/1.1 408"), "{slow}");
    let garbage = served.talk("\u{16}\u{3}\u{1} hello\r\n\r\n").await;
    assert!(garbage.starts_with("HTTP/1.1 400"), "{garbage}");
    let idle = served.talk("").await;
    assert!(idle.is_empty() || idle.starts_with("HTTP/1.1 408"), "{idle}");
    assert!(served.end().await);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let bed = Bed::new().await;
    let spec = json!({"type": "tcp", "host": "h", "port": 1, "interval": "10s", "description": "x".repeat(2_000)});
    let many: serde_json::Map<_, _> = (0..3_000).map(|i| (format!("m{i}"), spec.clone())).collect();
    bed.post("/api/v1/monitor", serde_json::Value::from(many)).await.is(200);
    let served = start(
        &bed,
        ServeLimits {
            connections: 1,
            ..short()
        },
    )
    .await;
    let mut stuck = served.connect().await;
    stuck
        .write_all(b"GET /api/v1/state HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    // The only place is taken until the server gives up on the one who does not read.
    let answer = served
        .talk("GET /version HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(stuck);
    assert!(served.end().await);
}

#[tokio::test]
async fn an_open_stream_ends_with_the_server() {
    let bed = Bed::new().await;
    let served = start(&bed, ServeLimits::default()).await;
    let mut stream = served.connect().await;
    stream
        .write_all(b"GET /api/v1/stream HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = [0; 4096];
    let mut text = String::new();
    while !text.contains("event: hello") {
        let n = stream.read(&mut buffer).await.unwrap();
        text.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    let (clean, rest) = tokio::join!(served.end(), read_to_end(&mut stream));
    assert!(clean);
    assert!(rest.ends_with("0\r\n\r\n"), "the answer is complete: {rest:?}");
}
