//! What profile 9volt binds to a message: all objects of `docs/mibs/NINEVOLT-MIB.txt`, in its order.

use async_snmp::{Oid, Value, VarBind};

use super::texts::{Share, fitted};
use super::{Speaker, Told};
use crate::alerters::text;
use crate::model::{Closed, Notification, Status, WallMs};

/// The notifications. In the MIB each name begins with `ninevolt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Critical = 1,
    Warning = 2,
    Resolved = 3,
    Test = 4,
}

/// The objects. In the MIB each name begins with `ninevolt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Object {
    Cluster = 1,
    Monitor = 2,
    MonitorKind = 3,
    Status = 4,
    PreviousStatus = 5,
    Severity = 6,
    Ending = 7,
    Message = 8,
    Details = 9,
    Count = 10,
    Since = 11,
    ChangedAt = 12,
    Episode = 13,
    Change = 14,
    Alerter = 15,
    Member = 16,
    Host = 17,
    Description = 18,
    Tags = 19,
    Runbook = 20,
    Link = 21,
    WithoutStore = 22,
}

/// The message below the arc of the MIB.
pub(super) fn told(arc: &Oid, note: &Notification, speaker: Speaker<'_>) -> Told {
    let event = event(note);
    // Scalars have the one instance 0.
    let name = |object: Object| arc.child(1).child(object as u32).child(0);
    let bind = |share| {
        let objects = objects(note, speaker, share).into_iter();
        objects
            .map(|(object, value)| VarBind::new(name(object), value))
            .collect()
    };
    Told {
        event: arc.child(0).child(event as u32),
        bindings: fitted(bind),
    }
}

pub(super) fn event(note: &Notification) -> Event {
    match note.status {
        _ if note.test => Event::Test,
        Status::Critical => Event::Critical,
        Status::Warning => Event::Warning,
        Status::Ok | Status::Pending => Event::Resolved,
    }
}

/// All of them, always: who reads a message may count on the order of the MIB. Absent texts are empty.
pub(super) fn objects(note: &Notification, speaker: Speaker<'_>, share: Share) -> Vec<(Object, Value)> {
    let message = text::remarks(note).into_iter().map(str::to_owned);
    let message: Vec<String> = message.chain([text::sentence(note)]).collect();
    vec![
        (Object::Cluster, share.name(&note.cluster)),
        (Object::Monitor, share.name(note.monitor.as_str())),
        (Object::MonitorKind, share.name(&note.kind)),
        (Object::Status, Value::Integer(status(note.status))),
        (Object::PreviousStatus, Value::Integer(status(note.from))),
        (Object::Severity, Value::Integer(severity(note))),
        (Object::Ending, Value::Integer(ending(note.closed))),
        (Object::Message, share.text(&message.join(" "))),
        (Object::Details, share.text(&note.details)),
        (Object::Count, Value::Gauge32(note.count)),
        (Object::Since, date_and_time(note.since)),
        (Object::ChangedAt, date_and_time(note.at)),
        (Object::Episode, share.name(&note.episode.to_string())),
        (Object::Change, Value::Gauge32(note.seq)),
        (Object::Alerter, share.name(note.alerter.as_str())),
        (Object::Member, share.name(&note.member)),
        (Object::Host, share.name(speaker.host)),
        (Object::Description, share.text(&note.description)),
        (Object::Tags, share.text(&note.tags.join(", "))),
        (Object::Runbook, share.text(note.runbook.as_deref().unwrap_or_default())),
        (Object::Link, share.text(note.link.as_deref().unwrap_or_default())),
        (Object::WithoutStore, truth(note.without_store)),
    ]
}

fn status(status: Status) -> i32 {
    match status {
        Status::Ok | Status::Pending => 1,
        Status::Warning => 2,
        Status::Critical => 3,
    }
}

/// The perceived severity of ITU-T X.733, by which alarm managers sort (numbers of RFC 3877).
fn severity(note: &Notification) -> i32 {
    match event(note) {
        Event::Resolved => 1,
        Event::Test => 2,
        Event::Critical => 3,
        Event::Warning => 6,
    }
}

fn ending(closed: Option<Closed>) -> i32 {
    match closed {
        None => 1,
        Some(Closed::Recovered) => 2,
        Some(Closed::Edited) => 3,
        Some(Closed::Disabled) => 4,
        Some(Closed::Deleted) => 5,
        Some(Closed::Moved) => 6,
    }
}

/// `TruthValue` of SNMPv2-TC.
fn truth(value: bool) -> Value {
    Value::Integer(if value { 1 } else { 2 })
}

/// `DateAndTime` of SNMPv2-TC, in UTC. A time beyond the calendar is all zeros, which is no date.
fn date_and_time(at: WallMs) -> Value {
    let mut bytes = [0; 11];
    if let Ok(at) = jiff::Timestamp::from_millisecond(at.0) {
        let at = at.to_zoned(jiff::tz::TimeZone::UTC);
        let small = |part: i8| part.unsigned_abs();
        bytes[..2].copy_from_slice(&at.year().unsigned_abs().to_be_bytes());
        bytes[2..7].copy_from_slice(&[at.month(), at.day(), at.hour(), at.minute(), at.second()].map(small));
        bytes[7] = u8::try_from(at.millisecond() / 100).unwrap_or(0);
        bytes[8] = b'+';
    }
    Value::from(&bytes[..])
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::texts::whole;
    use super::*;
    use crate::alerters::testing::{critical, resolve};

    const MIB: &str = include_str!("../../../docs/mibs/NINEVOLT-MIB.txt");
    const SPEAKER: Speaker<'static> = Speaker {
        host: "pluto",
        address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    };

    /// What the MIB defines by a macro: names without their beginning, and the last number of each.
    fn defined(by: &str) -> Vec<(String, u32)> {
        let blocks = MIB.split("\nninevolt").skip(1);
        let of_macro = blocks.filter(|block| block.split_whitespace().nth(1) == Some(by));
        let defined = of_macro.map(|block| {
            let place = block.split("::= {").nth(1).unwrap().split('}').next().unwrap();
            let name = block.split_whitespace().next().unwrap();
            (
                name.to_owned(),
                place.split_whitespace().last().unwrap().parse().unwrap(),
            )
        });
        defined.collect()
    }

    /// The words and numbers of the enumeration that follows something in the MIB.
    fn enumeration(after: &str) -> Vec<(String, i32)> {
        let rest = MIB.split(after).nth(1).unwrap().split("INTEGER {").nth(1).unwrap();
        let words = rest.split('}').next().unwrap().split(',').map(|word| {
            let (word, number) = word.trim().trim_end_matches(')').split_once('(').unwrap();
            (word.to_owned(), number.parse().unwrap())
        });
        words.collect()
    }

    fn told_of(note: &Notification) -> Vec<(Object, Value)> {
        whole(|share| objects(note, SPEAKER, share))
    }

    fn text_of(note: &Notification, object: Object) -> String {
        let (_, value) = told_of(note).into_iter().find(|(o, _)| *o == object).unwrap();
        value.as_str().unwrap().to_owned()
    }

    fn number_of(note: &Notification, object: Object) -> i32 {
        let (_, value) = told_of(note).into_iter().find(|(o, _)| *o == object).unwrap();
        value.as_i32().unwrap()
    }

    #[test]
    fn the_objects_of_a_message_are_those_of_the_mib_in_its_order() {
        let objects: Vec<_> = told_of(&critical())
            .iter()
            .map(|(object, _)| (format!("{object:?}"), *object as u32))
            .collect();
        assert_eq!(objects, defined("OBJECT-TYPE"));
        let listed = |block: &str| -> Vec<String> {
            let list = block.split("OBJECTS {").nth(1).unwrap().split('}').next().unwrap();
            let names = list
                .split(',')
                .map(|name| name.trim().trim_start_matches("ninevolt").to_owned());
            names.collect()
        };
        let names: Vec<_> = objects.into_iter().map(|(name, _)| name).collect();
        for block in MIB.split("NOTIFICATION-TYPE\n").skip(1) {
            assert_eq!(listed(block), names);
        }
        assert_eq!(listed(MIB.split("OBJECT-GROUP\n").nth(1).unwrap()), names);
    }

    #[test]
    fn the_events_are_the_notifications_of_the_mib() {
        let events = [Event::Critical, Event::Warning, Event::Resolved, Event::Test];
        let events: Vec<_> = events
            .iter()
            .map(|event| (format!("{event:?}"), *event as u32))
            .collect();
        assert_eq!(events, defined("NOTIFICATION-TYPE"));
    }

    #[test]
    fn the_numbers_of_words_are_those_of_the_mib() {
        let statuses = [Status::Ok, Status::Warning, Status::Critical];
        let statuses = statuses.map(|s| (s.as_str().to_owned(), status(s)));
        assert_eq!(enumeration("NinevoltState ::="), statuses);
        let endings = [
            Closed::Recovered,
            Closed::Edited,
            Closed::Disabled,
            Closed::Deleted,
            Closed::Moved,
        ];
        let mut words = vec![("open".to_owned(), ending(None))];
        words.extend(endings.map(|c| (c.as_str().to_owned(), ending(Some(c)))));
        assert_eq!(enumeration("\nninevoltEnding OBJECT-TYPE"), words);
        let severities = enumeration("\nninevoltSeverity OBJECT-TYPE");
        let test = Notification {
            test: true,
            ..critical()
        };
        let warning = Notification {
            status: Status::Warning,
            ..critical()
        };
        for (note, word) in [
            (critical(), "critical"),
            (warning, "warning"),
            (resolve(), "cleared"),
            (test, "indeterminate"),
        ] {
            assert!(severities.contains(&(word.to_owned(), severity(&note))), "{word}");
        }
    }

    #[test]
    fn a_message_says_everything_that_the_notification_does() {
        let arc = Oid::from_slice(&[1, 3, 6, 1, 4, 1, 12345]);
        let told = told(&arc, &critical(), SPEAKER);
        assert_eq!(told.event.to_string(), "1.3.6.1.4.1.12345.0.1");
        assert_eq!(told.bindings[0].oid.to_string(), "1.3.6.1.4.1.12345.1.1.0");
        assert_eq!(told.bindings[21].oid.to_string(), "1.3.6.1.4.1.12345.1.22.0");
        let texts: Vec<_> = told.bindings.iter().filter_map(|b| b.value.as_str()).collect();
        for text in [
            "9volt",
            "web",
            "http",
            "Check has entered into critical state after 3 checks.",
            "status 503, wanted <200-299> & quick",
            "1767261600000",
            "ops",
            "a1b2",
            "pluto",
            "front page",
            "team-a, prod",
            "https://wiki.example.org/web",
            "https://9volt.example.org/ui/monitor/web",
        ] {
            assert!(texts.contains(&text), "{text}: {texts:?}");
        }
        assert_eq!(told.bindings[3].value, Value::Integer(3));
        assert_eq!(told.bindings[4].value, Value::Integer(2));
        assert_eq!(told.bindings[9].value, Value::Gauge32(3));
        assert_eq!(told.bindings[13].value, Value::Gauge32(2));
        assert_eq!(told.bindings[21].value, Value::Integer(2));
    }

    #[test]
    fn a_resolve_is_its_own_event_and_says_why() {
        assert_eq!(event(&resolve()), Event::Resolved);
        assert_eq!(number_of(&resolve(), Object::Ending), 2);
        assert_eq!(number_of(&resolve(), Object::PreviousStatus), 3);
        assert_eq!(
            text_of(&resolve(), Object::Message),
            "Check has recovered from critical after 53 checks. It lasted 12m 30s."
        );
    }

    #[test]
    fn a_test_is_an_event_that_opens_no_alarm() {
        let mut note = critical();
        note.test = true;
        assert_eq!(event(&note), Event::Test);
        assert!(text_of(&note, Object::Message).starts_with("This is a test message"));
    }

    #[test]
    fn times_are_in_utc_to_a_tenth_of_a_second() {
        let bytes = |ms| date_and_time(WallMs(ms)).as_bytes().unwrap().to_vec();
        assert_eq!(
            bytes(1_767_262_350_950),
            [0x07, 0xea, 1, 1, 10, 12, 30, 9, b'+', 0, 0],
            "2026-01-01T10:12:30.950Z"
        );
        assert_eq!(bytes(i64::MAX), [0; 11]);
    }

    #[test]
    fn a_long_message_keeps_its_names_and_shows_what_was_cut() {
        let mut note = critical();
        note.details = "x".repeat(4_000);
        note.description = "two\nlines".into();
        assert!(text_of(&note, Object::Details).ends_with('…'));
        assert_eq!(text_of(&note, Object::Monitor), "web");
        assert_eq!(text_of(&note, Object::Description), "two lines");
        let told = told(&Oid::from_slice(&[1, 3, 6, 1, 4, 1, 1]), &note, SPEAKER);
        let details = told.bindings[8].value.as_str().unwrap();
        assert!(details.len() > 200 && details.ends_with('…'), "{details}");
    }
}
