//! Scenario files, `tests/scenarios/*.txt`: what happens to members that share one store, and below `----` what is seen of it.
//!
//! `NINEVOLT_BLESS=1 cargo test --lib transcripts` rewrites what is seen, for reading the difference. What may happen is in [`Play::happens`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::crew::Crew;
use super::stage::Target;
use super::without::{all_is_well, members, runs};
use super::world::{heard, probe, target};
use crate::cutoff::{Decision, State};
use crate::model::Dur;

/// Between what happens and what is seen of it.
const LINE: &str = "----";
/// Whether a monitor runs is seen within this time; it is due each second.
const RUNS: Duration = Duration::from_secs(3);

/// A state that lasts less than this is not told: which of two members asks first is chance.
const LASTS: Duration = Duration::from_secs(3);

/// From one state to the next.
type Step = (State, State);

/// Members, the monitor `web` that the first of them judges, thirty others, and the alerter `ops`.
struct Play {
    crew: Crew,
    web: String,
    /// How many states of each member were told.
    states: BTreeMap<String, usize>,
    steps: BTreeSet<Step>,
    told: BTreeMap<&'static str, String>,
    heard: usize,
    runs: bool,
}

impl Play {
    async fn begin(names: &[&str]) -> Self {
        let (crew, web) = members(names).await;
        Self {
            crew,
            web,
            states: BTreeMap::new(),
            steps: BTreeSet::new(),
            told: BTreeMap::new(),
            heard: 0,
            runs: true,
        }
    }

    /// One line above the line.
    async fn happens(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["wait", time] => self.wait(time.parse::<Dur>().unwrap().0).await,
            ["all", "is", "well"] => all_is_well(&self.crew).await,
            ["web", "fails"] => target("t", Target::Down),
            ["web", "recovers"] => target("t", Target::Up),
            ["web", "is", "deleted"] => drop(self.crew.world.remove_monitor(&self.web).await),
            ["web", "is", "edited"] => {
                let other = probe(serde_json::json!({"target": "up"}));
                self.crew.world.put_monitor(&self.web, other).await;
            }
            ["store", "stops"] => self.crew.world.faults.stop(),
            ["store", "starts"] => self.crew.world.faults.start(),
            ["store", "freezes"] => self.crew.world.faults.freeze(),
            ["store", "wakes"] => self.crew.world.faults.wake(),
            ["store", "is", "wiped"] => self.crew.world.wipe(),
            ["store", "is", "full"] => self.crew.world.faults.set_full(true),
            ["store", "has", "room"] => self.crew.world.faults.set_full(false),
            [name, "loses", "the", "store"] => self.crew.line(name).set_unavailable(true),
            [name, "has", "the", "store"] => self.crew.line(name).set_unavailable(false),
            [name, "waits", time, "for", "each", "answer"] => {
                self.crew.line(name).set_delay(time.parse::<Dur>().unwrap().0);
            }
            [name, "may", "only", "read"] => self.crew.line(name).set_read_only(true),
            [name, "may", "write"] => self.crew.line(name).set_read_only(false),
            [one, "and", other, "are", "parted"] => self.crew.hub.cut(one, other, true),
            [one, "and", other, "are", "together"] => self.crew.hub.cut(one, other, false),
            [name, "reaches", "nothing"] => drop(self.crew.member(name).passes.send_replace(false)),
            [name, "reaches", "the", "network"] => drop(self.crew.member(name).passes.send_replace(true)),
            [name, "is", "killed"] => self.crew.kill(name),
            [name, "is", "paused"] => self.crew.set_paused(name, true),
            [name, "goes", "on"] => self.crew.set_paused(name, false),
            [name, "stops"] => drop(self.crew.stop(name).await),
            [name, "starts"] => self.crew.start(name).await,
            [name, "adopts", "the", "store"] => self.decides(name, Decision::Adopt).await,
            [name, "restores", "the", "store"] => self.decides(name, Decision::Restore).await,
            _ => panic!("`{line}`: nobody knows how that happens"),
        }
    }

    async fn decides(&self, name: &str, decision: Decision) {
        let deciding = self.crew.member(name).deciding.clone().unwrap();
        deciding.decide(decision).await.unwrap();
    }

    async fn wait(&mut self, time: Duration) {
        let Some(before) = time.checked_sub(RUNS) else {
            return sleep(time).await;
        };
        sleep(before).await;
        let before = runs(&self.web);
        sleep(RUNS).await;
        self.runs = runs(&self.web) > before;
    }

    /// What is seen that was not told before.
    fn seen(&mut self) -> String {
        let mut lines = self.members();
        let judges = self.crew.judges(&self.web).join(" and ");
        let status = self.crew.status(&self.web).map_or("unknown", |status| status.as_str());
        let runs = if self.runs { "runs" } else { "does not run" };
        let web = match judges.as_str() {
            "" => format!("web {runs}, and nobody judges it"),
            judges => format!("web {runs} on {judges}, {status}"),
        };
        let names = self.crew.running();
        let shares = names
            .iter()
            .zip(self.crew.shares())
            .map(|(name, n)| format!("{name} {n}"));
        let monitors = format!("monitors: {}", shares.collect::<Vec<_>>().join(", "));
        for (what, line) in [("web", web), ("monitors", monitors)] {
            if self.told.get(what) != Some(&line) {
                self.told.insert(what, line.clone());
                lines.push(line);
            }
        }
        let heard = heard("ops");
        let new: Vec<_> = heard[self.heard..]
            .iter()
            .map(|line| line.replace(&self.web, "web"))
            .collect();
        self.heard = heard.len();
        if !new.is_empty() {
            lines.push(format!("ops hears: {}", new.join(", ")));
        }
        if lines.is_empty() {
            lines.push("nothing new".to_owned());
        }
        lines.join("\n")
    }

    /// `a, b: joined → doubtful → outage`, of those who have moved, come or gone.
    fn members(&mut self) -> Vec<String> {
        let running = self.crew.running();
        let mut like: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in &running {
            let states = self.crew.member(name).standing.states();
            let told = self.states.insert(name.clone(), states.len()).unwrap_or(0);
            if states.len() > told {
                let path = &states[told.saturating_sub(1)..];
                self.steps.extend(path.windows(2).map(|step| (step[0].1, step[1].1)));
                let words = words(path);
                if words.len() > 1 || told == 0 {
                    like.entry(words.join(" → ")).or_default().push(name.clone());
                }
            }
        }
        let gone = self.states.keys().filter(|name| !running.contains(name)).cloned();
        let gone: Vec<_> = gone.collect();
        self.states.retain(|name, _| running.contains(name));
        let lines = like
            .into_iter()
            .map(|(path, names)| format!("{}: {path}", names.join(", ")));
        let gone = (!gone.is_empty()).then(|| format!("{}: gone", gone.join(", ")));
        lines.chain(gone).collect()
    }
}

/// The states of a path that are told: where it began, what lasted, and where it is.
fn words(path: &[(Instant, State)]) -> Vec<&'static str> {
    let ends = path.iter().skip(1).map(|(since, _)| *since);
    let lasted = path.iter().zip(ends).enumerate();
    let lasted = lasted.filter(|(at, ((since, _), end))| *at == 0 || *end - *since >= LASTS);
    let mut words: Vec<_> = lasted.map(|(_, ((_, state), _))| state.as_str()).collect();
    words.extend(path.last().map(|(_, state)| state.as_str()));
    words.dedup();
    words
}

/// Plays a file; the same file as it is now, and the steps that members took.
async fn play(text: &str) -> (String, BTreeSet<Step>) {
    let mut played = String::new();
    let mut play: Option<Play> = None;
    for block in text.trim_end().split("\n\n") {
        let happens: Vec<&str> = block.lines().take_while(|line| *line != LINE).collect();
        if !played.is_empty() {
            played.push('\n');
        }
        writeln!(played, "{}", happens.join("\n")).unwrap();
        for line in happens.iter().filter(|line| !line.starts_with('#')) {
            match (&mut play, line.strip_prefix("members ")) {
                (None, Some(names)) => {
                    play = Some(Play::begin(&names.split_whitespace().collect::<Vec<_>>()).await);
                }
                (Some(play), None) => play.happens(line).await,
                _ => panic!("`{line}`: members come first, and once"),
            }
        }
        if let Some(play) = &mut play {
            writeln!(played, "{LINE}\n{}", play.seen()).unwrap();
        }
    }
    (played, play.map(|play| play.steps).unwrap_or_default())
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// All scenarios, one after the other, each with a clock of its own.
#[test]
fn what_is_seen_is_what_the_scenarios_say_and_they_show_every_way_from_one_state_to_another() {
    let mut steps = BTreeSet::new();
    for file in files() {
        let shown = file.display();
        eprintln!("{shown}");
        let text = std::fs::read_to_string(&file).unwrap();
        fastrand::seed(1);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        let (played, taken) = runtime.block_on(play(&text));
        steps.extend(taken);
        if std::env::var_os("NINEVOLT_BLESS").is_some() {
            std::fs::write(&file, &played).unwrap();
        } else {
            assert_eq!(
                text, played,
                "{shown} is not what is seen; NINEVOLT_BLESS=1 rewrites it"
            );
        }
    }
    let named = |(from, to): &Step| format!("{} → {}", from.as_str(), to.as_str());
    let steps: BTreeSet<String> = steps.iter().map(named).collect();
    let possible: BTreeSet<String> = possible().collect();
    let strange: Vec<_> = steps.difference(&possible).collect();
    assert!(strange.is_empty(), "not in transitions.txt: {strange:?}");
    let unseen: Vec<_> = possible.difference(&steps).map(String::as_str).collect();
    assert_eq!(unseen, UNSEEN, "steps without a scenario");
}

/// Steps that no scenario shows: an answer of the store has to come, or go, in the instant between two looks. The rules' own tests take them.
const UNSEEN: [&str; 2] = ["doubtful → returning", "returning → outage"];

/// What the rules can do, as the file beside them says.
fn possible() -> impl Iterator<Item = String> {
    let mut from = "";
    let lines = include_str!("../../cutoff/transitions.txt").lines();
    lines.filter_map(move |line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [state] => {
            from = state;
            None
        }
        ["→", to, ..] => Some(format!("{from} → {to}")),
        _ => None,
    })
}
