//! One conversation with a mail server. Lettre speaks the protocol; which steps are taken, and what each refusal means, is decided here.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::addresses::HostPort;
use super::message::Mail;
use super::{Auth, Tls, cram};
use crate::alerters::http::scrub;
use crate::alerters::kind::{DeliveryError, Retry};
use crate::alerters::text::{cut, one_line};
use crate::model::Secret;

/// Longest wait for one address of the server; the next one may work.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the server to say good-bye: by then the mail is its own.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);
/// Characters of a server's answer that are shown to people.
const MAX_SHOWN: usize = 300;
/// Largest file of certificates.
const MAX_CA: u64 = 4 * 1024 * 1024;

/// How the connection is protected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encryption<'a> {
    pub mode: Tls,
    /// PEM file of the certificates to trust instead of the system's.
    pub ca: Option<&'a str>,
    pub skip_verify: bool,
}

/// A connection that has been greeted and, if it can be, encrypted.
pub(super) struct Session {
    conn: AsyncSmtpConnection,
    deadline: Instant,
    /// The server's address, as long as nothing protects the way to it.
    unprotected: Option<IpAddr>,
    /// What must not show up in texts, whatever the server answers.
    secrets: Vec<String>,
}

impl Session {
    pub(super) async fn open(
        deadline: Instant,
        server: &HostPort,
        encryption: Encryption<'_>,
    ) -> Result<Self, DeliveryError> {
        let step = Step { deadline, secrets: &[] };
        let hello = ClientId::default();
        let tls = match encryption.mode {
            Tls::None => None,
            _ => Some(tls_parameters(step, server, encryption).await?),
        };
        if encryption.mode == Tls::Implicit {
            let address = (server.host.as_str(), server.port);
            let connecting = AsyncSmtpConnection::connect_tokio1(address, Some(CONNECT_TIMEOUT), &hello, tls, None);
            return Ok(Self {
                conn: step.smtp("connecting with TLS", connecting).await?,
                deadline,
                unprotected: None,
                secrets: Vec::new(),
            });
        }
        let stream = step.io("connecting", connect(server)).await?;
        let peer = step.io("connecting", async { stream.peer_addr() }).await?.ip();
        let greeting = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello);
        let mut conn = step.smtp("the greeting", greeting).await?;
        let mut unprotected = Some(peer);
        if let Some(tls) = tls {
            if conn.can_starttls() {
                step.smtp("STARTTLS", conn.starttls(tls, &hello)).await?;
                unprotected = None;
            } else if encryption.mode == Tls::StarttlsRequired {
                return Err(DeliveryError::never(
                    "the server does not offer STARTTLS, which `tls` requires",
                ));
            }
        }
        Ok(Self {
            conn,
            deadline,
            unprotected,
            secrets: Vec::new(),
        })
    }

    pub(super) async fn sign_in(&mut self, auth: Auth, username: &str, password: &Secret) -> Result<(), DeliveryError> {
        self.secrets = secrets(username, password);
        let step = Step {
            deadline: self.deadline,
            secrets: &self.secrets,
        };
        let mechanisms = match auth {
            Auth::CramMd5 => return cram_md5(&mut self.conn, step, username, password).await,
            Auth::Any => &[Mechanism::Plain, Mechanism::Login][..],
            Auth::Plain => &[Mechanism::Plain],
            Auth::Login => &[Mechanism::Login],
        };
        if let Some(peer) = self.unprotected
            && !password_may_travel(peer)
        {
            return Err(DeliveryError::never(
                "the connection to the server is not encrypted, so the password is not sent; use TLS, or cram-md5",
            ));
        }
        let credentials = Credentials::new(username.to_owned(), password.reveal().to_owned());
        step.smtp("signing in", self.conn.auth(mechanisms, &credentials))
            .await?;
        Ok(())
    }

    /// Hands the mail over. Recipients that the server refuses do not keep it from the others: they are named in the answer.
    pub(super) async fn send(&mut self, mail: &Mail) -> Result<String, DeliveryError> {
        let step = Step {
            deadline: self.deadline,
            secrets: &self.secrets,
        };
        let conn = &mut self.conn;
        let mut parameters = Vec::new();
        let ascii = |address: &lettre::Address| address.to_string().is_ascii();
        if !(ascii(&mail.from) && mail.recipients.iter().all(ascii)) {
            if !conn.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(DeliveryError::never(
                    "the server does not take addresses beyond ASCII (SMTPUTF8)",
                ));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let from = MailFrom::new(Some(mail.from.clone()), parameters);
        step.smtp("the sender", conn.command(from)).await?;

        let mut refused = Vec::new();
        let mut last = None;
        for recipient in &mail.recipients {
            let command = Rcpt::new(recipient.clone(), Vec::new());
            match step
                .answer(&format!("recipient {recipient}"), conn.command(command))
                .await?
            {
                Ok(_) => {}
                Err(err) => {
                    refused.push(err.message.clone());
                    // As long as one of them may be taken next time, there is a next time.
                    if last
                        .as_ref()
                        .is_none_or(|last: &DeliveryError| last.retry == Retry::Never)
                    {
                        last = Some(err);
                    }
                }
            }
        }
        if let Some(err) = last
            && refused.len() == mail.recipients.len()
        {
            return Err(DeliveryError {
                retry: err.retry,
                message: cut(&refused.join("; "), MAX_SHOWN),
            });
        }
        step.smtp("the mail", conn.command(Data)).await?;
        let taken = step.smtp("the mail", conn.message(&mail.bytes)).await?;
        let said = shown(
            &format!("{} {}", taken.code(), taken.first_line().unwrap_or_default()),
            &self.secrets,
        );
        if refused.is_empty() {
            return Ok(said);
        }
        tracing::warn!(refused = refused.len(), "mail server refused some recipients");
        Ok(format!("{said}; refused: {}", cut(&refused.join("; "), MAX_SHOWN)))
    }

    /// Says good-bye. Whatever comes back, the mail was taken.
    pub(super) async fn quit(mut self) {
        let _ = timeout(QUIT_TIMEOUT, self.conn.quit()).await;
    }
}

/// RFC 2195 by way of lettre's plain commands. The password itself does not travel, so this needs no encryption.
async fn cram_md5(
    conn: &mut AsyncSmtpConnection,
    step: Step<'_>,
    username: &str,
    password: &Secret,
) -> Result<(), DeliveryError> {
    let challenge = step.smtp("signing in", conn.command("AUTH CRAM-MD5\r\n")).await?;
    let answer = challenge
        .first_line()
        .and_then(|challenge| cram::answer(challenge, username, password))
        .ok_or_else(|| DeliveryError::never("signing in: the server's challenge is not base64"))?;
    step.smtp("signing in", conn.command(format!("{answer}\r\n"))).await?;
    Ok(())
}

/// Without encryption a password stays on this machine. The original's library had the same rule.
fn password_may_travel(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

/// The password in every form in which it goes over the wire.
fn secrets(username: &str, password: &Secret) -> Vec<String> {
    let plain = password.reveal();
    vec![
        STANDARD.encode(format!("\0{username}\0{plain}")),
        STANDARD.encode(plain),
        plain.to_owned(),
    ]
}

async fn connect(server: &HostPort) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host((server.host.as_str(), server.port)).await? {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(err)) => last = err,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

async fn tls_parameters(
    step: Step<'_>,
    server: &HostPort,
    encryption: Encryption<'_>,
) -> Result<TlsParameters, DeliveryError> {
    let mut builder = TlsParameters::builder(server.host.clone());
    if let Some(path) = encryption.ca {
        let pem = step.io(&format!("reading {path}"), read_ca(path)).await?;
        let certificate = Certificate::from_pem(&pem)
            .ok()
            .filter(|_| pem.windows(CERTIFICATE.len()).any(|w| w == CERTIFICATE))
            .ok_or_else(|| DeliveryError::never(format!("`ca`: {path} holds no PEM certificate")))?;
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificate);
    }
    let builder = builder.dangerous_accept_invalid_certs(encryption.skip_verify);
    let mut built = builder.clone().build();
    if built.is_err() && encryption.ca.is_none() {
        // A machine without certificates (a minimal image): the bundled list of Mozilla.
        built = builder.certificate_store(CertificateStore::WebpkiRoots).build();
    }
    built.map_err(|err| DeliveryError::never(format!("TLS cannot be set up: {err}")))
}

/// How a certificate begins in a PEM file.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

async fn read_ca(path: &str) -> io::Result<Vec<u8>> {
    use tokio::io::AsyncReadExt as _;
    let mut pem = Vec::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(MAX_CA).read_to_end(&mut pem).await?;
    Ok(pem)
}

/// What every step shares: it ends at the deadline, and its error says which step it was.
#[derive(Clone, Copy)]
struct Step<'a> {
    deadline: Instant,
    secrets: &'a [String],
}

impl Step<'_> {
    async fn io<T>(self, what: &str, step: impl Future<Output = io::Result<T>>) -> Result<T, DeliveryError> {
        match timeout_at(self.deadline, step).await {
            Ok(done) => done.map_err(|err| DeliveryError::soon(format!("{what}: {err}"))),
            Err(_) => Err(late(what)),
        }
    }

    async fn smtp<T>(self, what: &str, step: impl Future<Output = Result<T, SmtpError>>) -> Result<T, DeliveryError> {
        self.answer(what, step).await?
    }

    /// The outer error ends the conversation; the inner one is the server's answer to this step alone.
    async fn answer<T>(
        self,
        what: &str,
        step: impl Future<Output = Result<T, SmtpError>>,
    ) -> Result<Result<T, DeliveryError>, DeliveryError> {
        match timeout_at(self.deadline, step).await {
            Ok(Ok(done)) => Ok(Ok(done)),
            Ok(Err(err)) => {
                let answered = err.status().is_some();
                let err = smtp_error(what, &err, self.secrets);
                if answered { Ok(Err(err)) } else { Err(err) }
            }
            Err(_) => Err(late(what)),
        }
    }
}

fn late(what: &str) -> DeliveryError {
    DeliveryError::soon(format!("{what}: no answer before the deadline"))
}

/// 4xx, and everything that happened to the connection, may be gone next time; 5xx, and what we cannot do, will not.
fn smtp_error(what: &str, err: &SmtpError, secrets: &[String]) -> DeliveryError {
    let cause = err.source().map(ToString::to_string).unwrap_or_default();
    let said = match err.status() {
        Some(code) => format!("{code} {cause}"),
        None if cause.is_empty() => err.to_string(),
        None => cause,
    };
    let retry = if err.is_permanent() || err.is_client() {
        Retry::Never
    } else {
        Retry::Soon
    };
    DeliveryError {
        retry,
        message: format!("{what}: {}", shown(said.trim(), secrets)),
    }
}

fn shown(text: &str, secrets: &[String]) -> String {
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    cut(&one_line(&scrub(text, &secrets)), MAX_SHOWN)
}

#[cfg(test)]
mod tests {
    use super::super::stub::{PASSWORD, Script, SmtpStub, USER};
    use super::*;

    #[test]
    fn without_encryption_a_password_stays_on_this_machine() {
        for here in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert!(password_may_travel(here.parse().unwrap()), "{here}");
        }
        for away in ["10.0.0.1", "192.168.1.1", "fe80::1", "::", "0.0.0.0", "::ffff:10.0.0.1"] {
            assert!(!password_may_travel(away.parse().unwrap()), "{away}");
        }
    }

    #[tokio::test]
    async fn an_unencrypted_server_elsewhere_gets_no_password_but_an_answer_to_its_challenge() {
        let stub = SmtpStub::start(Script {
            auth: "PLAIN LOGIN CRAM-MD5",
            ..Script::default()
        })
        .await;
        let server = HostPort::parse(&stub.address).unwrap();
        let encryption = Encryption {
            mode: Tls::Starttls,
            ca: None,
            skip_verify: false,
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut session = Session::open(deadline, &server, encryption).await.unwrap();
        assert_eq!(session.unprotected, Some("127.0.0.1".parse().unwrap()));
        session.unprotected = Some("10.0.0.1".parse().unwrap());
        let password = Secret::new(PASSWORD);
        for auth in [Auth::Any, Auth::Plain, Auth::Login] {
            let err = session.sign_in(auth, USER, &password).await.unwrap_err();
            assert_eq!(err.retry, Retry::Never);
            assert!(err.message.contains("not encrypted"), "{}", err.message);
        }
        assert!(stub.log().commands.iter().all(|c| !c.starts_with("AUTH")));
        session.sign_in(Auth::CramMd5, USER, &password).await.unwrap();
        assert!(stub.log().signed_in);
    }
}
