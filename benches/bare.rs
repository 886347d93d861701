//! What a check costs at least: the same system calls by the plainest loop there is.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::target::EXPECTED;

/// One kind of bare check, against the n-th address.
pub(crate) enum Bare {
    TcpOpen(Vec<SocketAddr>),
    TcpExpect(Vec<SocketAddr>),
    /// reqwest, a new connection each time.
    Http(reqwest::Client, Vec<String>),
    /// One kept connection per worker and no HTTP library at all.
    Kept(Vec<SocketAddr>),
    Exec,
}

/// What a worker keeps between its checks.
#[derive(Default)]
pub(crate) struct Kept(Option<TcpStream>);

impl Bare {
    pub(crate) fn http(urls: Vec<String>) -> Self {
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        Self::Http(client.build().expect("a client"), urls)
    }

    pub(crate) async fn check(&self, n: usize, kept: &mut Kept) {
        match self {
            Self::TcpOpen(to) => drop(TcpStream::connect(to[n % to.len()]).await.expect("a connection")),
            Self::TcpExpect(to) => {
                let mut stream = TcpStream::connect(to[n % to.len()]).await.expect("a connection");
                let mut seen = Vec::with_capacity(512);
                while memchr::memmem::find(&seen, EXPECTED.as_bytes()).is_none() {
                    assert_ne!(stream.read_buf(&mut seen).await.expect("a greeting"), 0);
                }
            }
            Self::Http(client, urls) => {
                let answer = client.get(&urls[n % urls.len()]).send().await.expect("an answer");
                assert_eq!(answer.status(), 200);
            }
            Self::Kept(to) => {
                let stream = match &mut kept.0 {
                    Some(stream) => stream,
                    None => kept
                        .0
                        .insert(TcpStream::connect(to[n % to.len()]).await.expect("a connection")),
                };
                let request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bare\r\nAccept: */*\r\n\r\n";
                stream.write_all(request).await.expect("sent");
                let mut seen = Vec::with_capacity(512);
                while memchr::memmem::find(&seen, b"it works\n").is_none() {
                    assert_ne!(stream.read_buf(&mut seen).await.expect("an answer"), 0);
                }
            }
            Self::Exec => {
                let ended = tokio::process::Command::new("echo")
                    .arg("hello")
                    .stdin(Stdio::null())
                    .output()
                    .await
                    .expect("echo runs");
                assert_eq!(ended.stdout, b"hello\n");
            }
        }
    }
}
