//! `9volt check NAME|FILE`: one run, now, explained. Exit code by verdict: 0 pass, 1 degraded, 2 fail, 3 unknown (the worst of several).

use std::path::Path;

use anyhow::bail;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::{CheckArgs, Global, block_on, complain, print};
use crate::config::definition;
use crate::config::definition::Strictness;
use crate::config::files;
use crate::config::kinds::Kinds;
use crate::manager::runner;
use crate::model::{Outcome, Severity};
use crate::monitors::{CheckCx, CheckOptions};
use crate::store::keys::segment;

/// The exit code of *unknown*, and of a check that could not even be tried.
pub(super) const NOT_MADE: u8 = 3;

pub(super) fn run(global: &Global, args: &CheckArgs) -> anyhow::Result<u8> {
    let path = Path::new(&args.name_or_file);
    if path.is_file() {
        return of_file(path, args);
    }
    if path.is_dir() || args.name_or_file.ends_with(".yaml") || args.name_or_file.contains('/') {
        bail!(
            "`{}` is no file; name a YAML file, or a monitor of the server",
            args.name_or_file
        );
    }
    global.etcd.refuse("check")?;
    let client = Client::new(global)?;
    let path = format!("/api/v1/monitor/{}/run", segment(&args.name_or_file));
    let answer = block_on(client.ask(Method::POST, &path, None))??;
    show(&args.name_or_file, &answer, args.json)
}

fn of_file(path: &Path, args: &CheckArgs) -> anyhow::Result<u8> {
    crate::app::install_tls();
    let loaded = files::load_file(path, Kinds::built_in(), Strictness::Lenient)?;
    for problem in &loaded.problems {
        complain(&problem.to_string());
    }
    let chosen: Vec<_> = loaded
        .monitors
        .iter()
        .filter(|(name, _)| args.only.as_ref().is_none_or(|only| only == *name))
        .collect();
    if chosen.is_empty() {
        bail!(
            "`{}` has no {}",
            path.display(),
            args.only
                .as_ref()
                .map_or("monitor".to_owned(), |n| format!("monitor `{n}`"))
        );
    }
    let mut worst = if loaded.problems.iter().any(|p| p.severity == Severity::Error) {
        NOT_MADE
    } else {
        0
    };
    for (name, entry) in chosen {
        let Some(def) = definition::monitor(name, &entry.spec).value else {
            continue;
        };
        let (verdict, took) = block_on(async {
            let cx = CheckCx::new(CheckOptions::default());
            runner::run(&def, &cx).await
        })?;
        let phases: serde_json::Map<String, Value> = verdict
            .phases
            .iter()
            .map(|(p, d)| (p.as_str().to_owned(), json!(d.as_secs_f64() * 1e3)))
            .collect();
        let facts: serde_json::Map<String, Value> = verdict
            .facts
            .iter()
            .map(|f| (f.name.to_string(), json!(f.value)))
            .collect();
        let answer = json!({
            "outcome": verdict.outcome.as_str(), "reason": verdict.reason.map(crate::model::Reason::as_str),
            "message": verdict.message, "took_ms": took.as_secs_f64() * 1e3, "phases": phases, "facts": facts,
            "target": def.check.target(),
        });
        worst = worst.max(show(name, &answer, args.json)?);
    }
    Ok(worst)
}

/// Prints an answer as a person reads it; the exit code of its verdict.
fn show(name: &str, answer: &Value, json: bool) -> anyhow::Result<u8> {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or("");
    let outcome = text("outcome");
    if json {
        print(&format!("{}\n", serde_json::to_string(answer)?));
    } else {
        let took = answer.get("took_ms").and_then(Value::as_f64).unwrap_or(0.0);
        let target = if text("target").is_empty() {
            String::new()
        } else {
            format!("  {}", text("target"))
        };
        print(&format!("{outcome:9}{name}  {took:.1} ms{target}\n"));
        if !text("message").is_empty() {
            print(&format!("  {}\n", text("message")));
        }
        for (phase, ms) in answer.get("phases").and_then(Value::as_object).into_iter().flatten() {
            print(&format!("  {phase:12}{:>10.3} ms\n", ms.as_f64().unwrap_or(0.0)));
        }
        for (fact, value) in answer.get("facts").and_then(Value::as_object).into_iter().flatten() {
            print(&format!("  {fact} = {value}\n"));
        }
    }
    Ok(match outcome {
        o if o == Outcome::Pass.as_str() => 0,
        o if o == Outcome::Degraded.as_str() => 1,
        o if o == Outcome::Fail.as_str() => 2,
        _ => NOT_MADE,
    })
}
