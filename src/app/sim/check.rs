//! What must hold after everything that may go wrong did. Facts in, complaints out.

use std::collections::{BTreeMap, BTreeSet};

use super::crew::Crew;
use super::stage::{Attempt, FarEnd, Stage, Target, stage};
use super::world::World;
use crate::catalog::MonitorEntry;
use crate::model::{Closed, EpisodeId, Group, Status, WallMs};
use crate::store::records::SoftRecord;
use crate::store::{decode, keys};

/// The key of a monitor's incident at the far ends.
fn incident(monitor: &str) -> String {
    format!("main/{monitor}")
}

/// Whether this member is to run it.
fn runs(world: &World, entry: &MonitorEntry) -> bool {
    !entry.disabled() && entry.group().is_some_and(|group: Group| group.takes(&world.tags))
}

/// The target that a probe asks.
fn target_of(entry: &MonitorEntry) -> String {
    entry.def().map(|def| def.check.target()).unwrap_or_default()
}

/// With targets as they are for a while now, and nothing in the way: everybody knows what he should, and nothing else.
pub(super) async fn everybody_knows(world: &World) -> Result<(), String> {
    let (_, entries) = world
        .store
        .list(&keys::monitors())
        .await
        .map_err(|error| error.to_string())?;
    let member = world.member();
    let known = member.catalog.monitors();
    if known.iter().map(|entry| entry.rev).collect::<Vec<_>>() != entries.iter().map(|e| e.rev).collect::<Vec<_>>() {
        return Err("the catalog is not as the store".to_owned());
    }
    let mut open: BTreeMap<String, BTreeSet<String>> = stage(|stage| {
        let open = stage.fars.iter().map(|(name, far)| (name.clone(), far.open.clone()));
        open.collect()
    });
    for entry in &known {
        let (name, live) = (entry.name.as_str(), entry.live().lock().health.clone());
        let target = stage(|stage| stage.targets.get(&target_of(entry)).copied().unwrap_or_default());
        let down = match target {
            Target::Down | Target::Hangs => true,
            Target::Up => false,
            Target::Unknown => return Err(format!("{name}: its target is to be up or down")),
        };
        if !runs(world, entry) || !down {
            let wanted = if runs(world, entry) {
                Status::Ok
            } else {
                Status::Pending
            };
            if live.status != wanted || live.failures > 0 || live.episode.is_some() {
                return Err(format!("{name} is {live:?}, not {wanted}"));
            }
            continue;
        }
        if live.status != Status::Critical {
            return Err(format!("{name} is {}, not critical", live.status));
        }
        let Some(def) = entry.def() else { continue };
        for alerter in &def.settings.critical_alerter {
            if !open
                .get(alerter.as_str())
                .is_some_and(|open| open.contains(&incident(name)))
            {
                return Err(format!("{alerter} has not heard of {name}"));
            }
        }
        for alerter in def
            .settings
            .critical_alerter
            .iter()
            .chain(&def.settings.warning_alerter)
        {
            if let Some(open) = open.get_mut(alerter.as_str()) {
                open.remove(&incident(name));
            }
        }
    }
    if let Some((alerter, open)) = open.iter().find(|(_, open)| !open.is_empty()) {
        return Err(format!("{alerter} still believes that {open:?} fail"));
    }
    let recorder = &member.recorder;
    match (recorder.pending(), recorder.trouble()) {
        (0, None) => Ok(()),
        (pending, trouble) => Err(format!("{pending} changes are pending, trouble: {trouble:?}")),
    }
}

/// With all targets up for a while: nothing is left over.
pub(super) async fn nothing_is_left(world: &World) -> Result<(), String> {
    everybody_knows(world).await?;
    for prefix in [
        keys::checkpoints(),
        keys::outbox(),
        keys::told_all(),
        keys::retired_alerters(),
    ] {
        let left = world.keys(&prefix).await;
        if !left.is_empty() {
            return Err(format!("{left:?} are left"));
        }
    }
    for entry in world.list(&keys::soft(&super::member::id())).await {
        let soft: SoftRecord = decode(&entry).map_err(|error| error.to_string())?.value;
        if !soft.monitors.is_empty() {
            return Err(format!("soft failures are left: {soft:?}"));
        }
    }
    Ok(())
}

/// Of several members, all of which run: each monitor is judged by exactly one, which knows how its target is, and so do the far ends.
pub(super) async fn one_judges_each_and_everybody_knows(crew: &Crew) -> Result<(), String> {
    let entries = crew.world.list(&keys::monitors()).await;
    let mut open: BTreeMap<String, BTreeSet<String>> = stage(|stage| {
        let open = stage.fars.iter().map(|(name, far)| (name.clone(), far.open.clone()));
        open.collect()
    });
    for entry in &entries {
        let name = keys::last_segment(&entry.key).unwrap_or_default();
        let judges = crew.judges(&name);
        let [judge] = judges.as_slice() else {
            return Err(format!("{name} is judged by {judges:?}"));
        };
        let Some(known) = crew.member(judge).catalog.monitor(&name) else {
            return Err(format!("{judge} does not know {name}"));
        };
        if known.rev != entry.rev {
            return Err(format!("{judge} knows an older {name}"));
        }
        let live = known.live().lock().health.clone();
        let target = stage(|stage| stage.targets.get(&target_of(&known)).copied().unwrap_or_default());
        let down = target != Target::Up;
        let wanted = if down { Status::Critical } else { Status::Ok };
        if live.status != wanted || (!down && (live.failures > 0 || live.episode.is_some())) {
            return Err(format!("{name} is {live:?} on {judge}, not {wanted}"));
        }
        let Some(def) = known.def().filter(|_| down) else {
            continue;
        };
        let settings = &def.settings;
        for alerter in &settings.critical_alerter {
            let knows = |open: &BTreeSet<String>| open.contains(&incident(&name));
            if !open.get(alerter.as_str()).is_some_and(knows) {
                return Err(format!("{alerter} has not heard of {name}"));
            }
        }
        for alerter in settings.critical_alerter.iter().chain(&settings.warning_alerter) {
            if let Some(open) = open.get_mut(alerter.as_str()) {
                open.remove(&incident(&name));
            }
        }
    }
    if let Some((alerter, open)) = open.iter().find(|(_, open)| !open.is_empty()) {
        return Err(format!("{alerter} still believes that {open:?} fail"));
    }
    let running: usize = crew.shares().iter().sum();
    if running != entries.len() {
        return Err(format!("{running} of {} run: {:?}", entries.len(), crew.shares()));
    }
    for name in crew.running() {
        let recorder = &crew.member(&name).recorder;
        if let (pending @ 1.., trouble) = (recorder.pending(), recorder.trouble()) {
            return Err(format!("{name}: {pending} changes are pending, trouble: {trouble:?}"));
        }
    }
    Ok(())
}

/// With all targets up for a while: the store holds nothing of anybody's failures.
pub(super) async fn nothing_is_recorded(world: &World) -> Result<(), String> {
    for prefix in [keys::checkpoints(), keys::outbox(), keys::told_all()] {
        let left = world.keys(&prefix).await;
        if !left.is_empty() {
            return Err(format!("{left:?} are left"));
        }
    }
    for entry in world.list(&keys::softs()).await {
        let soft: SoftRecord = decode(&entry).map_err(|error| error.to_string())?.value;
        if !soft.monitors.is_empty() {
            return Err(format!("soft failures are left in {}: {soft:?}", entry.key));
        }
    }
    Ok(())
}

/// Of all that was told and recorded until now, when nothing is open any more.
pub(super) async fn the_history_is_sound(world: &World) -> Result<(), String> {
    let pasts = world.pasts().await;
    let mut episodes = BTreeMap::new();
    for past in &pasts {
        let of = (past.monitor.to_string(), past.episode);
        if episodes.insert(of, past.closed).is_some() {
            return Err(format!(
                "episode {} of {} is in the past twice",
                past.episode, past.monitor
            ));
        }
    }
    stage(|stage| {
        for (name, far) in &stage.fars {
            heard_well(stage, name, far, &episodes)?;
        }
        Ok(())
    })
}

fn heard_well(
    stage: &Stage,
    name: &str,
    far: &FarEnd,
    episodes: &BTreeMap<(String, EpisodeId), Closed>,
) -> Result<(), String> {
    let mut last: BTreeMap<&str, ((EpisodeId, u32, Status), WallMs)> = BTreeMap::new();
    // Which attempt told the end of an episode.
    let mut ended: BTreeMap<(&str, EpisodeId), usize> = BTreeMap::new();
    for heard in &far.heard {
        let note = &heard.note;
        let (monitor, episode) = (note.monitor.as_str(), note.episode);
        let here = format!(
            "{name} heard that {monitor} is {} ({episode} #{})",
            note.status, note.seq
        );
        if note.status.is_bad() && !episodes.contains_key(&(monitor.to_owned(), episode)) {
            return Err(format!("{here}: that episode is not in the past"));
        }
        let ended_by = (!note.status.is_bad()).then(|| ended.insert((monitor, episode), heard.attempt));
        let before = last.insert(monitor, ((episode, note.seq, note.status), heard.at));
        // A process that begins without the store knows what its copy held, up to a second before the one before it was killed. The text says that it has no store.
        let behind = before.is_some_and(|(_, told)| stage.begun.iter().any(|at| *at > told && *at <= heard.at));
        let before = before.map(|(change, _)| change);
        // Who has no key is told that it may be a repetition; who has one knows.
        if note.possibly_repeated
            || (note.without_store && behind)
            || KEYED.contains(&name)
            || stage.without_store.contains(&(name.to_owned(), monitor.to_owned()))
        {
            continue;
        }
        match before {
            Some(before) if before == (episode, note.seq, note.status) => {
                return Err(format!("{here}: twice, and not marked"));
            }
            // An end that was given up, visibly, is what the next one joins.
            Some((other, _, status))
                if note.status.is_bad()
                    && status.is_bad()
                    && other != episode
                    // Nobody who was there knew of it.
                    && episodes.get(&(monitor.to_owned(), other)) != Some(&Closed::Moved)
                    && !stage.ends_given_up.contains(&(name.to_owned(), monitor.to_owned())) =>
            {
                return Err(format!("{here}: the end of {other} was not told"));
            }
            Some((same, seq, status)) if status.is_bad() && same == episode && seq > note.seq => {
                return Err(format!("{here}: #{seq} was told before"));
            }
            _ => {}
        }
        if let Some(by) = ended_by {
            // There was something to end: an attempt at least, and since the last end; or an incident that it has joined. A process that was
            // begun meanwhile knows only that there may have been an attempt; and likewise who hears of one from a member that came back.
            let since = by.map_or(0, |by| by + 1);
            let told = |attempt: &&Attempt| attempt.bad && attempt.monitor == monitor && attempt.episode == episode;
            let open = before.is_some_and(|(_, _, status)| status.is_bad());
            let mut begun = stage.begun.iter().chain(&stage.turned_back);
            let anew = begun.any(|at| at.0 >= episode.0 && *at <= heard.at);
            if !open && !anew && !far.attempts[since..heard.attempt].iter().any(|attempt| told(&attempt)) {
                return Err(format!("{here}: the end of nothing, after {before:?}"));
            }
        }
    }
    Ok(())
}

/// Far ends that know a repetition by its key.
pub(super) const KEYED: &[&str] = &["a1", "a3"];

/// All runs that began in this process are in its account.
pub(super) fn the_account_is_right(world: &World, begun_before: u64) -> Result<(), String> {
    let (ledger, ..) = world.member().lanes.totals();
    let begun: u64 = stage(|stage| stage.runs.values().map(|(runs, _)| runs).sum());
    if ledger.ran != begun - begun_before {
        return Err(format!(
            "{} runs began, the account says {ledger:?}",
            begun - begun_before
        ));
    }
    Ok(())
}
