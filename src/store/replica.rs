//! What a store has to do beside the six operations, to be the copy of another one.

use async_trait::async_trait;

use super::backend::{Backend, Change, Key, Page, Revision, StoreError};

/// A store that can hold what another one holds, as it is there: with its revisions and its leases.
///
/// Leases of the other store never end here: nobody knows of them but the entries that name them.
#[async_trait]
pub(super) trait Replica: Backend {
    /// Makes the changes as they are and leaves the store at `at`, which may be before where it was. All or nothing, durable. Whoever
    /// watches is told that there is a gap, and lists begin anew.
    async fn replicate(&self, at: Revision, changes: Vec<Change>) -> Result<(), StoreError>;

    /// From now on no revision and no lease is given out up to `to`; what others gave out stays below.
    async fn raise(&self, to: Revision) -> Result<(), StoreError>;

    /// One page of all that it holds now, after a key. Unlike the pages of a list, two of them need not be of one revision.
    async fn after(&self, last: Option<&Key>) -> Result<Page, StoreError>;
}
