//! The event: what an incident is called, how bad it is, and what a person needs to begin.

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::{Severities, Severity};
use crate::alerters::text::{self, cut};
use crate::model::{Notification, Secret, Status};

/// PagerDuty's limit for the key of an incident. Counted in bytes here, which is never more than it counts.
const MAX_KEY: usize = 255;
/// PagerDuty's limit for the summary, in characters.
const MAX_SUMMARY: usize = 1_024;
/// Longest details, in characters. PagerDuty refuses events above 512 KB; a character takes six bytes of JSON at most.
const MAX_DETAILS: usize = 32 * 1_024;
/// Longest description, list of tags, and message of one line of the trail.
const MAX_TEXT: usize = 4 * 1_024;
/// Lines of the trail.
const MAX_TRAIL: usize = 8;

/// The whole event.
pub(super) fn event(note: &Notification, token: &Secret, severities: &Severities) -> Value {
    let dedup_key = dedup_key(note);
    if note.is_resolve() {
        return json!({
            "routing_key": token.reveal(),
            "event_action": "resolve",
            "dedup_key": dedup_key,
        });
    }
    let mut event = json!({
        "routing_key": token.reveal(),
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "client": "9volt",
        "links": links(note),
        "payload": {
            "summary": summary(note),
            "source": note.monitor.as_str(),
            "severity": severity(note, severities).as_str(),
            "timestamp": note.at.rfc3339(),
            "component": note.monitor.as_str(),
            "group": cut(&note.cluster, MAX_TEXT),
            "class": note.kind,
            "custom_details": details(note),
        },
    });
    if let Some(link) = text::web_link(note.link.as_deref()) {
        event["client_url"] = json!(link);
    }
    event
}

/// The key of the incident, the same from trigger to resolve and for every attempt. What is too long is cut, and told
/// apart by a hash of the whole. A test has its own: it must not join, and a resolve must not end, what is real.
fn dedup_key(note: &Notification) -> String {
    let test = if note.test { "/test" } else { "" };
    let whole = format!("{}{test}", note.incident_key);
    if whole.len() <= MAX_KEY {
        return whole;
    }
    let hash = format!("~{:016x}", xxh3_64(whole.as_bytes()));
    let mut end = MAX_KEY - hash.len();
    while !whole.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{hash}", &whole[..end])
}

fn severity(note: &Notification, severities: &Severities) -> Severity {
    if note.test {
        return Severity::Info;
    }
    if note.status == Status::Warning {
        severities.warning.unwrap_or(Severity::Warning)
    } else {
        severities.critical.unwrap_or(Severity::Critical)
    }
}

fn summary(note: &Notification) -> String {
    let title = text::title(note);
    let first_line = note.details.lines().next().unwrap_or_default();
    if first_line.is_empty() {
        return title;
    }
    cut(&text::one_line(&format!("{title}: {first_line}")), MAX_SUMMARY)
}

fn links(note: &Notification) -> Vec<Value> {
    let links = [("Monitor", &note.link), ("Runbook", &note.runbook)];
    let links = links
        .into_iter()
        .filter_map(|(label, link)| Some(json!({"href": text::web_link(link.as_deref())?, "text": label})));
    links.collect()
}

/// The original's three, then what it did not know.
fn details(note: &Notification) -> Value {
    let skipped = note.trail.len().saturating_sub(MAX_TRAIL);
    let trail = note.trail.iter().skip(skipped).map(|entry| {
        let message = cut(&text::one_line(&entry.message), MAX_TEXT);
        format!("{} {}: {message}", text::clock(entry.at), entry.status)
    });
    let mut details = json!({
        "error details": cut(&note.details, MAX_DETAILS),
        "detailed message": text::sentence(note),
        "description": cut(&note.description, MAX_TEXT),
        "since": note.since.rfc3339(),
        "failed checks": note.count,
        "tags": cut(&note.tags.join(", "), MAX_TEXT),
        "trail": trail.collect::<Vec<_>>(),
        "seen by": note.member,
    });
    if note.test {
        details["test"] = json!(text::TEST);
    }
    // A runbook that is no web address is not in the links.
    if let Some(runbook) = &note.runbook {
        details["runbook"] = json!(cut(runbook, MAX_TEXT));
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerters::testing::{critical, resolve};

    fn of(note: &Notification) -> Value {
        event(note, &Secret::new("R"), &Severities::default())
    }

    #[test]
    fn a_key_that_is_too_long_is_cut_and_stays_different() {
        let mut note = critical();
        note.incident_key = "ö".repeat(200);
        let one = dedup_key(&note);
        note.incident_key.push('x');
        let other = dedup_key(&note);
        assert!(one.len() <= MAX_KEY && other.len() <= MAX_KEY);
        assert_ne!(one, other);
        assert!(one.starts_with("öö"));
        note.incident_key = "x".repeat(MAX_KEY);
        assert_eq!(dedup_key(&note), note.incident_key);
        // Written down: another version of this program must make the same key, or it opens a second incident.
        note.incident_key = "x".repeat(MAX_KEY + 1);
        assert_eq!(&dedup_key(&note)[MAX_KEY - 17..], "~d1d05738849baec9");
    }

    #[test]
    fn trigger_and_resolve_have_one_key_and_a_test_has_another() {
        assert_eq!(of(&critical())["dedup_key"], of(&resolve())["dedup_key"]);
        let mut test = critical();
        test.test = true;
        assert_ne!(of(&test)["dedup_key"], of(&critical())["dedup_key"]);
        assert_eq!(of(&test)["payload"]["severity"], "info");
    }

    #[test]
    fn a_resolve_carries_only_what_is_needed() {
        assert_eq!(
            of(&resolve()),
            json!({"routing_key": "R", "event_action": "resolve", "dedup_key": "9volt/web"})
        );
    }

    #[test]
    fn the_longest_event_stays_below_the_limits() {
        let mut note = critical();
        let long = "\u{1}".repeat(1_000_000);
        note.details.clone_from(&long);
        note.description.clone_from(&long);
        note.tags = vec![long.clone(); 10];
        note.runbook = Some(long.clone());
        note.cluster.clone_from(&long);
        let mut entry = note.trail[0].clone();
        entry.message = long;
        note.trail = vec![entry; 100];
        let event = of(&note);
        assert!(event.to_string().len() < 512_000);
        assert!(event["payload"]["summary"].as_str().unwrap().chars().count() <= MAX_SUMMARY);
    }

    #[test]
    fn only_web_addresses_are_links() {
        let mut note = critical();
        note.runbook = Some("ask bob".into());
        note.link = None;
        let event = of(&note);
        assert_eq!(event["links"], json!([]));
        assert!(event.get("client_url").is_none());
        assert_eq!(event["payload"]["custom_details"]["runbook"], "ask bob");
    }
}
