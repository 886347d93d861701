//! A mail server for one test: it follows its script, and writes down what it is told.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::tasks::Tasks;

pub(super) const USER: &str = "operator";
pub(super) const PASSWORD: &str = "correct-hunter2";

/// What the server does.
#[derive(Clone, Default)]
pub(super) struct Script {
    pub starttls: bool,
    pub implicit: bool,
    /// Offered mechanisms; empty for none.
    pub auth: &'static str,
    /// Answers by beginning of the command line (`RCPT TO:<a@b.c>`, `.` for the end of the mail, `greeting`). The empty
    /// answer is silence.
    pub answers: Vec<(&'static str, &'static str)>,
}

impl Script {
    pub(super) fn answering(command: &'static str, answer: &'static str) -> Self {
        Self {
            answers: vec![(command, answer)],
            ..Self::default()
        }
    }

    fn answer(&self, command: &str) -> Option<&'static str> {
        self.answers
            .iter()
            .find(|(c, _)| command.starts_with(c))
            .map(|(_, a)| *a)
    }
}

/// What was written down.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    /// Commands as they came, with `TLS ` before those that came encrypted.
    pub commands: Vec<String>,
    pub mail: String,
    pub signed_in: bool,
}

pub(super) struct SmtpStub {
    pub address: String,
    /// The certificate, as PEM.
    pub certificate: String,
    log: Arc<Mutex<Log>>,
    silent: Arc<tokio::sync::Semaphore>,
    _tasks: Tasks,
}

impl SmtpStub {
    pub(super) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (certificate, acceptor) = tls();
        let log = Arc::new(Mutex::new(Log::default()));
        let silent = Arc::new(tokio::sync::Semaphore::new(0));
        let mut tasks = Tasks::child_of(&CancellationToken::new());
        let conversation = Conversation {
            script,
            log: Arc::clone(&log),
            silent: Arc::clone(&silent),
        };
        tasks.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // A client that leaves in the middle is no fault of the server.
                let _ = conversation.serve(stream, &acceptor).await;
            }
        });
        Self {
            address,
            certificate,
            log,
            silent,
            _tasks: tasks,
        }
    }

    pub(super) fn log(&self) -> Log {
        self.log.lock().clone()
    }

    /// Ends when the script's silence has begun.
    pub(super) async fn silence(&self) {
        self.silent.acquire().await.unwrap().forget();
    }
}

fn tls() -> (String, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (made.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

struct Conversation {
    script: Script,
    log: Arc<Mutex<Log>>,
    silent: Arc<tokio::sync::Semaphore>,
}

impl Conversation {
    async fn serve(&self, stream: tokio::net::TcpStream, acceptor: &TlsAcceptor) -> std::io::Result<()> {
        let mut encrypted = self.script.implicit;
        let mut stream: BufReader<Box<dyn Stream>> = if encrypted {
            BufReader::new(Box::new(acceptor.accept(stream).await?))
        } else {
            BufReader::new(Box::new(stream))
        };
        self.say(&mut stream, "greeting", "220 stub ready").await?;
        loop {
            let line = read(&mut stream).await?;
            let mark = if encrypted { "TLS " } else { "" };
            self.log.lock().commands.push(format!("{mark}{line}"));
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let mut lines = vec!["stub".to_owned()];
                    if self.script.starttls && !encrypted {
                        lines.push("STARTTLS".to_owned());
                    }
                    if !self.script.auth.is_empty() {
                        lines.push(format!("AUTH {}", self.script.auth));
                    }
                    let last = lines.len() - 1;
                    let reply: Vec<_> = lines
                        .iter()
                        .enumerate()
                        .map(|(i, l)| format!("250{}{l}", if i == last { ' ' } else { '-' }))
                        .collect();
                    self.say(&mut stream, &line, &reply.join("\r\n")).await?;
                }
                "STARTTLS" => {
                    self.say(&mut stream, &line, "220 go on").await?;
                    stream = BufReader::new(Box::new(acceptor.accept(stream.into_inner()).await?));
                    encrypted = true;
                }
                "AUTH" => {
                    let right = self.check(&mut stream, &line).await?;
                    self.log.lock().signed_in = right;
                    let answer = if right { "235 welcome" } else { "535 5.7.8 who are you?" };
                    self.say(&mut stream, &line, answer).await?;
                }
                "DATA" => {
                    self.say(&mut stream, &line, "354 go on").await?;
                    let mut mail = String::new();
                    loop {
                        match read(&mut stream).await?.as_str() {
                            "." => break,
                            line => mail.extend([line.strip_prefix('.').unwrap_or(line), "\r\n"]),
                        }
                    }
                    self.log.lock().mail = mail;
                    self.say(&mut stream, ".", "250 2.0.0 queued as 1234").await?;
                }
                "QUIT" => return self.say(&mut stream, &line, "221 bye").await,
                _ => self.say(&mut stream, &line, "250 ok").await?,
            }
        }
    }

    /// The script's answer to a command, else the usual one.
    async fn say(&self, stream: &mut BufReader<Box<dyn Stream>>, command: &str, usual: &str) -> std::io::Result<()> {
        match self.script.answer(command) {
            Some("") => {
                self.silent.add_permits(1);
                std::future::pending().await
            }
            scripted => {
                stream
                    .write_all(format!("{}\r\n", scripted.unwrap_or(usual)).as_bytes())
                    .await?;
                stream.flush().await
            }
        }
    }

    async fn check(&self, stream: &mut BufReader<Box<dyn Stream>>, line: &str) -> std::io::Result<bool> {
        let mut words = line.split(' ').skip(1);
        let mechanism = words.next().unwrap_or_default().to_owned();
        Ok(match mechanism.as_str() {
            "PLAIN" => decode(words.next().unwrap_or_default()) == format!("\0{USER}\0{PASSWORD}"),
            "LOGIN" => {
                let user = ask(stream, "Username:").await?;
                let password = ask(stream, "Password:").await?;
                user == USER && password == PASSWORD
            }
            "CRAM-MD5" => {
                let challenge = "<1.2@stub>";
                let mut mac = Hmac::<md5::Md5>::new_from_slice(PASSWORD.as_bytes()).unwrap();
                mac.update(challenge.as_bytes());
                let digest: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
                ask(stream, challenge).await? == format!("{USER} {digest}")
            }
            _ => false,
        })
    }
}

async fn ask(stream: &mut BufReader<Box<dyn Stream>>, question: &str) -> std::io::Result<String> {
    stream
        .write_all(format!("334 {}\r\n", STANDARD.encode(question)).as_bytes())
        .await?;
    stream.flush().await?;
    Ok(decode(&read(stream).await?))
}

async fn read(stream: &mut BufReader<Box<dyn Stream>>) -> std::io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn decode(text: &str) -> String {
    String::from_utf8(STANDARD.decode(text).unwrap_or_default()).unwrap_or_default()
}
