//! Every bound of the pipeline, in one place, with their relations.

use std::time::Duration;

/// One attempt, from its begin to the far end's answer.
pub const ATTEMPT_DEADLINE: Duration = Duration::from_secs(30);
/// What is still not told after this time is given up, visibly.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);
/// First wait after an attempt that did not work; doubles.
pub const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// Longest wait between two attempts, whoever asks for it.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(15 * 60);
/// Deliveries at once for one alerter.
pub const PER_ALERTER: usize = 4;
/// Deliveries at once for this member.
pub const PER_MEMBER: usize = 64;
/// With more than this many messages due at once, an alerter whose far end keeps no incidents gets a digest.
pub const DIGEST_ABOVE: usize = 20;
/// Messages in one digest.
pub const DIGEST_AT_MOST: usize = 500;
/// What is durably wanted waits this long for the store to record the begin of its delivery, then is told without.
pub const STORE_PATIENCE: Duration = Duration::from_secs(5);
/// First wait after a commit that was not taken; doubles.
pub const STORE_FIRST_WAIT: Duration = Duration::from_millis(200);
/// Longest such wait.
pub const STORE_LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Records that travel to the store together.
pub const COMMITS_AT_ONCE: usize = 120;
/// Keys that are read again at once after a refusal or a lost answer.
pub const READS_AT_ONCE: usize = 16;
/// Silences are asked again at least this often, for a wall clock that is set.
pub const MUTE_RECHECK: Duration = Duration::from_secs(30);
/// Messages that were sent and are still shown.
pub const SENT_KEPT: usize = 1_000;
/// Longest answer of a far end that is kept, in bytes.
pub const MAX_RESPONSE: usize = 600;
/// Longest reference of a far end that is kept, in bytes.
pub const MAX_REFERENCE: usize = 1_000;
/// On stop, deliveries in flight have this long to end and be recorded.
pub const GRACE: Duration = Duration::from_secs(5);
