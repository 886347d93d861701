//! Every key, and who alone may write it. Values: [`records`](super::records).
//!
//! | key | writer |
//! |---|---|
//! | `cluster/store` | first member; whoever adopts or restores a strange store |
//! | `cluster/restoring` | the member that writes its copy back, by the word of an operator; on a lease |
//! | `config` | operator (CLI, API) |
//! | `monitor/<name>`, `alerter/<name>` | `cfg`, API |
//! | `retired/alerter/<name>` | the commit that deletes the alerter; its notifier removes it |
//! | `silence/<id>` | API, CLI |
//! | `cluster/members/<id>` | that member |
//! | `cluster/intent/<id>` | operator (CLI, API) |
//! | `cluster/director` | the winner of the election |
//! | `plan/<group>/table`, `plan/<group>/seat/<member>` | director |
//! | `checkpoint/<monitor>` | the judge of its slot |
//! | `outbox/<alerter>/<monitor>` | put by the judge with the checkpoint; deleted by the notifier |
//! | `told/<alerter>/<monitor>` | notifier |
//! | `past/<episode>-<monitor>` | the commit that closes the episode; director prunes |
//! | `soft/<member>` | that member |
//! | `event/<ms>-<member>-<n>` | any member |
//! | `sent/<alerter>/<monitor>` | the judge that stands in, in its copy only |
//! | `ended/<alerter>/<monitor>` | whoever stands in and tells an end, in its copy only |
//! | `standin/copy` | the owner of a copy, in the copy only |

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::backend::Key;
use crate::model::{AlerterName, EpisodeId, MemberId, MonitorName};

/// What is not encoded inside a segment: letters, digits and the unreserved marks.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A name as one segment of a key or URL path.
#[must_use]
pub fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// The name in a segment; `None` if it is not UTF-8.
#[must_use]
pub fn unsegment(segment: &str) -> Option<String> {
    percent_decode_str(segment)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

macro_rules! fixed {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name() -> Key { Key::new($text) })*
    };
}

fixed! {
    /// Everything.
    all = "";
    /// The id of this store.
    store = "cluster/store";
    /// Who writes a copy back into this store.
    restoring = "cluster/restoring";
    /// Cluster settings.
    config = "config";
    /// Who directs.
    director = "cluster/director";
    /// All monitors.
    monitors = "monitor/";
    /// All alerters.
    alerters = "alerter/";
    /// All removed alerters that still have something to resolve.
    retired_alerters = "retired/alerter/";
    /// All silences.
    silences = "silence/";
    /// All members.
    members = "cluster/members/";
    /// What operators want of members.
    intents = "cluster/intent/";
    /// All tables and seats.
    plans = "plan/";
    /// All open episodes.
    checkpoints = "checkpoint/";
    /// All that is to be told.
    outbox = "outbox/";
    /// All that was told.
    told_all = "told/";
    /// All that other members' alerters should know, in the copy of a member that stands in.
    sent = "sent/";
    /// All ends that were told, or begun to be, by a member that stands in, in its copy.
    ended = "ended/";
    /// All closed episodes.
    pasts = "past/";
    /// All soft failures.
    softs = "soft/";
    /// All events.
    events = "event/";
    /// What a member's copy of the store says of itself; never in the shared store.
    standin = "standin/copy";
}

/// A monitor's definition.
#[must_use]
pub fn monitor(name: &MonitorName) -> Key {
    Key::new(format!("monitor/{}", segment(name.as_str())))
}

/// An alerter's definition.
#[must_use]
pub fn alerter(name: &AlerterName) -> Key {
    Key::new(format!("alerter/{}", segment(name.as_str())))
}

/// A removed alerter's last definition.
#[must_use]
pub fn retired_alerter(name: &AlerterName) -> Key {
    Key::new(format!("retired/alerter/{}", segment(name.as_str())))
}

/// A silence.
#[must_use]
pub fn silence(id: &str) -> Key {
    Key::new(format!("silence/{}", segment(id)))
}

/// A member's record.
#[must_use]
pub fn member(id: &MemberId) -> Key {
    Key::new(format!("cluster/members/{}", segment(id.as_str())))
}

/// What operators want of a member.
#[must_use]
pub fn intent(id: &MemberId) -> Key {
    Key::new(format!("cluster/intent/{}", segment(id.as_str())))
}

/// A group's table.
#[must_use]
pub fn table(group: &str) -> Key {
    Key::new(format!("plan/{}/table", segment(group)))
}

/// The group in `plan/<group>/table`; `None` for any other key.
#[must_use]
pub fn group(key: &Key) -> Option<String> {
    unsegment(key.as_str().strip_prefix("plan/")?.strip_suffix("/table")?)
}

/// A member's seat in a group.
#[must_use]
pub fn seat(group: &str, member: &MemberId) -> Key {
    Key::new(format!("plan/{}/seat/{}", segment(group), segment(member.as_str())))
}

/// The table that a member's seat belongs to; `None` for any other key.
#[must_use]
pub fn table_of_seat(key: &Key) -> Option<Key> {
    let (group, _) = key.as_str().strip_prefix("plan/")?.split_once("/seat/")?;
    Some(Key::new(format!("plan/{group}/table")))
}

/// A monitor's open episode.
#[must_use]
pub fn checkpoint(name: &MonitorName) -> Key {
    Key::new(format!("checkpoint/{}", segment(name.as_str())))
}

fn of_pair(kind: &str, alerter: &AlerterName, monitor: &MonitorName) -> Key {
    let (alerter, monitor) = (segment(alerter.as_str()), segment(monitor.as_str()));
    Key::new(format!("{kind}/{alerter}/{monitor}"))
}

/// What an alerter should know of a monitor.
#[must_use]
pub fn outbox_entry(alerter: &AlerterName, monitor: &MonitorName) -> Key {
    of_pair("outbox", alerter, monitor)
}

/// All that an alerter should know.
#[must_use]
pub fn outbox_of(alerter: &AlerterName) -> Key {
    Key::new(format!("outbox/{}/", segment(alerter.as_str())))
}

/// What another member's alerter should know of a monitor, in the copy of a member that stands in.
#[must_use]
pub fn sent_entry(alerter: &AlerterName, monitor: &MonitorName) -> Key {
    of_pair("sent", alerter, monitor)
}

/// The end that an alerter was told of a monitor by a member that stands in, in its copy.
#[must_use]
pub fn ended_entry(alerter: &AlerterName, monitor: &MonitorName) -> Key {
    of_pair("ended", alerter, monitor)
}

/// What an alerter was told of a monitor.
#[must_use]
pub fn told(alerter: &AlerterName, monitor: &MonitorName) -> Key {
    of_pair("told", alerter, monitor)
}

/// All that an alerter was told.
#[must_use]
pub fn told_of(alerter: &AlerterName) -> Key {
    Key::new(format!("told/{}/", segment(alerter.as_str())))
}

/// A closed episode. Keys sort by the time it began, and the episode alone says which it is: that it is *not* there is a guard of the
/// commit that opens it, so that a copy of that commit which comes late does not open it again.
#[must_use]
pub fn past(monitor: &MonitorName, episode: EpisodeId) -> Key {
    Key::new(format!("past/{:015}-{}", episode.0.max(0), segment(monitor.as_str())))
}

/// Begin, in milliseconds, and monitor in `past/<episode>-<monitor>`; `None` for any other key. There may be twenty thousand, and a page shows a hundred.
#[must_use]
pub fn past_of(key: &Key) -> Option<(i64, MonitorName)> {
    let (at, name) = key.as_str().strip_prefix("past/")?.split_once('-')?;
    Some((at.parse().ok()?, MonitorName::parse(&unsegment(name)?).ok()?))
}

/// A member's soft failures.
#[must_use]
pub fn soft(member: &MemberId) -> Key {
    Key::new(format!("soft/{}", segment(member.as_str())))
}

/// An event, by its id: `<ms>-<member>-<n>`. Keys sort by time.
#[must_use]
pub fn event(id: &str) -> Key {
    Key::new(format!("event/{}", segment(id)))
}

/// The name in `monitor/<name>`, `alerter/<name>`, `checkpoint/<name>`, `silence/<id>`: the last segment.
#[must_use]
pub fn last_segment(key: &Key) -> Option<String> {
    unsegment(key.as_str().rsplit('/').next()?)
}

/// The two names in `outbox/<alerter>/<monitor>`, and likewise of `sent/`, `ended/` and `told/`.
#[must_use]
pub fn alerter_and_monitor(key: &Key) -> Option<(AlerterName, MonitorName)> {
    let mut parts = key.as_str().splitn(3, '/').skip(1);
    let alerter = AlerterName::parse(&unsegment(parts.next()?)?).ok()?;
    let monitor = MonitorName::parse(&unsegment(parts.next()?)?).ok()?;
    Some((alerter, monitor))
}

/// The first name in such a key, as it is written there: to sort out without reading more.
#[must_use]
pub fn alerter_segment(key: &Key) -> Option<&str> {
    key.as_str().split('/').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_name_survives_its_key(name in "\\PC{1,40}") {
            if let Ok(name) = MonitorName::parse(&name) {
                let key = checkpoint(&name);
                prop_assert_eq!(key.as_str().matches('/').count(), 1);
                prop_assert_eq!(last_segment(&key), Some(name.as_str().to_owned()));
                let alerter = AlerterName::parse(name.as_str()).unwrap();
                let entry = outbox_entry(&alerter, &name);
                prop_assert!(outbox_of(&alerter).covers(&entry));
                let first = alerter_segment(&entry).and_then(unsegment);
                prop_assert_eq!(first.as_deref(), Some(alerter.as_str()));
                prop_assert_eq!(alerter_and_monitor(&told(&alerter, &name)), Some((alerter, name)));
            }
        }
    }

    #[test]
    fn the_key_of_a_past_incident_tells_its_begin_and_its_monitor() {
        for name in ["web", "web-1", "a b é", "x-"] {
            let name = MonitorName::parse(name).unwrap();
            let key = past(&name, EpisodeId(1_794_000_000_123));
            assert_eq!(past_of(&key), Some((1_794_000_000_123, name)), "{key}");
        }
    }

    #[test]
    fn keys_of_time_sort_by_time() {
        let m = MonitorName::parse("m").unwrap();
        assert!(past(&m, EpisodeId(999)) < past(&m, EpisodeId(1_794_000_000_000)));
    }
}
