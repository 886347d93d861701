//! The message: a line of text for notifications, and one coloured attachment of blocks.
//!
//! Slack refuses a whole message for one part that is too long, so every part has its limit here. Together they stay
//! below the 13,000 characters at which Slack refuses a message as a whole.

use serde_json::{Value, json};

use crate::alerters::text;
use crate::model::{Notification, Status, WallMs};

/// First line of the details, in the text for notifications.
const MAX_TEXT_DETAILS: usize = 300;
/// Longest `description`.
const MAX_DESCRIPTION: usize = 1_000;
/// Longest details; a section may have 3,000.
const MAX_DETAILS: usize = 2_800;
/// Longest value of one field; Slack takes 2,000.
const MAX_FIELD: usize = 500;
/// Longest message of one line of the trail, and number of lines.
const MAX_TRAIL_MESSAGE: usize = 150;
const MAX_TRAIL: usize = 8;

/// The whole message without sender and channel.
pub(super) fn message(note: &Notification) -> Value {
    let title = escape(&text::title(note), MAX_FIELD);
    let first_line = note.details.lines().next().unwrap_or_default();
    let line = if first_line.is_empty() || note.is_resolve() {
        title
    } else {
        format!("{title}: {}", escape(first_line, MAX_TEXT_DETAILS))
    };
    json!({
        "text": line,
        "attachments": [{
            "color": color(note.status),
            "fallback": line,
            "blocks": blocks(note),
        }],
    })
}

/// The original's colours.
fn color(status: Status) -> &'static str {
    match status {
        Status::Critical => "#ff0000",
        Status::Warning => "#ff9400",
        Status::Ok | Status::Pending => "#36a64f",
    }
}

fn blocks(note: &Notification) -> Vec<Value> {
    let mut blocks = Vec::new();
    let remarks = text::remarks(note);
    if !remarks.is_empty() {
        blocks.push(section(&format!(":warning: {}", escape(&remarks.join(" "), MAX_FIELD))));
    }
    blocks.push(section(&escape(&text::sentence(note), MAX_FIELD)));
    if !note.description.is_empty() {
        blocks.push(section(&escape(&note.description, MAX_DESCRIPTION)));
    }
    if !note.details.is_empty() {
        // A fence inside of the fence would end it.
        let details = escape(&note.details.replace("```", "'''"), MAX_DETAILS);
        blocks.push(section(&format!("*{}*\n```{details}```", text::details_label(note))));
    }
    blocks.push(json!({"type": "section", "fields": fields(note)}));
    let trail = trail(note);
    if !trail.is_empty() {
        blocks.push(context(&trail));
    }
    blocks.push(context(&escape(
        &format!("{} · seen by {}", note.cluster, note.member),
        MAX_FIELD,
    )));
    let buttons = buttons(note);
    if !buttons.is_empty() {
        blocks.push(json!({"type": "actions", "elements": buttons}));
    }
    blocks
}

fn fields(note: &Notification) -> Vec<Value> {
    let mut fields = vec![
        field("Since", &date(note.since)),
        field("Failed checks", &note.count.to_string()),
    ];
    if note.is_resolve() {
        fields.push(field("Until", &date(note.at)));
    }
    if !note.tags.is_empty() {
        fields.push(field("Tags", &escape(&note.tags.join(", "), MAX_FIELD)));
    }
    // What is no web address cannot be a button, but it may still help.
    if let Some(runbook) = &note.runbook
        && text::web_link(Some(runbook)).is_none()
    {
        fields.push(field("Runbook", &escape(runbook, MAX_FIELD)));
    }
    fields
}

fn trail(note: &Notification) -> String {
    let skipped = note.trail.len().saturating_sub(MAX_TRAIL);
    let lines = note.trail.iter().skip(skipped).map(|entry| {
        let message = escape(&text::one_line(&entry.message), MAX_TRAIL_MESSAGE);
        format!("{} *{}* {message}", date(entry.at), entry.status)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn buttons(note: &Notification) -> Vec<Value> {
    let mut buttons = Vec::new();
    for (label, link) in [("Open", &note.link), ("Runbook", &note.runbook)] {
        if let Some(url) = text::web_link(link.as_deref()) {
            buttons.push(json!({"type": "button", "text": {"type": "plain_text", "text": label}, "url": url}));
        }
    }
    buttons
}

fn section(markdown: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": markdown}})
}

fn context(markdown: &str) -> Value {
    json!({"type": "context", "elements": [{"type": "mrkdwn", "text": markdown}]})
}

fn field(label: &str, value: &str) -> Value {
    json!({"type": "mrkdwn", "text": format!("*{label}*\n{value}")})
}

/// A time that Slack shows in the reader's own time zone.
fn date(at: WallMs) -> String {
    format!(
        "<!date^{}^{{date_short_pretty}} {{time_secs}}|{}>",
        at.0.div_euclid(1_000),
        text::clock(at)
    )
}

/// Escapes `& < >`, and only these, and cuts to `max` characters without cutting an escape in two.
fn escape(text: &str, max: usize) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut length = 0;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let mut buffer = [0; 4];
        let piece: &str = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            other => other.encode_utf8(&mut buffer),
        };
        let more = piece.chars().count();
        // Room for the ellipsis is kept as long as something follows.
        let room = if rest.peek().is_some() {
            max.saturating_sub(1)
        } else {
            max
        };
        if length + more > room {
            escaped.push('…');
            break;
        }
        escaped.push_str(piece);
        length += more;
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerters::testing::{critical, resolve};

    #[test]
    fn escaping_never_cuts_an_escape_in_two() {
        assert_eq!(escape("a<b", 10), "a&lt;b");
        assert_eq!(escape("a<b", 6), "a&lt;b");
        assert_eq!(escape("a<b", 5), "a…");
        assert_eq!(escape("abc", 3), "abc");
        assert_eq!(escape("abcd", 3), "ab…");
    }

    #[test]
    fn nobody_is_mentioned_by_the_text_of_a_failure() {
        let mut note = critical();
        note.details = "<!channel> & <@U1>".into();
        note.description = "<!here>".into();
        note.trail[0].message = "<!everyone>".into();
        let text = message(&note).to_string();
        for mention in ["<!channel>", "<@U1>", "<!here>", "<!everyone>"] {
            assert!(!text.contains(mention), "{mention}");
        }
        assert!(text.contains("&lt;!channel&gt; &amp; &lt;@U1&gt;"));
    }

    #[test]
    fn the_longest_notification_stays_below_every_limit() {
        let mut note = resolve();
        let long = "&".repeat(100_000);
        note.description.clone_from(&long);
        note.details.clone_from(&long);
        note.tags = vec![long.clone(); 20];
        note.runbook = Some(long.clone());
        note.member.clone_from(&long);
        note.test = true;
        note.possibly_repeated = true;
        let mut entry = note.trail[0].clone();
        entry.message = long;
        note.trail = vec![entry; 50];
        let message = message(&note);
        let blocks = message["attachments"][0]["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50);
        for block in blocks {
            let texts = block["text"]["text"].as_str().into_iter();
            assert!(texts.map(|t| t.chars().count()).all(|n| n <= 3_000), "{block}");
            for part in block["fields"].as_array().into_iter().flatten() {
                assert!(part["text"].as_str().unwrap().chars().count() <= 2_000);
            }
            for part in block["elements"].as_array().into_iter().flatten() {
                assert!(part["text"].as_str().unwrap_or_default().chars().count() <= 2_500);
            }
        }
        assert!(message.to_string().chars().count() < 13_000);
    }

    #[test]
    fn a_runbook_that_is_no_address_is_text_and_no_button() {
        let mut note = critical();
        note.runbook = Some("ask <bob>".into());
        note.link = None;
        let text = message(&note).to_string();
        assert!(text.contains("ask &lt;bob&gt;"));
        assert!(!text.contains("\"actions\""));
    }

    #[test]
    fn times_are_shown_in_the_readers_own_zone() {
        let text = message(&critical()).to_string();
        assert!(text.contains("<!date^1767261600^{date_short_pretty} {time_secs}|2026-01-01 10:00:00 UTC>"));
    }
}
