//! Who this member is: an id and a random identity, kept in the data directory, the same over restarts.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::{MemberId, WallMs};

/// What the file `member.json` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The member's id: what people see.
    pub member: MemberId,
    /// Random: tells this data directory from another one with the same id.
    pub identity: String,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not ours.
    #[error("{path}: not a member file ({why}); move it away to get a new identity", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl Identity {
    /// Reads the identity of a data directory, or gives it one: `member`, or a random id of eight hex digits as the original's.
    ///
    /// # Errors
    /// The file cannot be read, written or understood.
    pub fn of(dir: &Path, member: Option<MemberId>) -> Result<Self, IdentityError> {
        let path = dir.join("member.json");
        let io = |source| IdentityError::Io {
            path: path.clone(),
            source,
        };
        match std::fs::read(&path) {
            Ok(bytes) => {
                let damaged = |why: serde_json::Error| IdentityError::Damaged {
                    path: path.clone(),
                    why: why.to_string(),
                };
                let mut known: Self = serde_json::from_slice(&bytes).map_err(damaged)?;
                if let Some(member) = member.filter(|m| *m != known.member) {
                    known.member = member;
                    write(&path, &known).map_err(io)?;
                }
                Ok(known)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let identity = uuid::Uuid::new_v4().simple().to_string();
                let fresh = match member.or_else(|| MemberId::parse(&identity[..8]).ok()) {
                    Some(member) => Self { member, identity },
                    None => {
                        return Err(IdentityError::Damaged {
                            path,
                            why: "no id".to_owned(),
                        });
                    }
                };
                write(&path, &fresh).map_err(io)?;
                Ok(fresh)
            }
            Err(source) => Err(io(source)),
        }
    }
}

/// Written beside and moved into place: a crash leaves the old file or the new one.
fn write(path: &Path, identity: &Identity) -> std::io::Result<()> {
    let beside = path.with_extension("json.new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(identity)?)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

/// The file whose age says when this data directory's process was last known to live.
#[derive(Debug, Clone)]
pub struct LastAlive(PathBuf);

impl LastAlive {
    /// Of a data directory.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self(dir.join("last-alive"))
    }

    /// When the process before this one was last known to live.
    #[must_use]
    pub fn read(&self) -> Option<WallMs> {
        std::fs::read_to_string(&self.0).ok()?.trim().parse().ok().map(WallMs)
    }

    /// Notes that this one lives. Not synced: it only bounds a count, and a lost note makes it larger.
    pub fn note(&self, now: WallMs) {
        if let Err(error) = std::fs::write(&self.0, now.0.to_string()) {
            tracing::debug!(%error, "cannot note that this process lives");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = Identity::of(dir.path(), None).unwrap();
        assert_eq!(first.member.as_str().len(), 8);
        assert_eq!(Identity::of(dir.path(), None).unwrap(), first);
        let renamed = Identity::of(dir.path(), Some(MemberId::parse("berlin-1").unwrap())).unwrap();
        assert_eq!(
            (renamed.member.as_str(), &renamed.identity),
            ("berlin-1", &first.identity)
        );
    }

    #[test]
    fn a_file_that_is_not_ours_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("member.json"), "hello").unwrap();
        let error = Identity::of(dir.path(), None).unwrap_err().to_string();
        assert!(
            error.contains("member.json") && error.contains("move it away"),
            "{error}"
        );
    }
}
