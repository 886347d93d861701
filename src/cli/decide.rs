//! `9volt store adopt|restore`: says to a member what becomes of a store that is another one than before. Exit code 0 done, 2 not confirmed.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::ensure;
use reqwest::Method;
use serde_json::Value;

use super::client::Client;
use super::{DONE, Global, REFUSED, block_on, complain, print};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Adopt,
    Restore,
}

impl Decision {
    fn path(self) -> &'static str {
        match self {
            Self::Adopt => "/api/v1/store/adopt",
            Self::Restore => "/api/v1/store/restore",
        }
    }

    /// What it means, before it is done.
    fn means(self) -> &'static str {
        match self {
            Self::Adopt => {
                "Adopting takes the store as it is: all members go on with what it holds, and forget what their copies hold. Alerts that are open end."
            }
            Self::Restore => {
                "Restoring makes the store hold what the copy holds, and nothing else: all members go on as before. Closed incidents are not in the copy."
            }
        }
    }
}

pub(super) fn run(global: &Global, decision: Decision, yes: bool) -> anyhow::Result<u8> {
    global.etcd.refuse("store")?;
    ensure!(
        !global.data_dir_named,
        "this is said to a member that runs: name it with --server URL, and leave out --data-dir"
    );
    let client = Client::new(global)?;
    block_on(async {
        let choice = client.ask(Method::GET, "/api/v1/store/choice", None).await?;
        print(&shown(&choice));
        print(&format!("{}\n", decision.means()));
        if !yes && !confirmed()? {
            complain("9volt: nothing was done; say --yes to do it");
            return Ok(REFUSED);
        }
        let decided = client.ask(Method::POST, decision.path(), None).await?;
        print(&done(decision, &decided));
        Ok(DONE)
    })?
}

/// Asks on a terminal; elsewhere nobody is there to say yes.
fn confirmed() -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    print("Do it? [y/N] ");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn shown(choice: &Value) -> String {
    let why = choice.get("why").and_then(Value::as_str).unwrap_or_default();
    let mut shown = format!(
        "The store is not the one that was known: {why}.\n\n{:10} {:>10} {:>10}\n",
        "", "copy", "store"
    );
    for what in ["monitors", "alerters", "silences", "members"] {
        let count = |side: &str| {
            choice
                .pointer(&format!("/{side}/{what}"))
                .and_then(Value::as_u64)
                .unwrap_or(0)
        };
        shown.push_str(&format!("{what:10} {:>10} {:>10}\n", count("copy"), count("there")));
    }
    shown.push('\n');
    shown
}

fn done(decision: Decision, decided: &Value) -> String {
    let count = |key: &str| decided.get(key).and_then(Value::as_u64).unwrap_or(0);
    match decision {
        Decision::Adopt => "adopted; members take it within seconds\n".to_owned(),
        Decision::Restore => format!(
            "restored: {} records written, {} removed; members return within seconds\n",
            count("written"),
            count("removed")
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_each_side_holds_is_shown_beside_the_other() {
        let choice = json!({
            "why": "it has no id: it is empty, or was wiped",
            "copy": {"id": "a", "monitors": 120, "alerters": 3, "silences": 1, "members": 3},
            "there": {"id": null, "monitors": 0, "alerters": 0, "silences": 0, "members": 0},
        });
        let expected = "\
The store is not the one that was known: it has no id: it is empty, or was wiped.

                 copy      store
monitors          120          0
alerters            3          0
silences            1          0
members             3          0

";
        assert_eq!(shown(&choice), expected);
        let decided = json!({"store": "a", "written": 124, "removed": 0});
        assert!(done(Decision::Restore, &decided).starts_with("restored: 124 records written, 0 removed"));
    }
}
