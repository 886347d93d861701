//! Whether the store that answers is the one that is known. Pure.

use crate::store::backend::Revision;
use crate::store::records::StoreRecord;

/// What answers where the known store was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// That store.
    Same,
    /// That store, before a revision that was seen: it was restored from an older state.
    Back(Revision),
    /// Another one, that an operator has said to go on with in its place.
    Follows(StoreRecord),
    /// None that anybody has said to go on with, and why it is taken for that.
    Strange(String),
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Same => f.write_str("it is the store that was here before"),
            Self::Back(at) => write!(f, "it went back to revision {at}: it was restored from an older state"),
            Self::Follows(record) => write!(f, "it was adopted in place of the one before: its id is {}", record.id),
            Self::Strange(why) => f.write_str(why),
        }
    }
}

/// What it is to who knows a store of that id, and has seen that revision of it. `record`: what it says of itself.
pub(super) fn find(id: &str, seen: Revision, record: Option<StoreRecord>, at: Revision) -> Finding {
    match record {
        None => Finding::Strange("it has no id: it is empty, or was wiped".to_owned()),
        Some(record) if record.id == id && at >= seen => Finding::Same,
        Some(record) if record.id == id => Finding::Back(at),
        Some(record) if record.follows.iter().any(|before| before == id) => Finding::Follows(record),
        Some(record) => Finding::Strange(format!(
            "its id is {}, which is not that of the store that was here before",
            record.id
        )),
    }
}

impl Finding {
    /// The same, to who has looked before: `lowest` is the revision that it was seen to have gone back to. Whatever is written since, it went back.
    pub(super) fn with_lowest(self, lowest: &mut Option<Revision>) -> Self {
        match self {
            Self::Back(at) => Self::Back(*lowest.insert(lowest.map_or(at, |low| low.min(at)))),
            Self::Same => lowest.map_or(Self::Same, Self::Back),
            other => {
                *lowest = None;
                other
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_went_back_has_done_so_whatever_others_write_since() {
        let mut lowest = None;
        let mut look = |finding: Finding| finding.with_lowest(&mut lowest);
        assert_eq!(look(Finding::Same), Finding::Same);
        assert_eq!(look(Finding::Back(Revision(5))), Finding::Back(Revision(5)));
        assert_eq!(look(Finding::Back(Revision(6))), Finding::Back(Revision(5)));
        assert_eq!(look(Finding::Same), Finding::Back(Revision(5)));
        assert_eq!(look(Finding::Back(Revision(3))), Finding::Back(Revision(3)));
        let strange = Finding::Strange("wiped".to_owned());
        assert_eq!(look(strange.clone()), strange);
        assert_eq!(look(Finding::Same), Finding::Same);
    }

    #[test]
    fn a_store_is_known_by_its_id_and_by_those_that_it_follows() {
        let record = |id: &str, follows: &[&str]| StoreRecord {
            follows: follows.iter().map(|&id| id.to_owned()).collect(),
            ..StoreRecord::new(id)
        };
        let find = |record: Option<StoreRecord>, at| find("known", Revision(7), record, Revision(at));
        assert_eq!(find(Some(record("known", &[])), 7), Finding::Same);
        assert_eq!(find(Some(record("known", &["other"])), 8), Finding::Same);
        assert_eq!(find(Some(record("known", &[])), 6), Finding::Back(Revision(6)));
        let next = record("next", &["second", "known"]);
        assert_eq!(find(Some(next.clone()), 1), Finding::Follows(next));
        // Whatever its revision is: another store counts anew.
        for at in [1, 7, 100] {
            assert!(matches!(find(None, at), Finding::Strange(_)));
            assert!(matches!(
                find(Some(record("other", &["second"])), at),
                Finding::Strange(_)
            ));
        }
    }
}
