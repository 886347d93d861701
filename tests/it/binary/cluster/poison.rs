//! Values below our keys that nobody of us has written.

use super::super::world::wait_for;
use super::crew::{Crew, SECOND};

#[test]
fn garbage_below_any_key_harms_nothing_but_what_it_stands_for() {
    let mut crew = Crew::start(1, 9, SECOND);
    let open = crew.names[0].clone();
    crew.target.fail(&open);
    crew.wait_told(&open, &["critical"]);
    crew.told().nothing_twice();
    for key in [
        "checkpoint/web-5",
        "checkpoint/nobody",
        "cluster/intent/m2",
        "cluster/members/x",
        "alerter/y",
        "silence/z",
        "outbox/console/web-6",
        "outbox/nobody/nothing/more",
        "told/console/web-7",
        "soft/m1",
        "past/1-web-5-2",
        "event/1",
        "retired/alerter/w",
        "plan/untagged/table",
        "plan/notify/table",
        "plan/untagged/seat/x",
        "plan/",
        "and/something/else",
        "config",
    ] {
        for garbage in [&b"\xff\xfe{"[..], b"{\"v\": 99}", b"[]", b""] {
            crew.etcd[0].put(&format!("/9volt/{key}"), garbage);
        }
    }
    crew.run_again(3);
    let told = crew.told();
    assert_eq!(told.monitors(), std::slice::from_ref(&open));
    // All still works: a failure of what it stood beside is told, a death is answered, an end is told.
    let killed = crew.director();
    let fails = crew
        .names
        .iter()
        .find(|name| **name != open && crew.judge(name) == killed)
        .unwrap()
        .clone();
    crew.kill(killed);
    crew.target.fail(&fails);
    crew.wait_told(&fails, &["critical"]);
    crew.level();
    crew.both_recover([&open, &fails]);
    // A definition that is garbage is a monitor with an error, counted as one.
    crew.etcd[0].put("/9volt/monitor/broken", b"\xff\xfe{");
    for member in crew.members.values() {
        wait_for("it to be counted", || {
            (member.get("/api/v1/overview")["monitors"]["invalid"] == 1).then_some(())
        });
    }
    crew.told().nothing_twice();
}
