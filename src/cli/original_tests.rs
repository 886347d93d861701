//! Against etcd with its API v2 switched on, filled as the original fills it.

use super::super::{Cli, parse};
use super::*;
use crate::store::etcd_server::{Servers, Tls};

fn cli(url: &str, more: &str) -> Cli {
    parse(
        format!("9volt cfg import --etcd-v2 {url}{more}")
            .split(' ')
            .map(Into::into)
            .collect(),
    )
    .unwrap()
}

async fn fill(url: &str, entries: &[(&str, &str)]) {
    crate::app::install_tls();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (key, value) in entries {
        let put = http.put(format!("{url}/v2/keys/{key}")).form(&[("value", value)]);
        assert!(put.send().await.unwrap().status().is_success(), "{key}");
    }
}

/// The command has a runtime of its own.
async fn import(url: &str, more: &str, dir: &Path) -> anyhow::Result<u8> {
    let (cli, url, dir) = (cli(url, more), url.to_owned(), dir.to_owned());
    tokio::task::spawn_blocking(move || run(&cli.global, &url, &dir))
        .await
        .unwrap()
}

const ORIGINAL: [(&str, &str); 8] = [
    (
        "monitor/web",
        r#"{"type":"http","host":"www.example.com","port":443,"ssl":true,"interval":"10s","timeout":"5s","critical-alerter":["ops"]}"#,
    ),
    (
        "monitor/ssh",
        r#"{"host":"h","interval":"1m","port":22,"type":"tcp","enabled":true}"#,
    ),
    (
        "monitor/script",
        r#"{"type":"exec","command":"echo","args":["a b","yes"],"interval":"10s","timeout":"5s"}"#,
    ),
    ("monitor/broken", r#"{"type":"tcp","password":"hunter2"#),
    ("monitor/list", "[1]"),
    (
        "alerter/ops",
        r#"{"type":"slack","options":{"token":"T","channel":"ops"}}"#,
    ),
    ("state/web", r#"{"status":"ok"}"#),
    ("config", r#"{"HeartbeatInterval":"3s"}"#),
];

fn below(prefix: &str) -> Vec<(String, &'static str)> {
    ORIGINAL
        .iter()
        .map(|(key, value)| (format!("{prefix}/{key}"), *value))
        .collect()
}

#[tokio::test]
async fn what_the_original_keeps_is_written_as_files_and_the_rest_is_named() {
    let servers = Servers::start(1, &["--enable-v2=true"], None).await;
    let url = servers.nodes[0].url.clone();
    let entries = below("9volt");
    let entries: Vec<(&str, &str)> = entries.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    fill(&url, &entries).await;
    fill(&url, &[("other/monitor/mine", r#"{"type":"dns"}"#)]).await;
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("new");
    assert_eq!(import(&url, "", &dir).await.unwrap(), PROBLEMS, "two cannot be read");

    let loaded = files::load(&dir, Kinds::built_in(), Strictness::Lenient).unwrap();
    for (key, value) in ORIGINAL {
        let (section, name) = key.split_once('/').unwrap_or((key, ""));
        let entry = match section {
            "monitor" => loaded.monitors.get(name),
            "alerter" => loaded.alerters.get(name),
            _ => continue,
        };
        let spec = serde_json::from_str::<Value>(value).ok().filter(Value::is_object);
        assert_eq!(entry.map(|entry| &entry.spec), spec.as_ref(), "{key}");
    }
    let mut names: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "alerter-slack.yaml",
            "monitor-exec.yaml",
            "monitor-http.yaml",
            "monitor-tcp.yaml"
        ]
    );
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&dir.join("alerter-slack.yaml").metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, OWNER_ONLY);

    assert_eq!(
        import(&url, "", &dir).await.unwrap(),
        REFUSED,
        "what is there is not written over"
    );
    let other = top.path().join("other");
    assert_eq!(
        import(&url, " -p other", &other).await.unwrap(),
        PROBLEMS,
        "it lacks a target"
    );
    assert!(other.join("monitor-dns.yaml").exists());
    let error = import(&url, " -p empty", &top.path().join("empty")).await.unwrap_err();
    assert!(error.to_string().contains("no monitors and no alerters"), "{error:#}");
}

#[tokio::test]
async fn etcd_without_the_api_v2_is_told_from_one_that_is_away_and_the_next_one_is_asked() {
    let (without, with) = (
        Servers::one().await,
        Servers::start(1, &["--enable-v2=true"], None).await,
    );
    let dir = tempfile::tempdir().unwrap();
    let error = import(&without.nodes[0].url, "", &dir.path().join("a"))
        .await
        .unwrap_err();
    assert!(format!("{error:#}").contains("--enable-v2=true"), "{error:#}");
    fill(&with.nodes[0].url, &[("9volt/alerter/ops", ORIGINAL[5].1)]).await;
    let both = format!("127.0.0.1:1,{},{}", without.nodes[0].url, with.nodes[0].url);
    assert_eq!(import(&both, "", &dir.path().join("b")).await.unwrap(), DONE);
}

#[tokio::test]
async fn the_files_that_prove_who_is_who_count_here_too() {
    let dir = tempfile::tempdir().unwrap();
    let tls = Tls::issue(dir.path(), "app");
    let servers = Servers::start(1, &["--enable-v2=true"], Some(&tls)).await;
    let url = &servers.nodes[0].url;
    let ca = format!(" --etcd-ca {}", tls.ca.display());
    let own = format!(" --etcd-cert {} --etcd-key {}", tls.cert.display(), tls.key.display());
    let ends = async |more: &str| match import(url, more, &dir.path().join("new")).await {
        Ok(code) => panic!("{code}"),
        Err(error) => format!("{error:#}"),
    };
    let mut known = ends(&format!("{ca}{own}")).await;
    while known.contains("Connection refused") {
        // It is still starting.
        tokio::time::sleep(Duration::from_millis(20)).await;
        known = ends(&format!("{ca}{own}")).await;
    }
    assert!(known.contains("no monitors and no alerters"), "{known}");
    let unproven = ends(&ca).await;
    assert!(unproven.contains("error sending request"), "{unproven}");
    let strange = ends(&own).await;
    assert!(strange.contains("certificate"), "{strange}");
    let plain = import(&url.replace("https", "http"), &ca, &dir.path().join("new")).await;
    let plain = plain.unwrap_err().to_string();
    assert!(plain.contains("is not encrypted"), "{plain}");
}

#[test]
fn names_with_slashes_are_directories_and_what_is_no_definition_is_named_without_its_value() {
    let text = r#"{"node":{"key":"/p/monitor","dir":true,"nodes":[
        {"key":"/p/monitor/a","dir":true,"nodes":[{"key":"/p/monitor/a/b","value":"{}"}]},
        {"key":"/p/monitor/c","value":"hunter2"},{"key":"/elsewhere","value":"{}"},{"key":"/p/monitor/d"}]}}"#;
    let answer: Answer = serde_json::from_str(text).unwrap();
    let found = definitions("monitor", "/p/monitor", &answer.node.unwrap());
    assert_eq!(found.specs.keys().collect::<Vec<_>>(), ["a/b"]);
    assert_eq!(found.left_out.len(), 3);
    assert!(!found.left_out.join("\n").contains("hunter2"), "{:?}", found.left_out);
}
