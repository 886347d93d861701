//! Arithmetic of due times.

use std::time::Duration;

/// Intervals below this keep their own pace: no wall phase, no slewing.
pub const FINE: Duration = Duration::from_millis(100);
/// First runs of monitors that are new (or whose last run nobody knows) are spread to at most this many a second.
pub const FIRST_RUNS_PER_SECOND: u64 = 2_000;

const NANOS: i128 = 1_000_000_000;

/// Stable hash of a monitor's name: phase and placement follow from it, on every member and after every restart.
#[must_use]
pub fn name_hash(name: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(name.as_bytes())
}

/// The times at which a monitor is due by the wall clock: k × interval + phase, in nanoseconds of Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    interval: i128,
    phase: i128,
}

impl Grid {
    /// The grid of a monitor. The interval is at least a nanosecond.
    #[must_use]
    pub fn new(hash: u64, interval: Duration) -> Self {
        let interval = i128::try_from(interval.as_nanos()).unwrap_or(i128::MAX).max(1);
        Self {
            interval,
            phase: i128::from(hash) % interval,
        }
    }

    /// How long from `wall` (Unix nanoseconds) to the next due time after it; never zero.
    #[must_use]
    pub fn until_next(&self, wall: i128) -> Duration {
        nanos(self.interval - (wall - self.phase).rem_euclid(self.interval))
    }

    /// Whether a due time has passed without a run, when the last one was for `ran`. Runs off the grid count for the due time that is nearest.
    #[must_use]
    pub fn left_out(&self, ran: i128, wall: i128) -> bool {
        let last_due = wall - (wall - self.phase).rem_euclid(self.interval);
        ran < last_due - self.interval / 2
    }

    /// How far `wall` is from the nearest due time: positive when late by the grid, negative when early.
    #[must_use]
    pub fn distance(&self, wall: i128) -> i128 {
        let past = (wall - self.phase).rem_euclid(self.interval);
        if past * 2 > self.interval {
            past - self.interval
        } else {
            past
        }
    }
}

fn nanos(n: i128) -> Duration {
    let n = n.max(0);
    Duration::new(
        u64::try_from(n / NANOS).unwrap_or(u64::MAX),
        u32::try_from(n % NANOS).unwrap_or(0),
    )
}

/// The interval to the next due time, in nanoseconds: shortened or lengthened by at most 1 % so that it creeps back to the grid.
/// `distance` as of [`Grid::distance`].
#[must_use]
pub fn slew(interval: Duration, distance: i128) -> u64 {
    let plain = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
    if interval < FINE {
        return plain;
    }
    let most = i128::from(plain / 100);
    let by = distance.clamp(-most, most);
    u64::try_from(i128::from(plain) - by).unwrap_or(u64::MAX)
}

/// How long a monitor whose last run is not known waits for its first run: spread by hash over the time that `arriving` of them need at
/// [`FIRST_RUNS_PER_SECOND`], never more than its interval.
#[must_use]
pub fn first_delay(hash: u64, arriving: usize, interval: Duration) -> Duration {
    let window = Duration::from_millis(1000 * arriving as u64 / FIRST_RUNS_PER_SECOND).min(interval);
    let nanos = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 {
        Duration::ZERO
    } else {
        Duration::from_nanos(hash % nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_hash_of_a_name_never_changes() {
        // Placement and phases of running clusters hang on these values.
        assert_eq!(name_hash("web"), 2_521_323_995_525_950_751);
        assert_eq!(name_hash(""), 0x2d06_8005_38d3_94c2);
    }

    #[test]
    fn ten_new_monitors_start_within_five_milliseconds_and_a_hundred_thousand_within_fifty_seconds() {
        let day = Duration::from_secs(86_400);
        assert!((0..10).all(|i| first_delay(name_hash(&i.to_string()), 10, day) <= Duration::from_millis(5)));
        assert!((0..999).all(|i| first_delay(name_hash(&i.to_string()), 100_000, day) <= Duration::from_secs(50)));
        assert!(first_delay(u64::MAX, 100_000, Duration::from_secs(10)) < Duration::from_secs(10));
    }

    #[test]
    fn a_due_time_is_left_out_when_the_last_run_was_for_an_earlier_one() {
        let grid = Grid::new(3, Duration::from_nanos(10));
        // Due at 93, 103, 113.
        assert!(!grid.left_out(93, 102));
        assert!(grid.left_out(93, 103) && grid.left_out(93, 112));
        assert!(!grid.left_out(103, 112) && grid.left_out(103, 113));
        // Somewhat early or late it was for the one that is nearest.
        assert!(!grid.left_out(99, 112) && grid.left_out(97, 112));
        assert!(!grid.left_out(107, 112) && grid.left_out(107, 113));
    }

    #[test]
    fn slewing_is_bounded_by_one_percent_and_never_for_fine_intervals() {
        let ten = Duration::from_secs(10);
        assert_eq!(slew(ten, 0), 10_000_000_000);
        assert_eq!(slew(ten, 3_000_000_000), 9_900_000_000);
        assert_eq!(slew(ten, -3_000_000_000), 10_100_000_000);
        assert_eq!(slew(ten, 50), 9_999_999_950);
        assert_eq!(slew(Duration::from_millis(1), 400_000), 1_000_000);
    }

    proptest! {
        #[test]
        fn the_next_due_time_is_on_the_grid_and_within_one_interval(
            hash: u64,
            interval in 1u64..u64::MAX,
            wall in -4_000_000_000_000_000_000i128..16_000_000_000_000_000_000,
        ) {
            let interval = Duration::from_nanos(interval);
            let grid = Grid::new(hash, interval);
            let wait = grid.until_next(wall);
            prop_assert!(!wait.is_zero() && wait <= interval);
            let due = wall + i128::try_from(wait.as_nanos()).unwrap();
            prop_assert_eq!(grid.distance(due), 0);
        }

        /// However the clock was stepped, the schedule creeps back onto the grid and no gap differs from the interval by more than 1 %.
        #[test]
        fn a_stepped_clock_is_slewed_away(hash: u64, step in -7_200_000i128..7_200_000) {
            let interval = Duration::from_secs(10);
            let grid = Grid::new(hash, interval);
            let mut wall = i128::try_from(grid.until_next(0).as_nanos()).unwrap() + step * 1_000_000;
            for _ in 0..120 {
                let gap = slew(interval, grid.distance(wall));
                prop_assert!((9_900_000_000..=10_100_000_000).contains(&gap));
                wall += i128::from(gap);
            }
            prop_assert_eq!(grid.distance(wall), 0);
        }
    }
}
