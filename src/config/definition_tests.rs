//! Tests of reading one definition, with small kinds.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::config::testing::kinds;
use crate::model::Dur;

fn read(spec: Value) -> Read<MonitorDef> {
    kinds().read_monitor("web", &spec, Strictness::Lenient)
}

/// The problems as they are shown, without the entry.
fn said(spec: Value) -> Vec<String> {
    let shown = |p: &Problem| p.to_string().replace("monitor web: ", "").replace("alerter ops: ", "");
    read(spec).problems.iter().map(shown).collect()
}

fn def(spec: Value) -> MonitorDef {
    let read = read(spec);
    assert_eq!(read.problems, []);
    read.value.unwrap()
}

fn spec(more: Value) -> Value {
    let mut spec = json!({"type": "tiny", "host": "h", "interval": "10s"});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

#[test]
fn a_definition_in_any_case_is_read() {
    let def = def(json!({
        "TYPE": "tiny", "Host": "h", "Interval": 10_000_000_000_u64, "TAGS": ["a"], "warning-threshold": 1, "Critical-Threshold": 3,
        "Warning-Alerter": ["ops"], "headers": {"X-Y": "z"}, "description": null, "timeout": null
    }));
    assert_eq!(def.settings.interval, Dur::from_secs(10));
    assert_eq!(def.settings.tags, ["a"]);
    assert_eq!(def.settings.warning_alerter[0].as_str(), "ops");
    assert!(def.check.target().contains("X-Y"));
}

#[test]
fn common_rules_have_the_words_of_the_original() {
    let starts = |more: Value, text: &str| {
        let said = said(spec(more));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with(text), "{}", said[0]);
    };
    starts(json!({"interval": 0}), "error: `interval`: 'interval' must be > 0s");
    starts(
        json!({"interval": null}),
        "error: `interval`: 'interval' must be > 0s; it is missing",
    );
    starts(
        json!({"interval": 1}),
        "error: `interval`: 'interval' (1ns) must be at least 1ms",
    );
    starts(
        json!({"interval": "-1s"}),
        "error: `interval`: a duration cannot be negative",
    );
    starts(json!({"interval": "300y"}), "error: `interval`: `300y` is too long");
    starts(
        json!({"warning-threshold": -1}),
        "error: `warning-threshold`: 'warning-threshold' must be larger or equal to 0",
    );
    starts(
        json!({"critical-threshold": -1}),
        "error: `critical-threshold`: 'critical-threshold' must be larger or equal to 0",
    );
    starts(
        json!({"warning-threshold": 1}),
        "error: `warning-threshold`: 'warning-threshold' (1) cannot be larger than 'critical-threshold' (0)",
    );
    starts(
        json!({"port": 65_536}),
        "error: `port`: 'port' must be between 0 and 65535; it is 65536",
    );
    starts(json!({"port": -1}), "error: `port`: 'port' must be between 0 and 65535");
    starts(
        json!({"timeout": "10s"}),
        "error: `timeout`: 'timeout' (10s) cannot equal or exceed 'interval' (10s)",
    );
    starts(
        json!({"runbook": "wiki/web"}),
        "error: `runbook`: 'runbook' must be the URL of a page",
    );
    starts(json!({"runbook": "javascript:alert(1)"}), "error: `runbook`");
    starts(
        json!({"critical-alerter": ["a/b"]}),
        "error: `critical-alerter[0]`: a name cannot contain `/`",
    );
    starts(json!({"expect": "worse"}), "error: `expect`: 'expect' is worse");
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let said = said(json!({
        "type": "tiny", "interval": "zzz", "timeout": 1.5, "warning-threshold": 1, "disable": "yes", "port": "80", "expect": 5, "args": "x", "colour": 1
    }));
    for part in [
        "`colour`: unknown key",
        "`interval`: `zzz` is no duration",
        "`timeout`: ",
        "`disable`: is the text \"yes\"; true or false is expected; write `true` or `false` without quotes",
        "'warning-threshold' (1) cannot be larger",
        "'host' is missing",
        "`port`: is the text \"80\"; a whole number is expected; write it without quotes: `port: 80`",
        "`expect`: is the number 5; a text is expected; put it into quotes: `expect: \"5\"`",
        "`args`: is the text \"x\"; a list is expected; write a list: `args: [x]`",
    ] {
        assert_eq!(
            said.iter().filter(|said| said.contains(part)).count(),
            1,
            "{part} in {said:#?}"
        );
    }
    assert_eq!(said.len(), 9, "{said:#?}");
}

#[test]
fn an_unknown_kind_is_an_error_with_a_suggestion_and_the_list() {
    let said = said(json!({"type": "tinny", "interval": "10s", "port": 22}));
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(
        said[0],
        "error: `type`: No such monitor type found 'tinny'; did you mean `tiny`? Known are tiny"
    );
}

#[test]
fn unknown_keys_warn_or_are_errors_when_strict() {
    let odd = spec(json!({"intervall": "1s", "tags": ["x"]}));
    let lenient = read(odd.clone());
    assert!(lenient.value.is_some());
    assert_eq!(
        lenient.problems[0].to_string(),
        "warning: monitor web: `intervall`: unknown key; it is ignored; did you mean `interval`?"
    );
    let strict = kinds().read_monitor("web", &odd, Strictness::Strict);
    assert!(strict.value.is_none() && strict.failed());
}

#[test]
fn what_is_no_map_is_an_error_and_not_a_crash() {
    assert_eq!(said(Value::Null).len(), 1);
    assert!(said(json!([1]))[0].contains("is a list; a map of keys is expected"));
    assert!(
        kinds()
            .read_monitor("a/b", &Value::Null, Strictness::Lenient)
            .problems
            .len()
            == 2
    );
}

#[test]
fn a_disabled_monitor_that_could_not_run_is_a_warning() {
    let read = read(json!({"type": "ssh", "interval": "10s", "disable": true}));
    assert!(read.value.is_none() && !read.failed());
    assert_eq!(read.problems.len(), 1);
    assert!(self::read(spec(json!({"disable": true, "interval": 0}))).failed());
}

#[test]
fn a_run_always_ends_before_the_next_is_due() {
    let budget = |more: Value| def(spec(more)).budget;
    assert_eq!(budget(json!({})), Duration::from_secs(4));
    assert_eq!(budget(json!({"interval": "3s"})), Duration::from_millis(2_700));
    assert_eq!(budget(json!({"interval": "1ms"})), Duration::from_micros(900));
    assert_eq!(budget(json!({"timeout": "9900ms"})), Duration::from_millis(9_900));
    assert_eq!(budget(json!({"timeout": 0})), Duration::from_secs(4));
    assert_eq!(budget(json!({"read-timeout": "2s"})), Duration::from_secs(6));
    assert_eq!(budget(json!({"read-timeout": "20s"})), Duration::from_secs(9));
}

#[test]
fn measured_changes_with_what_is_measured_and_with_nothing_else() {
    let measured = |more: Value| def(spec(more)).measured;
    let base = measured(json!({"args": ["a", "b"]}));
    for same in [
        json!({"interval": "20s", "timeout": "1s", "tags": ["x"], "description": "d", "critical-threshold": 3, "critical-alerter": ["ops"]}),
        json!({"ARGS": null}),
    ] {
        let mut more = same;
        more["args"] = json!(["a", "b"]);
        assert_eq!(measured(more.clone()), base, "{more}");
    }
    for other in [
        json!({"args": ["ab"]}),
        json!({"args": ["a"], "expect": "b"}),
        json!({"args": ["a", "b"], "member-tag": "eu"}),
    ] {
        assert_ne!(measured(other.clone()), base, "{other}");
    }
    // Stored with open episodes: a new version that calculates it otherwise would close them all.
    assert_eq!(base, 1_924_128_352_647_961_172);
}

fn alerter_said(spec: Value) -> Vec<String> {
    let read = kinds().read_alerter("ops", &spec, Strictness::Lenient);
    read.problems
        .iter()
        .map(|p| p.to_string().replace("alerter ops: ", ""))
        .collect()
}

#[test]
fn alerters_are_read_with_their_options() {
    let spec = json!({"type": "pager", "Options": {"TOKEN": "t", "channel": "odd"}});
    let read = kinds().read_alerter("ops", &spec, Strictness::Lenient);
    assert!(read.value.is_some());
    assert_eq!(
        read.problems[0].to_string(),
        "warning: alerter ops: `options.channel`: is odd"
    );
}

#[test]
fn alerters_say_what_is_wrong() {
    assert_eq!(
        alerter_said(json!({"type": "pager"})),
        ["error: `options.token`: 'token' must be present in options; add `token:` below `options:`"]
    );
    assert_eq!(
        alerter_said(json!({"type": "pager", "token": "t", "options": {"token": "t"}})),
        ["warning: `token`: unknown key; it is ignored; write `token` below `options:`"]
    );
    assert!(alerter_said(json!({"type": "pagre"}))[0].contains("did you mean `pager`?"));
    assert_eq!(alerter_said(Value::Null).len(), 1);
    assert_eq!(alerter_said(json!({"type": "pager", "options": "x"})).len(), 1);
}

#[test]
fn a_secret_of_the_wrong_type_is_not_repeated() {
    let said = alerter_said(json!({"type": "pager", "options": {"token": 4711, "door": 4712, "channel": 4713}}));
    assert_eq!(
        said,
        [
            "error: `options.token`: is a number; a text is expected; put it into quotes: `token: \"…\"`",
            "error: `options.door`: is a number; a text is expected; put it into quotes: `door: \"…\"`",
            "error: `options.channel`: is the number 4713; a text is expected; put it into quotes: `channel: \"4713\"`",
        ]
    );
}

#[test]
fn secrets_of_a_kind_are_masked_by_its_schema() {
    use crate::config::mask::{Section, mask_with};
    let spec = json!({"type": "pager", "options": {"door": "open", "channel": "ops"}});
    let masked = mask_with(&kinds(), Section::Alerter, &spec);
    assert_eq!(
        masked,
        json!({"type": "pager", "options": {"door": crate::model::MASK, "channel": "ops"}})
    );
}
