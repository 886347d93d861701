//! What an operator may want to know of the pipeline.

use std::fmt;

use super::lane::GaveUp;
use crate::model::{AlerterName, MonitorName, Status};

/// Something happened in the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifierEvent {
    /// It was told.
    Sent {
        /// To whom.
        alerter: AlerterName,
        /// About what.
        monitor: MonitorName,
        /// What: `ok` for a resolve.
        status: Status,
    },
    /// It will not be told.
    GivenUp {
        /// To whom.
        alerter: AlerterName,
        /// About what.
        monitor: MonitorName,
        /// What: `ok` for a resolve.
        status: Status,
        /// Why.
        why: GaveUp,
        /// The last error.
        error: String,
    },
    /// A fallback alerter was told of what others could not be told.
    FallbackTold {
        /// Which one.
        fallback: AlerterName,
        /// Of how many messages.
        messages: usize,
    },
    /// It will not be told of them.
    FallbackRefused {
        /// Which one.
        fallback: AlerterName,
        /// Of how many messages.
        messages: usize,
        /// What it said.
        error: String,
    },
    /// An alerter fails again and again; what it should tell waits.
    AlerterFails {
        /// Which one.
        alerter: AlerterName,
        /// The last error.
        error: String,
    },
    /// It works again.
    AlerterWorks {
        /// Which one.
        alerter: AlerterName,
    },
    /// The store took no commit for long: told without recording it first.
    ToldWithoutStore {
        /// To whom.
        alerter: AlerterName,
        /// About what.
        monitor: MonitorName,
    },
    /// A record cannot be read.
    Damaged {
        /// Its key.
        key: String,
    },
}

impl NotifierEvent {
    /// Whether it wants an operator's attention.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        !matches!(
            self,
            Self::Sent { .. } | Self::AlerterWorks { .. } | Self::FallbackTold { .. }
        )
    }

    /// The monitor that it is about.
    #[must_use]
    pub fn monitor(&self) -> Option<&MonitorName> {
        match self {
            Self::Sent { monitor, .. } | Self::GivenUp { monitor, .. } | Self::ToldWithoutStore { monitor, .. } => {
                Some(monitor)
            }
            Self::AlerterFails { .. }
            | Self::AlerterWorks { .. }
            | Self::FallbackTold { .. }
            | Self::FallbackRefused { .. }
            | Self::Damaged { .. } => None,
        }
    }
}

impl fmt::Display for NotifierEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |status: &Status| if status.is_bad() { status.as_str() } else { "resolved" };
        match self {
            Self::Sent {
                alerter,
                monitor,
                status,
            } => write!(f, "told {alerter} that {monitor} is {}", word(status)),
            Self::GivenUp {
                alerter,
                monitor,
                status,
                error,
                ..
            } => write!(
                f,
                "gave up telling {alerter} that {monitor} is {}: {error}",
                word(status)
            ),
            Self::FallbackTold { fallback, messages } => {
                write!(
                    f,
                    "told {fallback} of {messages} given-up messages, in place of whom they were for"
                )
            }
            Self::FallbackRefused {
                fallback,
                messages,
                error,
            } => write!(f, "gave up telling {fallback} of {messages} given-up messages: {error}"),
            Self::AlerterFails { alerter, error } => write!(f, "alerter {alerter} fails again and again: {error}"),
            Self::AlerterWorks { alerter } => write!(f, "alerter {alerter} works again"),
            Self::ToldWithoutStore { alerter, monitor } => {
                write!(
                    f,
                    "the store takes no commits; told {alerter} about {monitor} without it"
                )
            }
            Self::Damaged { key } => write!(f, "the record `{key}` cannot be read"),
        }
    }
}
