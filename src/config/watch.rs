//! Noticing that a directory of definitions has changed.
//!
//! The operating system's notifications only say *look again*: what has changed is seen by comparing names, sizes and times, which also
//! happens every few seconds without any, for file systems that do not notify (network mounts, a full table of watches).

use std::hash::{Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::files::MAX_FILES;

/// Quiet time after a change: an editor or a checkout writes more than once.
pub const DEBOUNCE: Duration = Duration::from_millis(300);
/// Longest wait for quiet.
pub const LONGEST_DEBOUNCE: Duration = Duration::from_secs(3);
/// How often it is looked at without being told to.
pub const POLL: Duration = Duration::from_secs(5);

/// A directory that is watched.
pub struct DirWatch {
    dir: PathBuf,
    seen: u64,
    told: mpsc::Receiver<()>,
    /// Kept for its `Drop`, which ends the watch; `None` where the system has no room for another.
    _watcher: Option<RecommendedWatcher>,
}

impl DirWatch {
    /// Starts to watch. Make it before the directory is loaded, so that no change is lost in between.
    pub async fn new(dir: &Path) -> Self {
        // One slot: a second "look again" adds nothing to the first.
        let (tell, told) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |_| {
            let _ = tell.try_send(());
        })
        .and_then(|mut watcher| {
            // The real directory, so that a link as DIR is watched where it leads to.
            let real = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
            watcher.watch(&real, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        if let Err(err) = &watcher {
            tracing::warn!(dir = %dir.display(), %err, "no notifications for this directory; it is polled");
        }
        Self {
            seen: fingerprint(dir).await,
            dir: dir.to_owned(),
            told,
            _watcher: watcher.ok(),
        }
    }

    /// Waits until the directory is different from when this last returned, and quiet again. May be cancelled: nothing is lost.
    pub async fn changed(&mut self) {
        loop {
            let poll = Instant::now() + POLL;
            tokio::select! {
                Some(()) = self.told.recv() => self.quiet().await,
                () = sleep_until(poll) => {}
            }
            let now = fingerprint(&self.dir).await;
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    async fn quiet(&mut self) {
        let longest = Instant::now() + LONGEST_DEBOUNCE;
        while let Ok(Some(())) = timeout_at((Instant::now() + DEBOUNCE).min(longest), self.told.recv()).await {
            if Instant::now() >= longest {
                return;
            }
        }
    }
}

async fn fingerprint(dir: &Path) -> u64 {
    let dir = dir.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut hasher = std::hash::DefaultHasher::new();
        let mut files = 0;
        look(&dir, &mut hasher, &mut files);
        hasher.finish()
    })
    .await
    .unwrap_or_default()
}

/// Feeds names, sizes, times and identities of all that may hold definitions. Directory order does not matter.
fn look(dir: &Path, hasher: &mut impl std::hash::Hasher, files: &mut usize) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).into_iter().flatten().flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        *files += 1;
        if *files > MAX_FILES {
            return;
        }
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            look(&path, hasher, files);
        } else if path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("yaml") || end.eq_ignore_ascii_case("yml"))
        {
            path.hash(hasher);
            // Through links: what counts is the content behind them.
            let metadata = path.metadata().ok();
            let what = metadata.map(|m| {
                (
                    m.len(),
                    m.mtime(),
                    m.mtime_nsec(),
                    m.ctime(),
                    m.ctime_nsec(),
                    m.dev(),
                    m.ino(),
                )
            });
            what.hash(hasher);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_change_is_noticed_once_it_is_quiet() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        let mut watch = DirWatch::new(dir.path()).await;
        fs::write(dir.path().join("sub/a.yaml"), "monitor:\n").unwrap();
        tokio::time::timeout(LONG, watch.changed())
            .await
            .expect("a new file is noticed");
        fs::remove_file(dir.path().join("sub/a.yaml")).unwrap();
        tokio::time::timeout(LONG, watch.changed())
            .await
            .expect("a removed file is noticed");
    }

    #[tokio::test]
    async fn what_holds_no_definitions_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.yaml"), "monitor:\n").unwrap();
        let before = fingerprint(dir.path()).await;
        fs::write(dir.path().join("a.yaml.swp"), "x").unwrap();
        fs::write(dir.path().join("README.md"), "x").unwrap();
        assert_eq!(fingerprint(dir.path()).await, before);
        fs::write(dir.path().join("a.yaml"), "monitor:  \n").unwrap();
        assert_ne!(fingerprint(dir.path()).await, before);
    }

    #[tokio::test]
    async fn a_swapped_link_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        for part in ["..1", "..2"] {
            fs::create_dir(dir.path().join(part)).unwrap();
            fs::write(dir.path().join(part).join("a.yaml"), "monitor:\n").unwrap();
        }
        std::os::unix::fs::symlink("..1", dir.path().join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
        let before = fingerprint(dir.path()).await;
        std::os::unix::fs::symlink("..2", dir.path().join("..new")).unwrap();
        fs::rename(dir.path().join("..new"), dir.path().join("..data")).unwrap();
        assert_ne!(fingerprint(dir.path()).await, before);
    }

    /// The fingerprint is taken on the blocking pool, which a paused clock waits for; the poll itself takes no real time.
    #[tokio::test(start_paused = true)]
    async fn without_notifications_it_is_polled() {
        let dir = tempfile::tempdir().unwrap();
        let (_tell, told) = mpsc::channel(1);
        let mut watch = DirWatch {
            seen: fingerprint(dir.path()).await,
            dir: dir.path().to_owned(),
            told,
            _watcher: None,
        };
        fs::write(dir.path().join("a.yaml"), "monitor:\n").unwrap();
        let before = Instant::now();
        watch.changed().await;
        assert_eq!(before.elapsed().as_secs(), POLL.as_secs());
    }
}
