//! How many monitors change their member when one of three leaves or comes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Crew, SHARED, held, member};
use crate::definitions::{What, name, stored};
use crate::etcd::until;
use crate::server::Server;
use crate::support::Table;
use crate::target::Target;

pub(super) fn run(table: &mut Table) {
    let target = Target::start();
    let definitions = (0..SHARED).map(|n| stored(&name(What::TcpOpen, n), &What::TcpOpen.spec(&target, n, "10s")));
    let mut crew = Crew::start(definitions.collect());
    crew.ran();
    let asked = |crew: &Crew| judges(&crew.members[2]);
    let before = asked(&crew);
    crew.members[0].kill();
    until("take-over", || held(&crew.members[2].get("/api/v1/plan"), "m0") == 0);
    row(
        table,
        "one of three dies: monitors that move",
        &before,
        &asked(&crew),
        "m0",
    );
    let before = asked(&crew);
    let dir = tempfile::tempdir().expect("a directory");
    let _fourth = member(&crew.etcd, dir.path(), "m3", &[]);
    until("share", || held(&crew.members[2].get("/api/v1/plan"), "m3") > 1_000);
    let after = asked(&crew);
    row(table, "a third one comes: monitors that move", &after, &before, "m3");
}

/// Who holds each monitor.
fn judges(server: &Server) -> BTreeMap<String, String> {
    let rows = server.get("/api/v1/state?config=false");
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let rows = rows.as_array().into_iter().flatten();
    rows.map(|row| (text(row, "check"), text(row, "owner"))).collect()
}

/// `with`: the judges while that member is there; `without`: while it is not.
fn row(
    table: &mut Table,
    what: &str,
    with: &BTreeMap<String, String>,
    without: &BTreeMap<String, String>,
    member: &str,
) {
    let share = with.values().filter(|judge| *judge == member).count();
    let moved = with
        .iter()
        .filter(|(name, judge)| without.get(*name) != Some(judge))
        .count();
    let more = moved as f64 / share as f64 - 1.0;
    table.row(
        what,
        "its share + 2 %",
        format!("{moved}; its share is {share}"),
        Some(more <= 0.02 && with.len() == SHARED),
    );
}
