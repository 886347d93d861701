//! The file under the database: grows only by blocks that are really there, and can be read while it cannot be written.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use redb::StorageBackend;

use crate::store::StoreError;

/// Room that has to be free before a full disk is tried again.
pub(super) const PROBE_BYTES: u64 = 256 * 1024;
/// Blocks in which writes over a file that cannot be written are kept.
const BLOCK: u64 = 4096;
/// Bytes that are read and written again at a time after a failed sync.
const REWRITE: usize = 1 << 20;

/// What a database file has to do. The real one is [`RealFile`]; tests put one with faults in its place.
pub(super) trait Raw: Debug + Send + Sync + 'static {
    fn len(&self) -> io::Result<u64>;
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Growing takes the space now, so that a full disk is met here and not in the middle of a commit.
    fn set_len(&self, len: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
    /// Whether more could be written now, up to this length at least.
    fn probe(&self, upto: u64) -> io::Result<()>;
}

/// A file.
#[derive(Debug)]
pub(super) struct RealFile(pub(super) File);

#[cfg(target_os = "linux")]
fn allocate(file: &File, beyond: bool, from: u64, len: u64) -> io::Result<()> {
    use nix::errno::Errno;
    use nix::fcntl::{FallocateFlags, fallocate};
    let flags = if beyond {
        FallocateFlags::FALLOC_FL_KEEP_SIZE
    } else {
        FallocateFlags::empty()
    };
    let at = |n: u64| i64::try_from(n).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
    match fallocate(file, flags, at(from)?, at(len)?) {
        // The file system cannot: then the space is found, or not, when it is written.
        Ok(()) | Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(_file: &File, _beyond: bool, _from: u64, _len: u64) -> io::Result<()> {
    Ok(())
}

impl Raw for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let now = self.len()?;
        if len > now
            && let Err(error) = allocate(&self.0, false, now, len - now)
        {
            // What was taken before it failed is given back, or the file would be longer than the database thinks.
            self.0.set_len(now)?;
            return Err(error);
        }
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn probe(&self, upto: u64) -> io::Result<()> {
        let now = self.len()?;
        let more = upto.saturating_sub(now).max(PROBE_BYTES);
        if let Err(error) = allocate(&self.0, true, now, more) {
            // Or the last free blocks would be taken by having asked.
            self.0.set_len(now)?;
            return Err(error);
        }
        Ok(())
    }
}

/// What an error of the disk means to who uses the store.
pub(super) fn explain(error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::Full(error.to_string())
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// The last thing that went wrong, since the database only says once what it was.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    pub(super) error: Mutex<Option<StoreError>>,
    /// The length that the file could not be given.
    pub(super) wanted: AtomicU64,
    /// A sync failed: the kernel may have dropped what it could not write, and says so only once.
    pub(super) sync: AtomicBool,
    /// The file had to be walked through when it was opened.
    pub(super) repaired: AtomicBool,
}

/// One database over the file, from its opening to its closing or first error.
#[derive(Debug)]
pub(super) struct Disk {
    raw: Arc<dyn Raw>,
    trouble: Arc<Trouble>,
    /// Where writes go if the file cannot take them: reading goes on, nothing is kept.
    over: Option<Mutex<Over>>,
}

#[derive(Debug)]
struct Over {
    len: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Disk {
    pub(super) fn new(raw: Arc<dyn Raw>, trouble: Arc<Trouble>) -> Self {
        Self {
            raw,
            trouble,
            over: None,
        }
    }

    /// For reading: what the database writes when it opens (a repair) is kept in memory.
    pub(super) fn read_only(raw: Arc<dyn Raw>, trouble: Arc<Trouble>) -> io::Result<Self> {
        let len = raw.len()?;
        let blocks = BTreeMap::new();
        Ok(Self {
            raw,
            trouble,
            over: Some(Mutex::new(Over { len, blocks })),
        })
    }

    pub(super) fn trouble(&self) -> Arc<Trouble> {
        self.trouble.clone()
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            *self.trouble.error.lock() = Some(explain(error));
        }
        result
    }
}

/// Writes the whole file again as it reads now, and syncs it. After a failed sync this is the only way to know that what is read is also on
/// the disk: the pages that failed count as clean.
pub(super) fn rewrite(raw: &dyn Raw) -> io::Result<()> {
    let len = raw.len()?;
    let mut buffer = vec![0; REWRITE];
    let mut at = 0;
    while at < len {
        let part = usize::try_from(len - at).unwrap_or(REWRITE).min(REWRITE);
        let bytes = buffer.get_mut(..part).unwrap_or_default();
        raw.read(at, bytes)?;
        raw.write(at, bytes)?;
        at += part as u64;
    }
    raw.sync()
}

impl Over {
    /// The block as it stands, from the file where it was not written.
    fn load(&self, raw: &dyn Raw, block: u64) -> io::Result<Vec<u8>> {
        if let Some(bytes) = self.blocks.get(&block) {
            return Ok(bytes.clone());
        }
        let mut bytes = vec![0; BLOCK as usize];
        let (from, end) = (block * BLOCK, raw.len()?.min(self.len));
        let there = end.saturating_sub(from).min(BLOCK) as usize;
        if let Some(part) = bytes.get_mut(..there)
            && there > 0
        {
            raw.read(from, part)?;
        }
        Ok(bytes)
    }

    fn read(&self, raw: &dyn Raw, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset + out.len() as u64 > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut at = offset;
        for part in pieces(offset, out) {
            let bytes = self.load(raw, at / BLOCK)?;
            let from = (at % BLOCK) as usize;
            part.copy_from_slice(bytes.get(from..from + part.len()).unwrap_or_default());
            at += part.len() as u64;
        }
        Ok(())
    }

    fn write(&mut self, raw: &dyn Raw, offset: u64, data: &[u8]) -> io::Result<()> {
        self.len = self.len.max(offset + data.len() as u64);
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let from = (at % BLOCK) as usize;
            let (part, tail) = rest.split_at(rest.len().min(BLOCK as usize - from));
            let mut bytes = self.load(raw, at / BLOCK)?;
            if let Some(place) = bytes.get_mut(from..from + part.len()) {
                place.copy_from_slice(part);
            }
            self.blocks.insert(at / BLOCK, bytes);
            at += part.len() as u64;
            rest = tail;
        }
        Ok(())
    }
}

/// `out` cut at the borders of blocks.
fn pieces(offset: u64, out: &mut [u8]) -> impl Iterator<Item = &mut [u8]> {
    let first = out.len().min((BLOCK - offset % BLOCK) as usize);
    let (head, tail) = out.split_at_mut(first);
    std::iter::once(head).chain(tail.chunks_mut(BLOCK as usize))
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        match &self.over {
            Some(over) => Ok(over.lock().len),
            None => self.note(self.raw.len()),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match &self.over {
            Some(over) => over.lock().read(&*self.raw, offset, out),
            None => self.note(self.raw.read(offset, out)),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match &self.over {
            Some(over) => {
                over.lock().len = len;
                Ok(())
            }
            None => {
                let done = self.raw.set_len(len);
                if done.is_err() {
                    self.trouble.wanted.store(len, Ordering::Release);
                }
                self.note(done)
            }
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.over.is_some() {
            return Ok(());
        }
        let synced = self.raw.sync();
        if synced.is_err() {
            self.trouble.sync.store(true, Ordering::Release);
        }
        self.note(synced)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match &self.over {
            Some(over) => over.lock().write(&*self.raw, offset, data),
            None => self.note(self.raw.write(offset, data)),
        }
    }
}
