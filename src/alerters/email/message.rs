//! The mail: headers by which clients make threads and filters sort, a text part and an HTML part.

use std::time::{Duration, UNIX_EPOCH};

use lettre::address::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use xxhash_rust::xxh3::xxh3_128;

use crate::alerters::kind::DeliveryError;
use crate::alerters::text::{self, cut};
use crate::model::{Notification, Status, WallMs};

/// Longest text of one kind in a mail, in characters.
const MAX_TEXT: usize = 32 * 1_024;
/// Longest message of one line of the trail, and number of lines.
const MAX_TRAIL_MESSAGE: usize = 500;
const MAX_TRAIL: usize = 8;

/// A mail that can be handed to a server.
pub(super) struct Mail {
    /// Its `Message-ID` with brackets.
    pub id: String,
    pub from: Address,
    pub recipients: Vec<Address>,
    pub bytes: Vec<u8>,
}

impl Mail {
    pub(super) fn of(
        note: &Notification,
        from: &Mailbox,
        to: &[Mailbox],
        cc: &[Mailbox],
        now: WallMs,
    ) -> Result<Self, DeliveryError> {
        let id = message_id(note, from.email.domain());
        let millis = u64::try_from(now.0).unwrap_or(0);
        let mut builder = Message::builder()
            .from(from.clone())
            .date(UNIX_EPOCH + Duration::from_millis(millis))
            .message_id(Some(id.clone()))
            .subject(text::subject(note));
        for mailbox in to {
            builder = builder.to(mailbox.clone());
        }
        for mailbox in cc {
            builder = builder.cc(mailbox.clone());
        }
        if let Some(first) = note.reference.as_deref().filter(|r| *r != id && is_message_id(r)) {
            builder = builder.in_reply_to(first.to_owned()).references(first.to_owned());
        }
        for (name, value) in [
            // Out-of-office replies and ticket systems leave such mail alone (RFC 3834).
            (HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated"),
            (HeaderName::new_from_ascii_str("X-9volt-Monitor"), note.monitor.as_str()),
            (HeaderName::new_from_ascii_str("X-9volt-Status"), note.status.as_str()),
            (
                HeaderName::new_from_ascii_str("X-9volt-Episode"),
                &note.episode.to_string(),
            ),
        ] {
            builder = builder.raw_header(HeaderValue::new(name, text::one_line(value)));
        }
        let message = builder
            .multipart(MultiPart::alternative_plain_html(plain(note), html(note)))
            .map_err(|err| DeliveryError::never(format!("the mail cannot be built: {err}")))?;
        let mut recipients: Vec<Address> = Vec::new();
        for mailbox in to.iter().chain(cc) {
            if !recipients.contains(&mailbox.email) {
                recipients.push(mailbox.email.clone());
            }
        }
        Ok(Self {
            id,
            from: from.email.clone(),
            recipients,
            bytes: message.formatted(),
        })
    }
}

/// The same for every attempt, so that a mailbox that gets a message twice may know it.
fn message_id(note: &Notification, domain: &str) -> String {
    format!("<9volt.{:032x}@{domain}>", xxh3_128(note.key.as_bytes()))
}

/// Whether what an earlier delivery left behind can stand in a header.
fn is_message_id(text: &str) -> bool {
    const MAX: usize = 500;
    text.len() <= MAX
        && text.starts_with('<')
        && text.ends_with('>')
        && text.contains('@')
        && text.chars().all(|c| c.is_ascii_graphic())
}

/// Labels and values, in the order in which a person needs them. The first three have the original's names.
fn rows(note: &Notification) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("Check Description", note.description.clone()),
        ("Detailed Message", text::sentence(note)),
        ("Error Details", note.details.clone()),
        ("Since", text::clock(note.since)),
    ];
    if note.is_resolve() {
        rows.push(("Until", text::clock(note.at)));
    }
    rows.push(("Failed Checks", note.count.to_string()));
    rows.push(("Tags", note.tags.join(", ")));
    rows.push(("Runbook", note.runbook.clone().unwrap_or_default()));
    rows.push(("Monitor", note.link.clone().unwrap_or_default()));
    rows.push(("Seen By", format!("{} in {}", note.member, note.cluster)));
    rows.retain(|(_, value)| !value.is_empty());
    for (_, value) in &mut rows {
        *value = cut(value, MAX_TEXT);
    }
    rows
}

fn trail(note: &Notification) -> Vec<String> {
    let skipped = note.trail.len().saturating_sub(MAX_TRAIL);
    let lines = note.trail.iter().skip(skipped).map(|entry| {
        let message = cut(&text::one_line(&entry.message), MAX_TRAIL_MESSAGE);
        format!("{}  {}  {message}", text::clock(entry.at), entry.status)
    });
    lines.collect()
}

fn plain(note: &Notification) -> String {
    let mut lines = vec![text::title(note), String::new()];
    for remark in text::remarks(note) {
        lines.push(remark.to_owned());
        lines.push(String::new());
    }
    lines.extend(rows(note).into_iter().map(|(label, value)| format!("{label}: {value}")));
    let trail = trail(note);
    if !trail.is_empty() {
        lines.push(String::new());
        lines.push("What happened:".to_owned());
        lines.extend(trail.into_iter().map(|line| format!("  {line}")));
    }
    lines.push(String::new());
    lines.join("\r\n")
}

/// Tables and inline styles: what mail clients show alike.
fn html(note: &Notification) -> String {
    let color = match note.status {
        Status::Critical => "#c62828",
        Status::Warning => "#b26a00",
        Status::Ok | Status::Pending => "#2e7d32",
    };
    let remarks: String = text::remarks(note)
        .iter()
        .map(|remark| format!("<p><strong>{}</strong></p>", escape(remark)))
        .collect();
    let rows: String = rows(note)
        .iter()
        .map(|(label, value)| {
            format!(
                "<tr><td style=\"padding:4px 16px 4px 0;color:#666;vertical-align:top;white-space:nowrap\">{label}</td>\
                 <td style=\"padding:4px 0;white-space:pre-wrap\">{}</td></tr>\r\n",
                linked(value)
            )
        })
        .collect();
    let trail = trail(note);
    let trail = if trail.is_empty() {
        String::new()
    } else {
        format!(
            "<p style=\"color:#666\">What happened</p><pre style=\"font-size:12px\">{}</pre>",
            escape(&trail.join("\n"))
        )
    };
    format!(
        "<!doctype html><html><body style=\"font-family:sans-serif;font-size:14px;color:#222\">\
         <h2 style=\"margin:0 0 12px;padding:8px 12px;color:#fff;background:{color}\">{}</h2>\r\n\
         {remarks}<table style=\"border-collapse:collapse\">\r\n{rows}</table>{trail}</body></html>\r\n",
        escape(&text::title(note))
    )
}

/// A value that is a web address becomes a link.
fn linked(value: &str) -> String {
    let escaped = escape(value);
    match text::web_link(Some(value)) {
        Some(_) => format!("<a href=\"{escaped}\">{escaped}</a>"),
        None => escaped,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::addresses::mailbox;
    use super::*;
    use crate::alerters::testing::{critical, resolve};
    use crate::model::MonitorName;

    fn headers(note: &Notification) -> String {
        let mail = mail(note);
        let text = String::from_utf8(mail.bytes).unwrap();
        text.split_once("\r\n\r\n").unwrap().0.to_owned()
    }

    fn mail(note: &Notification) -> Mail {
        let from = mailbox("9volt <n@b.c>").unwrap();
        let to = [mailbox("Ann <a@b.c>").unwrap(), mailbox("d@e.f").unwrap()];
        let cc = [mailbox("d@e.f").unwrap(), mailbox("g@h.i").unwrap()];
        Mail::of(note, &from, &to, &cc, WallMs(1_767_261_620_000)).unwrap()
    }

    #[test]
    fn the_headers_are_complete() {
        let headers = headers(&critical());
        for line in [
            "From: 9volt <n@b.c>",
            "To: Ann <a@b.c>, d@e.f",
            "Cc: d@e.f, g@h.i",
            "Subject: HTTP check 'web' failure",
            "Date: Thu, 01 Jan 2026 10:00:20 +0000",
            "Auto-Submitted: auto-generated",
            "X-9volt-Monitor: web",
            "X-9volt-Status: critical",
            "X-9volt-Episode: 1767261600000",
            "MIME-Version: 1.0",
        ] {
            assert!(headers.lines().any(|l| l == line), "{line} in\n{headers}");
        }
        assert!(headers.contains("Message-ID: <9volt."));
        assert!(!headers.contains("References"));
    }

    #[test]
    fn later_mails_of_an_episode_refer_to_the_first() {
        let first = mail(&critical()).id;
        let mut note = resolve();
        note.reference = Some(first.clone());
        let headers = headers(&note);
        assert!(headers.contains(&format!("In-Reply-To: {first}")), "{headers}");
        assert!(headers.contains(&format!("References: {first}")), "{headers}");
        assert!(headers.contains("Subject: HTTP check 'web' failure"));
    }

    #[test]
    fn another_attempt_has_the_same_id_and_another_message_another() {
        assert_eq!(mail(&critical()).id, mail(&critical()).id);
        assert_ne!(mail(&critical()).id, mail(&resolve()).id);
        // An attempt after its own receipt was lost must not answer itself.
        let mut note = critical();
        note.reference = Some(mail(&note).id);
        assert!(!headers(&note).contains("References"));
    }

    #[test]
    fn nothing_is_smuggled_in_by_a_reference_or_a_name() {
        for reference in ["<a@b>\r\nBcc: x@y.z", "<a@b> <c@d>", "no id", "<a@b>\n"] {
            let mut note = critical();
            note.reference = Some(reference.into());
            let headers = headers(&note);
            assert!(!headers.contains("Bcc") && !headers.contains("References"), "{headers}");
        }
        let mut note = critical();
        note.monitor = MonitorName::parse("wéb \u{1f525} =?utf-8?q?x?=").unwrap();
        assert!(headers(&note).is_ascii());
    }

    #[test]
    fn everybody_is_a_recipient_once() {
        let recipients: Vec<_> = mail(&critical()).recipients.iter().map(ToString::to_string).collect();
        assert_eq!(recipients, ["a@b.c", "d@e.f", "g@h.i"]);
    }

    #[test]
    fn the_text_begins_with_what_happened_and_keeps_the_originals_lines() {
        let text = plain(&resolve());
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("RESOLVED: web (http)"));
        assert!(text.contains("\r\nCheck Description: front page\r\n"));
        assert!(text.contains(
            "\r\nDetailed Message: Check has recovered from critical after 53 checks. It lasted 12m 30s.\r\n"
        ));
        assert!(text.contains("\r\nError Details: status 503, wanted <200-299> & quick\r\n"));
        assert!(text.contains("2026-01-01 10:00:00 UTC  warning  status 502"));
    }

    #[test]
    fn html_shows_a_target_s_words_as_words() {
        let mut note = critical();
        note.details = "<script>alert(\"x\")</script>".into();
        note.runbook = Some("javascript:alert(1)".into());
        let html = html(&note);
        assert!(
            !html.contains("<script>") && !html.contains("href=\"javascript"),
            "{html}"
        );
        assert!(html.contains("&lt;script&gt;"));
        assert!(html.contains("<a href=\"https://9volt.example.org/ui/monitor/web\">"));
    }

    #[test]
    fn tests_and_possible_repetitions_are_marked_in_both_parts() {
        let mut note = critical();
        note.test = true;
        note.possibly_repeated = true;
        for part in [plain(&note), html(&note)] {
            assert!(part.contains("[TEST] CRITICAL"), "{part}");
            assert!(part.contains(text::TEST) && part.contains(text::REPEATED), "{part}");
        }
        assert!(headers(&note).contains("Subject: [TEST] "));
    }

    #[test]
    fn a_huge_error_makes_no_huge_mail() {
        let mut note = critical();
        note.details = "é".repeat(1_000_000);
        note.description.clone_from(&note.details);
        assert!(mail(&note).bytes.len() < 1_000_000);
    }
}
