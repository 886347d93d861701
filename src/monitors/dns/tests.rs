//! Against a small DNS server on the loopback, over UDP and TCP on one port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{CAA, CNAME, MX, NULL, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

use crate::model::{Outcome, Phase, Reason, Verdict};
use crate::monitors::test_kit::{AMPLE, cx, fact, found_problems, monitor, once, open_descriptors, run};
use crate::tasks::Tasks;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Over {
    Udp,
    Tcp,
}

/// Packets sent back for the n-th question (from 0).
type Script = dyn Fn(Message, Over, usize) -> Vec<Vec<u8>> + Send + Sync;

struct Server {
    at: SocketAddr,
    heard: Arc<AtomicUsize>,
    _tasks: Tasks,
}

impl Server {
    async fn start(ip: IpAddr, script: impl Fn(Message, Over, usize) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((ip, 0)).await.unwrap();
            // The same port may be taken for TCP by another test.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let at = udp.local_addr().unwrap();
        let script: Arc<Script> = Arc::new(script);
        let heard = Arc::new(AtomicUsize::new(0));
        let mut tasks = Tasks::child_of(&CancellationToken::new());
        let (over_udp, count) = (Arc::clone(&script), Arc::clone(&heard));
        tasks.spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                let query = Message::from_vec(&buffer[..length]).unwrap();
                for packet in over_udp(query, Over::Udp, count.fetch_add(1, Ordering::SeqCst)) {
                    udp.send_to(&packet, from).await.unwrap();
                }
            }
        });
        let count = Arc::clone(&heard);
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let length = stream.read_u16().await.unwrap();
                let mut bytes = vec![0; length.into()];
                stream.read_exact(&mut bytes).await.unwrap();
                let query = Message::from_vec(&bytes).unwrap();
                for packet in script(query, Over::Tcp, count.fetch_add(1, Ordering::SeqCst)) {
                    stream.write_u16(packet.len().try_into().unwrap()).await.unwrap();
                    stream.write_all(&packet).await.unwrap();
                }
            }
        });
        Self {
            at,
            heard,
            _tasks: tasks,
        }
    }

    /// One that gives these records to every question.
    async fn with_records(records: Vec<Record>) -> Self {
        Self::start(V4, move |query, _, _| vec![answer(&query, &records)]).await
    }

    /// One that gives this response code to every question.
    async fn with_code(code: ResponseCode) -> Self {
        Self::start(V4, move |query, _, _| {
            let mut answer = query.into_response();
            answer.metadata.response_code = code;
            vec![answer.to_vec().unwrap()]
        })
        .await
    }

    fn definition(&self, own: &Value) -> Value {
        let mut all =
            json!({"host": self.at.ip().to_string(), "port": self.at.port(), "dns-target": "www.example.com"});
        all.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        all
    }

    async fn check(&self, own: Value) -> Verdict {
        once("dns", self.definition(&own), AMPLE).await
    }

    async fn check_within(&self, own: Value, timeout: Duration) -> Verdict {
        once("dns", self.definition(&own), timeout).await
    }
}

fn answer(query: &Message, records: &[Record]) -> Vec<u8> {
    let mut answer = query.clone().into_response();
    answer.add_answers(records.iter().cloned());
    answer.to_vec().unwrap()
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn record(data: RData) -> Record {
    Record::from_rdata(name("www.example.com."), 60, data)
}

fn a(last: u8) -> Record {
    record(RData::A(Ipv4Addr::new(10, 0, 0, last).into()))
}

/// An answer with a record of every shape, for the tests that damage it.
pub(super) fn answer_of_many_types(query: Message) -> Message {
    let mut answer = query.into_response();
    answer.add_answers([
        a(1),
        record(RData::AAAA(Ipv6Addr::LOCALHOST.into())),
        record(RData::CNAME(CNAME(name("a.example.com.")))),
        record(RData::MX(MX::new(10, name("mx.example.com.")))),
        record(RData::TXT(TXT::new(vec!["a".to_owned(), "b".to_owned()]))),
        record(RData::SRV(SRV::new(1, 2, 3, name("srv.example.com.")))),
        record(RData::CAA(CAA::new_issue(true, None, Vec::new()))),
        record(RData::SOA(soa())),
        record(RData::Unknown {
            code: RecordType::DS,
            rdata: NULL::with(vec![0, 1, 2, 3, 4]),
        }),
    ]);
    answer
}

fn soa() -> SOA {
    SOA::new(
        name("ns.example.com."),
        name("root.example.com."),
        2026_0101,
        1,
        2,
        3,
        4,
    )
}

#[tokio::test]
async fn an_answer_of_type_a_passes_without_any_further_key() {
    let server = Server::start(V4, |query, _, _| {
        assert_eq!(query.queries[0].query_type(), RecordType::A);
        assert_eq!(query.queries[0].name(), &name("www.example.com."));
        assert!(query.metadata.recursion_desired);
        vec![answer(&query, &[a(2)])]
    })
    .await;
    let verdict = server.check(json!({})).await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    assert_eq!(fact(&verdict, "dns_query_succeeded"), Some(1.0));
    assert_eq!(fact(&verdict, "dns_rcode"), Some(0.0));
    assert_eq!(fact(&verdict, "dns_answer_rrs"), Some(1.0));
    assert_eq!(fact(&verdict, "dns_authority_rrs"), Some(0.0));
    assert_eq!(fact(&verdict, "dns_additional_rrs"), Some(0.0));
    let phases: Vec<_> = verdict.phases.iter().map(|(phase, _)| phase).collect();
    assert_eq!(phases, [Phase::FirstByte]);
}

#[tokio::test]
async fn a_name_for_the_server_is_looked_up_and_its_addresses_tried_in_turn() {
    let server = Server::with_records(vec![a(2)]).await;
    let verdict = server.check(json!({"host": "localhost"})).await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    assert!(verdict.phases.get(Phase::Resolve).is_some());
}

#[tokio::test]
async fn a_server_on_ipv6_is_asked_with_and_without_brackets() {
    let server = Server::start(V6, |query, _, _| vec![answer(&query, &[a(2)])]).await;
    for host in ["::1", "[::1]"] {
        for transport in ["udp", "tcp"] {
            let verdict = server.check(json!({"host": host, "dns-transport": transport})).await;
            assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
        }
    }
}

#[tokio::test]
async fn an_expression_that_matches_nothing_fails_with_or_without_a_count() {
    let server = Server::with_records(vec![a(2)]).await;
    for own in [
        json!({"expect": r"10\.0\.0\.3"}),
        json!({"expect": r"10\.0\.0\.3", "dns-expected-count": 1}),
    ] {
        let verdict = server.check(own).await;
        assert_eq!(verdict.reason, Some(Reason::Content));
        assert_eq!(
            verdict.message,
            format!(
                r"DNS check of www.example.com against {} had 1 records. None matched expected regex '10\.0\.0\.3'. Records: www.example.com. 60 IN A 10.0.0.2",
                server.at
            )
        );
    }
}

#[tokio::test]
async fn expressions_written_for_the_original_still_match() {
    let server = Server::with_records(vec![a(2)]).await;
    for expect in [
        r"IN\s+A",
        r"10\.0\.0\.2",
        "A\t 10",
        r"\t 10\.0\.0\.2\n$",
        r"^www\.example\.com\.\t60",
        ".",
    ] {
        let verdict = server.check(json!({"expect": expect})).await;
        assert_eq!(verdict.outcome, Outcome::Pass, "{expect}: {}", verdict.message);
    }
}

#[tokio::test]
async fn the_whole_data_of_a_record_can_be_expected() {
    let server = Server::with_records(vec![record(RData::MX(MX::new(10, name("mx1.example.com."))))]).await;
    let verdict = server
        .check(json!({"dns-record-type": "mx", "expect": r"MX\t10 mx1\.example\.com\.$"}))
        .await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
}

#[tokio::test]
async fn without_a_count_one_match_is_enough_and_with_a_count_above_one_all_have_to_match() {
    let server = Server::with_records(vec![a(2), a(3)]).await;
    let one = server.check(json!({"expect": r"0\.2$"})).await;
    assert_eq!(one.outcome, Outcome::Pass);
    let both = server.check(json!({"expect": r"0\.2$", "dns-expected-count": 2})).await;
    assert_eq!(both.reason, Some(Reason::Content));
    assert!(
        both.message.contains("had 2 records. Only 1 matched"),
        "{}",
        both.message
    );
    let all = server
        .check(json!({"expect": r"0\.[23]$", "dns-expected-count": 2}))
        .await;
    assert_eq!(all.outcome, Outcome::Pass);
}

#[tokio::test]
async fn another_number_of_records_fails_and_so_does_none() {
    let server = Server::with_records(vec![a(2), a(3)]).await;
    let verdict = server.check(json!({"dns-expected-count": 1})).await;
    assert_eq!(verdict.reason, Some(Reason::Count));
    let wanted = format!(
        "Unexpected result count (2) received for www.example.com against DNS server {}",
        server.at
    );
    assert_eq!(verdict.message, wanted);

    let empty = Server::with_records(vec![]).await;
    let verdict = empty.check(json!({})).await;
    assert_eq!(verdict.reason, Some(Reason::Count));
    let wanted = format!(
        "No results received for www.example.com against DNS server {}",
        empty.at
    );
    assert_eq!(verdict.message, wanted);
}

#[tokio::test]
async fn the_response_code_is_named_when_it_is_not_the_expected_one() {
    for (code, word) in [
        (ResponseCode::NXDomain, "NXDOMAIN"),
        (ResponseCode::ServFail, "SERVFAIL"),
        (ResponseCode::Refused, "REFUSED"),
        (ResponseCode::Unknown(11), "RCODE11"),
    ] {
        let server = Server::with_code(code).await;
        let verdict = server.check(json!({})).await;
        assert_eq!((verdict.outcome, verdict.reason), (Outcome::Fail, Some(Reason::Status)));
        let wanted = format!(
            "DNS server {} answered {word} for www.example.com, expected NOERROR",
            server.at
        );
        assert_eq!(verdict.message, wanted);
        assert_eq!(fact(&verdict, "dns_rcode"), Some(f64::from(u16::from(code))));
    }
}

#[tokio::test]
async fn a_name_that_must_not_exist_can_be_expected() {
    let server = Server::with_code(ResponseCode::NXDomain).await;
    assert_eq!(
        server.check(json!({"dns-rcode": "nxdomain"})).await.outcome,
        Outcome::Pass
    );
    let exists = Server::with_records(vec![a(2)]).await;
    let verdict = exists.check(json!({"dns-rcode": "NXDOMAIN"})).await;
    assert_eq!(verdict.reason, Some(Reason::Status));
}

#[tokio::test]
async fn an_answer_that_is_too_slow_fails() {
    let server = Server::with_records(vec![a(2)]).await;
    let verdict = server.check(json!({"dns-max-time": "1ns"})).await;
    assert_eq!((verdict.outcome, verdict.reason), (Outcome::Fail, Some(Reason::Slow)));
    let wanted = format!(
        "DNS check of www.example.com against {} server took longer than 1ns allowed: ",
        server.at
    );
    assert!(verdict.message.starts_with(&wanted), "{}", verdict.message);
}

/// Truncated over UDP after the first record, whole over TCP.
async fn large_answers() -> Server {
    Server::start(V4, |query, over, _| {
        let mut message = query.into_response();
        message.add_answer(a(1));
        if over == Over::Udp {
            message.metadata.truncation = true;
        } else {
            message.add_answers((2..=200).map(a));
        }
        vec![message.to_vec().unwrap()]
    })
    .await
}

#[tokio::test]
async fn what_does_not_fit_into_a_datagram_is_fetched_over_tcp() {
    let server = large_answers().await;
    let verdict = server.check(json!({"dns-expected-count": 200})).await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    assert_eq!(fact(&verdict, "dns_answer_rrs"), Some(200.0));
    assert!(verdict.phases.get(Phase::Connect).is_some());
    assert_eq!(server.heard.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn udp_alone_takes_what_fits_and_tcp_alone_asks_once() {
    let server = large_answers().await;
    let verdict = server.check(json!({"dns-transport": "udp"})).await;
    assert_eq!(fact(&verdict, "dns_answer_rrs"), Some(1.0));
    let verdict = server.check(json!({"dns-transport": "tcp"})).await;
    assert_eq!(fact(&verdict, "dns_answer_rrs"), Some(200.0));
    assert_eq!(server.heard.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn packets_that_do_not_answer_the_question_are_passed_over() {
    let server = Server::start(V4, |query, _, _| {
        let mut other_id = query.clone();
        other_id.metadata.id ^= 1;
        let mut other_question = Message::response(query.metadata.id, OpCode::Query);
        other_question.add_query(Query::query(name("evil.example.com."), RecordType::A));
        vec![
            answer(&other_id, &[a(66)]),
            answer(&other_question, &[a(66)]),
            query.to_vec().unwrap(),
            b"rubbish".to_vec(),
            answer(&query, &[a(2)]),
        ]
    })
    .await;
    for transport in ["udp", "tcp"] {
        let verdict = server
            .check(json!({"expect": r"10\.0\.0\.2$", "dns-transport": transport}))
            .await;
        assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    }
}

#[tokio::test]
async fn an_answer_from_another_address_is_not_heard() {
    let elsewhere = Arc::new(std::net::UdpSocket::bind("127.0.0.2:0").unwrap());
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut tasks: Tasks = Tasks::child_of(&CancellationToken::new());
    tasks.spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = silent.recv_from(&mut buffer).await {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            elsewhere.send_to(&answer(&query, &[a(66)]), from).unwrap();
        }
    });
    let own = json!({"host": "127.0.0.1", "port": port, "dns-target": "www.example.com"});
    let verdict = once("dns", own, Duration::from_millis(100)).await;
    assert_eq!(verdict.reason, Some(Reason::Timeout), "{verdict:?}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_fails_at_once() {
    let server = Server::start(V4, |query, _, _| {
        let mut bytes = answer(&query, &[a(2)]);
        bytes.truncate(bytes.len() - 2);
        vec![bytes]
    })
    .await;
    for transport in ["udp", "tcp"] {
        let verdict = server.check(json!({"dns-transport": transport})).await;
        assert_eq!(
            (verdict.outcome, verdict.reason),
            (Outcome::Fail, Some(Reason::Protocol)),
            "{verdict:?}"
        );
        assert_eq!(fact(&verdict, "dns_query_succeeded"), Some(0.0));
    }
}

#[tokio::test]
async fn a_lost_question_is_asked_again() {
    let server = Server::start(V4, |query, _, nth| match nth {
        0 => vec![],
        _ => vec![answer(&query, &[a(2)])],
    })
    .await;
    let verdict = server.check_within(json!({}), Duration::from_secs(1)).await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    assert_eq!(server.heard.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn silence_ends_at_the_deadline_with_the_phases_so_far() {
    let server = Server::start(V4, |_, _, _| vec![]).await;
    let timeout = Duration::from_millis(120);
    let verdict = server.check_within(json!({}), timeout).await;
    assert_eq!(
        (verdict.outcome, verdict.reason),
        (Outcome::Fail, Some(Reason::Timeout))
    );
    assert_eq!(
        verdict.message,
        format!("DNS query failed: no answer from {} within 120ms", server.at)
    );
    assert!(verdict.phases.get(Phase::FirstByte).unwrap() >= timeout);
    assert_eq!(server.heard.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_connection_that_promises_bytes_and_sends_none_ends_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks: Tasks = Tasks::child_of(&CancellationToken::new());
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_u16(u16::MAX).await.unwrap();
        stream.write_all(&[0]).await.unwrap();
        std::future::pending::<()>().await;
    });
    let own = json!({"host": "127.0.0.1", "port": port, "dns-target": "a", "dns-transport": "tcp"});
    let verdict = once("dns", own, Duration::from_millis(100)).await;
    assert_eq!(verdict.reason, Some(Reason::Timeout), "{verdict:?}");
}

#[tokio::test]
async fn a_closed_port_is_a_refusal_at_once() {
    let port = UdpSocket::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for transport in ["udp", "tcp"] {
        let own = json!({"host": "127.0.0.1", "port": port, "dns-target": "a", "dns-transport": transport});
        let verdict = once("dns", own, AMPLE).await;
        assert_eq!(
            (verdict.outcome, verdict.reason),
            (Outcome::Fail, Some(Reason::Refused)),
            "{verdict:?}"
        );
    }
}

#[tokio::test]
async fn records_of_every_shape_are_read() {
    let server = Server::start(V4, |query, _, _| vec![answer_of_many_types(query).to_vec().unwrap()]).await;
    for expect in [
        r"AAAA\t::1$",
        r"CNAME\ta\.example\.com\.$",
        r"MX\t10 mx\.example\.com\.$",
        r"TXT\ta b$",
        r"SRV\t1 2 3 srv\.example\.com\.$",
        r#"CAA\t128 issue ";"$"#,
        r"SOA\tns\.example\.com\. root\.example\.com\. 20260101 1 2 3 4$",
        r"DS\t1 2 3 04$",
    ] {
        let verdict = server.check(json!({"dns-record-type": "ANY", "expect": expect})).await;
        assert_eq!(verdict.outcome, Outcome::Pass, "{expect}: {}", verdict.message);
    }
}

#[tokio::test]
async fn the_serial_of_a_zone_is_a_fact() {
    let server = Server::with_records(vec![record(RData::SOA(soa()))]).await;
    let verdict = server.check(json!({"dns-record-type": "SOA"})).await;
    assert_eq!(fact(&verdict, "dns_serial"), Some(20_260_101.0));
}

#[tokio::test]
async fn runs_that_time_out_leak_nothing() {
    const RUNS: usize = 1000;
    let server = Server::start(V4, |_, _, _| vec![]).await;
    let monitor = monitor("dns", server.definition(&json!({})));
    let cx = cx();
    let before = open_descriptors();
    for _ in 0..RUNS / 100 {
        let batch = (0..100).map(|_| run(&cx, monitor.as_ref(), Duration::from_millis(3)));
        for verdict in futures_util::future::join_all(batch).await {
            assert_eq!(verdict.reason, Some(Reason::Timeout));
        }
    }
    assert!(open_descriptors() < before + RUNS / 2);
}

#[test]
fn every_problem_names_its_field() {
    let fields = |own| {
        found_problems("dns", own)
            .into_iter()
            .map(|p| p.field)
            .collect::<Vec<_>>()
    };
    let all_wrong = json!({
        "dns-record-type": "AAAAA", "dns-rcode": "OOPS", "expect": "(", "dns-target": format!("{}.com", "a".repeat(64)),
    });
    assert_eq!(
        fields(all_wrong),
        ["host", "dns-target", "dns-record-type", "dns-rcode", "expect"]
    );
    let found = found_problems("dns", json!({"host": "h"}));
    assert_eq!(found[0].field, "dns-target");
    assert_eq!(found[0].message, "No DNS target configured!");
    assert_eq!(
        fields(json!({"host": "h", "dns-target": "t", "dns-record-type": "AXFR"})),
        ["dns-record-type"]
    );
    assert_eq!(fields(json!({"host": "h", "dns-target": "t", "port": 65536})), ["port"]);
    assert_eq!(
        fields(json!({"host": "h", "dns-target": "t", "dns-transport": "pigeon"})),
        ["dns-transport"]
    );
}

#[test]
fn the_target_says_type_name_and_server() {
    let target = |own| monitor("dns", own).target();
    assert_eq!(target(json!({"host": "ns1", "dns-target": "a.b"})), "A a.b @ns1");
    assert_eq!(
        target(json!({"host": "::1", "port": 5353, "dns-target": "a.b", "dns-record-type": "mx"})),
        "MX a.b @[::1]:5353"
    );
}
