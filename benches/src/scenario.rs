//! The scenarios, and the text form in which every peer, of whatever language, gets them: `round-trip:200:5000`.
//!
//! The messages between the two ends begin with a byte that says what the answering end does with them, see [`kind`].
//! The foreign peers in `peers/` speak the same.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, ensure};

/// What a message's first byte asks of the answering end.
pub(crate) mod kind {
    /// Send it back.
    pub(crate) const ECHO: u8 = b'E';
    /// Count its bytes.
    pub(crate) const COUNT: u8 = b'D';
    /// A piece of a large message: keep it until the one whose second byte is [`LAST`], then send them all back.
    pub(crate) const PIECE: u8 = b'M';
    /// Second byte of the last piece.
    pub(crate) const LAST: u8 = b'1';
    /// Answer with [`STATISTICS`] and start counting anew.
    pub(crate) const QUERY: u8 = b'Q';
    /// Followed by a JSON object: `bytes` counted, `cpu` seconds used, `rss` in kB.
    pub(crate) const STATISTICS: u8 = b'S';
    /// Read nothing for as many milliseconds as the digits after it say.
    pub(crate) const PAUSE: u8 = b'P';
}

/// One thing to measure. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scenario {
    /// New sessions, one after the other, from nothing to an open channel.
    Connect { count: usize },
    /// One message there and back at a time.
    RoundTrip { size: usize, count: usize },
    /// Messages there and back, `window` of them under way at any time.
    InFlight { size: usize, window: usize, count: usize },
    /// Messages one way, as fast as they are taken, until the other end has them all.
    OneWay { size: usize, total: usize },
    /// A large message there and back that the application cuts into pieces, for stacks that have nothing for it.
    Pieces { piece: usize, total: usize, repeats: usize },
    /// The same message handed over whole.
    Large { total: usize, repeats: usize },
    /// Round trips of 200 bytes while a large message goes there and back on the same channel.
    Pings { total: usize, repeats: usize },
    /// What sessions cost that do nothing.
    Idle { sessions: usize, seconds: usize },
    /// Offered to a receiver that stops reading again and again.
    SlowReader { total: usize },
    /// MCP `tools/call` requests, one after the other.
    Calls { count: usize },
}

impl Scenario {
    fn parts(&self) -> (&'static str, Vec<usize>) {
        match *self {
            Self::Connect { count } => ("connect", vec![count]),
            Self::RoundTrip { size, count } => ("round-trip", vec![size, count]),
            Self::InFlight { size, window, count } => ("in-flight", vec![size, window, count]),
            Self::OneWay { size, total } => ("one-way", vec![size, total]),
            Self::Pieces { piece, total, repeats } => ("pieces", vec![piece, total, repeats]),
            Self::Large { total, repeats } => ("large", vec![total, repeats]),
            Self::Pings { total, repeats } => ("pings", vec![total, repeats]),
            Self::Idle { sessions, seconds } => ("idle", vec![sessions, seconds]),
            Self::SlowReader { total } => ("slow-reader", vec![total]),
            Self::Calls { count } => ("calls", vec![count]),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, numbers) = self.parts();
        formatter.write_str(name)?;
        numbers.iter().try_for_each(|number| write!(formatter, ":{number}"))
    }
}

impl FromStr for Scenario {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut words = text.split(':');
        let name = words.next().unwrap_or_default();
        let numbers: Result<Vec<usize>, _> = words.map(str::parse).collect();
        let numbers = numbers.with_context(|| format!("{text}: not a number"))?;
        ensure!(!numbers.contains(&0), "{text}: a number is zero");
        Ok(match (name, numbers.as_slice()) {
            ("connect", &[count]) => Self::Connect { count },
            ("round-trip", &[size, count]) => Self::RoundTrip { size, count },
            ("in-flight", &[size, window, count]) => Self::InFlight { size, window, count },
            ("one-way", &[size, total]) => Self::OneWay { size, total },
            ("pieces", &[piece, total, repeats]) => Self::Pieces { piece, total, repeats },
            ("large", &[total, repeats]) => Self::Large { total, repeats },
            ("pings", &[total, repeats]) => Self::Pings { total, repeats },
            ("idle", &[sessions, seconds]) => Self::Idle { sessions, seconds },
            ("slow-reader", &[total]) => Self::SlowReader { total },
            ("calls", &[count]) => Self::Calls { count },
            _ => anyhow::bail!("{text}: no such scenario"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Scenario;

    #[test]
    fn every_scenario_is_read_back_from_its_text() {
        let scenarios = [
            Scenario::Connect { count: 30 },
            Scenario::RoundTrip { size: 200, count: 5000 },
            Scenario::InFlight { size: 1024, window: 64, count: 9 },
            Scenario::OneWay { size: 1, total: 2 },
            Scenario::Pieces { piece: 3, total: 4, repeats: 5 },
            Scenario::Large { total: 6, repeats: 7 },
            Scenario::Pings { total: 8, repeats: 9 },
            Scenario::Idle { sessions: 100, seconds: 10 },
            Scenario::SlowReader { total: 11 },
            Scenario::Calls { count: 12 },
        ];
        for scenario in scenarios {
            assert_eq!(scenario.to_string().parse::<Scenario>().unwrap(), scenario);
        }
        for bad in ["", "connect", "connect:0", "connect:1:2", "one-way:x:1", "dance:1"] {
            assert!(bad.parse::<Scenario>().is_err(), "{bad}");
        }
    }
}
