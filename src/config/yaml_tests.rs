//! Tests of the YAML dialect.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn value(text: &str) -> Value {
    let parsed = parse(text);
    assert_eq!(parsed.complaints, [], "{text}");
    parsed.root.map_or(Value::Null, |root| root.value())
}

fn error(text: &str) -> Complaint {
    let mut parsed = parse(text);
    assert!(
        parsed.failed(),
        "{text:?} is read as {:?}",
        parsed.root.map(|r| r.value())
    );
    parsed.complaints.pop().unwrap()
}

fn at(line: u32, column: u32) -> Mark {
    Mark { line, column }
}

#[test]
fn the_dialect_is_that_of_the_original() {
    assert_eq!(
        value("disable: yes\nssl: on\nquoted: 'yes'\non: y\n123: n\n010: 0x10\nnothing:\nlist: [~, a]\n"),
        json!({"disable": true, "ssl": true, "quoted": "yes", "true": true, "123": false, "8": 16, "nothing": null, "list": [null, "a"]})
    );
    assert_eq!(
        value("a: &x {b: 1}\nc: *x\n<<: *x\n"),
        json!({"a": {"b": 1}, "c": {"b": 1}, "<<": {"b": 1}})
    );
    assert_eq!(
        value("a: !!str 1\nb: !!int '2'\nc: ! 3\n"),
        json!({"a": "1", "b": 2, "c": "3"})
    );
    assert_eq!(
        value("a: |\n  x\n  y\nb: >\n  x\n  y\n"),
        json!({"a": "x\ny\n", "b": "x y\n"})
    );
    assert_eq!(value("\u{feff}a: 1\r\nb: 2\r\n"), json!({"a": 1, "b": 2}));
    assert_eq!(value("# nothing but a comment\n"), Value::Null);
}

#[test]
fn only_the_first_document_is_read_and_that_is_said() {
    let parsed = parse("a: 1\n---\nb: 2\n");
    assert_eq!(parsed.root.unwrap().value(), json!({"a": 1}));
    assert_eq!(parsed.complaints.len(), 1);
    assert_eq!(
        (parsed.complaints[0].severity, parsed.complaints[0].mark),
        (Severity::Warning, at(2, 1))
    );
    assert_eq!(value("---\na: 1\n...\n"), json!({"a": 1}));
}

#[test]
fn a_key_that_stands_twice_is_taken_last_with_a_warning_about_both_lines() {
    let parsed = parse("m:\n  web: 1\n  db: 2\n  web: 3\n");
    let root = parsed.root.unwrap();
    assert_eq!(root.value(), json!({"m": {"db": 2, "web": 3}}));
    assert_eq!(parsed.complaints[0].mark, at(4, 3));
    assert!(
        parsed.complaints[0].message.contains("line 2"),
        "{:?}",
        parsed.complaints
    );
    assert_eq!(root.find("m.web"), Some(at(4, 3)));
}

#[test]
fn every_field_has_a_place() {
    let parsed = parse("monitor:\n  web.site:\n    Headers: {accept: x}\n    tags: [a,\n      b]\n");
    let root = parsed.root.unwrap();
    assert_eq!(root.find("monitor"), Some(at(1, 1)));
    assert_eq!(root.find("monitor.web.site.headers.accept"), Some(at(3, 15)));
    assert_eq!(root.find("monitor.web.site.tags[1]"), Some(at(5, 7)));
    assert_eq!(root.find("monitor.web.site.tags.0"), Some(at(4, 12)));
    assert_eq!(root.find("monitor.web.site.gone"), Some(at(2, 3)));
    assert_eq!(root.find("alerter"), None);
}

#[test]
fn broken_text_is_refused_with_its_place() {
    assert_eq!(error("a: 'x\nb: 1\n").mark, at(1, 4));
    assert_eq!(error("a: \"x\nb: 1\n").mark, at(1, 4));
    let tab = error("a:\n\tb: 1\n");
    assert_eq!((tab.mark.line, tab.fix.as_str()), (2, "indent with spaces"));
    assert_eq!(error("a: b: c\n").mark.line, 1);
    assert_eq!(error("a: [1, 2\n").mark, at(1, 4));
    assert_eq!(error("a: @b\n").mark, at(1, 4));
    assert_eq!(error("a: 1\nb\nc: 2\n").mark.line, 2);
    assert_eq!(error("a: *nowhere\n").mark, at(1, 4));
    assert_eq!(error("[a]: 1\n").message, "a list or a map cannot be a key");
}

#[test]
fn a_nul_byte_does_not_cut_the_file_short() {
    assert_eq!(error("a: 1\nb: x\0y\nc: 3\n").mark, at(2, 5));
}

#[test]
fn alias_bombs_are_refused_before_they_grow() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let row = vec![format!("*a{}", n - 1); 9].join(", ");
        bomb.push_str(&format!("a{n}: &a{n} [{row}]\n"));
    }
    assert!(error(&bomb).message.contains("aliases"));
    let long = "x".repeat(10_000);
    let many = vec!["*t"; 100_000].join(", ");
    assert!(
        error(&format!("t: &t {long}\nl: [{many}]\n"))
            .message
            .contains("aliases")
    );
    assert!(error("a: &a [*a]\n").message.contains("alias"));
}

#[test]
fn deep_nesting_is_refused_also_through_aliases() {
    assert!(error(&"[".repeat(100_000)).message.contains("nested deeper"));
    let mut chain = String::from("a0: &a0 [x]\n");
    for n in 1..1_000 {
        chain.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
    }
    assert!(error(&chain).message.contains("nested deeper"));
}

#[test]
fn anchors_that_are_used_a_few_thousand_times_are_fine() {
    let mut text = String::from("t: &t {type: tcp, tags: [a, b]}\nm:\n");
    for n in 0..5_000 {
        text.push_str(&format!("  m{n}: *t\n"));
    }
    assert_eq!(value(&text)["m"]["m4999"]["type"], json!("tcp"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_yamlish_text_panics(text in "([ \t\n]|[-?:,\\[\\]{}#&*!|>'\"%@`~]|[a-z0]|: |- |<<|---\n|\\.\\.\\.){0,60}") {
        let parsed = parse(&text);
        if let Some(root) = parsed.root {
            let _ = root.value();
            let _ = root.find("a.b[0].c");
        }
    }

    #[test]
    fn json_is_yaml(keys in prop::collection::vec("[a-z]{1,8}", 0..6), number in any::<i64>()) {
        let map: Map<String, Value> = keys.into_iter().map(|key| (key, json!([number, "x: y", null, true]))).collect();
        let json = Value::Object(map);
        prop_assert_eq!(value(&json.to_string()), json);
    }
}
