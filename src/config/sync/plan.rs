//! The plan: a pure function of what the files hold and what the store holds.

use super::diff::{Masked, fields, same};
use super::steps::{Action, Step};
use super::{Changed, FROM_FILES, Kept, Local, LocalEntry, Options, Plan, Stored, StoredEntry, origin};
use crate::config::kinds::Kinds;
use crate::config::mask::{Section, mask_with};
use crate::store::backend::Revision;

/// A plan to show, and the steps that carry it out. Only the steps hold secrets.
pub struct Planned {
    /// To show.
    pub plan: Plan,
    /// To do, in this order.
    pub steps: Vec<Step>,
}

/// What makes the store hold what the files hold.
///
/// - An entry with an error is not pushed, and what is stored under its name stays.
/// - An entry whose file could not be read stays. While any file could not be read, so does every entry that came from no file: it might
///   be in that one.
/// - Without files at all, or where more than half would be removed, it is refused unless `yes` is set.
///
/// Alerters are pushed before the monitors that name them, and removed after them.
#[must_use]
pub fn plan(local: &Local, stored: &Stored, options: Options, kinds: &Kinds) -> Planned {
    let mut planned = Planned {
        plan: Plan::default(),
        steps: Vec::new(),
    };
    for section in [Section::Alerter, Section::Monitor] {
        for (name, entry) in local.entries(section) {
            planned.push(section, name, entry, stored.entries(section).get(name), options, kinds);
        }
    }
    if !options.nosync {
        for section in [Section::Monitor, Section::Alerter] {
            for (name, entry) in stored.entries(section) {
                if !local.entries(section).contains_key(name) {
                    planned.remove(section, name, entry, local, stored);
                }
            }
        }
    }
    planned.plan.refusal = refusal(&planned.plan, local, stored).filter(|_| !options.yes);
    planned
}

impl Planned {
    fn push(
        &mut self,
        section: Section,
        name: &str,
        entry: &LocalEntry,
        stored: Option<&StoredEntry>,
        options: Options,
        kinds: &Kinds,
    ) {
        let plan = self.plan.section_mut(section);
        if !entry.valid {
            plan.invalid.push(name.to_owned());
            return;
        }
        let origin = origin(&entry.file);
        match stored {
            None => plan.added.push(name.to_owned()),
            Some(stored) if !same(&stored.spec, &entry.spec) => {
                let shown = [&stored.spec, &entry.spec].map(|spec| mask_with(kinds, section, spec));
                let [from, to] = [(&stored.spec, &shown[0]), (&entry.spec, &shown[1])];
                let [from, to] = [from, to].map(|(value, shown)| Masked { value, shown });
                plan.changed.push(Changed {
                    name: name.to_owned(),
                    fields: fields(from, to),
                });
            }
            Some(_) if options.replace => plan.replaced.push(name.to_owned()),
            Some(stored) if stored.origin != origin => plan.moved.push(name.to_owned()),
            Some(_) => {
                plan.unchanged += 1;
                return;
            }
        }
        self.steps.push(Step {
            section,
            name: name.to_owned(),
            rev: stored.map_or(Revision::default(), |stored| stored.rev),
            action: Action::Put {
                spec: entry.spec.clone(),
                origin,
            },
        });
    }

    fn remove(&mut self, section: Section, name: &str, entry: &StoredEntry, local: &Local, stored: &Stored) {
        let plan = self.plan.section_mut(section);
        if let Some(why) = stays(&entry.origin, &local.broken) {
            plan.kept.push(Kept {
                name: name.to_owned(),
                why,
            });
            return;
        }
        plan.removed.push(name.to_owned());
        self.steps.push(Step {
            section,
            name: name.to_owned(),
            rev: entry.rev,
            action: Action::Delete {
                key: entry.key.clone(),
                record: entry.record.clone(),
                retired: stored.retired.get(name).copied().unwrap_or_default(),
            },
        });
    }
}

/// Why an entry that no file holds is not removed.
fn stays(origin: &str, broken: &[String]) -> Option<String> {
    let Some(file) = origin.strip_prefix(FROM_FILES) else {
        let first = broken.first()?;
        return Some(format!("it came from no file, and `{first}` could not be read"));
    };
    let holds = |broken: &&String| *broken == file || broken.ends_with('/') && file.starts_with(broken.as_str());
    let broken = broken.iter().find(holds)?;
    Some(format!("it came from `{broken}`, which could not be read"))
}

fn refusal(plan: &Plan, local: &Local, stored: &Stored) -> Option<String> {
    let removed = plan.monitor.removed.len() + plan.alerter.removed.len();
    let all = stored.monitors.len() + stored.alerters.len();
    if removed > 0 && local.counts().sum() == 0 {
        return Some(format!(
            "there are no definitions in the files; {removed} of {all} stored ones would be removed"
        ));
    }
    (removed * 2 > all).then(|| format!("{removed} of {all} stored definitions would be removed, more than half"))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
