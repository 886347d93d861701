//! `/metrics`: this member's own numbers (`ninevolt_*`, `process_*`) and those of every monitor it runs (`probe_*`, named as blackbox_exporter
//! names them).

use std::collections::HashSet;
use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::exposition::{Exposition, Sort, metric_name};
use super::parts::ApiState;
use super::process::Usage;
use crate::catalog::{LiveState, MonitorEntry};
use crate::model::{Fact, Outcome, Phase, Status};
use crate::schedule::{Lateness, Skip};

/// Monitors looked at between two chances for others to run.
const BREATHE: usize = 500;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Numbers for Prometheus. Scraping relabels `instance` unless `honor_labels: true` is set.
#[utoipa::path(get, path = "/metrics", tag = "metrics", responses((status = 200, body = String, content_type = "text/plain")))]
async fn show(State(api): State<ApiState>) -> Response {
    let mut out = Exposition::default();
    own(&api, &mut out);
    process(&api, &mut out);
    for (i, entry) in api.catalog.monitors().iter().enumerate() {
        if i % BREATHE == BREATHE - 1 {
            tokio::task::yield_now().await;
        }
        monitor(entry, &mut out);
    }
    let pieces = out.into_pieces().map(Ok::<_, Infallible>);
    let body = Body::from_stream(stream::iter(pieces));
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        body,
    )
        .into_response()
}

fn own(api: &ApiState, out: &mut Exposition) {
    let member = &api.member;
    let labels = [("version", member.version.as_str()), ("commit", member.commit.as_str())];
    out.one(
        "ninevolt_build_info",
        Sort::Gauge,
        "The program that runs.",
        &labels,
        1.0,
    );

    let counts = api.measured().counts(api);
    let by_status = [
        ("ok", counts.ok),
        ("warning", counts.warning),
        ("critical", counts.critical),
        ("pending", counts.pending),
        ("disabled", counts.disabled),
        ("invalid", counts.invalid),
    ];
    for (status, n) in by_status {
        let help = "Monitors by status; each is counted once.";
        out.one("ninevolt_monitors", Sort::Gauge, help, &[("status", status)], n as f64);
    }
    let flagged = [
        ("unwatched", counts.unwatched),
        ("silenced", counts.silenced),
        ("orphaned", counts.orphaned),
        ("broken", counts.broken),
    ];
    for (flag, n) in flagged {
        let help =
            "Monitors that nobody can judge, that a silence mutes, that no member may run, of which a step panicked.";
        out.one(
            "ninevolt_monitors_flagged",
            Sort::Gauge,
            help,
            &[("flag", flag)],
            n as f64,
        );
    }
    let help = "Monitors that run on this member.";
    out.one(
        "ninevolt_monitors_scheduled",
        Sort::Gauge,
        help,
        &[],
        api.lanes.monitors() as f64,
    );
    out.one(
        "ninevolt_incidents_open",
        Sort::Gauge,
        "Open incidents.",
        &[],
        counts.open as f64,
    );

    let (ledger, lateness, outcomes) = api.lanes.totals();
    for (outcome, n) in outcomes {
        let labels = [("outcome", outcome.as_str())];
        out.one(
            "ninevolt_runs_total",
            Sort::Counter,
            "Runs that ended, by outcome.",
            &labels,
            n as f64,
        );
    }
    for (why, n) in Skip::ALL.iter().zip(ledger.skipped) {
        let labels = [("reason", why.as_str())];
        out.one(
            "ninevolt_runs_skipped_total",
            Sort::Counter,
            "Due runs that were not made, by reason.",
            &labels,
            n as f64,
        );
    }
    out.one(
        "ninevolt_runs_due_total",
        Sort::Counter,
        "Runs that were due.",
        &[],
        ledger.due() as f64,
    );
    out.one(
        "ninevolt_runs_late_total",
        Sort::Counter,
        "Runs that began late.",
        &[],
        ledger.late as f64,
    );
    out.one(
        "ninevolt_runs_missed_total",
        Sort::Counter,
        "Runs that were due while nobody watched.",
        &[],
        ledger.missed as f64,
    );
    histogram(&lateness, out);
    let help =
        "Steps of monitors that panicked: each a defect of 9volt, and a monitor that is not run until it is edited.";
    let panics = api.lanes.panics() as f64;
    out.one("ninevolt_monitor_panics_total", Sort::Counter, help, &[], panics);

    let help = "Monitors with changes that are not recorded yet.";
    out.one(
        "ninevolt_commits_pending",
        Sort::Gauge,
        help,
        &[],
        api.recorder.pending() as f64,
    );
    out.one(
        "ninevolt_commits_total",
        Sort::Counter,
        "Changes recorded.",
        &[],
        api.recorder.commits() as f64,
    );
    let store = api.health.store(&api.store);
    let trouble = f64::from(u8::from(!store.is_joined()));
    out.one(
        "ninevolt_store_trouble",
        Sort::Gauge,
        "1 while the store takes nothing.",
        &[("backend", store.backend)],
        trouble,
    );
    for turning in api.watchdog.loops() {
        let labels = [("loop", turning.name.as_str())];
        let help =
            "How long each loop has not turned; at a lease time the lease is given up, at three the process ends.";
        out.one(
            "ninevolt_loop_silent_seconds",
            Sort::Gauge,
            help,
            &labels,
            turning.silent.as_secs_f64(),
        );
        out.one(
            "ninevolt_loop_hangs_total",
            Sort::Counter,
            "How often each loop was found to hang.",
            &labels,
            turning.hangs as f64,
        );
    }
    notifications(api, out);
    members(api, out);
    reflected(api, out);
    out.one(
        "ninevolt_api_streams",
        Sort::Gauge,
        "Open event streams.",
        &[],
        api.clients().count() as f64,
    );
    let help = "Events that are remembered here only.";
    out.one(
        "ninevolt_events_unwritten_total",
        Sort::Counter,
        help,
        &[],
        api.events.unwritten() as f64,
    );
}

fn notifications(api: &ApiState, out: &mut Exposition) {
    let counts = api.notifier.counts();
    let states = [
        ("pending", counts.pending),
        ("sending", counts.sending),
        ("muted", counts.muted),
        ("given-up", counts.given_up),
        ("told", counts.told_open),
    ];
    for (state, n) in states {
        let help = "Messages by state, of incidents that are open.";
        out.one(
            "ninevolt_notifications",
            Sort::Gauge,
            help,
            &[("state", state)],
            n as f64,
        );
    }
    for (alerter, facts) in api.notifier.alerters() {
        for (result, n) in facts.attempts {
            let labels = [("alerter", alerter.as_str()), ("result", result)];
            let help = "Attempts to deliver, by what came of them.";
            out.one(
                "ninevolt_notification_attempts_total",
                Sort::Counter,
                help,
                &labels,
                n as f64,
            );
        }
        for (result, n) in facts.in_place {
            let labels = [("alerter", alerter.as_str()), ("result", result)];
            let help = "Given-up messages of other alerters, by whether this fallback alerter was told of them.";
            out.one(
                "ninevolt_notifications_in_place_total",
                Sort::Counter,
                help,
                &labels,
                n as f64,
            );
        }
        for (reason, n) in facts.gave_up {
            let labels = [("alerter", alerter.as_str()), ("reason", reason)];
            let help = "Messages that were given up, by reason.";
            out.one(
                "ninevolt_notifications_given_up_total",
                Sort::Counter,
                help,
                &labels,
                n as f64,
            );
        }
    }
    let help = "Messages told although the store could not record them first.";
    out.one(
        "ninevolt_notifications_without_store_total",
        Sort::Counter,
        help,
        &[],
        api.notifier.told_without_store() as f64,
    );
}

/// What this member and others asked one another.
fn members(api: &ApiState, out: &mut Exposition) {
    let Some(others) = &api.others else { return };
    let stats = others.peers.stats();
    let families = [
        (
            "ninevolt_peer_questions_total",
            "Questions to other members, by call and what came of them.",
            stats.questions(),
        ),
        (
            "ninevolt_peer_answers_total",
            "Questions of other members, by call and what came of them.",
            stats.answers(),
        ),
    ];
    for (name, help, counts) in families {
        for (call, result, n) in counts {
            let labels = [("call", call), ("result", result)];
            out.one(name, Sort::Counter, help, &labels, n as f64);
        }
    }
    let help = "Connections to the port for members that were no member's.";
    out.one(
        "ninevolt_peer_strangers_total",
        Sort::Counter,
        help,
        &[],
        stats.strangers() as f64,
    );
}

/// What became of probes that came here.
fn reflected(api: &ApiState, out: &mut Exposition) {
    for (address, counts) in &api.reflected {
        let listen = address.to_string();
        let labels = [("listen", listen.as_str())];
        let numbers = [
            (
                "ninevolt_reflector_answered_total",
                Sort::Counter,
                "Probes of others that were answered.",
                counts.answered(),
            ),
            (
                "ninevolt_reflector_unsent_total",
                Sort::Counter,
                "Answers to probes that the kernel did not take.",
                counts.unsent(),
            ),
            (
                "ninevolt_reflector_sessions",
                Sort::Gauge,
                "Sessions of probes that are remembered.",
                counts.sessions(),
            ),
            (
                "ninevolt_reflector_sessions_forgotten_total",
                Sort::Counter,
                "Idle sessions of probes that made room for others.",
                counts.forgotten(),
            ),
        ];
        for (name, sort, help, value) in numbers {
            out.one(name, sort, help, &labels, value as f64);
        }
        for (refusal, n) in counts.refused() {
            let labels = [("listen", listen.as_str()), ("reason", refusal.as_str())];
            let help = "Probes of others that were not answered, by reason.";
            out.one(
                "ninevolt_reflector_dropped_total",
                Sort::Counter,
                help,
                &labels,
                n as f64,
            );
        }
    }
}

fn histogram(lateness: &Lateness, out: &mut Exposition) {
    let Some(mut family) = out.family("ninevolt_run_lateness_seconds", Sort::Histogram, "How late runs begin.") else {
        return;
    };
    for (bound, count) in lateness.cumulative() {
        family.sample("_bucket", &[("le", &bound.to_string())], count as f64);
    }
    let count = lateness.count() as f64;
    family.sample("_bucket", &[("le", "+Inf")], count);
    family.sample("_count", &[], count);
}

fn process(api: &ApiState, out: &mut Exposition) {
    let usage = Usage::now();
    let started = api.member.started.0 as f64 / 1000.0;
    let numbers = [
        (
            "process_cpu_seconds_total",
            Sort::Counter,
            "User and system time.",
            usage.cpu_seconds,
        ),
        (
            "process_resident_memory_bytes",
            Sort::Gauge,
            "Resident memory.",
            usage.resident_bytes,
        ),
        ("process_open_fds", Sort::Gauge, "Open descriptors.", usage.open_fds),
        (
            "process_max_fds",
            Sort::Gauge,
            "Descriptors that may be open.",
            usage.max_fds,
        ),
        (
            "process_start_time_seconds",
            Sort::Gauge,
            "When the process started, in Unix time.",
            Some(started),
        ),
    ];
    for (name, sort, help, value) in numbers {
        if let Some(value) = value {
            out.one(name, sort, help, &[], value);
        }
    }
}

/// What one monitor's last run said. A monitor that does not run here, or that has said nothing yet, has no samples.
fn monitor(entry: &MonitorEntry, out: &mut Exposition) {
    let Some((def, live)) = entry.def().zip(entry.known()) else {
        return;
    };
    let live = live.lock();
    if live.known_at.is_none() {
        return;
    }
    let target = def.check.target();
    let labels = [
        ("monitor", entry.name.as_str()),
        ("type", def.kind.name),
        ("instance", target.as_str()),
    ];
    let status = match live.health.status {
        Status::Pending => -1.0,
        Status::Ok => 0.0,
        Status::Warning => 1.0,
        Status::Critical => 2.0,
    };
    let help = "Status of a monitor: 0 ok, 1 warning, 2 critical, -1 not judged yet.";
    out.one("ninevolt_monitor_status", Sort::Gauge, help, &labels, status);
    last_run(&live, def.kind.name, &labels, out);
}

fn last_run(live: &LiveState, kind: &str, labels: &[(&str, &str); 3], out: &mut Exposition) {
    let Some(sample) = live.results.samples().last() else {
        return;
    };
    // A run that could not be made says nothing of the target.
    if sample.outcome != Outcome::Unknown {
        let success = f64::from(u8::from(sample.outcome != Outcome::Fail));
        out.one(
            "probe_success",
            Sort::Gauge,
            "Whether the last run found the target working.",
            labels,
            success,
        );
    }
    let help = "How long the last run took.";
    out.one(
        "probe_duration_seconds",
        Sort::Gauge,
        help,
        labels,
        sample.took().as_secs_f64(),
    );
    let name = format!("probe_{}_duration_seconds", metric_name(kind));
    for (phase, took) in sample.phases.iter() {
        let [monitor, kind, instance] = *labels;
        let labels = [monitor, kind, instance, ("phase", phase_label(phase))];
        out.one(
            &name,
            Sort::Gauge,
            "How long the phases of the last run took.",
            &labels,
            took.as_secs_f64(),
        );
    }
    let Some((_, verdict)) = live.results.last() else {
        return;
    };
    // Two facts whose names become one would be the same sample twice, and the scrape would be refused for it.
    let mut seen = HashSet::new();
    for Fact { name, value } in &verdict.facts {
        let name = format!("probe_{}", metric_name(name));
        let taken = name == "probe_success" || name.ends_with("duration_seconds");
        if !taken && seen.insert(name.clone()) {
            out.one(&name, Sort::Gauge, "Found out by the last run.", labels, *value);
        }
    }
}

/// As blackbox_exporter calls it.
const fn phase_label(phase: Phase) -> &'static str {
    match phase {
        Phase::FirstByte => "processing",
        other => other.as_str(),
    }
}
