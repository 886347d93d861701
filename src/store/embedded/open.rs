//! The directory of the embedded store: whose it is, and that what is made in it stays.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::RealFile;
use super::engine::Engine;
use crate::store::StoreError;

/// The database.
const FILE: &str = "store.redb";
/// The database while it is being made.
const NEW_FILE: &str = "store.redb.new";
/// Held by the process that uses the directory; says which.
const LOCK: &str = "lock";
/// Longest text that is read from the lock file.
const LOCK_BYTES: u64 = 32;

/// Why the store in a directory cannot be used. One line each, for whoever starts the program.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something else has that name.
    #[error("data directory {}: is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// It is there, or cannot be made, and we may not use it.
    #[error("data directory {}: cannot {what}: {why}", .dir.display())]
    Denied {
        /// The directory.
        dir: PathBuf,
        /// What we wanted to do.
        what: &'static str,
        /// What the system says.
        why: io::Error,
    },
    /// Another process uses it.
    #[error("data directory {}: is in use by another 9volt process{}; stop that one, or choose another --data-dir", .dir.display(), .pid.as_ref().map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// That process.
        pid: Option<String>,
    },
    /// What is in the file is not a store, or not any more.
    #[error("{}: the store is damaged: {why}; move the file away to begin with an empty store, or restore it from a backup", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Anything else.
    #[error("{}: {why}", .file.display())]
    Other {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: StoreError,
    },
}

/// Names made in a directory stay after a power loss only when the directory itself is synced.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes the directory and whatever is missing above it, for the owner only.
fn make_dir(dir: &Path) -> io::Result<()> {
    let missing = dir
        .ancestors()
        .take_while(|d| !d.as_os_str().is_empty() && !d.exists())
        .count();
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    for parent in dir.ancestors().skip(1).take(missing) {
        let parent = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        // A parent that may be passed through but not read cannot be synced; that is no reason not to start.
        match sync_dir(parent) {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).truncate(false).mode(0o600);
    options
}

/// Takes the directory for this process.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let denied = |what| {
        move |why| OpenError::Denied {
            dir: dir.to_owned(),
            what,
            why,
        }
    };
    let mut file = private()
        .create(true)
        .open(dir.join(LOCK))
        .map_err(denied("write into it"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = file.take(LOCK_BYTES).read_to_string(&mut text).is_ok();
            let pid = text.trim();
            return Err(OpenError::Locked {
                dir: dir.to_owned(),
                pid: (read && !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit())).then(|| pid.to_owned()),
            });
        }
        Err(TryLockError::Error(why)) => return Err(denied("lock it")(why)),
    }
    // For whoever is refused; on a full disk they are told without the number.
    let said = file
        .set_len(0)
        .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
    if let Err(error) = said {
        tracing::debug!(%error, "could not write the process id into the lock file");
    }
    Ok(file)
}

/// Whether there is a store in a directory.
#[must_use]
pub fn embedded_exists(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// A data directory that is this process's own for as long as this lives.
#[derive(Debug)]
pub struct Claim(File);

/// Makes a data directory if it is not there, and takes it for this process.
///
/// # Errors
/// [`OpenError`], one clear line each.
pub fn claim(dir: &Path) -> Result<Claim, OpenError> {
    let denied = |what| {
        move |why: io::Error| match why.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => OpenError::NotADirectory(dir.to_owned()),
            _ => OpenError::Denied {
                dir: dir.to_owned(),
                what,
                why,
            },
        }
    };
    make_dir(dir).map_err(denied("make it"))?;
    fs::read_dir(dir).map_err(denied("read it"))?;
    lock(dir).map(Claim)
}

/// Opens the store in `dir`, makes both if they are not there. The directory is locked until the engine is closed.
pub(super) fn open(dir: &Path) -> Result<Engine, OpenError> {
    let Claim(lock) = claim(dir)?;
    let denied = |what| {
        move |why| OpenError::Denied {
            dir: dir.to_owned(),
            what,
            why,
        }
    };
    let file = dir.join(FILE);
    if !file.try_exists().map_err(denied("read it"))? {
        make(dir)?;
    }
    let opened = private().open(&file).map_err(denied("open store.redb in it"))?;
    let engine = Engine::open(Arc::new(RealFile(opened))).map_err(refused(&file))?;
    engine.hold(lock);
    Ok(engine)
}

fn refused(file: &Path) -> impl Fn(StoreError) -> OpenError {
    move |error| match error {
        StoreError::Damaged(why) => OpenError::Damaged {
            file: file.to_owned(),
            why,
        },
        why => OpenError::Other {
            file: file.to_owned(),
            why,
        },
    }
}

/// Makes an empty store under another name and renames it: a half-made one is never taken for a store.
fn make(dir: &Path) -> Result<(), OpenError> {
    let (new, file) = (dir.join(NEW_FILE), dir.join(FILE));
    let denied = |why| OpenError::Denied {
        dir: dir.to_owned(),
        what: "make a store in it",
        why,
    };
    let made = private().create(true).truncate(true).open(&new).map_err(denied)?;
    let synced = made.try_clone().map_err(denied)?;
    Engine::open(Arc::new(RealFile(made))).map_err(refused(&file))?.close();
    synced.sync_all().map_err(denied)?;
    fs::rename(&new, &file).map_err(denied)?;
    sync_dir(dir).map_err(denied)
}
