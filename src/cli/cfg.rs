//! `9volt cfg DIR`: plan first, then apply. Exit code 0 done, 1 problems, 2 refused. With `--etcd-v2`: [`original`](super::original).

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::Context;
use reqwest::Method;

use super::client::Client;
use super::{CfgArgs, DONE, Global, PROBLEMS, REFUSED, block_on, complain, print};
use crate::config::definition::Strictness;
use crate::config::files::{self, Loaded};
use crate::config::kinds::Kinds;
use crate::config::report::{Colour, ProblemJson, render};
use crate::config::sync::{self, Author, End, Options, Report, SyncRequest};
use crate::model::{Problem, WallMs};
use crate::store::{EtcdOptions, Store};

pub(super) fn run(global: &Global, args: &CfgArgs) -> anyhow::Result<u8> {
    if let Some(urls) = &args.etcd_v2 {
        return super::original::run(global, urls, &args.dir);
    }
    let target = target(global)?;
    let options = Options {
        dryrun: args.dryrun,
        nosync: args.nosync,
        replace: args.replace,
        yes: args.yes,
        strict: args.strict,
    };
    let strictness = if args.strict {
        Strictness::Strict
    } else {
        Strictness::Lenient
    };
    let loaded = files::load(&args.dir, Kinds::built_in(), strictness)?;
    let request = SyncRequest::new(&loaded, &args.dir.display().to_string(), options);
    if !args.json {
        for line in sync::preamble(&args.dir, request.local(Kinds::built_in()).0.counts()) {
            complain(&line);
        }
    }
    let colour = if std::io::stderr().is_terminal() {
        Colour::On
    } else {
        Colour::Off
    };
    let problems = render(&loaded.problems, colour);
    if !problems.is_empty() {
        complain(problems.trim_end());
    }
    let report = match target {
        Target::DataDir(dir) => block_on(async {
            let store = if options.dryrun && !crate::store::embedded_exists(&dir) {
                // What is not there is not made only to be looked at: it would be empty.
                crate::store::in_memory().0
            } else {
                crate::store::open_embedded(&dir).await?
            };
            apply(&store, &loaded, options).await
        })??,
        Target::Etcd(etcd) => block_on(async {
            crate::app::install_tls();
            let store = crate::store::open_etcd(&etcd)?;
            if !args.json {
                let endpoints = etcd.endpoints.join(", ");
                complain(&format!("Pushing 9volt configs to etcd at {endpoints}"));
            }
            if !options.dryrun {
                // Gives a new one its id, and refuses one whose records this version cannot read.
                store.identity().await?;
            }
            apply(&store, &loaded, options).await
        })??,
        Target::Server => block_on(async {
            let client = Client::new(global)?;
            if !args.json {
                complain(&format!("Pushing 9volt configs to {}", global.server));
            }
            let answer = client
                .ask(Method::POST, "/api/v1/sync", Some(&serde_json::to_value(&request)?))
                .await?;
            serde_json::from_value::<Report>(answer)
                .context("the server's answer is not a plan; is it another version?")
        })??,
    };
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?));
    } else {
        let dangling = render(&dangling(&loaded, &report), colour);
        if !dangling.is_empty() {
            complain(dangling.trim_end());
        }
        print(&sync::render_plan(
            &report.plan,
            if std::io::stdout().is_terminal() {
                Colour::On
            } else {
                Colour::Off
            },
        ));
        for line in sync::lines(&report, options) {
            complain(&line);
        }
    }
    let failed = loaded.failed();
    Ok(match report.end() {
        End::Refused => REFUSED,
        End::Problems => PROBLEMS,
        End::Done if failed => PROBLEMS,
        End::Done => DONE,
    })
}

/// What is brought in line.
enum Target {
    /// The store of a server that is stopped.
    DataDir(PathBuf),
    /// etcd, whoever runs on it.
    Etcd(EtcdOptions),
    /// A running server.
    Server,
}

/// What the command line names. Without that etcd, if a variable names it, as in the original; else the server. The variable for the data
/// directory is there for the server, and in its environment it runs.
fn target(global: &Global) -> anyhow::Result<Target> {
    let etcd = global.etcd.options()?;
    let named = [global.etcd.named, global.data_dir_named, global.server_named];
    anyhow::ensure!(
        named.iter().filter(|named| **named).count() < 2,
        "either --server or --data-dir or -e: cfg asks a running server, or opens the store of one that is stopped, or writes to etcd"
    );
    Ok(match (etcd, &global.data_dir) {
        (_, Some(dir)) if global.data_dir_named => Target::DataDir(dir.clone()),
        (Some(etcd), _) if !global.server_named => Target::Etcd(etcd),
        _ => Target::Server,
    })
}

async fn apply(store: &Store, loaded: &Loaded, options: Options) -> anyhow::Result<Report> {
    let author = Author {
        by: author(),
        at: WallMs::now(),
    };
    let progress = Progress::new();
    let report = sync::apply_loaded(store, Kinds::built_in(), loaded, options, &author, |n, of| {
        progress.at(n, of)
    });
    Ok(report.await?)
}

/// What only the store could tell: alerters that monitors name and that are neither in the files nor stored. The report has no lines; the files do.
fn dangling(loaded: &Loaded, report: &Report) -> Vec<Problem> {
    let told = |problem: &Problem| {
        let same = |json: &ProblemJson| json.entry == problem.entry && json.field == problem.field;
        report
            .plan
            .problems
            .iter()
            .any(|json| same(json) && json.message == problem.message)
    };
    loaded.dangling(&|_| false).into_iter().filter(told).collect()
}

fn author() -> String {
    format!(
        "cfg by {}",
        std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned())
    )
}

/// A bar on a terminal, nothing elsewhere.
struct Progress(indicatif::ProgressBar);

impl Progress {
    fn new() -> Self {
        let bar = indicatif::ProgressBar::new(0);
        let style = indicatif::ProgressStyle::with_template("{bar:40} {pos}/{len} definitions");
        Self(style.map(|style| bar.clone().with_style(style)).unwrap_or(bar))
    }

    fn at(&self, n: usize, of: usize) {
        self.0.set_length(of as u64);
        self.0.set_position(n as u64);
        if n == of {
            self.0.finish_and_clear();
        }
    }
}
