//! What profile peerpair binds to a message: the layout of peerpair's own traps, for receivers that were set up for it.

use async_snmp::{Oid, Value, VarBind, oid};

use super::texts::{Share, fitted};
use super::{Speaker, Told};
use crate::alerters::text;
use crate::model::Notification;

/// Its traps; their names are peerpair's. It sends `coldStart` (0) when it starts, which nobody asks an alerter to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trap {
    ConnectionDown = 1,
    ConnectionUp = 2,
    ConfigError = 3,
    ConfigRead = 4,
    UnknownPacket = 5,
}

/// No alerter knows from which port and to which one a monitor goes.
const NO_PORT: &str = "0";

pub(super) fn told(note: &Notification, speaker: Speaker<'_>) -> Told {
    let trap = trap(note);
    let bind = |share| {
        let values = values(trap, note, speaker, share).into_iter().zip(0..);
        values
            .map(|(value, k)| VarBind::new(arc(trap).child(k), value))
            .collect()
    };
    Told {
        event: arc(trap),
        bindings: fitted(bind),
    }
}

fn arc(trap: Trap) -> Oid {
    oid!(1, 3, 6, 1, 4, 1, 50255, 1).child(trap as u32)
}

fn trap(note: &Notification) -> Trap {
    match (note.notice.is_some(), note.is_resolve()) {
        // The one that carries a text and opens no alarm.
        _ if note.test => Trap::UnknownPacket,
        (true, false) => Trap::ConfigError,
        (true, true) => Trap::ConfigRead,
        (false, false) => Trap::ConnectionDown,
        (false, true) => Trap::ConnectionUp,
    }
}

/// All of them are texts, in peerpair's order.
fn values(trap: Trap, note: &Notification, speaker: Speaker<'_>, share: Share) -> Vec<Value> {
    let host = share.name(speaker.host);
    let address = share.name(&speaker.address.to_string());
    let cluster = share.name(&note.cluster);
    match trap {
        Trap::ConnectionDown | Trap::ConnectionUp => {
            let port = || share.name(NO_PORT);
            let monitor = share.name(note.monitor.as_str());
            let mut values = vec![host, address, port(), monitor, port(), share.text(&note.description)];
            if trap == Trap::ConnectionDown {
                values.push(share.text(&failure(note)));
            }
            values
        }
        Trap::ConfigError => vec![host, cluster, share.text(&failure(note))],
        Trap::ConfigRead => vec![host, cluster],
        Trap::UnknownPacket => vec![host, address, share.text(&failure(note))],
    }
}

fn failure(note: &Notification) -> String {
    let mut parts: Vec<String> = text::remarks(note).into_iter().map(str::to_owned).collect();
    parts.push(text::sentence(note));
    parts.push(note.details.clone());
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerters::testing::{critical, resolve};
    use crate::model::Status;

    /// Name and values as a receiver sees them.
    fn seen(note: &Notification) -> (String, Vec<String>) {
        let speaker = Speaker {
            host: "pluto",
            address: "192.0.2.7".parse().unwrap(),
        };
        let told = told(note, speaker);
        let event = told.event.to_string();
        let value = |(k, bound): (usize, &VarBind)| {
            assert_eq!(bound.oid.to_string(), format!("{event}.{k}"));
            assert_eq!(bound.value.kind(), async_snmp::ValueKind::OctetString);
            bound.value.as_str().unwrap().to_owned()
        };
        (event.clone(), told.bindings.iter().enumerate().map(value).collect())
    }

    fn notice(status: Status) -> Notification {
        Notification {
            notice: Some("No member has the store".to_owned()),
            status,
            ..critical()
        }
    }

    #[test]
    fn a_failure_is_connection_down() {
        let (event, values) = seen(&critical());
        assert_eq!(event, "1.3.6.1.4.1.50255.1.1");
        let failure = "Check has entered into critical state after 3 checks. status 503, wanted <200-299> & quick";
        assert_eq!(values, ["pluto", "192.0.2.7", "0", "web", "0", "front page", failure]);
    }

    #[test]
    fn a_recovery_is_connection_up_without_a_failure() {
        let (event, values) = seen(&resolve());
        assert_eq!(event, "1.3.6.1.4.1.50255.1.2");
        assert_eq!(values, ["pluto", "192.0.2.7", "0", "web", "0", "front page"]);
    }

    #[test]
    fn what_ninevolt_says_of_itself_is_an_error_of_configuration_and_its_end() {
        let (event, values) = seen(&notice(Status::Critical));
        assert_eq!(event, "1.3.6.1.4.1.50255.1.3");
        assert_eq!(values[..2], ["pluto", "9volt"]);
        assert!(values[2].starts_with("No member has the store."), "{values:?}");
        let (event, values) = seen(&notice(Status::Ok));
        assert_eq!((event.as_str(), values.len()), ("1.3.6.1.4.1.50255.1.4", 2));
    }

    #[test]
    fn a_test_opens_no_alarm_and_says_that_it_is_one() {
        let (event, values) = seen(&Notification {
            test: true,
            ..critical()
        });
        assert_eq!(event, "1.3.6.1.4.1.50255.1.5");
        assert_eq!(values[..2], ["pluto", "192.0.2.7"]);
        assert!(values[2].starts_with("This is a test message"), "{values:?}");
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let mut note = critical();
        note.details = "x".repeat(4_000);
        note.description = "y".repeat(4_000);
        let (_, values) = seen(&note);
        assert!(values[5].ends_with('…') && values[6].ends_with('…'));
        assert_eq!(values[3], "web");
    }
}
