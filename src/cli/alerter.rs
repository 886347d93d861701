//! `9volt alerter list|test`.

use reqwest::Method;
use serde_json::Value;

use super::client::Client;
use super::{AlerterCommand, DONE, Global, PROBLEMS, block_on, print};
use crate::store::keys::segment;

pub(super) fn run(global: &Global, command: &AlerterCommand) -> anyhow::Result<u8> {
    global.etcd.refuse("alerter")?;
    let client = Client::new(global)?;
    block_on(async {
        match command {
            AlerterCommand::List => {
                let answer = client.ask(Method::GET, "/api/v1/alerters", None).await?;
                for item in answer.get("items").and_then(Value::as_array).into_iter().flatten() {
                    let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
                    print(&format!(
                        "{:24} {:10} {}\n",
                        text("name"),
                        text("type"),
                        text("description")
                    ));
                }
                Ok(DONE)
            }
            AlerterCommand::Test { name } => {
                let path = format!("/api/v1/alerter/{}/test", segment(name));
                let answer = client.ask(Method::POST, &path, None).await?;
                let delivered = answer.get("delivered").and_then(Value::as_bool).unwrap_or(false);
                let response = answer.get("response").and_then(Value::as_str).unwrap_or("");
                let took = answer.get("took_ms").and_then(Value::as_f64).unwrap_or(0.0);
                let word = if delivered { "delivered" } else { "not delivered" };
                print(&format!("{name}: {word} in {took:.0} ms: {response}\n"));
                Ok(if delivered { DONE } else { PROBLEMS })
            }
        }
    })?
}
