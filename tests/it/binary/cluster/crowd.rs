//! Many members that start at once.

use std::collections::BTreeSet;

use super::super::etcd::Etcd;
use super::super::world::now;
use super::crew::{Crew, SECOND, Scene, alone};
use super::told::Told;

const MEMBERS: usize = 30;
const MONITORS: usize = 300;

#[test]
fn thirty_members_start_at_once_and_share_everything_and_ten_of_them_die_at_once() {
    let _machine = alone();
    let ids: Vec<&'static str> = (0..MEMBERS).map(|n| &*format!("m{n:02}").leak()).collect();
    let mut scene = Scene::alone(&ids, |dir| Etcd::start_all(dir, 1));
    for station in scene.stations.values_mut() {
        station.flags = vec!["--lanes".to_owned(), "1".to_owned()];
    }
    let mut crew = Crew::gather(scene, MONITORS, 10 * SECOND);
    let by: BTreeSet<&str> = crew.judges().into_iter().collect();
    assert_eq!(by.len(), MEMBERS);
    // While nothing happens nobody is busy.
    let (at, before) = (now(), crew.cpu());
    crew.run_again(1);
    let busy = (crew.cpu() - before).as_secs_f64() / at.elapsed().as_secs_f64();
    println!("{MEMBERS} members: {busy:.3} of a core");
    assert!(
        busy < 1.0,
        "{MEMBERS} members that do nearly nothing take {busy:.2} of a core"
    );
    let director = crew.director();
    for id in ids.iter().filter(|id| **id != director).take(MEMBERS / 3 - 1) {
        crew.kill(id);
    }
    crew.kill(director);
    crew.level();
    let fails = crew.names[0].clone();
    crew.target.fail(&fails);
    crew.wait_told(&fails, &["critical"]);
    crew.target.mend(&fails);
    crew.wait_told(&fails, &["critical", "recovered"]);
    crew.recorded();
    Told::of(crew.worlds.values()).nothing_twice();
    crew.no_gap_after_a_death();
}
