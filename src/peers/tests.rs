//! Members over real sockets: who is let in, what is refused, what a broken other side does to the one that asks.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig, SignatureScheme};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use super::calls::{
    AlertersAnswer, AlertersQuestion, CountsAnswer, CountsQuestion, HelloAnswer, HelloQuestion, StoreAnswer,
    StoreQuestion,
};
use super::*;
use crate::model::{MemberId, Slots, WallMs};
use crate::store::records::MemberRecord;
use crate::tasks::Tasks;

/// Long enough for whatever happens on this machine.
const SOON: Duration = Duration::from_secs(10);
/// For what does not happen at all.
const BRIEFLY: Duration = Duration::from_millis(50);

fn id(name: &str) -> MemberId {
    MemberId::parse(name).unwrap()
}

/// Answers as a member would, and lets nobody count while the gate is shut.
struct Stub {
    me: MemberId,
    gate: Semaphore,
    asked: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl Answers for Stub {
    async fn answer(&self, asker: &MemberId, call: Call) -> Result<Answer, Refused> {
        self.asked.lock().push(format!("{asker} {}", call.word()));
        match call {
            Call::Hello(_) => Ok(HelloAnswer {
                member: self.me.clone(),
                identity: String::new(),
                boot: "boot".into(),
                hostname: "host".into(),
                pid: 1,
                version: "0.1.0".into(),
                now: WallMs(0),
            }
            .into()),
            Call::Store(_) => Ok(StoreAnswer {
                store: true,
                epochs: [("untagged".to_owned(), "1-1".to_owned())].into(),
                tables: Default::default(),
                heard: Vec::new(),
                settling: false,
                notifies: false,
            }
            .into()),
            Call::Counts(_) => {
                let _open = self.gate.acquire().await;
                Ok(CountsAnswer::default().into())
            }
            Call::Alerters(_) => Ok(AlertersAnswer {
                alerters: [("x".repeat(wire::MAX_ANSWER), Default::default())].into(),
            }
            .into()),
            other => Err(Refused::unsupported(other.word())),
        }
    }
}

/// A member with its listener.
struct Member {
    credentials: Credentials,
    directory: Directory,
    peers: Peers,
    stub: Arc<Stub>,
    stats: Stats,
    record: MemberRecord,
    tasks: Tasks,
    _dir: tempfile::TempDir,
}

async fn member(name: &str) -> Member {
    let dir = tempfile::tempdir().unwrap();
    let credentials = Credentials::of(dir.path()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (directory, stats) = (Directory::default(), Stats::default());
    let record = MemberRecord {
        peer: listener.local_addr().unwrap().to_string(),
        fingerprint: credentials.fingerprint().to_string(),
        ..MemberRecord::new(id(name), "i", "b")
    };
    let stub = Arc::new(Stub {
        me: id(name),
        gate: Semaphore::new(0),
        asked: Mutex::default(),
    });
    let listener = Listener {
        listener,
        credentials: credentials.clone(),
        directory: directory.clone(),
        answers: stub.clone(),
        stats: stats.clone(),
        grace: Duration::ZERO,
    };
    let mut tasks = Tasks::child_of(&CancellationToken::new());
    let stop = tasks.stop().clone();
    tasks.spawn(async move { listener.run(stop).await.unwrap() });
    Member {
        peers: Peers::new(id(name), credentials.clone(), directory.clone(), stats.clone()),
        credentials,
        directory,
        stub,
        stats,
        record,
        tasks,
        _dir: dir,
    }
}

/// Members that know each other.
async fn members<const N: usize>(names: [&str; N]) -> [Member; N] {
    let mut all = Vec::new();
    for name in names {
        all.push(member(name).await);
    }
    let records: Vec<_> = all.iter().map(|member| member.record.clone()).collect();
    for member in &all {
        member.directory.replace(records.clone());
    }
    all.try_into().map_err(|_| ()).unwrap()
}

async fn hello(from: &Member, to: &str) -> Result<HelloAnswer, AskError> {
    from.peers.ask(&id(to), HelloQuestion {}, SOON).await
}

#[tokio::test]
async fn members_that_know_each_other_talk_and_say_who_they_are() {
    let [a, b] = members(["a", "b"]).await;
    assert_eq!(hello(&a, "b").await.unwrap().member, id("b"));
    assert_eq!(hello(&b, "a").await.unwrap().member, id("a"));
    // To itself, too: a process that finds its place taken asks whoever has it.
    assert_eq!(
        a.peers
            .ask_process(&a.record, HelloQuestion {}, SOON)
            .await
            .unwrap()
            .member,
        id("a")
    );
    assert_eq!(*b.stub.asked.lock(), ["a hello"]);
    assert_eq!(a.stats.questions(), [("hello", "answered", 2)]);
    assert_eq!(a.stats.answers(), [("hello", "answered", 2)]);
    assert_eq!(hello(&a, "c").await, Err(AskError::NotListed));
}

#[tokio::test]
async fn a_stranger_is_turned_away() {
    let [a, b] = members(["a", "b"]).await;
    let stranger = member("s").await;
    stranger.directory.replace([b.record.clone()]);
    let refused = hello(&stranger, "b").await.unwrap_err();
    assert!(matches!(refused, AskError::Unreachable(_)), "{refused}");
    assert!(b.stub.asked.lock().is_empty());
    assert_eq!(b.stats.strangers(), 1);
    assert!(hello(&a, "b").await.is_ok());
}

#[tokio::test]
async fn only_the_member_that_was_meant_is_believed() {
    let [a, b, c] = members(["a", "b", "c"]).await;
    // Where b is said to be, c answers: a member, but not that one.
    a.directory.put(MemberRecord {
        peer: c.record.peer.clone(),
        ..b.record.clone()
    });
    let refused = hello(&a, "b").await.unwrap_err();
    assert!(matches!(refused, AskError::Unreachable(_)), "{refused}");
    assert!(c.stub.asked.lock().is_empty());
}

/// A member's certificate with the key of somebody else.
#[derive(Debug)]
struct Stolen(Arc<CertifiedKey>);

impl Stolen {
    fn new(certificate: &Credentials, key: &Credentials) -> Arc<Self> {
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key.key).unwrap();
        Arc::new(Self(Arc::new(CertifiedKey::new(
            vec![certificate.certificate.clone()],
            key,
        ))))
    }
}

impl rustls::client::ResolvesClientCert for Stolen {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl rustls::server::ResolvesServerCert for Stolen {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

async fn connect(to: &Member, config: ClientConfig) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let stream = TcpStream::connect(&to.record.peer).await?;
    let name = ServerName::try_from("9volt-member").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn a_members_certificate_without_its_key_opens_nothing() {
    let [a, b] = members(["a", "b"]).await;
    let thief = member("t").await;
    let mut config = tls::client(&thief.credentials, b.credentials.fingerprint()).unwrap();
    config.client_auth_cert_resolver = Stolen::new(&a.credentials, &thief.credentials);
    // In TLS 1.3 the client is done before it is judged: the refusal comes with the first read.
    let mut stream = connect(&b, config).await.unwrap();
    let _ = stream
        .write_all(b"POST /peer/v1 HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        .await;
    let mut came = Vec::new();
    assert!(stream.read_to_end(&mut came).await.is_err());
    assert!(came.is_empty());
    assert_eq!((b.stats.strangers(), b.stats.answers()), (1, vec![]));
}

#[tokio::test]
async fn who_shows_a_members_certificate_without_its_key_is_not_asked() {
    let [a, b] = members(["a", "b"]).await;
    let thief = member("t").await;
    let mut config = tls::server(&thief.credentials, a.directory.clone()).unwrap();
    config.cert_resolver = Stolen::new(&b.credentials, &thief.credentials);
    let (address, mut tasks) = listen(config, |_| async {}).await;
    a.directory.put(MemberRecord {
        peer: address,
        ..b.record.clone()
    });
    let refused = hello(&a, "b").await.unwrap_err();
    assert!(matches!(refused, AskError::Unreachable(_)), "{refused}");
    assert!(tasks.next().await.unwrap().is_ok());
}

/// Takes one connection and does something to it.
async fn listen<F>(
    config: ServerConfig,
    then: impl FnOnce(tokio_rustls::server::TlsStream<TcpStream>) -> F + Send + 'static,
) -> (String, Tasks)
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut tasks = Tasks::child_of(&CancellationToken::new());
    tasks.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await {
            then(stream).await;
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn a_member_that_is_removed_is_refused_at_its_next_question() {
    let [a, b] = members(["a", "b"]).await;
    assert!(hello(&a, "b").await.is_ok());
    let question = CountsQuestion {
        slots: Slots::default(),
    };
    b.stub.gate.add_permits(1);
    b.directory.remove(&id("a"));
    let refused = a.peers.ask(&id("b"), question.clone(), SOON).await.unwrap_err();
    assert_eq!(refused.as_str(), "not-a-member");
    // All that it may ask is whether the store is there: it may be gone from the list because it cannot reach it.
    assert!(
        a.peers
            .ask(&id("b"), StoreQuestion::default(), SOON)
            .await
            .unwrap()
            .store
    );
    // One that said that it leaves may ask nothing.
    b.directory.put(MemberRecord {
        leaving: true,
        ..a.record.clone()
    });
    b.directory.remove(&id("a"));
    let refused = a.peers.ask(&id("b"), StoreQuestion::default(), SOON).await.unwrap_err();
    assert_eq!(refused.as_str(), "not-a-member");
    // And it is back.
    b.directory.put(a.record.clone());
    assert!(a.peers.ask(&id("b"), question, SOON).await.is_ok());
}

/// Sends bytes as a member, and returns the body of what comes back.
async fn raw(from: &Member, to: &Member, request: &[u8]) -> Result<Answer, AskError> {
    let config = tls::client(&from.credentials, to.credentials.fingerprint()).unwrap();
    let mut stream = connect(to, config).await.unwrap();
    // The other side may hang up before it has taken everything.
    let _ = stream.write_all(request).await;
    let mut came = Vec::new();
    let _ = stream.read_to_end(&mut came).await;
    let body = came.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    wire::read_reply(&came[body..])
}

#[tokio::test]
async fn a_question_that_is_too_large_is_refused() {
    let [a, b] = members(["a", "b"]).await;
    let size = wire::MAX_QUESTION + 1;
    let mut request = format!("POST /peer/v1 HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n").into_bytes();
    request.resize(request.len() + size, b' ');
    let refused = raw(&a, &b, &request).await.unwrap_err();
    assert_eq!(refused.as_str(), "too-large");
    assert!(hello(&a, "b").await.is_ok());
}

#[tokio::test]
async fn a_call_of_another_version_is_answered_and_the_connection_goes_on() {
    let [a, b] = members(["a", "b"]).await;
    let ask = |body: &str, more: &str| {
        let length = body.len();
        format!("POST /peer/v1 HTTP/1.1\r\nhost: x\r\n{more}content-length: {length}\r\n\r\n{body}")
    };
    let later = ask(r#"{"v":9,"within_ms":1000,"call":"teleport","about":[]}"#, "");
    let known = ask(
        r#"{"v":1,"within_ms":1000,"call":"hello","about":{}}"#,
        "connection: close\r\n",
    );
    let config = tls::client(&a.credentials, b.credentials.fingerprint()).unwrap();
    let mut stream = connect(&b, config).await.unwrap();
    stream.write_all(format!("{later}{known}").as_bytes()).await.unwrap();
    let mut came = String::new();
    let _ = stream.read_to_string(&mut came).await;
    assert!(
        came.contains(r#""why":"unsupported""#) && came.contains(r#""boot":"boot""#),
        "{came}"
    );
    assert_eq!(
        b.stats.answers(),
        [("hello", "answered", 1), ("other", "unsupported", 1)]
    );
}

#[tokio::test]
async fn garbage_costs_the_one_who_sends_it() {
    let [a, b] = members(["a", "b"]).await;
    let mut stream = TcpStream::connect(&b.record.peer).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut came = Vec::new();
    let _ = stream.read_to_end(&mut came).await;
    assert_eq!(b.stats.strangers(), 1);
    let garbled = raw(
        &a,
        &b,
        b"POST /peer/v1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
    );
    assert_eq!(garbled.await.unwrap_err().as_str(), "garbled");
    assert!(hello(&a, "b").await.is_ok());
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_none_is_an_error() {
    let [a, b] = members(["a", "b"]).await;
    let answers = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"answer\":", "garbled"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "garbled"),
        ("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", "garbled"),
        ("hello", "unreachable"),
        ("", "unreachable"),
    ];
    for (answer, expected) in answers {
        let config = tls::server(&b.credentials, b.directory.clone()).unwrap();
        let (address, _tasks) = listen(config, move |mut stream| async move {
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        })
        .await;
        a.directory.put(MemberRecord {
            peer: address,
            ..b.record.clone()
        });
        assert_eq!(hello(&a, "b").await.unwrap_err().as_str(), expected, "{answer}");
    }
    // One that would be too large is not even sent.
    a.directory.put(b.record.clone());
    let refused = a.peers.ask(&id("b"), AlertersQuestion {}, SOON).await.unwrap_err();
    assert_eq!(refused.as_str(), "too-large");
}

#[tokio::test]
async fn a_slow_member_costs_the_time_that_was_given_and_no_more() {
    let [a, b] = members(["a", "b"]).await;
    let question = CountsQuestion {
        slots: Slots::default(),
    };
    let late = a.peers.ask(&id("b"), question, BRIEFLY).await.unwrap_err();
    assert_eq!(late.as_str(), "late");
    // The next page does not wait for it; what the cluster asks is asked all the same.
    let question = CountsQuestion {
        slots: Slots::default(),
    };
    let at_once = a.peers.ask(&id("b"), question, SOON).await.unwrap_err();
    assert_eq!(at_once, AskError::Late);
    assert!(hello(&a, "b").await.is_ok());
    assert_eq!(*b.stub.asked.lock(), ["a counts", "a hello"]);
    // One that takes connections and says nothing: the second question does not wait for it again.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    a.directory.put(MemberRecord {
        peer: silent.local_addr().unwrap().to_string(),
        ..b.record.clone()
    });
    let late = a.peers.ask(&id("b"), HelloQuestion {}, BRIEFLY).await.unwrap_err();
    assert_eq!(late, AskError::Late);
    let at_once = a.peers.ask(&id("b"), HelloQuestion {}, SOON).await.unwrap_err();
    assert_eq!(at_once, AskError::Unreachable("no connection in time".into()));
}

#[tokio::test]
async fn a_storm_of_questions_for_lists_leaves_room_for_what_the_cluster_asks() {
    let [a, b, c] = members(["a", "b", "c"]).await;
    // More than are answered and may wait; from two members, as one asks no more than so many at a time.
    let storm = |from: &Member| {
        let peers = from.peers.clone();
        async move {
            let questions = (0..60).map(|_| {
                (
                    id("c"),
                    CountsQuestion {
                        slots: Slots::default(),
                    },
                )
            });
            peers.ask_each(questions, SOON).await
        }
    };
    let mut tasks = Tasks::child_of(&CancellationToken::new());
    tasks.spawn(storm(&a));
    tasks.spawn(storm(&b));
    // Those that are answered have reached the stub and wait there.
    while c
        .stub
        .asked
        .lock()
        .iter()
        .filter(|asked| asked.ends_with("counts"))
        .count()
        < 8
    {
        tokio::task::yield_now().await;
    }
    let third = member("d").await;
    third.directory.replace([c.record.clone()]);
    c.directory.put(third.record.clone());
    assert!(hello(&third, "c").await.is_ok());
    c.stub.gate.add_permits(1_000);
    let mut results = (0, 0);
    while let Some(gathered) = tasks.next().await {
        let gathered = gathered.unwrap();
        results.0 += gathered.answers.len();
        results.1 += gathered.unreachable.len();
        assert!(
            gathered
                .unreachable
                .iter()
                .all(|(_, why)| ["crowded", "busy"].contains(&why.as_str()))
        );
    }
    assert_eq!(results.0 + results.1, 120);
    assert!(results.1 >= 120 - 64, "{results:?}");
}

#[tokio::test]
async fn a_member_that_was_restarted_is_found_again() {
    let [a, b] = members(["a", "b"]).await;
    assert!(hello(&a, "b").await.is_ok());
    // The same place and the same key: only the connection that was kept is gone.
    let address = b.record.peer.clone();
    assert!(b.tasks.shut_down(SOON).await);
    let gone = hello(&a, "b").await.unwrap_err();
    assert_eq!(gone.as_str(), "unreachable");
    let listener = Listener {
        listener: TcpListener::bind(&address).await.unwrap(),
        credentials: b.credentials.clone(),
        directory: b.directory.clone(),
        answers: b.stub.clone(),
        stats: b.stats.clone(),
        grace: Duration::ZERO,
    };
    let mut tasks = Tasks::child_of(&CancellationToken::new());
    let stop = tasks.stop().clone();
    tasks.spawn(async move { listener.run(stop).await.unwrap() });
    // Not at once after a failure, but soon.
    while hello(&a, "b").await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_does_not_answer_all_is_named() {
    let [a, b, c, d] = members(["a", "b", "c", "d"]).await;
    a.directory.put(MemberRecord {
        peer: String::new(),
        ..c.record.clone()
    });
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    a.directory.put(MemberRecord {
        peer: gone.to_string(),
        ..d.record.clone()
    });
    let gathered = a.peers.ask_all(HelloQuestion {}, SOON).await;
    let answered: Vec<_> = gathered.answers.iter().map(|(member, _)| member.as_str()).collect();
    let missing: Vec<_> = gathered
        .unreachable
        .iter()
        .map(|(member, why)| (member.as_str(), why.as_str()))
        .collect();
    assert_eq!(answered, ["b"]);
    assert_eq!(missing, [("c", "not-listed"), ("d", "unreachable")]);
    assert_eq!(*b.stub.asked.lock(), ["a hello"]);
}
