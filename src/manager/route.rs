//! Pure: who hears of a change.

use crate::model::{AlerterName, MonitorSettings, Status};

/// Who is to be told what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Routed {
    /// All who are addressed in the episode after this.
    pub(super) addressed: Vec<AlerterName>,
    /// Those who get the present state.
    pub(super) tell: Vec<AlerterName>,
    /// Those for whom it is over.
    pub(super) release: Vec<AlerterName>,
}

/// The alerters that a monitor's definition names for a status.
#[must_use]
pub(super) fn named(settings: &MonitorSettings, status: Status) -> &[AlerterName] {
    match status {
        Status::Warning => &settings.warning_alerter,
        Status::Critical => &settings.critical_alerter,
        Status::Pending | Status::Ok => &[],
    }
}

/// Who hears what, given who was addressed before, the statuses entered since then (empty after an edit of the definition), and the status now.
///
/// Everybody who was addressed once in an episode hears of its end; who is named no more, at once.
#[must_use]
pub(super) fn route(before: &[AlerterName], settings: &MonitorSettings, entered: &[Status], now: Status) -> Routed {
    if !now.is_bad() {
        return Routed {
            release: before.to_vec(),
            ..Routed::default()
        };
    }
    let mut routed = Routed::default();
    let all = || settings.warning_alerter.iter().chain(&settings.critical_alerter);
    for name in before {
        let list = if all().any(|n| n == name) {
            &mut routed.addressed
        } else {
            &mut routed.release
        };
        list.push(name.clone());
    }
    for name in entered.iter().flat_map(|status| named(settings, *status)) {
        add(&mut routed.tell, name);
    }
    for name in named(settings, now) {
        if !routed.addressed.contains(name) {
            add(&mut routed.tell, name);
        }
    }
    for name in routed.tell.clone() {
        add(&mut routed.addressed, &name);
    }
    routed
}

fn add(list: &mut Vec<AlerterName>, name: &AlerterName) {
    if !list.contains(name) {
        list.push(name.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Dur;

    fn check(before: &str, warning: &str, critical: &str, entered: &[Status], now: Status, expected: &str) {
        let names = |text: &str| {
            text.chars()
                .map(|c| AlerterName::parse(&c.to_string()).unwrap())
                .collect::<Vec<_>>()
        };
        let text = |names: &[AlerterName]| names.iter().map(AlerterName::as_str).collect::<String>();
        let settings = MonitorSettings {
            kind: "tcp".into(),
            description: String::new(),
            interval: Dur::from_secs(1),
            timeout: None,
            disable: false,
            tags: vec![],
            member_tag: String::new(),
            warning_threshold: 0,
            critical_threshold: 0,
            warning_alerter: names(warning),
            critical_alerter: names(critical),
            runbook: String::new(),
        };
        let routed = route(&names(before), &settings, entered, now);
        let seen = format!(
            "{} tell={} release={}",
            text(&routed.addressed),
            text(&routed.tell),
            text(&routed.release)
        );
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_change_is_told_to_those_named_for_the_new_status() {
        use Status::*;
        check("", "a", "bc", &[Warning], Warning, "a tell=a release=");
        check("a", "a", "bc", &[Critical], Critical, "abc tell=bc release=");
        check("a", "a", "ab", &[Critical], Critical, "ab tell=ab release=");
        check("abc", "a", "bc", &[Warning], Warning, "abc tell=a release=");
        check("", "a", "b", &[Warning, Critical], Critical, "ab tell=ab release=");
    }

    #[test]
    fn the_end_is_told_to_everybody_who_was_addressed() {
        check("abx", "a", "b", &[Status::Ok], Status::Ok, " tell= release=abx");
    }

    #[test]
    fn an_edit_tells_the_new_alerter_and_releases_the_removed_one() {
        check("ax", "a", "an", &[], Status::Critical, "an tell=n release=x");
        check("a", "a", "a", &[], Status::Warning, "a tell= release=");
    }
}
