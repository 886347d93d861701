//! The connections to one member: kept while they are of use, not tried again at once where there is none to be had.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::credentials::{Credentials, NAME};
use super::fingerprint::Fingerprint;
use super::wire::{AskError, MAX_ANSWER};
use super::{PATH, tls};
use crate::store::records::MemberRecord;

/// Questions to one member at a time.
const AT_A_TIME: usize = 32;
/// Connections that are kept open to one member while nothing is asked.
const KEPT: usize = 4;
/// How long one is kept. Shorter than the other side waits, so that it is seldom closed under a question.
const KEPT_FOR: Duration = Duration::from_secs(20);
/// First wait after a failed attempt to connect; doubled from there.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// For how long a member that has kept a page waiting in vain is not asked for another one, at first; doubled from there.
const FIRST_REST: Duration = Duration::from_secs(1);
/// Longest such rest.
const LONGEST_REST: Duration = Duration::from_secs(8);
/// Longest wait after a failed attempt to connect: a member that is back is found soon, and one that is gone costs an attempt a second.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

type Driver = http1::Connection<TokioIo<TlsStream<TcpStream>>, Full<Bytes>>;

/// An open connection. Nothing works on it in the background: it moves while a question is asked on it.
struct Open {
    send: http1::SendRequest<Full<Bytes>>,
    /// Gone when the connection is.
    driver: Option<Pin<Box<Driver>>>,
    used: Instant,
}

/// The way to one member, as one member record describes it.
pub(super) struct Line {
    address: String,
    fingerprint: Fingerprint,
    config: Arc<ClientConfig>,
    places: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Vec<Open>,
    /// Not before then is another attempt made; and why the last one failed.
    failed: Option<(Instant, Duration, String)>,
    /// Until then no page waits for it again.
    resting: Option<(Instant, Duration)>,
}

/// Why a question got no answer; `reused`: the connection was an old one, which the other side may have closed meanwhile.
struct Broken {
    error: AskError,
    reused: bool,
}

impl Line {
    /// The way to the member with this record.
    ///
    /// # Errors
    /// The record does not say where the member is and what it shows.
    pub(super) fn new(own: &Credentials, record: &MemberRecord) -> Result<Self, AskError> {
        let fingerprint: Fingerprint = record.fingerprint.parse().map_err(|_| AskError::NotListed)?;
        if record.peer.is_empty() {
            return Err(AskError::NotListed);
        }
        let config = tls::client(own, fingerprint).map_err(|error| AskError::Unreachable(error.to_string()))?;
        Ok(Self {
            address: record.peer.clone(),
            fingerprint,
            config: Arc::new(config),
            places: Semaphore::new(AT_A_TIME),
            state: Mutex::default(),
        })
    }

    /// Whether it still is the way to the member with this record.
    pub(super) fn leads_to(&self, record: &MemberRecord) -> bool {
        self.address == record.peer && record.fingerprint.parse() == Ok(self.fingerprint)
    }

    /// Whether it has just kept somebody waiting in vain: then a page does without it, and is there at once.
    pub(super) fn rests(&self) -> bool {
        let state = self.state.lock();
        state.resting.is_some_and(|(until, _)| Instant::now() < until)
    }

    /// It has answered, or has not in time.
    pub(super) fn was_late(&self, late: bool) {
        let resting = &mut self.state.lock().resting;
        *resting = late.then(|| {
            let rest = resting.map_or(FIRST_REST, |(_, rest)| (rest * 2).min(LONGEST_REST));
            (Instant::now() + rest, rest)
        });
    }

    /// Sends a question and waits for what comes back. To be dropped when it takes too long.
    pub(super) async fn ask(&self, question: Bytes) -> Result<Bytes, AskError> {
        let _place = self.places.try_acquire().map_err(|_| AskError::Crowded)?;
        match self.try_ask(question.clone(), true).await {
            // Asking again is harmless: no call changes anything.
            Err(Broken { reused: true, .. }) => self.try_ask(question, false).await,
            asked => asked,
        }
        .map_err(|broken| broken.error)
    }

    async fn try_ask(&self, question: Bytes, reuse: bool) -> Result<Bytes, Broken> {
        let kept = if reuse { self.kept(Instant::now()) } else { None };
        let reused = kept.is_some();
        let connected = match kept {
            Some(open) => Ok(open),
            None => self.connect().await,
        };
        let broken = |error| Broken { error, reused };
        let mut open = connected.map_err(broken)?;
        let answer = exchange(&mut open, question).await.map_err(broken)?;
        if open.driver.is_some() {
            open.used = Instant::now();
            let mut state = self.state.lock();
            if state.open.len() < KEPT {
                state.open.push(open);
            }
        }
        Ok(answer)
    }

    fn kept(&self, now: Instant) -> Option<Open> {
        let mut state = self.state.lock();
        state.open.retain(|open| now.duration_since(open.used) < KEPT_FOR);
        state.open.pop()
    }

    async fn connect(&self) -> Result<Open, AskError> {
        if let Some((until, _, why)) = &self.state.lock().failed
            && Instant::now() < *until
        {
            return Err(AskError::Unreachable(why.clone()));
        }
        // An attempt that is given up half-way (its asker waits no longer) counts as failed.
        let mut attempt = Attempt {
            line: self,
            why: Some("no connection in time".to_owned()),
        };
        match self.try_connect().await {
            Ok(open) => {
                attempt.why = None;
                Ok(open)
            }
            Err(why) => {
                attempt.why = Some(why.clone());
                Err(AskError::Unreachable(why))
            }
        }
    }

    async fn try_connect(&self) -> Result<Open, String> {
        let stream = TcpStream::connect(&self.address)
            .await
            .map_err(|error| format!("{}: {error}", self.address))?;
        // A question is small and complete: waiting for more to send helps nobody.
        let _ = stream.set_nodelay(true);
        let name = ServerName::try_from(NAME).map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(self.config.clone())
            .connect(name, stream)
            .await
            .map_err(|error| format!("{}: {error}", self.address))?;
        let (send, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        Ok(Open {
            send,
            driver: Some(Box::pin(driver)),
            used: Instant::now(),
        })
    }
}

/// An attempt to connect, noted when it ends, however it ends.
struct Attempt<'a> {
    line: &'a Line,
    why: Option<String>,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let failed = &mut self.line.state.lock().failed;
        let Some(why) = self.why.take() else {
            *failed = None;
            return;
        };
        let wait = failed
            .as_ref()
            .map_or(FIRST_WAIT, |(_, wait, _)| (*wait * 2).min(LONGEST_WAIT));
        // Not all members at the same moment, after the one they all wait for has restarted.
        let until = Instant::now() + wait.mul_f64(0.75 + fastrand::f64() / 4.0);
        *failed = Some((until, wait, why));
    }
}

/// One question, one answer.
async fn exchange(open: &mut Open, question: Bytes) -> Result<Bytes, AskError> {
    let broken = |error: hyper::Error| AskError::Unreachable(format!("the connection broke: {error}"));
    let Open { send, driver, .. } = open;
    let answer = async {
        send.ready().await.map_err(broken)?;
        let request = http::Request::post(PATH)
            .header(http::header::HOST, NAME)
            .body(Full::new(question))
            .map_err(|error| AskError::Garbled(error.to_string()))?;
        let response = send.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| AskError::Garbled(format!("it breaks off: {error}")))?;
        if status.is_success() {
            Ok(body.to_bytes())
        } else {
            Err(AskError::Garbled(format!("status {status}")))
        }
    };
    let mut answer = std::pin::pin!(answer);
    while let Some(working) = driver {
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            // Dropped at once: whoever still waits for something from it is told that nothing comes.
            _ = working => *driver = None,
        }
    }
    // What was read before the connection ended is still on its way.
    answer.await
}
