//! Pure: questions and answers as bytes, and what can go wrong with them.

use serde::{Deserialize, Serialize};

use super::calls::{Answer, Call};
use crate::model::MemberId;

/// The format of questions and answers that this program writes. A later one adds calls and fields; who does not know them says so.
pub(super) const VERSION: u32 = 1;
/// Largest question, in bytes.
pub(super) const MAX_QUESTION: usize = 256 * 1024;
/// Largest answer, in bytes. Lists stop earlier and say that there is more.
pub(super) const MAX_ANSWER: usize = 4 << 20;

/// A question on its way.
#[derive(Serialize)]
struct Asked<'a> {
    v: u32,
    /// How long the asking side waits, in milliseconds: nobody works on what nobody waits for.
    within_ms: u64,
    #[serde(flatten)]
    call: &'a Call,
}

/// A question as it came, before its call is looked at.
#[derive(Deserialize)]
struct Came {
    within_ms: u64,
    #[serde(default)]
    call: String,
}

/// A question, as bytes.
pub(super) fn question(call: &Call, within_ms: u64) -> Vec<u8> {
    // Plain data without maps that have other keys than strings: writing it to memory cannot fail.
    serde_json::to_vec(&Asked {
        v: VERSION,
        within_ms,
        call,
    })
    .unwrap_or_default()
}

/// A question, read; and how long the other side waits.
///
/// # Errors
/// What to answer instead.
pub(super) fn read_question(bytes: &[u8]) -> Result<(Call, u64), Refused> {
    let garbled = |error: serde_json::Error| Refused::new(Why::Garbled, format!("not a question: {error}"));
    let came: Came = serde_json::from_slice(bytes).map_err(garbled)?;
    if !Call::WORDS.contains(&came.call.as_str()) {
        return Err(Refused::unsupported(&came.call.chars().take(40).collect::<String>()));
    }
    let call = serde_json::from_slice(bytes).map_err(garbled)?;
    Ok((call, came.within_ms))
}

/// How many bytes something becomes on the wire: for answers that end before they are too large.
#[must_use]
pub fn weight(item: &impl Serialize) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, item) {
        Ok(()) => counter.0,
        Err(_) => MAX_ANSWER,
    }
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
enum Reply {
    #[serde(rename = "answer")]
    Answer(Box<Answer>),
    #[serde(rename = "refused")]
    Refused(Refused),
}

/// An answer, as bytes.
pub(super) fn reply(result: Result<Answer, Refused>) -> Vec<u8> {
    let reply = match result {
        Ok(answer) => Reply::Answer(Box::new(answer)),
        Err(refused) => Reply::Refused(refused),
    };
    let too_large = |bytes: usize| {
        let message = format!("the answer has {bytes} bytes");
        serde_json::to_vec(&Reply::Refused(Refused::new(Why::TooLarge, message))).unwrap_or_default()
    };
    match serde_json::to_vec(&reply) {
        Ok(bytes) if bytes.len() > MAX_ANSWER => too_large(bytes.len()),
        Ok(bytes) => bytes,
        Err(_) => too_large(0),
    }
}

/// An answer, read.
///
/// # Errors
/// The other side refused, or what came is no answer.
pub(super) fn read_reply(bytes: &[u8]) -> Result<Answer, AskError> {
    match serde_json::from_slice(bytes) {
        Ok(Reply::Answer(answer)) => Ok(*answer),
        Ok(Reply::Refused(refused)) => Err(AskError::Refused(refused)),
        Err(error) => Err(AskError::Garbled(error.to_string())),
    }
}

/// Why a member does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It does not know the call: it is of another version.
    Unsupported,
    /// It cannot read the question.
    Garbled,
    /// It is asked too much.
    Busy,
    /// The asking side is no member, or only was one.
    NotAMember,
    /// The question is too large, or the answer would be.
    TooLarge,
    /// It could not find the answer in time.
    Late,
    /// What is asked for does not exist there.
    Missing,
    /// Something else.
    #[serde(other)]
    Failed,
}

impl Why {
    /// The word used on the wire and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::Garbled => "garbled",
            Self::Busy => "busy",
            Self::NotAMember => "not-a-member",
            Self::TooLarge => "too-large",
            Self::Late => "late",
            Self::Missing => "missing",
            Self::Failed => "failed",
        }
    }
}

/// A question is not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", why.as_str())]
pub struct Refused {
    /// Why.
    pub why: Why,
    /// For people.
    pub message: String,
}

impl Refused {
    /// A refusal.
    #[must_use]
    pub fn new(why: Why, message: impl Into<String>) -> Self {
        Self {
            why,
            message: message.into(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The member list does not have it, or does not say where it is.
    #[error("not in the member list")]
    NotListed,
    /// No answer in time.
    #[error("no answer in time")]
    Late,
    /// No connection to that member.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It says no.
    #[error("{0}")]
    Refused(Refused),
    /// What came is not an answer.
    #[error("the answer cannot be read: {0}")]
    Garbled(String),
    /// Too much is being asked of it already.
    #[error("too many questions to it are under way")]
    Crowded,
}

impl AskError {
    /// The word used in metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotListed => "not-listed",
            Self::Late => "late",
            Self::Unreachable(_) => "unreachable",
            Self::Refused(refused) => refused.why.as_str(),
            Self::Garbled(_) => "garbled",
            Self::Crowded => "crowded",
        }
    }
}

/// What came back from several members.
#[derive(Debug)]
pub struct Gathered<A> {
    /// Who answered, and what.
    pub answers: Vec<(MemberId, A)>,
    /// Who did not, and why.
    pub unreachable: Vec<(MemberId, AskError)>,
}

impl<A> Default for Gathered<A> {
    fn default() -> Self {
        Self {
            answers: Vec::new(),
            unreachable: Vec::new(),
        }
    }
}

impl<A> FromIterator<(MemberId, Result<A, AskError>)> for Gathered<A> {
    fn from_iter<I: IntoIterator<Item = (MemberId, Result<A, AskError>)>>(results: I) -> Self {
        let mut gathered = Self::default();
        for (member, result) in results {
            match result {
                Ok(answer) => gathered.answers.push((member, answer)),
                Err(error) => gathered.unreachable.push((member, error)),
            }
        }
        gathered
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::peers::calls::{HelloAnswer, HelloQuestion, StateQuestion, StoreQuestion};

    #[test]
    fn a_question_is_read_as_it_was_written() {
        let name = crate::model::MonitorName::parse("web é").unwrap();
        for call in [
            Call::from(HelloQuestion {}),
            StoreQuestion::default().into(),
            StateQuestion { name }.into(),
        ] {
            let bytes = question(&call, 1_500);
            let (read, within) = read_question(&bytes).unwrap();
            assert_eq!((format!("{read:?}"), within), (format!("{call:?}"), 1_500));
        }
        let text = String::from_utf8(question(&HelloQuestion {}.into(), 300)).unwrap();
        assert_eq!(text, r#"{"v":1,"within_ms":300,"call":"hello","about":{}}"#);
    }

    #[test]
    fn a_call_of_a_later_version_is_told_from_garbage() {
        let why = |text: &str| read_question(text.as_bytes()).unwrap_err().why;
        assert_eq!(
            why(r#"{"v":9,"within_ms":1,"call":"teleport","about":{"x":1}}"#),
            Why::Unsupported
        );
        assert_eq!(why(r#"{"v":9,"within_ms":1}"#), Why::Unsupported);
        assert_eq!(
            why(r#"{"v":1,"within_ms":1,"call":"state","about":{"name":"a/b"}}"#),
            Why::Garbled
        );
        assert_eq!(why(r#"{"v":1,"within_ms":1,"call":"state"}"#), Why::Garbled);
        assert_eq!(why("hello"), Why::Garbled);
        // Fields that a later version adds are left out.
        let later = r#"{"v":2,"within_ms":1,"call":"hello","about":{"wish":1},"more":true}"#;
        assert_eq!(read_question(later.as_bytes()).unwrap().0.word(), "hello");
    }

    #[test]
    fn an_answer_comes_back_as_it_is_and_a_refusal_as_an_error() {
        let hello = HelloAnswer {
            member: MemberId::parse("m").unwrap(),
            identity: "i".into(),
            boot: "b".into(),
            hostname: "h".into(),
            pid: 7,
            version: "1".into(),
            now: crate::model::WallMs(5),
        };
        let answer = read_reply(&reply(Ok(hello.clone().into()))).unwrap();
        assert_eq!(HelloAnswer::try_from(answer.clone()), Ok(hello));
        let other = crate::peers::calls::StoreAnswer::try_from(answer).unwrap_err();
        assert!(matches!(other, AskError::Garbled(_)), "{other}");
        let refused = read_reply(&reply(Err(Refused::new(Why::Busy, "x")))).unwrap_err();
        assert_eq!(refused, AskError::Refused(Refused::new(Why::Busy, "x")));
        // A reason that a later version adds is still a refusal.
        let later = br#"{"refused":{"why":"tired","message":"zzz"}}"#;
        assert_eq!(read_reply(later).unwrap_err().as_str(), "failed");
    }

    #[test]
    fn an_answer_that_grew_too_large_is_refused_by_the_one_who_made_it() {
        let huge = crate::peers::calls::AlertersAnswer {
            alerters: [("x".repeat(MAX_ANSWER), crate::peers::calls::AlerterRow::default())].into(),
        };
        let bytes = reply(Ok(huge.into()));
        assert!(bytes.len() < 1_000);
        assert_eq!(read_reply(&bytes).unwrap_err().as_str(), "too-large");
    }

    proptest! {
        #[test]
        fn bytes_of_strangers_never_panic(bytes: Vec<u8>, text in "\\PC*") {
            let _ = (read_question(&bytes), read_reply(&bytes));
            let _ = (read_question(text.as_bytes()), read_reply(text.as_bytes()));
        }
    }
}
