//! Pure: whether operators are to be told now that members go on without the store, and in which words.

use std::time::Duration;

use tokio::time::Instant;

use super::super::rules::State;
use crate::model::MemberId;

/// A trouble is told when it has lasted so long: what passes by itself wakes nobody, and each member knows by then which others are in it.
pub(super) const LASTS: Duration = Duration::from_secs(10);
/// Members that a text names.
const NAMED: usize = 5;

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    /// Tell of the trouble.
    Tell(State),
    /// Tell that it is over.
    Over,
}

/// One member's part in it.
#[derive(Debug, Default)]
pub(super) struct Course {
    since: Option<Instant>,
    told: bool,
}

impl Course {
    /// Of a process that begins and finds that the one before it has told.
    pub(super) fn told() -> Self {
        Self {
            told: true,
            ..Self::default()
        }
    }

    /// Looks. `trouble`: the state, if operators are to be told of it. `first`: of the members that are in trouble and hear one another, this one tells.
    pub(super) fn look(&mut self, now: Instant, state: State, trouble: Option<State>, first: bool) -> Step {
        if let Some(trouble) = trouble {
            let since = *self.since.get_or_insert(now);
            if self.told || !first || now < since + LASTS {
                return Step::Nothing;
            }
            self.told = true;
            return Step::Tell(trouble);
        }
        // A return that fails is the same trouble as before.
        if state != State::Returning {
            self.since = None;
        }
        if state == State::Joined && std::mem::take(&mut self.told) {
            return Step::Over;
        }
        Step::Nothing
    }
}

/// Whether this member tells, of itself and those that have said to be in trouble: one of those that hear one another.
pub(super) fn is_first(me: &MemberId, others: &[MemberId]) -> bool {
    others.iter().all(|other| me < other)
}

/// What happened, without a full stop.
pub(super) fn sentence(trouble: State) -> &'static str {
    match trouble {
        State::Outage => "No member has the store",
        State::Isolated => "The store cannot be reached, and neither can every member",
        State::StoreFull => "The store takes nothing",
        State::Strange => "The store is not the one that was known",
        State::Joined | State::Doubtful | State::CutOff | State::Returning => "The store cannot be used",
    }
}

/// What else there is to know. `because`: who said what; `away`: members that nobody here can reach, with the monitors that they run; `all`: all monitors.
pub(super) fn details(trouble: State, because: &str, away: &[(MemberId, usize)], all: usize) -> String {
    let mut text = trouble.means().to_owned();
    let n: usize = away.iter().map(|(_, monitors)| monitors).sum();
    text.push_str(&match away {
        [] => format!(" Of {all} monitors none is run by a member that nobody can reach."),
        _ => {
            let named = away
                .iter()
                .take(NAMED)
                .map(|(member, monitors)| format!("{member} ({monitors})"));
            let mut named: Vec<_> = named.collect();
            if away.len() > NAMED {
                named.push(format!("and {} more", away.len() - NAMED));
            }
            format!(
                " {n} of {all} monitors are run by members that nobody here can reach: {}.",
                named.join(", ")
            )
        }
    });
    if !because.is_empty() {
        text.push('\n');
        text.push_str(because);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn id(name: &str) -> MemberId {
        MemberId::parse(name).unwrap()
    }

    /// What each second does, of states one a second: `o`utage, `r`eturning, `j`oined, `d`oubtful.
    fn course(states: &str, first: bool) -> Vec<(usize, Step)> {
        let (mut course, begin) = (Course::default(), Instant::now());
        let step = |(second, word): (usize, char)| {
            let state = match word {
                'o' => State::Outage,
                'r' => State::Returning,
                'd' => State::Doubtful,
                _ => State::Joined,
            };
            let trouble = state
                .is_notable(super::super::super::rules::Telling::Yes)
                .then_some(state);
            let now = begin + S * u32::try_from(second).unwrap();
            Some((second, course.look(now, state, trouble, first))).filter(|(_, step)| *step != Step::Nothing)
        };
        states.chars().enumerate().filter_map(step).collect()
    }

    #[test]
    fn an_outage_that_lasts_is_told_once_and_so_is_its_end() {
        let told = course("jdoooooooooooooooojj", true);
        assert_eq!(told, [(12, Step::Tell(State::Outage)), (18, Step::Over)]);
        // Attempts to return that fail neither repeat nor end it.
        let told = course("ooooorrooooooorooooooorj", true);
        assert_eq!(told, [(10, Step::Tell(State::Outage)), (23, Step::Over)]);
        assert_eq!(course("jooooooooojjooooooooojj", true), [], "too short");
        assert_eq!(course("ooooooooooooooooojj", false), [], "it is another's to tell");
        let twice = course("oooooooooooojooooooooooooj", true);
        assert_eq!(twice.len(), 4, "{twice:?}");
    }

    #[test]
    fn who_died_and_begins_anew_tells_the_end() {
        let mut course = Course::told();
        let now = Instant::now();
        assert_eq!(
            course.look(now, State::Outage, Some(State::Outage), true),
            Step::Nothing
        );
        assert_eq!(
            course.look(now + LASTS, State::Outage, Some(State::Outage), true),
            Step::Nothing
        );
        assert_eq!(course.look(now + LASTS, State::Joined, None, true), Step::Over);
    }

    #[test]
    fn of_those_that_hear_one_another_one_tells() {
        assert!(is_first(&id("a"), &[]));
        assert!(is_first(&id("a"), &[id("b"), id("c")]));
        assert!(!is_first(&id("b"), &[id("a"), id("c")]));
    }

    #[test]
    fn the_words_say_since_when_and_who_cannot_be_reached() {
        let because = "m2: has no store, m3: no answer (refused)";
        assert_eq!(
            details(State::Outage, "m2: has no store", &[], 300),
            "No member has the store: checks and alerts go on from each member's own disk, and nothing moves. \
             Of 300 monitors none is run by a member that nobody can reach.\nm2: has no store"
        );
        assert_eq!(
            details(State::Isolated, because, &[(id("m3"), 12)], 300),
            "The store does not answer, and not everybody can be asked who has it; checks go on, alerts wait for `--isolated-after`. \
             12 of 300 monitors are run by members that nobody here can reach: m3 (12).\nm2: has no store, m3: no answer (refused)"
        );
        let many: Vec<_> = (1..8).map(|n| (id(&format!("m{n}")), n)).collect();
        let text = details(State::Isolated, "", &many, 300);
        assert!(
            text.contains("28 of 300") && text.ends_with("m5 (5), and 2 more."),
            "{text}"
        );
    }
}
