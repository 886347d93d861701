//! How single values look in JSON.

use std::collections::HashMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::model::{Fact, Phases, WallMs};

/// A time: RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) WallMs);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339, UTC, milliseconds."))
            .into()
    }
}

impl ToSchema for Time {}

/// A number, written as an integer where it is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Num(pub(super) f64);

/// Integers up to here are exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Serialize for Num {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() <= EXACT {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl PartialSchema for Num {
    fn schema() -> RefOr<Schema> {
        f64::schema()
    }
}

impl ToSchema for Num {}

/// Milliseconds of a number of microseconds.
pub(super) fn ms(us: u32) -> Num {
    Num(f64::from(us) / 1000.0)
}

/// Milliseconds of a duration, to the microsecond.
pub(super) fn ms_of(d: std::time::Duration) -> Num {
    Num(d.as_micros() as f64 / 1000.0)
}

/// Milliseconds by phase, in the order in which they happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct PhasesMs(pub(super) Phases);

impl Serialize for PhasesMs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (phase, took) in self.0.iter() {
            map.serialize_entry(phase.as_str(), &ms_of(took))?;
        }
        map.end()
    }
}

impl PartialSchema for PhasesMs {
    fn schema() -> RefOr<Schema> {
        HashMap::<String, f64>::schema()
    }
}

impl ToSchema for PhasesMs {}

/// What a run found out, by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a>(pub(super) &'a [Fact]);

impl Serialize for Facts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (i, fact) in self.0.iter().enumerate() {
            // A plug-in may name two of its values alike: the later one counts.
            if !self.0[i + 1..].iter().any(|later| later.name == fact.name) {
                map.serialize_entry(fact.name.as_ref(), &Num(fact.value))?;
            }
        }
        map.end()
    }
}

impl PartialSchema for Facts<'_> {
    fn schema() -> RefOr<Schema> {
        HashMap::<String, f64>::schema()
    }
}

impl ToSchema for Facts<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_written_as_integers_and_nothing_breaks_json() {
        let text = |n: f64| serde_json::to_string(&Num(n)).unwrap();
        assert_eq!(
            [text(200.0), text(1.5), text(f64::NAN), text(f64::INFINITY), text(-0.25)],
            ["200", "1.5", "null", "null", "-0.25"]
        );
    }

    #[test]
    fn a_name_that_a_plug_in_repeats_is_written_once() {
        let fact = |value| Fact {
            name: "x".into(),
            value,
        };
        assert_eq!(
            serde_json::to_string(&Facts(&[fact(1.0), fact(2.0)])).unwrap(),
            r#"{"x":2}"#
        );
    }
}
