//! Every bound of the pipeline, in one place, with their relations.

use std::time::Duration;

/// One attempt, from its begin to the far end's answer.
pub(crate) const ATTEMPT_DEADLINE: Duration = Duration::from_secs(30);
/// What is still not told after this time is given up, visibly.
pub(crate) const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);
/// First wait after an attempt that did not work; doubles.
pub(crate) const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// Longest pause of a whole alerter for failures: then one message tries whether it works again.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Failures in a row after which an operator is told that the alerter fails.
pub(crate) const FAILING_AFTER: u32 = 3;
/// Longest wait between two attempts, whoever asks for it.
pub(crate) const LONGEST_BACKOFF: Duration = Duration::from_secs(15 * 60);
/// Deliveries at once for one alerter.
pub(crate) const PER_ALERTER: usize = 4;
/// Deliveries at once for this member.
pub(crate) const PER_MEMBER: usize = 64;
/// With more than this many messages due at once, an alerter whose far end keeps no incidents gets a digest.
pub(crate) const DIGEST_ABOVE: usize = 20;
/// Messages in one digest.
pub(crate) const DIGEST_AT_MOST: usize = 500;
/// Lines of a digest's text; the rest is counted.
pub(crate) const DIGEST_LINES: usize = 40;
/// Longest detail in such a line, in bytes.
pub(crate) const DIGEST_LINE: usize = 120;
/// First wait after an attempt to tell a fallback alerter that did not work; doubles.
pub(crate) const FALLBACK_AGAIN: Duration = Duration::from_secs(1);
/// The longest such wait.
pub(crate) const FALLBACK_AGAIN_AT_MOST: Duration = Duration::from_secs(60);
/// Fallback alerters that are told of messages that were given up, first by name: each is noted in the record of each message, which has its bound.
pub(crate) const FALLBACKS: usize = 8;
/// What was given up waits so long for others to be told with it.
pub(crate) const UNDELIVERED_GATHER: Duration = Duration::from_secs(10);
/// From one message about what was given up to the next, to one fallback alerter: nobody is paged for each of ten thousand.
pub(crate) const UNDELIVERED_EVERY: Duration = Duration::from_secs(5 * 60);
/// Alerters that such a message names.
pub(crate) const UNDELIVERED_NAMED: usize = 5;
/// What is durably wanted waits this long for the store to record the begin of its delivery, then is told without.
pub(crate) const STORE_PATIENCE: Duration = Duration::from_secs(5);
/// First wait after a commit that was not taken; doubles.
pub(crate) const STORE_FIRST_WAIT: Duration = Duration::from_millis(200);
/// Longest such wait.
pub(crate) const STORE_LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Records that travel to the store together.
pub(crate) const COMMITS_AT_ONCE: usize = 120;
/// Keys that are read again at once after a refusal or a lost answer.
pub(crate) const READS_AT_ONCE: usize = 16;
/// Up to so many alerters that are taken over are read one by one; for more, everything is listed.
pub(crate) const SINGLY: usize = 16;
/// A list of all that is told and to be told may take this long.
pub(crate) const LIST_PATIENCE: Duration = Duration::from_secs(60);
/// A list that failed is tried again after this.
pub(crate) const LIST_AGAIN: Duration = Duration::from_millis(500);
/// Silences are asked again at least this often, for a wall clock that is set.
pub(crate) const MUTE_RECHECK: Duration = Duration::from_secs(30);
/// Messages that were sent and are still shown.
pub(crate) const SENT_KEPT: usize = 1_000;
/// Longest answer of a far end that is kept, in bytes. With the reference, six times as much (JSON's worst) fits into a record.
pub(crate) const MAX_RESPONSE: usize = 300;
/// Longest reference of a far end that is kept, in bytes.
pub(crate) const MAX_REFERENCE: usize = 500;
/// On stop, deliveries in flight have this long to end and be recorded.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
