//! A line of JSON on standard output, for trying things out and for those who collect lines.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::kind::{Alerter, DeliveryCx, DeliveryError, Receipt};
use super::text;
use crate::model::Notification;

/// A line of JSON on standard output per message. It has no options.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {}

impl Alerter for Log {
    const KIND: &'static str = "log";
    const SUMMARY: &'static str = "Writes a line of JSON to standard output, for trying it out.";
    const EXAMPLE: &'static str = "\
alerter:
  console:
    type: log
    description: a line of JSON on the server's standard output
    # This kind has no options.
    options: {}
";
    const HAS_KEY: bool = false;

    async fn deliver(&self, cx: &DeliveryCx, note: &Notification) -> Result<Receipt, DeliveryError> {
        // Tokio's handle writes on a thread of its own: a full pipe that nobody reads holds up nothing but this attempt.
        write(&mut tokio::io::stdout(), cx, note).await
    }
}

async fn write(
    out: &mut (impl AsyncWrite + Unpin),
    cx: &DeliveryCx,
    note: &Notification,
) -> Result<Receipt, DeliveryError> {
    let line = format!("{}\n", line(note));
    let written = async {
        // One write for the whole line, so that lines of several alerters do not mix.
        out.write_all(line.as_bytes()).await?;
        out.flush().await
    };
    match tokio::time::timeout_at(cx.deadline, written).await {
        Ok(Ok(())) => Ok(Receipt {
            response: "written to standard output".to_owned(),
            reference: None,
        }),
        Ok(Err(err)) => Err(DeliveryError::soon(format!("cannot write to standard output: {err}"))),
        Err(_) => Err(DeliveryError::soon("nobody read standard output before the deadline")),
    }
}

/// Everything that the notification says, on one line.
fn line(note: &Notification) -> Value {
    json!({
        "alert": text::title(note),
        "text": text::sentence(note),
        "at": note.at.rfc3339(),
        "cluster": note.cluster,
        "alerter": note.alerter.as_str(),
        "monitor": note.monitor.as_str(),
        "type": note.kind,
        "status": note.status,
        "from": note.from,
        "closed": note.closed,
        "since": note.since.rfc3339(),
        "count": note.count,
        "description": note.description,
        "details": note.details,
        "tags": note.tags,
        "trail": note.trail.iter().map(|entry| json!({
            "at": entry.at.rfc3339(),
            "status": entry.status,
            "message": entry.message,
        })).collect::<Vec<_>>(),
        "link": note.link,
        "runbook": note.runbook,
        "member": note.member,
        "episode": note.episode,
        "seq": note.seq,
        "key": note.key,
        "test": note.test,
        "possibly_repeated": note.possibly_repeated,
        "without_store": note.without_store,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::kind::Retry;
    use super::super::testing::{critical, cx, resolve};
    use super::*;

    #[tokio::test]
    async fn a_message_is_one_line_of_json_with_everything_in_it() {
        let mut note = critical();
        note.details = "first\nsecond".into();
        note.test = true;
        let mut out = Vec::new();
        write(&mut out, &cx(), &note).await.unwrap();
        write(&mut out, &cx(), &resolve()).await.unwrap();
        let lines: Vec<Value> = std::str::from_utf8(&out)
            .unwrap()
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["alert"], "[TEST] CRITICAL: web (http)");
        assert_eq!(lines[0]["details"], "first\nsecond");
        assert_eq!(lines[0]["status"], "critical");
        assert_eq!(lines[0]["test"], true);
        assert_eq!(lines[0]["trail"][0]["message"], "status 502");
        assert_eq!(lines[1]["status"], "ok");
        assert_eq!(lines[1]["closed"], "recovered");
        assert_eq!(lines[1]["at"], "2026-01-01T10:12:30.000Z");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_that_nobody_reads_is_left_at_the_deadline() {
        let (mut full, _reader) = tokio::io::duplex(16);
        let cx = cx();
        let err = write(&mut full, &cx, &critical()).await.unwrap_err();
        assert_eq!(err.retry, Retry::Soon);
        assert_eq!(tokio::time::Instant::now().duration_since(cx.deadline), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_closed_pipe_is_an_error() {
        let (mut broken, reader) = tokio::io::duplex(16);
        drop(reader);
        let err = write(&mut broken, &cx(), &critical()).await.unwrap_err();
        assert_eq!(err.retry, Retry::Soon);
        assert!(err.message.contains("cannot write"), "{}", err.message);
    }
}
