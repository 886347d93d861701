//! Why a packet is not answered.

/// Why a packet is not answered: a closed list, each counted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It came from a network that is not allowed.
    Stranger,
    /// It came from a port that reflectors send from.
    Reflector,
    /// It is itself a reflection.
    Reflection,
    /// It is too short to have a reflection of its own length.
    Short,
    /// It is too long.
    Oversize,
    /// It is not signed with our key.
    Forged,
    /// It was answered before: it was duplicated on its way, or somebody sends it again.
    Repeated,
    /// Its source, or all together, send more than they are answered.
    Budget,
    /// No more sessions can be remembered, and none of them is idle.
    Full,
}

impl Refusal {
    /// All, in the order of the numbers that count them.
    pub const ALL: [Self; 9] = [
        Self::Stranger,
        Self::Reflector,
        Self::Reflection,
        Self::Short,
        Self::Oversize,
        Self::Forged,
        Self::Repeated,
        Self::Budget,
        Self::Full,
    ];

    /// As people and metrics call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Reflector => "reflector",
            Self::Reflection => "reflection",
            Self::Short => "short",
            Self::Oversize => "oversize",
            Self::Forged => "forged",
            Self::Repeated => "repeated",
            Self::Budget => "budget",
            Self::Full => "full",
        }
    }
}
