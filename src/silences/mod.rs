//! Pure: does this silence match this monitor at this instant, and until when.

mod matcher;
mod set;
#[cfg(test)]
mod tests;

pub use matcher::{MAX_VALUE, Matcher, MatcherSpec};
pub use set::SilenceSet;

use crate::model::{Problem, WallMs};

/// Conditions of one silence, at most.
pub const MAX_MATCHERS: usize = 32;

/// A silence that can be asked. All its matchers have to match.
#[derive(Debug, Clone)]
pub struct Silence {
    /// Last segment of its key.
    pub id: String,
    /// All have to match; never empty: a silence of everything has to say so (`name glob *`).
    pub matchers: Vec<Matcher>,
    /// The first instant at which it mutes.
    pub from: WallMs,
    /// The first instant at which it no longer does.
    pub until: WallMs,
    /// Who asked for it.
    pub author: String,
    /// Why.
    pub comment: String,
}

impl Silence {
    /// Reads and checks what an operator wrote.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its field (`matchers.0.value`).
    pub fn read(
        id: impl Into<String>,
        specs: &[MatcherSpec],
        from: WallMs,
        until: WallMs,
        author: impl Into<String>,
        comment: impl Into<String>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if specs.is_empty() {
            problems.push(Problem::error(
                "matchers",
                "a silence needs at least one matcher",
                "to silence everything write the field `name`, the op `glob` and the value `*`",
            ));
        }
        if specs.len() > MAX_MATCHERS {
            problems.push(Problem::error(
                "matchers",
                format!("{} matchers are too many", specs.len()),
                format!("{MAX_MATCHERS} is the most; a regex can hold alternatives"),
            ));
        }
        if until <= from {
            problems.push(Problem::error(
                "until",
                format!("it ends ({until}) before it begins ({from})"),
                "write a later `until`, or a `duration`",
            ));
        }
        let mut matchers = Vec::new();
        for (n, spec) in specs.iter().take(MAX_MATCHERS).enumerate() {
            match Matcher::read(spec) {
                Ok(matcher) => matchers.push(matcher),
                Err(problem) => problems.push(Problem {
                    field: format!("matchers.{n}.{}", problem.field),
                    ..problem
                }),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            id: id.into(),
            matchers,
            from,
            until,
            author: author.into(),
            comment: comment.into(),
        })
    }

    /// Whether it is about this monitor, at whatever time.
    #[must_use]
    pub fn matches(&self, name: &str, tags: &[String], kind: &str) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(name, tags, kind))
    }

    /// Whether it mutes at this instant.
    #[must_use]
    pub fn active(&self, now: WallMs) -> bool {
        self.from <= now && now < self.until
    }
}
