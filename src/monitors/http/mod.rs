//! Asks a web server and looks at its answer.

mod connection;
mod exchange;
mod keys;
mod location;
mod plan;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::timeout_at;

use self::exchange::Seen;
use self::keys::HttpKeys;
use self::plan::Plan;
use super::net::{Failure, Trace, waiting_for};
use super::{CheckCx, Monitor, Run};
use crate::model::{Dur, MonitorSettings, Phase, Problem, Reason, Verdict};

/// One configured check, read once into what a run needs.
#[derive(Deserialize)]
#[serde(from = "HttpKeys")]
pub(super) struct Http {
    /// `None` when a problem below is an error.
    plan: Option<Arc<Plan>>,
    problems: Vec<Problem>,
}

impl From<HttpKeys> for Http {
    fn from(keys: HttpKeys) -> Self {
        let mut problems = Vec::new();
        let plan = Plan::new(keys, &mut problems).map(Arc::new);
        Self { plan, problems }
    }
}

impl JsonSchema for Http {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        HttpKeys::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        HttpKeys::json_schema(generator)
    }
}

impl Monitor for Http {
    const KIND: &'static str = "http";
    const SUMMARY: &'static str = "Requests a URL and checks status, content, certificate and time.";
    const EXAMPLE: &'static str = r#"# Requests http://127.0.0.1:8080/health?full=1 and wants any 2xx whose body contains "ok".
monitor:
  web:
    type: http
    description: the web server is healthy
    host: 127.0.0.1
    port: 8080
    url: /health?full=1
    interval: 10s
    timeout: 3s
    # ssl: true
    # method: GET
    # headers:
    #   Accept: application/json
    # username: monitor
    # password: secret
    status-codes: ["200-299"]
    expect: ok
    # expect-regex: "\"status\": *\"(ok|fine)\""
    # expect-not: error
    # follow-redirects: false
    # keep-alive: true
    # slow: 500ms
    # certificate-expiry-warning: 14d
    warning-threshold: 1
    critical-threshold: 3
"#;
    const DEFAULT_TIMEOUT: Dur = Dur::from_secs(3);

    fn validate(&self, _: &MonitorSettings) -> Vec<Problem> {
        self.problems.clone()
    }

    fn target(&self) -> String {
        self.plan.as_ref().map_or_else(
            || "http".to_owned(),
            |plan| format!("{} {}", plan.method, plan.location),
        )
    }

    async fn check(&self, cx: &CheckCx, run: &Run<'_>) -> Verdict {
        let Some(plan) = &self.plan else {
            return Verdict::unknown(Reason::Protocol, "the definition is not valid");
        };
        let mut trace = Trace::begin(Phase::Connect);
        let mut seen = Seen::default();
        // Boxed where the rare parts are (see `exchange`): this future exists once for every run in flight.
        let result = match timeout_at(run.deadline, exchange::run(plan, cx, run, &mut trace, &mut seen)).await {
            Ok(result) => result,
            Err(_) => {
                let message = format!("{} within {}", waiting_for(trace.current()), Dur(run.timeout));
                Err(plan.during_request(Failure::new(Reason::Timeout, message)))
            }
        };
        let phases = trace.finish();
        let mut verdict = match result {
            Err(failure) => failure.verdict(),
            Ok(()) => plan
                .limits
                .judge(seen.opened.expires)
                .or_else(|| super::slow(plan.slow, &phases))
                .unwrap_or_else(Verdict::pass),
        };
        verdict.phases = phases;
        seen.facts(plan, &mut verdict);
        verdict
    }
}
