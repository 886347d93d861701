//! Which packets went out, which came back, and how long they took. Pure: time is a parameter.

use std::time::Duration;

use tokio::time::Instant;

/// The count of one run.
#[derive(Debug)]
pub(super) struct Tally {
    wanted: u16,
    packets: Vec<Packet>,
}

#[derive(Debug, Clone, Copy)]
struct Packet {
    sent: Instant,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Answered(Duration),
    /// Somebody on the way said that it cannot arrive.
    Refused,
}

impl Tally {
    /// Of a run that sends so many.
    pub(super) fn new(wanted: u16) -> Self {
        Self {
            wanted,
            packets: Vec::with_capacity(wanted.into()),
        }
    }

    /// The number of the next packet, if there is one to send.
    pub(super) fn next(&self) -> Option<u16> {
        u16::try_from(self.packets.len())
            .ok()
            .filter(|next| *next < self.wanted)
    }

    /// The next packet went out.
    pub(super) fn sent(&mut self, at: Instant) {
        self.packets.push(Packet {
            sent: at,
            end: End::Open,
        });
    }

    /// Packet `number` came back. A duplicate, and one that never went out, change nothing: `false`.
    pub(super) fn answered(&mut self, number: u16, at: Instant) -> bool {
        let took = |sent| at.saturating_duration_since(sent);
        self.close(number, |sent| End::Answered(took(sent)))
    }

    /// Packet `number` will not come back.
    pub(super) fn refused(&mut self, number: u16) -> bool {
        self.close(number, |_| End::Refused)
    }

    fn close(&mut self, number: u16, end: impl FnOnce(Instant) -> End) -> bool {
        match self.packets.get_mut(usize::from(number)) {
            Some(packet) if packet.end == End::Open => {
                packet.end = end(packet.sent);
                true
            }
            _ => false,
        }
    }

    /// All went out, and the fate of each is known.
    pub(super) fn is_complete(&self) -> bool {
        self.next().is_none() && self.packets.iter().all(|packet| packet.end != End::Open)
    }

    /// What came of it.
    pub(super) fn result(&self) -> Counted {
        let mut round_trips: Vec<_> = self
            .packets
            .iter()
            .filter_map(|packet| match packet.end {
                End::Answered(took) => Some(took),
                _ => None,
            })
            .collect();
        round_trips.sort_unstable();
        Counted {
            sent: self.packets.len(),
            round_trips,
        }
    }
}

/// The result of a run: how many went out, and the round trips of those that came back, shortest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) sent: usize,
    pub(super) round_trips: Vec<Duration>,
}

impl Counted {
    /// Lost packets as a part of those that were sent.
    #[expect(clippy::cast_precision_loss, reason = "at most a thousand packets")]
    pub(super) fn loss(&self) -> f64 {
        if self.sent == 0 {
            return 1.0;
        }
        (self.sent - self.round_trips.len()) as f64 / self.sent as f64
    }

    /// The round trip that so many percent did not exceed (nearest rank).
    pub(super) fn percentile(&self, percent: u8) -> Option<Duration> {
        let rank = (self.round_trips.len() * usize::from(percent)).div_ceil(100);
        self.round_trips.get(rank.max(1) - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[tokio::test(start_paused = true)]
    async fn answers_in_any_order_count_once() {
        let start = Instant::now();
        let mut tally = Tally::new(3);
        for number in 0..3 {
            assert_eq!(tally.next(), Some(number));
            tally.sent(start + ms(100 * u64::from(number)));
        }
        assert_eq!(tally.next(), None);
        assert!(tally.answered(2, start + ms(230)));
        assert!(tally.answered(0, start + ms(250)));
        assert!(!tally.answered(0, start + ms(900)), "a duplicate");
        assert!(!tally.answered(7, start + ms(900)), "never sent");
        assert!(!tally.is_complete());
        let counted = tally.result();
        assert_eq!(counted.round_trips, [ms(30), ms(250)]);
        assert!((counted.loss() - 1.0 / 3.0).abs() < 1e-9);
        assert!(tally.refused(1));
        assert!(!tally.answered(1, start + ms(999)), "closed already");
        assert!(tally.is_complete());
        assert_eq!(tally.result(), counted);
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let counted = |n: u64| Counted {
            sent: 10,
            round_trips: (1..=n).map(ms).collect(),
        };
        assert_eq!(counted(0).percentile(50), None);
        assert_eq!(counted(1).percentile(1), Some(ms(1)));
        assert_eq!(counted(3).percentile(50), Some(ms(2)));
        assert_eq!(counted(4).percentile(50), Some(ms(2)));
        assert_eq!(counted(10).percentile(95), Some(ms(10)));
        assert_eq!(counted(10).percentile(100), Some(ms(10)));
    }
}
