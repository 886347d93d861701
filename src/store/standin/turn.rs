//! Which face a stand-in shows, and the way from one to the other: what is on its way is answered, what comes meanwhile waits.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::store::backend::{Revision, StoreError};

/// Revisions from here on are a copy's own: no shared store ever gets there.
pub const LOCAL: Revision = Revision(1 << 48);

/// What a stand-in answers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// The shared store.
    Through,
    /// This member's copy.
    Copy,
}

impl Face {
    /// Whether a revision is one of this face.
    pub(super) fn counts(self, rev: Revision) -> bool {
        (self == Self::Copy) == (rev >= LOCAL)
    }
}

/// A face, for as long as it is shown.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) face: Face,
    pub(super) until: CancellationToken,
    turning: bool,
}

impl Standing {
    fn of(face: Face) -> Self {
        Self {
            face,
            until: CancellationToken::new(),
            turning: false,
        }
    }

    /// For whoever was told of it earlier: whether it is shown without a turn since.
    pub(super) fn still(&self) -> Result<(), StoreError> {
        if self.until.is_cancelled() {
            return Err(turned());
        }
        Ok(())
    }

    /// The answer of a call, unless the face turns away before it is there.
    pub(super) async fn during<T>(&self, call: impl Future<Output = T>) -> Result<T, StoreError> {
        tokio::select! {
            biased;
            () = self.until.cancelled() => Err(turned()),
            answer = call => Ok(answer),
        }
    }
}

/// What was on its way when the face turned: it may have arrived.
pub(super) fn turned() -> StoreError {
    StoreError::Unavailable("this member turned to another store while it waited".to_owned())
}

/// The face that is shown now.
#[derive(Debug)]
pub(super) struct Turns {
    now: watch::Sender<Standing>,
    faces: watch::Sender<Face>,
}

impl Turns {
    pub(super) fn new(face: Face) -> Self {
        Self {
            now: watch::Sender::new(Standing::of(face)),
            faces: watch::Sender::new(face),
        }
    }

    pub(super) fn face(&self) -> Face {
        *self.faces.borrow()
    }

    pub(super) fn faces(&self) -> watch::Receiver<Face> {
        self.faces.subscribe()
    }

    /// The face that is shown; waits while it turns.
    pub(super) async fn standing(&self) -> Standing {
        let mut now = self.now.subscribe();
        let settled = now.wait_for(|standing| !standing.turning).await;
        settled.map_or_else(|_| Standing::of(self.face()), |standing| standing.clone())
    }

    /// Turns away: calls on their way are answered, watches end, and what is asked from now on waits. One at a time.
    pub(super) fn begin(&self) -> Turning<'_> {
        self.now.send_modify(|standing| {
            standing.until.cancel();
            standing.turning = true;
        });
        Turning {
            turns: self,
            to: self.face(),
        }
    }
}

/// A turn on its way. Dropped before it is done: the face stays.
#[derive(Debug)]
pub(super) struct Turning<'t> {
    turns: &'t Turns,
    to: Face,
}

impl Turning<'_> {
    pub(super) fn done(mut self, face: Face) {
        self.to = face;
    }
}

impl Drop for Turning<'_> {
    fn drop(&mut self) {
        self.turns.now.send_replace(Standing::of(self.to));
        self.turns.faces.send_if_modified(|face| {
            let before = std::mem::replace(face, self.to);
            before != self.to
        });
    }
}
