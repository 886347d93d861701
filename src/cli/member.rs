//! `9volt member list|show|drain|undrain|cordon|uncordon|weight|remove`.

use std::time::Duration;

use anyhow::bail;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::client::Client;
use super::{DONE, Global, PROBLEMS, block_on, complain, print};
use crate::model::Dur;
use crate::store::keys::segment;

/// How often `--wait` asks.
const ASKS_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(super) enum MemberCommand {
    /// Show members: who is here, who directs, what each holds
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one member
    Show {
        /// Its id
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give what a member has to others, and nothing more to it; lasts over its restarts
    Drain {
        /// Its id
        id: String,
        /// Return when it holds nothing
        #[arg(long)]
        wait: bool,
        /// How long to wait for that
        #[arg(long, default_value = "1m", value_name = "DURATION", requires = "wait")]
        timeout: Dur,
        /// Who asks for it
        #[arg(long, env = "USER", default_value = "")]
        by: String,
    },
    /// End a drain: the member gets its share back
    Undrain {
        /// Its id
        id: String,
    },
    /// Give nothing more to a member; it keeps what it has
    Cordon {
        /// Its id
        id: String,
        /// Who asks for it
        #[arg(long, env = "USER", default_value = "")]
        by: String,
    },
    /// End a cordon
    Uncordon {
        /// Its id
        id: String,
    },
    /// Give a member another share of the work
    Weight {
        /// Its id
        id: String,
        /// Its weight, against those of the others; without it, the one that the member was started with
        #[arg(value_name = "WEIGHT")]
        weight: Option<u32>,
        /// Who asks for it
        #[arg(long, env = "USER", default_value = "")]
        by: String,
    },
    /// Forget a member that is gone for good
    Remove {
        /// Its id
        id: String,
    },
}

pub(super) fn run(global: &Global, command: MemberCommand) -> anyhow::Result<u8> {
    global.etcd.refuse("member")?;
    let client = Client::new(global)?;
    block_on(work(&client, command))?
}

fn path(id: &str, rest: &str) -> String {
    format!("/api/v1/member/{}{rest}", segment(id))
}

async fn work(client: &Client, command: MemberCommand) -> anyhow::Result<u8> {
    match command {
        MemberCommand::List { json } => {
            let answer = client.ask(Method::GET, "/api/v1/member?limit=1000", None).await?;
            if json {
                print(&format!("{}\n", serde_json::to_string_pretty(&answer)?));
            } else {
                print(&table(
                    answer.get("items").and_then(Value::as_array).into_iter().flatten(),
                ));
            }
        }
        MemberCommand::Show { id, json } => {
            let member = client.ask(Method::GET, &path(&id, ""), None).await?;
            if json {
                print(&format!("{}\n", serde_json::to_string_pretty(&member)?));
            } else {
                print(&details(&member));
            }
        }
        MemberCommand::Drain { id, wait, timeout, by } => {
            let member = client
                .ask(Method::PUT, &path(&id, "/drain"), Some(&json!({"by": by})))
                .await?;
            if wait {
                return emptied(client, &id, timeout.0).await;
            }
            print(&format!("{id} is drained; it holds {} slots now\n", slots(&member)));
        }
        MemberCommand::Undrain { id } => {
            client.ask(Method::DELETE, &path(&id, "/drain"), None).await?;
            print(&format!("{id} is no longer drained\n"));
        }
        MemberCommand::Cordon { id, by } => {
            client
                .ask(Method::PUT, &path(&id, "/cordon"), Some(&json!({"by": by})))
                .await?;
            print(&format!("{id} is given nothing more\n"));
        }
        MemberCommand::Uncordon { id } => {
            client.ask(Method::DELETE, &path(&id, "/cordon"), None).await?;
            print(&format!("{id} is no longer cordoned\n"));
        }
        MemberCommand::Weight { id, weight, by } => {
            let member = match weight {
                Some(weight) => {
                    let body = json!({"weight": weight, "by": by});
                    client.ask(Method::PUT, &path(&id, "/weight"), Some(&body)).await?
                }
                None => client.ask(Method::DELETE, &path(&id, "/weight"), None).await?,
            };
            let weight = member.get("weight").and_then(Value::as_u64).unwrap_or(0);
            print(&format!("{id} has weight {weight}\n"));
        }
        MemberCommand::Remove { id } => {
            client.ask(Method::DELETE, &path(&id, ""), None).await?;
            print(&format!("removed {id}\n"));
        }
    }
    Ok(DONE)
}

fn slots(member: &Value) -> u64 {
    let n = |key: &str| member.get(key).and_then(Value::as_u64).unwrap_or(0);
    n("slots") + n("alerter_slots")
}

/// Waits until a member holds nothing.
async fn emptied(client: &Client, id: &str, within: Duration) -> anyhow::Result<u8> {
    let until = Instant::now() + within;
    loop {
        let member = client.ask(Method::GET, &path(id, ""), None).await?;
        let left = slots(&member);
        if left == 0 {
            print(&format!("{id} holds nothing\n"));
            return Ok(DONE);
        }
        if member.pointer("/intent/drain").and_then(Value::as_bool) != Some(true) {
            bail!("somebody else has ended the drain of {id}");
        }
        if Instant::now() >= until {
            complain(&format!(
                "9volt: {id} still holds {left} slots after {}: nobody else may hold them (9volt member list shows tags and drains), or nobody directs",
                Dur(within)
            ));
            return Ok(PROBLEMS);
        }
        sleep(ASKS_EVERY).await;
    }
}

fn text<'a>(member: &'a Value, key: &str) -> &'a str {
    member.get(key).and_then(Value::as_str).unwrap_or("")
}

fn flag(member: &Value, pointer: &str) -> bool {
    member.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// How a member is, in words.
fn state(member: &Value) -> String {
    let mut words = Vec::new();
    if !flag(member, "/here") {
        words.push("gone".to_owned());
    }
    for (pointer, word) in [
        ("/director", "director"),
        ("/leaving", "leaving"),
        ("/intent/drain", "drained"),
        ("/intent/cordon", "cordoned"),
    ] {
        if flag(member, pointer) {
            words.push(word.to_owned());
        }
    }
    match text(member, "unfit") {
        "" => {}
        why => words.push(format!("unfit ({why})")),
    }
    if words.is_empty() {
        "ok".to_owned()
    } else {
        words.join(", ")
    }
}

fn percent(member: &Value) -> String {
    let part = member.get("load_share").and_then(Value::as_f64).unwrap_or(0.0);
    format!("{:.1} %", part * 100.0)
}

fn number(member: &Value, key: &str) -> String {
    member.get(key).and_then(Value::as_u64).unwrap_or(0).to_string()
}

fn tags(member: &Value) -> String {
    let tags = member.get("tags").and_then(Value::as_array).into_iter().flatten();
    let tags: Vec<&str> = tags.filter_map(Value::as_str).collect();
    if tags.is_empty() {
        "-".to_owned()
    } else {
        tags.join(",")
    }
}

/// Columns as wide as what is in them; the last one as it is.
fn table<'a>(members: impl Iterator<Item = &'a Value>) -> String {
    const HEAD: [&str; 8] = [
        "MEMBER", "HOST", "VERSION", "TAGS", "WEIGHT", "MONITORS", "LOAD", "STATE",
    ];
    let mut rows: Vec<[String; 8]> = vec![HEAD.map(str::to_owned)];
    rows.extend(members.map(|member| {
        let or_dash = |text: &str| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text.to_owned()
            }
        };
        [
            text(member, "id").to_owned(),
            or_dash(text(member, "hostname")),
            or_dash(text(member, "version")),
            tags(member),
            number(member, "weight"),
            number(member, "monitors"),
            percent(member),
            state(member),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let line = |row: &[String; 8]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn details(member: &Value) -> String {
    let lines = [
        ("id", text(member, "id").to_owned()),
        ("state", state(member)),
        ("host", text(member, "hostname").to_owned()),
        ("address", text(member, "address").to_owned()),
        ("version", text(member, "version").to_owned()),
        ("started", text(member, "started").to_owned()),
        ("tags", tags(member)),
        ("weight", number(member, "weight")),
        ("monitors", number(member, "monitors")),
        (
            "slots",
            format!(
                "{}, and {} of alerters",
                number(member, "slots"),
                number(member, "alerter_slots")
            ),
        ),
        ("load", percent(member)),
    ];
    let mut shown: String = lines
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:9} {value}\n"))
        .collect();
    if let Some(intent) = member.get("intent").filter(|intent| !intent.is_null()) {
        let by = match text(intent, "by") {
            "" => "somebody",
            by => by,
        };
        shown.push_str(&format!("{:9} by {by}, {}\n", "asked", text(intent, "at")));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_shown_in_columns_with_how_they_are() {
        let one = json!({"id": "m1", "here": true, "director": true, "hostname": "alpha", "version": "0.1.0", "tags": [],
            "weight": 2, "monitors": 1200, "load_share": 0.6, "intent": null});
        let two = json!({"id": "member-2", "here": false, "hostname": null, "tags": ["eu", "db"], "weight": 1, "monitors": 0,
            "load_share": 0.0, "unfit": "no descriptors", "intent": {"drain": true, "cordon": false}});
        let shown = table([&one, &two].into_iter());
        let expected = "\
MEMBER    HOST   VERSION  TAGS   WEIGHT  MONITORS  LOAD    STATE
m1        alpha  0.1.0    -      2       1200      60.0 %  director
member-2  -      -        eu,db  1       0         0.0 %   gone, drained, unfit (no descriptors)
";
        assert_eq!(shown, expected);
    }
}
