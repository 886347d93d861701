//! `--configs DIR`: keeps the store in line with a directory, at the start and on every change of it.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::config::definition::Strictness;
use crate::config::files;
use crate::config::kinds::Kinds;
use crate::config::sync::{self, Author, Options, Report};
use crate::config::watch::DirWatch;
use crate::events::{EventKind, Events};
use crate::model::{Problem, WallMs};
use crate::store::Store;
use crate::tasks::Tasks;

/// Wait after the store took nothing.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// Runs until `stop`.
pub(super) async fn run(dir: PathBuf, store: Store, events: Events, stop: CancellationToken) {
    let mut watch = DirWatch::new(&dir).await;
    let mut told: Option<Vec<String>> = None;
    loop {
        let again = match once(&dir, &store).await {
            Ok((report, problems)) => {
                tell(&dir, &events, &report, &problems, &mut told);
                !report.errors.is_empty()
            }
            Err(error) => {
                tracing::warn!(dir = %dir.display(), %error, "cannot synchronise; what is stored stays as it is");
                true
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = watch.changed() => {}
            () = tokio::time::sleep(AGAIN), if again => {}
        }
    }
}

async fn once(dir: &std::path::Path, store: &Store) -> anyhow::Result<(Report, Vec<Problem>)> {
    let mut reading = Tasks::child_of(&CancellationToken::new());
    let path = dir.to_owned();
    reading.spawn_blocking(move || files::load(&path, Kinds::built_in(), Strictness::Lenient));
    let Some(loaded) = reading.next().await else {
        anyhow::bail!("reading was interrupted")
    };
    let loaded = loaded??;
    // The directory is this server's only source by the operator's own word; but one that has become empty is more likely unmounted.
    let yes = loaded.files > 0;
    let options = Options {
        yes,
        ..Options::default()
    };
    let author = Author {
        by: "server --configs".to_owned(),
        at: WallMs::now(),
    };
    let report = sync::apply_loaded(store, Kinds::built_in(), &loaded, options, &author, |_, _| {}).await?;
    // The report knows more than the files: which alerters exist nowhere.
    let problems = report.plan.problems.iter().cloned().map(Problem::from).collect();
    Ok((report, problems))
}

/// Says what was done, and each problem once.
fn tell(dir: &std::path::Path, events: &Events, report: &Report, problems: &[Problem], told: &mut Option<Vec<String>>) {
    let dir = dir.display();
    let texts: Vec<String> = problems
        .iter()
        .map(ToString::to_string)
        .chain(report.errors.iter().cloned())
        .collect();
    for text in &texts {
        if !told.as_ref().is_some_and(|told| told.contains(text)) {
            tracing::warn!("{text}");
            events.record(EventKind::Config, WallMs::now(), None, text.clone());
        }
    }
    *told = Some(texts);
    if let Some(refusal) = &report.plan.refusal {
        tracing::warn!(%dir, refusal, "not synchronised");
        events.record(
            EventKind::Config,
            WallMs::now(),
            None,
            format!("{dir} was not synchronised: {refusal}"),
        );
    } else if report.pushed.sum() + report.removed.sum() > 0 {
        let (pushed, removed) = (report.pushed, report.removed);
        tracing::info!(%dir, monitors = pushed.monitor, alerters = pushed.alerter, removed = removed.sum(), "synchronised");
        let text = format!(
            "synchronised {dir}: wrote {} monitors and {} alerters, removed {} and {}",
            pushed.monitor, pushed.alerter, removed.monitor, removed.alerter
        );
        events.record(EventKind::Config, WallMs::now(), None, text);
    }
}
