//! Pure: how this member stands to the shared store, and what it may do meanwhile.
//!
//! | state | entered when | checks | records in | may begin a delivery | directs |
//! |---|---|---|---|---|---|
//! | joined | the return is done | all | store | until the proof ends | with term |
//! | doubtful | a call failed, or the proof is old | all | store, else here | until the proof ends | likewise |
//! | outage | the proof is over, nobody has the store | all | here | yes | no |
//! | cut off | the proof is over, somebody has the store | what no other judges | here | of what nobody judges | no |
//! | isolated | the proof is over, nobody knows | all | here | after a while, if the self-test passes | no |
//! | store full | the store answers, and takes nothing (or does not say so) | all | here | until the proof ends | no |
//! | strange | it is not the store that was known | all | here | yes | no |
//! | returning | the store answers again | all | here | no | no |
//!
//! `transitions.txt`, beside this file, has every transition with what leads to it.

use std::time::Duration;

use tokio::time::Instant;

use super::round::Verdict;

/// A delivery does not begin later than this before the proof ends: the attempt and a clock that runs a little fast have room.
const MARGIN: Duration = Duration::from_secs(1);

/// How this member stands to the shared store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The store answers, and the session is proved.
    Joined,
    /// It did not answer lately; the session may still be alive. Also the beginning of a process that finds no store.
    Doubtful,
    /// Nobody has it.
    Outage,
    /// Others have it.
    CutOff,
    /// Nobody can say whether others have it.
    Isolated,
    /// It answers, and takes nothing.
    StoreFull,
    /// What answers is not the store that was known.
    Strange,
    /// It answers again; what happened meanwhile is being brought in line.
    Returning,
}

/// Which monitors are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    /// Those that the tables gave to this member.
    All,
    /// Of these, those that the newest table known to anybody gives to nobody else.
    NotElsewhere,
}

/// Where changes are recorded before anyone is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// In the store.
    Store,
    /// In the store; if it does not answer, on this member.
    StoreElseHere,
    /// On this member.
    Here,
}

/// Which deliveries may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// Those of this member's alerters, before that moment.
    Until(Instant),
    /// All.
    Yes,
    /// None.
    No,
    /// Those about monitors in slots that the newest table gives to nobody at all.
    OfUnjudged,
}

/// What the last put was answered, since the state was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Puts {
    /// There was none that was answered.
    #[default]
    Unanswered,
    /// It was made, or its guards did not hold: the store takes what is right.
    Taken,
    /// The store takes nothing: it has no room, or is for reading only.
    Refused,
    /// One that was sent then, and again and again since, has no answer yet.
    Waiting(Instant),
}

/// How far a return is. Of no matter in other states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Return {
    /// On its way.
    #[default]
    UnderWay,
    /// Every step is done.
    Done,
    /// A step did not work.
    Failed,
}

/// What there is to decide by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Now.
    pub now: Instant,
    /// When the request was *sent* that last proved the session: a keep-alive answered with time left, and a linearizable read of the own
    /// member record. None: there never was one, or the lease is known to be gone.
    pub proof: Option<Instant>,
    /// The time of the lease that was granted.
    pub ttl: Duration,
    /// A call to the store got no answer since that proof.
    pub failed: bool,
    /// A linearizable read succeeded since the state was entered; after a return that failed, since then.
    pub read: bool,
    /// What puts are answered.
    pub puts: Puts,
    /// The store that answers has another id than the one that is known, or none, or lacks too much of what is known. Stays true until the known one
    /// is back or an operator has decided, also while it does not answer.
    pub strange: bool,
    /// What the others say; none before the first round since it was asked for is over.
    pub round: Option<Verdict>,
    /// Somebody outside can be reached from here. Only asked for while it matters; false until it is known.
    pub self_test: bool,
    /// How long an isolated member is silent; none: for ever.
    pub isolated_after: Option<Duration>,
    /// How far the return is.
    pub returned: Return,
}

impl Seen {
    /// The lease cannot have ended yet.
    fn alive(&self) -> bool {
        self.proof.is_some_and(|proof| self.now < proof + self.ttl)
    }

    /// The store answered lately. A proof every third of the time leaves room for one that is late.
    fn fresh(&self) -> bool {
        self.proof.is_some_and(|proof| self.now <= proof + self.ttl / 2)
    }

    /// The store takes nothing. A put that waits for the time of the lease, while keep-alives and reads are answered, says so, too.
    ///
    /// To give the lease up instead, so that others take over, would need a store that takes that, a plan and other members' records: where it is
    /// not this member's line but the store that is stuck, all would give theirs up, each believing that the others have what they read, and nobody would tell
    /// anything. With its lease kept nobody takes over, so that what this member tells from its own disk nobody else tells.
    fn refuses(&self) -> bool {
        match self.puts {
            Puts::Refused => true,
            Puts::Waiting(since) => self.now >= since + self.ttl,
            Puts::Unanswered | Puts::Taken => false,
        }
    }

    fn proved_until(&self) -> Option<Instant> {
        self.proof.map(|proof| proof + self.ttl.saturating_sub(MARGIN))
    }

    /// What the others leave to assume, once the lease may be over.
    fn without_store(&self) -> Option<State> {
        Some(match self.round? {
            Verdict::Elsewhere => State::CutOff,
            Verdict::Nowhere => State::Outage,
            Verdict::Alone if self.self_test => State::Outage,
            Verdict::Alone | Verdict::Unsure => State::Isolated,
        })
    }
}

/// The state that follows.
#[must_use]
pub fn next(state: State, seen: &Seen) -> State {
    use State::{CutOff, Doubtful, Isolated, Joined, Outage, Returning, StoreFull, Strange};
    if seen.strange {
        return Strange;
    }
    match state {
        // The operator has decided, or it is back: taken over or written back, the session is to be had anew.
        Strange => Returning,
        Returning => match seen.returned {
            Return::UnderWay => Returning,
            Return::Done => Joined,
            // It was read, and what was to be written is not there. A full store grants no lease: this one is kept; and for as long as it is nobody else
            // has taken over, whatever they have.
            Return::Failed if seen.alive() => StoreFull,
            // Never doubtful, which a proof alone would end: what was recorded here is not in the store yet.
            Return::Failed => seen.without_store().unwrap_or(Returning),
        },
        Joined | Doubtful if seen.alive() => match (seen.fresh(), seen.refuses()) {
            (true, true) => StoreFull,
            (true, _) if !seen.failed => Joined,
            _ => Doubtful,
        },
        // What the others said before is of another time; it is asked anew.
        Joined => Doubtful,
        StoreFull if seen.alive() => match seen.puts {
            Puts::Taken => Returning,
            _ => StoreFull,
        },
        // The lease may be over, whatever it was before.
        Doubtful | StoreFull | Outage | CutOff | Isolated => {
            if seen.read {
                Returning
            } else {
                seen.without_store().unwrap_or(state)
            }
        }
    }
}

impl State {
    /// All.
    pub const ALL: [Self; 8] = [
        Self::Joined,
        Self::Doubtful,
        Self::Outage,
        Self::CutOff,
        Self::Isolated,
        Self::StoreFull,
        Self::Strange,
        Self::Returning,
    ];

    /// The word used in JSON, on the page and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Doubtful => "doubtful",
            Self::Outage => "outage",
            Self::CutOff => "cut-off",
            Self::Isolated => "isolated",
            Self::StoreFull => "store-full",
            Self::Strange => "strange",
            Self::Returning => "returning",
        }
    }

    /// What it means, in one sentence for people.
    #[must_use]
    pub const fn means(self) -> &'static str {
        match self {
            Self::Joined => "The store answers, and everything works.",
            Self::Doubtful => {
                "The store did not answer lately; checks go on, and alerts are sent for as long as nobody else can have taken over."
            }
            Self::Outage => {
                "No member has the store: checks and alerts go on from each member's own disk, and nothing moves."
            }
            Self::CutOff => {
                "Other members have the store and take over; this one runs and tells only of what nobody else may run."
            }
            Self::Isolated => {
                "The store does not answer, and not everybody can be asked who has it; checks go on, alerts wait for `--isolated-after`."
            }
            Self::StoreFull => {
                "The store can be read and takes nothing; checks and alerts go on from this member's disk."
            }
            Self::Strange => {
                "The store is not the one that was known; nothing is taken from it or written to it until somebody decides: `9volt store adopt` takes it as it is, `9volt store restore` writes back what was there."
            }
            Self::Returning => {
                "The store answers again, and what happened meanwhile is being brought in line; alerts wait for that."
            }
        }
    }

    /// Which monitors are run.
    #[must_use]
    pub const fn checks(self) -> Checks {
        match self {
            Self::CutOff => Checks::NotElsewhere,
            _ => Checks::All,
        }
    }

    /// Where changes are recorded.
    #[must_use]
    pub const fn records(self) -> Records {
        match self {
            Self::Joined => Records::Store,
            Self::Doubtful => Records::StoreElseHere,
            _ => Records::Here,
        }
    }

    /// Whether others are to be asked if they have the store: for as long as the answers matter.
    #[must_use]
    pub const fn asks(self) -> bool {
        match self {
            Self::Joined => false,
            // A return that fails, notifiers that wait for others to have returned, and whoever tells operators need to know.
            Self::Doubtful
            | Self::Outage
            | Self::CutOff
            | Self::Isolated
            | Self::StoreFull
            | Self::Strange
            | Self::Returning => true,
        }
    }

    /// Whether this member has recorded what the store does not have, or may have.
    #[must_use]
    pub const fn settles(self) -> bool {
        matches!(self.records(), Records::Here)
    }

    /// Whether a read that succeeds means that this member has the store: not one that takes nothing, and not a strange one.
    #[must_use]
    pub const fn has_what_it_reads(self) -> bool {
        !matches!(self, Self::StoreFull | Self::Strange)
    }

    /// Whether a plan may be written, by whoever holds the term.
    #[must_use]
    pub fn directs(self, seen: &Seen) -> bool {
        matches!(self, Self::Joined | Self::Doubtful) && seen.proved_until().is_some_and(|until| seen.now < until)
    }

    /// Whether operators are to be told of it, of what it lets be told.
    #[must_use]
    pub fn is_notable(self, tells: Telling) -> bool {
        match self {
            Self::Outage | Self::StoreFull | Self::Strange => true,
            Self::Isolated => tells == Telling::Yes,
            // Others have the store and say so; or it passes, or is passing.
            Self::CutOff | Self::Joined | Self::Doubtful | Self::Returning => false,
        }
    }

    fn tells(self, isolated: Option<Instant>, seen: &Seen) -> Telling {
        match self {
            // A full store lets nobody take over, but it may be emptied at any time: what its proof says holds there, too.
            Self::Joined | Self::Doubtful | Self::StoreFull => seen.proved_until().map_or(Telling::No, Telling::Until),
            Self::Outage | Self::Strange => Telling::Yes,
            Self::CutOff => Telling::OfUnjudged,
            Self::Isolated => {
                let over = isolated.zip(seen.isolated_after).map(|(since, after)| since + after);
                match over {
                    Some(over) if seen.self_test && seen.now >= over => Telling::Yes,
                    _ => Telling::No,
                }
            }
            Self::Returning => Telling::No,
        }
    }
}

/// The state, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    state: State,
    since: Instant,
    /// Since when isolated; a return that fails does not begin that anew, or a store that answers now and then would silence it for ever.
    isolated: Option<Instant>,
}

impl Course {
    /// Begins: joined, or doubtful where the store does not answer at the start.
    #[must_use]
    pub fn new(state: State, now: Instant) -> Self {
        Self {
            state,
            since: now,
            isolated: None,
        }
    }

    /// Goes on to the state that follows; that one, if it is another.
    pub fn step(&mut self, seen: &Seen) -> Option<State> {
        let next = next(self.state, seen);
        if next == self.state {
            return None;
        }
        self.isolated = match next {
            State::Isolated => self.isolated.or(Some(seen.now)),
            State::Returning => self.isolated,
            _ => None,
        };
        self.state = next;
        self.since = seen.now;
        Some(next)
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Which deliveries may begin.
    #[must_use]
    pub fn tells(&self, seen: &Seen) -> Telling {
        self.state.tells(self.isolated, seen)
    }
}
