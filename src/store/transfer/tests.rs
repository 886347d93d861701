//! Out of one store, into another.

use super::*;
use crate::model::WallMs;
use crate::store::backend::{Commit, Guard, LeaseId, Op, Outcome};
use crate::store::{in_memory, open_embedded, open_etcd};
use bytes::Bytes;
use std::io::{self, BufRead, Cursor, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

fn put(key: &str, value: &'static str, lease: Option<LeaseId>) -> Commit {
    Commit {
        guards: vec![Guard::Absent(Key::new(key))],
        ops: vec![Op::Put(Key::new(key), Bytes::from_static(value.as_bytes()), lease)],
    }
}

const TRAVEL: [(&str, &str); 8] = [
    ("alerter/ops", r#"{"v":1,"spec":{"options":{"token":"hunter2"}}}"#),
    ("checkpoint/web", r#"{"v":1,"status":"critical"}"#),
    ("cluster/intent/m1", r#"{"v":1,"drain":true}"#),
    ("monitor/a%2Fb", "{\"v\":1,\n \"spec\":{}}"),
    ("monitor/web", r#"{"v":1,"spec":{"port":  1.50}}"#),
    ("outbox/ops/web", r#"{"v":1,"seq":1}"#),
    ("past/000000000005000-web", "not even JSON, \"quoted\"\n"),
    ("told/ops/web", r#"{"v":1}"#),
];

/// A store that holds one of everything, also of what stays.
async fn fill(store: &Store) {
    store.identity().await.unwrap();
    let lease = store.grant(std::time::Duration::from_secs(60)).await.unwrap().id;
    let mut commits: Vec<_> = TRAVEL.iter().map(|(key, value)| put(key, value, None)).collect();
    commits.push(put("plan/untagged/table", "{}", None));
    commits.push(put("plan/untagged/seat/m1", "1-1", None));
    commits.push(put("event/1-m1-1", "{}", Some(lease)));
    commits.push(put("standin/copy", "{}", None));
    commits.push(put("cluster/members/m1", "{}", Some(lease)));
    commits.push(put("cluster/director", "m1", Some(lease)));
    for outcome in store.bulk(commits, |_| {}).await {
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }
}

async fn into_file(store: &Store) -> Vec<u8> {
    file_of(&Export::of(store).all().await.unwrap())
}

fn file_of(records: &[Record]) -> Vec<u8> {
    let mut file = Vec::new();
    write_header(&mut file, &Header::new("id".to_owned(), Revision(7), WallMs(1))).unwrap();
    for record in records {
        assert!(write_record(&mut file, record).unwrap());
    }
    write_trailer(&mut file, records.len()).unwrap();
    file
}

fn read(file: impl Into<Vec<u8>>) -> Result<Checked<Cursor<Vec<u8>>>, FileError> {
    check(Cursor::new(file.into()))
}

fn sound(file: impl Into<Vec<u8>>) -> Checked<Cursor<Vec<u8>>> {
    let read = read(file).unwrap();
    assert_eq!(read.damage, (Vec::new(), 0));
    read
}

fn record(key: &str, value: &str) -> Record {
    Record {
        key: Key::new(key),
        value: Bytes::from(value.to_owned()),
    }
}

async fn held(store: &Store) -> Vec<(String, String)> {
    let records = Export::of(store).all().await.unwrap();
    let text = |record: Record| {
        let value = String::from_utf8(record.value.to_vec()).unwrap();
        (record.key.to_string(), value)
    };
    records.into_iter().map(text).collect()
}

fn expected() -> Vec<(String, String)> {
    TRAVEL.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

async fn into_empty(store: &Store, file: impl Into<Vec<u8>>) -> Imported {
    let imported = import(store, &mut sound(file), How::IntoEmpty, false, |_, _| {}).await;
    imported.unwrap()
}

#[tokio::test]
async fn from_the_embedded_store_to_a_file_to_etcd_to_a_file_everything_is_the_same_to_the_byte() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let embedded = open_embedded(dirs[0].path()).await.unwrap();
    fill(&embedded).await;
    assert_eq!(held(&embedded).await, expected());
    let first = into_file(&embedded).await;

    let servers = crate::store::etcd::tests::server::Servers::one().await;
    let etcd = open_etcd(&servers.options("cluster")).unwrap();
    let imported = into_empty(&etcd, first.clone()).await;
    assert_eq!((imported.written, &imported.problems), (TRAVEL.len(), &Vec::new()));
    assert_eq!(held(&etcd).await, expected());
    let second = into_file(&etcd).await;
    assert_eq!(String::from_utf8(first), String::from_utf8(second));

    // And straight back.
    let other = open_embedded(dirs[1].path()).await.unwrap();
    into_empty(&other, into_file(&etcd).await).await;
    assert_eq!(held(&other).await, expected());
    // Each store is its own.
    assert_ne!(other.identity().await.unwrap(), embedded.identity().await.unwrap());
}

#[tokio::test]
async fn a_store_that_is_in_use_or_holds_something_is_refused_unless_told_otherwise() {
    let (store, _faults) = in_memory();
    fill(&store).await;
    let one = || {
        let records = ["monitor/new", "monitor/web", "silence/s"].map(|key| record(key, "{}"));
        sound(file_of(&records))
    };
    let refused = import(&store, &mut one(), How::Replace, false, |_, _| {})
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, Refused::InUse(members) if members == "m1"),
        "{refused}"
    );
    let refused = import(&store, &mut one(), How::IntoEmpty, true, |_, _| {})
        .await
        .unwrap_err();
    assert!(
        matches!(refused, Refused::NotEmpty(n) if n == TRAVEL.len()),
        "{refused}"
    );
    assert_eq!(held(&store).await, expected());

    let merged = import(&store, &mut one(), How::Merge, true, |_, _| {}).await.unwrap();
    assert_eq!((merged.written, merged.kept, merged.removed), (1, 2, 0));
    let mut more = expected();
    more.push(("monitor/new".to_owned(), "{}".to_owned()));
    more.sort();
    assert_eq!(held(&store).await, more);

    let replaced = import(&store, &mut one(), How::Replace, true, |_, _| {}).await.unwrap();
    assert_eq!(
        (replaced.written, replaced.equal, replaced.removed),
        (2, 1, TRAVEL.len() - 1)
    );
    let names: Vec<_> = held(&store).await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(names, ["monitor/new", "monitor/web", "silence/s"]);
    let members = store.list(&keys::members()).await.unwrap().1;
    assert_eq!(members.len(), 1, "what stays is not replaced");
}

#[tokio::test]
async fn settings_that_a_new_store_was_given_are_no_reason_to_refuse() {
    let (store, _faults) = in_memory();
    store.settings().await.unwrap();
    let settings = record(keys::config().as_str(), r#"{"HeartbeatInterval":"1s"}"#);
    assert_eq!(into_empty(&store, file_of(&[settings])).await.written, 1);
    let settings = store.settings().await.unwrap().value;
    assert_eq!(settings.heartbeat_interval, crate::model::Dur::from_secs(1));
}

#[tokio::test]
async fn damaged_lines_are_named_by_number_and_not_quoted() {
    let (store, _faults) = in_memory();
    fill(&store).await;
    let text = String::from_utf8(into_file(&store).await).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[2] = lines[2].replace(':', ";");
    lines[3] = r#"{"key":"cluster/members/evil","value":{}}"#.to_owned();
    lines[4] = r#"{"key":"monitor/x","value":1,"text":"1"}"#.to_owned();
    lines[6] = lines[5].clone();
    let read_back = read(lines.join("\n")).unwrap();
    let named: Vec<usize> = read_back.damage.0.iter().map(|damage| damage.line).collect();
    assert_eq!(named, [3, 4, 5, 7]);
    for damage in &read_back.damage.0 {
        assert!(!damage.to_string().contains("hunter2"), "{damage}");
    }
    // One that was cut off is damaged too, wherever.
    for cut in 1..text.lines().count() {
        let some: Vec<&str> = text.lines().take(cut).collect();
        let read_back = read(some.join("\n")).unwrap();
        assert!(!read_back.damage.0.is_empty(), "cut after line {cut}");
    }
}

#[test]
fn a_newer_format_and_something_else_are_refused() {
    let header = |format: u32, records: u32| {
        let mut header = serde_json::to_value(Header::new(String::new(), Revision(1), WallMs(1))).unwrap();
        header["format"] = format.into();
        header["records"] = records.into();
        format!("{header}\n{{\"end\":0}}\n")
    };
    assert!(read(header(1, 1)).is_ok());
    for (format, records) in [(2, 1), (1, 2), (9, 9)] {
        let error = read(header(format, records)).unwrap_err();
        assert!(matches!(error, FileError::Newer { .. }), "{error}");
    }
    for text in ["", "\n", "{}", "monitor:\n  web:\n", "[1]", "\u{0}"] {
        assert!(matches!(read(text), Err(FileError::Strange)), "{text:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_file_is_too_strange_to_be_read(lines in proptest::collection::vec("\\PC{0,60}", 0..6)) {
        let header = serde_json::to_string(&Header::new(String::new(), Revision(1), WallMs(1))).unwrap();
        let text = format!("{header}\n{}", lines.join("\n"));
        let read = read(text).unwrap();
        proptest::prop_assert!(!read.damage.0.is_empty() || lines.len() == 1);
    }

    #[test]
    fn any_text_comes_back_as_it_was(value in "\\PC{0,60}|\\{\"a\": *[0-9]{1,30}(\\.[0-9]+)?\\}|[ \\n\\r\\t\"\\\\]{0,9}") {
        let record = record("monitor/x", &value);
        let mut file = sound(file_of(std::slice::from_ref(&record)));
        let mut monitors = file.of_rank(rank(&record.key)).unwrap();
        proptest::prop_assert_eq!(monitors.next().unwrap(), Some(record));
        proptest::prop_assert_eq!(monitors.next().unwrap(), None);
    }
}

#[tokio::test]
async fn what_a_copy_has_set_aside_for_other_members_alerters_is_in_the_outbox_of_the_store_it_is_brought_to() {
    let (copy, _) = in_memory();
    let outcome = copy.commit(put("sent/ops/web", r#"{"v":1,"seq":2}"#, None)).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    let held = held(&copy).await;
    assert_eq!(held, [("outbox/ops/web".to_owned(), r#"{"v":1,"seq":2}"#.to_owned())]);
}

/// A file that tells how far it was read.
struct Watched {
    file: Cursor<Vec<u8>>,
    at: Arc<AtomicU64>,
}

impl Read for Watched {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(to)?;
        self.at.store(self.file.position(), Relaxed);
        Ok(read)
    }
}

impl BufRead for Watched {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.file.consume(n);
        self.at.store(self.file.position(), Relaxed);
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[tokio::test]
async fn a_long_file_is_written_while_it_is_read_a_batch_at_a_time() {
    let (store, _faults) = in_memory();
    let text = "x".repeat(8_000);
    let records: Vec<_> = (0..3_000).map(|n| record(&format!("monitor/m{n:04}"), &text)).collect();
    let file = file_of(&records);
    let (length, at) = (file.len() as u64, Arc::new(AtomicU64::new(0)));
    let watched = Watched {
        file: Cursor::new(file),
        at: at.clone(),
    };
    let mut checked = check(watched).unwrap();
    assert_eq!(
        at.load(Relaxed),
        length,
        "looked at to its end before anything is written"
    );
    let ahead = std::cell::Cell::new(0);
    let progress = |n: usize, of: usize| {
        assert_eq!(of, 3_000);
        let through = length * n as u64 / 3_000;
        ahead.set(ahead.get().max(at.load(Relaxed).saturating_sub(through)));
    };
    let imported = import(&store, &mut checked, How::IntoEmpty, false, progress)
        .await
        .unwrap();
    assert_eq!((imported.written, imported.problems.len()), (3_000, 0));
    assert!(
        (1..6 << 20).contains(&ahead.get()),
        "read {} bytes ahead of {length}",
        ahead.get()
    );
    assert_eq!(held(&store).await.len(), 3_000);
}

#[tokio::test]
async fn whatever_the_order_of_the_file_what_was_told_comes_before_what_is_to_be_told() {
    let (store, _faults) = in_memory();
    let order = [
        "monitor/web",
        "outbox/ops/web",
        "alerter/ops",
        "checkpoint/web",
        "told/ops/web",
        "monitor/a",
        "silence/s",
    ];
    let imported = into_empty(&store, file_of(&order.map(|key| record(key, "{}")))).await;
    assert_eq!(imported.written, order.len());
    let (_, mut entries) = store.list(&keys::all()).await.unwrap();
    entries.retain(|entry| travels(&entry.key));
    entries.sort_by_key(|entry| entry.rev);
    let written: Vec<_> = entries.iter().map(|entry| rank(&entry.key)).collect();
    assert!(written.is_sorted(), "{entries:?}");
}

#[tokio::test]
async fn a_file_that_changes_under_the_import_is_a_problem_and_nothing_is_removed() {
    let (store, _faults) = in_memory();
    fill(&store).await;
    let mut file = sound(file_of(&[record("monitor/new", "{}"), record("monitor/newer", "{}")]));
    let text = String::from_utf8(file_of(&[record("monitor/new", "{}"), record("monitor/newer", "??")])).unwrap();
    file.changes_to(Cursor::new(text.replace("\"??\"", "oops").into_bytes()));
    let imported = import(&store, &mut file, How::Replace, true, |_, _| {}).await.unwrap();
    assert_eq!((imported.written, imported.removed), (1, 0));
    assert_eq!(imported.problems, ["line 3: the file was changed while it was read"]);
}
