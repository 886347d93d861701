//! Pure: records that fit. What people wrote and what targets answered has any length; what is persisted has not.

use bytes::Bytes;
use serde::Serialize;

use crate::model::TrailEntry;
use crate::store::records::{Checkpoint, MAX_STATE, OutboxEntry, Past};
use crate::store::{StoreError, encode};

/// Texts are first cut to this, then to half of it, and so on.
const LONGEST: usize = 2048;
/// A tag is counted as so many bytes.
const TAG: usize = 16;

/// A record whose texts may be cut.
pub(super) trait Cut: Serialize + Clone {
    /// Cuts every text to at most so many bytes.
    fn cut(&mut self, most: usize);
}

/// A record as it is stored, its texts cut as little as possible so that the store takes it. Escaping makes a text up to six times as
/// long, so its length says little.
///
/// # Errors
/// As [`encode`]. What does not fit without any text is the store's to refuse.
pub(super) fn fit<T: Cut>(record: &T) -> Result<Bytes, StoreError> {
    let whole = encode(record)?;
    if whole.len() <= MAX_STATE {
        return Ok(whole);
    }
    let mut record = record.clone();
    let mut most = LONGEST;
    loop {
        record.cut(most);
        let bytes = encode(&record)?;
        if bytes.len() <= MAX_STATE || most == 0 {
            return Ok(bytes);
        }
        most /= 2;
    }
}

fn cut(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

fn cut_trail(trail: &mut [TrailEntry], most: usize) {
    for line in trail {
        cut(&mut line.message, most);
    }
}

impl Cut for Checkpoint {
    fn cut(&mut self, most: usize) {
        cut(&mut self.message, most);
        cut_trail(&mut self.trail, most);
    }
}

impl Cut for Past {
    fn cut(&mut self, most: usize) {
        cut(&mut self.message, most);
        cut_trail(&mut self.trail, most);
    }
}

impl Cut for OutboxEntry {
    fn cut(&mut self, most: usize) {
        cut(&mut self.message, most);
        cut(&mut self.description, most);
        cut_trail(&mut self.trail, most);
        if let Some(displaced) = &mut self.displaced {
            cut(&mut displaced.message, most);
        }
        // Half a tag or half an address would be another one.
        self.tags.retain(|tag| tag.len() <= most);
        self.tags.truncate(most / TAG);
        if self.runbook.len() > most {
            self.runbook.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EpisodeId, Status, WallMs};
    use crate::store::records::FORMAT;

    fn entry(message: &str, description: &str, tags: usize) -> OutboxEntry {
        let line = TrailEntry {
            at: WallMs(0),
            status: Status::Critical,
            message: message.to_owned(),
        };
        OutboxEntry {
            v: FORMAT,
            episode: EpisodeId(1),
            seq: 1,
            status: Status::Critical,
            from: Status::Ok,
            closed: None,
            since: WallMs(0),
            at: WallMs(0),
            count: 1,
            message: message.to_owned(),
            trail: vec![line; 8],
            kind: "exec".to_owned(),
            description: description.to_owned(),
            tags: (0..tags).map(|i| format!("tag-{i}")).collect(),
            runbook: String::new(),
            displaced: None,
        }
    }

    #[test]
    fn what_fits_is_left_alone() {
        let entry = entry("connection refused", "the shop", 3);
        assert_eq!(fit(&entry).unwrap(), encode(&entry).unwrap());
    }

    #[test]
    fn a_record_fits_whatever_a_target_answered_and_whatever_people_wrote() {
        for (message, description, tags) in [
            ("\u{0}".repeat(600), String::new(), 0),
            ("m".repeat(600), "d".repeat(200_000), 0),
            ("ü\"\n".repeat(100), "\u{1}".repeat(5_000), 10_000),
        ] {
            let fitted = fit(&entry(&message, &description, tags)).unwrap();
            assert!(fitted.len() <= MAX_STATE, "{} bytes", fitted.len());
            let read: OutboxEntry = serde_json::from_slice(&fitted).unwrap();
            assert_eq!(read.trail.len(), 8);
            assert!(!read.message.is_empty() && message.starts_with(&read.message));
        }
    }
}
