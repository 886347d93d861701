//! `9volt silence add|list|remove`.

use anyhow::bail;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::{DONE, Global, SilenceAddArgs, SilenceCommand, block_on, print};
use crate::store::keys::segment;

pub(super) fn run(global: &Global, command: SilenceCommand) -> anyhow::Result<u8> {
    global.etcd.refuse("silence")?;
    let client = Client::new(global)?;
    block_on(async {
        match command {
            SilenceCommand::Add(args) => {
                let made = client.ask(Method::POST, "/api/v1/silence", Some(&body(&args)?)).await?;
                let text = |key: &str| made.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
                let matches = made.get("matches").and_then(Value::as_u64).unwrap_or(0);
                print(&format!(
                    "{} until {}, matches {matches} monitors now\n",
                    text("id"),
                    text("until")
                ));
            }
            SilenceCommand::List { all, json } => {
                let state = if all { "all" } else { "active" };
                let answer = client
                    .ask(Method::GET, &format!("/api/v1/silence?state={state}&limit=1000"), None)
                    .await?;
                if json {
                    print(&format!("{}\n", serde_json::to_string_pretty(&answer)?));
                    return Ok(DONE);
                }
                for item in answer.get("items").and_then(Value::as_array).into_iter().flatten() {
                    print(&line(item));
                }
            }
            SilenceCommand::Remove { id } => {
                client
                    .ask(Method::DELETE, &format!("/api/v1/silence/{}", segment(&id)), None)
                    .await?;
                print(&format!("removed {id}\n"));
            }
        }
        Ok(DONE)
    })?
}

fn line(item: &Value) -> String {
    let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let matchers: Vec<String> = item
        .get("matchers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|m| {
            let part = |key: &str| m.get(key).and_then(Value::as_str).unwrap_or("");
            let op = if part("op") == "glob" { "~" } else { part("op") };
            format!("{}{op}{}", part("field"), part("value"))
        })
        .collect();
    format!(
        "{}  until {}  {}  {} {}\n",
        text("id"),
        text("until"),
        matchers.join(" "),
        text("author"),
        text("comment")
    )
}

fn body(args: &SilenceAddArgs) -> anyhow::Result<Value> {
    let matchers = args
        .matchers
        .iter()
        .map(|text| matcher(text))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut body = json!({"matchers": matchers, "author": args.author, "comment": args.comment});
    if let Some(from) = &args.from {
        body["from"] = json!(from);
    }
    match &args.until {
        Some(until) => body["until"] = json!(until),
        None => body["duration"] = json!(args.duration.to_string()),
    }
    Ok(body)
}

/// `name=web`, `tag=~pr.*`, `type!=exec`, `name~web-*`.
fn matcher(text: &str) -> anyhow::Result<Value> {
    let at = text.find(['=', '!', '~']);
    let Some((field, rest)) = at.map(|at| text.split_at(at)).filter(|(field, _)| !field.is_empty()) else {
        bail!("`{text}` is no matcher; write for example name=web, tag=prod, type!=exec, name~web-*, name=~web-[0-9]+");
    };
    // Longest first: `=~` begins like `=`.
    for (sign, op) in [("=~", "=~"), ("!~", "!~"), ("!=", "!="), ("=", "="), ("~", "glob")] {
        if let Some(value) = rest.strip_prefix(sign) {
            return Ok(json!({"field": field, "op": op, "value": value}));
        }
    }
    bail!("`{text}` is no matcher: after `{field}` comes =, !=, ~ (glob), =~ or !~ (regex)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_read_with_their_sign() {
        let op = |text: &str| {
            matcher(text)
                .map(|m| format!("{} {} {}", m["field"], m["op"], m["value"]))
                .unwrap_or_default()
        };
        assert_eq!(op("name=web"), r#""name" "=" "web""#);
        assert_eq!(op("tag=~a=b"), r#""tag" "=~" "a=b""#);
        assert_eq!(op("type!=exec"), r#""type" "!=" "exec""#);
        assert_eq!(op("name~web-*"), r#""name" "glob" "web-*""#);
        assert!(matcher("web").is_err() && matcher("=web").is_err() && matcher("name!web").is_err());
    }
}
