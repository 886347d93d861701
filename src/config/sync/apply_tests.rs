//! Tests of applying plans to a store in memory.

use std::sync::LazyLock;

use super::*;
use crate::config::definition::Strictness;
use crate::config::files::load_text;
use crate::config::report::Colour;
use crate::config::sync::{End, lines, render_plan};
use crate::config::testing;
use crate::store::in_memory;

static KINDS: LazyLock<Kinds> = LazyLock::new(testing::kinds);

const TWO: &str = "alerter:\n  ops: {type: pager, options: {token: hush}}\nmonitor:\n  web: {type: tiny, host: h, interval: 10s, critical-alerter: [ops]}\n";

fn author() -> Author {
    Author {
        by: "test".to_owned(),
        at: WallMs(1),
    }
}

fn load(text: &str) -> Loaded {
    load_text("a.yaml", text, &KINDS, Strictness::Lenient)
}

async fn run(store: &Store, text: &str, options: Options) -> Report {
    apply_loaded(store, &KINDS, &load(text), options, &author(), |_, _| {})
        .await
        .unwrap()
}

async fn names(store: &Store) -> Vec<String> {
    let stored = stored(store).await.unwrap();
    stored.alerters.into_keys().chain(stored.monitors.into_keys()).collect()
}

#[tokio::test]
async fn a_first_run_pushes_and_a_second_one_skips_in_the_words_of_the_original() {
    let (store, _faults) = in_memory();
    let first = run(&store, TWO, Options::default()).await;
    assert_eq!(first.end(), End::Done);
    assert_eq!(
        lines(&first, Options::default()),
        [
            ":party: Successfully pushed 1 monitor config(s) and 1 alerter config(s)",
            "Successfully skipped replacing 0 monitor config(s) and 0 alerter config(s)",
            "Successfully removed 0 monitor config(s) and 0 alerter config(s)",
        ]
    );
    assert_eq!(render_plan(&first.plan, Colour::Off), "+ alerter ops\n+ monitor web\n");
    let second = run(&store, TWO, Options::default()).await;
    assert_eq!(
        lines(&second, Options::default())[..2],
        [
            ":party: Successfully pushed 0 monitor config(s) and 0 alerter config(s)",
            "Successfully skipped replacing 1 monitor config(s) and 1 alerter config(s)",
        ]
    );
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_says_what_it_would() {
    let (store, _faults) = in_memory();
    run(&store, TWO, Options::default()).await;
    let dry = Options {
        dryrun: true,
        ..Options::default()
    };
    let text = "alerter:\n  ops: {type: pager, options: {token: other}}\n";
    let report = run(&store, text, dry).await;
    assert_eq!(
        lines(&report, dry),
        [
            "DRYRUN: Would have pushed 0 monitor config(s) and 1 alerter config(s)",
            "DRYRUN: Would have skipped replacing 0 monitor config(s) and 0 alerter config(s)",
            "DRYRUN: Would have removed 1 monitor config(s) and 0 alerter config(s)",
        ]
    );
    assert_eq!(
        render_plan(&report.plan, Colour::Off),
        "~ alerter ops\n    options.token: changed (secret)\n- monitor web\n"
    );
    assert_eq!(names(&store).await, ["ops", "web"]);
    assert_eq!(run(&store, TWO, dry).await.skipped.sum(), 2);
}

#[tokio::test]
async fn a_refused_plan_changes_nothing() {
    let (store, _faults) = in_memory();
    run(&store, TWO, Options::default()).await;
    let report = run(&store, "# nothing\n", Options::default()).await;
    assert_eq!((report.end(), report.applied), (End::Refused, false));
    assert!(lines(&report, Options::default())[0].starts_with("Refused: there are no definitions in the files"));
    assert_eq!(names(&store).await, ["ops", "web"]);
    let yes = Options {
        yes: true,
        ..Options::default()
    };
    let report = run(&store, "# nothing\n", yes).await;
    assert_eq!(report.removed.sum(), 2);
    let stored = stored(&store).await.unwrap();
    assert!(stored.alerters.is_empty() && stored.retired.contains_key("ops"));
}

#[tokio::test]
async fn a_file_that_does_not_parse_never_removes_its_entries() {
    let (store, _faults) = in_memory();
    run(&store, TWO, Options::default()).await;
    let yes = Options {
        yes: true,
        ..Options::default()
    };
    let report = run(&store, "monitor: 'open\n", yes).await;
    assert_eq!((report.end(), report.removed.sum()), (End::Problems, 0));
    assert_eq!(names(&store).await, ["ops", "web"]);
}

#[tokio::test]
async fn an_entry_with_an_error_keeps_its_stored_version() {
    let (store, _faults) = in_memory();
    run(&store, TWO, Options::default()).await;
    let report = run(&store, &TWO.replace("10s", "0s"), Options::default()).await;
    assert_eq!(
        (report.end(), report.pushed.sum(), report.removed.sum()),
        (End::Problems, 0, 0)
    );
    assert_eq!(stored(&store).await.unwrap().monitors["web"].spec["interval"], "10s");
}

#[tokio::test]
async fn a_request_is_judged_by_the_server_and_gives_the_same_report() {
    let (store, _faults) = in_memory();
    let text = format!(
        "{TWO}  bad: {{type: tinny, interval: 1s}}\n  odd: {{type: tiny, host: h, interval: 1s, warning-alerter: [opps]}}\n"
    );
    let request = SyncRequest::new(&load(&text), "conf", Options::default());
    let sent = serde_json::to_vec(&request).unwrap();
    let request: SyncRequest = serde_json::from_slice(&sent).unwrap();
    let report = apply_request(&store, &KINDS, request, &author(), |_, _| {})
        .await
        .unwrap();
    assert_eq!(
        (report.end(), report.pushed, report.found.sum()),
        (End::Problems, Counts { monitor: 2, alerter: 1 }, 4)
    );
    let said: Vec<_> = report.plan.problems.iter().map(|p| p.message.as_str()).collect();
    assert_eq!(
        said,
        [
            "No such monitor type found 'tinny'",
            "names the alerter `opps`, which does not exist"
        ]
    );
    assert_eq!(stored(&store).await.unwrap().monitors["web"].origin, "cfg:a.yaml");
    let json = serde_json::to_string(&report).unwrap();
    assert!(!json.contains("hush"));
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

#[test]
fn a_misspelt_option_is_refused() {
    let body = r#"{"monitor": {}, "options": {"dry-run": true}}"#;
    assert!(serde_json::from_str::<SyncRequest>(body).is_err());
    assert!(serde_json::from_str::<SyncRequest>(r#"{"monitor": {}, "alerter": {}, "origin": "d"}"#).is_ok());
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let (store, _faults) = in_memory();
    let loaded = load(TWO);
    let before = stored(&store).await.unwrap();
    let planned = plan(&Local::from(&loaded), &before, Options::default(), &KINDS);
    run(&store, &TWO.replace("10s", "20s"), Options::default()).await;
    let report = carry_out(
        &store,
        planned,
        Counts::default(),
        &[],
        Options::default(),
        &author(),
        |_, _| {},
    )
    .await;
    assert_eq!((report.errors.len(), report.end()), (2, End::Problems));
    assert!(report.errors[1].contains("monitor web was changed by somebody else"));
    assert_eq!(stored(&store).await.unwrap().monitors["web"].spec["interval"], "20s");
}

#[tokio::test]
async fn a_damaged_record_is_mended() {
    let (store, _faults) = in_memory();
    let key = keys::monitor(&crate::model::MonitorName::parse("web").unwrap());
    let commit = crate::store::Commit {
        guards: Vec::new(),
        ops: vec![crate::store::Op::Put(key, "{".into(), None)],
    };
    assert!(store.commit(commit).await.revision().is_some());
    assert_eq!(
        run(&store, TWO, Options::default()).await.plan.monitor.changed[0].name,
        "web"
    );
    assert_eq!(stored(&store).await.unwrap().monitors["web"].spec["type"], "tiny");
}
