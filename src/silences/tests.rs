use proptest::prelude::*;

use super::*;

fn spec(field: &str, op: &str, value: &str) -> MatcherSpec {
    MatcherSpec {
        field: field.into(),
        op: op.into(),
        value: value.into(),
    }
}

fn silence(id: &str, specs: &[MatcherSpec], from: i64, until: i64) -> Silence {
    Silence::read(id, specs, WallMs(from), WallMs(until), "ann", "why").unwrap()
}

/// Whether `spec` holds for a monitor `web-1` of kind `http` with the tags `prod` and `eu`.
fn holds(field: &str, op: &str, value: &str) -> bool {
    let tags = ["prod".to_owned(), "eu".to_owned()];
    Matcher::read(&spec(field, op, value))
        .unwrap()
        .matches("web-1", &tags, "http")
}

#[test]
fn every_op_compares_the_whole_text() {
    for (op, value, expected) in [
        ("=", "web-1", true),
        ("=", "web", false),
        ("!=", "web-1", false),
        ("!=", "web", true),
        ("glob", "web-*", true),
        ("glob", "web", false),
        ("glob", "w?b-[0-9]", true),
        ("glob", "{db,web}-*", true),
        ("=~", "web-[0-9]+", true),
        ("=~", "web", false),
        ("=~", "web|web-1", true),
        ("!~", "db-.*", true),
        ("!~", "web-.*", false),
    ] {
        assert_eq!(holds("name", op, value), expected, "{op} {value}");
    }
    assert!(holds("type", "=", "http"));
    assert!(!holds("type", "=", "tcp"));
}

#[test]
fn a_tag_matches_if_one_does_and_differs_if_none_is_equal() {
    assert!(holds("tag", "=", "eu"));
    assert!(holds("tag", "glob", "pr*"));
    assert!(!holds("tag", "!=", "eu"), "one of the tags is eu");
    assert!(holds("tag", "!=", "us"));
    assert!(!holds("tag", "!~", "e."));
    let untagged = Matcher::read(&spec("tag", "!=", "eu")).unwrap();
    assert!(untagged.matches("web", &[], "http"));
}

#[test]
fn all_matchers_have_to_match() {
    let both = silence("s", &[spec("name", "glob", "web-*"), spec("type", "=", "tcp")], 0, 10);
    assert!(both.matches("web-1", &[], "tcp"));
    assert!(!both.matches("web-1", &[], "http"));
}

#[test]
fn everything_wrong_is_said_at_once_with_field_and_fix() {
    let problems = Silence::read(
        "s",
        &[
            spec("nmae", "=", "x"),
            spec("tag", "==", "x"),
            spec("name", "=~", "a)|(b"),
            spec("name", "=~", "((a{500}){500}){500}"),
            spec("name", "glob", "[z"),
        ],
        WallMs(5),
        WallMs(5),
        "",
        "",
    )
    .unwrap_err();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for (n, part) in ["`until`", "did you mean `name`?", "did you mean `=`?"]
        .iter()
        .enumerate()
    {
        assert!(said[n].contains(part), "{}", said[n]);
    }
    assert!(
        said[3].contains("matchers.2.value") && said[3].contains("no regex"),
        "{}",
        said[3]
    );
    assert!(said[4].contains("too large"), "{}", said[4]);
    assert!(said[5].contains("no glob"), "{}", said[5]);
    assert!(
        Silence::read("s", &[], WallMs(0), WallMs(1), "", "").unwrap_err()[0]
            .fix
            .contains("glob")
    );
    let many = vec![spec("name", "=", "x"); MAX_MATCHERS + 1];
    assert!(Silence::read("s", &many, WallMs(0), WallMs(1), "", "").is_err());
    let long = spec("name", "=", &"x".repeat(MAX_VALUE + 1));
    assert!(Matcher::read(&long).is_err());
}

#[test]
fn the_longest_of_several_silences_is_named() {
    let mut set = SilenceSet::default();
    set.put(silence("short", &[spec("name", "=", "web")], 0, 10));
    set.put(silence("long", &[spec("type", "=", "http")], 0, 20));
    set.put(silence("later", &[spec("name", "=", "web")], 15, 90));
    set.put(silence("other", &[spec("name", "=", "db")], 0, 99));
    let muted = |now| set.muted_by("web", &[], "http", WallMs(now));
    assert_eq!(muted(5), Some(("long", WallMs(20))));
    assert_eq!(muted(16), Some(("later", WallMs(90))));
    assert_eq!(muted(90), None, "the end is no longer inside");
    assert_eq!(set.next_change(WallMs(5)), Some(WallMs(10)));
    assert_eq!(set.next_change(WallMs(99)), None);
    set.remove("long");
    assert_eq!(set.muted_by("web", &[], "http", WallMs(12)), None);
}

proptest! {
    #[test]
    fn no_matcher_panics_and_a_pair_of_opposites_is_one(
        field in "name|tag|type|\\PC{0,6}",
        value in "\\PC{0,20}",
        name in "\\PC{0,12}",
        tags in proptest::collection::vec("\\PC{0,6}", 0..4),
    ) {
        for (op, not) in [("=", "!="), ("=~", "!~")] {
            let pair = (Matcher::read(&spec(&field, op, &value)), Matcher::read(&spec(&field, not, &value)));
            if let (Ok(yes), Ok(no)) = pair {
                prop_assert_ne!(yes.matches(&name, &tags, "http"), no.matches(&name, &tags, "http"));
            }
        }
        let _ = Matcher::read(&spec(&field, "glob", &value)).map(|m| m.matches(&name, &tags, "http"));
    }

    #[test]
    fn nothing_changes_before_the_next_change(
        spans in proptest::collection::vec((0i64..50, 1i64..50), 0..6),
        now in 0i64..100,
        later in 0i64..100,
    ) {
        let mut set = SilenceSet::default();
        for (n, (from, length)) in spans.iter().enumerate() {
            set.put(silence(&n.to_string(), &[spec("name", "glob", "*")], *from, from + length));
        }
        let muted = |at: i64| set.muted_by("web", &[], "http", WallMs(at));
        if let Some((id, until)) = muted(now) {
            let said = set.iter().find(|s| s.id == id).unwrap();
            prop_assert!(said.active(WallMs(now)) && said.until == until);
        }
        let end = set.next_change(WallMs(now)).map_or(i64::MAX, |at| at.0);
        if now <= later && later < end {
            prop_assert_eq!(muted(now), muted(later));
        }
    }
}
