//! Pure: does this silence match this monitor at this instant.

use serde::{Deserialize, Serialize};

/// One condition of a silence, as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MatcherSpec {
    /// `name`, `tag` or `type`.
    pub field: String,
    /// `=`, `!=`, `glob`, `=~` (regex, whole text), `!~`.
    pub op: String,
    /// What to compare with.
    pub value: String,
}
