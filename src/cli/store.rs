//! `9volt store export|import|copy`; [`decide`] does the rest. Exit code 0 done, 1 problems, 2 refused.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Subcommand;

use super::decide::{self, Decision};
use super::{DONE, Global, PROBLEMS, REFUSED, block_on, complain, values};
use crate::app::default_data_dir;
use crate::model::WallMs;
use crate::store::transfer::{self, Checked, Damage, Export, FileError, Header, How, Imported, Refused};
use crate::store::{EtcdOptions, Store};

/// Whoever owns the file, and nobody else.
const OWNER_ONLY: u32 = 0o600;

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Write everything that a store holds to a file: definitions, silences, open incidents, what was told, history. The file holds the secrets
    /// of the definitions as they are, and only you may read it
    ///
    /// Left out is what belongs to that store alone: members, director, who holds what, events. Of the embedded store, the server has to be
    /// stopped; of etcd it may run.
    Export {
        /// The file, which must not be there yet; without it, or with `-`, standard output
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Bring a file that `export` wrote into an empty store
    Import {
        /// The file; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        how: HowArgs,
    },
    /// Bring what one store holds into another one, which is empty: from the embedded store to etcd, back, or from etcd to etcd
    ///
    /// The first is named as for every command (-e, -p, --data-dir), the second by --to-etcd or --to-data-dir. User and TLS files count for both.
    Copy {
        /// Into the embedded store in this directory
        #[arg(long, value_name = "DIR", conflicts_with = "to_etcd")]
        to_data_dir: Option<PathBuf>,
        /// Into etcd, as a comma list of endpoints
        #[arg(long, value_name = "URL", required_unless_present = "to_data_dir")]
        to_etcd: Option<String>,
        /// Top of all keys there [default: as --etcd-prefix]
        #[arg(long, value_name = "PREFIX", requires = "to_etcd")]
        to_etcd_prefix: Option<String>,
        #[command(flatten)]
        how: HowArgs,
    },
    /// Take the store as it is, where members found another one than before (state `strange`)
    ///
    /// Said to any member that is `strange` (--server URL); the others follow, also those that are away. What their copies hold is forgotten.
    Adopt {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Write back what the store held, where members found another one than before (state `strange`)
    ///
    /// Said to any member that is `strange` (--server URL), whose copy it is written from; the others return by themselves.
    Restore {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct HowArgs {
    /// Into a store that holds something: add the monitors and alerters that it does not have, and nothing else
    #[arg(long)]
    merge: bool,
    /// Into a store that holds something: make it hold what is imported, and nothing else
    #[arg(long, conflicts_with = "merge")]
    replace: bool,
    /// Go ahead although servers run on that store
    #[arg(short, long)]
    yes: bool,
}

impl HowArgs {
    fn how(self) -> How {
        match (self.merge, self.replace) {
            (true, _) => How::Merge,
            (_, true) => How::Replace,
            _ => How::IntoEmpty,
        }
    }
}

/// A store that is opened by this command itself.
enum Place {
    DataDir(PathBuf),
    Etcd(EtcdOptions),
}

impl Place {
    /// What the command line names; without that, what a server with the same variables would use.
    fn named(global: &Global) -> anyhow::Result<Self> {
        ensure!(
            !global.server_named,
            "this command opens the store itself; leave out --server, and stop the server if its store is the embedded one"
        );
        ensure!(
            !(global.etcd.named && global.data_dir_named),
            "either --data-dir or -e: a store is the embedded one or etcd"
        );
        let dir = || global.data_dir.clone().unwrap_or_else(default_data_dir);
        Ok(match global.etcd.options()? {
            Some(etcd) if !global.data_dir_named => Self::Etcd(etcd),
            _ => Self::DataDir(dir()),
        })
    }

    /// Opens it to read: what is not there is not made.
    async fn open_to_read(&self) -> anyhow::Result<Store> {
        if let Self::DataDir(dir) = self {
            ensure!(
                crate::store::embedded_exists(dir),
                "there is no store in {}",
                dir.display()
            );
        }
        self.open().await
    }

    async fn open(&self) -> anyhow::Result<Store> {
        Ok(match self {
            Self::DataDir(dir) => crate::store::open_embedded(dir).await?,
            Self::Etcd(etcd) => {
                crate::app::install_tls();
                crate::store::open_etcd(etcd)?
            }
        })
    }
}

pub(super) fn run(global: &Global, command: StoreCommand) -> anyhow::Result<u8> {
    match command {
        StoreCommand::Adopt { yes } => decide::run(global, Decision::Adopt, yes),
        StoreCommand::Restore { yes } => decide::run(global, Decision::Restore, yes),
        StoreCommand::Export { file } => {
            let place = Place::named(global)?;
            block_on(async {
                let store = place.open_to_read().await?;
                export(&store, file.as_deref().filter(|file| *file != Path::new("-"))).await
            })?
        }
        StoreCommand::Import { file, how } => {
            let place = Place::named(global)?;
            let mut checked = match check(&file) {
                Ok(checked) => checked,
                Err(error @ FileError::Newer { .. }) => return Ok(refuse(&error)),
                Err(error) => return Err(error).with_context(|| file.display().to_string()),
            };
            let (named, more) = &checked.damage;
            if !named.is_empty() {
                damaged(&file, named, *more);
                return Ok(PROBLEMS);
            }
            block_on(async { import(&place.open().await?, &mut checked, how).await })?
        }
        StoreCommand::Copy {
            to_data_dir,
            to_etcd,
            to_etcd_prefix,
            how,
        } => {
            let place = Place::named(global)?;
            let to = destination(global, to_data_dir, to_etcd, to_etcd_prefix)?;
            block_on(async {
                let from = place.open_to_read().await?;
                let mut file = unnamed()?;
                let (_, left_out) = write(&from, &mut BufWriter::new(&file)).await?;
                say_left_out(&left_out);
                file.rewind()?;
                let mut checked = transfer::check(BufReader::new(file))?;
                let code = import(&to.open().await?, &mut checked, how).await?;
                Ok(if left_out.is_empty() { code } else { code.max(PROBLEMS) })
            })?
        }
    }
}

fn destination(
    global: &Global,
    dir: Option<PathBuf>,
    etcd: Option<String>,
    prefix: Option<String>,
) -> anyhow::Result<Place> {
    if let Some(dir) = dir {
        return Ok(Place::DataDir(dir));
    }
    let endpoints = values::list(etcd.as_slice());
    ensure!(!endpoints.is_empty(), "--to-etcd names no endpoint");
    let prefix = prefix.unwrap_or_else(|| global.etcd.etcd_prefix.clone());
    Ok(Place::Etcd(global.etcd.options_for(endpoints, prefix)?))
}

fn refuse(why: &dyn std::fmt::Display) -> u8 {
    complain(&format!("9volt: refused: {why}"));
    REFUSED
}

fn damaged(file: &Path, named: &[Damage], more: usize) {
    for damage in named {
        complain(&format!("{}: {damage}", file.display()));
    }
    if more > 0 {
        complain(&format!("{}: and {more} more", file.display()));
    }
    complain("nothing was imported");
}

fn check(file: &Path) -> Result<Checked<BufReader<File>>, FileError> {
    if file != Path::new("-") {
        return transfer::check(BufReader::new(File::open(file)?));
    }
    // It is gone over more than once.
    let mut kept = unnamed()?;
    io::copy(&mut io::stdin().lock(), &mut kept)?;
    kept.rewind()?;
    transfer::check(BufReader::new(kept))
}

/// A file that nobody else can open and that is gone with this process: what goes through it are secrets.
fn unnamed() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("9volt-{}", uuid::Uuid::new_v4()));
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

async fn export(store: &Store, file: Option<&Path>) -> anyhow::Result<u8> {
    let Some(path) = file else {
        return written(write(store, &mut BufWriter::new(io::stdout().lock())).await?);
    };
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(path)
        .with_context(|| path.display().to_string())?;
    let whole = write(store, &mut BufWriter::new(&made)).await;
    let whole = whole.and_then(|whole| made.sync_all().map(|()| whole).map_err(Into::into));
    if whole.is_err() {
        // Half an export is of no use to anybody.
        let _ = std::fs::remove_file(path);
    }
    written(whole?)
}

/// Says what was exported.
fn written((records, left_out): (usize, Vec<String>)) -> anyhow::Result<u8> {
    say_left_out(&left_out);
    complain(&format!("exported {records} records; the file holds secrets"));
    Ok(if left_out.is_empty() { DONE } else { PROBLEMS })
}

fn say_left_out(keys: &[String]) {
    for key in keys {
        complain(&format!("`{key}` is not text and was left out"));
    }
}

/// Writes all that is carried over: how many records, and the keys of those that could not be written.
async fn write(store: &Store, to: &mut dyn Write) -> anyhow::Result<(usize, Vec<String>)> {
    let mut parts = Export::of(store);
    let id: Option<crate::store::At<crate::store::records::StoreRecord>> =
        store.read(&crate::store::keys::store()).await?;
    let id = id.map(|record| record.value.id).unwrap_or_default();
    let (mut written, mut headed) = (0, false);
    let mut left_out = Vec::new();
    let progress = Progress::new();
    while let Some(part) = parts.next().await? {
        if !std::mem::replace(&mut headed, true) {
            transfer::write_header(to, &Header::new(id.clone(), part.at, WallMs::now()))?;
        }
        for record in &part.records {
            if transfer::write_record(to, record)? {
                written += 1;
            } else {
                left_out.push(record.key.to_string());
            }
        }
        progress.at(written, written);
    }
    transfer::write_trailer(to, written)?;
    to.flush()?;
    progress.end();
    Ok((written, left_out))
}

async fn import(store: &Store, file: &mut Checked<BufReader<File>>, how: HowArgs) -> anyhow::Result<u8> {
    let progress = Progress::new();
    let imported = transfer::import(store, file, how.how(), how.yes, |n, of| progress.at(n, of)).await;
    progress.end();
    let imported = match imported {
        Ok(imported) => imported,
        Err(Refused::Store(error)) => return Err(error.into()),
        Err(refused) => return Ok(refuse(&refused)),
    };
    let Imported {
        written,
        equal,
        kept,
        removed,
        problems,
    } = imported;
    for problem in &problems {
        complain(problem);
    }
    complain(&format!(
        "imported {written} records; {equal} were there already, {kept} were left alone, {removed} were removed"
    ));
    Ok(if problems.is_empty() { DONE } else { PROBLEMS })
}

/// A bar on a terminal, nothing elsewhere.
struct Progress(indicatif::ProgressBar);

impl Progress {
    fn new() -> Self {
        let bar = indicatif::ProgressBar::new(0);
        let style = indicatif::ProgressStyle::with_template("{bar:40} {pos}/{len} records");
        Self(style.map(|style| bar.clone().with_style(style)).unwrap_or(bar))
    }

    fn at(&self, n: usize, of: usize) {
        self.0.set_length(of as u64);
        self.0.set_position(n as u64);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}
