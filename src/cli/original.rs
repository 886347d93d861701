//! `9volt cfg DIR --etcd-v2 URL`: the definitions that the original keeps in etcd, through etcd's API v2, into YAML files.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::{DONE, Global, PROBLEMS, REFUSED, block_on, complain, values};
use crate::config::definition::Strictness;
use crate::config::files;
use crate::config::kinds::Kinds;
use crate::config::report::{Colour, render};
use crate::config::write;
use crate::model::Secret;
use crate::store::EtcdFiles;

/// The two sections, by their names in etcd and in files.
const SECTIONS: [&str; 2] = ["monitor", "alerter"];
/// Time for one server to answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer: of what the original can hold in one directory, many times over.
const MAX_ANSWER: usize = 256 << 20;
/// Deepest directory that is looked into: only names with slashes make any.
const MAX_DEPTH: usize = 32;
/// What etcd says where there is no such key.
const NOT_FOUND: u64 = 100;
/// Where definitions go whose kind is not known.
const OTHER: &str = "other";
/// The files hold what alerters log in with.
const OWNER_ONLY: u32 = 0o600;

/// An answer of the API v2.
#[derive(Deserialize)]
struct Answer {
    node: Option<Node>,
    #[serde(rename = "errorCode")]
    error: Option<u64>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    key: String,
    value: Option<String>,
    #[serde(default)]
    dir: bool,
    #[serde(default)]
    nodes: Vec<Node>,
}

/// What was read of one section: definitions by name, and what could not be read.
#[derive(Default)]
struct Found {
    specs: BTreeMap<String, Value>,
    left_out: Vec<String>,
}

pub(super) fn run(global: &Global, urls: &str, dir: &Path) -> anyhow::Result<u8> {
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        complain(&format!(
            "9volt: refused: {} is not empty; name a directory that is not there yet",
            dir.display()
        ));
        return Ok(REFUSED);
    }
    let urls = values::list(&[urls.to_owned()]);
    anyhow::ensure!(!urls.is_empty(), "--etcd-v2 names no etcd");
    let prefix = global.etcd.etcd_prefix.trim_matches('/').to_owned();
    let etcd = global.etcd.options_for(urls, prefix.clone())?;
    let (urls, files) = (etcd.addresses()?, etcd.files()?);
    let mut found = Vec::new();
    block_on(async {
        crate::app::install_tls();
        let http = client(files)?;
        for section in SECTIONS {
            let path = match prefix.as_str() {
                "" => format!("/{section}"),
                prefix => format!("/{prefix}/{section}"),
            };
            let node = from_any(&http, &urls, etcd.user.as_ref(), &path).await?;
            found.push(node.map_or_else(Found::default, |node| definitions(section, &path, &node)));
        }
        anyhow::Ok(())
    })??;
    let (texts, left_out) = texts(&found);
    if texts.is_empty() && left_out.is_empty() {
        bail!("etcd holds no monitors and no alerters below `/{prefix}` (-p names another top)");
    }
    put(dir, &texts)?;
    for line in &left_out {
        complain(&format!("left out: {line}"));
    }
    // As the next `cfg` will see them.
    let loaded = files::load(dir, Kinds::built_in(), Strictness::Lenient)?;
    let problems = render(&loaded.problems, Colour::Off);
    if !problems.is_empty() {
        complain(problems.trim_end());
    }
    complain(&format!(
        "wrote {} monitors and {} alerters to {}; {} left out, {} with errors",
        loaded.monitors.len(),
        loaded.alerters.len(),
        dir.display(),
        left_out.len(),
        loaded
            .monitors
            .values()
            .chain(loaded.alerters.values())
            .filter(|entry| !entry.valid)
            .count(),
    ));
    Ok(if left_out.is_empty() && !loaded.failed() {
        DONE
    } else {
        PROBLEMS
    })
}

/// Knows etcd, and is known there, by the same files as for the API v3.
fn client(files: EtcdFiles) -> anyhow::Result<reqwest::Client> {
    let mut client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy();
    if let Some(ca) = files.ca {
        client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(&ca).context("--etcd-ca")?);
    }
    if let Some((cert, key)) = files.own {
        let both = [cert, key].join(&b'\n');
        client = client.identity(reqwest::Identity::from_pem(&both).context("--etcd-cert, --etcd-key")?);
    }
    Ok(client.build()?)
}

/// Asks one server after the other; the last one's trouble is told.
async fn from_any(
    http: &reqwest::Client,
    urls: &[String],
    user: Option<&(String, Secret)>,
    path: &str,
) -> anyhow::Result<Option<Node>> {
    let mut last = None;
    for url in urls {
        match ask(http, url, user, path).await {
            Ok(node) => return Ok(node),
            Err(error) => last = Some(error.context(format!("etcd at {url}"))),
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("no etcd is named")))
}

async fn ask(
    http: &reqwest::Client,
    url: &str,
    user: Option<&(String, Secret)>,
    path: &str,
) -> anyhow::Result<Option<Node>> {
    let mut asked = url::Url::parse(url).context("this is no URL")?;
    asked.set_path(&format!("/v2/keys{path}"));
    // Sorted and from a quorum: all of one state, and none that is behind.
    asked.set_query(Some("recursive=true&sorted=true&quorum=true"));
    let mut request = http.get(asked);
    if let Some((user, password)) = user {
        request = request.basic_auth(user, Some(password.reveal()));
    }
    let mut answer = request.send().await.map_err(reqwest::Error::without_url)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        anyhow::ensure!(
            body.len() + chunk.len() <= MAX_ANSWER,
            "its answer is longer than {MAX_ANSWER} bytes"
        );
        body.extend_from_slice(&chunk);
    }
    if status == StatusCode::UNAUTHORIZED {
        bail!("it refuses access: -U USER:PASSWORD");
    }
    let Ok(parsed) = serde_json::from_slice::<Answer>(&body) else {
        bail!("it does not speak the API v2 ({status}); etcd 3.4 does with --enable-v2=true, 3.6 and later do not");
    };
    match (parsed.node, parsed.error) {
        (Some(node), None) => Ok(Some(node)),
        (_, Some(NOT_FOUND)) => Ok(None),
        (_, error) => bail!(
            "it answers {status}: {} ({})",
            parsed.message.unwrap_or_default(),
            error.unwrap_or_default()
        ),
    }
}

fn definitions(section: &str, path: &str, top: &Node) -> Found {
    let mut found = Found::default();
    if !top.dir {
        found.left_out.push(format!("{path}: this is a value, not a directory"));
    }
    walk(section, path, &top.nodes, 0, &mut found);
    found
}

/// A name with a slash is a directory in etcd.
fn walk(section: &str, path: &str, nodes: &[Node], depth: usize, found: &mut Found) {
    for node in nodes {
        let name = node.key.strip_prefix(path).and_then(|rest| rest.strip_prefix('/'));
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            found
                .left_out
                .push(format!("{section}: a key that is not below {path}"));
            continue;
        };
        let mut leave_out = |why: &str| found.left_out.push(format!("{section} {name:?}: {why}"));
        match &node.value {
            None if node.dir && depth < MAX_DEPTH => walk(section, path, &node.nodes, depth + 1, found),
            None => leave_out("this is no value"),
            // What is in it may be secret, and is not quoted.
            Some(value) => match serde_json::from_str::<Value>(value) {
                Ok(spec @ Value::Object(_)) => {
                    found.specs.insert(name.to_owned(), spec);
                }
                Ok(_) => leave_out("its value is JSON, but no object"),
                Err(error) => leave_out(&format!(
                    "its value is no JSON (line {}, column {})",
                    error.line(),
                    error.column()
                )),
            },
        }
    }
}

/// The files: one for each kind of monitor and alerter.
fn texts(found: &[Found]) -> (BTreeMap<String, String>, Vec<String>) {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut left_out = Vec::new();
    for (section, found) in SECTIONS.into_iter().zip(found) {
        left_out.extend(found.left_out.iter().cloned());
        for (name, spec) in &found.specs {
            let Some(entry) = write::entry(name, spec) else {
                left_out.push(format!("{section} {name:?}: cannot be written as YAML"));
                continue;
            };
            let file = format!("{section}-{}.yaml", kind(section, spec));
            texts
                .entry(file)
                .or_insert_with(|| format!("{section}:\n"))
                .push_str(&entry);
        }
    }
    (texts, left_out)
}

/// The kind, if it is one of ours: the name of a file is not for others to choose.
fn kind(section: &str, spec: &Value) -> &'static str {
    let kinds = match section {
        "monitor" => crate::monitors::KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>(),
        _ => crate::alerters::KINDS.iter().map(|kind| kind.name).collect(),
    };
    let named = spec.get("type").and_then(Value::as_str);
    kinds.into_iter().find(|kind| Some(*kind) == named).unwrap_or(OTHER)
}

fn put(dir: &Path, texts: &BTreeMap<String, String>) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| dir.display().to_string())?;
    for (file, text) in texts {
        let path = dir.join(file);
        let mut made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(OWNER_ONLY)
            .open(&path)
            .with_context(|| path.display().to_string())?;
        made.write_all(text.as_bytes())?;
        made.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "original_tests.rs"]
mod tests;
