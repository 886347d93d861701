//! The words that all kinds share. Each kind only lays them out.

use std::time::Duration;

use crate::model::{Closed, Dur, Notification, WallMs};

/// Said where an earlier attempt may have arrived and the far end cannot tell.
pub(super) const REPEATED: &str = "This message may have arrived before: an earlier attempt ended without an answer.";

/// Said at the top of a test message.
pub(super) const TEST: &str = "This is a test message that somebody asked for. Nothing has happened.";

/// Longest title, in characters.
const MAX_TITLE: usize = 300;

/// `CRITICAL: web (http)`, marked when it is a test.
pub(super) fn title(note: &Notification) -> String {
    let test = if note.test { "[TEST] " } else { "" };
    let word = note.headline_word();
    let title = match &note.closed {
        Some(closed @ (Closed::Edited | Closed::Disabled | Closed::Deleted)) => {
            format!("{test}{word}: {} ({}), {}", note.monitor, note.kind, closed.as_str())
        }
        _ => format!("{test}{word}: {} ({})", note.monitor, note.kind),
    };
    cut(&one_line(&title), MAX_TITLE)
}

/// The original's title. It says nothing of the status, so it is the same for all messages of an episode.
pub(super) fn subject(note: &Notification) -> String {
    let test = if note.test { "[TEST] " } else { "" };
    let kind = note.kind.to_uppercase();
    cut(
        &one_line(&format!("{test}{kind} check '{}' failure", note.monitor)),
        MAX_TITLE,
    )
}

/// The original's sentence, and for a resolve how long it lasted. Without the store others may see it otherwise: then, who says so.
pub(super) fn sentence(note: &Notification) -> String {
    let sentence = note.sentence();
    let seen = match note.without_store {
        true => format!(" (without the store, seen from {})", note.member),
        false => String::new(),
    };
    if note.is_resolve() {
        let lasted = span(note.at.since(note.since));
        format!("{sentence}{seen}. It lasted {lasted}.")
    } else {
        format!("{sentence}{seen}.")
    }
}

/// What has to be said before anything else: that it is a test, that it may be a repetition.
pub(super) fn remarks(note: &Notification) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    if note.test {
        remarks.push(TEST);
    }
    if note.possibly_repeated {
        remarks.push(REPEATED);
    }
    remarks
}

/// What the details are called: an error that is over is the last one.
pub(super) fn details_label(note: &Notification) -> &'static str {
    if note.is_resolve() { "Last error" } else { "Error" }
}

/// `2d 3h`, `12m 30s`, `4s`, `250ms`: the two largest units, for people.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 {
        return Dur::from_millis(u64::from(duration.subsec_millis())).to_string();
    }
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes, seconds % 60) {
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m {s}s"),
        (0, h, m, _) => format!("{h}h {m}m"),
        (d, h, _, _) => format!("{d}d {h}h"),
    }
}

/// `2026-11-06 21:20:00 UTC`.
pub(super) fn clock(at: WallMs) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => at.to_string(),
    }
}

/// At most `max` characters; what was cut is shown by an ellipsis.
pub(super) fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Control characters become spaces: no line breaks in titles and headers.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The text, if it is a web address that can be made a link; far ends refuse a whole message for a bad one.
pub(super) fn web_link(text: Option<&str>) -> Option<&str> {
    /// Slack's limit for the URL of a button; nobody else's is smaller.
    const MAX_LINK: usize = 3_000;
    text.filter(|t| t.len() <= MAX_LINK).filter(|t| {
        url::Url::parse(t).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{critical, resolve};
    use super::*;

    #[test]
    fn a_title_says_what_happened_to_what() {
        assert_eq!(title(&critical()), "CRITICAL: web (http)");
        assert_eq!(title(&resolve()), "RESOLVED: web (http)");
    }

    #[test]
    fn a_title_says_when_the_monitor_was_taken_away_instead_of_recovering() {
        let mut note = resolve();
        note.closed = Some(Closed::Disabled);
        assert_eq!(title(&note), "RESOLVED: web (http), disabled");
        assert!(sentence(&note).starts_with("Check was disabled while critical"));
    }

    #[test]
    fn what_is_told_without_the_store_says_so_and_who_sees_it() {
        let mut note = resolve();
        note.without_store = true;
        let seen = format!(" (without the store, seen from {}). It lasted", note.member);
        assert!(sentence(&note).contains(&seen), "{}", sentence(&note));
    }

    #[test]
    fn a_notice_says_what_it_has_to_say_and_nothing_of_checks() {
        let mut note = Notification {
            monitor: crate::model::MonitorName::parse("store").unwrap(),
            kind: "9volt".to_owned(),
            notice: Some("No member has the store".to_owned()),
            without_store: true,
            ..critical()
        };
        assert_eq!(title(&note), "CRITICAL: store (9volt)");
        assert_eq!(
            sentence(&note),
            "No member has the store (without the store, seen from a1b2)."
        );
        note.status = crate::model::Status::Ok;
        note.notice = Some("The store is back".to_owned());
        note.without_store = false;
        assert_eq!(sentence(&note), "The store is back. It lasted 20s.");
    }

    #[test]
    fn a_test_is_marked_in_title_subject_and_remarks() {
        let mut note = critical();
        note.test = true;
        assert_eq!(title(&note), "[TEST] CRITICAL: web (http)");
        assert!(subject(&note).starts_with("[TEST] "));
        assert_eq!(remarks(&note), [TEST]);
    }

    #[test]
    fn the_subject_is_the_same_from_warning_to_resolve() {
        assert_eq!(subject(&critical()), "HTTP check 'web' failure");
        assert_eq!(subject(&critical()), subject(&resolve()));
    }

    #[test]
    fn a_resolve_says_how_long_it_lasted() {
        assert_eq!(
            sentence(&resolve()),
            "Check has recovered from critical after 53 checks. It lasted 12m 30s."
        );
    }

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, said) in [
            (4, "4s"),
            (60, "1m 0s"),
            (750, "12m 30s"),
            (3_700, "1h 1m"),
            (90_061, "1d 1h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), said);
        }
        assert_eq!(span(Duration::from_millis(250)), "250ms");
    }

    #[test]
    fn cutting_counts_characters_and_shows_it() {
        assert_eq!(cut("ööö", 3), "ööö");
        assert_eq!(cut("öööö", 3), "öö…");
    }

    #[test]
    fn only_web_addresses_become_links() {
        assert_eq!(web_link(Some("https://wiki/x")), Some("https://wiki/x"));
        assert_eq!(web_link(Some("see the wiki")), None);
        assert_eq!(web_link(Some("javascript:alert(1)")), None);
        assert_eq!(web_link(None), None);
    }
}
