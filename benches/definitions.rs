//! Monitors to measure with: the original's own mix, and one kind at a time.

use std::sync::Arc;

use ninevolt::catalog::MonitorEntry;
use ninevolt::config::definition;
use ninevolt::model::{MonitorName, WallMs};
use ninevolt::store::records::{Definition, FORMAT};
use ninevolt::store::{Commit, Guard, Op, Revision, encode, keys};
use serde_json::{Value, json};

use crate::target::{EXPECTED, Target};

/// What one monitor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    TcpOpen,
    TcpExpect,
    Http,
    HttpKept,
    Exec,
}

impl What {
    /// Of the n-th monitor of the original's mix: 10 % exec, 30 % each of tcp open, http 200, tcp expect.
    pub(crate) fn of_the_mix(n: usize) -> Self {
        match n % 10 {
            0 => Self::Exec,
            1..=3 => Self::TcpOpen,
            4..=6 => Self::Http,
            _ => Self::TcpExpect,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TcpOpen => "tcp-open",
            Self::TcpExpect => "tcp-expect",
            Self::Http => "http",
            Self::HttpKept => "http-keep-alive",
            Self::Exec => "exec",
        }
    }

    /// A definition as a user writes it.
    pub(crate) fn spec(self, target: &Target, n: usize, interval: &str) -> Value {
        let to = match self {
            Self::TcpOpen | Self::TcpExpect => target.tcp(n),
            Self::Http | Self::HttpKept | Self::Exec => target.http(n),
        };
        let (host, port) = (to.ip().to_string(), to.port());
        let mut spec = match self {
            Self::TcpOpen => json!({"type": "tcp", "host": host, "port": port}),
            Self::TcpExpect => json!({"type": "tcp", "host": host, "port": port, "expect": EXPECTED}),
            Self::Http => json!({"type": "http", "host": host, "port": port}),
            Self::HttpKept => json!({"type": "http", "host": host, "port": port, "keep-alive": true}),
            Self::Exec => json!({"type": "exec", "command": "echo", "args": ["hello"], "expect": "hello"}),
        };
        spec["description"] = format!("{} number {n}", self.name()).into();
        spec["interval"] = interval.into();
        spec["warning-threshold"] = 1.into();
        spec["critical-threshold"] = 3.into();
        spec["tags"] = json!(["bench", "loopback"]);
        spec
    }

    /// The same, read, as the catalog holds it.
    pub(crate) fn entry(self, target: &Target, n: usize, interval: &str) -> Arc<MonitorEntry> {
        let name = name(self, n);
        let read = definition::monitor(&name, &self.spec(target, n, interval));
        assert!(read.value.is_some(), "{:?}", read.problems);
        let name = MonitorName::parse(&name).expect("a name");
        Arc::new(MonitorEntry::new(name, Revision(1), WallMs(0), read))
    }
}

pub(crate) fn name(what: What, n: usize) -> String {
    format!("{}-{n:06}", what.name())
}

/// What writes a definition that is not there yet.
pub(crate) fn stored(name: &str, spec: &Value) -> Commit {
    let definition = Definition {
        v: FORMAT,
        origin: "bench".to_owned(),
        by: String::new(),
        at: WallMs::now(),
        spec: serde_json::value::to_raw_value(spec).expect("JSON"),
    };
    let key = keys::monitor(&MonitorName::parse(name).expect("a name"));
    Commit {
        guards: vec![Guard::Rev(key.clone(), Revision(0))],
        ops: vec![Op::Put(key, encode(&definition).expect("JSON"), None)],
    }
}
