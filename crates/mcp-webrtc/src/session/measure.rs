//! What a session's path is like while it lives: which one it is, how long a round trip takes, how much went over it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Link, Session};
use crate::path::{Path, PathKind};

/// How often is measured. The engine keeps a quiet path open every two seconds and times the answers, so that there is always
/// something new.
const EVERY: Duration = Duration::from_secs(5);

/// How often is looked for the first round trip, which is timed before the session is up or within the next moments.
const FIRST: Duration = Duration::from_millis(200);

/// A session's path at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Measurement {
    /// The path in use.
    pub path: Path,
    /// How long a packet takes there and back, smoothed over the last measurements.
    pub round_trip: Option<Duration>,
    /// Bytes sent over the connection so far, with what encryption adds to them.
    pub bytes_sent: u64,
    /// Bytes received over it.
    pub bytes_received: u64,
}

/// "direct connection, 23 ms", "direct connection through a NAT, 0.4 ms" or "relayed through 192.0.2.7, 80 ms".
impl fmt::Display for Measurement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.kind(), self.path.relay()) {
            (PathKind::Direct, _) => formatter.write_str("direct connection")?,
            (_, Some(relay)) => write!(formatter, "relayed through {relay}")?,
            _ => formatter.write_str("direct connection through a NAT")?,
        }
        match self.round_trip.map(|time| time.as_secs_f64() * 1000.0) {
            Some(millis) if millis >= 9.95 => write!(formatter, ", {millis:.0} ms"),
            Some(millis) => write!(formatter, ", {millis:.1} ms"),
            None => Ok(()),
        }
    }
}

/// Measures a session's path for as long as the session lives. It does not keep the session alive.
pub struct Measurements {
    link: Arc<Link>,
    next: Instant,
    smoothed: Option<Duration>,
    /// How often was looked for the first round trip.
    looks: u32,
}

impl Session {
    /// Begins to measure the path.
    pub fn measurements(&self) -> Measurements {
        let link = Arc::clone(&self.handle.link);
        Measurements { link, next: Instant::now(), smoothed: None, looks: 0 }
    }
}

impl Measurements {
    /// Waits for the next measurement, the first of which comes at once and the others every 5 s. `None` once the session has
    /// ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Measurement> {
        let link = Arc::clone(&self.link);
        link.cancelled_or(self.measure()).await
    }

    async fn measure(&mut self) -> Measurement {
        loop {
            sleep_until(self.next).await;
            let path = self.link.engine.path().await;
            let (round_trip, bytes_sent, bytes_received) = self.link.engine.counts().await;
            self.looks += 1;
            if round_trip.is_none() && self.smoothed.is_none() && self.looks < 5 {
                self.next = Instant::now() + FIRST;
                continue;
            }
            self.next = Instant::now() + EVERY;
            self.smoothed = smooth(self.smoothed, round_trip);
            if let Some(path) = path {
                return Measurement { path, round_trip: self.smoothed, bytes_sent, bytes_received };
            }
        }
    }
}

/// Weighs what is new with a quarter: twice as much as TCP does (RFC 6298), since there is one value in five seconds only.
fn smooth(known: Option<Duration>, new: Option<Duration>) -> Option<Duration> {
    match (known, new) {
        (Some(known), Some(new)) => Some((known * 3 + new) / 4),
        (known, new) => new.or(known),
    }
}

impl fmt::Debug for Measurements {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Measurements").field("smoothed", &self.smoothed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::CandidateKind;

    #[test]
    fn a_path_is_told_in_few_words() {
        let of = |local_kind, remote_kind, micros| {
            let (local, remote) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
            let path = Path { local, local_kind, remote, remote_kind };
            let round_trip = Some(Duration::from_micros(micros));
            Measurement { path, round_trip, bytes_sent: 0, bytes_received: 0 }.to_string()
        };
        use CandidateKind::{Host, Reflexive, Relayed};
        assert_eq!(of(Host, Host, 23_400), "direct connection, 23 ms");
        assert_eq!(of(Host, Reflexive, 420), "direct connection through a NAT, 0.4 ms");
        assert_eq!(of(Relayed, Relayed, 80_000), "relayed through 192.0.2.1, 80 ms");
        assert_eq!(of(Host, Relayed, 9_960), "relayed through 192.0.2.2, 10 ms");
    }

    #[test]
    fn one_outlier_moves_the_round_trip_by_a_quarter() {
        let millis = |time| Some(Duration::from_millis(time));
        assert_eq!(smooth(None, millis(20)), millis(20));
        assert_eq!(smooth(millis(20), millis(100)), millis(40));
        assert_eq!(smooth(millis(20), None), millis(20));
    }
}
